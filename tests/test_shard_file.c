#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "crypto/rng.h"
#include "node/shard/shard_file.h"
#include "tests/scratch.h"

#define LEAVES_MAX 300U

static char errmsg[ERRMSG_SIZE];
static struct shard_file f;
static struct rng rng;
static uint8_t *bytes; /* What the shard should hold. */
static struct digest hashes[LEAVES_MAX];
static char folder[2 * SCRATCH_PATH_SIZE];
static _Alignas(LEAF_SIZE) uint8_t scratch_group[SHARD_FILE_SCRATCH_SIZE];

static void setup(void)
{
    static const uint8_t seed[RNG_SEED_SIZE] = "shard file";

    scratch_make();
    (void)snprintf(folder, sizeof(folder), "%s/shard-00", scratch);
    rng_init_seed(&rng, seed);
    bytes = aligned_alloc(LEAF_SIZE, (size_t)LEAVES_MAX * LEAF_SIZE);
    ck_assert_ptr_nonnull(bytes);
    rng_bytes(&rng, bytes, (size_t)LEAVES_MAX * LEAF_SIZE);
    merkle_leaves(bytes, LEAVES_MAX, hashes);
}

static void teardown(void)
{
    free(bytes);
    scratch_remove();
}

static void range_of(uint64_t leaves, struct merkle_range *range)
{
    merkle_range_init(range);
    for (uint64_t i = 0; i < leaves; i++) {
        merkle_range_append(range, &hashes[i], NULL, NULL);
    }
}

static struct digest root_of(uint64_t leaves)
{
    struct merkle_range range;
    struct digest root;

    range_of(leaves, &range);
    merkle_range_root(&range, &root);
    return root;
}

static void append(uint64_t from, uint64_t to)
{
    while (from < to) {
        uint64_t take = 1 + rng_below(&rng, to - from);
        bool hashed = rng_below(&rng, 2) == 0;

        ck_assert_int_eq(
            shard_file_append(&f, from * LEAF_SIZE, bytes + from * LEAF_SIZE,
                              (size_t)take * LEAF_SIZE,
                              hashed ? &hashes[from] : NULL, errmsg),
            OK);
        from += take;
    }
}

static void begin(uint64_t leaves)
{
    ck_assert_int_eq(shard_file_create(&f, folder, leaves * LEAF_SIZE, errmsg),
                     OK);
}

static void seal(uint64_t leaves)
{
    struct digest root = root_of(leaves);

    ck_assert_int_eq(shard_file_seal(&f, &root, errmsg), OK);
    shard_file_close(&f);
}

static void make(uint64_t leaves)
{
    begin(leaves);
    append(0, leaves);
    ck_assert_int_eq(shard_file_sync(&f, errmsg), OK);
    seal(leaves);
}

static int open_it(uint64_t leaves)
{
    struct digest root = root_of(leaves);

    return shard_file_open(&f, folder, &root, leaves * LEAF_SIZE, errmsg);
}

static int read_run(uint64_t first, uint64_t count)
{
    static _Alignas(LEAF_SIZE) uint8_t room[LEAVES_MAX * LEAF_SIZE + 1];
    /* Memory that is not aligned is as good. */
    uint8_t *mem = room + rng_below(&rng, 2);
    int rv = shard_file_read(&f, first, count, mem, scratch_group, errmsg);

    if (rv == OK) {
        ck_assert(memcmp(mem, bytes + first * LEAF_SIZE,
                         (size_t)count * LEAF_SIZE) == 0);
    }
    return rv;
}

static void flip(const char *name, uint64_t at)
{
    int fd = open(scratch_path(name), O_RDWR);
    uint8_t byte;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= (uint8_t)(1U << at % 8);
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

static uint64_t size_of(const char *name)
{
    struct stat st;

    ck_assert_int_eq(stat(scratch_path(name), &st), 0);
    return (uint64_t)st.st_size;
}

static bool is_there(const char *name)
{
    struct stat st;

    return lstat(scratch_path(name), &st) == 0;
}

/* CRC-64 as xz has it, bit by bit. */
static uint64_t crc64(const uint8_t *data, size_t size)
{
    uint64_t crc = UINT64_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xc96c5795d7870f42 : 0);
        }
    }
    return ~crc;
}

static void group_sum(uint64_t index, uint8_t sum[8])
{
    const size_t size = (size_t)SHARD_TREE_GROUP * LEAF_SIZE;

    u64le_store(sum, crc64(bytes + index * size, size));
}

