#include "replication/custodian/custodian.h"

#include <stdlib.h>

#include "crypto/secret.h"
#include "protocol/frame.h"
#include "replication/custodian/custodian_internal.h"

/* Can what is sealed to |pk| be opened with |sk|? Nothing secret is sealed, so
 * any stream will do. */
static bool hpke_keys_match(const uint8_t sk[HPKE_KEY_SIZE],
                            const uint8_t pk[HPKE_KEY_SIZE])
{
    static const uint8_t seed[RNG_SEED_SIZE] = {0};
    const struct slice none = slice_of("", 0);
    uint8_t sealed[HPKE_OVERHEAD_SIZE], plain[1];
    struct rng r;

    rng_init_seed(&r, seed);
    return hpke_seal(pk, none, none, NULL, none, &r, sealed) == OK &&
           hpke_open(sk, none, none, NULL, slice_of(sealed, sizeof(sealed)),
                     plain) == OK;
}

static const struct card *self_find(const struct custodian_config *config)
{
    const struct charter *charter = config->charter;

    for (size_t i = 0; i < charter->members_len; i++) {
        const struct card *card = &charter->members[i].card;

        if (card->role == CARD_STEWARD &&
            memcmp(card->custody_sign_pk, config->sign.pk, SIGN_PK_SIZE) == 0 &&
            hpke_keys_match(config->hpke_sk, card->custody_hpke_pk)) {
            return card;
        }
    }
    return NULL;
}

static bool psk_is_ours(const struct custodian_config *config)
{
    struct frame_psk psk;
    bool ours;

    frame_psk_init(&psk, config->net_psk);
    ours = memcmp(psk.id, config->charter->psk_id, sizeof(psk.id)) == 0;
    frame_psk_wipe(&psk);
    return ours;
}

int custodian_new(struct custodian **out, const struct custodian_config *config)
{
    const struct card *self = self_find(config);
    struct custodian *c;

    if (self == NULL) {
        return ERR_DENIED;
    }
    if (!psk_is_ours(config)) {
        return ERR_MISMATCH;
    }
    c = secret_new(sizeof(*c));
    if (c == NULL) {
        return ERR_NOMEM;
    }
    c->charter = config->charter;
    c->self = self;
    c->net = config->net;
    memcpy(c->hpke_sk, config->hpke_sk, sizeof(c->hpke_sk));
    c->sign = config->sign;
    memcpy(c->net_psk, config->net_psk, sizeof(c->net_psk));
    c->rng = config->rng;
    c->shares = config->shares;
    c->decisions = config->decisions;
    *out = c;
    return OK;
}

static void queue_pop(struct custodian *c)
{
    assert(c->len > 0);
    free(c->queue[c->first].bytes);
    c->queue[c->first] = (struct custodian_item){.bytes = NULL};
    c->first = (c->first + 1) % CUSTODIAN_QUEUE_MAX;
    c->len--;
}

void custodian_free(struct custodian *c)
{
    if (c == NULL) {
        return;
    }
    while (c->len > 0) {
        queue_pop(c);
    }
    secret_free(c);
}

/* --- The queue ----------------------------------------------------------- */

/* The first request has gone as far as it could. */
static void settle(struct custodian *c, int rv, struct core_out *out)
{
    if (rv != OK) {
        assert(c->state == CUSTODIAN_IDLE);
        custodian_reply_refused(c, c->queue[c->first].id, rv, out);
    }
    if (c->state == CUSTODIAN_IDLE) {
        queue_pop(c);
    }
}

static int begin(struct custodian *c, struct core_out *out)
{
    const struct custodian_item *item = &c->queue[c->first];
    int rv = custody_decode(&c->ask, slice_of(item->bytes, item->size));

    if (rv != OK) {
        return custodian_refuse(c, rv,
                                "the custodian cannot read this request: node "
                                "and custodian must be of one version");
    }
    switch (c->ask.type) {
    case CUSTODY_HELLO:
        return custodian_hello(c, out);
    case CUSTODY_DEAL:
        return custodian_deal_begin(c, out);
    case CUSTODY_RELEASE:
        return custodian_release_begin(c, out);
    case CUSTODY_ENVELOPE:
        return custodian_envelope_begin(c, out);
    case CUSTODY_SELF:
    case CUSTODY_ACK:
    case CUSTODY_DECIDED:
    case CUSTODY_HANDED:
    case CUSTODY_REFUSED:
        break;
    }
    return custodian_refuse(c, ERR_BAD, "an answer is not a request");
}

static void on_client(struct custodian *c,
                      const struct core_event *ev,
                      struct core_out *out)
{
    struct custodian_item *item;
    uint8_t *bytes = NULL;
    int rv = ERR_BAD;

