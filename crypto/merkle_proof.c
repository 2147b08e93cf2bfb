#include "crypto/merkle.h"

/* An inclusion or consistency proof is walked from the leaf upwards. |fn| and
 * |sn| are, at the height reached, the index of the node on the path and of
 * the last node; the names are those of RFC 9162. */
struct path {
    uint64_t fn, sn;
};

/* True when the next node of the proof is a left sibling. */
static bool path_goes_left(const struct path *p)
{
    return (p->fn & 1) != 0 || p->fn == p->sn;
}

/* A last node without a sibling rises until it has one. */
static void path_up(struct path *p)
{
    while ((p->fn & 1) == 0 && p->fn == p->sn && p->fn != 0) {
        p->fn >>= 1;
        p->sn >>= 1;
    }
    p->fn >>= 1;
    p->sn >>= 1;
}

int merkle_inclusion_verify(const struct digest *leaf,
                            uint64_t index,
                            uint64_t leaves,
                            const struct digest *proof,
                            size_t proof_len,
                            const struct digest *root)
{
    struct path p = {.fn = index, .sn = leaves - 1};
    struct digest got = *leaf;

    if (leaves > MERKLE_LEAVES_MAX || index >= leaves) {
        return ERR_BAD;
    }
    for (size_t i = 0; i < proof_len; i++) {
        if (p.sn == 0) {
            return ERR_AUTH;
        }
        if (path_goes_left(&p)) {
            merkle_node(&proof[i], &got, &got);
        } else {
            merkle_node(&got, &proof[i], &got);
        }
        path_up(&p);
    }
    return p.sn == 0 && digest_equal(&got, root) ? OK : ERR_AUTH;
}

/* The proof proper, for 0 < old_leaves < new_leaves. */
static int consistency_walk(uint64_t old_leaves,
                            uint64_t new_leaves,
                            const struct digest *old_root,
                            const struct digest *new_root,
                            const struct digest *proof,
                            size_t proof_len)
{
    struct path p = {.fn = old_leaves - 1, .sn = new_leaves - 1};
    bool perfect = (old_leaves & (old_leaves - 1)) == 0;
    struct digest old_got, new_got;
    size_t used = perfect ? 0 : 1;

    if (proof_len == 0) {
        return ERR_AUTH;
    }
    /* Start at the last perfect subtree of the old tree; when that is the
     * whole tree, its root is not repeated in the proof. */
    while ((p.fn & 1) != 0) {
        p.fn >>= 1;
        p.sn >>= 1;
    }
    old_got = perfect ? *old_root : proof[0];
    new_got = old_got;
    for (; used < proof_len; used++) {
        if (p.sn == 0) {
            return ERR_AUTH;
        }
        if (path_goes_left(&p)) {
            merkle_node(&proof[used], &old_got, &old_got);
            merkle_node(&proof[used], &new_got, &new_got);
        } else {
            merkle_node(&new_got, &proof[used], &new_got);
        }
        path_up(&p);
    }
    return p.sn == 0 && digest_equal(&old_got, old_root) &&
                   digest_equal(&new_got, new_root)
               ? OK
               : ERR_AUTH;
}

int merkle_consistency_verify(uint64_t old_leaves,
                              uint64_t new_leaves,
                              const struct digest *old_root,
                              const struct digest *new_root,
                              const struct digest *proof,
                              size_t proof_len)
{
    if (old_leaves == 0 || old_leaves > new_leaves ||
        new_leaves > MERKLE_LEAVES_MAX) {
        return ERR_BAD;
    }
    if (old_leaves == new_leaves) {
        return proof_len == 0 && digest_equal(old_root, new_root) ? OK
                                                                  : ERR_AUTH;
    }
    return consistency_walk(old_leaves, new_leaves, old_root, new_root, proof,
                            proof_len);
}
