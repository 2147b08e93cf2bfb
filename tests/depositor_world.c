#include "tests/depositor_world.h"

#include <stdlib.h>

#include "crypto/hash.h"
#include "protocol/shard.h"
#include "protocol/transport_cert.h"
#include "replication/keys.h"
#include "tests/members.h"

#define SEGMENT_SIZE      65536U
#define SHARD_SIZE        ((uint64_t)DW_LEAVES * LEAF_SIZE)
#define SIZE_MAX_OF_SHARD (2 * SHARD_SIZE)

struct dw_step {
    struct dw_step *next;
    struct core_out out; /* Slices point into its own arena. */
};

enum todo_type {
    TODO_TO_LAB,
    TODO_TO_STEWARD,
    TODO_UP,   /* At the lab. */
    TODO_DOWN, /* Likewise. */
    TODO_DIALLED,
    TODO_ROWS,
    TODO_JOB
};

struct dw_todo {
    struct dw_todo *next;
    enum todo_type type;
    uint64_t channel; /* In order with others of it; 0: with none. */
    uint64_t id;      /* Link, read, job. */
    uint16_t column;
    size_t size;
    uint8_t bytes[];
};

static struct core_out out;

/* --- On the way ---------------------------------------------------------- */

static void todo_put(struct dw *w,
                     enum todo_type type,
                     uint64_t channel,
                     uint64_t id,
                     uint16_t column,
                     struct slice bytes)
{
    struct dw_todo *t = calloc(1, sizeof(*t) + bytes.size);

    ck_assert_ptr_nonnull(t);
    t->type = type;
    t->channel = channel;
    t->id = id;
    t->column = column;
    t->size = bytes.size;
    if (bytes.size > 0) {
        memcpy(t->bytes, bytes.data, bytes.size);
    }
    *w->todo_end = t;
    w->todo_end = &t->next;
}

static struct dw_todo *todo_take(struct dw *w, struct dw_todo **at)
{
    struct dw_todo *t = *at;

    *at = t->next;
    if (w->todo_end == &t->next) {
        w->todo_end = at;
    }
    return t;
}

static uint64_t to_lab(uint64_t link)
{
    return 4 * link + 1;
}

static uint64_t to_steward(uint64_t link)
{
    return 4 * link + 2;
}

#define ROWS_CHANNEL 3U
#define JOB_CHANNEL  7U

void dw_say_bytes(struct dw *w, uint16_t column, struct slice bytes)
{
    uint64_t link = w->stewards[column].link;

    if (link != 0) {
        todo_put(w, TODO_TO_LAB, to_lab(link), link, column, bytes);
    }
}

void dw_say(struct dw *w, uint16_t column, const struct message *m)
{
    static uint8_t bytes[MESSAGE_SIZE_MAX];
    size_t size = 0;

    ck_assert_int_eq(message_encode(m, bytes, sizeof(bytes), &size), OK);
    dw_say_bytes(w, column, slice_of(bytes, size));
}

void dw_cut(struct dw *w, uint16_t column)
{
    struct dw_steward *s = &w->stewards[column];

    if (s->link != 0) {
        todo_put(w, TODO_DOWN, to_lab(s->link), s->link, column,
                 slice_of(NULL, 0));
        s->link = 0;
        s->intake = 0;
    }
}

/* --- Shards -------------------------------------------------------------- */

static void leaf_make(struct dw *w, uint16_t column, uint64_t at)
{
    uint8_t a[2], b[8], c[4];

    /* Preamble, table and trailer are the same in every attempt. */
    TH256(&w->leaves[column][at], "test-leaf", slice_u16le(a, column),
          slice_u64le(b, at),
          slice_u32le(c, at >= 1 && at < DW_CELLS_END ? w->attempt : 0));
}

static void range_make(const struct digest *leaves,
                       uint64_t len,
                       struct merkle_range *range)
{
    merkle_range_init(range);
    for (uint64_t i = 0; i < len; i++) {
        merkle_range_append(range, &leaves[i], NULL, NULL);
    }
}

static bool range_is(const struct digest *leaves,
                     const struct merkle_range *range)
{
    struct merkle_range own;

    range_make(leaves, range->leaves, &own);
    return merkle_range_equal(&own, range);
}

/* --- Stewards: their feeds ----------------------------------------------- */

static void say_entries(struct dw *w,
                        uint16_t column,
                        const struct dw_entry *entries,
                        size_t len)
{
    struct message *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    m->type = MESSAGE_ENTRIES;
    m->u.entries.len = len;
    for (size_t i = 0; i < len; i++) {
        m->u.entries.entries[i] = slice_of(entries[i].bytes, entries[i].size);
    }
    dw_say(w, column, m);
    free(m);
}

static struct dw_entry entry_make(struct feed_tip *tip,
                                  const struct sign_key *key,
                                  enum feed_kind kind,
                                  struct slice payload)
{
    struct dw_entry got = {.bytes = malloc(FEED_ENTRY_MAX)};
    struct feed_entry e;

    ck_assert_ptr_nonnull(got.bytes);
    ck_assert_int_eq(feed_append(tip, key, kind, payload, 1000 + tip->seq,
                                 got.bytes, FEED_ENTRY_MAX, &got.size),
                     OK);
    got.bytes = realloc(got.bytes, got.size);
    ck_assert_int_eq(feed_entry_decode(&e, slice_of(got.bytes, got.size)), OK);
    feed_tip_advance(tip, &e);
    return got;
}

void dw_append(struct dw *w,
               uint16_t column,
               enum feed_kind kind,
               struct slice payload)
{
    struct dw_steward *s = &w->stewards[column];

