#include "replication/recoverer.h"

#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "protocol/release.h"
#include "protocol/transport_cert.h"

#define JOB_ID 1U
/* "NAME: TEXT; " of every steward behind a sentence. */
#define FAILURE_MAX \
    (MANIFEST_SHARDS_MAX * (CARD_NAME_MAX + MESSAGE_TEXT_MAX + 4U) + 200U)

/* A dial or a question for each column, a link that is closed, the job. */
_Static_assert(MANIFEST_SHARDS_MAX + 2 <= CORE_ACTS_MAX,
               "the actions of a step fit");

struct column {
    const struct card *card; /* NULL: no longer in the charter. */
    uint64_t link;           /* 0: none */
    bool was_up, share;
    bool bad;         /* What it gave is no share; its text says so. */
    uint64_t dial_ms; /* When it is dialled next, without a link. */
    uint64_t ask_ms;  /* When it is asked next; 0: it is not. */
    char text[MESSAGE_TEXT_MAX + 1];
};

struct secrets {
    uint8_t hpke_sk[HPKE_KEY_SIZE];
    uint8_t psk[32];
    struct share_file shares[MANIFEST_SHARDS_MAX];
};

struct recoverer {
    struct recoverer_config config; /* Without its secrets. */
    struct secrets *secret;         /* In locked memory. */
    size_t shares_len;
    struct column columns[MANIFEST_SHARDS_MAX];
    enum recoverer_phase phase;
    bool started;
    uint64_t progress_ms;   /* The last progress: a first link, a share. */
    struct message message; /* Scratch: it is large. */
    int status;
    char failure[FAILURE_MAX];
};

/* The edges of the diagram in recoverer.h. */
static const unsigned recoverer_allowed[RECOVERER_FAILED + 1] = {
    [RECOVERER_GATHERING] = BIT(RECOVERER_FETCHING) | BIT(RECOVERER_FAILED),
    [RECOVERER_FETCHING] = BIT(RECOVERER_DONE) | BIT(RECOVERER_FAILED),
};

static void recoverer_move(struct recoverer *r, enum recoverer_phase next)
{
    assert((recoverer_allowed[r->phase] & BIT(next)) != 0);
    r->phase = next;
}

/* --- Words --------------------------------------------------------------- */

struct words {
    char *out;
    size_t max, size; /* |max| without the final zero. */
};

static void words_add(struct words *w, const char *s)
{
    size_t size = strlen(s);

    assert(size <= w->max - w->size);
    memcpy(w->out + w->size, s, size + 1);
    w->size += size;
}

static void words_number(struct words *w, size_t number)
{
    char digits[21] = "";
    size_t at = sizeof(digits) - 1;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    words_add(w, digits + at);
}

static void words_hex(struct words *w, const struct digest *d)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        const char pair[3] = {digits[d->bytes[i] >> 4],
                              digits[d->bytes[i] & 15], '\0'};

        words_add(w, pair);
    }
}

static struct words column_words(struct column *c)
{
    c->text[0] = '\0';
    return (struct words){.out = c->text, .max = MESSAGE_TEXT_MAX};
}

/* News of a connection; a bad envelope stays the last thing to know. */
static void column_news(struct column *c, const char *text)
{
    struct words w;

    if (!c->bad) {
        w = column_words(c);
        words_add(&w, text);
    }
}

static void failure_missing(struct recoverer *r, struct words *w)
{
    const char *before = "; missing: ";

    for (uint16_t i = 0; i < r->config.manifest->n; i++) {
        const struct column *c = &r->columns[i];

        if (!c->share) {
            words_add(w, before);
            if (c->card != NULL) {
                words_add(w, c->card->name);
            } else {
                words_add(w, "the steward of shard ");
                words_number(w, i);
            }
            words_add(w, ": ");
            words_add(w, c->text);
            before = "; ";
        }
    }
}

static void recoverer_fail_shares(struct recoverer *r)
{
    struct words w = {.out = r->failure, .max = FAILURE_MAX - 1};

    words_number(&w, r->shares_len);
    words_add(&w, " of the ");
    words_number(&w, r->config.manifest->t);
    words_add(&w, " key shares that are needed came");
    failure_missing(r, &w);
    r->status = ERR_NOTFOUND;
    recoverer_move(r, RECOVERER_FAILED);
}

/* --- Links --------------------------------------------------------------- */

static void link_close(uint64_t link, struct core_out *out)
{
    core_act(out, ACT_CLOSE, link, slice_of(NULL, 0));
}

static struct column *column_of_link(struct recoverer *r, uint64_t link)
{
    for (uint16_t i = 0; i < r->config.manifest->n; i++) {
        if (r->columns[i].link == link) {
            return &r->columns[i];
        }
    }
    return NULL;
}

/* Whose certificate this is, which the driver has verified; NULL: that of no
 * steward of the deposit. */
static struct column *column_of_cert(struct recoverer *r, struct slice bytes)
{
    struct transport_cert cert;

    if (transport_cert_decode(&cert, bytes) != OK ||
        cert.type != TRANSPORT_MEMBER ||
        !digest_equal(&cert.net, &r->config.net)) {
        return NULL;
    }
    for (uint16_t i = 0; i < r->config.manifest->n; i++) {
        if (digest_equal(&r->config.manifest->stewards[i], &cert.id)) {
            return &r->columns[i];
        }
    }
    return NULL;
}

static bool shares_are_enough(const struct recoverer *r)
{
    return r->shares_len >= r->config.manifest->t;
}