/* The sums of that many leaves are there, and right. */
static void check_sums(uint64_t leaves)
{
    int fd = open(scratch_path("shard-00/sums"), O_RDONLY);

    ck_assert_int_ge(fd, 0);
    ck_assert_uint_eq(size_of("shard-00/sums"), leaves / 16 * 8);
    for (uint64_t i = 0; i < leaves / 16; i++) {
        uint8_t want[8], got[8];

        group_sum(i, want);
        ck_assert_int_eq(pread(fd, got, 8, (off_t)i * 8), 8);
        ck_assert_mem_eq(got, want, 8);
    }
    close(fd);
}

/* A shard of any number of leaves comes back, in any run; tree and sums are
 * as they are specified; all can be read by those who carry them. */
START_TEST(test_shard_file_round_trip)
{
    static const uint64_t sizes[] = {1, 2, 15, 16, 17, 31, 32, 255, 256, 257};
    uint64_t leaves = sizes[_i];
    struct stat st;

    (void)umask(077);
    make(leaves);
    ck_assert(!is_there("shard-00/shard.part"));
    ck_assert(!is_there("shard-00/tree.part"));
    ck_assert(!is_there("shard-00/sums.part"));
    ck_assert_uint_eq(crc64((const uint8_t *)"123456789", 9),
                      0x995dc9bbdf1939fa);
    check_sums(leaves);
    ck_assert_uint_eq(size_of("shard-00/shard"), leaves * LEAF_SIZE);
    ck_assert_uint_eq(size_of("shard-00/tree"), shard_tree_size(leaves));
    ck_assert_int_eq(stat(scratch_path("shard-00/shard"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0644);
    ck_assert_int_eq(stat(scratch_path("shard-00/sums"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0644);
    ck_assert_int_eq(open_it(leaves), OK);
    ck_assert_int_eq(read_run(0, leaves), OK);
    for (unsigned i = 0; i < 50; i++) {
        uint64_t first = rng_below(&rng, leaves);

        ck_assert_int_eq(read_run(first, 1 + rng_below(&rng, leaves - first)),
                         OK);
    }
    ck_assert_int_eq(shard_file_scrub(&f, NULL, NULL, errmsg), OK);
    ck_assert_int_eq(read_run(leaves, 1), ERR_BAD);
    ck_assert_int_eq(read_run(0, leaves + 1), ERR_BAD);
    ck_assert_int_eq(read_run(UINT64_MAX, 2), ERR_BAD);
    shard_file_close(&f);
}
END_TEST

/* A cell of many groups that comes whole, after the one leaf before it. */
START_TEST(test_shard_file_whole_cell)
{
    begin(LEAVES_MAX);
    ck_assert_int_eq(shard_file_append(&f, 0, bytes, LEAF_SIZE, hashes, errmsg),
                     OK);
    ck_assert_int_eq(shard_file_append(&f, LEAF_SIZE, bytes + LEAF_SIZE,
                                       (size_t)(LEAVES_MAX - 1) * LEAF_SIZE,
                                       &hashes[1], errmsg),
                     OK);
    seal(LEAVES_MAX);
    ck_assert_int_eq(open_it(LEAVES_MAX), OK);
    ck_assert_int_eq(shard_file_scrub(&f, NULL, NULL, errmsg), OK);
    shard_file_close(&f);
}
END_TEST

/* A root that is not the one of the bytes seals nothing. */
START_TEST(test_shard_file_wrong_root)
{
    struct digest root = root_of(20);

    begin(21);
    append(0, 21);
    ck_assert_int_eq(shard_file_seal(&f, &root, errmsg), ERR_MISMATCH);
    shard_file_close(&f);
    ck_assert(!is_there("shard-00/shard"));
}
END_TEST

/* A flipped bit in a leaf fails every read that needs its group, and only
 * those. */
START_TEST(test_shard_file_flipped_leaf)
{
    const uint64_t leaves = 37; /* Two groups, and five leaves alone. */

    make(leaves);
    ck_assert_int_eq(open_it(leaves), OK);
    for (uint64_t bad = 0; bad < leaves; bad++) {
        uint64_t at = bad * LEAF_SIZE + rng_below(&rng, LEAF_SIZE);

        flip("shard-00/shard", at);
        for (uint64_t i = 0; i < leaves; i++) {
            bool same = bad < 32 ? i / 16 == bad / 16 : i == bad;

            ck_assert_int_eq(read_run(i, 1), same ? ERR_MISMATCH : OK);
        }
        ck_assert_int_eq(read_run(0, leaves), ERR_MISMATCH);
        ck_assert_int_eq(shard_file_scrub(&f, NULL, NULL, errmsg),
                         ERR_MISMATCH);
        flip("shard-00/shard", at);
    }
    shard_file_close(&f);
}
END_TEST

/* What may have become of the sums beside a sealed shard. */
static const char *const sums_states[] = {"whole", "gone", "cut", "flipped",
                                          "zero",  "link", "pipe"};
#define SUMS_STATES (sizeof(sums_states) / sizeof(sums_states[0]))

static void sums_become(const char *state)
{
    const char *path = scratch_path("shard-00/sums");
    uint64_t size = size_of("shard-00/sums");

    if (strcmp(state, "cut") == 0) {
        ck_assert_int_eq(truncate(path, (off_t)size / 2 + 3), 0);
    } else if (strcmp(state, "zero") == 0) {
        ck_assert_int_eq(truncate(path, 0), 0);
        ck_assert_int_eq(truncate(path, (off_t)size), 0);
    } else if (strcmp(state, "flipped") == 0) {
        for (uint64_t at = rng_below(&rng, 8); at < size; at += 8) {
            flip("shard-00/sums", at);
        }
    } else if (strcmp(state, "whole") != 0) {
        ck_assert_int_eq(unlink(path), 0);
        if (strcmp(state, "link") == 0) {
            ck_assert_int_eq(symlink("shard", path), 0);
        } else if (strcmp(state, "pipe") == 0) {
            ck_assert_int_eq(mkfifo(path, 0600), 0);
        }
    }
}

/* Whatever the sums are, who trusts them gets every byte as it was sealed, and
 * none of a group with a flipped bit, through the page cache or past it. */
START_TEST(test_shard_file_trusted_sums)
{
    const uint64_t leaves = 37;

    make(leaves);
    sums_become(sums_states[_i / 2]);
    ck_assert_int_eq(open_it(leaves), OK);
    shard_file_trust_sums(&f);
    shard_file_read_direct(&f, _i % 2 == 1);
    ck_assert_int_eq(read_run(0, leaves), OK);
    for (uint64_t bad = 0; bad < leaves; bad++) {
        uint64_t at = bad * LEAF_SIZE + rng_below(&rng, LEAF_SIZE);

        flip("shard-00/shard", at);
        for (uint64_t i = 0; i < leaves; i++) {
            bool same = bad < 32 ? i / 16 == bad / 16 : i == bad;

            ck_assert_int_eq(read_run(i, 1), same ? ERR_MISMATCH : OK);
        }
        ck_assert_int_eq(read_run(bad / 16 * 16, bad < 32 ? 16 : 5),
                         ERR_MISMATCH);
        ck_assert_int_eq(read_run(0, leaves), ERR_MISMATCH);
        flip("shard-00/shard", at);
    }
    ck_assert_int_eq(read_run(0, leaves), OK);
    shard_file_close(&f);
}
END_TEST

/* A group whose sum is right is not hashed for who trusts it, so that its node
 * is not looked at; it is in the scrub, and for everybody else. */
START_TEST(test_shard_file_sums_spare_hashing)
{
    make(64);
    ck_assert_int_eq(open_it(64), OK);
    flip("shard-00/tree", 40);
    ck_assert_int_eq(read_run(16, 16), ERR_MISMATCH);
    shard_file_trust_sums(&f);
    ck_assert_int_eq(read_run(16, 16), OK);
    ck_assert_int_eq(read_run(30, 1), OK);
    ck_assert_int_eq(shard_file_scrub(&f, NULL, NULL, errmsg), ERR_MISMATCH);
    shard_file_close(&f);
}
END_TEST

/* A folder that somebody forged, sums and all, is found out by whoever does
 * not trust them, and by the scrub of who does. */
START_TEST(test_shard_file_forged_sums)
{
    uint8_t sum[8];
    int fd;

    make(40);
    flip("shard-00/shard", 20 * LEAF_SIZE + 5);
    bytes[20 * LEAF_SIZE + 5] ^= 1U << (20 * LEAF_SIZE + 5) % 8;
    group_sum(1, sum);
    fd = open(scratch_path("shard-00/sums"), O_WRONLY);
    ck_assert_int_eq(pwrite(fd, sum, 8, 8), 8);
    close(fd);
    ck_assert_int_eq(open_it(40), OK);
    ck_assert_int_eq(read_run(20, 1), ERR_MISMATCH);
    ck_assert_int_eq(read_run(16, 16), ERR_MISMATCH);
    shard_file_trust_sums(&f);
    ck_assert_int_eq(read_run(16, 16), OK);
    ck_assert_int_eq(shard_file_scrub(&f, NULL, NULL, errmsg), ERR_MISMATCH);
    shard_file_close(&f);
}
END_TEST

/* The first bytes of the tree. */
static void tree_get(uint8_t *out, uint64_t size)
{
    int fd = open(scratch_path("shard-00/tree"), O_RDONLY);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, out, size, 0), (ssize_t)size);
    close(fd);
}

/* A flipped bit anywhere in the tree, or a tree that is cut or too long, is
 * found when the shard is opened, and the tree is made again. */
START_TEST(test_shard_file_torn_tree_is_made_again)
{
    const uint64_t leaves = 100;
    uint64_t size = shard_tree_size(leaves);
    uint8_t want[1024], got[1024];

    ck_assert_uint_le(size, sizeof(want));
    make(leaves);
    tree_get(want, size);
    for (uint64_t at = 0; at < size; at++) {
        if (at % 2 == 0) {
            flip("shard-00/tree", at);
        } else {
            uint64_t to = at % 10 == 9 ? size + at : at;

            ck_assert_int_eq(truncate(scratch_path("shard-00/tree"), (off_t)to),
                             0);
        }
        ck_assert_int_eq(open_it(leaves), OK);
        ck_assert_int_eq(read_run(at % leaves, 1), OK);
        shard_file_close(&f);
        ck_assert_uint_eq(size_of("shard-00/tree"), size);
        tree_get(got, size);
        ck_assert_bytes_eq(got, want, size);
        ck_assert(!is_there("shard-00/tree.new"));
    }
    ck_assert_int_eq(open_it(leaves), OK);
    ck_assert_int_eq(read_run(0, leaves), OK);
    shard_file_close(&f);
}
END_TEST

/* When shard and tree are both damaged, nothing can be vouched for. */
START_TEST(test_shard_file_damaged_with_its_tree)
{
    make(50);
    flip("shard-00/shard", 12345);
    flip("shard-00/tree", 3);
    ck_assert_int_eq(open_it(50), ERR_MISMATCH);
    ck_assert(!is_there("shard-00/tree.new"));
    ck_assert_int_eq(
        truncate(scratch_path("shard-00/shard"), (off_t)40 * LEAF_SIZE), 0);
    ck_assert_int_eq(open_it(50), ERR_MISMATCH);
    ck_assert_int_eq(unlink(scratch_path("shard-00/shard")), 0);
    ck_assert_int_eq(open_it(50), ERR_NOTFOUND);
}
END_TEST

/* What is cut away under an open shard is an error of the call, not of the
 * program. */
START_TEST(test_shard_file_cut_while_open)
{
    struct digest nodes[MERKLE_RUN_NODES_MAX];
    size_t len = 0;

    make(100);
    ck_assert_int_eq(open_it(100), OK);
    ck_assert_int_eq(truncate(scratch_path("shard-00/tree"), 0), 0);
    ck_assert_int_eq(read_run(0, 16), ERR_MISMATCH);
    ck_assert_int_eq(read_run(99, 1), ERR_MISMATCH);
    for (uint64_t i = 0; i < 100; i++) {
        ck_assert_int_ne(
            shard_file_prove(&f, i, 1, nodes, MERKLE_RUN_NODES_MAX, &len), OK);
    }
    shard_file_close(&f);
    ck_assert_int_eq(open_it(100), OK);
    ck_assert_int_eq(
        truncate(scratch_path("shard-00/shard"), (off_t)50 * LEAF_SIZE), 0);
    ck_assert_int_eq(read_run(40, 20), ERR_MISMATCH);
    ck_assert_int_eq(
        shard_file_prove(&f, 70, 3, nodes, MERKLE_RUN_NODES_MAX, &len),
        ERR_MISMATCH);
    shard_file_close(&f);
}
END_TEST

/* The folder comes from strangers: links and pipes in it are neither followed,
 * nor waited for, nor written to. */
START_TEST(test_shard_file_wicked_folder)
{
    char text[16];

    make(40);
    scratch_put("victim", "untouched", 0600);
    ck_assert_int_eq(unlink(scratch_path("shard-00/tree")), 0);
    ck_assert_int_eq(symlink("../victim", scratch_path("shard-00/tree.new")),
                     0);
    ck_assert_int_eq(symlink("../victim", scratch_path("shard-00/tree")), 0);
    ck_assert_int_eq(open_it(40), OK);
    ck_assert_int_eq(read_run(0, 40), OK);
    shard_file_close(&f);
    scratch_get("victim", text, sizeof(text));
    ck_assert_str_eq(text, "untouched");

    ck_assert_int_eq(unlink(scratch_path("shard-00/tree")), 0);
    ck_assert_int_eq(mkfifo(scratch_path("shard-00/tree"), 0600), 0);
    ck_assert_int_eq(open_it(40), OK);
    shard_file_close(&f);
    ck_assert_int_eq(unlink(scratch_path("shard-00/shard")), 0);
    ck_assert_int_eq(mkfifo(scratch_path("shard-00/shard"), 0600), 0);
    ck_assert_int_ne(open_it(40), OK);
}
END_TEST

/* Proofs of runs lead a reader who has only the root to the leaves. */
START_TEST(test_shard_file_proofs)
{
    static const uint64_t sizes[] = {1, 16, 17, 100, 256, 299};
    uint64_t leaves = sizes[_i];
    struct digest root = root_of(leaves);

    make(leaves);
    ck_assert_int_eq(open_it(leaves), OK);
    for (unsigned i = 0; i < 100; i++) {
        struct digest nodes[MERKLE_RUN_NODES_MAX];
        uint64_t first = rng_below(&rng, leaves);
        uint64_t count = 1 + rng_below(&rng, leaves - first);
        size_t len = 0;

        ck_assert_int_eq(shard_file_prove(&f, first, count, nodes,
                                          MERKLE_RUN_NODES_MAX, &len),
                         OK);
        ck_assert_int_eq(merkle_run_verify(leaves, first, count, &hashes[first],
                                           nodes, len, &root),
                         OK);
        if (len > 0) {
            nodes[rng_below(&rng, len)].bytes[5] ^= 1;
            ck_assert_int_eq(merkle_run_verify(leaves, first, count,
                                               &hashes[first], nodes, len,
                                               &root),
                             ERR_AUTH);
        }
    }
    shard_file_close(&f);
}
END_TEST

static int prove_run(uint64_t first, uint64_t count, uint64_t leaves)
{
    struct digest nodes[MERKLE_RUN_NODES_MAX];
    struct digest root = root_of(leaves);
    size_t len = 0;
    int rv =
        shard_file_prove(&f, first, count, nodes, MERKLE_RUN_NODES_MAX, &len);

    if (rv == OK) {
        ck_assert_int_eq(merkle_run_verify(leaves, first, count, &hashes[first],
                                           nodes, len, &root),
                         OK);
    }
    return rv;
}

/* Damage next to a run is never proven with: whatever byte of shard or tree
 * changes under an open file, a proof is right or there is none. */
START_TEST(test_shard_file_no_proof_from_damage)
{
    const uint64_t leaves = 166; /* Ten groups, and six leaves alone. */
    uint64_t size = shard_tree_size(leaves);

    make(leaves);
    ck_assert_int_eq(open_it(leaves), OK);
    for (uint64_t bad = 0; bad < leaves; bad++) {
        uint64_t at = bad * LEAF_SIZE + rng_below(&rng, LEAF_SIZE);
        uint64_t group = bad / 16 * 16;

        flip("shard-00/shard", at);
        if (bad < 160) {
            ck_assert_int_eq(prove_run(bad ^ 1, 1, leaves), ERR_MISMATCH);
            ck_assert_int_eq(prove_run(group ^ 16, 16, leaves), OK);
        }
        for (uint64_t i = group; i < group + 16 && i < leaves; i++) {
            (void)prove_run(i, 1 + rng_below(&rng, leaves - i), leaves);
        }
        flip("shard-00/shard", at);
    }
    for (uint64_t at = 0; at < size; at++) {
        flip("shard-00/tree", at);
        (void)prove_run(rng_below(&rng, leaves), 1, leaves);
        flip("shard-00/tree", at);
    }
    ck_assert_int_eq(prove_run(3, 20, leaves), OK);
    flip("shard-00/tree", 32); /* The node next to the one that covers 0. */
    ck_assert_int_eq(prove_run(0, 1, leaves), ERR_MISMATCH);
    shard_file_close(&f);
}
END_TEST

/* Going on after a crash: all behind the acknowledged range is cut away, and
 * the shard comes out as if nothing had happened, whatever became of its tree.
 */
START_TEST(test_shard_file_resume_cuts_back)
{
    static const char *const trees[] = {"whole", "cut", "flipped", "gone",
                                        "sealed"};
    const uint64_t leaves = 150;
    uint64_t kept = 1 + rng_below(&rng, 100) + (uint64_t)_i;
    struct merkle_range range;
    uint8_t junk[3 * LEAF_SIZE] = {1, 2, 3};
    const char *tree = trees[(unsigned)_i % 5];

    begin(leaves);
    append(0, kept);
    ck_assert_int_eq(shard_file_sync(&f, errmsg), OK);
    ck_assert_int_eq(shard_file_append(&f, kept * LEAF_SIZE, junk, sizeof(junk),
                                       NULL, errmsg),
                     OK);
    shard_file_close(&f);
    if (strcmp(tree, "cut") == 0) {
        ck_assert_int_eq(truncate(scratch_path("shard-00/tree.part"), 40), 0);
    } else if (strcmp(tree, "flipped") == 0 && kept >= 16) {
        flip("shard-00/tree.part", 7);
    } else if (strcmp(tree, "gone") == 0) {
        ck_assert_int_eq(unlink(scratch_path("shard-00/tree.part")), 0);
    } else if (strcmp(tree, "sealed") == 0) {
        /* The power failed between the renames of sealing. */
        ck_assert_int_eq(rename(scratch_path("shard-00/tree.part"),
                                scratch_path("shard-00/tree")),
                         0);
        if (_i % 2 == 0) {
            ck_assert_int_eq(rename(scratch_path("shard-00/sums.part"),
                                    scratch_path("shard-00/sums")),
                             0);
        }
    }
    range_of(kept, &range);
    ck_assert_int_eq(
        shard_file_resume(&f, folder, leaves * LEAF_SIZE, &range, errmsg), OK);
    ck_assert_uint_eq(f.size, kept * LEAF_SIZE);
    ck_assert_uint_eq(size_of("shard-00/shard.part"), kept * LEAF_SIZE);
    ck_assert_uint_eq(size_of("shard-00/sums.part"), kept / 16 * 8);
    append(kept, leaves);
    seal(leaves);
    check_sums(leaves);
    ck_assert_int_eq(open_it(leaves), OK);
    ck_assert_int_eq(read_run(0, leaves), OK);
    shard_file_close(&f);
}
END_TEST

/* Sums that a power cut took are missed by nobody, nor are those of bytes that
 * were cut away kept. */
START_TEST(test_shard_file_resume_without_sums)
{
    struct merkle_range range;

    begin(80);
    append(0, 50);
    shard_file_close(&f);
    if (_i == 0) {
        ck_assert_int_eq(unlink(scratch_path("shard-00/sums.part")), 0);
    } else {
        ck_assert_int_eq(truncate(scratch_path("shard-00/sums.part"), 11), 0);
    }
    range_of(40, &range);
    ck_assert_int_eq(
        shard_file_resume(&f, folder, (uint64_t)80 * LEAF_SIZE, &range, errmsg),
        OK);
    append(40, 80);
    seal(80);
    ck_assert_uint_eq(size_of("shard-00/sums"), 40);
    ck_assert_int_eq(open_it(80), OK);
    shard_file_trust_sums(&f);
    ck_assert_int_eq(read_run(0, 80), OK);
    for (uint64_t at = 3; at < 80; at += 16) {
        flip("shard-00/shard", at * LEAF_SIZE);
        ck_assert_int_eq(read_run(at, 1), ERR_MISMATCH);
        flip("shard-00/shard", at * LEAF_SIZE);
    }
    flip("shard-00/tree", 96); /* Group 3 came after: it has its sum. */
    ck_assert_int_eq(read_run(48, 16), OK);
    shard_file_close(&f);
}
END_TEST

/* Bytes that are not what was acknowledged are not gone on with: too few, or
 * others than the range says. */
START_TEST(test_shard_file_resume_refuses_other_bytes)
{
    struct merkle_range range;

    range_of(20, &range);
    ck_assert_int_eq(
        shard_file_resume(&f, folder, (uint64_t)30 * LEAF_SIZE, &range, errmsg),
        ERR_NOTFOUND);
    begin(30);
    append(0, 19);
    shard_file_close(&f);
    ck_assert_int_eq(
        shard_file_resume(&f, folder, (uint64_t)30 * LEAF_SIZE, &range, errmsg),
        ERR_MISMATCH);
    begin(30);
    append(0, 25);
    shard_file_close(&f);
    /* The tree vouches for whole groups, the bytes for the rest. */
    flip("shard-00/shard.part", (uint64_t)18 * LEAF_SIZE);
    ck_assert_int_eq(
        shard_file_resume(&f, folder, (uint64_t)30 * LEAF_SIZE, &range, errmsg),
        ERR_MISMATCH);
    ck_assert_uint_eq(size_of("shard-00/shard.part"), (uint64_t)25 * LEAF_SIZE);
}
END_TEST

/* A small disk, in a namespace that goes with the process of this test; false
 * where nothing can be mounted. */
static bool small_disk(const char *options)
{
    ck_assert_int_eq(mkdir(scratch_path("disk"), 0700), 0);
    (void)snprintf(folder, sizeof(folder), "%s/disk/shard-00", scratch);
    return unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", scratch_path("disk"), "tmpfs", 0, options) == 0;
}

/* A disk without room refuses before the first byte, and a full one does not
 * keep a shard from being read without its tree. */
START_TEST(test_shard_file_full_disk)
{
    uint8_t fill[4096] = {0};
    int fd;

    if (!small_disk("size=400k")) {
        return;
    }
    ck_assert_int_eq(
        shard_file_create(&f, folder, (uint64_t)LEAVES_MAX * LEAF_SIZE, errmsg),
        ERR_FULL);
    ck_assert_ptr_nonnull(strstr(errmsg, "space"));
    make(50);
    ck_assert_int_eq(unlink(scratch_path("disk/shard-00/tree")), 0);
    fd = open(scratch_path("disk/fill"), O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    while (write(fd, fill, sizeof(fill)) > 0) {
    }
    ck_assert_int_eq(errno, ENOSPC);
    close(fd);
    ck_assert_int_eq(open_it(50), OK);
    ck_assert_int_eq(read_run(0, 50), OK);
    shard_file_close(&f);
    ck_assert(!is_there("disk/shard-00/tree.new"));
    ck_assert_int_eq(
        mount("", scratch_path("disk"), "", MS_REMOUNT | MS_RDONLY, ""), 0);
    ck_assert_int_eq(open_it(50), OK);
    ck_assert_int_eq(read_run(0, 50), OK);
    shard_file_close(&f);
    (void)umount2(scratch_path("disk"), MNT_DETACH);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("shard_file");
    TCase *tc = tcase_create("shard_file");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, test_shard_file_round_trip, 0, 10);
    tcase_add_test(tc, test_shard_file_whole_cell);
    tcase_add_test(tc, test_shard_file_wrong_root);
    tcase_add_test(tc, test_shard_file_flipped_leaf);
    tcase_add_loop_test(tc, test_shard_file_trusted_sums, 0, 2 * SUMS_STATES);
    tcase_add_test(tc, test_shard_file_sums_spare_hashing);
    tcase_add_test(tc, test_shard_file_forged_sums);
    tcase_add_test(tc, test_shard_file_torn_tree_is_made_again);
    tcase_add_test(tc, test_shard_file_damaged_with_its_tree);
    tcase_add_test(tc, test_shard_file_cut_while_open);
    tcase_add_test(tc, test_shard_file_wicked_folder);
    tcase_add_loop_test(tc, test_shard_file_proofs, 0, 6);
    tcase_add_test(tc, test_shard_file_no_proof_from_damage);
    tcase_add_loop_test(tc, test_shard_file_resume_cuts_back, 0, 30);
    tcase_add_loop_test(tc, test_shard_file_resume_without_sums, 0, 2);
    tcase_add_test(tc, test_shard_file_resume_refuses_other_bytes);
    tcase_add_test(tc, test_shard_file_full_disk);
    suite_add_tcase(s, tc);
    return s;
}
