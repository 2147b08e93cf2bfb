#include "node/recovery/hasher.h"

#include <pthread.h>
#include <stdlib.h>

struct hasher {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct sha256 *hash; /* Under the lock; NULL: nothing to do. */
    struct slice bytes;  /* Under the lock. */
    bool stop;           /* Under the lock. */
};

static void *hasher_main(void *arg)
{
    struct hasher *h = arg;

    pthread_mutex_lock(&h->lock);
    while (!h->stop) {
        struct sha256 *hash = h->hash;
        struct slice bytes = h->bytes;

        if (hash == NULL) {
            pthread_cond_wait(&h->changed, &h->lock);
            continue;
        }
        pthread_mutex_unlock(&h->lock);
        sha256_update(hash, bytes);
        pthread_mutex_lock(&h->lock);
        h->hash = NULL;
        pthread_cond_signal(&h->changed);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

int hasher_new(struct hasher **out)
{
    struct hasher *h = calloc(1, sizeof(*h));

    if (h == NULL) {
        return ERR_NOMEM;
    }
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->changed, NULL);
    if (pthread_create(&h->thread, NULL, hasher_main, h) != 0) {
        pthread_cond_destroy(&h->changed);
        pthread_mutex_destroy(&h->lock);
        free(h);
        return ERR_NOMEM;
    }
    *out = h;
    return OK;
}

void hasher_free(struct hasher *h)
{
    if (h == NULL) {
        return;
    }
    pthread_mutex_lock(&h->lock);
    assert(h->hash == NULL);
    h->stop = true;
    pthread_cond_signal(&h->changed);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

void hasher_start(struct hasher *h, struct sha256 *hash, struct slice bytes)
{
    if (bytes.size < HASHER_SIZE_MIN) {
        sha256_update(hash, bytes);
        return;
    }
    pthread_mutex_lock(&h->lock);
    assert(h->hash == NULL);
    h->hash = hash;
    h->bytes = bytes;
    pthread_cond_signal(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

void hasher_wait(struct hasher *h)
{
    pthread_mutex_lock(&h->lock);
    while (h->hash != NULL) {
        pthread_cond_wait(&h->changed, &h->lock);
    }
    pthread_mutex_unlock(&h->lock);
}
