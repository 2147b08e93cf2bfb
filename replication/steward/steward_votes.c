#include "replication/steward/steward_votes.h"

#include "protocol/field.h"
#include "replication/keys.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"

/* What the entries of feeds say about releases is kept in rows as they are
 * applied, in whatever order that is; the desk draws the conclusions. What
 * cannot be read or does not hold stays an entry of its feed and means
 * nothing. */

_Static_assert(FIELD_SSHSIG_MAX <= STEWARD_CLIENT_SIG_MAX,
               "the desk has room for any approval");

static uint64_t bit_of(uint32_t member)
{
    return (uint64_t)1 << member;
}

static const struct card *card_of(const struct steward *s, uint32_t member)
{
    return &s->config.charter->members[member].card;
}

static void on_request(struct steward *s,
                       const struct feed_entry *e,
                       uint32_t author,
                       struct core_out *out)
{
    struct release_request r;
    struct digest id;

    release_id(&id, e->payload);
    if (card_of(s, author)->role != CARD_STEWARD ||
        steward_release_find(s, &id) != NULL) {
        return;
    }
    s->costly = true;
    if (release_request_decode(&r, e->payload) != OK ||
        !digest_equal(&r.net, &s->config.net) ||
        !digest_equal(&r.charter_hash, &s->config.charter->hash) ||
        s->wall_ms / 1000 > r.not_after_s + STEWARD_DAY_S) {
        return;
    }
    (void)steward_release_add(s, author, &id, &r, e->payload, out);
}

/* The last one before one was found to hold. */
static void on_approval(struct steward *s,
                        const struct feed_entry *e,
                        uint32_t author,
                        struct core_out *out)
{
    struct release_approval a;
    struct steward_release *r;
    struct key key;

    if (release_approval_decode(&a, e->payload) != OK) {
        return;
    }
    r = steward_release_find(s, &a.release_id);
    if (r != NULL && (r->approvals & bit_of(author)) != 0) {
        return;
    }
    key = key_approval(&a.release_id, &e->header.author);
    core_put(out, key_slice(&key), a.sshsig);
    if (r != NULL) {
        r->junk &= ~bit_of(author);
        r->due = true;
    } else {
        steward_wait(s, author, KEY_APPROVAL, &a.release_id, out);
    }
}

static void on_decision(struct steward *s,
                        const struct feed_entry *e,
                        uint32_t author,
                        struct core_out *out)
{
    const struct card *card = card_of(s, author);
    struct steward_decision kept;
    struct release_decision d;
    struct steward_release *r;

    if (card->role != CARD_STEWARD) {
        return;
    }
    s->costly = true;
    if (release_decision_verify(&d, e->payload, card->custody_sign_pk) != OK ||
        !digest_equal(&d.net, &s->config.net) ||
        !digest_equal(&d.custodian, &card->id)) {
        return;
    }
    r = steward_release_find(s, &d.release_id);
    if (r != NULL && (r->decisions & bit_of(author)) != 0) {
        return;
    }
    kept = (struct steward_decision){
        .manifest_hash = d.manifest_hash,
        .envelope_hash = d.envelope_hash,
        .share_index = d.share_index,
        .share_epoch = d.share_epoch,
    };
    release_decision_hash(&kept.hash, e->payload);
    steward_decision_put(&d.release_id, &card->id, &kept, out);
    if (r != NULL) {
        r->due = true;
    } else {
        steward_wait(s, author, KEY_DECISION, &d.release_id, out);
    }
}

static void on_holding(struct steward *s,
                       const struct feed_entry *e,
                       uint32_t author,
                       struct slice bytes,
                       struct core_out *out)
{
    struct digest hash;
    bool ours = false;
    struct key key;

    if (card_of(s, author)->role != CARD_STEWARD || author == s->self_member ||
        release_holding_decode(&hash, e->payload) != OK ||
        bytes.size > sizeof(s->desk.holding)) {
        return;
    }
    key = key_holding(&hash);
    core_put(out, key_slice(&key), bytes);
    for (uint32_t i = 0; i < s->releases_len; i++) {
        struct steward_release *r = &s->releases[s->releases_order[i]];

        if (digest_equal(&r->decision, &hash)) {
            r->due = true;
            r->stuck = false;
            ours = true;
        }
    }
    /* Or our own decision is still on its way back to us. */
    if (!ours) {
        steward_wait(s, author, KEY_HOLDING, &hash, out);
    }
}

void steward_on_vote(struct steward *s,
                     const struct feed_entry *e,
                     struct slice bytes,
                     struct core_out *out)
{
    uint32_t author = steward_member_index(s, &e->header.author);

    assert(author != STEWARD_NONE && !e->pruned);
    switch (e->header.kind) {
    case FEED_REQUEST:
        on_request(s, e, author, out);
        break;
    case FEED_APPROVAL:
        on_approval(s, e, author, out);
        break;
    case FEED_DECISION:
        on_decision(s, e, author, out);
        break;
    case FEED_HOLDING:
        on_holding(s, e, author, bytes, out);
        break;
    default: /* The kinds of entries are a number from outside. */
        break;
    }
}

bool steward_approval_holds(const struct steward *s,
                            struct slice request,
                            struct slice sshsig,
                            uint32_t member)
{
    static const char ns[] = RELEASE_APPROVAL_NAMESPACE;
    char text[RELEASE_RENDERED_MAX];
    const struct card *card;
    struct sshsig_key key;
    size_t size = 0;

    if (release_request_render(request, text, sizeof(text), &size) != OK ||
        sshsig_verify(sshsig, ns, slice_of(text, size), &key) != OK) {
        return false;
    }
    card = charter_operator(s->config.charter, &key);
    return card != NULL && digest_equal(&card->id, &card_of(s, member)->id);
}
