#include <stdlib.h>

#include "crypto/secret.h"
#include "protocol/transport_cert.h"
#include "replication/recoverer/recoverer_internal.h"

#define JOB_ID 1U

/* A dial or a question for each column, a link that is closed, the job. */
_Static_assert(MANIFEST_SHARDS_MAX + 2 <= CORE_ACTS_MAX,
               "the actions of a step fit");

/* The edges of the diagram in recoverer.h. */
static const unsigned recoverer_allowed[RECOVERER_FAILED + 1] = {
    [RECOVERER_GATHERING] = BIT(RECOVERER_FETCHING) | BIT(RECOVERER_FAILED),
    [RECOVERER_FETCHING] = BIT(RECOVERER_DONE) | BIT(RECOVERER_FAILED),
};

void recoverer_move(struct recoverer *r, enum recoverer_phase next)
{
    assert((recoverer_allowed[r->phase] & BIT(next)) != 0);
    r->phase = next;
}

/* --- Links --------------------------------------------------------------- */

static void link_close(uint64_t link, struct core_out *out)
{
    core_act(out, ACT_CLOSE, link, slice_of(NULL, 0));
}

static struct recoverer_steward *column_of_link(struct recoverer *r,
                                                uint64_t link)
{
    for (uint16_t i = 0; i < r->config.manifest->n; i++) {
        if (r->stewards[i].link == link) {
            return &r->stewards[i];
        }
    }
    return NULL;
}

/* Whose certificate this is, which the driver has verified; NULL: that of no
 * steward of the deposit. */
static struct recoverer_steward *column_of_cert(struct recoverer *r,
                                                struct slice bytes)
{
    struct transport_cert cert;

    if (transport_cert_decode(&cert, bytes) != OK ||
        cert.type != TRANSPORT_MEMBER ||
        !digest_equal(&cert.net, &r->config.net)) {
        return NULL;
    }
    for (uint16_t i = 0; i < r->config.manifest->n; i++) {
        if (digest_equal(&r->config.manifest->stewards[i], &cert.id)) {
            return &r->stewards[i];
        }
    }
    return NULL;
}

static void column_lost(struct recoverer_steward *c, uint64_t now_ms)
{
    c->link = 0;
    c->ask_ms = 0;
    c->dial_ms = now_ms + RECOVERER_REDIAL_MS;
}

static void on_link_up(struct recoverer *r,
                       const struct core_event *ev,
                       struct core_out *out)
{
    struct recoverer_steward *c = column_of_cert(r, ev->bytes);

    assert(ev->id != 0 && column_of_link(r, ev->id) == NULL);
    if (c == NULL) {
        link_close(ev->id, out);
        return;
    }
    if (c->link != 0) {
        link_close(c->link, out); /* Bulk reads use the newest, too. */
    }
    c->link = ev->id;
    if (!c->was_up) {
        c->was_up = true;
        r->progress_ms = ev->mono_ms;
    }
    recoverer_news(c, "");
    if (recoverer_is_asked(r, c)) {
        recoverer_news(c, "connected, has not answered");
        recoverer_ask(r, c, out);
    }
}

static void on_link_down(struct recoverer *r, const struct core_event *ev)
{
    struct recoverer_steward *c = column_of_link(r, ev->id);

    if (ev->id != 0 && c != NULL) {
        column_lost(c, ev->mono_ms);
        recoverer_news(c, "the connection was lost");
    }
}

/* --- Messages ------------------------------------------------------------ */

static void on_message(struct recoverer *r,
                       const struct core_event *ev,
                       struct core_out *out)
{
    struct recoverer_steward *c = column_of_link(r, ev->id);
    struct message *m = &r->message;
    int rv;

    if (ev->id == 0 || c == NULL) {
        return; /* On its way when the link was closed. */
    }
    rv = message_decode(m, ev->bytes);
    if (rv != OK && rv != ERR_UNSUPPORTED) {
        link_close(c->link, out);
        column_lost(c, ev->mono_ms);
        recoverer_news(c, "sent what is no message");
    } else if (rv == OK && m->type == MESSAGE_ENVELOPE) {
        recoverer_on_envelope(r, c, &m->u.envelope, ev->mono_ms);
    } else if (rv == OK && m->type == MESSAGE_REFUSE) {
        recoverer_on_refuse(r, c, &m->u.refuse, ev->mono_ms);
    }
}

/* --- Phases and time ----------------------------------------------------- */

static unsigned links_len(const struct recoverer *r)
{
    unsigned len = 0;

    for (uint16_t i = 0; i < r->config.manifest->n; i++) {
        len += r->stewards[i].link != 0 ? 1U : 0U;
    }
    return len;
}

static void recoverer_advance(struct recoverer *r,
                              uint64_t now_ms,
                              struct core_out *out)
{
    bool over = now_ms >= r->progress_ms + r->config.patience_ms;

