#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "tests/vectors.h"

#define LEAVES_MAX 64
#define PROOF_MAX  128

/* Three families of files, told apart by their fields: the tree of RFC 6962,
 * the shard trees and multi-proofs of this design, and single inclusion or
 * consistency proofs of transparency-dev/merkle, good or wrong in one way. */

static void run_rfc6962(const json_t *root, struct vectors_report *r)
{
    const json_t *inputs = json_object_get(root, "leaf_inputs"), *item;
    const json_t *roots = json_object_get(root, "roots");
    struct merkle_range range;
    struct digest want, got;
    char name[32];
    size_t i, size;

    merkle_range_init(&range);
    json_array_foreach(roots, i, item)
    {
        const char *hex = json_string_value(item);
        const char *input = json_string_value(json_array_get(inputs, i));
        uint8_t bytes[64];

        merkle_range_root(&range, &got);
        snprintf(name, sizeof(name), "%zu leaves", i);
        vectors_case(r,
                     hex != NULL &&
                         sodium_hex2bin(want.bytes, DIGEST_SIZE, hex,
                                        strlen(hex), NULL, &size, NULL) == 0 &&
                         size == DIGEST_SIZE && digest_equal(&want, &got),
                     name);
        if (input != NULL &&
            sodium_hex2bin(bytes, sizeof(bytes), input, strlen(input), NULL,
                           &size, NULL) == 0) {
            merkle_leaf(slice_of(bytes, size), &got);
            merkle_range_append(&range, &got, NULL, NULL);
        }
    }
    vectors_case(r, range.leaves + 1 == json_array_size(roots),
                 "a root for every number of leaves");
}

/* One shard of model-audit.json, and its leaf hashes. */
struct shard {
    uint64_t leaves;
    struct digest hashes[LEAVES_MAX], root;
};

/* The bytes are SHA512(seed || u64le i) for i = 0, 1, ... */
static bool shard_hash(struct shard *s, size_t number, size_t size)
{
    uint8_t *bytes = malloc(size + SHA512_SIZE), seed[32];
    struct merkle_range range;
    size_t seed_size, whole = size / LEAF_SIZE;

    if (bytes == NULL || (size + LEAF_SIZE - 1) / LEAF_SIZE > LEAVES_MAX) {
        free(bytes);
        return false;
    }
    seed_size = (size_t)snprintf((char *)seed, 16, "shard%zu", number);
    for (size_t at = 0; at < size; at += SHA512_SIZE) {
        u64le_store(seed + seed_size, at / SHA512_SIZE);
        sha512(slice_of(seed, seed_size + 8), bytes + at);
    }
    merkle_leaves(bytes, whole, s->hashes);
    s->leaves = whole;
    if (size % LEAF_SIZE != 0) {
        merkle_leaf(slice_of(bytes + whole * LEAF_SIZE, size % LEAF_SIZE),
                    &s->hashes[s->leaves++]);
    }
    merkle_range_init(&range);
    for (uint64_t i = 0; i < s->leaves; i++) {
        merkle_range_append(&range, &s->hashes[i], NULL, NULL);
    }
    merkle_range_root(&range, &s->root);
    free(bytes);
    return true;
}

static int shard_lookup(void *arg, uint64_t lo, uint64_t hi, struct digest *out)
{
    const struct shard *s = arg;
    struct merkle_range range;

    /* A subtree has the shape of a tree of its own. */
    merkle_range_init(&range);
    for (uint64_t i = lo; i < hi; i++) {
        merkle_range_append(&range, &s->hashes[i], NULL, NULL);
    }
    merkle_range_root(&range, out);
    return OK;
}

static bool digest_from(const json_t *item, struct digest *out)
{
    const char *hex = json_string_value(item);
    size_t size;

    return hex != NULL &&
           sodium_hex2bin(out->bytes, DIGEST_SIZE, hex, strlen(hex), NULL,
                          &size, NULL) == 0 &&
           size == DIGEST_SIZE;
}

/* Our prover makes the nodes of the file; our verifier takes them, and takes
 * them for one leaf more exactly when the file says so: the number of leaves
 * is not the prover's to choose. */
static bool multiproof_is_expected(struct shard *s, const json_t *proof)
{
    const json_t *indices = json_object_get(proof, "indices");
    const json_t *nodes = json_object_get(proof, "nodes");
    bool more =
        json_is_true(json_object_get(proof, "also_verifies_with_N_plus_1"));
    uint64_t samples[LEAVES_MAX];
    struct digest hashes[LEAVES_MAX], want[PROOF_MAX], got[PROOF_MAX];
    size_t len = json_array_size(indices), want_len = json_array_size(nodes);
    size_t got_len;

    if (len > LEAVES_MAX || want_len > PROOF_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        samples[i] = (uint64_t)json_integer_value(json_array_get(indices, i));
        if (samples[i] >= s->leaves) {
            return false;
        }
        hashes[i] = s->hashes[samples[i]];
    }
    for (size_t i = 0; i < want_len; i++) {
        if (!digest_from(json_array_get(nodes, i), &want[i])) {
            return false;
        }
    }
    return merkle_multi_prove(s->leaves, samples, len, shard_lookup, s, got,
                              PROOF_MAX, &got_len) == OK &&
           got_len == want_len &&
           memcmp(got, want, want_len * sizeof(want[0])) == 0 &&
           merkle_multi_verify(s->leaves, samples, len, hashes, want, want_len,
                               &s->root) == OK &&
           (merkle_multi_verify(s->leaves + 1, samples, len, hashes, want,
                                want_len, &s->root) == OK) == more;
}

