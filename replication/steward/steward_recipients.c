#include "protocol/transport_cert.h"
#include "protocol/words.h"
#include "replication/keys.h"
#include "replication/steward/steward_deposits.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"

/* Links of recipients, who are in no charter: each for one release, and good
 * for its shard and its envelope alone. */

bool steward_recipient_is_welcome(struct steward *s,
                                  const struct transport_cert *cert)
{
    const struct steward_release *r =
        steward_release_find(s, &cert->release_id);
    unsigned same = 0, all = 0;

    if (r == NULL || !r->open || steward_release_is_over(s, r) ||
        memcmp(r->transport_pk, cert->transport_pk, sizeof(r->transport_pk)) !=
            0) {
        return false;
    }
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        const struct steward_link *l = &s->links[i];

        if (l->up && l->recipient) {
            all++;
            same += digest_equal(&l->release, &r->id) ? 1U : 0U;
        }
    }
    return same < STEWARD_LINKS_PER_RELEASE && all < STEWARD_RECIPIENTS_MAX;
}

/* NULL when it is over. */
static const struct steward_release *release_of(struct steward *s,
                                                const struct steward_link *l)
{
    const struct steward_release *r = steward_release_find(s, &l->release);

    assert(l->recipient);
    return r != NULL && !steward_release_is_over(s, r) ? r : NULL;
}

/* Is what is held here what was released? Other nodes may have taken another of
 * two manifests for one deposit. */
static bool is_released(const struct steward *s,
                        const struct steward_release *r)
{
    uint32_t index = steward_deposit_find(s, &r->deposit_id);
    const struct steward_deposit *d =
        index != STEWARD_NONE ? &s->deposits[index] : NULL;

    return d == NULL || !d->has_manifest ||
           digest_equal(&d->manifest_hash, &r->manifest_hash);
}

bool steward_recipient_may(struct steward *s,
                           struct steward_link *l,
                           struct core_out *out)
{
    const struct steward_release *r = release_of(s, l);
    const struct message *m = &s->in;

    if (r != NULL && m->type == MESSAGE_READ &&
        digest_equal(&m->u.read.deposit_id, &r->deposit_id) &&
        is_released(s, r)) {
        return true;
    }
    if (r != NULL && m->type == MESSAGE_ENVELOPE_WANT &&
        digest_equal(&m->u.envelope_want.release_id, &l->release)) {
        return true;
    }
    steward_refuse(s, l->id, m->type, NULL, ERR_DENIED,
                   r == NULL ? "the time of that release is over"
                             : "a recipient may read the shard of its release "
                               "and ask for its envelope, and nothing else",
                   out);
    steward_link_close(s, l, out);
    return false;
}

/* Why there is no envelope yet. */
static void envelope_missing(const struct steward_release *r, struct words *w)
{
    unsigned approvals = 0;

    if (r->state >= STEWARD_RELEASE_DECIDED) {
        words_add(w, "this steward has decided, and waits for another one to "
                     "sign for holding the decision");
        return;
    }
    for (unsigned i = 0; i < CHARTER_MEMBERS_MAX; i++) {
        approvals += (unsigned)(r->approvals >> i & 1);
    }
    words_add(w, "this steward has not decided yet: approvals of ");
    words_number(w, approvals);
    words_add(w, approvals == 1 ? " member are here" : " members are here");
    if (r->policy[0] != '\0') {
        words_add(w, "; the policy asks for ");
        words_add(w, r->policy);
    }
}

/* --- ENVELOPE_WANT ------------------------------------------------------- */

static void want_refuse(struct steward *s,
                        struct steward_link *l,
                        int status,
                        const char *text,
                        struct core_out *out)
{
    struct digest release = s->in.u.envelope_want.release_id;

    steward_refuse(s, l->id, MESSAGE_ENVELOPE_WANT, &release, status, text,
                   out);
    steward_link_next(s, l);
}

static void envelope_say(struct steward *s,
                         struct steward_link *l,
                         struct slice value,
                         struct core_out *out)
{
    struct message_envelope m = {.release_id = l->release,
                                 .custodian = s->config.self};
    int rv = steward_envelope_read(&m, value);

    assert(rv == OK);
    s->said.type = MESSAGE_ENVELOPE;
    s->said.u.envelope = m;
    steward_say(s, l->id, out);
    steward_link_next(s, l);
}

void steward_on_envelope_want(struct steward *s,
                              struct steward_link *l,
                              const struct core_event *ev,
                              struct core_out *out)
{
    const struct steward_release *r = l->recipient ? release_of(s, l) : NULL;
    const struct core_row *row = NULL;
    char text[MESSAGE_TEXT_MAX + 1];
    struct words words;
    struct key key;

    if (r == NULL) {
        want_refuse(s, l, ERR_DENIED,
                    "an envelope is for the recipient of its release alone",
                    out);
    } else if (r->denied) {
        want_refuse(s, l, ERR_DENIED, "this steward has denied that request",
                    out);
    } else if (r->state != STEWARD_RELEASE_READY) {
        words_init(&words, text, sizeof(text));
        envelope_missing(r, &words);
        want_refuse(s, l, ERR_NOTFOUND, text, out);
    } else {
        key = key_envelope(&r->id);
        row = ev != NULL ? steward_row_find(ev, &key) : NULL;
        if (row != NULL) {
            envelope_say(s, l, row->value, out);
        } else if (ev == NULL) {
            steward_link_read(s, l, LINK_ENVELOPE, &key, out);
        } else if (ev->status == 1) {
            want_refuse(s, l, ERR_BUSY,
                        "the envelope cannot be read; try again", out);
        }
    }
}

/* --- Time ---------------------------------------------------------------- */

bool steward_recipients_expire(struct steward *s, struct core_out *out)
{
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        struct steward_link *l = &s->links[i];

        if (l->up && l->recipient && release_of(s, l) == NULL) {
            steward_link_close(s, l, out);
            return true;
        }
    }
    return false;
}

uint64_t steward_recipients_until(struct steward *s)
{
    uint64_t at = UINT64_MAX;

    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        const struct steward_link *l = &s->links[i];
        const struct steward_release *r;
        uint64_t left = 0;

        if (!l->up || !l->recipient) {
            continue;
        }
        r = release_of(s, l);
        if (r != NULL) {
            left = (r->not_after_s + STEWARD_DAY_S + 1) * 1000 - s->wall_ms;
        }
        at = s->mono_ms + left < at ? s->mono_ms + left : at;
    }
    return at;
}
