#include "replication/steward/steward_rows.h"

#include "protocol/field.h"
#include "replication/keys.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_state.h"

#define TIP_ITEMS      10U
#define SHARD_ITEMS    11U
#define PROGRESS_ITEMS 3U
#define MANIFEST_ITEMS 5U
#define ROW_VALUE_MAX  4096U

/* A range at its longest, a proof, and a dozen numbers and digests. */
_Static_assert(MERKLE_DEPTH_MAX *(DIGEST_SIZE + 2U) + STEWARD_PROOF_MAX +
                       512U <=
                   ROW_VALUE_MAX,
               "any value but an entry's fits");

void steward_row_put(const struct key *key,
                     const struct canon_writer *w,
                     struct core_out *out)
{
    struct slice value = {.data = NULL, .size = 0};
    int rv = canon_write_end(w, &value);

    assert(rv == OK);
    core_put(out, key_slice(key), value);
}

void steward_tip_put(const struct steward *s,
                     const struct steward_feed *f,
                     struct core_out *out)
{
    const struct feed_tip *t = &f->tip;
    struct key key = key_tip(&t->author, t->incarnation);
    uint8_t value[ROW_VALUE_MAX];
    struct canon_writer w;

    assert(s->started);
    canon_write_init(&w, value, sizeof(value));
    canon_put_array(&w, TIP_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_uint(&w, t->seq);
    canon_put_uint(&w, f->bytes);
    canon_put_digest(&w, &t->prev);
    canon_put_uint(&w, t->time_ms);
    field_put_range(&w, &t->range);
    canon_put_bool(&w, f->halted);
    canon_put_uint(&w, f->fork_seq);
    if (f->forked) {
        canon_put_bin(&w, slice_of(f->proof, f->proof_size));
    } else {
        canon_put_nil(&w);
    }
    steward_row_put(&key, &w, out);
}

int steward_tip_read(struct steward_feed *f,
                     const struct digest *net,
                     const struct core_row *row)
{
    struct steward_feed got;
    struct digest author;
    struct slice proof;
    uint32_t incarnation;
    struct canon_reader r;
    int rv = key_tip_parse(row->key, &author, &incarnation);

    if (rv != OK) {
        return rv;
    }
    memset(&got, 0, sizeof(got));
    feed_tip_init(&got.tip, net, &author, incarnation);
    field_begin(&r, row->value);
    got.tip.seq = canon_uint(&r, MERKLE_LEAVES_MAX);
    got.bytes = canon_uint(&r, INT64_MAX);
    canon_digest(&r, &got.tip.prev);
    got.tip.time_ms = canon_uint(&r, UINT64_MAX);
    field_range(&r, &got.tip.range);
    canon_require(&r, got.tip.range.leaves == got.tip.seq);
    got.halted = canon_bool(&r);
    got.fork_seq = canon_uint(&r, MERKLE_LEAVES_MAX);
    got.forked = !canon_nil(&r);
    if (got.forked) {
        proof = canon_bin(&r, 1, STEWARD_PROOF_MAX);
        if (proof.size > 0) {
            memcpy(got.proof, proof.data, proof.size);
        }
        got.proof_size = proof.size;
    }
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv == OK) {
        *f = got;
    }
    return rv;
}

int steward_feed_info_read(struct steward_feed_info *info,
                           const struct core_row *row)
{
    const struct digest net = {{0}}; /* The row does not have it. */
    struct steward_feed f;
    int rv = steward_tip_read(&f, &net, row);

    if (rv == OK) {
        *info = (struct steward_feed_info){
            .author = f.tip.author,
            .incarnation = f.tip.incarnation,
            .entries = f.tip.seq,
            .halted = f.halted,
            .forked = f.forked,
        };
    }
    return rv;
}

void steward_shard_put(const struct steward *s,
                       const struct steward_deposit *d,
                       struct core_out *out)
{
    struct key key = key_shard(&d->id, d->index);
    uint8_t value[ROW_VALUE_MAX];
    struct canon_writer w;

