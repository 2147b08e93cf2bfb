#ifndef CAIRN_CRYPTO_MERKLE_H
#define CAIRN_CRYPTO_MERKLE_H

#include "crypto/base.h"

/* The tree of RFC 6962 (2.1), unchanged: leaf = SHA256(00 || data), node =
 * SHA256(01 || left || right), split at the largest power of two below the
 * number of leaves, no padding. Over shards the leaves are 4 KiB of the bytes
 * that a steward holds; over feeds they are entry ids.
 *
 * A proof says nothing about the number of leaves: a verifier takes it, like
 * the root, from the manifest (or a signed header), never from the prover. */

#define LEAF_SIZE         4096U
#define MERKLE_DEPTH_MAX  48 /* So at most 2^48 leaves. */
#define MERKLE_LEAVES_MAX ((uint64_t)1 << MERKLE_DEPTH_MAX)

void merkle_leaf(struct slice data, struct digest *out);
/* |out| may be |left| or |right|. */
void merkle_node(const struct digest *left,
                 const struct digest *right,
                 struct digest *out);

/* Hash |count| whole leaves of LEAF_SIZE lying one after the other. Uses the
 * multi-buffer kernel of this processor where there is one; the digests are
 * the same either way. Thread safe. */
void merkle_leaves(const uint8_t *data, size_t count, struct digest *out);

/* As above for |count| leaves at arbitrary places, which keeps all lanes of
 * the kernel busy when one 4 KiB comes from each of many cells. */
void merkle_leaves_at(const uint8_t *const *data,
                      size_t count,
                      struct digest *out);

/* The parents of 2 * |count| nodes: out[i] over pairs[2 * i] and the one after
 * it. |out| may be |pairs|. Many at once cost less each, as for leaves. */
void merkle_nodes(const struct digest *pairs, size_t count, struct digest *out);

/* True when many are hashed on a multi-buffer kernel (for the bench).
 * merkle_force_portable() switches this process to OpenSSL, so that tests
 * compare the two. */
bool merkle_is_wide(void);
void merkle_force_portable(void);

/* A compact range from leaf 0: the roots of the perfect subtrees that make up
 * |leaves|, largest first. It is all that a writer must keep to go on. */
struct merkle_range {
    uint64_t leaves;
    struct digest nodes[MERKLE_DEPTH_MAX];
};

void merkle_range_init(struct merkle_range *r);

/* Called for each completed node of |level| >= 1 (a node at |level| covers
 * 2^level leaves), |index| counting from 0 at each level: in ascending order
 * within a level, and after what is below the node. */
typedef void merkle_node_cb(void *arg,
                            unsigned level,
                            uint64_t index,
                            const struct digest *node);

/* Append one leaf hash. |cb| may be NULL. */
void merkle_range_append(struct merkle_range *r,
                         const struct digest *leaf,
                         merkle_node_cb *cb,
                         void *arg);

/* Append |len| leaf hashes (|level| 0), or roots of perfect subtrees of
 * 2^level leaves each; r->leaves must be a multiple of that. Many at once cost
 * less each, wherever they begin. |cb| is told of these nodes too when |level|
 * is not 0, but not of those below; only the order between levels depends on
 * how many are appended at once. */
void merkle_range_append_run(struct merkle_range *r,
                             unsigned level,
                             const struct digest *nodes,
                             size_t len,
                             merkle_node_cb *cb,
                             void *arg);

/* The root over what was appended; SHA256("") for an empty tree. */
void merkle_range_root(const struct merkle_range *r, struct digest *out);

/* The root over |len| leaf hashes. */
void merkle_root(const struct digest *leaves, size_t len, struct digest *out);

/* How many entries of r->nodes are in use: the number of one bits. */
size_t merkle_range_nodes_len(uint64_t leaves);

/* Are they over the same leaves? What is not in use is not looked at. */
bool merkle_range_equal(const struct merkle_range *a,
                        const struct merkle_range *b);

/* RFC 6962 inclusion and consistency proofs, as in RFC 9162 2.1.3.2/2.1.4.2.
 * ERR_AUTH when the proof does not lead to the root, ERR_BAD when the numbers
 * are impossible. */
MUST_CHECK int merkle_inclusion_verify(const struct digest *leaf,
                                       uint64_t index,
                                       uint64_t leaves,
                                       const struct digest *proof,
                                       size_t proof_len,
                                       const struct digest *root);
MUST_CHECK int merkle_consistency_verify(uint64_t old_leaves,
                                         uint64_t new_leaves,
                                         const struct digest *old_root,
                                         const struct digest *new_root,
                                         const struct digest *proof,
                                         size_t proof_len);

/* A multi-proof for a strictly increasing set of leaves, depth first:
 *
 *   prove(lo, hi): no sample inside -> emit the node over [lo, hi);
 *                  one leaf -> nothing, the leaf hash is supplied;
 *                  else k = largest power of two < hi - lo,
 *                       prove(lo, lo + k), prove(lo + k, hi)
 *
 * A run of leaves costs about 2 log2(N) nodes. */

/* Where the prover gets the node over leaves [lo, hi): a perfect subtree, or
 * the ragged right edge. Fails with whatever it returns other than OK. */
typedef int merkle_lookup(void *arg,
                          uint64_t lo,
                          uint64_t hi,
                          struct digest *out);

/* Emit the nodes of the proof into |nodes| (room for |nodes_max|); ERR_FULL
 * when they do not fit, ERR_BAD for samples that are none, unsorted, repeated
 * or not below |leaves|. */
MUST_CHECK int merkle_multi_prove(uint64_t leaves,
                                  const uint64_t *samples,
                                  size_t samples_len,
                                  merkle_lookup *lookup,
                                  void *arg,
                                  struct digest *nodes,
                                  size_t nodes_max,
                                  size_t *nodes_len);

/* Check |leaf_hashes| of |samples| against |root|. Every node of the proof is
 * consumed exactly once, or the proof is refused: ERR_AUTH when it does not
 * lead to the root, ERR_BAD for samples as above. */
MUST_CHECK int merkle_multi_verify(uint64_t leaves,
                                   const uint64_t *samples,
                                   size_t samples_len,
                                   const struct digest *leaf_hashes,
                                   const struct digest *nodes,
                                   size_t nodes_len,
                                   const struct digest *root);

/* The same for the run of leaves [first, first + count), count > 0: what a
 * cell that travels alone is checked with. */
MUST_CHECK int merkle_run_prove(uint64_t leaves,
                                uint64_t first,
                                uint64_t count,
                                merkle_lookup *lookup,
                                void *arg,
                                struct digest *nodes,
                                size_t nodes_max,
                                size_t *nodes_len);
MUST_CHECK int merkle_run_verify(uint64_t leaves,
                                 uint64_t first,
                                 uint64_t count,
                                 const struct digest *leaf_hashes,
                                 const struct digest *nodes,
                                 size_t nodes_len,
                                 const struct digest *root);

/* Nodes in any run proof, at most. */
#define MERKLE_RUN_NODES_MAX ((size_t)2 * MERKLE_DEPTH_MAX)

#endif /* CAIRN_CRYPTO_MERKLE_H */
