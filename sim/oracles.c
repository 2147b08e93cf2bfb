#include "sim/oracles.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/feed.h"
#include "protocol/message.h"
#include "protocol/release.h"
#include "replication/keys.h"

void oracles_new(struct sim *w)
{
    w->oracles = sim_memory(sizeof(*w->oracles));
}

void oracles_free(struct sim *w)
{
    sim_rows_free(&w->oracles->entries);
    sim_rows_free(&w->oracles->decisions);
    free(w->oracles);
}

void oracle_fail(struct sim *w, const char *format, ...)
{
    struct oracles *o = w->oracles;
    va_list args;

    if (!o->failed) {
        o->failed = true;
        va_start(args, format);
        (void)vsnprintf(o->text, sizeof(o->text), format, args);
        va_end(args);
    }
}

static unsigned node_of_member(const struct sim *w, const struct digest *id)
{
    unsigned member = people_find(&w->people, digest_slice(id));

    return member < SIM_STEWARDS ? member : SIM_LAB;
}

/* --- P4: acknowledged is durable ------------------------------------------ */

static void receipt_check(struct sim *w,
                          unsigned node,
                          const struct feed_entry *e)
{
    unsigned author = node_of_member(w, &e->header.author);
    struct release_receipt r;
    struct digest root;

    w->oracles->checks++;
    if (author == SIM_LAB || release_receipt_decode(&r, e->payload) != OK) {
        oracle_fail(w, "P4: node %u holds what is no receipt of a steward",
                    node);
    } else if (!w->nodes[author].gone && (!sim_shard_root(w, author, &root) ||
                                          !digest_equal(&root, &r.root))) {
        oracle_fail(w,
                    "P4: node %u has a receipt of steward %u, whose durable "
                    "shard does not have that root",
                    node, author);
    }
}

static void own_entries_check(struct sim *w,
                              unsigned node,
                              const struct message_entries *m)
{
    for (size_t i = 0; i < m->len; i++) {
        struct feed_entry e;
        struct key key;

        if (feed_entry_decode(&e, m->entries[i]) != OK ||
            node_of_member(w, &e.header.author) != node) {
            continue;
        }
        w->oracles->checks++;
        key = key_entry(&e.header.author, e.header.incarnation, e.header.seq);
        if (sim_rows_get(&w->nodes[node].rows, key_slice(&key)) == NULL) {
            oracle_fail(w,
                        "P4: node %u says entry %llu of its feed, which is not "
                        "durable there",
                        node, (unsigned long long)e.header.seq);
        }
    }
}

void oracle_receipts(struct sim *w)
{
    const uint8_t kind = KEY_ENTRY;

    for (unsigned node = 0; node < SIM_STEWARDS; node++) {
        const struct sim_row *row;
        size_t at = 0;

        while ((row = sim_rows_next(&w->nodes[node].rows, &at,
                                    slice_of(&kind, 1))) != NULL) {
            struct feed_entry e;

            if (feed_entry_decode(&e, slice_of(row->value, row->value_size)) ==
                    OK &&
                e.header.kind == FEED_RECEIPT) {
                receipt_check(w, node, &e);
            }
        }
    }
}

/* --- P5: one entry for a place -------------------------------------------- */

static void entry_check(struct sim *w, unsigned node, const struct core_op *op)
{
    struct oracles *o = w->oracles;
    const struct sim_row *row = sim_rows_get(&o->entries, op->key);
    struct core_op seen = {.key = op->key};
    struct feed_entry e;

    o->checks++;
    if (op->remove || feed_entry_decode(&e, op->value) != OK) {
        oracle_fail(w, "P5: node %u has forgotten or spoilt an entry", node);
        return;
    }
    if (row == NULL) {
        seen.value = digest_slice(&e.id);
        sim_rows_apply(&o->entries, &seen);
    } else if (!slice_equal(slice_of(row->value, row->value_size),
                            digest_slice(&e.id))) {
        oracle_fail(w,
                    "P5: node %u has another entry %llu of a feed than others",
                    node, (unsigned long long)e.header.seq);
    }
    if (e.header.kind == FEED_RECEIPT) {
        receipt_check(w, node, &e);
    }
}

