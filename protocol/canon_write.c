#include <msgpack.h>

#include "protocol/canon.h"
#include "protocol/text.h"

/* The packer's stream: it fails from the first overflow on, so that what is
 * written is always a prefix. The packer's own results add nothing to
 * w->full and are not looked at. */
static int writer_append(void *data, const char *bytes, size_t size)
{
    struct canon_writer *w = data;

    if (w->full || size > w->max - w->size) {
        w->full = true;
        return -1;
    }
    if (size > 0) {
        memcpy(w->data + w->size, bytes, size);
        w->size += size;
    }
    return 0;
}

static msgpack_packer packer(struct canon_writer *w)
{
    msgpack_packer p;

    msgpack_packer_init(&p, w, writer_append);
    return p;
}

void canon_write_init(struct canon_writer *w, uint8_t *out, size_t max)
{
    *w = (struct canon_writer){.data = out, .max = max};
}

void canon_put_array(struct canon_writer *w, uint32_t len)
{
    msgpack_packer p = packer(w);

    msgpack_pack_array(&p, len);
}

void canon_put_map(struct canon_writer *w, uint32_t len)
{
    msgpack_packer p = packer(w);

    msgpack_pack_map(&p, len);
}

void canon_put_uint(struct canon_writer *w, uint64_t v)
{
    msgpack_packer p = packer(w);

    msgpack_pack_uint64(&p, v);
}

void canon_put_bool(struct canon_writer *w, bool v)
{
    msgpack_packer p = packer(w);

    if (v) {
        msgpack_pack_true(&p);
    } else {
        msgpack_pack_false(&p);
    }
}

void canon_put_nil(struct canon_writer *w)
{
    msgpack_packer p = packer(w);

    msgpack_pack_nil(&p);
}

void canon_put_bin(struct canon_writer *w, struct slice v)
{
    msgpack_packer p = packer(w);

    assert(v.size <= UINT32_MAX);
    msgpack_pack_bin(&p, v.size);
    msgpack_pack_bin_body(&p, v.data, v.size);
}

void canon_put_str(struct canon_writer *w, struct slice v)
{
    msgpack_packer p = packer(w);

    assert(v.size <= UINT32_MAX && text_is_valid(v));
    msgpack_pack_str(&p, v.size);
    msgpack_pack_str_body(&p, v.data, v.size);
}

void canon_put_digest(struct canon_writer *w, const struct digest *d)
{
    canon_put_bin(w, digest_slice(d));
}

void canon_put_raw(struct canon_writer *w, struct slice v)
{
    writer_append(w, (const char *)v.data, v.size);
}

int canon_write_end(const struct canon_writer *w, struct slice *out)
{
    if (w->full) {
        return ERR_FULL;
    }
    *out = slice_of(w->data, w->size);
    return OK;
}
