#include "replication/keys.h"
#include "replication/steward/steward_deposits.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_quotas.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_shards.h"
#include "replication/steward/steward_state.h"

/* --- Manifests ----------------------------------------------------------- */

const char *steward_promise(const struct steward *s, struct steward_deposit *d)
{
    const struct manifest *m = &s->manifest;

    if (m->offline || d->index >= m->n ||
        !digest_equal(&m->stewards[d->index], &s->config.self)) {
        return "the manifest gives that shard to another steward";
    }
    if (m->shard_size > d->size_max) {
        return "the shard of the manifest is larger than was offered";
    }
    d->promised = true;
    d->size = m->shard_size;
    d->root = m->roots[d->index];
    return NULL;
}

/* The deposit that a manifest is the first to describe; a second one means
 * nothing. Its id can be of no other lab than the author. */
static uint32_t manifest_deposit(struct steward *s,
                                 const struct digest *id,
                                 const struct digest *author)
{
    uint32_t index = steward_deposit_find(s, id);
    uint32_t shards = s->shards_filling + s->shards_held;

    if (index == STEWARD_NONE) {
        return s->deposits_len - shards < STEWARD_SHARDS_MAX &&
                       steward_lab_may_publish(s, author)
                   ? steward_deposit_add(s, id, author)
                   : STEWARD_NONE;
    }
    assert(digest_equal(&s->deposits[index].lab, author));
    return s->deposits[index].has_manifest ? STEWARD_NONE : index;
}

void steward_on_manifest(struct steward *s,
                         const struct feed_entry *e,
                         struct core_out *out)
{
    const struct feed_header *h = &e->header;
    const struct card *card = charter_member(s->config.charter, &h->author);
    struct steward_deposit *d;
    const char *wrong;
    uint32_t index;

    if (card == NULL || card->role != CARD_LAB ||
        manifest_decode(&s->manifest, &e->header.author, e->payload) != OK ||
        !digest_equal(&s->manifest.net, &s->config.net)) {
        return;
    }
    index = manifest_deposit(s, &s->manifest.deposit_id, &h->author);
    if (index == STEWARD_NONE) {
        return;
    }
    d = &s->deposits[index];
    d->has_manifest = true;
    d->incarnation = h->incarnation;
    d->seq = h->seq;
    d->manifest_hash = h->payload_hash;
    steward_manifest_put(d, out);
    steward_release_touch(s, &d->id);
    if (!d->has_shard) {
        return;
    }
    wrong = steward_promise(s, d);
    if (wrong == NULL && d->leaves > d->size / LEAF_SIZE) {
        wrong = "more has been stored than the shard of the manifest has";
    }
    if (wrong != NULL) {
        steward_refuse_lab(s, index, ERR_MISMATCH, wrong, out);
    }
    if (!steward_seal_due(s, index, out)) {
        steward_shard_put(s, d, out);
    }
}

/* --- Sealing ------------------------------------------------------------- */

static void shard_move(struct steward *s,
                       struct steward_deposit *d,
                       enum steward_shard_state next,
                       struct core_out *out)
{
    static const unsigned allowed[] = {
        [STEWARD_FILLING] = BIT(STEWARD_SEALING),
        [STEWARD_SEALING] = BIT(STEWARD_FILLING) | BIT(STEWARD_HELD),
        [STEWARD_HELD] = 0,
    };

    assert(d->has_shard && (allowed[d->state] & BIT(next)) != 0);
    steward_deposit_count(s, d, -1);
    d->state = next;
    steward_deposit_count(s, d, 1);
    steward_shard_put(s, d, out);
}

bool steward_seal_due(struct steward *s, uint32_t deposit, struct core_out *out)
{
    struct steward_deposit *d = &s->deposits[deposit];

    if (!d->has_shard || d->state != STEWARD_FILLING || !d->promised ||
        d->refused || d->dropping || d->leaves * LEAF_SIZE != d->size) {
        return false;
    }
    d->seal_after_ms = 0;
    shard_move(s, d, STEWARD_SEALING, out);
    return true;
}

static uint32_t seals_under_way(const struct steward *s)
{
    uint32_t len = 0;

    for (size_t i = 0; i < STEWARD_SEALS_MAX; i++) {
        len += s->seals[i].id != 0 ? 1U : 0U;
    }
    return len;
}

/* A shard is sealed at the range that its row names, and with its manifest;
 * both are read first. */
