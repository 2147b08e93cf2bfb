#include "replication/custodian/custodian_internal.h"

/* Is the entry in c->entry the word of another steward of the charter? */
static int holder_check(struct custodian *c)
{
    const struct digest *author = &c->entry.header.author;
    const struct card *holder = charter_steward(c->charter, author);

    if (holder == NULL || digest_equal(author, &c->self->id)) {
        return custodian_refuse(c, ERR_DENIED,
                                "an envelope leaves only when the node of "
                                "another steward has signed for holding the "
                                "decision: this is not one's word");
    }
    if (feed_entry_verify(&c->entry, holder->node_pk) != OK) {
        return custodian_refuse(c, ERR_AUTH,
                                "the signature of the steward that holds the "
                                "decision does not verify");
    }
    return OK;
}

int custodian_envelope_begin(struct custodian *c, struct core_out *out)
{
    struct key key;
    int rv;

    rv = custodian_entry(c, c->ask.u.envelope.holding, FEED_HOLDING);
    if (rv == OK) {
        rv = holder_check(c);
    }
    if (rv != OK) {
        return rv;
    }
    key = custodian_key_decision(&c->ask.u.envelope.release_id);
    custodian_read(c, CUSTODIAN_HANDING, &key, out);
    return OK;
}

/* Is it this decision that the other steward holds? */
static int holding_check(struct custodian *c, struct slice decision)
{
    struct digest held, hash;
    int rv = release_holding_decode(&held, c->entry.payload);

    if (rv != OK) {
        return custodian_refuse(c, rv,
                                "this says nothing of a decision that is held");
    }
    release_decision_hash(&hash, decision);
    if (!digest_equal(&held, &hash)) {
        return custodian_refuse(c, ERR_MISMATCH,
                                "the other steward holds another decision "
                                "than the one on this request");
    }
    return OK;
}

int custodian_envelope_end(struct custodian *c,
                           const struct slice *row,
                           struct core_out *out)
{
    struct custody answer = {.type = CUSTODY_HANDED};
    struct custodian_decision d;
    int rv;

    if (row == NULL) {
        return custodian_refuse(c, ERR_NOTFOUND,
                                "this custodian has not decided on that "
                                "request: ask for its decision first");
    }
    rv = custodian_release_read(c, &d, *row);
    if (rv == OK) {
        rv = release_request_decode(&c->request, d.request);
        assert(rv == OK); /* Our own decision is about it. */
        rv = holding_check(c, d.decision);
    }
    if (rv != OK) {
        return rv;
    }
    if (custodian_is_over(c, &c->request)) {
        return custodian_refuse(c, ERR_ORDER,
                                "the request's time is over: the recipient "
                                "must ask anew");
    }
    answer.u.handed = d.envelope;
    custodian_answer(c, &answer, out);
    return OK;
}