    ck_assert_uint_lt(s->feed_len, DW_ENTRIES);
    s->feed[s->feed_len] = entry_make(&s->tip, &s->node, kind, payload);
    s->feed_len++;
    if (s->link != 0) {
        say_entries(w, column, &s->feed[s->feed_len - 1], 1);
    }
}

void dw_write_ahead(struct dw *w, uint16_t column, const struct sign_key *key)
{
    struct dw_steward *s = &w->stewards[column];
    struct feed_tip tip;

    feed_tip_init(&tip, &w->net, &w->lab_id, 0);
    s->ahead = entry_make(&tip, key, FEED_MANIFEST, slice_str("elsewhere"));
    s->manner.claims_ahead = true;
}

static void refuse(struct dw *w,
                   uint16_t column,
                   uint64_t about,
                   const struct digest *subject,
                   int status,
                   const char *text)
{
    struct message *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    m->type = MESSAGE_REFUSE;
    m->u.refuse.about = about;
    m->u.refuse.subject = *subject;
    m->u.refuse.status = status;
    (void)snprintf(m->u.refuse.text, sizeof(m->u.refuse.text), "%s", text);
    dw_say(w, column, m);
    free(m);
}

static int head_compare(const void *a, const void *b)
{
    const struct message_head *x = a, *y = b;

    return memcmp(x->author.bytes, y->author.bytes, DIGEST_SIZE);
}

static void heads_say(struct dw *w, uint16_t column)
{
    struct dw_steward *s = &w->stewards[column];
    struct message *m = calloc(1, sizeof(*m));
    struct message_heads *h;

    ck_assert_ptr_nonnull(m);
    m->type = MESSAGE_HEADS;
    h = &m->u.heads;
    if (s->tip.seq > 0) {
        h->heads[h->len++] = (struct message_head){
            .author = s->card->id, .len = s->tip.seq, .last = s->tip.prev};
    }
    if (s->manner.claims_ahead) {
        h->heads[h->len] =
            (struct message_head){.author = w->lab_id, .len = s->lab_len + 1};
        memset(h->heads[h->len++].last.bytes, 9, DIGEST_SIZE);
    }
    qsort(h->heads, h->len, sizeof(h->heads[0]), head_compare);
    dw_say(w, column, m);
    free(m);
}

/* A WANT of its own feed, or of the lab's from one that is ahead. */
static void steward_want(struct dw *w,
                         uint16_t column,
                         const struct message_want *want)
{
    struct dw_steward *s = &w->stewards[column];
    size_t len = s->manner.page > 0 ? s->manner.page : MESSAGE_ENTRIES_MAX;

    s->wants++;
    if (digest_equal(&want->author, &w->lab_id) && s->ahead.size > 0) {
        say_entries(w, column, &s->ahead, 1);
        return;
    }
    if (!digest_equal(&want->author, &s->card->id) ||
        want->from >= s->feed_len || s->manner.no_feed) {
        refuse(w, column, MESSAGE_WANT, &want->author, ERR_NOTFOUND, "none");
        return;
    }
    s->low = want->from < s->low ? want->from : s->low;
    if (len > s->feed_len - want->from) {
        len = s->feed_len - want->from;
    }
    say_entries(w, column, &s->feed[want->from], len);
}

/* --- Stewards: shards ---------------------------------------------------- */

static void receipt_give(struct dw *w, uint16_t column)
{
    struct dw_steward *s = &w->stewards[column];
    struct release_receipt r = {.deposit_id = w->deposit_id,
                                .index = column,
                                .shard_size = SHARD_SIZE,
                                .time_s = 1700000000};
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    struct merkle_range range;
    struct feed_entry e;
    size_t size = 0;

    ck_assert_int_eq(
        feed_entry_decode(&e, slice_of(s->manifest.bytes, s->manifest.size)),
        OK);
    r.manifest_hash = e.header.payload_hash;
    range_make(s->leaves, s->len, &range);
    merkle_range_root(&range, &r.root);
    if (s->manner.false_receipt) {
        r.root.bytes[0] ^= 1;
    }
    ck_assert_int_eq(
        release_receipt_encode(&r, payload, sizeof(payload), &size), OK);
    dw_append(w, column, FEED_RECEIPT, slice_of(payload, size));
}

/* With manifest and all leaves there, the shard is sealed or refused. */
static void steward_seal(struct dw *w, uint16_t column)
{
    struct dw_steward *s = &w->stewards[column];
    struct manifest *m = malloc(sizeof(*m));
    struct merkle_range range;
    struct feed_entry e;
    struct digest root;

    ck_assert_ptr_nonnull(m);
    if (s->manifest.size > 0 && s->len == DW_LEAVES && !s->sealed &&
        !s->refused) {
        ck_assert_int_eq(feed_entry_decode(
                             &e, slice_of(s->manifest.bytes, s->manifest.size)),
                         OK);
        ck_assert_int_eq(manifest_decode(m, &e.header.author, e.payload), OK);
        if (s->manner.bad_disk) {
            s->leaves[3].bytes[0] ^= 1;
        }
        range_make(s->leaves, s->len, &range);
        merkle_range_root(&range, &root);
        s->sealed = digest_equal(&root, &m->roots[column]);
        s->intake = 0;
        if (!s->sealed) {
            s->refused = true;
            refuse(w, column, MESSAGE_OFFER, &w->deposit_id, ERR_MISMATCH,
                   "the bytes have another root");
        } else if (!s->manner.no_receipt) {
            receipt_give(w, column);
        }
    }
    free(m);
}

