#include <stdlib.h>

#include "node/admin/admin_index_private.h"
#include "protocol/field.h"
#include "replication/keys.h"

/* --- Entries ------------------------------------------------------------- */

static void note_receipt(struct admin_index *x,
                         const struct index_feed *f,
                         const struct feed_entry *e,
                         uint64_t seq,
                         struct slice bytes,
                         int *rv,
                         char *errmsg)
{
    struct release_receipt r;
    struct index_deposit *d;
    struct index_place *p;
    uint16_t index = 0;

    if (release_receipt_decode(&r, e->payload) != OK) {
        return;
    }
    d = admin_index_find(x, &r.deposit_id);
    if (d == NULL) {
        x->missed = true;
        return;
    }
    if (r.index >= d->n) {
        return;
    }
    p = &d->receipts[r.index];
    if (p->there && (p->incarnation > f->incarnation ||
                     (p->incarnation == f->incarnation && p->seq >= seq))) {
        return;
    }
    *rv = admin_index_load(x, &d->lab, d->incarnation, d->seq,
                           &d->manifest_hash, errmsg);
    if (*rv == OK && certificate_receipt_check(x->facts, bytes, &index) == OK) {
        *p = (struct index_place){.there = true,
                                  .incarnation = f->incarnation,
                                  .seq = seq,
                                  .time_s = r.time_s};
    }
}

static void note_acknowledgement(struct admin_index *x,
                                 const struct index_feed *f,
                                 const struct feed_entry *e,
                                 uint64_t seq,
                                 struct slice bytes,
                                 int *rv,
                                 char *errmsg)
{
    struct digest net, custodian, hash;
    struct index_deposit *d;
    struct canon_reader r;
    uint64_t share;
    uint16_t index = 0;

    field_begin(&r, e->payload);
    canon_digest(&r, &net);
    canon_digest(&r, &custodian);
    canon_digest(&r, &hash);
    share = canon_uint(&r, MANIFEST_SHARDS_MAX);
    if (r.error != OK) {
        return;
    }
    d = admin_index_of_manifest(x, &hash);
    if (d == NULL) {
        x->missed = true;
        return;
    }
    if (share == 0 || share > d->n || d->acknowledgements[share - 1].there) {
        return;
    }
    *rv = admin_index_load(x, &d->lab, d->incarnation, d->seq,
                           &d->manifest_hash, errmsg);
    if (*rv == OK &&
        certificate_acknowledgement_check(x->facts, bytes, &index) == OK) {
        d->acknowledgements[index] = (struct index_place){
            .there = true, .incarnation = f->incarnation, .seq = seq};
    }
}

/* An entry that does not hold counts for nothing. */
static int note(struct admin_index *x,
                const struct index_feed *f,
                uint64_t seq,
                struct slice bytes,
                char *errmsg)
{
    struct feed_entry e;
    int rv = OK;

    if (feed_entry_decode(&e, bytes) != OK || e.pruned) {
        return OK;
    }
    if (e.header.kind == FEED_RECEIPT) {
        note_receipt(x, f, &e, seq, bytes, &rv, errmsg);
    } else if (e.header.kind == FEED_ACKNOWLEDGEMENT) {
        note_acknowledgement(x, f, &e, seq, bytes, &rv, errmsg);
    }
    return rv;
}

/* --- Feeds --------------------------------------------------------------- */

static int feed_look(struct admin_index *x, struct index_feed *f, char *errmsg)
{
    const struct key prefix = key_entries(&f->author, f->incarnation);
    int rv;

    do {
        const struct key last =
            key_entry(&f->author, f->incarnation, f->next - 1);

        rv = store_rows(x->store, key_slice(&prefix),
                        f->next > 0 ? key_slice(&last) : slice_of(NULL, 0),
                        &x->page, errmsg);
        for (size_t i = 0; rv == OK && i < x->page.rows_len; i++) {
            struct digest author;
            uint32_t incarnation;
            uint64_t seq = 0;

            if (key_entry_parse(x->page.rows[i].key, &author, &incarnation,
                                &seq) == OK) {
                rv = note(x, f, seq, x->page.rows[i].value, errmsg);
                f->next = rv == OK ? seq + 1 : f->next;
            }
        }
    } while (rv == OK && !x->page.last);
    return rv;
}

/* How far that feed was read in the list of last time, which is sorted. */
static uint64_t feed_next(const struct index_feed *feeds,
                          size_t len,
                          const struct index_feed *f)
{
    for (size_t i = 0; i < len; i++) {
        if (feeds[i].incarnation == f->incarnation &&
            digest_equal(&feeds[i].author, &f->author)) {
            return feeds[i].next;
        }
    }
    return 0;
}

