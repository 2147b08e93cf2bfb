#include "protocol/canon.h"

#include "protocol/text.h"

enum kind {
    KIND_NONE, /* Outside of the subset, or truncated. */
    KIND_NIL,
    KIND_BOOL,
    KIND_UINT,
    KIND_BIN,
    KIND_STR,
    KIND_ARRAY,
    KIND_MAP
};

/* The first bytes of an item: all of a nil, boolean or integer; of the others
 * everything but their contents. |value| is the number, length or count. */
struct head {
    enum kind kind;
    uint64_t value;
    size_t size;
};

/* Heads of more than one byte, from 0xc4 on: |width| bytes follow, big-endian,
 * and a number below |least| has a shorter form. Floats, extensions and signed
 * integers are not listed, hence KIND_NONE. */
#define WIDE_FIRST 0xc4U
static const struct {
    enum kind kind;
    unsigned width;
    uint64_t least;
} wide[] = {
    [0xc4 - WIDE_FIRST] = {KIND_BIN, 1, 0},
    [0xc5 - WIDE_FIRST] = {KIND_BIN, 2, 0x100},
    [0xc6 - WIDE_FIRST] = {KIND_BIN, 4, 0x10000},
    [0xcc - WIDE_FIRST] = {KIND_UINT, 1, 0x80},
    [0xcd - WIDE_FIRST] = {KIND_UINT, 2, 0x100},
    [0xce - WIDE_FIRST] = {KIND_UINT, 4, 0x10000},
    [0xcf - WIDE_FIRST] = {KIND_UINT, 8, (uint64_t)1 << 32},
    [0xd9 - WIDE_FIRST] = {KIND_STR, 1, 0x20},
    [0xda - WIDE_FIRST] = {KIND_STR, 2, 0x100},
    [0xdb - WIDE_FIRST] = {KIND_STR, 4, 0x10000},
    [0xdc - WIDE_FIRST] = {KIND_ARRAY, 2, 0x10},
    [0xdd - WIDE_FIRST] = {KIND_ARRAY, 4, 0x10000},
    [0xde - WIDE_FIRST] = {KIND_MAP, 2, 0x10},
    [0xdf - WIDE_FIRST] = {KIND_MAP, 4, 0x10000},
};

static const struct head head_none = {.kind = KIND_NONE};

static struct head head_one(enum kind kind, unsigned value)
{
    return (struct head){.kind = kind, .value = value, .size = 1};
}

static struct head head_wide(const uint8_t *in, size_t size)
{
    size_t i = in[0] - (size_t)WIDE_FIRST;
    struct head h = {.kind = KIND_NONE};

    if (i >= sizeof(wide) / sizeof(wide[0]) || wide[i].kind == KIND_NONE ||
        size <= wide[i].width) {
        return head_none;
    }
    h.size = 1 + wide[i].width;
    for (size_t at = 1; at < h.size; at++) {
        h.value = (h.value << 8) | in[at];
    }
    if (h.value >= wide[i].least) {
        h.kind = wide[i].kind;
    }
    return h;
}

/* The head of the next item, without taking it. */
static struct head head_peek(const struct canon_reader *r)
{
    unsigned first;

    if (r->at == r->size) {
        return head_none;
    }
    first = r->data[r->at];
    if (first < 0x80) {
        return head_one(KIND_UINT, first);
    }
    if (first < 0x90) {
        return head_one(KIND_MAP, first & 0x0f);
    }
    if (first < 0xa0) {
        return head_one(KIND_ARRAY, first & 0x0f);
    }
    if (first < 0xc0) {
        return head_one(KIND_STR, first & 0x1f);
    }
    if (first == 0xc0) {
        return head_one(KIND_NIL, 0);
    }
    if (first == 0xc2 || first == 0xc3) {
        return head_one(KIND_BOOL, first & 1);
    }
    /* 0xc1 is below WIDE_FIRST and wraps to an index that is out of range. */
    return head_wide(r->data + r->at, r->size - r->at);
}

static void note(struct canon_reader *r, int error)
{
    if (r->error == OK) {
        r->error = error;
    }
}

static struct canon_level *level(struct canon_reader *r)
{
    return &r->levels[r->depth];
}

/* In a map, keys and values take turns. */
static bool key_is_next(struct canon_reader *r)
{
    return r->depth > 0 && level(r)->is_map && level(r)->left % 2 == 0;
}

/* Take the head of an item of |kind| from min..max; its contents are the
 * caller's to take. After an error the head is all zero. */
static struct head take(struct canon_reader *r,
                        enum kind kind,
                        uint64_t min,
                        uint64_t max)
{
    struct head h;

    if (r->error != OK) {
        return head_none;
    }
    h = head_peek(r);
    if (h.kind != kind || h.value < min || h.value > max ||
        (r->depth > 0 && level(r)->left == 0)) {
        note(r, ERR_BAD);
        return head_none;
    }
    if (r->depth > 0) {
        level(r)->left--;
    }
    r->at += h.size;
    return h;
}

static struct head take_value(struct canon_reader *r,
                              enum kind kind,
                              uint64_t min,
                              uint64_t max)
{
    assert(r->error != OK || !key_is_next(r) || level(r)->left == 0);
    return take(r, kind, min, max);
}

/* Go one level down, to |items| items of which each has at least one byte. */
static void enter(struct canon_reader *r, uint64_t items, bool is_map)
{
    if (r->depth == CANON_DEPTH_MAX || items > r->size - r->at ||
        items > UINT32_MAX) {
        note(r, ERR_BAD);
        return;
    }
    r->depth++;
    *level(r) = (struct canon_level){.left = (uint32_t)items, .is_map = is_map};
}

