#include "crypto/sshsig.h"
#include "replication/custodian/custodian_internal.h"

_Static_assert((int)POLICY_STEWARD == (int)CARD_STEWARD &&
                   (int)POLICY_LAB == (int)CARD_LAB &&
                   (int)POLICY_AUDITOR == (int)CARD_AUDITOR,
               "a vote counts by the role on the card");
_Static_assert(CHARTER_MEMBERS_MAX <= 64, "a bit for each member");

static size_t member_index(const struct charter *charter,
                           const struct card *card)
{
    size_t at = 0;

    while (&charter->members[at].card != card) {
        at++;
    }
    return at;
}

static int approval_refuse(struct custodian *c,
                           int status,
                           size_t i,
                           const char *text)
{
    int rv = custodian_refuse(c, status, "approval ");

    custodian_why_number(c, i + 1);
    custodian_why(c, text);
    return rv;
}

/* The bit of the member whose operator signed approval |i| over |text|. */
static int approval_check(struct custodian *c,
                          size_t i,
                          struct slice text,
                          uint64_t *member)
{
    const struct card *card;
    struct sshsig_key key;
    int rv = sshsig_verify(c->ask.u.release.approvals[i],
                           RELEASE_APPROVAL_NAMESPACE, text, &key);

    if (rv != OK) {
        return approval_refuse(c, rv, i,
                               " is no good signature of this request: its "
                               "operator must sign this very request anew");
    }
    card = charter_operator(c->charter, &key);
    if (card == NULL) {
        return approval_refuse(c, ERR_DENIED, i,
                               " is by a key that is no operator's in the "
                               "pinned charter");
    }
    *member = (uint64_t)1 << member_index(c->charter, card);
    return OK;
}

static int votes_refuse(struct custodian *c, struct slice policy)
{
    char words[160];
    int rv = custodian_refuse(c, ERR_DENIED,
                              "the approvals do not suffice, a member counting "
                              "once: the deposit's policy asks for ");

    policy_describe(policy, words, sizeof(words));
    custodian_why(c, words);
    return rv;
}

int custodian_votes_check(struct custodian *c)
{
    const struct custody_release *ask = &c->ask.u.release;
    struct slice policy = slice_of(c->manifest.policy, c->manifest.policy_size);
    struct policy_votes votes = {.by_role = {0}};
    uint64_t members = 0, member = 0;
    size_t size = 0;
    int rv;

    rv = release_request_render(ask->request, c->rendered, sizeof(c->rendered),
                                &size);
    if (rv != OK) {
        return custodian_refuse(c, rv, "the request cannot be shown as text");
    }
    for (size_t i = 0; i < ask->approvals_len; i++) {
        rv = approval_check(c, i, slice_of(c->rendered, size), &member);
        if (rv != OK) {
            return rv;
        }
        members |= member;
    }
    for (size_t i = 0; i < c->charter->members_len; i++) {
        votes.by_role[c->charter->members[i].card.role] +=
            (uint32_t)(members >> i & 1);
    }
    return policy_holds(policy, &votes) ? OK : votes_refuse(c, policy);
}
