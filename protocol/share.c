#include "protocol/share.h"

#include "crypto/secret.h"
#include "protocol/field.h"

static const uint8_t magic[8] = {'C', 'R', 'N', 'S', 'H', 'A', 'R', 'E'};

#define SHARE_VERSION 1
#define SHARE_ITEMS   7

static bool share_is_valid(const struct vss_share *s)
{
    return s->index >= 1 && s->index <= VSS_N_MAX &&
           scalar_is_canonical(&s->s) && scalar_is_canonical(&s->r);
}

int share_file_encode(const struct share_file *f,
                      uint8_t *out,
                      size_t max,
                      size_t *size)
{
    struct canon_writer w;
    int rv;

    assert(share_is_valid(&f->share));
    canon_write_init(&w, out, max);
    canon_put_raw(&w, slice_of(magic, sizeof(magic)));
    canon_put_array(&w, SHARE_ITEMS);
    canon_put_uint(&w, SHARE_VERSION);
    canon_put_digest(&w, &f->deposit_id);
    canon_put_digest(&w, &f->manifest_hash);
    canon_put_uint(&w, f->epoch);
    canon_put_uint(&w, f->share.index);
    canon_put_bin(&w, slice_of(f->share.s.bytes, SCALAR_SIZE));
    canon_put_bin(&w, slice_of(f->share.r.bytes, SCALAR_SIZE));
    rv = field_write_end(&w, size);
    if (rv != OK) {
        secret_wipe(out, max);
    }
    return rv;
}

/* Reads the values behind the magic; |f| is filled even after an error. */
static int share_file_read(struct share_file *f, struct slice in)
{
    struct canon_reader r;

    canon_read_init(&r, in);
    canon_array(&r, SHARE_ITEMS);
    canon_version(&r, SHARE_VERSION);
    canon_digest(&r, &f->deposit_id);
    canon_digest(&r, &f->manifest_hash);
    f->epoch = canon_uint(&r, UINT64_MAX);
    f->share.index = (uint16_t)canon_uint(&r, VSS_N_MAX);
    canon_bytes(&r, f->share.s.bytes, SCALAR_SIZE);
    canon_bytes(&r, f->share.r.bytes, SCALAR_SIZE);
    canon_leave(&r);
    canon_require(&r, share_is_valid(&f->share));
    return canon_end(&r);
}

int share_file_decode(struct share_file *f, struct slice in)
{
    struct share_file got;
    int rv;

    if (in.size < sizeof(magic) || memcmp(in.data, magic, sizeof(magic)) != 0) {
        return ERR_BAD;
    }
    rv = share_file_read(
        &got, slice_of(in.data + sizeof(magic), in.size - sizeof(magic)));
    if (rv == OK) {
        *f = got;
    }
    share_file_wipe(&got);
    return rv;
}

void share_file_wipe(struct share_file *f)
{
    secret_wipe(f, sizeof(*f));
}
