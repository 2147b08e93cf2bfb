#include "protocol/certificate.h"
#include "protocol/field.h"
#include "protocol/words.h"

/* What a certificate proves, and the words for what is false in it. */

#define WHAT_SIZE 160

static int fail(char *what, const char *subject, const char *why, int rv)
{
    struct words w;

    if (what != NULL) {
        words_init(&w, what, WHAT_SIZE);
        words_add(&w, subject);
        words_add(&w, why);
    }
    return rv;
}

/* As fail(), about the |i|th, counted from 0, of many. */
static int fail_at(char *what,
                   const char *subject,
                   size_t i,
                   const char *why,
                   int rv)
{
    struct words w;

    if (what != NULL) {
        words_init(&w, what, WHAT_SIZE);
        words_add(&w, subject);
        words_add(&w, " ");
        words_number(&w, i + 1);
        words_add(&w, ": ");
        words_add(&w, why);
    }
    return rv;
}

/* ---- one entry ---- */

/* Take an entry of |kind| apart. */
static int entry_open(struct feed_entry *e,
                      struct slice in,
                      enum feed_kind kind,
                      const char **why)
{
    int rv = feed_entry_decode(e, in);

    if (rv == ERR_UNSUPPORTED) {
        *why = "it is of a later version, for which this program is too old";
    } else if (rv == ERR_MISMATCH) {
        *why = "its content is not what was signed";
    } else if (rv != OK) {
        *why = "it is malformed";
    } else if (e->header.kind != kind) {
        *why = "it is an entry of another kind";
        rv = ERR_NOTFOUND;
    } else if (e->pruned) {
        *why = "its content is missing";
        rv = ERR_BAD;
    }
    return rv;
}

static int payload_error(int rv, const char **why)
{
    *why = rv == ERR_UNSUPPORTED
               ? "it is of a later version, for which this program is too old"
               : "its content is malformed";
    return rv;
}

/* Whose entry it is: by a steward of the charter, in this network, signed. */
static int entry_steward(const struct certificate_facts *facts,
                         const struct feed_entry *e,
                         const struct card **steward,
                         const char **why)
{
    const struct card *card =
        charter_steward(&facts->charter, &e->header.author);

    if (!digest_equal(&e->header.net, &facts->net)) {
        *why = "it is of another network";
        return ERR_MISMATCH;
    }
    if (card == NULL) {
        *why = "its author is no steward of this network";
        return ERR_DENIED;
    }
    if (feed_entry_verify(e, card->node_pk) != OK) {
        *why = "its author did not sign it";
        return ERR_AUTH;
    }
    *steward = card;
    return OK;
}

static int receipt_check(const struct certificate_facts *facts,
                         struct slice entry,
                         struct release_receipt *receipt,
                         const char **why)
{
    const struct manifest *m = &facts->manifest;
    const struct card *steward = NULL;
    struct feed_entry e;
    int rv = entry_open(&e, entry, FEED_RECEIPT, why);

    if (rv != OK) {
        return rv;
    }
    rv = release_receipt_decode(receipt, e.payload);
    if (rv != OK) {
        return payload_error(rv, why);
    }
    if (!digest_equal(&receipt->manifest_hash, &facts->manifest_hash)) {
        *why = "it is about another deposit";
        return ERR_NOTFOUND;
    }
    rv = entry_steward(facts, &e, &steward, why);
    if (rv != OK) {
        return rv;
    }
    if (!digest_equal(&receipt->deposit_id, &m->deposit_id)) {
        *why = "it names this manifest with another deposit";
        return ERR_MISMATCH;
    }
    if (receipt->index >= m->n ||
        !digest_equal(&steward->id, &m->stewards[receipt->index])) {
        *why = "it is not by the steward of that shard";
        return ERR_MISMATCH;
    }
    if (!digest_equal(&receipt->root, &m->roots[receipt->index]) ||
        receipt->shard_size != m->shard_size) {
        *why = "the shard that it is for is not the one in the manifest";
        return ERR_MISMATCH;
    }
    return OK;
}

