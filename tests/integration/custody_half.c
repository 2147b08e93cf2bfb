#include <sodium.h>
#include <stdio.h>

#include "crypto/hpke.h"
#include "crypto/primitives.h"
#include "protocol/card.h"

/* Writes to stdout what a custodian gives for the card of its steward, with
 * keys that nobody has. */
int main(void)
{
    uint8_t out[CARD_CUSTODY_SIZE_MAX], sk[HPKE_KEY_SIZE], pk[HPKE_KEY_SIZE];
    struct sign_key d;
    struct rng rng;
    size_t size = 0;

    if (primitives_init() != OK) {
        return 1;
    }
    rng_init_system(&rng);
    hpke_keypair(&rng, sk, pk);
    sign_key_init(&d, &rng);
    if (card_custody_encode(pk, &d, out, sizeof(out), &size) != OK) {
        return 1;
    }
    return fwrite(out, 1, size, stdout) == size ? 0 : 1;
}
