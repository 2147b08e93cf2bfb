#include <stdarg.h>
#include <stdlib.h>

#include "node/base/text.h"
#include "node/custody/custody_link_private.h"
#include "node/custody/custody_socket.h"

/* --- Requests ------------------------------------------------------------ */

struct custody_link_item *custody_link_pop(struct custody_link *cl)
{
    struct custody_link_item *a = cl->first;

    cl->first = a->next;
    if (cl->first == NULL) {
        cl->last = &cl->first;
    }
    cl->asks_len--;
    cl->asks_size -= a->size;
    return a;
}

/* End with ERR_IO what waits now; not what the owner asks meanwhile. */
static void asks_fail(struct custody_link *cl)
{
    size_t count = cl->asks_len;

    while (count-- > 0 && !cl->closing) {
        struct custody_link_item *a = custody_link_pop(cl);
        uint64_t id = a->id;

        free(a);
        cl->config.on_answer(cl->config.arg, id, ERR_IO, slice_of(NULL, 0));
    }
}

static void on_soon(uv_timer_t *timer)
{
    struct custody_link *cl = timer->data;

    if (cl->conn == NULL) {
        asks_fail(cl);
    }
}

int custody_link_ask(struct custody_link *cl, uint64_t id, struct slice bytes)
{
    struct custody_link_item *a;

    assert(bytes.size > 0 && bytes.size <= CUSTODY_SIZE_MAX);
    if (cl->closing) {
        return ERR_ORDER;
    }
    if (cl->asks_len == CUSTODY_LINK_ASKS_MAX ||
        bytes.size > CUSTODY_LINK_BYTES_MAX - cl->asks_size) {
        return ERR_FULL;
    }
    a = malloc(sizeof(*a) + bytes.size);
    if (a == NULL) {
        return ERR_NOMEM;
    }
    a->next = NULL;
    a->id = id;
    a->size = bytes.size;
    memcpy(a->bytes, bytes.data, bytes.size);
    *cl->last = a;
    cl->last = &a->next;
    cl->asks_len++;
    cl->asks_size += a->size;
    if (cl->conn == NULL) {
        (void)uv_timer_start(&cl->soon, on_soon, 0, 0);
    } else {
        custody_conn_send(cl->conn);
    }
    return OK;
}

/* --- Nobody is there ----------------------------------------------------- */

void custody_link_tell(struct custody_link *cl, int status, const char *text)
{
    if (cl->closing ||
        (cl->told == status && strcmp(cl->told_text, text) == 0)) {
        return;
    }
    cl->told = status;
    (void)snprintf(cl->told_text, sizeof(cl->told_text), "%s", text);
    if (cl->config.on_change != NULL) {
        cl->config.on_change(cl->config.arg, status, text);
    }
}

static void on_again(uv_timer_t *timer)
{
    custody_conn_open(timer->data);
}

void custody_link_again(struct custody_link *cl)
{
    (void)uv_timer_start(&cl->timer, on_again, CUSTODY_LINK_AGAIN_MS, 0);
}

void custody_link_drop(struct custody_link *cl,
                       int status,
                       const char *format,
                       ...)
{
    char text[CUSTODY_LINK_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text_clean(text);
    if (cl->conn != NULL) {
        custody_conn_close(cl->conn);
    }
    custody_link_again(cl);
    custody_link_tell(cl, status, text);
    if (!cl->closing) {
        asks_fail(cl);
    }
}

/* --- Life ---------------------------------------------------------------- */

void custody_link_closed(struct custody_link *cl)
{
    void (*closed)(void *arg) = cl->closed;
    void *arg = cl->closed_arg;

    cl->handles--;
    if (cl->handles > 0) {
        return;
    }
    free(cl->path);
    free(cl);
    if (closed != NULL) {
        closed(arg);
    }
}

int custody_link_open(struct custody_link **out,
                      const struct custody_link_config *config)
{
    struct custody_link *cl;

    if (custody_socket_check(config->path, NULL) != OK) {
        return ERR_FULL;
    }
    cl = calloc(1, sizeof(*cl));
    if (cl != NULL) {
        cl->path = strdup(config->path);
    }
    if (cl == NULL || cl->path == NULL) {
        free(cl);
        return ERR_NOMEM;
    }
    cl->config = *config;
    cl->config.path = cl->path;
    if (cl->config.patience_ms == 0) {
        cl->config.patience_ms = CUSTODY_LINK_PATIENCE_MS;
    }
    cl->last = &cl->first;
    cl->told = 1;
    (void)uv_timer_init(config->loop, &cl->timer);
    (void)uv_timer_init(config->loop, &cl->soon);
    cl->timer.data = cl;
    cl->soon.data = cl;
    cl->handles = 2;
    custody_ignore_sigpipe();
    custody_conn_open(cl);
    *out = cl;
    return OK;
}

const struct custody_self *custody_link_self(const struct custody_link *cl)
{
    return cl->conn != NULL && cl->conn->up ? &cl->self : NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
    custody_link_closed(handle->data);
}

void custody_link_close(struct custody_link *cl,
                        void (*closed)(void *arg),
                        void *arg)
{
    if (cl == NULL) {
        return;
    }
    assert(!cl->closing);
    cl->closing = true;
    cl->closed = closed;
    cl->closed_arg = arg;
    if (cl->conn != NULL) {
        custody_conn_close(cl->conn);
    }
    while (cl->first != NULL) {
        free(custody_link_pop(cl));
    }
    uv_close((uv_handle_t *)&cl->timer, on_timer_closed);
    uv_close((uv_handle_t *)&cl->soon, on_timer_closed);
}
