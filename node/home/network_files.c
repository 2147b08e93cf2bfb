#include "node/home/network_files.h"

#include <stdlib.h>

#include "crypto/secret.h"
#include "node/home/home.h"
#include "protocol/frame.h"

static int chain_fail(int rv, const char *path, char *errmsg)
{
    switch (rv) {
    case ERR_DENIED:
        errmsg_set(errmsg,
                   "the charter in '%s' is not signed by an operator of every "
                   "steward in it; do not trust it",
                   path);
        break;
    case ERR_UNSUPPORTED:
        errmsg_set(errmsg,
                   "the charter in '%s' needs a later version of Cairn; "
                   "upgrade",
                   path);
        break;
    case ERR_NOMEM:
        return errmsg_memory(errmsg);
    default:
        errmsg_set(errmsg,
                   "'%s' is no charter, or a damaged one; get it again from "
                   "another steward",
                   path);
        break;
    }
    return rv;
}

int network_chain_read(const char *path,
                       uint8_t **chain,
                       size_t *chain_size,
                       struct charter **charter,
                       struct digest *net,
                       char *errmsg)
{
    struct charter *c = calloc(1, sizeof(*c));
    uint8_t *bytes = NULL;
    struct digest id;
    size_t size = 0;
    int rv;

    if (c == NULL) {
        return errmsg_memory(errmsg);
    }
    rv = file_read(path, CHARTER_CHAIN_MAX, &bytes, &size, errmsg);
    if (rv == ERR_FULL) {
        rv = chain_fail(ERR_BAD, path, errmsg);
    }
    if (rv != OK) {
        goto err;
    }
    rv = charter_chain_decode(c, &id, slice_of(bytes, size));
    if (rv != OK) {
        (void)chain_fail(rv, path, errmsg);
        goto err;
    }
    *chain = bytes;
    *chain_size = size;
    *charter = c;
    *net = id;
    return OK;

err:
    free(bytes);
    free(c);
    return rv;
}

int network_secret_read(const char *path,
                        const struct charter *charter,
                        uint8_t **psk,
                        char *errmsg)
{
    uint8_t *got = secret_new(HOME_PSK_SIZE);
    struct frame_psk p;
    int rv;

    if (got == NULL) {
        return errmsg_secret_memory(errmsg);
    }
    rv = network_psk_read(path, got, errmsg);
    if (rv != OK) {
        goto err;
    }
    frame_psk_init(&p, got);
    if (memcmp(p.id, charter->psk_id, sizeof(p.id)) != 0) {
        errmsg_set(errmsg,
                   "the secret in '%s' is not that of the network '%s'; get "
                   "the right one from another steward",
                   path, charter->name);
        rv = ERR_MISMATCH;
    }
    frame_psk_wipe(&p);
    if (rv != OK) {
        goto err;
    }
    *psk = got;
    return OK;

err:
    secret_free(got);
    return rv;
}