/* --- P7: nothing leaves unrecorded -----------------------------------------
 */

static void decision_note(struct sim *w, unsigned node, struct slice key)
{
    struct sim_rows *held = &w->oracles->decisions;
    const struct sim_row *row = sim_rows_get(held, key);
    uint8_t bits = row != NULL ? row->value[0] : 0;
    const struct core_op op = {.key = key, .value = slice_of(&bits, 1)};

    bits |= (uint8_t)(1U << node);
    sim_rows_apply(held, &op);
}

void oracle_handed(struct sim *w,
                   unsigned steward,
                   const uint8_t release_id[DIGEST_SIZE])
{
    struct digest release;
    const struct sim_row *row;
    struct key key;

    memcpy(release.bytes, release_id, DIGEST_SIZE);
    key = key_decision(&release, &w->people.persons[steward].id);
    row = sim_rows_get(&w->oracles->decisions, key_slice(&key));
    w->oracles->checks++;
    if (row == NULL || (row->value[0] & ~(1U << steward)) == 0) {
        oracle_fail(
            w,
            "P7: the envelope of steward %u is handed out, and no other "
            "steward has held the decision",
            steward);
    }
}

/* --- P6 and P1 --------------------------------------------------------------
 */

static bool entries_equal(const struct sim_rows *a, const struct sim_rows *b)
{
    const uint8_t kind = KEY_ENTRY;
    size_t at_a = 0, at_b = 0;
    const struct sim_row *x, *y;

    do {
        x = sim_rows_next(a, &at_a, slice_of(&kind, 1));
        y = sim_rows_next(b, &at_b, slice_of(&kind, 1));
        if (x == NULL || y == NULL) {
            return x == y;
        }
    } while (slice_equal(slice_of(x->key, x->key_size),
                         slice_of(y->key, y->key_size)) &&
             slice_equal(slice_of(x->value, x->value_size),
                         slice_of(y->value, y->value_size)));
    return false;
}

bool oracle_feeds_agree(const struct sim *w)
{
    const struct sim_rows *first = NULL;

    for (unsigned i = 0; i < SIM_STEWARDS; i++) {
        if (w->nodes[i].gone) {
            continue;
        }
        if (first != NULL && !entries_equal(first, &w->nodes[i].rows)) {
            return false;
        }
        first = &w->nodes[i].rows;
    }
    return true;
}

void oracle_recovered(struct sim *w, struct slice source, struct slice plain)
{
    w->oracles->checks++;
    if (!slice_equal(source, plain)) {
        oracle_fail(w, "P1: what was recovered is not what was deposited");
    }
}

/* --- What is watched --------------------------------------------------------
 */

void oracle_row(struct sim *w, unsigned node, const struct core_op *op)
{
    if (sim_kind(node) == SIM_IS_CUSTODIAN) {
        return;
    }
    if (op->key.data[0] == KEY_ENTRY) {
        entry_check(w, node, op);
    } else if (op->key.data[0] == KEY_DECISION && !op->remove) {
        decision_note(w, node, op->key);
    } else if (op->key.data[0] == KEY_FORK) {
        oracle_fail(w, "P5: node %u has proof of a fork", node);
    }
}

void oracle_action(struct sim *w, unsigned node, const struct core_action *a)
{
    static struct message m;

    if (a->type != ACT_SEND || message_decode(&m, a->bytes) != OK) {
        return;
    }
    if (m.type == MESSAGE_ENTRIES) {
        own_entries_check(w, node, &m.u.entries);
    } else if (m.type == MESSAGE_ENVELOPE) {
        oracle_handed(w, node, m.u.envelope.release_id.bytes);
    }
}
