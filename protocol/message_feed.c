#include "protocol/message_codec.h"

/* One entry fits in a message, and so do as many heads as there may be: each
 * has an array of 4, two byte strings of 32, and integers of 4 and 8 bytes. */
#define FRONT_SIZE 8U
#define HEAD_SIZE  (1U + (2U + DIGEST_SIZE) + 5U + 9U + (2U + DIGEST_SIZE))
_Static_assert(FRONT_SIZE + MESSAGE_HEADS_MAX * HEAD_SIZE <= MESSAGE_SIZE_MAX,
               "a full HEADS fits");
_Static_assert(FRONT_SIZE + FEED_ENTRY_MAX <= MESSAGE_SIZE_MAX,
               "any one entry fits");

static void heads_put(struct canon_writer *w, const struct message *m)
{
    const struct message_heads *b = &m->u.heads;

    canon_put_bool(w, b->more);
    canon_put_array(w, (uint32_t)b->len);
    for (size_t i = 0; i < b->len; i++) {
        const struct message_head *h = &b->heads[i];

        canon_put_array(w, 4);
        canon_put_digest(w, &h->author);
        canon_put_uint(w, h->incarnation);
        canon_put_uint(w, h->len);
        canon_put_digest(w, &h->last);
    }
}

static void heads_get(struct canon_reader *r, struct message *m)
{
    struct message_heads *b = &m->u.heads;

    b->more = canon_bool(r);
    b->len = canon_array_between(r, 0, MESSAGE_HEADS_MAX);
    for (size_t i = 0; i < b->len; i++) {
        struct message_head *h = &b->heads[i];

        canon_array(r, 4);
        canon_digest(r, &h->author);
        h->incarnation = (uint32_t)canon_uint(r, UINT32_MAX);
        h->len = canon_uint(r, UINT64_MAX);
        canon_digest(r, &h->last);
        canon_leave(r);
    }
    canon_leave(r);
}

static bool head_is_valid(const struct message_head *h)
{
    return !digest_is_zero(&h->author) && h->len <= MERKLE_LEAVES_MAX &&
           digest_is_zero(&h->last) == (h->len == 0);
}

/* By author, then by incarnation. */
static bool head_is_before(const struct message_head *a,
                           const struct message_head *b)
{
    int order = memcmp(a->author.bytes, b->author.bytes, DIGEST_SIZE);

    return order < 0 || (order == 0 && a->incarnation < b->incarnation);
}

static bool heads_is_valid(const struct message *m)
{
    const struct message_heads *b = &m->u.heads;

    /* What is to be continued has begun. */
    if (b->len > MESSAGE_HEADS_MAX || (b->more && b->len == 0)) {
        return false;
    }
    for (size_t i = 0; i < b->len; i++) {
        if (!head_is_valid(&b->heads[i]) ||
            (i > 0 && !head_is_before(&b->heads[i - 1], &b->heads[i]))) {
            return false;
        }
    }
    return true;
}

static void want_put(struct canon_writer *w, const struct message *m)
{
    const struct message_want *b = &m->u.want;

    canon_put_digest(w, &b->author);
    canon_put_uint(w, b->incarnation);
    canon_put_uint(w, b->from);
}

static void want_get(struct canon_reader *r, struct message *m)
{
    struct message_want *b = &m->u.want;

    canon_digest(r, &b->author);
    b->incarnation = (uint32_t)canon_uint(r, UINT32_MAX);
    b->from = canon_uint(r, UINT64_MAX);
}

static bool want_is_valid(const struct message *m)
{
    const struct message_want *b = &m->u.want;

    return !digest_is_zero(&b->author) && b->from < MERKLE_LEAVES_MAX;
}

static void entries_put(struct canon_writer *w, const struct message *m)
{
    const struct message_entries *b = &m->u.entries;

    canon_put_array(w, (uint32_t)b->len);
    for (size_t i = 0; i < b->len; i++) {
        canon_put_bin(w, b->entries[i]);
    }
}

static void entries_get(struct canon_reader *r, struct message *m)
{
    struct message_entries *b = &m->u.entries;

    b->len = canon_array_between(r, 1, MESSAGE_ENTRIES_MAX);
    for (size_t i = 0; i < b->len; i++) {
        b->entries[i] = canon_bin(r, 1, FEED_ENTRY_MAX);
    }
    canon_leave(r);
}

/* That they fit together is the encoder's ERR_FULL. */
static bool entries_is_valid(const struct message *m)
{
    const struct message_entries *b = &m->u.entries;

    if (b->len < 1 || b->len > MESSAGE_ENTRIES_MAX) {
        return false;
    }
    for (size_t i = 0; i < b->len; i++) {
        if (b->entries[i].size < 1 || b->entries[i].size > FEED_ENTRY_MAX) {
            return false;
        }
    }
    return true;
}

const struct message_codec message_heads_codec = {
    sizeof(struct message_heads), 2, heads_put, heads_get, heads_is_valid};
const struct message_codec message_want_codec = {
    sizeof(struct message_want), 3, want_put, want_get, want_is_valid};
const struct message_codec message_entries_codec = {
    sizeof(struct message_entries), 1, entries_put, entries_get,
    entries_is_valid};
