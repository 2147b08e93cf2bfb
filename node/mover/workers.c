#include "node/mover/workers.h"

#include <pthread.h>
#include <stdlib.h>

struct workers {
    uv_async_t async;
    pthread_mutex_t lock;
    pthread_cond_t ready;
    struct work *todo, **todo_end;         /* Under the lock. */
    struct work *finished, **finished_end; /* Under the lock. */
    bool stop;                             /* Under the lock. */
    size_t pending;                        /* Loop thread only. */
    unsigned threads_len;
    pthread_t *threads;
    void (*closed)(void *arg);
    void *closed_arg;
};

static void queue_put(struct work ***end, struct work *w)
{
    w->next = NULL;
    **end = w;
    *end = &w->next;
}

static void *worker_main(void *arg)
{
    struct workers *ws = arg;

    pthread_mutex_lock(&ws->lock);
    for (;;) {
        struct work *w;

        while (ws->todo == NULL && !ws->stop) {
            pthread_cond_wait(&ws->ready, &ws->lock);
        }
        w = ws->todo;
        if (w == NULL) {
            break;
        }
        ws->todo = w->next;
        if (ws->todo == NULL) {
            ws->todo_end = &ws->todo;
        }
        pthread_mutex_unlock(&ws->lock);
        w->status = w->run(w->arg);
        pthread_mutex_lock(&ws->lock);
        queue_put(&ws->finished_end, w);
        uv_async_send(&ws->async);
    }
    pthread_mutex_unlock(&ws->lock);
    return NULL;
}

static void workers_free(uv_handle_t *handle)
{
    struct workers *ws = handle->data;

    pthread_mutex_destroy(&ws->lock);
    pthread_cond_destroy(&ws->ready);
    free(ws->threads);
    if (ws->closed != NULL) {
        ws->closed(ws->closed_arg);
    }
    free(ws);
}

static void workers_on_async(uv_async_t *async)
{
    struct workers *ws = async->data;
    struct work *w;

    pthread_mutex_lock(&ws->lock);
    w = ws->finished;
    ws->finished = NULL;
    ws->finished_end = &ws->finished;
    pthread_mutex_unlock(&ws->lock);
    while (w != NULL) {
        struct work *next = w->next;

        if (--ws->pending == 0) {
            uv_unref((uv_handle_t *)&ws->async);
        }
        w->done(w, w->status); /* May free |w|, and may submit. */
        w = next;
    }
}

static void workers_stop(struct workers *ws)
{
    pthread_mutex_lock(&ws->lock);
    ws->stop = true;
    pthread_cond_broadcast(&ws->ready);
    pthread_mutex_unlock(&ws->lock);
    for (unsigned i = 0; i < ws->threads_len; i++) {
        pthread_join(ws->threads[i], NULL);
    }
}

int workers_new(struct workers **out, uv_loop_t *loop, unsigned count)
{
    struct workers *ws = calloc(1, sizeof(*ws));

    assert(count > 0);
    if (ws == NULL) {
        return ERR_NOMEM;
    }
    ws->threads = calloc(count, sizeof(*ws->threads));
    if (ws->threads == NULL ||
        uv_async_init(loop, &ws->async, workers_on_async) != 0) {
        free(ws->threads);
        free(ws);
        return ERR_NOMEM;
    }
    ws->async.data = ws;
    uv_unref((uv_handle_t *)&ws->async);
    pthread_mutex_init(&ws->lock, NULL);
    pthread_cond_init(&ws->ready, NULL);
    ws->todo_end = &ws->todo;
    ws->finished_end = &ws->finished;
    while (ws->threads_len < count) {
        if (pthread_create(&ws->threads[ws->threads_len], NULL, worker_main,
                           ws) != 0) {
            workers_stop(ws);
            uv_close((uv_handle_t *)&ws->async, workers_free);
            return ERR_NOMEM;
        }
        ws->threads_len++;
    }
    *out = ws;
    return OK;
}

void workers_submit(struct workers *ws, struct work *w)
{
    if (ws->pending++ == 0) {
        uv_ref((uv_handle_t *)&ws->async);
    }
    pthread_mutex_lock(&ws->lock);
    queue_put(&ws->todo_end, w);
    pthread_cond_signal(&ws->ready);
    pthread_mutex_unlock(&ws->lock);
}

void workers_close(struct workers *ws, void (*closed)(void *arg), void *arg)
{
    assert(ws->pending == 0);
    workers_stop(ws);
    ws->closed = closed;
    ws->closed_arg = arg;
    uv_close((uv_handle_t *)&ws->async, workers_free);
}
