#include <stdlib.h>

#include "protocol/charter.h"
#include "protocol/field.h"

/* The signature of one steward, as it stands in a chain. */
struct signature {
    struct digest id;
    struct slice sshsig;
};

/* A chain of one charter, taken apart. */
struct chain {
    struct slice charter;
    struct signature signatures[CHARTER_MEMBERS_MAX];
    size_t signatures_len;
};

/* Which steward's operator signed these charter bytes? */
static int signer_find(const struct charter *c,
                       struct slice charter,
                       struct slice sshsig,
                       const struct card **signer)
{
    const struct card *member;
    struct sshsig_key key;
    int rv;

    /* No good one is above FIELD_SSHSIG_MAX: its key is at most half of it. */
    rv = sshsig_verify(sshsig, CHARTER_NAMESPACE, charter, &key);
    if (rv != OK) {
        return rv;
    }
    member = charter_operator(c, &key);
    if (member == NULL || member->role != CARD_STEWARD) {
        return ERR_DENIED;
    }
    *signer = member;
    return OK;
}

/* Give each member of |c| its signature; empty for those without one. */
static int signatures_place(const struct charter *c,
                            struct slice charter,
                            const struct charter_signature *signatures,
                            size_t len,
                            struct slice by_member[CHARTER_MEMBERS_MAX])
{
    for (size_t i = 0; i < len; i++) {
        const struct card *signer = NULL;
        size_t at = 0;
        int rv = signer_find(c, charter, signatures[i].sshsig, &signer);

        if (rv != OK) {
            return rv;
        }
        while (&c->members[at].card != signer) {
            at++;
        }
        if (by_member[at].size > 0) {
            return ERR_EXISTS;
        }
        by_member[at] = signatures[i].sshsig;
    }
    return OK;
}

/* The first steward without a signature, or NULL. */
static const struct card *signature_missing(
    const struct charter *c,
    const struct slice by_member[CHARTER_MEMBERS_MAX])
{
    for (size_t i = 0; i < c->members_len; i++) {
        if (c->members[i].card.role == CARD_STEWARD && by_member[i].size == 0) {
            return &c->members[i].card;
        }
    }
    return NULL;
}

static void chain_write(struct canon_writer *w,
                        const struct charter *c,
                        struct slice charter,
                        const struct slice by_member[CHARTER_MEMBERS_MAX])
{
    canon_put_array(w, 1);
    canon_put_array(w, 2);
    canon_put_bin(w, charter);
    canon_put_array(w, c->stewards);
    for (size_t i = 0; i < c->members_len; i++) {
        if (by_member[i].size > 0) {
            canon_put_array(w, 2);
            canon_put_digest(w, &c->members[i].card.id);
            canon_put_bin(w, by_member[i]);
        }
    }
}

int charter_assemble(struct slice charter,
                     const struct charter_signature *signatures,
                     size_t len,
                     uint8_t *out,
                     size_t max,
                     size_t *size,
                     struct digest *missing)
{
    struct slice by_member[CHARTER_MEMBERS_MAX] = {{.data = NULL, .size = 0}};
    const struct card *without;
    struct charter *c = calloc(1, sizeof(*c));
    struct canon_writer w;
    int rv;

    if (c == NULL) {
        return ERR_NOMEM;
    }
    rv = charter_decode(c, charter);
    if (rv != OK) {
        goto err;
    }
    rv = signatures_place(c, charter, signatures, len, by_member);
    if (rv != OK) {
        goto err;
    }
    without = signature_missing(c, by_member);
    if (without != NULL) {
        if (missing != NULL) {
            *missing = without->id;
        }
        rv = ERR_NOTFOUND;
        goto err;
    }
    canon_write_init(&w, out, max);
    chain_write(&w, c, charter, by_member);
    rv = field_write_end(&w, size);

err:
    free(c);
    return rv;
}

static void get_signatures(struct canon_reader *r, struct chain *chain)
{
    size_t len = canon_array_between(r, 1, CHARTER_MEMBERS_MAX);

    for (size_t i = 0; i < len; i++) {
        struct signature *s = &chain->signatures[i];

        canon_array(r, 2);
        canon_digest(r, &s->id);
        s->sshsig = canon_bin(r, 1, FIELD_SSHSIG_MAX);
        canon_leave(r);
        canon_require(
            r, i == 0 || memcmp(s[-1].id.bytes, s->id.bytes, DIGEST_SIZE) < 0);
    }
    canon_leave(r);
    chain->signatures_len = len;
}

static int chain_read(struct chain *chain, struct slice in)
{
    struct canon_reader r;
    uint32_t len;

    if (in.size > CHARTER_CHAIN_MAX) {
        return ERR_BAD;
    }
    canon_read_init(&r, in);
    len = canon_array_between(&r, 1, UINT32_MAX);
    /* Nothing says yet what would make a second charter valid. */
    canon_require_known(&r, len == 1);
    canon_array(&r, 2);
    chain->charter = canon_bin(&r, 1, CHARTER_SIZE_MAX);
    get_signatures(&r, chain);
    canon_leave(&r);
    canon_leave(&r);
    return canon_end(&r);
}

/* Exactly one signature of every steward. */
static int chain_verify(const struct chain *chain, const struct charter *c)
{
    if (chain->signatures_len != c->stewards) {
        return ERR_DENIED;
    }
    for (size_t i = 0; i < chain->signatures_len; i++) {
        const struct signature *s = &chain->signatures[i];
        const struct card *signer = NULL;
        int rv = signer_find(c, chain->charter, s->sshsig, &signer);

        if (rv != OK) {
            return rv;
        }
        /* The ids ascend, so none comes twice, and there are as many. */
        if (!digest_equal(&signer->id, &s->id)) {
            return ERR_DENIED;
        }
    }
    return OK;
}

int charter_chain_decode(struct charter *c, struct digest *net, struct slice in)
{
    struct chain chain;
    int rv;

    memset(&chain, 0, sizeof(chain));
    rv = chain_read(&chain, in);
    if (rv == OK) {
        rv = charter_decode(c, chain.charter);
    }
    if (rv == OK) {
        rv = chain_verify(&chain, c);
    }
    if (rv != OK) {
        memset(c, 0, sizeof(*c));
        return rv;
    }
    *net = c->hash;
    return OK;
}
