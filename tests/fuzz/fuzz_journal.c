#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "node/deposit/journal_internal.h"
#include "tests/fuzz/fuzz.h"

/* The files of a journal, as an unlucky disk may give them back. */
enum what {
    WHAT_PLAN,
    WHAT_SEGMENTS,
    WHAT_RANGES,
    WHAT_COUNT
};

#define RECORD_SIZE 56U
#define RECORD_BODY 48U
#define HEAD_SIZE   24U

static char folder[] = "journal";
static struct journal_plan plan = {.n = 7, .k = 4};

static int file_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("journal", 0);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    return fd;
}

static void check_sum(uint8_t *out, size_t from, size_t size)
{
    struct digest sum;

    sha256(slice_of(out, from), &sum);
    memcpy(out + from, sum.bytes, size);
}

/* A plan is written again as the same bytes. */
static void fuzz_plan(struct slice in)
{
    static struct journal_plan p;
    uint8_t again[JOURNAL_PLAN_SIZE_MAX];
    size_t size = 0;
    int rv;

    if (journal_plan_decode(&p, in) == OK) {
        rv = journal_plan_encode(&p, again, sizeof(again), &size);
        assert(rv == OK && slice_equal(in, slice_of(again, size)));
    }
}

/* A record is what was written, or damaged. Every other one gets a sum. */
static void fuzz_segments(const uint8_t *data, size_t size)
{
    uint8_t records[16 * RECORD_SIZE] = {0};
    size_t len = size / RECORD_SIZE + 1; /* One more than there are. */
    struct journal j = {.plan = &plan, .folder = folder};
    struct sealer_segment s;
    char errmsg[ERRMSG_SIZE];

    size = size < sizeof(records) ? size : sizeof(records);
    len = len < 17 ? len : 17;
    memcpy(records, data, size);
    for (size_t i = 0; i < 16; i += 2) {
        check_sum(records + i * RECORD_SIZE, RECORD_BODY,
                  RECORD_SIZE - RECORD_BODY);
    }
    j.segments = file_of(records, size);
    j.committed = len;
    for (size_t i = 0; i < len; i++) {
        const uint8_t *record = records + i * RECORD_SIZE;
        bool whole = (i + 1) * RECORD_SIZE <= size;
        int rv = journal_segment(&j, i, &s, errmsg);

        assert(rv == OK || rv == ERR_BAD);
        assert(rv == (whole && i % 2 == 0 ? OK : rv));
        assert(rv == ERR_BAD || whole);
        assert(rv == ERR_BAD || s.ciphertext_size == u32le_load(record + 4));
    }
    (void)close(j.segments);
}

/* Two files of ranges: the later sound one counts, and a commit goes on behind
 * it. |data| is made whole when it is long enough for what it says. */
static void reseal(uint8_t *bytes, size_t size)
{
    uint64_t leaves;
    size_t whole;

    if (size < HEAD_SIZE) {
        return;
    }
    leaves = u64le_load(bytes + 16) / LEAF_SIZE;
    if (leaves >= MERKLE_LEAVES_MAX) {
        return;
    }
    whole = HEAD_SIZE + plan.n * merkle_range_nodes_len(leaves) * DIGEST_SIZE;
    if (size >= whole + DIGEST_SIZE) {
        check_sum(bytes, whole, DIGEST_SIZE);
    }
}

static void go_on(struct journal *j, const struct sealer_commit *last)
{
    static struct sealer_commit next, again;
    char errmsg[ERRMSG_SIZE];
    int rv;

    if (last->segment >= 1000) {
        return; /* The file of records would have a hole of that size. */
    }
    j->committed = last->segment + 1;
    next = *last;
    next.segment = j->committed;
    next.count = 1;
    rv = journal_commit(j, &next, errmsg);
    assert(rv == OK);
    rv = journal_last(j, &again, errmsg);
    assert(rv == OK && again.offset == last->offset);
    assert(again.segment == next.segment);
}

static void fuzz_ranges(const uint8_t *data, size_t size)
{
    static struct sealer_commit last;
    static uint8_t bytes[2][4096];
    char errmsg[ERRMSG_SIZE];
    struct journal j = {.plan = &plan, .folder = folder};
    size_t sizes[2] = {size / 2, size - size / 2};

    for (size_t i = 0; i < 2; i++) {
        size_t take = sizes[i] < sizeof(bytes[i]) ? sizes[i] : sizeof(bytes[i]);

        memcpy(bytes[i], data + (i == 0 ? 0 : sizes[0]), take);
        reseal(bytes[i], take);
        j.ranges[i] = file_of(bytes[i], take);
    }
    j.segments = file_of(NULL, 0);
    if (journal_last(&j, &last, errmsg) == OK) {
        assert(last.offset % LEAF_SIZE == 0);
        for (size_t i = 0; i < plan.n; i++) {
            assert(last.ranges[i].leaves == last.offset / LEAF_SIZE);
        }
        go_on(&j, &last);
    }
    (void)close(j.ranges[0]);
    (void)close(j.ranges[1]);
    (void)close(j.segments);
}

/* The first byte says what the rest is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    switch ((enum what)(data[0] % WHAT_COUNT)) {
    case WHAT_PLAN:
        fuzz_plan(slice_of(data + 1, size - 1));
        break;
    case WHAT_SEGMENTS:
        fuzz_segments(data + 1, size - 1);
        break;
    case WHAT_RANGES:
        fuzz_ranges(data + 1, size - 1);
        break;
    case WHAT_COUNT:
        break;
    }
    return 0;
}
