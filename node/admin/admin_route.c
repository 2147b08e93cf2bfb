#include <stdio.h>

#include "node/admin/admin_state.h"
#include "node/base/text.h"

#define ID_HEX     ((size_t)2 * DIGEST_SIZE)
#define PREFIX_HEX 8U

/* What stands behind "/v1/". */
struct route {
    const char *kind;
    const char *what; /* Behind the id; NULL: nothing. */
    const char *method;
    bool has_id;
    enum admin_route route;
};

static const struct route routes[] = {
    {"status", NULL, "GET", false, ADMIN_STATUS},
    {"deposits", NULL, "GET", false, ADMIN_DEPOSITS},
    {"deposits", NULL, "GET", true, ADMIN_DEPOSIT},
    {"deposits", "certificate", "GET", true, ADMIN_CERTIFICATE},
    {"releases", NULL, "GET", false, ADMIN_RELEASES},
    {"releases", NULL, "POST", false, ADMIN_SUBMIT},
    {"releases", NULL, "GET", true, ADMIN_RELEASE},
    {"releases", "request", "GET", true, ADMIN_REQUEST},
    {"releases", "ticket", "GET", true, ADMIN_TICKET},
    {"releases", "approval", "POST", true, ADMIN_APPROVE},
    {"releases", "denial", "POST", true, ADMIN_DENY},
};

/* --- Ids ----------------------------------------------------------------- */

/* The |i|th of what has ids, in order. */
static void id_at(const struct admin *a,
                  bool deposits,
                  size_t i,
                  struct digest *id)
{
    const struct admin_calls *calls = &a->config.calls;

    if (deposits) {
        struct steward_deposit_info info;

        calls->on_deposit(a->config.arg, i, &info);
        *id = info.id;
    } else {
        struct steward_release_info info;

        calls->on_release(a->config.arg, i, &info);
        *id = info.id;
    }
}

static int hex_order(const struct digest *id, const char *hex, size_t size)
{
    char text[ID_HEX + 1];

    return memcmp(text_hex(text, id->bytes, DIGEST_SIZE), hex, size);
}

/* Read digits, in lower case. */
static bool hex_take(const char *text, size_t size, char out[ID_HEX + 1])
{
    if (size < PREFIX_HEX || size > ID_HEX) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        char c = text[i];

        if (c >= 'A' && c <= 'F') {
            c = (char)(c + ('a' - 'A'));
        }
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        out[i] = c;
    }
    out[size] = '\0';
    return true;
}

/* The one that begins with these digits. */
static int id_find(const struct admin *a,
                   bool deposits,
                   const char *hex,
                   size_t size,
                   struct digest *out)
{
    const struct admin_calls *calls = &a->config.calls;
    size_t len = deposits ? calls->on_deposits(a->config.arg)
                          : calls->on_releases(a->config.arg);
    size_t low = 0, high = len;
    struct digest id, next;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        id_at(a, deposits, mid, &id);
        if (hex_order(&id, hex, size) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == len) {
        return ERR_NOTFOUND;
    }
    id_at(a, deposits, low, &id);
    if (hex_order(&id, hex, size) != 0) {
        return ERR_NOTFOUND;
    }
    if (low + 1 < len) {
        id_at(a, deposits, low + 1, &next);
        if (hex_order(&next, hex, size) == 0) {
            return ERR_EXISTS;
        }
    }
    *out = id;
    return OK;
}