static void steward_accept(struct dw *w, uint16_t column)
{
    struct dw_steward *s = &w->stewards[column];
    struct message *m = calloc(1, sizeof(*m));
    struct message_accept *a;

    ck_assert_ptr_nonnull(m);
    m->type = MESSAGE_ACCEPT;
    a = &m->u.accept;
    a->deposit_id = w->deposit_id;
    a->index = s->manner.wrong_index ? (uint16_t)((column + 1) % DW_N) : column;
    if (s->manner.forgetful > 0) {
        s->len =
            s->len > s->manner.forgetful ? s->len - s->manner.forgetful : 0;
        s->final = s->final < s->len ? s->final : s->len;
        s->manner.forgetful = 0;
    }
    range_make(s->leaves, s->len, &a->range);
    a->final_leaves = s->final;
    a->sealed = s->sealed;
    s->intake = s->sealed ? 0 : s->link;
    dw_say(w, column, m);
    free(m);
}

static void steward_offer(struct dw *w,
                          uint16_t column,
                          const struct message_offer *o)
{
    struct dw_steward *s = &w->stewards[column];
    struct digest id;

    message_offer_deposit(&id, o);
    ck_assert_uint_eq(o->index, column);
    ck_assert(digest_equal(&id, &w->deposit_id));
    ck_assert(digest_equal(&o->lab, &w->lab_id));
    s->offers++;
    if (s->manner.full) {
        refuse(w, column, MESSAGE_OFFER, &id, ERR_FULL, "there is no room");
    } else if (s->manner.busy > 0) {
        s->manner.busy--;
        refuse(w, column, MESSAGE_OFFER, &id, ERR_BUSY, "later");
    } else if (!s->manner.silent) {
        steward_accept(w, column);
    }
}

static void steward_cut(struct dw *w,
                        uint16_t column,
                        const struct message_cut *cut)
{
    struct dw_steward *s = &w->stewards[column];

    if (s->intake == 0 || s->intake != s->link || cut->range.leaves > s->len ||
        cut->range.leaves < s->final || !range_is(s->leaves, &cut->range)) {
        w->bad++;
        dw_cut(w, column);
        return;
    }
    s->len = cut->range.leaves;
}

static void steward_commit(struct dw *w,
                           uint16_t column,
                           const struct message_commit *c)
{
    struct dw_steward *s = &w->stewards[column];

    if (s->intake != s->link || c->leaves > s->len) {
        refuse(w, column, MESSAGE_COMMIT, &c->deposit_id, ERR_ORDER, "not yet");
    } else if (c->leaves > s->final) {
        s->final = c->leaves;
    }
}

/* --- Stewards: key shares ------------------------------------------------ */

static bool share_open(const struct dw *w,
                       uint16_t column,
                       const struct message_deal *deal,
                       const struct manifest *m,
                       struct vss_share *share)
{
    const struct dw_steward *s = &w->stewards[column];
    uint8_t plain[2 * SCALAR_SIZE];
    struct digest info;

    release_deal_info(&info, &w->net, &deal->manifest_hash, deal->share_index,
                      deal->share_epoch);
    if (deal->envelope.size != RELEASE_ENVELOPE_SIZE ||
        hpke_open(s->e_sk, digest_slice(&info), slice_of(NULL, 0), NULL,
                  deal->envelope, plain) != OK) {
        return false;
    }
    share->index = deal->share_index;
    memcpy(share->s.bytes, plain, SCALAR_SIZE);
    memcpy(share->r.bytes, plain + SCALAR_SIZE, SCALAR_SIZE);
    return vss_share_verify(share, m->commitments, m->t, m->n) == OK;
}

static void acknowledge(struct dw *w,
                        uint16_t column,
                        const struct message_deal *deal,
                        const struct vss_share *share)
{
    struct dw_steward *s = &w->stewards[column];
    struct release_acknowledgement a = {.net = w->net,
                                        .custodian = s->card->id,
                                        .manifest_hash = deal->manifest_hash,
                                        .share_index = deal->share_index,
                                        .share_epoch = deal->share_epoch};
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    struct digest ctx;
    size_t size = 0;

    release_acknowledgement_context(
        &ctx, &a.net, &a.manifest_hash,
        s->manner.foreign_ack ? (uint16_t)(a.share_index + 1) : a.share_index);
    possession_prove(&ctx, share, &w->rng, a.proof);
    ck_assert_int_eq(release_acknowledgement_encode(&a, &s->d, payload,
                                                    sizeof(payload), &size),
                     OK);
    dw_append(w, column, FEED_ACKNOWLEDGEMENT, slice_of(payload, size));
}

static void steward_deal(struct dw *w,
                         uint16_t column,
                         const struct message_deal *deal)
{
    struct dw_steward *s = &w->stewards[column];
    struct manifest *m = malloc(sizeof(*m));
    struct vss_share share;
    struct feed_entry e;

    ck_assert_ptr_nonnull(m);
    s->deals++;
    ck_assert_uint_eq(deal->share_index, column + 1U);
    if (s->manifest.size == 0 || s->manner.deal_busy > 0) {
        s->manner.deal_busy -= s->manner.deal_busy > 0 ? 1U : 0U;
        refuse(w, column, MESSAGE_DEAL, &deal->deposit_id, ERR_BUSY,
               "the custodian sleeps");
    } else if (s->manner.deal_denied) {
        refuse(w, column, MESSAGE_DEAL, &deal->deposit_id, ERR_DENIED,
               "no shares from you");
    } else if (!s->manner.no_ack) {
        ck_assert_int_eq(feed_entry_decode(
                             &e, slice_of(s->manifest.bytes, s->manifest.size)),
                         OK);
        ck_assert_int_eq(manifest_decode(m, &e.header.author, e.payload), OK);
        ck_assert(share_open(w, column, deal, m, &share));
        acknowledge(w, column, deal, &share);
    }
    free(m);
}

