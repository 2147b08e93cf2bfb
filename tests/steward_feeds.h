#ifndef CAIRN_TESTS_STEWARD_FEEDS_H
#define CAIRN_TESTS_STEWARD_FEEDS_H

#include <stdlib.h>

#include "tests/steward_world.h"

/* Feeds of members that a test plays: written here, and served on links. */

#define FEEDS_ENTRIES_MAX 400U

struct test_feed {
    struct feed_tip tip;
    struct {
        uint8_t *bytes;
        size_t size;
    } e[FEEDS_ENTRIES_MAX];
    size_t len;
};

static inline void test_feed_init(struct test_feed *f,
                                  const struct world *w,
                                  unsigned member,
                                  uint32_t incarnation)
{
    memset(f, 0, sizeof(*f));
    feed_tip_init(&f->tip, &w->net, &w->ids[member], incarnation);
}

static inline void test_feed_free(struct test_feed *f)
{
    while (f->len > 0) {
        free(f->e[--f->len].bytes);
    }
}

static inline struct slice test_feed_entry(const struct test_feed *f, size_t i)
{
    ck_assert_uint_lt(i, f->len);
    return slice_of(f->e[i].bytes, f->e[i].size);
}

static inline void test_feed_append(struct test_feed *f,
                                    const struct sign_key *key,
                                    enum feed_kind kind,
                                    struct slice payload)
{
    uint8_t *bytes = malloc(FEED_ENTRY_MAX);
    struct feed_entry e;
    size_t size = 0;

    ck_assert_uint_lt(f->len, FEEDS_ENTRIES_MAX);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(feed_append(&f->tip, key, kind, payload, 1000 + f->len,
                                 bytes, FEED_ENTRY_MAX, &size),
                     OK);
    bytes = realloc(bytes, size);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(feed_entry_decode(&e, slice_of(bytes, size)), OK);
    feed_tip_advance(&f->tip, &e);
    f->e[f->len].bytes = bytes;
    f->e[f->len++].size = size;
}

/* Say entries first .. first + len - 1. */
static inline void test_feed_say(const struct test_feed *f,
                                 struct world *w,
                                 unsigned from,
                                 uint64_t link,
                                 size_t first,
                                 size_t len)
{
    struct message *m = calloc(1, sizeof(*m));
    size_t size = 0;

    ck_assert_ptr_nonnull(m);
    m->type = MESSAGE_ENTRIES;
    while (m->u.entries.len < len && m->u.entries.len < MESSAGE_ENTRIES_MAX) {
        struct slice e = test_feed_entry(f, first + m->u.entries.len);

        if (m->u.entries.len > 0 && size + e.size > STEWARD_ENTRIES_BYTES) {
            break;
        }
        size += e.size;
        m->u.entries.entries[m->u.entries.len++] = e;
    }
    world_say(w, from, link, m);
    free(m);
}

static inline void test_feed_heads(const struct test_feed *f,
                                   struct world *w,
                                   unsigned from,
                                   uint64_t link)
{
    struct message *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    m->type = MESSAGE_HEADS;
    if (f->tip.seq > 0) {
        m->u.heads.heads[m->u.heads.len++] =
            (struct message_head){.author = f->tip.author,
                                  .incarnation = f->tip.incarnation,
                                  .len = f->tip.seq,
                                  .last = f->tip.prev};
    }
    world_say(w, from, link, m);
    free(m);
}

/* Answer a WANT of this feed. */
static inline void test_feed_serve(const struct test_feed *f,
                                   struct world *w,
                                   unsigned from,
                                   uint64_t link,
                                   const struct message *m)
{
    if (m->type == MESSAGE_WANT &&
        digest_equal(&m->u.want.author, &f->tip.author) &&
        m->u.want.incarnation == f->tip.incarnation &&
        m->u.want.from < f->len) {
        test_feed_say(f, w, from, link, m->u.want.from,
                      f->len - m->u.want.from);
    }
}

#endif /* CAIRN_TESTS_STEWARD_FEEDS_H */
