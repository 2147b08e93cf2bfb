#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "replication/coding/segment.h"
#include "tests/vectors.h"

/* Segments of this design: from plaintext, key and salt to the cells of a
 * code, their digests and the roots over their leaves. */

#define SEGMENT_SIZE (1U << 20)

/* Inputs named by label: SHAKE256("cairn/v1/test/" || label). */
static bool labelled(const char *label, uint8_t *out, size_t size)
{
    static const char prefix[] = "cairn/v1/test/";
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md != NULL && EVP_DigestInit_ex(md, EVP_shake256(), NULL) == 1 &&
              EVP_DigestUpdate(md, prefix, sizeof(prefix) - 1) == 1 &&
              EVP_DigestUpdate(md, label, strlen(label)) == 1 &&
              (size == 0 || EVP_DigestFinalXOF(md, out, size) == 1);

    EVP_MD_CTX_free(md);
    return ok;
}

static bool number_is(const json_t *v, const char *key, uint64_t got)
{
    const json_t *want = json_object_get(v, key);

    return json_is_integer(want) && (uint64_t)json_integer_value(want) == got;
}

static bool digest_is(const json_t *hex, const struct digest *got)
{
    char text[2 * DIGEST_SIZE + 1];

    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", got->bytes[i]);
    }
    return json_is_string(hex) && strcmp(json_string_value(hex), text) == 0;
}

/* Key and context of the segment alone. */
static bool key_matches(const json_t *v, const struct segment_params *p)
{
    uint64_t index = (uint64_t)json_integer_value(json_object_get(v, "index"));
    uint8_t key[CHUNKED_KEY_SIZE], want[CHUNKED_KEY_SIZE];
    struct digest context;

    content_key_segment(&p->key, index, key, &context);
    return vectors_hex_into(v, "segment_key", want, sizeof(want)) &&
           memcmp(key, want, sizeof(key)) == 0 &&
           digest_is(json_object_get(v, "context"), &context);
}

static bool cell_matches(const json_t *v,
                         size_t i,
                         const struct segment_params *p,
                         const struct segment_room *room,
                         const struct segment_result *res)
{
    const struct digest *leaves = segment_cell_leaves(room, res, (uint16_t)i);
    struct merkle_range range;
    struct digest got;

    sha256(slice_of(segment_cell(p, room, res, (uint16_t)i),
                    (size_t)res->cell_leaves * LEAF_SIZE),
           &got);
    if (!digest_is(json_array_get(json_object_get(v, "cell_sha256"), i),
                   &got)) {
        return false;
    }
    merkle_range_init(&range);
    for (size_t leaf = 0; leaf < res->cell_leaves; leaf++) {
        merkle_range_append(&range, &leaves[leaf], NULL, NULL);
    }
    merkle_range_root(&range, &got);
    return digest_is(json_array_get(json_object_get(v, "cell_root"), i), &got);
}

/* Ciphertext and cells. */
static bool cells_match(const json_t *v,
                        const struct segment_params *p,
                        const struct segment_room *room,
                        const struct segment_result *res)
{
    struct digest got;

    if (!number_is(v, "cell_leaves", res->cell_leaves) ||
        !number_is(v, "ciphertext_len", res->ciphertext_size) ||
        json_array_size(json_object_get(v, "cell_root")) != p->code.n) {
        return false;
    }
    sha256(slice_of(room->data, res->ciphertext_size), &got);
    if (!digest_is(json_object_get(v, "ciphertext_sha256"), &got)) {
        return false;
    }
    for (size_t i = 0; i < p->code.n; i++) {
        if (!cell_matches(v, i, p, room, res)) {
            return false;
        }
    }
    return true;
}

static bool opens(const struct segment_params *p,
                  struct codec_state *state,
                  uint64_t index,
                  struct segment_room *room,
                  const struct segment_result *res,
                  const char *label)
{
    uint8_t *scratch = malloc(SEGMENT_SIZE), *want = malloc(SEGMENT_SIZE);
    struct slice plain = slice_of(NULL, 0);
    bool ok = scratch != NULL && want != NULL &&
              segment_open(p, state, index, room->data, res->ciphertext_size,
                           scratch, &plain) == OK;

    ok = ok && labelled(label, want, plain.size) &&
         slice_equal(plain, slice_of(want, plain.size));
    free(scratch);
    free(want);
    return ok;
}

static bool segment_matches(const json_t *v,
                            struct segment_params *p,
                            struct codec_state *state)
{
    uint64_t index = (uint64_t)json_integer_value(json_object_get(v, "index"));
    size_t size = (size_t)json_integer_value(json_object_get(v, "plain_len"));
    uint16_t k = (uint16_t)json_integer_value(json_object_get(v, "k"));
    uint16_t n = (uint16_t)json_integer_value(json_object_get(v, "n"));
    const char *label = json_string_value(json_object_get(v, "plain"));
    uint8_t salt[CHUNKED_SALT_SIZE], *mem;
    struct segment_room room;
    struct segment_result res;
    bool ok;

    if (label == NULL || size > SEGMENT_SIZE || !number_is(v, "codec", 0) ||
        !vectors_hex_into(v, "salt", salt, sizeof(salt)) ||
        erasure_init(&p->code, k, n) != OK || !key_matches(v, p)) {
        return false;
    }
    mem = aligned_alloc(64, segment_room_size(k, n, SEGMENT_SIZE));
    if (mem == NULL) {
        abort();
    }
    segment_room_init(&room, k, n, SEGMENT_SIZE, mem);
    ok = labelled(label, room.plain, size) &&
         segment_seal_with_salt(p, state, CODEC_RAW, salt, index, size, &room,
                                &res) == OK &&
         cells_match(v, p, &room, &res) &&
         opens(p, state, index, &room, &res, label);
    free(mem);
    return ok;
}

void vectors_segment(json_t *root, struct vectors_report *r)
{
    static struct segment_params p;
    struct codec_state *state = NULL;
    const json_t *v;
    size_t i;
    char name[32];

    p.segment_size = SEGMENT_SIZE;
    p.codec = CODEC_CHOOSE_RAW;
    if (!vectors_hex_into(root, "deposit_id", p.key.deposit_id.bytes,
                          DIGEST_SIZE) ||
        !vectors_hex_into(root, "content_root", p.key.root,
                          sizeof(p.key.root)) ||
        codec_state_new(&state) != OK) {
        vectors_case(r, false, "the common inputs");
        return;
    }
    json_array_foreach(json_object_get(root, "segments"), i, v)
    {
        (void)snprintf(name, sizeof(name), "segment %zu", i);
        vectors_case(r, segment_matches(v, &p, state), name);
    }
    codec_state_free(state);
}
