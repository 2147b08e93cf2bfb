#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypto/hash.h"
#include "crypto/primitives.h"
#include "replication/coding/segment.h"
#include "tests/bench/bench.h"

/* bench_stages [FOLDER]: what each stage of a deposit costs on one core: one
 * JSON object of MB/s (1e6 bytes a second of processor time, so that a busy
 * machine disturbs little), the median of ROUNDS. With a folder also its disk,
 * there with the clock on the wall as well.
 *
 * The unit is bytes of input, but for rebuild_* (bytes rebuilt), tree_append
 * (bytes of leaves whose hashes are appended) and *_open (bytes of plaintext).
 * Of a link, "transport" is both ends together.
 */

#define ROUNDS       5
#define ROUND_S      0.1
#define SEGMENT_SIZE (32U << 20)
#define BLOCK        (8U << 20) /* For the stages of plain bytes. */
#define WEIGHTS      (2U << 20)
#define CELL         ERASURE_TILE
#define LINK_SIZE    ((uint64_t)512 << 20)
#define DISK_SIZE    ((uint64_t)256 << 20)

/* |begin| runs once, |prepare| before every run, neither of them timed; |run|
 * answers how many bytes it did. */
struct stage {
    const char *name;
    void (*begin)(const struct stage *st);
    void (*prepare)(void);
    size_t (*run)(void);
    uint16_t k, n;
    enum codec_choice codec;
};

static struct rng rng;
static uint8_t *weights; /* SEGMENT_SIZE, as a layer of bfloat16. */
static uint8_t *mem, *data, *scratch, *cells;
static struct codec_state *codec;
static struct aead_key key;
static uint8_t tags[BLOCK / CHUNKED_CHUNK_SIZE][AEAD_TAG_SIZE];
static uint8_t *sealed;
static struct digest hashes[BLOCK / LEAF_SIZE];
static struct segment_params params;
static struct erasure_plan plan;
static struct segment_room room;
static struct segment_result res;
static size_t frame_size;

void must(bool ok)
{
    if (!ok) {
        fprintf(stderr, "bench_stages: a stage failed\n");
        exit(EXIT_FAILURE);
    }
}

static uint8_t *allocate(size_t size)
{
    uint8_t *p = aligned_alloc(4096, (size + 4095) / 4096 * 4096);

    must(p != NULL);
    memset(p, 1, size); /* No page is touched for the first time later. */
    return p;
}

/* Numbers near a Gaussian of deviation 0.02, sums of twelve uniform ones, cut
 * to sixteen bits. They repeat after more than zstd looks back at. */
static void fill_weights(void)
{
    uint16_t parts[12];
    uint32_t bits;
    float sum;

    for (size_t i = 0; i < WEIGHTS; i += 2) {
        rng_bytes(&rng, parts, sizeof(parts));
        sum = -6.0F;
        for (size_t j = 0; j < 12; j++) {
            sum += (float)parts[j] / 65536.0F;
        }
        sum *= 0.02F;
        memcpy(&bits, &sum, sizeof(bits));
        u16le_store(weights + i, (uint16_t)(bits >> 16));
    }
    for (size_t i = WEIGHTS; i < SEGMENT_SIZE; i += WEIGHTS) {
        memcpy(weights + i, weights, WEIGHTS);
    }
}

static size_t run_sha256(void)
{
    struct digest d;

    sha256(slice_of(weights, BLOCK), &d);
    return BLOCK;
}

static size_t run_leaves(void)
{
    merkle_leaves(weights, BLOCK / LEAF_SIZE, hashes);
    return BLOCK;
}

static size_t run_tree_append(void)
{
    struct merkle_range range;

    merkle_range_init(&range);
    merkle_range_append_run(&range, 0, hashes, BLOCK / LEAF_SIZE, NULL, NULL);
    return BLOCK;
}

static const uint8_t nonce[AEAD_NONCE_SIZE] = {1};

static size_t run_aead_seal(void)
{
    for (size_t i = 0; i < BLOCK / CHUNKED_CHUNK_SIZE; i++) {
        size_t off = i * CHUNKED_CHUNK_SIZE;

        aead_seal(&key, nonce, slice_of(NULL, 0),
                  slice_of(weights + off, CHUNKED_CHUNK_SIZE), sealed + off,
                  tags[i]);
    }
    return BLOCK;
}

static void begin_aead_open(const struct stage *st)
{
    (void)st;
    (void)run_aead_seal();
}

static size_t run_aead_open(void)
{
    for (size_t i = 0; i < BLOCK / CHUNKED_CHUNK_SIZE; i++) {
        size_t off = i * CHUNKED_CHUNK_SIZE;

        must(aead_open(&key, nonce, slice_of(NULL, 0),
                       slice_of(sealed + off, CHUNKED_CHUNK_SIZE), tags[i],
                       scratch + off) == OK);
    }
    return BLOCK;
}

static void on_frame(void *arg, struct slice piece)
{
    (void)arg;
    memcpy(sealed + frame_size, piece.data, piece.size);
    frame_size += piece.size;
}

