#include "replication/steward/steward_quotas.h"

#include "protocol/words.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_state.h"

/* What one member may take of this steward, so that none crowds out the
 * others. What it has taken follows from the rows of shards and feeds. */

static uint32_t labs_of(const struct charter *c)
{
    uint32_t labs = 0;

    for (uint32_t i = 0; i < c->members_len; i++) {
        labs += c->members[i].card.role == CARD_LAB ? 1U : 0U;
    }
    return labs > 0 ? labs : 1;
}

struct steward_member *steward_member_of(struct steward *s,
                                         const struct digest *id)
{
    uint32_t member = steward_member_index(s, id);

    return member != STEWARD_NONE ? &s->members[member] : NULL;
}

/* --- Shards and manifests ------------------------------------------------ */

static uint64_t lab_quota(const struct steward *s)
{
    const struct steward_config *c = &s->config;

    return c->lab_quota != 0 ? c->lab_quota : c->capacity / labs_of(c->charter);
}

/* Its part of the table of shards, and of what is known of others. */
static uint32_t lab_part(const struct steward *s)
{
    return STEWARD_SHARDS_MAX / labs_of(s->config.charter);
}

bool steward_lab_has_room(const struct steward *s,
                          uint32_t lab,
                          uint64_t size,
                          char text[MESSAGE_TEXT_MAX + 1])
{
    const struct steward_member *m = &s->members[lab];
    uint64_t quota = lab_quota(s);
    uint64_t left = m->shard_bytes < quota ? quota - m->shard_bytes : 0;
    struct words t;

    words_init(&t, text, MESSAGE_TEXT_MAX + 1);
    if (m->shards >= lab_part(s)) {
        words_add(&t, "this steward holds no more than ");
        words_number(&t, lab_part(s));
        words_add(&t, " shards of one lab, and has that many of "
                      "yours; choose another steward");
        return false;
    }
    if (size > left) {
        words_add(&t, "shards of one lab may take ");
        words_size(&t, quota);
        words_add(&t, " of this steward, of which you have ");
        words_size(&t, left);
        words_add(&t, " left, and this one may take ");
        words_size(&t, size);
        words_add(&t, "; ask its operators for a larger lab-quota, "
                      "or choose another steward");
        return false;
    }
    return true;
}

bool steward_lab_may_publish(struct steward *s, const struct digest *lab)
{
    const struct steward_member *m = steward_member_of(s, lab);

    return m != NULL && m->deposits - m->shards < lab_part(s);
}

/* --- Feeds --------------------------------------------------------------- */

static uint64_t feed_quota(const struct steward *s)
{
    return s->config.feed_quota != 0 ? s->config.feed_quota
                                     : STEWARD_FEED_QUOTA;
}

static bool feed_is_full(const struct steward *s, uint32_t member)
{
    return member != s->self_member &&
           s->members[member].feed_bytes >= feed_quota(s);
}

static void tokens_fill(const struct steward *s, struct steward_member *m)
{
    uint64_t full_ms = STEWARD_FEED_BURST * 1000 / STEWARD_FEED_RATE;
    uint64_t ms = s->mono_ms - m->feed_ms;

    m->feed_ms = s->mono_ms;
    m->feed_tokens +=
        ms < full_ms ? ms * STEWARD_FEED_RATE / 1000 : STEWARD_FEED_BURST;
    if (m->feed_tokens > STEWARD_FEED_BURST) {
        m->feed_tokens = STEWARD_FEED_BURST;
    }
}

enum steward_feed_room steward_feed_room(struct steward *s,
                                         const struct digest *author,
                                         uint64_t size)
{
    uint32_t member = steward_member_index(s, author);
    struct steward_member *m;
    uint64_t at_ms;

    assert(member != STEWARD_NONE && size <= MESSAGE_SIZE_MAX);
    if (feed_is_full(s, member)) {
        return FEED_FULL;
    }
    m = &s->members[member];
    tokens_fill(s, m);
    if (member == s->self_member || m->feed_tokens >= size) {
        return FEED_OPEN;
    }
    at_ms = s->mono_ms + 1 +
            (MESSAGE_SIZE_MAX - m->feed_tokens) * 1000 / STEWARD_FEED_RATE;
    if (s->again_ms == 0 || s->again_ms > at_ms) {
        s->again_ms = at_ms;
    }
    return FEED_SLOW;
}

void steward_feed_count(struct steward *s,
                        struct steward_feed *f,
                        uint64_t size,
                        bool taken)
{
    struct steward_member *m = steward_member_of(s, &f->tip.author);

    assert(m != NULL);
    f->bytes += size;
    m->feed_bytes += size;
    if (taken) {
        m->feed_tokens -= size < m->feed_tokens ? size : m->feed_tokens;
    }
}

/* --- For displays -------------------------------------------------------- */

void steward_member_info(const struct steward *s,
                         size_t i,
                         struct steward_member_info *info)
{
    const struct charter *c = s->config.charter;

    assert(i < c->members_len);
    *info = (struct steward_member_info){
        .shard_bytes = s->members[i].shard_bytes,
        .shard_quota = c->members[i].card.role == CARD_LAB ? lab_quota(s) : 0,
        .feed_bytes = s->members[i].feed_bytes,
        .feed_quota = feed_quota(s),
        .feed_full = feed_is_full(s, (uint32_t)i),
    };
}

uint64_t steward_feeds_full(const struct steward *s)
{
    uint64_t full = 0;

    for (uint32_t i = 0; i < s->config.charter->members_len; i++) {
        full |= (uint64_t)(feed_is_full(s, i) ? 1 : 0) << i;
    }
    return full;
}
