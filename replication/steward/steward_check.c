#include "protocol/field.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_sync.h"

/* What ACT_CHECK carries: [[node key, entry without payload], ...]. */

size_t steward_check_write(const struct steward *s,
                           uint64_t which,
                           uint8_t *out,
                           size_t max)
{
    uint8_t pruned[STEWARD_PROOF_MAX];
    struct canon_writer w;
    uint32_t len = 0;
    size_t size = 0;
    int rv;

    for (size_t i = 0; i < MESSAGE_ENTRIES_MAX; i++) {
        len += (which >> i & 1) != 0 ? 1U : 0U;
    }
    canon_write_init(&w, out, max);
    canon_put_array(&w, len);
    for (size_t i = 0; i < MESSAGE_ENTRIES_MAX; i++) {
        const struct feed_entry *e = &s->entries[i];
        const struct card *card;

        if ((which >> i & 1) == 0) {
            continue;
        }
        card = charter_member(s->config.charter, &e->header.author);
        assert(card != NULL);
        canon_put_array(&w, 2);
        canon_put_bin(&w, slice_of(card->node_pk, SIGN_PK_SIZE));
        canon_put_bin(&w, slice_of(pruned, steward_entry_prune(
                                               e, pruned, sizeof(pruned))));
    }
    rv = field_write_end(&w, &size);
    assert(rv == OK);
    return size;
}

static bool entry_holds(const struct charter *charter,
                        const uint8_t pk[SIGN_PK_SIZE],
                        struct slice bytes)
{
    const struct card *card;
    struct feed_entry e;

    if (feed_entry_decode(&e, bytes) != OK) {
        return false;
    }
    card = charter_member(charter, &e.header.author);
    return card != NULL && memcmp(card->node_pk, pk, SIGN_PK_SIZE) == 0 &&
           feed_entry_verify(&e, pk) == OK;
}

int steward_check(const struct charter *charter, struct slice bytes)
{
    struct canon_reader r;
    uint32_t len;

    canon_read_init(&r, bytes);
    len = canon_array_between(&r, 1, MESSAGE_ENTRIES_MAX);
    for (uint32_t i = 0; i < len; i++) {
        uint8_t pk[SIGN_PK_SIZE];
        struct slice entry;

        canon_array(&r, 2);
        canon_bytes(&r, pk, sizeof(pk));
        entry = canon_bin(&r, 1, STEWARD_PROOF_MAX);
        canon_leave(&r);
        if (r.error != OK || !entry_holds(charter, pk, entry)) {
            return ERR_AUTH;
        }
    }
    canon_leave(&r);
    return canon_end(&r) == OK ? OK : ERR_AUTH;
}
