#include "replication/core.h"

void core_out_reset(struct core_out *out)
{
    out->ops_len = 0;
    out->acts_len = 0;
    out->arena_used = 0;
    out->wake_ms = 0;
}

struct slice core_keep(struct core_out *out, struct slice bytes)
{
    uint8_t *at = out->arena + out->arena_used;

    assert(bytes.size <= CORE_ARENA_SIZE - out->arena_used);
    if (bytes.size > 0) {
        memcpy(at, bytes.data, bytes.size);
    }
    out->arena_used += bytes.size;
    return slice_of(at, bytes.size);
}

static struct core_op *op_new(struct core_out *out, struct slice key)
{
    struct core_op *op;

    assert(out->ops_len < CORE_OPS_MAX && key.size <= CORE_KEY_MAX);
    op = &out->ops[out->ops_len++];
    op->key = core_keep(out, key);
    return op;
}

void core_put(struct core_out *out, struct slice key, struct slice value)
{
    struct core_op *op = op_new(out, key);

    assert(value.size <= CORE_VALUE_MAX);
    op->value = core_keep(out, value);
    op->remove = false;
}

void core_remove(struct core_out *out, struct slice key)
{
    struct core_op *op = op_new(out, key);

    op->value = slice_of(NULL, 0);
    op->remove = true;
}

struct core_action *core_act(struct core_out *out,
                             enum core_action_type type,
                             uint64_t id,
                             struct slice bytes)
{
    struct core_action *a;

    assert(out->acts_len < CORE_ACTS_MAX);
    a = &out->acts[out->acts_len++];
    *a = (struct core_action){.type = type, .id = id};
    a->bytes = core_keep(out, bytes);
    return a;
}