/* Is this the manifest that the acknowledgement |in| names? Malformed ones are
 * left to release_acknowledgement_verify(). */
static bool acknowledgement_is_about(struct slice in, const struct digest *hash)
{
    struct digest net, custodian, got;
    struct canon_reader r;

    field_begin(&r, in);
    canon_digest(&r, &net);
    canon_digest(&r, &custodian);
    canon_digest(&r, &got);
    return r.error != OK || digest_equal(&got, hash);
}

static int acknowledgement_check(const struct certificate_facts *facts,
                                 struct slice entry,
                                 uint16_t *index,
                                 const char **why)
{
    const struct card *steward = NULL;
    struct release_acknowledgement a;
    struct feed_entry e;
    int rv = entry_open(&e, entry, FEED_ACKNOWLEDGEMENT, why);

    if (rv != OK) {
        return rv;
    }
    if (!acknowledgement_is_about(e.payload, &facts->manifest_hash)) {
        *why = "it is about another deposit";
        return ERR_NOTFOUND;
    }
    rv = entry_steward(facts, &e, &steward, why);
    if (rv != OK) {
        return rv;
    }
    rv =
        release_acknowledgement_verify(&a, e.payload, steward->custody_sign_pk,
                                       &facts->manifest_hash, &facts->manifest);
    if (rv == ERR_AUTH) {
        *why = "its custodian did not sign it, or its proof does not hold";
    } else if (rv == ERR_MISMATCH) {
        *why = "its share is not the one of that custodian in the manifest";
    } else if (rv != OK) {
        rv = payload_error(rv, why);
    } else if (!digest_equal(&a.custodian, &steward->id)) {
        *why = "it stands in the feed of another steward";
        rv = ERR_MISMATCH;
    }
    if (rv == OK) {
        *index = (uint16_t)(a.share_index - 1);
    }
    return rv;
}

int certificate_receipt_check(const struct certificate_facts *facts,
                              struct slice entry,
                              uint16_t *index)
{
    struct release_receipt receipt;
    const char *why;
    int rv = receipt_check(facts, entry, &receipt, &why);

    if (rv == OK) {
        *index = receipt.index;
    }
    return rv;
}

int certificate_acknowledgement_check(const struct certificate_facts *facts,
                                      struct slice entry,
                                      uint16_t *index)
{
    const char *why;

    return acknowledgement_check(facts, entry, index, &why);
}

/* ---- chain and manifest ---- */

static int open_chain(struct slice chain,
                      struct certificate_facts *facts,
                      char *what)
{
    const char *why = "it is malformed";
    int rv = charter_chain_decode(&facts->charter, &facts->net, chain);

    if (rv == ERR_UNSUPPORTED) {
        why = "it is of a later version, for which this program is too old";
    } else if (rv == ERR_DENIED) {
        why = "it is not signed by operators of all its stewards";
    } else if (rv == ERR_AUTH) {
        why = "a signature of an operator does not hold";
    }
    return rv == OK ? OK : fail(what, "the charter: ", why, rv);
}

/* Is it by a lab of this network, and signed? */
static int manifest_lab(const struct certificate_facts *facts,
                        const struct feed_entry *e,
                        const char **why)
{
    const struct card *lab = charter_member(&facts->charter, &e->header.author);

    if (!digest_equal(&e->header.net, &facts->net)) {
        *why = "it is of another network";
        return ERR_MISMATCH;
    }
    if (lab == NULL || lab->role != CARD_LAB) {
        *why = "its author is no lab of this network";
        return ERR_DENIED;
    }
    if (feed_entry_verify(e, lab->node_pk) != OK) {
        *why = "the lab did not sign it";
        return ERR_AUTH;
    }
    return OK;
}

