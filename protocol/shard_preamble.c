#include "protocol/shard.h"
#include "protocol/words.h"

/* The explanation of version 1, for a reader who has nothing else. Frozen: it
 * is under the root of every shard, and a shard that is built anew must come
 * out with the same bytes. Any other text is another version. */
static const char explanation[] =
    "PLEASE DO NOT DELETE THIS FILE. It is one of the N shards of a Cairn\n"
    "deposit: files, most likely the weights of an AI model, that were\n"
    "encrypted and spread over N institutions to be kept for decades. Alone\n"
    "it reveals nothing and is worth nothing; with others it may be the last\n"
    "copy. Copy it as it is, with the files that lie beside it.\n"
    "\n"
    "WHAT IS NEEDED. Any K shards with the same Deposit line, and any t of\n"
    "the N key shares, which the custodians of the institutions keep apart\n"
    "and open together; fewer than t tell nothing. Beside each shard lies a\n"
    "file \"manifest\" with the number t, the holders and the hashes.\n"
    "\n"
    "WHOM TO ASK. The institution that held this disk, or its successor;\n"
    "then any other that holds a shard; then the Lab. All is specified in\n"
    "docs/FORMAT.md of the software Cairn. What follows is enough to begin.\n"
    "\n"
    "LAYOUT. Integers are little-endian. A leaf is 4096 bytes; this text is\n"
    "the first. The last is the trailer: at 0 CRNTRAIL; 8 u16 version; 10 u8\n"
    "suite of content, of code, of tree (1: as told here); 14 u16 I, K, N;\n"
    "20 u32 segment size; 24 u64 number of segments; 32 u32 how many of\n"
    "them, at the end, hold the list of files; 40 u64 offset of the table;\n"
    "48 deposit id; 80 SHA-256 of bytes 0-79. The table has for each segment\n"
    "u32 leaves of its cell here, u32 bytes of its ciphertext. The cells\n"
    "follow one another from byte 4096 on.\n"
    "\n"
    "TREE. RFC 6962 with SHA-256 over the leaves. The manifest is msgpack\n"
    "[header, signature, payload]; the payload has at 13 t, at 15 the roots\n"
    "of all shards, at 16 the holders, counting from 0.\n"
    "\n"
    "CODE. A segment's ciphertext, padded with zeros, is cut into K equal\n"
    "cells 0 .. K-1. Cell r from K on is the sum over j < K of cell j times\n"
    "the inverse of (r xor j), byte by byte in GF(2^8) with polynomial\n"
    "0x11d. Shard I has all cells I. Any K cells give the first K.\n"
    "\n"
    "KEY. An opened share is a file: CRNSHARE, then msgpack [1, deposit id,\n"
    "hash of manifest, epoch, i, f(i), g(i)]. f has degree t-1 modulo q =\n"
    "2^252 + 27742317777372353535851937790883648493. From t shares of one\n"
    "epoch interpolate s = f(0), 32 bytes. HKDF is RFC 5869 with SHA-512.\n"
    "  TH(x, p..) = SHA-256(u8 length of D, D; for each p: u64 length of p,\n"
    "    p), D = \"cairn/v1/\" x\n"
    "  prk = HKDF-Extract(salt = TH(\"root-salt\", deposit id), s)\n"
    "  root = HKDF-Expand(prk, \"cairn/v1/content-root\", 32)\n"
    "For segment i, counted from 0:\n"
    "  key = HKDF-Expand(root, \"cairn/v1/segment\" u64 i, 32)\n"
    "  context = TH(\"segment-ctx\", deposit id, u64 i)\n"
    "\n"
    "CIPHER. C2SP chunked-encryption, \"Cobblestone-256\": salt[24],\n"
    "commitment[32], chunks.\n"
    "  HKDF-Expand(key, \"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\"\n"
    "    0x00 salt context, 76) = k[32], nonce[12], commitment[32]\n"
    "Chunk c is AES-256-GCM with k and nonce xor c (big-endian) of 16384\n"
    "bytes, the last of fewer, and a tag of 16.\n"
    "\n"
    "CONTENT. A segment opens to u8 codec, u32 length of plaintext, payload.\n"
    "Codec 0: the plaintext itself; 1: zstd (RFC 8878). The last segments\n"
    "hold the list of files in msgpack (path, size, mode, SHA-256, place);\n"
    "the others, joined in order, are the bytes of all files in that order.\n";

#define MAGIC      "CRNSHARD "
#define HEX_SIZE   ((size_t)2 * DIGEST_SIZE)
#define FIRST_LINE MAGIC "1\n"

