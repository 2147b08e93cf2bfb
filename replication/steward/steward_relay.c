#include "replication/steward/steward_relay.h"

#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_state.h"

/* What ENTRIES take beside the bytes of the entries, at most: the message, and
 * each of them. */
#define FRONT_SIZE       5U
#define ENTRY_FRONT_SIZE 3U

/* Did all of them come from that member? */
static bool all_came_from(const struct steward_relay *r, uint32_t member)
{
    size_t i = 0;

    while (i < r->len && r->from[i] == member) {
        i++;
    }
    return i == r->len;
}

void steward_relay_say(struct steward *s, struct core_out *out)
{
    struct steward_relay *r = &s->relay;
    struct slice entries[MESSAGE_ENTRIES_MAX];
    uint32_t only =
        r->len > 0 && all_came_from(r, r->from[0]) ? r->from[0] : STEWARD_NONE;
    size_t at = 0;

    for (size_t i = 0; i < r->len; i++) {
        entries[i] = slice_of(r->bytes + at, r->sizes[i]);
        at += r->sizes[i];
    }
    if (r->len > 0) {
        steward_push(s, entries, r->len, only, out);
    }
    r->len = 0;
    r->size = 0;
    r->due_ms = 0;
}

void steward_relay_add(struct steward *s, struct slice entry, uint32_t member)
{
    struct steward_relay *r = &s->relay;

    assert(r->len < MESSAGE_ENTRIES_MAX &&
           entry.size <= sizeof(r->bytes) - r->size);
    memcpy(r->bytes + r->size, entry.data, entry.size);
    r->size += entry.size;
    r->sizes[r->len] = entry.size;
    r->from[r->len++] = member;
    if (r->due_ms == 0) {
        r->due_ms = s->mono_ms + STEWARD_RELAY_MS;
    }
}

bool steward_relay_has_room(const struct steward *s, size_t size, size_t len)
{
    const struct steward_relay *r = &s->relay;

    return r->len == 0 ||
           (r->len + len <= MESSAGE_ENTRIES_MAX &&
            FRONT_SIZE + (r->len + len) * ENTRY_FRONT_SIZE + r->size + size <=
                MESSAGE_SIZE_MAX);
}
