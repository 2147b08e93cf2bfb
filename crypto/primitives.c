#include "crypto/primitives.h"

#include <sodium.h>

#include "crypto/setup.h"

int primitives_init(void)
{
    int rv;

    if (sodium_init() < 0) {
        return ERR_UNSUPPORTED;
    }
    rv = hash_setup();
    if (rv == OK) {
        rv = aead_setup();
    }
    if (rv == OK) {
        rv = merkle_setup();
    }
    if (rv == OK) {
        rv = group_setup();
    }
    return rv;
}