/* --- Stewards: what the lab says ----------------------------------------- */

static void steward_entries(struct dw *w,
                            uint16_t column,
                            const struct message_entries *m)
{
    struct dw_steward *s = &w->stewards[column];

    for (size_t i = 0; i < m->len; i++) {
        struct feed_entry e;

        ck_assert_int_eq(feed_entry_decode(&e, m->entries[i]), OK);
        ck_assert(digest_equal(&e.header.author, &w->lab_id));
        ck_assert_int_eq(feed_entry_verify(&e, w->lab.pk), OK);
        if (e.header.seq != s->lab_len) {
            continue;
        }
        s->lab_len++;
        if (s->manifest.size == 0 && e.header.kind == FEED_MANIFEST) {
            s->manifest.size = m->entries[i].size;
            s->manifest.bytes = malloc(s->manifest.size);
            ck_assert_ptr_nonnull(s->manifest.bytes);
            memcpy(s->manifest.bytes, m->entries[i].data, s->manifest.size);
        }
    }
    steward_seal(w, column);
}

static void steward_heads(struct dw *w,
                          uint16_t column,
                          const struct message_heads *heads)
{
    struct dw_steward *s = &w->stewards[column];
    struct message *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    ck_assert_uint_le(heads->len, 1);
    if (heads->len == 1 && heads->heads[0].len > s->lab_len) {
        m->type = MESSAGE_WANT;
        m->u.want =
            (struct message_want){.author = w->lab_id, .from = s->lab_len};
        dw_say(w, column, m);
    }
    free(m);
}

static void steward_message(struct dw *w,
                            uint16_t column,
                            const struct message *m)
{
    switch (m->type) {
    case MESSAGE_HEADS:
        steward_heads(w, column, &m->u.heads);
        break;
    case MESSAGE_WANT:
        steward_want(w, column, &m->u.want);
        break;
    case MESSAGE_ENTRIES:
        steward_entries(w, column, &m->u.entries);
        break;
    case MESSAGE_OFFER:
        steward_offer(w, column, &m->u.offer);
        break;
    case MESSAGE_CUT:
        steward_cut(w, column, &m->u.cut);
        break;
    case MESSAGE_COMMIT:
        steward_commit(w, column, &m->u.commit);
        break;
    case MESSAGE_DEAL:
        steward_deal(w, column, &m->u.deal);
        break;
    case MESSAGE_REFUSE:
        break;
    case MESSAGE_ACCEPT:
    case MESSAGE_APPEND:
    case MESSAGE_FLUSH:
    case MESSAGE_DURABLE:
    case MESSAGE_READ:
    case MESSAGE_CELL:
    case MESSAGE_ENVELOPE_WANT:
    case MESSAGE_ENVELOPE:
        ck_abort_msg("a lab's machine never says that");
    }
}

/* --- The lab's store ----------------------------------------------------- */

static void row_put(struct dw *w, struct slice key, struct slice value)
{
    struct dw_row *r = &w->rows[w->rows_len++];

    ck_assert_uint_le(w->rows_len, DW_ROWS);
    memcpy(r->key, key.data, key.size);
    r->key_size = key.size;
    r->value = malloc(value.size);
    ck_assert_ptr_nonnull(r->value);
    memcpy(r->value, value.data, value.size);
    r->value_size = value.size;
}

static size_t rows_page(const struct dw *w, struct core_row page[DW_ROWS])
{
    for (size_t i = 0; i < w->rows_len; i++) {
        page[i].key = slice_of(w->rows[i].key, w->rows[i].key_size);
        page[i].value = slice_of(w->rows[i].value, w->rows[i].value_size);
    }
    return w->rows_len;
}

/* --- The lab's jobs ------------------------------------------------------ */

static bool column_is_live(const struct dw *w, uint16_t i)
{
    return (w->spec.columns >> i & 1) != 0 && (w->job_lost >> i & 1) == 0 &&
           w->stewards[i].link == w->spec.links[i] &&
           w->stewards[i].intake == w->spec.links[i];
}

static void job_report(struct dw *w, int status, struct slice bytes);

/* Leaf |at| of the true shard comes in at a column. */
static void column_take(struct dw *w, uint16_t i, uint64_t at)
{
    struct dw_steward *s = &w->stewards[i];

    if (!column_is_live(w, i) || s->manner.stalls ||
        (s->manner.lose_after != 0 && at >= s->manner.lose_after)) {
        if (column_is_live(w, i) && !s->manner.stalls) {
            s->manner.lose_after = 0;
            dw_cut(w, i);
        }
        w->job_lost |= (uint64_t)1 << i;
        return;
    }
    ck_assert_uint_eq(s->len, at);
    s->leaves[s->len++] = w->leaves[i][at];
}

static struct manifest *manifest_make(const struct dw *w)
{
    struct manifest *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    m->net = w->net;
    m->deposit_id = w->deposit_id;
    m->random = w->random;
    memcpy(m->label, "a model", 8);
    m->time_s = 1700000000;
    m->plain_size = 3ULL * SEGMENT_SIZE;
    m->segment_size = SEGMENT_SIZE;
    m->segments = 4;
    m->catalogue_segments = 1;
    m->k = DW_K;
    m->n = DW_N;
    m->t = DW_T;
    m->shard_size = SHARD_SIZE;
    for (uint16_t i = 0; i < DW_N; i++) {
        struct merkle_range range;

        range_make(w->leaves[i], DW_LEAVES, &range);
        merkle_range_root(&range, &m->roots[i]);
        m->stewards[i] = w->stewards[i].card->id;
    }
    vss_commit(&w->polynomials, m->commitments);
    ck_assert_int_eq(
        policy_default(DW_T, m->policy, sizeof(m->policy), &m->policy_size),
        OK);
    m->cadence_days = 30;
    return m;
}

