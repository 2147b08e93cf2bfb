#include "crypto/secret.h"
#include "protocol/release.h"
#include "replication/recoverer/recoverer_internal.h"

/* Key shares: asked for, opened, checked. */

bool recoverer_has_shares(const struct recoverer *r)
{
    return r->shares_len >= r->config.manifest->t;
}

bool recoverer_is_asked(const struct recoverer *r,
                        const struct recoverer_steward *c)
{
    return r->phase == RECOVERER_GATHERING && c->link != 0 && !c->share &&
           !recoverer_has_shares(r);
}

void recoverer_ask(struct recoverer *r,
                   struct recoverer_steward *c,
                   struct core_out *out)
{
    const struct message m = {
        .type = MESSAGE_ENVELOPE_WANT,
        .u.envelope_want = {.release_id = r->config.release_id}};
    uint8_t bytes[64];
    size_t size = 0;
    int rv = message_encode(&m, bytes, sizeof(bytes), &size);

    assert(rv == OK);
    core_act(out, ACT_SEND, c->link, slice_of(bytes, size));
    c->ask_ms = 0;
}

/* ERR_MISMATCH: it is for something else; ERR_BAD: it does not open; ERR_AUTH:
 * what is in it is not what was dealt. */
static int envelope_open(const struct recoverer *r,
                         uint16_t index,
                         const struct message_envelope *e,
                         struct share_file *f)
{
    const struct manifest *m = r->config.manifest;
    const struct digest *release = &r->config.release_id;
    const struct hpke_psk psk = {
        .psk = slice_of(r->secret->psk, sizeof(r->secret->psk)),
        .id = digest_slice(release)};
    uint8_t plain[2 * SCALAR_SIZE] = {0};
    struct digest info;
    int rv = OK;

    if (!digest_equal(&e->release_id, release) ||
        !digest_equal(&e->custodian, &m->stewards[index]) ||
        e->share_index != index + 1 || e->share_epoch != m->share_epoch) {
        return ERR_MISMATCH;
    }
    release_envelope_info(&info, &r->config.net, release, e->share_index,
                          e->share_epoch);
    if (e->envelope.size != RELEASE_ENVELOPE_SIZE ||
        hpke_open(r->secret->hpke_sk, digest_slice(&info), slice_of(NULL, 0),
                  &psk, e->envelope, plain) != OK) {
        rv = ERR_BAD;
        goto out;
    }
    f->deposit_id = m->deposit_id;
    f->manifest_hash = r->config.manifest_hash;
    f->epoch = m->share_epoch;
    f->share.index = e->share_index;
    memcpy(f->share.s.bytes, plain, SCALAR_SIZE);
    memcpy(f->share.r.bytes, plain + SCALAR_SIZE, SCALAR_SIZE);
    if (vss_share_verify(&f->share, m->commitments, m->t, m->n) != OK) {
        rv = ERR_AUTH;
    }
out:
    secret_wipe(plain, sizeof(plain));
    return rv;
}

void recoverer_on_envelope(struct recoverer *r,
                           struct recoverer_steward *c,
                           const struct message_envelope *e,
                           uint64_t now_ms)
{
    uint16_t index = (uint16_t)(c - r->stewards);
    struct share_file *f = &r->secret->shares[r->shares_len];
    int rv;

    if (r->phase != RECOVERER_GATHERING || c->share) {
        return;
    }
    assert(r->shares_len < r->config.manifest->n);
    rv = envelope_open(r, index, e, f);
    c->ask_ms = 0; /* The same one would come again. */
    if (rv != OK) {
        share_file_wipe(f);
        recoverer_blame(c, rv, e->envelope);
        return;
    }
    r->shares_len++;
    r->progress_ms = now_ms;
    c->share = true;
    c->bad = false;
    c->text[0] = '\0';
}

void recoverer_on_refuse(struct recoverer *r,
                         struct recoverer_steward *c,
                         const struct message_refuse *m,
                         uint64_t now_ms)
{
    if (m->about == MESSAGE_ENVELOPE_WANT &&
        digest_equal(&m->subject, &r->config.release_id) &&
        recoverer_is_asked(r, c)) {
        c->ask_ms = now_ms + RECOVERER_REDIAL_MS;
        recoverer_news(c,
                       m->text[0] != '\0' ? m->text : "refused, without words");
    }
}