static size_t run_zstd_encode(void)
{
    frame_size = 0;
    must(codec_encode(codec, CODEC_ZSTD, slice_of(weights, BLOCK), BLOCK,
                      on_frame, NULL) == OK);
    return BLOCK;
}

static void begin_zstd_decode(const struct stage *st)
{
    (void)st;
    (void)run_zstd_encode();
}

static size_t run_zstd_decode(void)
{
    must(codec_decode(codec, CODEC_ZSTD, slice_of(sealed, frame_size), scratch,
                      BLOCK) == OK);
    return BLOCK;
}

static void begin_code(const struct stage *st)
{
    must(erasure_init(&params.code, st->k, st->n) == OK);
}

static size_t run_encode(void)
{
    const uint8_t *in[ERASURE_K_MAX];
    uint8_t *out[MANIFEST_SHARDS_MAX];

    for (size_t i = 0; i < params.code.n; i++) {
        if (i < params.code.k) {
            in[i] = cells + i * CELL;
        } else {
            out[i - params.code.k] = cells + i * CELL;
        }
    }
    erasure_encode(&params.code, in, out, CELL);
    return (size_t)params.code.k * CELL;
}

/* As many data cells lost as the code has parity or data. */
static void begin_rebuild(const struct stage *st)
{
    uint8_t present[ERASURE_K_MAX], want[MANIFEST_SHARDS_MAX];
    uint16_t parity = (uint16_t)(st->n - st->k);
    uint16_t lost = parity < st->k ? parity : st->k;

    begin_code(st);
    (void)run_encode();
    for (uint16_t i = 0; i < lost; i++) {
        want[i] = (uint8_t)i;
    }
    for (uint16_t i = 0; i < st->k; i++) {
        present[i] = (uint8_t)(lost + i);
    }
    must(erasure_plan_init(&plan, &params.code, present, want, lost) == OK);
}

static size_t run_rebuild(void)
{
    const uint8_t *have[ERASURE_K_MAX];
    uint8_t *out[MANIFEST_SHARDS_MAX];

    for (size_t i = 0; i < plan.k; i++) {
        have[i] = cells + (size_t)plan.present[i] * CELL;
    }
    for (size_t i = 0; i < plan.want_len; i++) {
        out[i] = cells + (size_t)plan.want[i] * CELL;
    }
    erasure_rebuild(&plan, have, out, CELL);
    return (size_t)plan.want_len * CELL;
}

/* Sealing uses up the plaintext: the copy stands for reading it. */
static size_t run_segment_seal(void)
{
    memcpy(room.plain, weights, SEGMENT_SIZE);
    must(segment_seal(&params, codec, &rng, 7, SEGMENT_SIZE, &room, &res) ==
         OK);
    return SEGMENT_SIZE;
}

static void begin_segment(const struct stage *st)
{
    begin_code(st);
    must(segment_room_size(st->k, st->n, SEGMENT_SIZE) <=
         segment_room_size(20, 30, SEGMENT_SIZE));
    params.codec = st->codec;
    segment_room_init(&room, st->k, st->n, SEGMENT_SIZE, mem);
    (void)run_segment_seal();
}

static void fetch_segment(void)
{
    memcpy(data, room.data, res.ciphertext_size);
}

static size_t run_segment_open(void)
{
    struct slice plain;

    must(segment_open(&params, codec, 7, data, res.ciphertext_size, scratch,
                      &plain) == OK);
    must(plain.size == SEGMENT_SIZE);
    return plain.size;
}

static const struct stage stages[] = {
    {.name = "sha256", .run = run_sha256},
    {.name = "leaves", .run = run_leaves},
    {.name = "tree_append", .run = run_tree_append},
    {.name = "aead_seal", .run = run_aead_seal},
    {.name = "aead_open", .begin = begin_aead_open, .run = run_aead_open},
    {.name = "zstd_encode", .run = run_zstd_encode},
    {.name = "zstd_decode", .begin = begin_zstd_decode, .run = run_zstd_decode},
    {.name = "encode_4_3",
     .begin = begin_code,
     .run = run_encode,
     .k = 4,
     .n = 7},
    {.name = "rebuild_4_3",
     .begin = begin_rebuild,
     .run = run_rebuild,
     .k = 4,
     .n = 7},
    {.name = "encode_10_6",
     .begin = begin_code,
     .run = run_encode,
     .k = 10,
     .n = 16},
    {.name = "rebuild_10_6",
     .begin = begin_rebuild,
     .run = run_rebuild,
     .k = 10,
     .n = 16},
    {.name = "encode_20_10",
     .begin = begin_code,
     .run = run_encode,
     .k = 20,
     .n = 30},
    {.name = "rebuild_20_10",
     .begin = begin_rebuild,
     .run = run_rebuild,
     .k = 20,
     .n = 30},
    {.name = "segment_seal_raw_4_3",
     .begin = begin_segment,
     .run = run_segment_seal,
     .k = 4,
     .n = 7,
     .codec = CODEC_CHOOSE_RAW},
    {.name = "segment_open_raw_4_3",
     .begin = begin_segment,
     .prepare = fetch_segment,
     .run = run_segment_open,
     .k = 4,
     .n = 7,
     .codec = CODEC_CHOOSE_RAW},
    {.name = "segment_seal_raw_10_6",
     .begin = begin_segment,
     .run = run_segment_seal,
     .k = 10,
     .n = 16,
     .codec = CODEC_CHOOSE_RAW},
    {.name = "segment_open_raw_10_6",
     .begin = begin_segment,
     .prepare = fetch_segment,
     .run = run_segment_open,
     .k = 10,
     .n = 16,
     .codec = CODEC_CHOOSE_RAW},
    {.name = "segment_seal_zstd_10_6",
     .begin = begin_segment,
     .run = run_segment_seal,
     .k = 10,
     .n = 16,
     .codec = CODEC_CHOOSE_ZSTD},
    {.name = "segment_open_zstd_10_6",
     .begin = begin_segment,
     .prepare = fetch_segment,
     .run = run_segment_open,
     .k = 10,
     .n = 16,
     .codec = CODEC_CHOOSE_ZSTD},
};

