#include "node/admin/admin_client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <sys/un.h>

#include "crypto/secret.h"
#include "node/base/text.h"

#define SOCKET_NAME     "admin.sock"
#define URL_BASE        "http://cairnd"
#define URL_SIZE        256
#define ERROR_MAX       ((size_t)64 << 10) /* Of an answer that is an error. */
#define JSON_ANSWER_MAX ((size_t)16 << 20)
#define CONNECT_S       10L
#define ANSWER_S        90L /* cairnd gives up after 60. */
#define ROOM_MIN        ((size_t)4096)

struct admin_client {
    CURL *curl;
    char *path, *home;
    bool answered;
};

/* What has been received; grown in steps, each old one wiped. */
struct answer {
    uint8_t *data;
    size_t size, room, max;
    bool full;
};

char *admin_client_path(const char *option, const char *home)
{
    const char *env = getenv("CAIRN_SOCKET");

    if (option == NULL && env != NULL && env[0] != '\0') {
        option = env;
    }
    if (option == NULL) {
        return home == NULL ? NULL : path_join(home, SOCKET_NAME);
    }
    return strdup(option);
}

/* ---- options that hold for every request ---- */

static bool curl_prepare(CURL *curl, const char *path)
{
    /* What the environment says about proxies is not about this socket. */
    return curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
                            (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT, ANSWER_S) == CURLE_OK;
}

int admin_client_open(struct admin_client **out,
                      const char *path,
                      const char *home,
                      char *errmsg)
{
    struct admin_client *a;

    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        errmsg_set(errmsg,
                   "'%s' is too long for a socket; go to a folder near it and "
                   "give a relative --socket",
                   path);
        return ERR_FULL;
    }
    /* Without TLS: the socket is local, and nothing else is spoken to. */
    if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK) {
        return errmsg_memory(errmsg);
    }
    a = calloc(1, sizeof(*a));
    if (a != NULL) {
        a->curl = curl_easy_init();
        a->path = strdup(path);
        a->home = home == NULL ? NULL : strdup(home);
    }
    if (a == NULL || a->curl == NULL || a->path == NULL ||
        (home != NULL && a->home == NULL) || !curl_prepare(a->curl, path)) {
        if (a == NULL) {
            curl_global_cleanup();
        }
        admin_client_close(a);
        return errmsg_memory(errmsg);
    }
    *out = a;
    return OK;
}

void admin_client_close(struct admin_client *a)
{
    if (a == NULL) {
        return;
    }
    curl_easy_cleanup(a->curl);
    free(a->home);
    free(a->path);
    free(a);
    curl_global_cleanup();
}

bool admin_client_answered(const struct admin_client *a)
{
    return a->answered;
}

/* ---- one request ---- */

static void answer_free(struct answer *answer)
{
    if (answer->data != NULL) {
        secret_wipe(answer->data, answer->room);
        free(answer->data);
    }
    answer->data = NULL;
}

/* Make room for |size| bytes in all. */
static bool answer_grow(struct answer *answer, size_t size)
{
    size_t room = answer->room < ROOM_MIN ? ROOM_MIN : answer->room;
    uint8_t *data;

    if (size <= answer->room) {
        return true;
    }
    while (room < size) {
        room *= 2;
    }
    data = malloc(room);
    if (data == NULL) {
        return false;
    }
    if (answer->size > 0) {
        memcpy(data, answer->data, answer->size);
    }
    answer_free(answer);
    answer->data = data;
    answer->room = room;
    return true;
}

/* Anything but |len| returned ends the transfer. */
static size_t on_bytes(char *bytes, size_t one, size_t len, void *arg)
{
    struct answer *answer = arg;

    assert(one == 1);
    if (len > answer->max - answer->size) {
        answer->full = true;
        return 0;
    }
    if (!answer_grow(answer, answer->size + len)) {
        return 0;
    }
    if (len > 0) {
        memcpy(answer->data + answer->size, bytes, len);
        answer->size += len;
    }
    return len;
}

static bool curl_request(struct admin_client *a,
                         const char *resource,
                         const struct slice *body,
                         struct curl_slist *headers,
                         struct answer *answer)
{
    char url[URL_SIZE];
    int size = snprintf(url, sizeof(url), "%s%s", URL_BASE, resource);