static int open_manifest(struct slice entry,
                         struct certificate_facts *facts,
                         const char **why)
{
    struct feed_entry e;
    int rv = entry_open(&e, entry, FEED_MANIFEST, why);

    if (rv != OK) {
        return rv == ERR_NOTFOUND ? ERR_MISMATCH : rv;
    }
    rv = manifest_lab(facts, &e, why);
    if (rv != OK) {
        return rv;
    }
    rv = manifest_decode(&facts->manifest, &e.header.author, e.payload);
    if (rv == ERR_MISMATCH) {
        *why = "its author speaks for another's deposit";
        return rv;
    }
    if (rv != OK) {
        return payload_error(rv, why);
    }
    if (!digest_equal(&facts->manifest.net, &facts->net)) {
        *why = "its content names another network";
        return ERR_MISMATCH;
    }
    facts->manifest_hash = e.header.payload_hash;
    facts->lab = e.header.author;
    facts->manifest_time_ms = e.header.time_ms;
    return OK;
}

int certificate_open(struct slice chain,
                     struct slice manifest,
                     struct certificate_facts *facts,
                     char *what)
{
    const char *why = "";
    int rv;

    memset(facts, 0, sizeof(*facts));
    rv = open_chain(chain, facts, what);
    if (rv != OK) {
        goto err;
    }
    rv = open_manifest(manifest, facts, &why);
    if (rv != OK) {
        rv = fail(what, "the manifest: ", why, rv);
        goto err;
    }
    return OK;

err:
    memset(facts, 0, sizeof(*facts));
    return rv;
}

/* ---- the whole ---- */

/* Note shard |index| in |held|; each is there once. */
static int hold(uint64_t *held, uint16_t index, const char **why)
{
    const uint64_t bit = (uint64_t)1 << index;

    if ((*held & bit) != 0) {
        *why = "there is one of that shard already";
        return ERR_BAD;
    }
    *held |= bit;
    return OK;
}

static int verify_receipts(const struct certificate *c,
                           struct certificate_facts *facts,
                           char *what)
{
    const char *why = "";

    for (size_t i = 0; i < c->receipts_len; i++) {
        struct release_receipt receipt;
        int rv = receipt_check(facts, c->receipts[i], &receipt, &why);

        if (rv == OK) {
            rv = hold(&facts->receipts, receipt.index, &why);
        }
        if (rv != OK) {
            return fail_at(what, "receipt", i, why,
                           rv == ERR_NOTFOUND ? ERR_MISMATCH : rv);
        }
        facts->receipt_time_s[receipt.index] = receipt.time_s;
    }
    return OK;
}

static int verify_acknowledgements(const struct certificate *c,
                                   struct certificate_facts *facts,
                                   char *what)
{
    const char *why = "";

    for (size_t i = 0; i < c->acknowledgements_len; i++) {
        uint16_t index = 0;
        int rv =
            acknowledgement_check(facts, c->acknowledgements[i], &index, &why);

        if (rv == OK) {
            rv = hold(&facts->acknowledgements, index, &why);
        }
        if (rv != OK) {
            return fail_at(what, "acknowledgement", i, why,
                           rv == ERR_NOTFOUND ? ERR_MISMATCH : rv);
        }
    }
    return OK;
}

static uint32_t count(uint64_t bits)
{
    uint32_t n = 0;

    for (; bits != 0; bits &= bits - 1) {
        n++;
    }
    return n;
}

static bool is_sealed(const struct certificate_facts *facts)
{
    const struct manifest *m = &facts->manifest;

    return count(facts->receipts) == m->n &&
           count(facts->acknowledgements) >= m->t + charter_faulty(m->n);
}

int certificate_verify(const struct certificate *c,
                       struct certificate_facts *facts,
                       char *what)
{
    int rv = certificate_open(c->chain, c->manifest, facts, what);

    if (rv == OK) {
        rv = verify_receipts(c, facts, what);
    }
    if (rv == OK) {
        rv = verify_acknowledgements(c, facts, what);
    }
    if (rv != OK) {
        memset(facts, 0, sizeof(*facts));
        return rv;
    }
    facts->sealed = is_sealed(facts);
    return OK;
}