static bool preamble_is_sound(const struct shard_preamble *p)
{
    return manifest_code_is_valid(p->k, p->n) && p->index < p->n &&
           manifest_label_is_valid(slice_str(p->label));
}

void shard_preamble_encode(const struct shard_preamble *p,
                           uint8_t out[LEAF_SIZE])
{
    char text[LEAF_SIZE];
    struct words w;

    assert(preamble_is_sound(p));
    words_init(&w, text, sizeof(text));
    words_add(&w, FIRST_LINE "Deposit: ");
    words_hex(&w, &p->deposit_id);
    words_add(&w, "\nNetwork: ");
    words_hex(&w, &p->net);
    words_add(&w, "\nLab: ");
    words_hex(&w, &p->lab);
    words_add(&w, "\nShard: ");
    words_number(&w, p->index);
    words_add(&w, " of ");
    words_number(&w, p->n);
    words_add(&w, ", any ");
    words_number(&w, p->k);
    words_add(&w, " restore\nLabel: ");
    words_add(&w, p->label);
    words_add(&w, "\n\n");
    words_add(&w, explanation);
    assert(!w.cut);
    memset(out, ' ', LEAF_SIZE);
    memcpy(out, text, w.len);
    out[LEAF_SIZE - 1] = '\n';
}

/* Takes the preamble apart. Like canon_reader it remembers an error and then
 * yields nothing. It need not be strict about how things are written: the
 * decoder encodes again what it has read, and compares. */
struct reader {
    const uint8_t *in;
    size_t at;
    bool bad;
};

static void skip(struct reader *r, const char *text)
{
    size_t size = strlen(text);

    if (r->bad || size > LEAF_SIZE - r->at ||
        memcmp(r->in + r->at, text, size) != 0) {
        r->bad = true;
        return;
    }
    r->at += size;
}

static uint8_t hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return (uint8_t)(c - '0');
    }
    return c >= 'a' && c <= 'f' ? (uint8_t)(c - 'a' + 10) : 0;
}

static void get_hex(struct reader *r, struct digest *out)
{
    if (r->bad || HEX_SIZE > LEAF_SIZE - r->at) {
        r->bad = true;
        return;
    }
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        const uint8_t *c = r->in + r->at + 2 * i;

        out->bytes[i] = (uint8_t)(hex_value(c[0]) << 4 | hex_value(c[1]));
    }
    r->at += HEX_SIZE;
}

static uint16_t get_number(struct reader *r)
{
    uint16_t v = 0;

    while (!r->bad && r->at < LEAF_SIZE && r->in[r->at] >= '0' &&
           r->in[r->at] <= '9') {
        v = (uint16_t)(v * 10 + (r->in[r->at] - '0'));
        r->at++;
    }
    return v;
}

static void get_line(struct reader *r, char out[MANIFEST_LABEL_MAX + 1])
{
    const uint8_t *line = r->in + r->at;
    const uint8_t *end = memchr(line, '\n', LEAF_SIZE - r->at);

    if (r->bad || end == NULL || end - line > MANIFEST_LABEL_MAX) {
        r->bad = true;
        return;
    }
    memcpy(out, line, (size_t)(end - line));
    out[end - line] = 0;
}

static int first_line_check(const uint8_t in[LEAF_SIZE])
{
    if (memcmp(in, MAGIC, strlen(MAGIC)) != 0) {
        return ERR_BAD;
    }
    return memcmp(in, FIRST_LINE, strlen(FIRST_LINE)) == 0 ? OK
                                                           : ERR_UNSUPPORTED;
}

int shard_preamble_decode(struct shard_preamble *p, const uint8_t in[LEAF_SIZE])
{
    struct reader r = {.in = in, .at = 0, .bad = false};
    struct shard_preamble got = {0};
    uint8_t again[LEAF_SIZE];
    int rv = first_line_check(in);

    if (rv != OK) {
        return rv;
    }
    skip(&r, FIRST_LINE "Deposit: ");
    get_hex(&r, &got.deposit_id);
    skip(&r, "\nNetwork: ");
    get_hex(&r, &got.net);
    skip(&r, "\nLab: ");
    get_hex(&r, &got.lab);
    skip(&r, "\nShard: ");
    got.index = get_number(&r);
    skip(&r, " of ");
    got.n = get_number(&r);
    skip(&r, ", any ");
    got.k = get_number(&r);
    skip(&r, " restore\nLabel: ");
    get_line(&r, got.label);
    if (r.bad || !preamble_is_sound(&got)) {
        return ERR_BAD;
    }
    shard_preamble_encode(&got, again);
    if (memcmp(in, again, LEAF_SIZE) != 0) {
        return ERR_BAD;
    }
    *p = got;
    return OK;
}