static double thread_s(void)
{
    struct timespec t;

    must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double stage_rate(const struct stage *st)
{
    double rates[ROUNDS], spent, from;
    size_t done;

    if (st->begin != NULL) {
        st->begin(st);
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        done = 0;
        spent = 0;
        while (spent < ROUND_S) {
            if (st->prepare != NULL) {
                st->prepare();
            }
            from = thread_s();
            done += st->run();
            spent += thread_s() - from;
        }
        rates[i] = (double)done / spent / 1e6;
    }
    qsort(rates, ROUNDS, sizeof(rates[0]), by_value);
    return rates[ROUNDS / 2];
}

static void start(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = {'b'};

    must(primitives_init() == OK);
    must(codec_state_new(&codec) == OK);
    rng_init_seed(&rng, seed);
    aead_key_init(&key, seed);
    memcpy(params.key.root, seed, sizeof(params.key.root));
    params.segment_size = SEGMENT_SIZE;
    weights = allocate(SEGMENT_SIZE);
    fill_weights();
    sealed = allocate(BLOCK);
    scratch = allocate(SEGMENT_SIZE);
    cells = allocate((size_t)MANIFEST_SHARDS_MAX * CELL);
    mem = allocate(segment_room_size(20, 30, SEGMENT_SIZE)); /* The largest. */
    data = allocate(SEGMENT_SIZE + SEGMENT_SIZE / 64);
}

static double median(double *rates)
{
    qsort(rates, ROUNDS, sizeof(rates[0]), by_value);
    return rates[ROUNDS / 2] / 1e6;
}

static void print_transport(void)
{
    double both[ROUNDS], send[ROUNDS], receive[ROUNDS];

    for (size_t i = 0; i < ROUNDS; i++) {
        struct transport_rates r;

        bench_transport(weights, SEGMENT_SIZE, LINK_SIZE, &r);
        send[i] = r.send;
        receive[i] = r.receive;
        both[i] = 1 / (1 / r.send + 1 / r.receive);
    }
    printf(",\n    \"transport\": %.0f,\n    \"transport_send\": %.0f,\n"
           "    \"transport_receive\": %.0f",
           median(both), median(send), median(receive));
}

static void print_disk(const char *folder)
{
    double rates[5][ROUNDS];
    struct disk_rates r = {.direct = false};

    for (size_t i = 0; i < ROUNDS; i++) {
        bench_disk(folder, weights, DISK_SIZE, &r);
        rates[0][i] = r.write.cpu;
        rates[1][i] = r.read.cpu;
        rates[2][i] = r.cached.cpu;
        rates[3][i] = r.write.wall;
        rates[4][i] = r.read.wall;
    }
    printf(",\n    \"disk_write\": %.0f,\n    \"disk_read\": %.0f,\n"
           "    \"cached_read\": %.0f\n  },\n",
           median(rates[0]), median(rates[1]), median(rates[2]));
    printf("  \"disk_direct\": %s,\n  \"wall_mb_per_s\": {\n"
           "    \"disk_write\": %.0f,\n    \"disk_read\": %.0f\n  }\n}\n",
           r.direct ? "true" : "false", median(rates[3]), median(rates[4]));
}

int main(int argc, char **argv)
{
    start();
    printf("{\n  \"aead_kernel\": \"%s\",\n  \"leaves_wide\": %s,\n",
           aead_kernel(), merkle_is_wide() ? "true" : "false");
    printf("  \"mb_per_s\": {\n");
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        printf("%s    \"%s\": %.0f", i > 0 ? ",\n" : "", stages[i].name,
               stage_rate(&stages[i]));
        (void)fflush(stdout);
    }
    print_transport();
    if (argc > 1) {
        print_disk(argv[1]);
    } else {
        printf("\n  }\n}\n");
    }
    return EXIT_SUCCESS;
}