static void seal_end(struct dw *w)
{
    struct manifest *m = manifest_make(w);
    uint8_t *report = malloc(8 + MANIFEST_SIZE_MAX);
    size_t size = 0;

    ck_assert_ptr_nonnull(report);
    u64le_store(report, w->job_lost);
    ck_assert_int_eq(manifest_encode(m, report + 8, MANIFEST_SIZE_MAX, &size),
                     OK);
    job_report(w, w->seal_status,
               w->seal_status == OK ? slice_of(report, 8 + size)
                                    : slice_of(NULL, 0));
    free(report);
    free(m);
}

/* One segment, or the end: sent, and, unless a crash comes between, committed
 * at the next tick. */
static void seal_tick(struct dw *w)
{
    uint8_t report[8];
    unsigned live = 0;
    uint64_t end;

    for (uint16_t i = 0; i < DW_N; i++) {
        live += column_is_live(w, i) ? 1U : 0U;
    }
    if (live < DW_N - DW_F) {
        job_report(w, ERR_IO, slice_of(NULL, 0));
        return;
    }
    if (w->job_at > w->committed && w->job_at <= DW_CELLS_END) {
        w->committed = w->job_at;
        for (uint16_t i = 0; i < DW_N; i++) {
            range_make(w->leaves[i], w->committed, &w->ranges[i]);
        }
        u64le_store(report, w->committed);
        job_report(w, 1, slice_of(report, sizeof(report)));
        return;
    }
    if (w->job_at == DW_LEAVES) {
        seal_end(w);
        return;
    }
    end = w->job_at == 0 ? 3 : w->job_at + 2;
    for (; w->job_at < end; w->job_at++) {
        for (uint16_t i = 0; i < DW_N; i++) {
            leaf_make(w, i, w->job_at);
            if ((w->spec.columns >> i & 1) != 0) {
                column_take(w, i, w->job_at);
            }
        }
    }
    todo_put(w, TODO_JOB, JOB_CHANNEL, w->job, 0, slice_of(NULL, 0));
}

static void fill_tick(struct dw *w)
{
    uint64_t filled = 0;
    uint8_t report[8];
    unsigned holders = 0;

    for (uint16_t i = 0; i < DW_N; i++) {
        holders += (w->spec.holders >> i & 1) != 0 && w->stewards[i].sealed &&
                   w->stewards[i].link == w->spec.links[i];
    }
    for (uint16_t i = 0; i < DW_N && !w->fill_nothing && holders >= DW_K; i++) {
        if (!column_is_live(w, i)) {
            continue;
        }
        ck_assert_uint_eq(w->stewards[i].len, w->spec.leaves[i]);
        for (uint64_t at = w->spec.leaves[i]; at < DW_LEAVES; at++) {
            column_take(w, i, at);
        }
        filled |= w->stewards[i].len == DW_LEAVES ? (uint64_t)1 << i : 0;
    }
    u64le_store(report, filled);
    job_report(w, w->fill_status, slice_of(report, sizeof(report)));
    for (uint16_t i = 0; i < DW_N; i++) {
        if ((filled >> i & 1) != 0) {
            steward_seal(w, i);
        }
    }
}

static void verify_tick(struct dw *w)
{
    unsigned holders = 0;

    if (w->verify_held) {
        return;
    }
    for (uint16_t i = 0; i < DW_N; i++) {
        if ((w->spec.holders >> i & 1) != 0) {
            ck_assert(w->stewards[i].sealed);
            holders++;
        }
    }
    ck_assert_uint_ge(holders, DW_K);
    job_report(w, w->verify_status, slice_of(NULL, 0));
}

static void job_start(struct dw *w, uint64_t id, struct slice spec)
{
    ck_assert_uint_eq(w->job, 0);
    ck_assert_int_eq(depositor_job_decode(&w->spec, spec), OK);
    w->job = id;
    w->job_lost = 0;
    switch (w->spec.type) {
    case DEPOSITOR_SEAL:
        w->seals++;
        w->attempt++;
        w->job_at = w->committed;
        break;
    case DEPOSITOR_FILL:
        w->fills++;
        break;
    case DEPOSITOR_VERIFY:
        w->verifies++;
        break;
    }
    todo_put(w, TODO_JOB, JOB_CHANNEL, id, 0, slice_of(NULL, 0));
}

/* The cells of a link come behind all messages that were said before. */
static bool cells_may_come(const struct dw *w)
{
    for (const struct dw_todo *t = w->todo; t != NULL; t = t->next) {
        if (t->type == TODO_TO_STEWARD &&
            (w->spec.columns >> t->column & 1) != 0 &&
            t->id == w->spec.links[t->column]) {
            return false;
        }
    }
    return true;
}

static void job_tick(struct dw *w, uint64_t id)
{
    if (w->job != id) {
        return;
    }
    if (!cells_may_come(w)) {
        todo_put(w, TODO_JOB, JOB_CHANNEL, id, 0, slice_of(NULL, 0));
        return;
    }
    switch (w->spec.type) {
    case DEPOSITOR_SEAL:
        seal_tick(w);
        break;
    case DEPOSITOR_FILL:
        fill_tick(w);
        break;
    case DEPOSITOR_VERIFY:
        verify_tick(w);
        break;
    }
}