void canon_read_init(struct canon_reader *r, struct slice in)
{
    *r = (struct canon_reader){.data = in.data, .size = in.size};
}

void canon_array(struct canon_reader *r, uint32_t len)
{
    canon_array_between(r, len, len);
}

uint32_t canon_array_between(struct canon_reader *r, uint32_t min, uint32_t max)
{
    struct head h = take_value(r, KIND_ARRAY, min, max);

    if (r->error == OK) {
        enter(r, h.value, false);
    }
    return r->error == OK ? (uint32_t)h.value : 0;
}

uint32_t canon_map(struct canon_reader *r, uint32_t max)
{
    struct head h = take_value(r, KIND_MAP, 0, max);

    if (r->error == OK) {
        enter(r, 2 * h.value, true);
    }
    return r->error == OK ? (uint32_t)h.value : 0;
}

uint64_t canon_key(struct canon_reader *r)
{
    struct canon_level *l = level(r);
    struct head h;

    assert(r->error != OK || key_is_next(r));
    h = take(r, KIND_UINT, 0, UINT64_MAX);
    if (r->error != OK) {
        return 0;
    }
    if (l->has_key && h.value <= l->key) {
        note(r, ERR_BAD);
        return 0;
    }
    l->has_key = true;
    l->key = h.value;
    return h.value;
}

void canon_leave(struct canon_reader *r)
{
    if (r->error != OK) {
        return;
    }
    assert(r->depth > 0);
    if (level(r)->left != 0) {
        note(r, ERR_BAD);
        return;
    }
    r->depth--;
}

uint64_t canon_uint(struct canon_reader *r, uint64_t max)
{
    return take_value(r, KIND_UINT, 0, max).value;
}

void canon_version(struct canon_reader *r, uint64_t want)
{
    canon_require_known(r, canon_uint(r, UINT64_MAX) == want);
}

bool canon_bool(struct canon_reader *r)
{
    return take_value(r, KIND_BOOL, 0, 1).value != 0;
}

/* The contents of a byte string or text. */
static struct slice take_bytes(struct canon_reader *r,
                               enum kind kind,
                               size_t min,
                               size_t max)
{
    struct head h = take_value(r, kind, min, max);
    struct slice s = {.data = NULL, .size = 0};

    if (r->error != OK) {
        return s;
    }
    if (h.value > r->size - r->at) {
        note(r, ERR_BAD);
        return s;
    }
    s = slice_of(r->data + r->at, (size_t)h.value);
    r->at += s.size;
    return s;
}

struct slice canon_bin(struct canon_reader *r, size_t min, size_t max)
{
    return take_bytes(r, KIND_BIN, min, max);
}

struct slice canon_str(struct canon_reader *r, size_t min, size_t max)
{
    struct slice s = take_bytes(r, KIND_STR, min, max);

    if (!text_is_valid(s)) {
        note(r, ERR_BAD);
        return slice_of(NULL, 0);
    }
    return s;
}

void canon_bytes(struct canon_reader *r, void *out, size_t size)
{
    struct slice s = canon_bin(r, size, size);

    if (size == 0) {
        return;
    }
    if (r->error == OK) {
        memcpy(out, s.data, size);
    } else {
        memset(out, 0, size);
    }
}

void canon_digest(struct canon_reader *r, struct digest *out)
{
    canon_bytes(r, out->bytes, DIGEST_SIZE);
}

bool canon_nil(struct canon_reader *r)
{
    if (r->error != OK || head_peek(r).kind != KIND_NIL ||
        (r->depth > 0 && level(r)->left == 0)) {
        return false;
    }
    take_value(r, KIND_NIL, 0, 0);
    return true;
}

/* Take an item, or enter it. */
static void any_step(struct canon_reader *r)
{
    switch (head_peek(r).kind) {
    case KIND_NONE:
        note(r, ERR_BAD);
        break;
    case KIND_NIL:
        take_value(r, KIND_NIL, 0, 0);
        break;
    case KIND_BOOL:
        canon_bool(r);
        break;
    case KIND_UINT:
        canon_uint(r, UINT64_MAX);
        break;
    case KIND_BIN:
        canon_bin(r, 0, SIZE_MAX);
        break;
    case KIND_STR:
        canon_str(r, 0, SIZE_MAX);
        break;
    case KIND_ARRAY:
        canon_array_between(r, 0, UINT32_MAX);
        break;
    case KIND_MAP:
        canon_map(r, UINT32_MAX);
        break;
    }
}

struct slice canon_any(struct canon_reader *r)
{
    size_t start = r->at;
    unsigned depth = r->depth;

    any_step(r);
    while (r->error == OK && r->depth > depth) {
        if (level(r)->left == 0) {
            canon_leave(r);
        } else if (key_is_next(r)) {
            canon_key(r);
        } else {
            any_step(r);
        }
    }
    if (r->error != OK) {
        return slice_of(NULL, 0);
    }
    return slice_of(r->data + start, r->at - start);
}

void canon_require(struct canon_reader *r, bool ok)
{
    if (!ok) {
        note(r, ERR_BAD);
    }
}

void canon_require_known(struct canon_reader *r, bool known)
{
    if (!known) {
        note(r, ERR_UNSUPPORTED);
    }
}

int canon_end(const struct canon_reader *r)
{
    if (r->error != OK) {
        return r->error;
    }
    return r->at == r->size && r->depth == 0 ? OK : ERR_BAD;
}

size_t canon_at(const struct canon_reader *r)
{
    return r->error == OK && r->depth == 0 ? r->at : 0;
}

int canon_check(struct slice in)
{
    struct canon_reader r;

    canon_read_init(&r, in);
    canon_any(&r);
    return canon_end(&r);
}
