#include "protocol/message_codec.h"

/* The messages that announce bulk bytes: a run of leaves, and the stream on
 * which they travel. */

/* In one run. A longer one goes in several messages. */
#define RUN_LEAVES_MAX (SEGMENT_SIZE_MAX / LEAF_SIZE)

/* Written so that no sum overflows. */
static bool run_is_valid(uint64_t first, uint64_t leaves, uint32_t stream)
{
    return leaves >= 1 && leaves <= RUN_LEAVES_MAX &&
           first <= MERKLE_LEAVES_MAX - leaves && stream != 0;
}

static void append_put(struct canon_writer *w, const struct message *m)
{
    const struct message_append *b = &m->u.append;

    canon_put_digest(w, &b->deposit_id);
    canon_put_uint(w, b->first_leaf);
    canon_put_uint(w, b->leaves);
    canon_put_uint(w, b->stream);
}

static void append_get(struct canon_reader *r, struct message *m)
{
    struct message_append *b = &m->u.append;

    canon_digest(r, &b->deposit_id);
    b->first_leaf = canon_uint(r, UINT64_MAX);
    b->leaves = canon_uint(r, UINT64_MAX);
    b->stream = (uint32_t)canon_uint(r, UINT32_MAX);
}

static bool append_is_valid(const struct message *m)
{
    const struct message_append *b = &m->u.append;

    return !digest_is_zero(&b->deposit_id) &&
           run_is_valid(b->first_leaf, b->leaves, b->stream);
}

static void read_put(struct canon_writer *w, const struct message *m)
{
    const struct message_read *b = &m->u.read;

    canon_put_digest(w, &b->deposit_id);
    canon_put_uint(w, b->index);
    canon_put_uint(w, b->first_leaf);
    canon_put_uint(w, b->leaves);
    canon_put_uint(w, b->stream);
}

static void read_get(struct canon_reader *r, struct message *m)
{
    struct message_read *b = &m->u.read;

    canon_digest(r, &b->deposit_id);
    b->index = (uint16_t)canon_uint(r, UINT16_MAX);
    b->first_leaf = canon_uint(r, UINT64_MAX);
    b->leaves = canon_uint(r, UINT64_MAX);
    b->stream = (uint32_t)canon_uint(r, UINT32_MAX);
}

static bool read_is_valid(const struct message *m)
{
    const struct message_read *b = &m->u.read;

    return !digest_is_zero(&b->deposit_id) && b->index < MANIFEST_SHARDS_MAX &&
           run_is_valid(b->first_leaf, b->leaves, b->stream);
}

static void cell_put(struct canon_writer *w, const struct message *m)
{
    const struct message_cell *b = &m->u.cell;

    canon_put_digest(w, &b->deposit_id);
    canon_put_uint(w, b->index);
    canon_put_uint(w, b->first_leaf);
    canon_put_uint(w, b->leaves);
    canon_put_uint(w, b->stream);
    canon_put_array(w, (uint32_t)b->nodes_len);
    for (size_t i = 0; i < b->nodes_len; i++) {
        canon_put_digest(w, &b->nodes[i]);
    }
}

static void cell_get(struct canon_reader *r, struct message *m)
{
    struct message_cell *b = &m->u.cell;

    canon_digest(r, &b->deposit_id);
    b->index = (uint16_t)canon_uint(r, UINT16_MAX);
    b->first_leaf = canon_uint(r, UINT64_MAX);
    b->leaves = canon_uint(r, UINT64_MAX);
    b->stream = (uint32_t)canon_uint(r, UINT32_MAX);
    b->nodes_len = canon_array_between(r, 0, MERKLE_RUN_NODES_MAX);
    for (size_t i = 0; i < b->nodes_len; i++) {
        canon_digest(r, &b->nodes[i]);
    }
    canon_leave(r);
}

static bool cell_is_valid(const struct message *m)
{
    const struct message_cell *b = &m->u.cell;

    return !digest_is_zero(&b->deposit_id) && b->index < MANIFEST_SHARDS_MAX &&
           run_is_valid(b->first_leaf, b->leaves, b->stream) &&
           b->nodes_len <= MERKLE_RUN_NODES_MAX;
}

const struct message_codec message_append_codec = {
    sizeof(struct message_append), 4, append_put, append_get, append_is_valid};
const struct message_codec message_read_codec = {
    sizeof(struct message_read), 5, read_put, read_get, read_is_valid};
const struct message_codec message_cell_codec = {
    sizeof(struct message_cell), 6, cell_put, cell_get, cell_is_valid};