/* --- Steps --------------------------------------------------------------- */

static void act_do(struct dw *w, const struct core_action *a)
{
    uint16_t column = DW_N;

    for (uint16_t i = 0; i < DW_N; i++) {
        if (a->type == ACT_DIAL
                ? slice_equal(a->bytes, digest_slice(&w->stewards[i].card->id))
                : w->stewards[i].link == a->id) {
            column = i;
        }
    }
    switch (a->type) {
    case ACT_SEND:
        if (column < DW_N) {
            todo_put(w, TODO_TO_STEWARD, to_steward(a->id), a->id, column,
                     a->bytes);
        }
        break;
    case ACT_DIAL:
        ck_assert_uint_lt(column, DW_N);
        w->stewards[column].dials++;
        if (w->stewards[column].link == 0 && !w->stewards[column].dialled) {
            w->stewards[column].dialled = true;
            todo_put(w, TODO_DIALLED, 0, 0, column, slice_of(NULL, 0));
        }
        break;
    case ACT_CLOSE:
        if (column < DW_N) {
            dw_cut(w, column);
        } else if (a->id > 1000000) {
            w->strangers++;
        }
        break;
    case ACT_READ:
        todo_put(w, TODO_ROWS, ROWS_CHANNEL, a->id, 0, a->bytes);
        break;
    case ACT_JOB:
        job_start(w, a->id, a->bytes);
        break;
    case ACT_CHECK:
    case ACT_JOB_CANCEL:
    case ACT_CUSTODY:
    case ACT_REPLY:
        ck_abort_msg("an action that a lab never asks for");
    }
}

static void slice_move(struct slice *s,
                       const struct core_out *from,
                       const struct core_out *to)
{
    if (s->size > 0) {
        s->data = to->arena + (s->data - from->arena);
    }
}

static void step_hold(struct dw *w)
{
    struct dw_step *st = malloc(sizeof(*st));

    ck_assert_ptr_nonnull(st);
    st->next = NULL;
    memcpy(&st->out, &out, offsetof(struct core_out, arena) + out.arena_used);
    for (size_t i = 0; i < out.ops_len; i++) {
        slice_move(&st->out.ops[i].key, &out, &st->out);
        slice_move(&st->out.ops[i].value, &out, &st->out);
    }
    for (size_t i = 0; i < out.acts_len; i++) {
        ck_assert(!out.acts[i].now);
        slice_move(&st->out.acts[i].bytes, &out, &st->out);
    }
    *w->steps_end = st;
    w->steps_end = &st->next;
}

static void step(struct dw *w, struct core_event ev)
{
    ev.mono_ms = w->mono_ms;
    ev.wall_ms = 1700000000000U + w->mono_ms;
    core_out_reset(&out);
    depositor_step(w->d, &ev, &out);
    w->wake_ms = out.wake_ms;
    step_hold(w);
}

static void step_sync(struct dw *w)
{
    struct dw_step *st = w->steps;

    w->steps = st->next;
    if (w->steps == NULL) {
        w->steps_end = &w->steps;
    }
    for (size_t i = 0; i < st->out.ops_len; i++) {
        ck_assert(!st->out.ops[i].remove);
        ck_assert_uint_eq(st->out.ops[i].key.data[0], KEY_ENTRY);
        row_put(w, st->out.ops[i].key, st->out.ops[i].value);
    }
    for (size_t i = 0; i < st->out.acts_len; i++) {
        act_do(w, &st->out.acts[i]);
    }
    free(st);
}

static void job_report(struct dw *w, int status, struct slice bytes)
{
    uint64_t id = w->job;

    if (status <= 0) {
        w->job = 0;
    } else {
        todo_put(w, TODO_JOB, JOB_CHANNEL, id, 0, slice_of(NULL, 0));
    }
    step(w, (struct core_event){
                .type = EV_JOB, .id = id, .status = status, .bytes = bytes});
}

/* --- Delivery ------------------------------------------------------------ */

static void link_up(struct dw *w,
                    uint64_t link,
                    const struct digest *id,
                    const struct sign_key *key)
{
    struct transport_cert cert = {.type = TRANSPORT_MEMBER,
                                  .net = w->net,
                                  .transport_pk = {1},
                                  .id = *id,
                                  .not_before_s = 1,
                                  .not_after_s = 2};
    uint8_t bytes[TRANSPORT_CERT_MAX];
    size_t size = 0;

    ck_assert_int_eq(
        transport_cert_encode(&cert, key, bytes, sizeof(bytes), &size), OK);
    step(w, (struct core_event){
                .type = EV_LINK, .id = link, .bytes = slice_of(bytes, size)});
}

static void give_up(struct dw *w, const struct dw_todo *t)
{
    const struct dw_steward *s = &w->stewards[t->column];

    link_up(w, t->id, &s->card->id, &s->node);
}

void dw_stranger(struct dw *w)
{
    link_up(w, 1000001, &w->lab_id, &w->lab);
}

static void link_begin(struct dw *w, uint16_t column)
{
    struct dw_steward *s = &w->stewards[column];

    s->link = ++w->links;
    s->intake = 0;
    todo_put(w, TODO_UP, to_lab(s->link), s->link, column, slice_of(NULL, 0));
    heads_say(w, column);
}

void dw_relink(struct dw *w, uint16_t column)
{
    link_begin(w, column);
}

static void give_dialled(struct dw *w, uint16_t column)
{
    struct dw_steward *s = &w->stewards[column];

    s->dialled = false;
    if (!s->manner.down && s->link == 0) {
        link_begin(w, column);
    }
}