    assert(s->started && d->has_shard);
    canon_write_init(&w, value, sizeof(value));
    canon_put_array(&w, SHARD_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_uint(&w, d->state);
    canon_put_digest(&w, &d->lab);
    canon_put_uint(&w, d->size_max);
    canon_put_uint(&w, d->leaves);
    canon_put_uint(&w, d->final_leaves);
    canon_put_uint(&w, d->progress_s);
    canon_put_bool(&w, d->promised);
    canon_put_bool(&w, d->refused);
    canon_put_uint(&w, d->size);
    canon_put_digest(&w, &d->root);
    steward_row_put(&key, &w, out);
}

int steward_shard_read(struct steward_deposit *d, const struct core_row *row)
{
    const uint64_t bytes_max = MERKLE_LEAVES_MAX * LEAF_SIZE;
    struct steward_deposit got;
    struct canon_reader r;
    uint64_t state;
    int rv;

    memset(&got, 0, sizeof(got));
    rv = key_shard_parse(row->key, &got.id, &got.index);
    if (rv != OK) {
        return rv;
    }
    got.has_shard = true;
    field_begin(&r, row->value);
    state = canon_uint(&r, UINT64_MAX);
    canon_require_known(&r, state >= STEWARD_FILLING && state <= STEWARD_HELD);
    canon_digest(&r, &got.lab);
    got.size_max = canon_uint(&r, bytes_max);
    got.leaves = canon_uint(&r, MERKLE_LEAVES_MAX);
    got.final_leaves = canon_uint(&r, got.leaves);
    got.progress_s = canon_uint(&r, UINT64_MAX);
    got.promised = canon_bool(&r);
    got.refused = canon_bool(&r);
    got.size = canon_uint(&r, bytes_max);
    canon_digest(&r, &got.root);
    canon_require(&r, got.promised || state == STEWARD_FILLING);
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv == OK) {
        got.state = (enum steward_shard_state)state;
        *d = got;
    }
    return rv;
}

void steward_progress_put(const struct steward_deposit *d,
                          const struct merkle_range *range,
                          struct core_out *out)
{
    struct key key = key_progress(&d->id, d->index);
    uint8_t value[ROW_VALUE_MAX];
    struct canon_writer w;

    assert(range->leaves == d->leaves);
    canon_write_init(&w, value, sizeof(value));
    canon_put_array(&w, PROGRESS_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    field_put_range(&w, range);
    steward_row_put(&key, &w, out);
}

int steward_progress_read(struct merkle_range *range, struct slice value)
{
    struct merkle_range got;
    struct canon_reader r;
    int rv;

    field_begin(&r, value);
    field_range(&r, &got);
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv == OK) {
        *range = got;
    }
    return rv;
}

void steward_manifest_put(const struct steward_deposit *d, struct core_out *out)
{
    struct key key = key_manifest(&d->id);
    uint8_t value[ROW_VALUE_MAX];
    struct canon_writer w;

    assert(d->has_manifest);
    canon_write_init(&w, value, sizeof(value));
    canon_put_array(&w, MANIFEST_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_digest(&w, &d->lab);
    canon_put_uint(&w, d->incarnation);
    canon_put_uint(&w, d->seq);
    canon_put_digest(&w, &d->manifest_hash);
    steward_row_put(&key, &w, out);
}

int steward_manifest_read(struct steward_deposit *d, const struct core_row *row)
{
    struct steward_deposit got;
    struct canon_reader r;
    int rv;

    memset(&got, 0, sizeof(got));
    rv = key_manifest_parse(row->key, &got.id);
    if (rv != OK) {
        return rv;
    }
    got.has_manifest = true;
    field_begin(&r, row->value);
    canon_digest(&r, &got.lab);
    got.incarnation = (uint32_t)canon_uint(&r, UINT32_MAX);
    got.seq = canon_uint(&r, MERKLE_LEAVES_MAX);
    canon_digest(&r, &got.manifest_hash);
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv == OK) {
        *d = got;
    }
    return rv;
}

const struct core_row *steward_row_find(const struct core_event *ev,
                                        const struct key *key)
{
    for (size_t i = 0; i < ev->rows_len; i++) {
        if (slice_equal(ev->rows[i].key, key_slice(key))) {
            return &ev->rows[i];
        }
    }
    return NULL;
}