void steward_seals_start(struct steward *s, struct core_out *out)
{
    struct steward_slot *slot = steward_slot_free(s->seals, STEWARD_SEALS_MAX);

    if (s->seals_due == seals_under_way(s) || !steward_can_append(s)) {
        return;
    }
    for (uint32_t i = 0; i < s->deposits_len && slot != NULL; i++) {
        uint32_t index = s->deposits_order[i];
        struct steward_deposit *d = &s->deposits[index];
        struct key key;

        if (!d->has_shard || d->state != STEWARD_SEALING || d->sealing ||
            d->seal_after_ms > s->mono_ms) {
            continue;
        }
        d->sealing = true;
        *slot = (struct steward_slot){
            .id = s->next_id++, .reading = true, .deposit = index};
        key = key_progress(&d->id, d->index);
        core_act(out, ACT_READ, slot->id, key_slice(&key));
        slot = steward_slot_free(s->seals, STEWARD_SEALS_MAX);
    }
}

/* The range is here: the manifest is read, to be kept beside the shard. */
static void on_range_row(struct steward *s,
                         struct steward_slot *slot,
                         struct slice value,
                         struct core_out *out)
{
    const struct steward_deposit *d = &s->deposits[slot->deposit];
    struct key key = key_entry(&d->lab, d->incarnation, d->seq);
    int rv = steward_progress_read(&slot->range, value);

    assert(rv == OK && slot->range.leaves == d->leaves);
    slot->has_range = true;
    slot->id = s->next_id++;
    core_act(out, ACT_READ, slot->id, key_slice(&key));
}

static void on_manifest_row(struct steward *s,
                            struct steward_slot *slot,
                            struct slice value,
                            struct core_out *out)
{
    const struct steward_deposit *d = &s->deposits[slot->deposit];
    const struct steward_job job = {.type = STEWARD_JOB_SEAL,
                                    .deposit_id = d->id,
                                    .index = d->index,
                                    .size = d->size,
                                    .range = slot->range,
                                    .root = d->root,
                                    .manifest = value};

    slot->id = s->next_id++;
    slot->reading = false;
    steward_job_start(&job, slot->id, out);
}

bool steward_on_seal_rows(struct steward *s,
                          const struct core_event *ev,
                          struct core_out *out)
{
    struct steward_slot *slot =
        steward_slot_find(s->seals, STEWARD_SEALS_MAX, ev->id, true);
    const struct steward_deposit *d;
    const struct core_row *row;
    struct key key;

    if (slot == NULL) {
        return false;
    }
    d = &s->deposits[slot->deposit];
    key = slot->has_range ? key_entry(&d->lab, d->incarnation, d->seq)
                          : key_progress(&d->id, d->index);
    row = steward_row_find(ev, &key);
    if (row == NULL && ev->status != 1) {
        return true;
    }
    /* Both were written before the shard was to be sealed. */
    assert(row != NULL);
    if (slot->has_range) {
        on_manifest_row(s, slot, row->value, out);
    } else {
        on_range_row(s, slot, row->value, out);
    }
    return true;
}

/* The receipt and the row that says that the shard is held are one batch. */
static void shard_held(struct steward *s,
                       struct steward_deposit *d,
                       struct core_out *out)
{
    const struct release_receipt receipt = {
        .deposit_id = d->id,
        .manifest_hash = d->manifest_hash,
        .root = d->root,
        .index = d->index,
        .shard_size = d->size,
        .time_s = s->wall_ms / 1000,
    };
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    size_t size = 0;
    int rv = release_receipt_encode(&receipt, payload, sizeof(payload), &size);

    assert(rv == OK);
    shard_move(s, d, STEWARD_HELD, out);
    steward_append(s, FEED_RECEIPT, slice_of(payload, size), out);
}

void steward_on_seal(struct steward *s,
                     struct steward_slot *slot,
                     int status,
                     struct core_out *out)
{
    uint32_t index = slot->deposit;
    struct steward_deposit *d = &s->deposits[index];

    slot->id = 0;
    d->sealing = false;
    if (status == OK && steward_can_append(s)) {
        shard_held(s, d, out);
    } else if (status == ERR_MISMATCH) {
        d->refused = true;
        shard_move(s, d, STEWARD_FILLING, out);
        steward_shard_restart(s, d, out);
        steward_refuse_lab(s, index, ERR_MISMATCH,
                           "the bytes of the shard have another root than its "
                           "manifest says; send them again",
                           out);
    } else if (status != OK) {
        d->seal_after_ms = s->mono_ms + STEWARD_SEAL_AGAIN_MS;
        steward_refuse_lab(s, index, status,
                           "the shard cannot be sealed now and will be tried "
                           "again; its steward's operators should look",
                           out);
    }
}
