#include "crypto/hash.h"
#include "replication/custodian/custodian_internal.h"

int custodian_release_begin(struct custodian *c, struct core_out *out)
{
    struct slice request = c->ask.u.release.request;
    struct key key;
    int rv = release_request_decode(&c->request, request);

    if (rv != OK) {
        return custodian_refuse(c, rv,
                                "this is no request for a release that this "
                                "version can read");
    }
    release_id(&c->release_id, request);
    key = custodian_key_decision(&c->release_id);
    custodian_read(c, CUSTODIAN_RECALLING, &key, out);
    return OK;
}

static void decided(struct custodian *c,
                    struct slice decision,
                    struct core_out *out)
{
    struct custody answer = {.type = CUSTODY_DECIDED, .u.decision = decision};

    custodian_answer(c, &answer, out);
}

/* Is it about our network, under the very roster that approves it? */
static int network_check(struct custodian *c)
{
    if (!digest_equal(&c->request.net, &c->net)) {
        return custodian_refuse(c, ERR_MISMATCH,
                                "the request is of another network");
    }
    if (!digest_equal(&c->request.charter_hash, &c->charter->hash)) {
        return custodian_refuse(c, ERR_MISMATCH,
                                "the request names another charter than the "
                                "one pinned at this custodian: the recipient "
                                "must ask anew under the present charter");
    }
    return OK;
}

int custodian_release_read(struct custodian *c,
                           struct custodian_decision *d,
                           struct slice row)
{
    uint64_t signed_s = 0;

    if (custodian_decision_read(c, d, &signed_s, row) != OK) {
        return custodian_refuse(c, ERR_IO,
                                "the custodian has decided on this request "
                                "but cannot read its decision: restore its "
                                "store from a backup");
    }
    custodian_clock_seen(c, signed_s);
    return OK;
}

int custodian_release_recall(struct custodian *c,
                             const struct slice *row,
                             struct core_out *out)
{
    struct custodian_decision d;
    struct key key;
    int rv;

    if (row != NULL) {
        rv = custodian_release_read(c, &d, *row);
        if (rv == OK) {
            decided(c, d.decision, out);
        }
        return rv;
    }
    rv = network_check(c);
    if (rv != OK) {
        return rv;
    }
    key = custodian_key_share(&c->request.deposit_id, c->request.share_epoch);
    custodian_read(c, CUSTODIAN_DECIDING, &key, out);
    return OK;
}

/* The share and its manifest as they were taken into custody. */
static int custody_check(struct custodian *c, struct slice row)
{
    struct custodian_share *held = &c->scratch.held;
    const struct manifest *m = &c->manifest;
    int rv = custodian_share_read(held, row);

    if (rv == OK) {
        rv = feed_entry_decode(&c->entry, held->manifest);
    }
    if (rv == OK) {
        rv = manifest_decode(&c->manifest, &c->entry.header.author,
                             c->entry.payload);
    }
    if (rv == OK) {
        rv = vss_share_verify(&held->share, m->commitments, m->t, m->n);
    }
    if (rv != OK) {
        return custodian_refuse(c, ERR_IO,
                                "the custodian holds a share of this deposit "
                                "but cannot read it: restore its store from a "
                                "backup");
    }
    return OK;
}

/* Does the request speak of the deposit that is held? */
static int deposit_check(struct custodian *c)
{
    const struct release_request *r = &c->request;
    const struct manifest *m = &c->manifest;

    if (!digest_equal(&r->deposit_id, &m->deposit_id) ||
        r->share_epoch != m->share_epoch ||
        !digest_equal(&r->manifest_hash, &c->entry.header.payload_hash)) {
        return custodian_refuse(c, ERR_MISMATCH,
                                "the request names another manifest than the "
                                "one whose share is here: ask anew, from the "
                                "deposit's own certificate");
    }
    if (strcmp(r->label, m->label) != 0) {
        return custodian_refuse(c, ERR_MISMATCH,
                                "the request's label is not the deposit's: "
                                "who approved it was shown another name");
    }
    return OK;
}

