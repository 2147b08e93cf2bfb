#include "crypto/secret.h"
#include "replication/custodian/custodian_internal.h"

#define ROW_BROKEN                                                             \
    "the custodian holds a share of this deposit but cannot read it: restore " \
    "its store from a backup"

/* Is the entry in c->entry the word of a chartered lab? */
static int author_check(struct custodian *c)
{
    const struct card *lab =
        charter_member(c->charter, &c->entry.header.author);

    if (lab == NULL || lab->role != CARD_LAB) {
        return custodian_refuse(c, ERR_DENIED,
                                "the manifest is not by a lab of the pinned "
                                "charter");
    }
    if (feed_entry_verify(&c->entry, lab->node_pk) != OK) {
        return custodian_refuse(c, ERR_AUTH,
                                "the lab's signature of the manifest does not "
                                "verify");
    }
    return OK;
}

/* Does the manifest give us the share that the request speaks of? */
static int promise_check(struct custodian *c)
{
    const struct custody_deal *ask = &c->ask.u.deal;
    const struct manifest *m = &c->manifest;

    if (!digest_equal(&m->net, &c->net)) {
        return custodian_refuse(c, ERR_MISMATCH,
                                "the manifest is of another network");
    }
    if (m->offline || ask->share_index > m->n ||
        !digest_equal(&m->stewards[ask->share_index - 1], &c->self->id)) {
        return custodian_refuse(c, ERR_MISMATCH,
                                "the manifest does not give this steward the "
                                "share of that index");
    }
    if (m->share_epoch != ask->share_epoch) {
        return custodian_refuse(c, ERR_MISMATCH,
                                "the share is of another epoch than the "
                                "manifest's");
    }
    return OK;
}

/* A share that nobody but the lab could ever have released is no custody. */
static int policy_allows(struct custodian *c)
{
    const struct manifest *m = &c->manifest;
    uint32_t auditors = 0;

    for (size_t i = 0; i < c->charter->members_len; i++) {
        if (c->charter->members[i].card.role == CARD_AUDITOR) {
            auditors++;
        }
    }
    if (!policy_survives_lab(slice_of(m->policy, m->policy_size),
                             c->charter->stewards, auditors)) {
        return custodian_refuse(c, ERR_DENIED,
                                "stewards and auditors of this charter could "
                                "never satisfy the manifest's policy without "
                                "the lab: deposit under another policy");
    }
    return OK;
}

int custodian_deal_begin(struct custodian *c, struct core_out *out)
{
    struct key key;
    int rv;

    rv = custodian_entry(c, c->ask.u.deal.manifest, FEED_MANIFEST);
    if (rv == OK) {
        rv = author_check(c);
    }
    if (rv != OK) {
        return rv;
    }
    rv = manifest_decode(&c->manifest, &c->entry.header.author,
                         c->entry.payload);
    if (rv == ERR_MISMATCH) {
        return custodian_refuse(c, rv,
                                "the manifest is of a deposit whose id its lab "
                                "could not have made: it is another's");
    }
    if (rv != OK) {
        return custodian_refuse(c, rv,
                                "the entry's payload is no manifest that this "
                                "version can read");
    }
    rv = promise_check(c);
    if (rv == OK) {
        rv = policy_allows(c);
    }
    if (rv != OK) {
        return rv;
    }
    key = custodian_key_share(&c->manifest.deposit_id, c->manifest.share_epoch);
    custodian_read(c, CUSTODIAN_DEALING, &key, out);
    return OK;
}

/* Open the envelope into scratch.share, and see that it is the one that the
 * commitments promise. */
