#include "protocol/field.h"
#include "replication/keys.h"
#include "replication/steward/steward_quotas.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_votes.h"

/* What feeds say of releases whose requests are not known here: they may come
 * later, or never. Of each member's votes and holdings the last ones are kept,
 * and a member crowds out its own only. */

#define WAITING_ITEMS 4U

static bool waits_elsewhere(const struct steward *s,
                            uint32_t member,
                            const struct digest *hash)
{
    for (uint32_t i = 0; i < s->config.charter->members_len; i++) {
        const struct steward_waiting *w = s->members[i].waiting;

        for (size_t j = STEWARD_WAITING_VOTES;
             i != member && j < STEWARD_WAITING_MAX; j++) {
            if (w[j].kind != 0 && digest_equal(&w[j].id, hash)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_of_ours(const struct steward *s, const struct digest *hash)
{
    for (uint32_t i = 0; i < s->releases_len; i++) {
        if (digest_equal(&s->releases[s->releases_order[i]].decision, hash)) {
            return true;
        }
    }
    return false;
}

/* Remove the row that |w| is about, unless it has found its release. The row of
 * a holding is that of whoever came last. */
static void waiting_end(struct steward *s,
                        uint32_t member,
                        const struct steward_waiting *w,
                        struct core_out *out)
{
    const struct digest *id = &s->config.charter->members[member].card.id;
    bool stays =
        w->kind == KEY_HOLDING
            ? is_of_ours(s, &w->id) || waits_elsewhere(s, member, &w->id)
            : steward_release_find(s, &w->id) != NULL;
    struct key key = w->kind == KEY_HOLDING    ? key_holding(&w->id)
                     : w->kind == KEY_APPROVAL ? key_approval(&w->id, id)
                                               : key_decision(&w->id, id);

    if (!stays) {
        core_remove(out, key_slice(&key));
    }
}

static void waiting_put(const struct steward *s,
                        uint32_t member,
                        uint16_t slot,
                        uint64_t serial,
                        struct core_out *out)
{
    const struct steward_waiting *w = &s->members[member].waiting[slot];
    struct key key =
        key_waiting(&s->config.charter->members[member].card.id, slot);
    struct slice value = {.data = NULL, .size = 0};
    struct canon_writer c;
    uint8_t bytes[64];
    int rv;

    canon_write_init(&c, bytes, sizeof(bytes));
    canon_put_array(&c, WAITING_ITEMS);
    canon_put_uint(&c, FIELD_VERSION);
    canon_put_uint(&c, w->kind);
    canon_put_digest(&c, &w->id);
    canon_put_uint(&c, serial);
    rv = canon_write_end(&c, &value);
    assert(rv == OK);
    core_put(out, key_slice(&key), value);
}

void steward_wait(struct steward *s,
                  uint32_t member,
                  enum key_kind kind,
                  const struct digest *id,
                  struct core_out *out)
{
    struct steward_member *m = &s->members[member];
    bool holding = kind == KEY_HOLDING;
    size_t first = holding ? STEWARD_WAITING_VOTES : 0;
    size_t len = holding ? STEWARD_WAITING_HOLDINGS : STEWARD_WAITING_VOTES;
    uint64_t serial = holding ? m->holdings_next : m->votes_next;
    size_t slot = first + serial % len;

    assert(holding || kind == KEY_APPROVAL || kind == KEY_DECISION);
    for (size_t i = first; i < first + len; i++) {
        if (m->waiting[i].kind == kind && digest_equal(&m->waiting[i].id, id)) {
            return;
        }
    }
    if (m->waiting[slot].kind != 0) {
        waiting_end(s, member, &m->waiting[slot], out);
    }
    m->waiting[slot] =
        (struct steward_waiting){.kind = (uint8_t)kind, .id = *id};
    m->holdings_next += holding ? 1 : 0;
    m->votes_next += holding ? 0 : 1;
    waiting_put(s, member, (uint16_t)slot, serial, out);
}

void steward_waiting_start(struct steward *s, const struct core_row *row)
{
    struct steward_waiting got = {.kind = 0};
    struct steward_member *m;
    struct canon_reader r;
    struct digest author;
    uint64_t serial, *next;
    uint16_t slot;
    int rv = key_waiting_parse(row->key, &author, &slot);

    assert(rv == OK && slot < STEWARD_WAITING_MAX);
    field_begin(&r, row->value);
    got.kind = (uint8_t)canon_uint(&r, UINT8_MAX);
    canon_digest(&r, &got.id);
    serial = canon_uint(&r, INT64_MAX);
    canon_leave(&r);
    rv = canon_end(&r);
    assert(rv == OK &&
           (got.kind == KEY_HOLDING) == (slot >= STEWARD_WAITING_VOTES));
    m = steward_member_of(s, &author);
    if (m == NULL) {
        return; /* It has left, and says nothing more. */
    }
    m->waiting[slot] = got;
    next = got.kind == KEY_HOLDING ? &m->holdings_next : &m->votes_next;
    *next = *next > serial ? *next : serial + 1;
}
