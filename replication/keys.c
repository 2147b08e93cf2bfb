#include "replication/keys.h"

#define FEED_KEY_SIZE   (1U + DIGEST_SIZE + 4U)
#define ENTRY_KEY_SIZE  (FEED_KEY_SIZE + 8U)
#define SHARD_KEY_SIZE  (1U + DIGEST_SIZE + 2U)
#define DIGEST_KEY_SIZE (1U + DIGEST_SIZE)
#define VOTE_KEY_SIZE   (1U + 2 * DIGEST_SIZE)

_Static_assert(ENTRY_KEY_SIZE <= KEY_SIZE_MAX && VOTE_KEY_SIZE <= KEY_SIZE_MAX,
               "the longest keys fit");

static struct key key_begin(enum key_kind kind, const struct digest *d)
{
    struct key k = {.size = 1U + DIGEST_SIZE};

    k.bytes[0] = (uint8_t)kind;
    memcpy(k.bytes + 1, d->bytes, DIGEST_SIZE);
    return k;
}

static void put_be(struct key *k, uint64_t v, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        k->bytes[k->size++] = (uint8_t)(v >> (8 * (size - 1 - i)));
    }
}

static uint64_t get_be(const uint8_t *in, size_t size)
{
    uint64_t v = 0;

    for (size_t i = 0; i < size; i++) {
        v = v << 8 | in[i];
    }
    return v;
}

static bool key_is(struct slice in, enum key_kind kind, size_t size)
{
    return in.size == size && in.data[0] == (uint8_t)kind;
}

static struct key feed_key(enum key_kind kind,
                           const struct digest *author,
                           uint32_t incarnation)
{
    struct key k = key_begin(kind, author);

    put_be(&k, incarnation, 4);
    return k;
}

static struct key place_key(enum key_kind kind,
                            const struct digest *author,
                            uint32_t incarnation,
                            uint64_t seq)
{
    struct key k = feed_key(kind, author, incarnation);

    put_be(&k, seq, 8);
    return k;
}

static struct key shard_key(enum key_kind kind,
                            const struct digest *deposit,
                            uint16_t index)
{
    struct key k = key_begin(kind, deposit);

    put_be(&k, index, 2);
    return k;
}

struct key key_entry(const struct digest *author,
                     uint32_t incarnation,
                     uint64_t seq)
{
    return place_key(KEY_ENTRY, author, incarnation, seq);
}

struct key key_entries(const struct digest *author, uint32_t incarnation)
{
    return feed_key(KEY_ENTRY, author, incarnation);
}

struct key key_entries_near(const struct digest *author,
                            uint32_t incarnation,
                            uint64_t seq,
                            uint64_t seq_last)
{
    struct key k = key_entry(author, incarnation, seq);

    assert(seq <= seq_last);
    if (seq_last != seq) {
        k.bytes[--k.size] = 0;
    }
    return k;
}

struct key key_tip(const struct digest *author, uint32_t incarnation)
{
    return feed_key(KEY_TIP, author, incarnation);
}

struct key key_fork(const struct digest *author,
                    uint32_t incarnation,
                    uint64_t seq)
{
    return place_key(KEY_FORK, author, incarnation, seq);
}

struct key key_shard(const struct digest *deposit, uint16_t index)
{
    return shard_key(KEY_SHARD, deposit, index);
}

struct key key_progress(const struct digest *deposit, uint16_t index)
{
    return shard_key(KEY_PROGRESS, deposit, index);
}

struct key key_manifest(const struct digest *deposit)
{
    return key_begin(KEY_MANIFEST, deposit);
}

struct key key_acknowledged(const struct digest *deposit)
{
    return key_begin(KEY_ACKNOWLEDGED, deposit);
}

struct key key_release(const struct digest *release)
{
    return key_begin(KEY_RELEASE, release);
}

struct key key_request(const struct digest *release)
{
    return key_begin(KEY_REQUEST, release);
}

