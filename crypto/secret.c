#include "crypto/secret.h"

#include <sodium.h>

void *secret_new(size_t size)
{
    void *p = sodium_malloc(size);

    if (p == NULL) {
        return NULL;
    }
    /* Locking again is idempotent, and unlike sodium_malloc() it tells. */
    if (sodium_mlock(p, size) != 0) {
        sodium_free(p);
        return NULL;
    }
    sodium_memzero(p, size);
    return p;
}

void secret_free(void *p)
{
    sodium_free(p);
}

void secret_wipe(void *p, size_t size)
{
    sodium_memzero(p, size);
}

bool secret_equal(const void *a, const void *b, size_t size)
{
    return sodium_memcmp(a, b, size) == 0;
}