static void give_rows(struct dw *w, const struct dw_todo *t)
{
    struct core_row all[DW_ROWS], page[DW_ROWS];
    size_t all_len = rows_page(w, all);
    struct core_event ev = {
        .type = EV_ROWS, .id = t->id, .status = 1, .rows = page};

    for (size_t i = 0; i < all_len; i++) {
        if (all[i].key.size >= t->size &&
            memcmp(all[i].key.data, t->bytes, t->size) == 0) {
            page[ev.rows_len++] = all[i];
        }
    }
    step(w, ev);
}

static void give(struct dw *w, const struct dw_todo *t)
{
    struct slice bytes = slice_of(t->bytes, t->size);
    struct message *m;

    switch (t->type) {
    case TODO_TO_LAB:
        step(w,
             (struct core_event){.type = EV_MSG, .id = t->id, .bytes = bytes});
        break;
    case TODO_TO_STEWARD:
        if (w->stewards[t->column].link == t->id) {
            m = malloc(sizeof(*m));
            ck_assert_ptr_nonnull(m);
            ck_assert_int_eq(message_decode(m, bytes), OK);
            steward_message(w, t->column, m);
            free(m);
        }
        break;
    case TODO_UP:
        give_up(w, t);
        break;
    case TODO_DOWN:
        step(w, (struct core_event){
                    .type = EV_LINK, .id = t->id, .status = ERR_IO});
        break;
    case TODO_DIALLED:
        give_dialled(w, t->column);
        break;
    case TODO_ROWS:
        give_rows(w, t);
        break;
    case TODO_JOB:
        job_tick(w, t->id);
        break;
    }
}

static bool todo_is_next(const struct dw *w, const struct dw_todo *t)
{
    for (const struct dw_todo *o = w->todo; o != t; o = o->next) {
        if (t->channel != 0 && o->channel == t->channel) {
            return false;
        }
    }
    return true;
}

static bool give_one(struct dw *w)
{
    struct dw_todo **pick = NULL, *t;
    unsigned len = 0;

    for (struct dw_todo **at = &w->todo; *at != NULL; at = &(*at)->next) {
        if (todo_is_next(w, *at) && rng_below(&w->rng, ++len) == 0) {
            pick = at;
        }
    }
    if (pick == NULL) {
        return false;
    }
    t = todo_take(w, pick);
    give(w, t);
    free(t);
    return true;
}

/* --- Life ---------------------------------------------------------------- */

void dw_boot(struct dw *w)
{
    static struct depositor_config c;
    struct core_row page[DW_ROWS];
    struct core_event ev = {.type = EV_START, .status = 1, .rows = page};

    memset(&c, 0, sizeof(c));
    c.charter = w->charter;
    c.chain = w->chain;
    c.net = w->net;
    c.self = w->lab_id;
    c.node = w->lab;
    c.deposit_id = w->deposit_id;
    c.random = w->random;
    memcpy(c.label, "a model", 8);
    c.k = DW_K;
    c.n = DW_N;
    c.t = DW_T;
    c.segment_size = SEGMENT_SIZE;
    c.size_max = SIZE_MAX_OF_SHARD;
    for (uint16_t i = 0; i < DW_N; i++) {
        c.stewards[i] = w->stewards[i].card->id;
    }
    c.committed_leaves = w->committed;
    c.ranges = w->committed > 0 ? w->ranges : NULL;
    c.polynomials = &w->polynomials;
    c.receipts_min = w->receipts_min;
    c.patience_ms = DW_PATIENCE;
    c.rng = &w->machine_rng;
    ck_assert_int_eq(depositor_new(&w->d, &c), OK);
    ev.rows_len = rows_page(w, page);
    step(w, ev);
}

static void steps_forget(struct dw *w)
{
    while (w->steps != NULL) {
        struct dw_step *st = w->steps;

        w->steps = st->next;
        free(st);
    }
    w->steps_end = &w->steps;
}

void dw_crash(struct dw *w)
{
    steps_forget(w);
    depositor_free(w->d);
    w->crashes++;
    w->job = 0;
    while (w->todo != NULL) {
        free(todo_take(w, &w->todo));
    }
    for (uint16_t i = 0; i < DW_N; i++) {
        w->stewards[i].link = 0;
        w->stewards[i].intake = 0;
        w->stewards[i].dialled = false;
    }
    dw_boot(w);
}

/* The network is the same in all tests, and made once. */
static struct member members[DW_N + 1];
static struct charter *charter;
static uint8_t *chain;
static size_t chain_size;
static struct digest net;

void dw_prepare(void)
{
    static uint8_t draft[CHARTER_SIZE_MAX];
    static uint8_t sigs[DW_N][MEMBER_SSHSIG_MAX];
    const uint8_t psk_id[8] = {1};
    struct charter_signature signatures[DW_N];
    struct slice cards[DW_N + 1];
    size_t size = 0, bad = 0;

    for (uint8_t i = 0; i <= DW_N; i++) {
        member_init(&members[i], (uint8_t)(20 + i),
                    i < DW_N ? CARD_STEWARD : CARD_LAB);
        members[i].card.name[7] = (char)('A' + i);
        members[i].card.name[8] = '\0';
        member_encode(&members[i]);
        cards[i] = member_slice(&members[i]);
    }
    ck_assert_int_eq(charter_found("Test", 1700000000, 0, psk_id, cards,
                                   DW_N + 1, draft, sizeof(draft), &size, &bad),
                     OK);
    for (size_t i = 0; i < DW_N; i++) {
        signatures[i].sshsig = slice_of(
            sigs[i], member_sshsig(members[i].operator_sk, CHARTER_NAMESPACE,
                                   slice_of(draft, size), sigs[i]));
    }
    chain = malloc(CHARTER_CHAIN_MAX);
    charter = malloc(sizeof(*charter));
    ck_assert(chain != NULL && charter != NULL);
    ck_assert_int_eq(charter_assemble(slice_of(draft, size), signatures, DW_N,
                                      chain, CHARTER_CHAIN_MAX, &chain_size,
                                      NULL),
                     OK);
    ck_assert_int_eq(
        charter_chain_decode(charter, &net, slice_of(chain, chain_size)), OK);
}

