#include <stdlib.h>

#include "node/core/core_run_private.h"

static void *memory(size_t count, size_t size)
{
    void *mem = calloc(count > 0 ? count : 1, size);

    if (mem == NULL) {
        abort();
    }
    return mem;
}

bool held_step_has_acts(const struct core_out *out)
{
    for (size_t i = 0; i < out->acts_len; i++) {
        if (!out->acts[i].now) {
            return true;
        }
    }
    return false;
}

static struct slice keep(uint8_t **at, struct slice bytes)
{
    uint8_t *to = *at;

    if (bytes.size > 0) {
        memcpy(to, bytes.data, bytes.size);
    }
    *at += bytes.size;
    return slice_of(to, bytes.size);
}

/* Bytes of the batch and of the actions that are held; counts the latter. */
static size_t out_size(const struct core_out *out, size_t *acts_len)
{
    size_t size = 0;

    *acts_len = 0;
    for (size_t i = 0; i < out->ops_len; i++) {
        size += out->ops[i].key.size + out->ops[i].value.size;
    }
    for (size_t i = 0; i < out->acts_len; i++) {
        if (!out->acts[i].now) {
            size += out->acts[i].bytes.size;
            *acts_len += 1;
        }
    }
    return size;
}

struct held_step *held_step_new(const struct core_out *out)
{
    struct held_step *h = memory(1, sizeof(*h));
    size_t acts_len = 0;
    size_t size = out_size(out, &acts_len);
    uint8_t *at;

    h->mem = memory(size, 1);
    h->ops = memory(out->ops_len, sizeof(*h->ops));
    h->acts = memory(acts_len, sizeof(*h->acts));
    h->size = size + sizeof(*h) + out->ops_len * sizeof(*h->ops) +
              acts_len * sizeof(*h->acts);
    at = h->mem;
    for (size_t i = 0; i < out->ops_len; i++) {
        h->ops[i] = out->ops[i];
        h->ops[i].key = keep(&at, out->ops[i].key);
        h->ops[i].value = keep(&at, out->ops[i].value);
    }
    for (size_t i = 0; i < out->acts_len; i++) {
        if (!out->acts[i].now) {
            h->acts[h->acts_len] = out->acts[i];
            h->acts[h->acts_len].bytes = keep(&at, out->acts[i].bytes);
            h->acts_len++;
        }
    }
    h->write.ops = h->ops;
    h->write.ops_len = out->ops_len;
    h->write.arg = h;
    return h;
}

void held_step_free(struct held_step *h)
{
    free(h->mem);
    free(h->ops);
    free(h->acts);
    free(h);
}

struct held_event *held_event_new(const struct core_event *ev)
{
    struct held_event *h = memory(1, sizeof(*h) + ev->bytes.size);
    uint8_t *at = h->mem;

    h->ev = *ev;
    h->ev.bytes = keep(&at, ev->bytes);
    return h;
}

struct held_read *held_read_new(enum core_event_type type,
                                uint64_t id,
                                struct slice prefix)
{
    struct held_read *r = memory(1, sizeof(*r));
    uint8_t *at = r->prefix;

    assert(prefix.size <= sizeof(r->prefix));
    r->type = type;
    r->id = id;
    r->final = type == EV_ROWS;
    r->prefix_size = keep(&at, prefix).size;
    return r;
}