static int time_check(struct custodian *c)
{
    if (custodian_is_over(c, &c->request)) {
        return custodian_refuse(c, ERR_ORDER,
                                "the request's time is over: the recipient "
                                "must ask anew; or the clock of the "
                                "custodian's host is, or was, ahead: set it, "
                                "and start the custodian again");
    }
    if (c->request.time_s > c->latest_s + CUSTODIAN_DAY_S) {
        return custodian_refuse(c, ERR_ORDER,
                                "the request is of a later time than now: "
                                "set the clock of the custodian's host, or "
                                "wait");
    }
    return OK;
}

/* Seal the share that is held to the request's recipient. */
static int share_seal(struct custodian *c,
                      uint8_t envelope[RELEASE_ENVELOPE_SIZE])
{
    struct custodian_scratch *s = &c->scratch;
    const struct hpke_psk psk = {.psk = digest_slice(&s->psk),
                                 .id = digest_slice(&c->release_id)};
    struct digest info;

    release_psk(&s->psk, c->net_psk, &c->release_id);
    release_envelope_info(&info, &c->net, &c->release_id, s->held.share.index,
                          c->manifest.share_epoch);
    memcpy(s->plain, s->held.share.s.bytes, SCALAR_SIZE);
    memcpy(s->plain + SCALAR_SIZE, s->held.share.r.bytes, SCALAR_SIZE);
    return hpke_seal(c->request.hpke_pk, digest_slice(&info), slice_of("", 0),
                     &psk, slice_of(s->plain, sizeof(s->plain)), c->rng,
                     envelope);
}

/* Everything was checked: seal, sign, write. */
static int decide(struct custodian *c, struct core_out *out)
{
    uint8_t envelope[RELEASE_ENVELOPE_SIZE], decision[RELEASE_PAYLOAD_MAX];
    struct release_decision d = {.net = c->net,
                                 .release_id = c->release_id,
                                 .manifest_hash = c->request.manifest_hash,
                                 .custodian = c->self->id,
                                 .share_index = c->scratch.held.share.index,
                                 .share_epoch = c->manifest.share_epoch,
                                 .time_s = c->latest_s};
    struct custodian_decision row;
    size_t size = 0;
    int rv = share_seal(c, envelope);

    if (rv != OK) {
        return custodian_refuse(c, rv,
                                "nothing can be sealed to the recipient's key");
    }
    sha256(slice_of(envelope, sizeof(envelope)), &d.envelope_hash);
    rv = release_decision_encode(&d, &c->sign, decision, sizeof(decision),
                                 &size);
    if (rv != OK) {
        return custodian_refuse(c, ERR_ORDER,
                                "the clock of the custodian's host cannot be "
                                "right: set it, and start the custodian "
                                "again");
    }
    row = (struct custodian_decision){.request = c->ask.u.release.request,
                                      .decision = slice_of(decision, size),
                                      .envelope =
                                          slice_of(envelope, sizeof(envelope))};
    c->key = custodian_key_decision(&c->release_id);
    custodian_decision_put(c, &row, out);
    c->decisions++;
    decided(c, row.decision, out);
    return OK;
}

int custodian_release_decide(struct custodian *c,
                             const struct slice *row,
                             struct core_out *out)
{
    int rv;

    if (row == NULL) {
        return custodian_refuse(c, ERR_NOTFOUND,
                                "no share of that deposit and epoch is in "
                                "custody here");
    }
    rv = custody_check(c, *row);
    if (rv == OK) {
        rv = deposit_check(c);
    }
    if (rv == OK) {
        rv = time_check(c);
    }
    if (rv == OK) {
        rv = custodian_votes_check(c);
    }
    return rv == OK ? decide(c, out) : rv;
}
