#include "protocol/field.h"
#include "replication/keys.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_quotas.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"

/* Proofs in one message. */
#define PROOFS_MAX (MESSAGE_ENTRIES_MAX / 2)

_Static_assert(PROOFS_MAX *STEWARD_PROOF_MAX + 8 <= MESSAGE_SIZE_MAX,
               "so many proofs fit");

size_t steward_entry_prune(const struct feed_entry *e, uint8_t *out, size_t max)
{
    struct canon_writer w;
    size_t size = 0;
    int rv;

    canon_write_init(&w, out, max);
    canon_put_array(&w, 3);
    canon_put_bin(&w, e->header_bytes);
    canon_put_bin(&w, slice_of(e->signature, SIGN_SIZE));
    canon_put_nil(&w);
    rv = field_write_end(&w, &size);
    assert(rv == OK);
    return size;
}

static size_t pair_write(struct slice first,
                         struct slice second,
                         uint8_t *out,
                         size_t max)
{
    struct canon_writer w;
    size_t size = 0;
    int rv;

    canon_write_init(&w, out, max);
    canon_put_array(&w, 2);
    canon_put_bin(&w, first);
    canon_put_bin(&w, second);
    rv = field_write_end(&w, &size);
    assert(rv == OK);
    return size;
}

/* The lower id goes first, so that the proof is the same whichever of the two
 * came first. */
static void proof_set(struct steward_feed *f,
                      const struct feed_entry *a,
                      const struct feed_entry *b)
{
    bool swap = memcmp(a->id.bytes, b->id.bytes, DIGEST_SIZE) > 0;
    uint8_t low[STEWARD_PROOF_MAX], high[STEWARD_PROOF_MAX];
    size_t low_size = steward_entry_prune(swap ? b : a, low, sizeof(low));
    size_t high_size = steward_entry_prune(swap ? a : b, high, sizeof(high));

    f->proof_size =
        pair_write(slice_of(low, low_size), slice_of(high, high_size), f->proof,
                   sizeof(f->proof));
}

void steward_fork(struct steward *s,
                  struct steward_feed *f,
                  const struct feed_entry *a,
                  const struct feed_entry *b,
                  struct slice bytes,
                  struct core_out *out)
{
    const struct feed_header *h = &b->header;
    uint32_t index = (uint32_t)(f - s->feeds);
    uint8_t pruned[STEWARD_PROOF_MAX];
    struct key key;
    size_t size;

    assert(h->seq == a->header.seq && !digest_equal(&a->id, &b->id));
    if (f->forked && f->fork_seq <= h->seq) {
        return;
    }
    f->forked = true;
    f->fork_seq = h->seq;
    proof_set(f, a, b);
    size = steward_entry_prune(a, pruned, sizeof(pruned));
    size =
        steward_feed_room(s, &h->author, 0) != FEED_FULL
            ? pair_write(slice_of(pruned, size), bytes, s->buf, sizeof(s->buf))
            : 0;
    if (size == 0) {
        memcpy(s->buf, f->proof, f->proof_size);
        size = f->proof_size;
    }
    steward_feed_count(s, f, size, true);
    steward_tip_put(s, f, out);
    key = key_fork(&h->author, h->incarnation, h->seq);
    core_put(out, key_slice(&key), slice_of(s->buf, size));
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        if (s->links[i].up && !s->links[i].recipient) {
            s->links[i].proofs[index / 8] |= (uint8_t)BIT(index % 8);
            s->links[i].proofs_due = true;
        }
    }
}

void steward_proofs_due(const struct steward *s, struct steward_link *l)
{
    for (uint32_t i = 0; i < s->feeds_len; i++) {
        if (s->feeds[i].forked) {
            l->proofs[i / 8] |= (uint8_t)BIT(i % 8);
            l->proofs_due = true;
        }
    }
}

static void proof_add(const struct steward_feed *f, struct message_entries *m)
{
    struct canon_reader r;

    canon_read_init(&r, slice_of(f->proof, f->proof_size));
    canon_array(&r, 2);
    m->entries[m->len++] = canon_bin(&r, 1, STEWARD_PROOF_MAX);
    m->entries[m->len++] = canon_bin(&r, 1, STEWARD_PROOF_MAX);
    canon_leave(&r);
    assert(canon_end(&r) == OK);
}

void steward_proofs_say(struct steward *s,
                        struct steward_link *l,
                        struct core_out *out)
{
    struct message_entries *m = &s->said.u.entries;
    uint32_t i = 0;

    s->said.type = MESSAGE_ENTRIES;
    m->len = 0;
    for (; i < s->feeds_len && m->len + 2 <= MESSAGE_ENTRIES_MAX; i++) {
        if ((l->proofs[i / 8] & BIT(i % 8)) != 0) {
            l->proofs[i / 8] &= (uint8_t)~BIT(i % 8);
            proof_add(&s->feeds[i], m);
        }
    }
    l->proofs_due = i < s->feeds_len;
    if (m->len > 0) {
        steward_say(s, l->id, out);
    }
}