static int id_read(struct admin_request *r, bool deposits, struct slice text)
{
    const char *what = deposits ? "deposit" : "release";
    char hex[ID_HEX + 1], errmsg[ERRMSG_SIZE];
    int rv;

    if (!hex_take((const char *)text.data, text.size, hex)) {
        errmsg_set(errmsg, "an id is %zu hex digits, or at least its first %u",
                   ID_HEX, PREFIX_HEX);
        admin_answer_error(&r->answer, MHD_HTTP_BAD_REQUEST, ERR_BAD, errmsg);
        return ERR_BAD;
    }
    rv = id_find(r->admin, deposits, hex, strlen(hex), &r->id);
    if (rv == ERR_EXISTS) {
        errmsg_set(errmsg, "more than one %s begins with %s; give more digits",
                   what, hex);
        admin_answer_error(&r->answer, MHD_HTTP_BAD_REQUEST, ERR_BAD, errmsg);
        return ERR_BAD;
    }
    if (rv != OK) {
        errmsg_set(errmsg,
                   "this node knows no %s that begins with %s; check the id, "
                   "or wait until it is here",
                   what, hex);
        admin_answer_error(&r->answer, MHD_HTTP_NOT_FOUND, rv, errmsg);
    }
    return rv;
}

/* --- Paths --------------------------------------------------------------- */

#define PARTS_MAX 3U

/* Split at '/'; the number of parts, or PARTS_MAX + 1. */
static size_t split(const char *url, struct slice parts[PARTS_MAX])
{
    size_t len = 0;

    for (;;) {
        size_t size = strcspn(url, "/");

        if (len == PARTS_MAX) {
            return PARTS_MAX + 1;
        }
        parts[len++] = slice_of(url, size);
        if (url[size] == '\0') {
            return len;
        }
        url += size + 1;
    }
}

static bool route_matches(const struct route *route,
                          const struct slice *parts,
                          size_t len)
{
    size_t want = 1U + (route->has_id ? 1 : 0) + (route->what != NULL ? 1 : 0);

    return len == want && slice_equal(parts[0], slice_str(route->kind)) &&
           (route->what == NULL ||
            slice_equal(parts[2], slice_str(route->what)));
}

static const struct route *route_of(const struct slice *parts,
                                    size_t len,
                                    const char *method,
                                    const char **allowed)
{
    *allowed = NULL;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (route_matches(&routes[i], parts, len)) {
            *allowed = *allowed == NULL ? routes[i].method : "GET or POST";
            if (strcmp(method, routes[i].method) == 0) {
                return &routes[i];
            }
        }
    }
    return NULL;
}

/* "?after=ID" of a list: any id, there or not. */
static int after_read(struct admin_request *r)
{
    const char *text = MHD_lookup_connection_value(
        r->connection, MHD_GET_ARGUMENT_KIND, "after");

    if (text == NULL) {
        return OK;
    }
    if (!text_hex_read(text, r->id.bytes, DIGEST_SIZE)) {
        admin_answer_error(&r->answer, MHD_HTTP_BAD_REQUEST, ERR_BAD,
                           "'after' must be a whole id");
        return ERR_BAD;
    }
    r->has_after = true;
    return OK;
}

int admin_route_find(struct admin_request *r,
                     const char *url,
                     const char *method)
{
    struct slice parts[PARTS_MAX] = {{.data = NULL}};
    const struct route *route = NULL;
    const char *allowed = NULL;
    char errmsg[ERRMSG_SIZE];
    size_t len = 0;

    if (strncmp(url, "/v1/", 4) == 0) {
        len = split(url + 4, parts);
        route = route_of(parts, len, method, &allowed);
    }
    if (route == NULL && allowed != NULL) {
        errmsg_set(errmsg, "this is for %s", allowed);
        admin_answer_error(&r->answer, MHD_HTTP_METHOD_NOT_ALLOWED,
                           ERR_UNSUPPORTED, errmsg);
        return ERR_UNSUPPORTED;
    }
    if (route == NULL) {
        admin_answer_error(&r->answer, MHD_HTTP_NOT_FOUND, ERR_NOTFOUND,
                           "there is nothing here; the API begins at "
                           "/v1/status");
        return ERR_NOTFOUND;
    }
    r->route = route->route;
    r->post = strcmp(route->method, "POST") == 0;
    if (route->has_id) {
        return id_read(r, strcmp(route->kind, "deposits") == 0, parts[1]);
    }
    return route->route == ADMIN_DEPOSITS ? after_read(r) : OK;
}