static void run_shards(const json_t *shards, struct vectors_report *r)
{
    static struct shard s;
    const json_t *item, *proof;
    struct digest want;
    char name[64];
    size_t i, j;

    json_array_foreach(shards, i, item)
    {
        size_t size = (size_t)json_integer_value(json_object_get(item, "size"));
        uint64_t leaves =
            (uint64_t)json_integer_value(json_object_get(item, "leaves"));
        bool good = shard_hash(&s, i, size) && s.leaves == leaves &&
                    digest_from(json_object_get(item, "root"), &want) &&
                    digest_equal(&want, &s.root);

        snprintf(name, sizeof(name), "shard %zu", i);
        vectors_case(r, good, name);
        json_array_foreach(json_object_get(item, "multiproofs"), j, proof)
        {
            snprintf(name, sizeof(name), "shard %zu proof %zu", i, j);
            vectors_case(r, good && multiproof_is_expected(&s, proof), name);
        }
    }
}

/* The files of transparency-dev hold base64, and put strings that are no
 * digests where digests belong. Nothing at all is refused, as by a decoder;
 * other lengths become digests, so that equal stays equal. */
static bool digest_base64(const json_t *item, struct digest *out)
{
    const char *text = json_string_value(item);
    uint8_t bytes[256];
    size_t size;

    if (text == NULL ||
        sodium_base642bin(bytes, sizeof(bytes), text, strlen(text), NULL, &size,
                          NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        size == 0) {
        return false;
    }
    if (size == DIGEST_SIZE) {
        memcpy(out->bytes, bytes, DIGEST_SIZE);
    } else {
        sha256(slice_of(bytes, size), out);
    }
    return true;
}

static bool proof_base64(const json_t *root, struct digest *proof, size_t *len)
{
    const json_t *items = json_object_get(root, "proof"), *item;
    size_t i;

    *len = json_array_size(items);
    if (*len > PROOF_MAX) {
        return false;
    }
    json_array_foreach(items, i, item)
    {
        if (!digest_base64(item, &proof[i])) {
            return false;
        }
    }
    return true;
}

/* vectors_archive.sh puts what jansson cannot hold in quotes. */
static uint64_t number(const json_t *root, const char *name)
{
    const json_t *item = json_object_get(root, name);

    return json_is_string(item) ? strtoull(json_string_value(item), NULL, 10)
                                : (uint64_t)json_integer_value(item);
}

static bool inclusion_holds(const json_t *root)
{
    struct digest leaf, top, proof[PROOF_MAX];
    size_t len;

    return digest_base64(json_object_get(root, "leafHash"), &leaf) &&
           digest_base64(json_object_get(root, "root"), &top) &&
           proof_base64(root, proof, &len) &&
           merkle_inclusion_verify(&leaf, number(root, "leafIdx"),
                                   number(root, "treeSize"), proof, len,
                                   &top) == OK;
}

static bool consistency_holds(const json_t *root)
{
    struct digest first, second, proof[PROOF_MAX];
    size_t len;

    return digest_base64(json_object_get(root, "root1"), &first) &&
           digest_base64(json_object_get(root, "root2"), &second) &&
           proof_base64(root, proof, &len) &&
           merkle_consistency_verify(number(root, "size1"),
                                     number(root, "size2"), &first, &second,
                                     proof, len) == OK;
}

void vectors_merkle(json_t *root, struct vectors_report *r)
{
    const json_t *wrong = json_object_get(root, "wantErr");
    const char *name = json_string_value(json_object_get(root, "desc"));

    name = name == NULL ? "proof" : name;
    if (json_object_get(root, "leaf_inputs") != NULL) {
        run_rfc6962(root, r);
    } else if (json_object_get(root, "shards") != NULL) {
        run_shards(json_object_get(root, "shards"), r);
        vectors_skip(r, "challenge: no audits yet");
    } else if (json_object_get(root, "start") != NULL) {
        vectors_skip(r, "proofs of subtrees are not spoken here");
    } else if (json_object_get(root, "leafIdx") != NULL) {
        vectors_case(r, inclusion_holds(root) == json_is_false(wrong), name);
    } else if (json_object_get(root, "size1") != NULL) {
        vectors_case(r, consistency_holds(root) == json_is_false(wrong), name);
    } else {
        vectors_case(r, false, "a file of a known family");
    }
}
