#include "crypto/secret.h"
#include "protocol/certificate.h"
#include "protocol/field.h"

#define TICKET_ITEMS 5

static const uint8_t magic[4] = {'C', 'R', 'N', 'T'};

static bool ticket_is_valid(const struct ticket *t)
{
    return t->chain.size >= 1 && t->chain.size <= CHARTER_CHAIN_MAX &&
           t->manifest.size >= 1 && t->manifest.size <= FEED_ENTRY_MAX &&
           t->request.size >= 1 && t->request.size <= RELEASE_REQUEST_MAX &&
           !field_is_zero(t->psk, sizeof(t->psk));
}

int ticket_encode(const struct ticket *t,
                  uint8_t *out,
                  size_t max,
                  size_t *size)
{
    struct canon_writer w;
    int rv;

    if (!ticket_is_valid(t)) {
        return ERR_BAD;
    }
    canon_write_init(&w, out, max);
    canon_put_raw(&w, slice_of(magic, sizeof(magic)));
    canon_put_array(&w, TICKET_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_bin(&w, t->chain);
    canon_put_bin(&w, t->manifest);
    canon_put_bin(&w, t->request);
    canon_put_bin(&w, slice_of(t->psk, sizeof(t->psk)));
    rv = field_write_end(&w, size);
    if (rv != OK) {
        secret_wipe(out, max);
    }
    return rv;
}

int ticket_decode(struct ticket *t, struct slice in)
{
    struct ticket got;
    struct canon_reader r;
    int rv;

    if (in.size > TICKET_SIZE_MAX || in.size < sizeof(magic) ||
        memcmp(in.data, magic, sizeof(magic)) != 0) {
        return ERR_BAD;
    }
    memset(&got, 0, sizeof(got));
    field_begin(&r, slice_of(in.data + sizeof(magic), in.size - sizeof(magic)));
    got.chain = canon_bin(&r, 1, CHARTER_CHAIN_MAX);
    got.manifest = canon_bin(&r, 1, FEED_ENTRY_MAX);
    got.request = canon_bin(&r, 1, RELEASE_REQUEST_MAX);
    canon_bytes(&r, got.psk, sizeof(got.psk));
    canon_leave(&r);
    canon_require(&r, r.error != OK || ticket_is_valid(&got));
    rv = canon_end(&r);
    if (rv == OK) {
        *t = got;
    }
    secret_wipe(&got, sizeof(got));
    return rv;
}