    assert(size > 0 && (size_t)size < sizeof(url));
    if (curl_easy_setopt(a->curl, CURLOPT_URL, url) != CURLE_OK ||
        curl_easy_setopt(a->curl, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
        curl_easy_setopt(a->curl, CURLOPT_WRITEFUNCTION, on_bytes) !=
            CURLE_OK ||
        curl_easy_setopt(a->curl, CURLOPT_WRITEDATA, answer) != CURLE_OK) {
        return false;
    }
    if (body == NULL) {
        return curl_easy_setopt(a->curl, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    }
    return curl_easy_setopt(a->curl, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(a->curl, CURLOPT_POSTFIELDSIZE_LARGE,
                            (curl_off_t)body->size) == CURLE_OK &&
           curl_easy_setopt(a->curl, CURLOPT_POSTFIELDS,
                            body->size > 0 ? (const void *)body->data : "") ==
               CURLE_OK;
}

/* Nothing was answered: why, and what to do. */
static int error_transfer(const struct admin_client *a,
                          CURLcode code,
                          char *errmsg)
{
    if (code == CURLE_COULDNT_CONNECT) {
        errmsg_set(errmsg,
                   "no cairnd is listening at '%s'; start it with 'cairnd run "
                   "--home %s'",
                   a->path, a->home != NULL ? a->home : "DIR");
    } else if (code == CURLE_OUT_OF_MEMORY) {
        return errmsg_memory(errmsg);
    } else {
        errmsg_set(errmsg, "cairnd at '%s' did not answer: %s", a->path,
                   curl_easy_strerror(code));
    }
    return ERR_IO;
}

/* What cairnd says went wrong. */
static int error_answer(long code, const struct answer *answer, char *errmsg)
{
    json_t *object = json_loadb((const char *)answer->data, answer->size,
                                JSON_REJECT_DUPLICATES, NULL);
    const char *text = NULL;
    int status = 0;

    if (json_unpack(object, "{s:i, s:s}", "status", &status, "error", &text) !=
            0 ||
        status <= 0 || status > -ERR_BUSY) {
        errmsg_set(errmsg, "cairnd answered with the error %ld of HTTP", code);
        status = -ERR_IO;
    } else {
        errmsg_set(errmsg, "%s", text);
        text_clean(errmsg);
    }
    json_decref(object);
    return -status;
}

static int perform(struct admin_client *a,
                   const char *resource,
                   const struct slice *body,
                   struct answer *answer,
                   char *errmsg)
{
    /* No "Expect: 100-continue": bodies are small. */
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    struct curl_slist *more =
        headers == NULL
            ? NULL
            : curl_slist_append(headers,
                                "Content-Type: application/octet-stream");
    const size_t max = answer->max;
    CURLcode rc = CURLE_OUT_OF_MEMORY;
    long code = 0;

    a->answered = false;
    answer->max = max > ERROR_MAX ? max : ERROR_MAX;
    if (more != NULL && curl_request(a, resource, body, headers, answer)) {
        rc = curl_easy_perform(a->curl);
    }
    curl_slist_free_all(headers);
    if (rc == CURLE_OK &&
        curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &code) != CURLE_OK) {
        code = 0;
    }
    if (rc != CURLE_OK && !answer->full) {
        return error_transfer(a, rc, errmsg);
    }
    a->answered = true;
    if (answer->full || (code < 300 && answer->size > max)) {
        errmsg_set(errmsg, "the answer of cairnd is longer than %zu bytes",
                   max);
        return ERR_FULL;
    }
    return code >= 200 && code < 300 ? OK : error_answer(code, answer, errmsg);
}

int admin_client_get(struct admin_client *a,
                     const char *resource,
                     size_t max,
                     uint8_t **data,
                     size_t *size,
                     char *errmsg)
{
    struct answer answer = {.max = max};
    int rv = perform(a, resource, NULL, &answer, errmsg);

    if (rv == OK && !answer_grow(&answer, 1)) {
        rv = errmsg_memory(errmsg);
    }
    if (rv != OK) {
        answer_free(&answer);
        return rv;
    }
    *data = answer.data;
    *size = answer.size;
    return OK;
}

/* ---- JSON ---- */

static int get_object(const struct answer *answer,
                      const char *schema,
                      json_t **object,
                      char *errmsg)
{
    json_t *got = json_loadb((const char *)answer->data, answer->size,
                             JSON_REJECT_DUPLICATES, NULL);
    const char *text = json_string_value(json_object_get(got, "schema"));

    if (text == NULL || strcmp(text, schema) != 0) {
        errmsg_set(errmsg,
                   "cairnd did not answer with %s; is it of the same version "
                   "as this program?",
                   schema);
        json_decref(got);
        return ERR_BAD;
    }
    *object = got;
    return OK;
}

static int perform_json(struct admin_client *a,
                        const char *resource,
                        const struct slice *body,
                        const char *schema,
                        json_t **object,
                        char *errmsg)
{
    struct answer answer = {.max = JSON_ANSWER_MAX};
    int rv = perform(a, resource, body, &answer, errmsg);

    if (rv == OK) {
        rv = get_object(&answer, schema, object, errmsg);
    }
    answer_free(&answer);
    return rv;
}

int admin_client_get_json(struct admin_client *a,
                          const char *resource,
                          const char *schema,
                          json_t **object,
                          char *errmsg)
{
    return perform_json(a, resource, NULL, schema, object, errmsg);
}

int admin_client_post(struct admin_client *a,
                      const char *resource,
                      struct slice body,
                      const char *schema,
                      json_t **object,
                      char *errmsg)
{
    return perform_json(a, resource, &body, schema, object, errmsg);
}