    if (ev->bytes.size < 1 || ev->bytes.size > CUSTODY_SIZE_MAX) {
        rv = custodian_refuse(c, ERR_BAD, "a request of this size cannot be");
    } else if (c->len == CUSTODIAN_QUEUE_MAX) {
        rv = custodian_refuse(c, ERR_BUSY,
                              "too many requests wait: ask again later");
    } else {
        bytes = malloc(ev->bytes.size);
        if (bytes == NULL) {
            rv = custodian_refuse(c, ERR_NOMEM,
                                  "the custodian is out of memory");
        }
    }
    if (bytes == NULL) {
        custodian_reply_refused(c, ev->id, rv, out);
        return;
    }
    memcpy(bytes, ev->bytes.data, ev->bytes.size);
    item = &c->queue[(c->first + c->len++) % CUSTODIAN_QUEUE_MAX];
    *item = (struct custodian_item){
        .id = ev->id, .bytes = bytes, .size = ev->bytes.size};
}

/* The row of c->key is not there, and neither is what was said of it. */
static void on_unwritten(struct custodian *c,
                         const struct core_event *ev,
                         struct core_out *out)
{
    bool share = c->key.bytes[0] == CUSTODIAN_KEY_SHARE;
    uint64_t *count = share ? &c->shares : &c->decisions;
    int rv;

    assert(c->state == CUSTODIAN_IDLE && c->len == 0 && *count > 0);
    (*count)--;
    rv = custodian_refuse(c, ERR_FULL,
                          share ? "the disk of this custodian is full, but for "
                                  "what is kept for decisions on the shares "
                                  "that it has: its operators must make room, "
                                  "then deal again"
                                : "the disk of this custodian is full, so that "
                                  "it cannot keep what it decides: its "
                                  "operators must make room; it is asked again "
                                  "by itself");
    custodian_reply_refused(c, ev->id, rv, out);
}

/* --- Events -------------------------------------------------------------- */

/* A row whose decision is not ours is found when it is asked for. */
static void start_row(struct custodian *c, const struct core_row *row)
{
    struct custodian_decision d;
    uint64_t signed_s = 0;

    if (row->key.size > 0 && row->key.data[0] == CUSTODIAN_KEY_DECISION &&
        custodian_decision_read(c, &d, &signed_s, row->value) == OK) {
        custodian_clock_seen(c, signed_s);
    }
}

static void on_start(struct custodian *c, const struct core_event *ev)
{
    assert(!c->started);
    for (size_t i = 0; i < ev->rows_len; i++) {
        start_row(c, &ev->rows[i]);
    }
    c->started = ev->status == 1;
}

static int with_row(struct custodian *c,
                    enum custodian_state state,
                    const struct slice *row,
                    struct core_out *out)
{
    switch (state) {
    case CUSTODIAN_IDLE:
        break;
    case CUSTODIAN_DEALING:
        return custodian_deal_end(c, row, out);
    case CUSTODIAN_RECALLING:
        return custodian_release_recall(c, row, out);
    case CUSTODIAN_DECIDING:
        return custodian_release_decide(c, row, out);
    case CUSTODIAN_HANDING:
        return custodian_envelope_end(c, row, out);
    }
    assert(false);
    return ERR_ORDER;
}

static void on_rows(struct custodian *c,
                    const struct core_event *ev,
                    struct core_out *out)
{
    enum custodian_state state = c->state;
    const struct slice *row = NULL;
    int rv;

    if (state == CUSTODIAN_IDLE || ev->id != c->read_id) {
        return; /* A further page of what was answered. */
    }
    for (size_t i = 0; i < ev->rows_len && row == NULL; i++) {
        if (slice_equal(ev->rows[i].key, key_slice(&c->key))) {
            row = &ev->rows[i].value;
        }
    }
    if (row == NULL && ev->status == 0) {
        return;
    }
    c->state = CUSTODIAN_IDLE;
    if (ev->status < 0) {
        rv = custodian_refuse(c, ev->status,
                              "the custodian cannot read its store: its log "
                              "says why");
    } else {
        rv = with_row(c, state, row, out);
    }
    assert(rv == OK || out->ops_len == 0);
    settle(c, rv, out);
}

void custodian_step(struct custodian *c,
                    const struct core_event *ev,
                    struct core_out *out)
{
    custodian_clock_seen(c, ev->wall_ms / 1000);
    switch (ev->type) {
    case EV_START:
        on_start(c, ev);
        break;
    case EV_ROWS:
        on_rows(c, ev, out);
        break;
    case EV_CLIENT:
        if (ev->status == ERR_FULL) {
            on_unwritten(c, ev, out);
        } else {
            on_client(c, ev, out);
        }
        break;
    case EV_WAKE:
    case EV_LINK:
    case EV_MSG:
    case EV_CHECKED:
    case EV_JOB:
    case EV_CUSTODY:
        break; /* Asked of nobody here. */
    }
    while (c->started && c->state == CUSTODIAN_IDLE && c->len > 0) {
        settle(c, begin(c, out), out);
    }
    assert(out->ops_len <= 1);
    secret_wipe(&c->scratch, sizeof(c->scratch));
}