/* The feeds of stewards that there are, with how far they were read. */
static int feeds_list(struct admin_index *x, char *errmsg)
{
    static const uint8_t kind = KEY_TIP;
    struct index_feed *feeds = calloc(STEWARD_FEEDS_MAX, sizeof(*feeds));
    uint8_t after[CORE_KEY_MAX];
    size_t len = 0, after_size = 0;
    int rv = OK;

    if (feeds == NULL) {
        return errmsg_memory(errmsg);
    }
    do {
        rv = store_rows(x->store, slice_of(&kind, 1),
                        slice_of(after, after_size), &x->page, errmsg);
        for (size_t i = 0; rv == OK && i < x->page.rows_len; i++) {
            struct slice key = x->page.rows[i].key;
            struct index_feed f;

            memcpy(after, key.data, key.size);
            after_size = key.size;
            if (len < STEWARD_FEEDS_MAX &&
                key_tip_parse(key, &f.author, &f.incarnation) == OK &&
                charter_steward(&x->facts->charter, &f.author) != NULL) {
                f.next = feed_next(x->feeds, x->feeds_len, &f);
                feeds[len++] = f;
            }
        }
    } while (rv == OK && !x->page.last);
    if (rv == OK) {
        memcpy(x->feeds, feeds, len * sizeof(*feeds));
        x->feeds_len = len;
    }
    free(feeds);
    return rv;
}

/* --- What is known ------------------------------------------------------- */

static int deposit_add(struct admin_index *x,
                       const struct steward_deposit_info *info,
                       char *errmsg)
{
    const struct manifest *m = &x->facts->manifest;
    struct index_deposit d = {.id = info->id,
                              .lab = info->lab,
                              .manifest_hash = info->manifest_hash,
                              .incarnation = info->incarnation,
                              .seq = info->seq};
    int rv = admin_index_load(x, &d.lab, d.incarnation, d.seq, &d.manifest_hash,
                              errmsg);

    if (rv != OK) {
        return rv;
    }
    d.k = m->k;
    d.n = m->n;
    d.t = m->t;
    d.plain_size = m->plain_size;
    d.shard_size = m->shard_size;
    d.label = strdup(m->label);
    d.receipts = calloc(d.n, sizeof(*d.receipts));
    d.acknowledgements = calloc(d.n, sizeof(*d.acknowledgements));
    if (d.label == NULL || d.receipts == NULL || d.acknowledgements == NULL) {
        admin_index_deposit_free(&d);
        return errmsg_memory(errmsg);
    }
    x->deposits[x->deposits_len++] = d;
    return OK;
}

static int deposits_grow(struct admin_index *x, size_t max, char *errmsg)
{
    struct index_deposit *deposits;
    uint32_t *by_hash;

    if (max <= x->deposits_max) {
        return OK;
    }
    deposits = realloc(x->deposits, max * sizeof(*deposits));
    x->deposits = deposits != NULL ? deposits : x->deposits;
    by_hash = realloc(x->by_hash, max * sizeof(*by_hash));
    x->by_hash = by_hash != NULL ? by_hash : x->by_hash;
    if (deposits == NULL || by_hash == NULL) {
        return errmsg_memory(errmsg);
    }
    x->deposits_max = max;
    return OK;
}

static _Thread_local const struct index_deposit *sorting;

static int hash_order(const void *a, const void *b)
{
    const uint32_t *i = a, *j = b;

    return memcmp(sorting[*i].manifest_hash.bytes,
                  sorting[*j].manifest_hash.bytes, DIGEST_SIZE);
}

static void deposits_sort(struct admin_index *x)
{
    qsort(x->deposits, x->deposits_len, sizeof(*x->deposits),
          admin_index_order);
    for (size_t i = 0; i < x->deposits_len; i++) {
        x->by_hash[i] = (uint32_t)i;
    }
    sorting = x->deposits;
    qsort(x->by_hash, x->deposits_len, sizeof(*x->by_hash), hash_order);
    sorting = NULL;
}

/* Take in deposits whose manifest has come since. What the machine knows and
 * the disk does not yet is for the next time. */
static int deposits_look(struct admin_index *x,
                         const struct steward_deposit_info *infos,
                         size_t len,
                         bool *grown,
                         char *errmsg)
{
    const size_t before = x->deposits_len;
    size_t added = 0;
    int rv = OK;

    for (size_t i = 0; i < len; i++) {
        if (infos[i].has_manifest &&
            admin_index_find(x, &infos[i].id) == NULL) {
            added++;
        }
    }
    if (added == 0) {
        return OK;
    }
    rv = deposits_grow(x, before + added, errmsg);
    for (size_t i = 0; i < len && rv == OK; i++) {
        const struct index_deposit *d =
            before == 0 ? NULL
                        : bsearch(&infos[i].id, x->deposits, before, sizeof(*d),
                                  admin_index_order);

        if (infos[i].has_manifest && d == NULL) {
            rv = deposit_add(x, &infos[i], errmsg);
            rv = rv == ERR_NOTFOUND ? OK : rv;
        }
    }
    if (x->deposits_len > before) {
        deposits_sort(x);
        *grown = true;
    }
    return rv;
}

int admin_index_look(struct admin_index *x,
                     const struct steward_deposit_info *deposits,
                     size_t deposits_len,
                     char *errmsg)
{
    bool grown = false;
    int rv = deposits_look(x, deposits, deposits_len, &grown, errmsg);

    if (grown && x->missed) {
        x->missed = false;
        x->feeds_len = 0;
    }
    if (rv == OK) {
        rv = feeds_list(x, errmsg);
    }
    for (size_t i = 0; i < x->feeds_len && rv == OK; i++) {
        rv = feed_look(x, &x->feeds[i], errmsg);
    }
    return rv;
}