    if (r->phase != RECOVERER_GATHERING) {
        return;
    }
    if (!recoverer_has_shares(r)) {
        if (over) {
            recoverer_fail_shares(r);
        }
    } else if (over || links_len(r) >= r->config.manifest->k) {
        core_act(out, ACT_JOB, JOB_ID, slice_of(NULL, 0));
        recoverer_move(r, RECOVERER_FETCHING);
    }
}

static void wake_by(struct core_out *out, uint64_t at_ms)
{
    if (out->wake_ms == 0 || at_ms < out->wake_ms) {
        out->wake_ms = at_ms;
    }
}

/* Do for a column what is due, and say when to come again. */
static void column_tend(struct recoverer *r,
                        struct recoverer_steward *c,
                        uint64_t now_ms,
                        struct core_out *out)
{
    if (c->link == 0 && c->card != NULL) {
        if (c->dial_ms <= now_ms) {
            core_act(out, ACT_DIAL, 0, digest_slice(&c->card->id));
            c->dial_ms = now_ms + RECOVERER_REDIAL_MS;
        }
        wake_by(out, c->dial_ms);
    } else if (c->ask_ms != 0 && recoverer_is_asked(r, c)) {
        if (c->ask_ms <= now_ms) {
            recoverer_ask(r, c, out);
        } else {
            wake_by(out, c->ask_ms);
        }
    }
}

static void on_job(struct recoverer *r, const struct core_event *ev)
{
    assert(r->phase == RECOVERER_FETCHING && ev->id == JOB_ID);
    if (ev->status == OK) {
        recoverer_move(r, RECOVERER_DONE);
    } else if (ev->status < 0) {
        recoverer_fail_job(r, ev->status);
    }
}

void recoverer_step(struct recoverer *r,
                    const struct core_event *ev,
                    struct core_out *out)
{
    if (r->phase == RECOVERER_DONE || r->phase == RECOVERER_FAILED) {
        return;
    }
    switch (ev->type) {
    case EV_START:
        r->started = r->started || ev->status == 1;
        r->progress_ms = ev->mono_ms;
        break;
    case EV_LINK:
        if (ev->status == OK) {
            on_link_up(r, ev, out);
        } else {
            on_link_down(r, ev);
        }
        break;
    case EV_MSG:
        on_message(r, ev, out);
        break;
    case EV_JOB:
        on_job(r, ev);
        break;
    case EV_WAKE:
    case EV_CHECKED:
    case EV_ROWS:
    case EV_CLIENT:
    case EV_CUSTODY:
        break;
    }
    if (!r->started) {
        return;
    }
    recoverer_advance(r, ev->mono_ms, out);
    if (r->phase == RECOVERER_GATHERING) {
        wake_by(out, r->progress_ms + r->config.patience_ms);
    }
    for (uint16_t i = 0;
         i < r->config.manifest->n && r->phase <= RECOVERER_FETCHING; i++) {
        column_tend(r, &r->stewards[i], ev->mono_ms, out);
    }
}

/* --- Life ---------------------------------------------------------------- */

int recoverer_new(struct recoverer **out, const struct recoverer_config *config)
{
    const struct manifest *m = config->manifest;
    struct recoverer *r = calloc(1, sizeof(*r));

    assert(!m->offline && m->n <= MANIFEST_SHARDS_MAX && m->t <= m->n);
    if (r == NULL) {
        return ERR_NOMEM;
    }
    r->secret = secret_new(sizeof(*r->secret));
    if (r->secret == NULL) {
        free(r);
        return ERR_NOMEM;
    }
    memcpy(r->secret->hpke_sk, config->hpke_sk, sizeof(r->secret->hpke_sk));
    memcpy(r->secret->psk, config->psk, sizeof(r->secret->psk));
    r->config.charter = config->charter;
    r->config.net = config->net;
    r->config.release_id = config->release_id;
    r->config.manifest_hash = config->manifest_hash;
    r->config.manifest = m;
    r->config.patience_ms = config->patience_ms;
    r->phase = RECOVERER_GATHERING;
    for (uint16_t i = 0; i < m->n; i++) {
        struct recoverer_steward *c = &r->stewards[i];

        c->card = charter_steward(config->charter, &m->stewards[i]);
        recoverer_news(c, c->card != NULL ? "not reached"
                                          : "is in the charter no longer");
    }
    *out = r;
    return OK;
}

void recoverer_free(struct recoverer *r)
{
    if (r != NULL) {
        secret_free(r->secret);
        free(r);
    }
}

enum recoverer_phase recoverer_phase(const struct recoverer *r)
{
    return r->phase;
}

void recoverer_column(const struct recoverer *r,
                      uint16_t index,
                      struct recoverer_column *column)
{
    const struct recoverer_steward *c = &r->stewards[index];

    assert(index < r->config.manifest->n);
    column->up = c->link != 0;
    column->share = c->share;
    column->link = c->link;
    memcpy(column->text, c->text, sizeof(column->text));
}

int recoverer_failure(const struct recoverer *r, const char **text)
{
    *text = r->failure;
    return r->status;
}

size_t recoverer_shares(const struct recoverer *r,
                        const struct share_file **shares)
{
    *shares = r->secret->shares;
    return r->shares_len;
}
