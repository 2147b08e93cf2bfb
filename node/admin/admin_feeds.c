#include <stdlib.h>

#include "node/admin/admin_state.h"
#include "replication/keys.h"

/* The feeds, as a status tells of them. */

/* What the rows of where feeds stand say, of all incarnations of a member. */
struct feed_look {
    uint64_t entries;
    bool halted; /* Ours: found ahead of us at others. */
    bool forked;
};

static void feed_count(const struct charter *c,
                       struct feed_look feeds[CHARTER_MEMBERS_MAX],
                       const struct steward_feed_info *info)
{
    for (size_t i = 0; i < c->members_len; i++) {
        if (digest_equal(&c->members[i].card.id, &info->author)) {
            feeds[i].entries += info->entries;
            feeds[i].halted = feeds[i].halted || info->halted;
            feeds[i].forked = feeds[i].forked || info->forked;
        }
    }
}

/* By place in the charter. */
static int feeds_look(const struct admin_view *v,
                      struct feed_look feeds[CHARTER_MEMBERS_MAX],
                      struct store_page *page,
                      char *errmsg)
{
    static const uint8_t kind = KEY_TIP;
    uint8_t after[CORE_KEY_MAX];
    size_t after_size = 0;
    int rv;

    do {
        rv = store_rows(v->config->store, slice_of(&kind, 1),
                        slice_of(after, after_size), page, errmsg);
        for (size_t i = 0; rv == OK && i < page->rows_len; i++) {
            const struct core_row *row = &page->rows[i];
            struct steward_feed_info info;

            memcpy(after, row->key.data, row->key.size);
            after_size = row->key.size;
            if (steward_feed_info_read(&info, row) == OK) {
                feed_count(v->config->charter, feeds, &info);
            }
        }
    } while (rv == OK && !page->last);
    return rv;
}

static void feed_note(const struct admin_view *v,
                      const struct card *card,
                      const struct feed_look *f,
                      json_t *trouble)
{
    if (f->halted && digest_equal(&card->id, &v->config->self)) {
        (void)json_array_append_new(
            trouble,
            json_string("this node signs nothing more: others have entries of "
                        "its feed that it had not, as after an old backup was "
                        "put back; it serves what it holds, and docs/ADMIN.md "
                        "says what to do"));
    }
    if (f->forked) {
        (void)json_array_append_new(
            trouble,
            json_sprintf("%s has signed two entries for one place of its feed: "
                         "nothing more of it is taken; ask its operators",
                         card->name));
    }
}

static json_t *feed_json(const struct admin_view *v,
                         size_t i,
                         const struct feed_look *f,
                         bool read)
{
    const struct steward_member_info *m = &v->status->members[i];
    const struct card *card = &v->config->charter->members[i].card;

    return json_pack("{s:s, s:o, s:s, s:o, s:I, s:I, s:b, s:o, s:o}", "member",
                     card->name, "id", admin_hex(&card->id), "role",
                     card_role_name(card->role), "entries",
                     read ? json_integer((json_int_t)f->entries) : json_null(),
                     "bytes", (json_int_t)m->feed_bytes, "quota",
                     (json_int_t)m->feed_quota, "over_quota", m->feed_full,
                     "halted", read ? json_boolean(f->halted) : json_null(),
                     "forked", read ? json_boolean(f->forked) : json_null());
}

json_t *admin_feeds(const struct admin_view *v, json_t *trouble)
{
    const struct charter *c = v->config->charter;
    struct feed_look *feeds = calloc(CHARTER_MEMBERS_MAX, sizeof(*feeds));
    struct store_page *page = calloc(1, sizeof(*page) + STORE_PAGE_MIN);
    char errmsg[ERRMSG_SIZE];
    json_t *list = json_array();
    int rv;

    if (feeds == NULL || page == NULL) {
        abort();
    }
    page->buf = (uint8_t *)(page + 1);
    page->buf_size = STORE_PAGE_MIN;
    page->rows_max = CORE_ROWS_MAX;
    rv = feeds_look(v, feeds, page, errmsg);
    if (rv != OK) {
        (void)json_array_append_new(trouble, json_string(errmsg));
    }
    for (size_t i = 0; i < c->members_len; i++) {
        if (rv == OK) {
            feed_note(v, &c->members[i].card, &feeds[i], trouble);
        }
        (void)json_array_append_new(list, feed_json(v, i, &feeds[i], rv == OK));
    }
    free(page);
    free(feeds);
    return list;
}