static int share_open(struct custodian *c)
{
    const struct custody_deal *ask = &c->ask.u.deal;
    const struct manifest *m = &c->manifest;
    struct custodian_scratch *s = &c->scratch;
    struct digest info;
    int rv = ERR_BAD;

    release_deal_info(&info, &c->net, &c->entry.header.payload_hash,
                      ask->share_index, ask->share_epoch);
    if (ask->envelope.size == RELEASE_ENVELOPE_SIZE) {
        rv = hpke_open(c->hpke_sk, digest_slice(&info), slice_of("", 0), NULL,
                       ask->envelope, s->plain);
    }
    if (rv != OK) {
        return custodian_refuse(c, rv,
                                "the envelope does not open with this "
                                "custodian's key: it was sealed to another "
                                "one, or for another share");
    }
    s->share.index = ask->share_index;
    memcpy(s->share.s.bytes, s->plain, SCALAR_SIZE);
    memcpy(s->share.r.bytes, s->plain + SCALAR_SIZE, SCALAR_SIZE);
    rv = vss_share_verify(&s->share, m->commitments, m->t, m->n);
    if (rv != OK) {
        return custodian_refuse(c, rv,
                                "the share is not the one that the manifest's "
                                "commitments promise: the lab must deal again "
                                "from the journal of this deposit");
    }
    return OK;
}

static void acknowledge(struct custodian *c,
                        struct slice ack,
                        struct core_out *out)
{
    struct custody answer = {.type = CUSTODY_ACK, .u.ack = ack};

    custodian_answer(c, &answer, out);
}

static bool share_equal(const struct vss_share *a, const struct vss_share *b)
{
    bool s = secret_equal(&a->s, &b->s, sizeof(a->s));
    bool r = secret_equal(&a->r, &b->r, sizeof(a->r));

    return a->index == b->index && s && r;
}

/* Asked again: the same acknowledgement, or a refusal. */
static int deal_again(struct custodian *c,
                      struct slice row,
                      struct core_out *out)
{
    struct custodian_share *held = &c->scratch.held;
    struct feed_entry entry;
    int rv = custodian_share_read(held, row);

    if (rv == OK) {
        rv = feed_entry_decode(&entry, held->manifest);
    }
    if (rv != OK) {
        return custodian_refuse(c, ERR_IO, ROW_BROKEN);
    }
    if (!digest_equal(&entry.header.payload_hash,
                      &c->entry.header.payload_hash) ||
        !share_equal(&held->share, &c->scratch.share)) {
        return custodian_refuse(c, ERR_EXISTS,
                                "another manifest or share of this deposit "
                                "and epoch is in custody here already, and "
                                "stays: make a new deposit instead");
    }
    acknowledge(c, held->ack, out);
    return OK;
}

static int deal_first(struct custodian *c, struct core_out *out)
{
    const struct custody_deal *ask = &c->ask.u.deal;
    const struct digest *manifest_hash = &c->entry.header.payload_hash;
    struct release_acknowledgement a = {.net = c->net,
                                        .custodian = c->self->id,
                                        .manifest_hash = *manifest_hash,
                                        .share_index = ask->share_index,
                                        .share_epoch = ask->share_epoch};
    uint8_t ack[RELEASE_PAYLOAD_MAX];
    struct digest ctx;
    size_t size = 0;
    int rv;

    release_acknowledgement_context(&ctx, &c->net, manifest_hash,
                                    ask->share_index);
    possession_prove(&ctx, &c->scratch.share, c->rng, a.proof);
    rv = release_acknowledgement_encode(&a, &c->sign, ack, sizeof(ack), &size);
    assert(rv == OK);

    c->scratch.held.manifest = ask->manifest;
    c->scratch.held.share = c->scratch.share;
    c->scratch.held.ack = slice_of(ack, size);
    custodian_share_put(c, &c->scratch.held, out);
    c->shares++;
    acknowledge(c, slice_of(ack, size), out);
    return OK;
}

int custodian_deal_end(struct custodian *c,
                       const struct slice *row,
                       struct core_out *out)
{
    int rv = share_open(c);

    if (rv != OK) {
        return rv;
    }
    return row != NULL ? deal_again(c, *row, out) : deal_first(c, out);
}