static struct key vote_key(enum key_kind kind,
                           const struct digest *release,
                           const struct digest *member)
{
    struct key k = key_begin(kind, release);

    memcpy(k.bytes + k.size, member->bytes, DIGEST_SIZE);
    k.size += DIGEST_SIZE;
    return k;
}

struct key key_approval(const struct digest *release,
                        const struct digest *member)
{
    return vote_key(KEY_APPROVAL, release, member);
}

struct key key_decision(const struct digest *release,
                        const struct digest *member)
{
    return vote_key(KEY_DECISION, release, member);
}

struct key key_approvals(const struct digest *release)
{
    return key_begin(KEY_APPROVAL, release);
}

struct key key_decisions(const struct digest *release)
{
    return key_begin(KEY_DECISION, release);
}

struct key key_holding(const struct digest *decision_hash)
{
    return key_begin(KEY_HOLDING, decision_hash);
}

struct key key_envelope(const struct digest *release)
{
    return key_begin(KEY_ENVELOPE, release);
}

int key_entry_parse(struct slice in,
                    struct digest *author,
                    uint32_t *incarnation,
                    uint64_t *seq)
{
    if (!key_is(in, KEY_ENTRY, ENTRY_KEY_SIZE)) {
        return ERR_BAD;
    }
    memcpy(author->bytes, in.data + 1, DIGEST_SIZE);
    *incarnation = (uint32_t)get_be(in.data + 1 + DIGEST_SIZE, 4);
    *seq = get_be(in.data + FEED_KEY_SIZE, 8);
    return OK;
}

int key_tip_parse(struct slice in, struct digest *author, uint32_t *incarnation)
{
    if (!key_is(in, KEY_TIP, FEED_KEY_SIZE)) {
        return ERR_BAD;
    }
    memcpy(author->bytes, in.data + 1, DIGEST_SIZE);
    *incarnation = (uint32_t)get_be(in.data + 1 + DIGEST_SIZE, 4);
    return OK;
}

static int index_key_parse(struct slice in,
                           enum key_kind kind,
                           struct digest *d,
                           uint16_t *index)
{
    if (!key_is(in, kind, SHARD_KEY_SIZE)) {
        return ERR_BAD;
    }
    memcpy(d->bytes, in.data + 1, DIGEST_SIZE);
    *index = (uint16_t)get_be(in.data + 1 + DIGEST_SIZE, 2);
    return OK;
}

int key_shard_parse(struct slice in, struct digest *deposit, uint16_t *index)
{
    return index_key_parse(in, KEY_SHARD, deposit, index);
}

int key_waiting_parse(struct slice in, struct digest *member, uint16_t *slot)
{
    return index_key_parse(in, KEY_WAITING, member, slot);
}

static int digest_key_parse(struct slice in,
                            enum key_kind kind,
                            struct digest *d)
{
    if (!key_is(in, kind, DIGEST_KEY_SIZE)) {
        return ERR_BAD;
    }
    memcpy(d->bytes, in.data + 1, DIGEST_SIZE);
    return OK;
}

int key_manifest_parse(struct slice in, struct digest *deposit)
{
    return digest_key_parse(in, KEY_MANIFEST, deposit);
}

int key_acknowledged_parse(struct slice in, struct digest *deposit)
{
    return digest_key_parse(in, KEY_ACKNOWLEDGED, deposit);
}

int key_release_parse(struct slice in, struct digest *release)
{
    return digest_key_parse(in, KEY_RELEASE, release);
}

int key_vote_parse(struct slice in,
                   enum key_kind kind,
                   struct digest *release,
                   struct digest *member)
{
    if (!key_is(in, kind, VOTE_KEY_SIZE)) {
        return ERR_BAD;
    }
    memcpy(release->bytes, in.data + 1, DIGEST_SIZE);
    memcpy(member->bytes, in.data + 1 + DIGEST_SIZE, DIGEST_SIZE);
    return OK;
}

struct key key_waiting(const struct digest *member, uint16_t slot)
{
    return shard_key(KEY_WAITING, member, slot);
}