/* May this steward be asked, now or later? */
static bool column_is_asked(const struct recoverer *r, const struct column *c)
{
    return r->phase == RECOVERER_GATHERING && c->link != 0 && !c->share &&
           !shares_are_enough(r);
}

static void column_ask(struct recoverer *r,
                       struct column *c,
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

static void column_lost(struct column *c, uint64_t now_ms)
{
    c->link = 0;
    c->ask_ms = 0;
    c->dial_ms = now_ms + RECOVERER_REDIAL_MS;
}

static void on_link_up(struct recoverer *r,
                       const struct core_event *ev,
                       struct core_out *out)
{
    struct column *c = column_of_cert(r, ev->bytes);

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
    column_news(c, "");
    if (column_is_asked(r, c)) {
        column_news(c, "connected, has not answered");
        column_ask(r, c, out);
    }
}

static void on_link_down(struct recoverer *r, const struct core_event *ev)
{
    struct column *c = column_of_link(r, ev->id);

    if (ev->id != 0 && c != NULL) {
        column_lost(c, ev->mono_ms);
        column_news(c, "the connection was lost");
    }
}

/* --- Envelopes ----------------------------------------------------------- */

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

/* Only the envelope's hash goes on record: DESIGN.md 6. */
static void column_blame(struct column *c, int rv, struct slice envelope)
{
    struct words w = column_words(c);
    struct digest hash;

    sha256(envelope, &hash);
    if (rv == ERR_MISMATCH) {
        words_add(&w, "gave an envelope that is for something else");
    } else if (rv == ERR_BAD) {
        words_add(&w, "gave an envelope that does not open");
    } else {
        words_add(&w, "gave a key share that is not what was dealt");
    }
    words_add(&w, " (SHA-256 of the envelope ");
    words_hex(&w, &hash);
    words_add(&w, ")");
    c->bad = true;
}

static void on_envelope(struct recoverer *r,
                        struct column *c,
                        const struct message_envelope *e,
                        uint64_t now_ms)
{
    uint16_t index = (uint16_t)(c - r->columns);
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
        column_blame(c, rv, e->envelope);
        return;
    }
    r->shares_len++;
    r->progress_ms = now_ms;
    c->share = true;
    c->bad = false;
    c->text[0] = '\0';
}

static void on_refuse(struct recoverer *r,
                      struct column *c,
                      const struct message_refuse *m,
                      uint64_t now_ms)
{
    if (m->about == MESSAGE_ENVELOPE_WANT &&
        digest_equal(&m->subject, &r->config.release_id) &&
        column_is_asked(r, c)) {
        c->ask_ms = now_ms + RECOVERER_REDIAL_MS;
        column_news(c, m->text[0] != '\0' ? m->text : "refused, without words");
    }
}

static void on_message(struct recoverer *r,
                       const struct core_event *ev,
                       struct core_out *out)
{
    struct column *c = column_of_link(r, ev->id);
    struct message *m = &r->message;
    int rv;

    if (ev->id == 0 || c == NULL) {
        return; /* On its way when the link was closed. */
    }
    rv = message_decode(m, ev->bytes);
    if (rv != OK && rv != ERR_UNSUPPORTED) {
        link_close(c->link, out);
        column_lost(c, ev->mono_ms);
        column_news(c, "sent what is no message");
    } else if (rv == OK && m->type == MESSAGE_ENVELOPE) {
        on_envelope(r, c, &m->u.envelope, ev->mono_ms);
    } else if (rv == OK && m->type == MESSAGE_REFUSE) {
        on_refuse(r, c, &m->u.refuse, ev->mono_ms);
    }
}

/* --- Phases and time ----------------------------------------------------- */

static unsigned links_len(const struct recoverer *r)
{
    unsigned len = 0;

    for (uint16_t i = 0; i < r->config.manifest->n; i++) {
        len += r->columns[i].link != 0 ? 1U : 0U;
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
    if (!shares_are_enough(r)) {
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
                        struct column *c,
                        uint64_t now_ms,
                        struct core_out *out)
{
    if (c->link == 0 && c->card != NULL) {
        if (c->dial_ms <= now_ms) {
            core_act(out, ACT_DIAL, 0, digest_slice(&c->card->id));
            c->dial_ms = now_ms + RECOVERER_REDIAL_MS;
        }
        wake_by(out, c->dial_ms);
    } else if (c->ask_ms != 0 && column_is_asked(r, c)) {
        if (c->ask_ms <= now_ms) {
            column_ask(r, c, out);
        } else {
            wake_by(out, c->ask_ms);
        }
    }
}

static void on_job(struct recoverer *r, const struct core_event *ev)
{
    struct words w = {.out = r->failure, .max = FAILURE_MAX - 1};

    assert(r->phase == RECOVERER_FETCHING && ev->id == JOB_ID);
    if (ev->status == OK) {
        recoverer_move(r, RECOVERER_DONE);
    } else if (ev->status < 0) {
        words_add(&w, "the key shares are here, but the files could not be "
                      "fetched");
        r->status = ev->status;
        recoverer_move(r, RECOVERER_FAILED);
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
        column_tend(r, &r->columns[i], ev->mono_ms, out);
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
        struct column *c = &r->columns[i];

        c->card = charter_steward(config->charter, &m->stewards[i]);
        column_news(c, c->card != NULL ? "not reached"
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
    const struct column *c = &r->columns[index];

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