void dw_forget(void)
{
    free(charter);
    free(chain);
    charter = NULL;
    chain = NULL;
}

static void world_members(struct dw *w)
{
    w->charter = charter;
    w->chain = slice_of(chain, chain_size);
    w->net = net;
    w->lab = members[DW_N].node;
    w->lab_id = members[DW_N].card.id;
    for (uint8_t i = 0; i < DW_N; i++) {
        const uint8_t e[RNG_SEED_SIZE] = {(uint8_t)(20 + i), 'e'};
        struct dw_steward *s = &w->stewards[i];
        uint8_t pk[HPKE_KEY_SIZE];
        struct rng r;

        s->node = members[i].node;
        s->d = members[i].d;
        rng_init_seed(&r, e);
        hpke_keypair(&r, s->e_sk, pk);
        s->card = charter_steward(w->charter, &members[i].card.id);
        ck_assert_ptr_nonnull(s->card);
        feed_tip_init(&s->tip, &w->net, &s->card->id, 0);
        s->low = UINT64_MAX;
    }
}

void dw_open(struct dw *w, uint64_t seed)
{
    uint8_t bytes[RNG_SEED_SIZE] = {'l', 'a', 'b'};

    memset(w, 0, sizeof(*w));
    u64le_store(bytes + 8, seed);
    rng_init_seed(&w->rng, bytes);
    bytes[3] = 'm';
    rng_init_seed(&w->machine_rng, bytes);
    w->todo_end = &w->todo;
    w->steps_end = &w->steps;
    w->mono_ms = 1000;
    w->receipts_min = DW_N;
    world_members(w);
    rng_bytes(&w->rng, w->random.bytes, DIGEST_SIZE);
    manifest_deposit_id(&w->deposit_id, &w->net, &w->lab_id, w->random.bytes);
    vss_polynomials_init(&w->polynomials, DW_T, &w->rng);
}

void dw_close(struct dw *w)
{
    steps_forget(w);
    depositor_free(w->d);
    while (w->todo != NULL) {
        free(todo_take(w, &w->todo));
    }
    while (w->rows_len > 0) {
        free(w->rows[--w->rows_len].value);
    }
    for (uint16_t i = 0; i < DW_N; i++) {
        struct dw_steward *s = &w->stewards[i];

        while (s->feed_len > 0) {
            free(s->feed[--s->feed_len].bytes);
        }
        free(s->manifest.bytes);
        free(s->ahead.bytes);
    }
}

static void trouble(struct dw *w)
{
    if (w->crash_one_in > 0 && rng_below(&w->rng, w->crash_one_in) == 0) {
        dw_crash(w);
    }
    if (w->cut_one_in > 0 && rng_below(&w->rng, w->cut_one_in) == 0) {
        dw_cut(w, (uint16_t)rng_below(&w->rng, DW_N));
    }
}

/* One thing; when there is none, the clock goes on to the timer. */
static void run_one(struct dw *w)
{
    bool sync = rng_below(&w->rng, 2) == 0;

    trouble(w);
    if (w->steps == NULL || !sync) {
        if (w->wake_ms != 0 && w->wake_ms <= w->mono_ms) {
            step(w, (struct core_event){.type = EV_WAKE});
            return;
        }
        if (give_one(w)) {
            return;
        }
    }
    if (w->steps != NULL) {
        step_sync(w);
    } else {
        ck_assert_msg(w->wake_ms != 0, "the machine waits for nothing");
        w->mono_ms = w->wake_ms;
    }
}

void dw_run_to(struct dw *w, enum depositor_phase phase)
{
    unsigned steps = 0;

    while (depositor_phase(w->d) != phase &&
           depositor_phase(w->d) != DEPOSITOR_FAILED &&
           depositor_phase(w->d) != DEPOSITOR_DONE) {
        ck_assert_uint_lt(++steps, 200000);
        run_one(w);
    }
}

void dw_run_some(struct dw *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        run_one(w);
    }
}

void dw_verify_go(struct dw *w)
{
    w->verify_held = false;
    todo_put(w, TODO_JOB, JOB_CHANNEL, w->job, 0, slice_of(NULL, 0));
}

enum depositor_phase dw_run(struct dw *w)
{
    dw_run_to(w, DEPOSITOR_DONE);
    return depositor_phase(w->d);
}

struct certificate_facts *dw_certificate(const struct dw *w)
{
    struct certificate_facts *facts = malloc(sizeof(*facts));
    uint8_t *bytes = malloc(CERTIFICATE_SIZE_MAX);
    struct certificate c;
    char what[160];
    size_t size = 0;

    ck_assert(facts != NULL && bytes != NULL);
    depositor_certificate(w->d, &c);
    ck_assert_int_eq(certificate_encode(&c, bytes, CERTIFICATE_SIZE_MAX, &size),
                     OK);
    ck_assert_int_eq(certificate_decode(&c, slice_of(bytes, size)), OK);
    ck_assert_msg(certificate_verify(&c, facts, what) == OK, "%s", what);
    free(bytes);
    return facts;
}
