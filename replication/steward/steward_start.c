#include "replication/keys.h"
#include "replication/steward/steward_deposits.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_quotas.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_votes.h"

/* Rows are our own words. One that cannot be read is of a later version or of
 * a broken disk: going on without it could break a promise. */
static void start_tip(struct steward *s, const struct core_row *row)
{
    struct steward_feed got, *f;
    struct steward_member *m;
    int rv = steward_tip_read(&got, &s->config.net, row);

    assert(rv == OK);
    f = steward_feed_find(s, &got.tip.author, got.tip.incarnation);
    assert(f == NULL);
    f = steward_feed_add(s, &got.tip.author, got.tip.incarnation);
    assert(f != NULL);
    *f = got;
    m = steward_member_of(s, &got.tip.author);
    if (m != NULL) {
        m->feed_bytes += got.bytes;
    }
}

static struct steward_deposit *start_deposit(struct steward *s,
                                             const struct steward_deposit *got)
{
    uint32_t index = steward_deposit_find(s, &got->id);

    if (index == STEWARD_NONE) {
        index = steward_deposit_add(s, &got->id, &got->lab);
    }
    assert(index != STEWARD_NONE);
    assert(digest_equal(&s->deposits[index].lab, &got->lab));
    return &s->deposits[index];
}

static void start_shard(struct steward *s, const struct core_row *row)
{
    struct steward_deposit got, *d;
    int rv = steward_shard_read(&got, row);

    assert(rv == OK);
    d = start_deposit(s, &got);
    assert(!d->has_shard);
    got.has_manifest = d->has_manifest;
    got.incarnation = d->incarnation;
    got.seq = d->seq;
    got.manifest_hash = d->manifest_hash;
    got.has_share = d->has_share;
    got.share_incarnation = d->share_incarnation;
    got.share_seq = d->share_seq;
    *d = got;
    steward_deposit_count(s, d, 1);
}

static void start_manifest(struct steward *s, const struct core_row *row)
{
    struct steward_deposit got, *d;
    int rv = steward_manifest_read(&got, row);

    assert(rv == OK);
    d = start_deposit(s, &got);
    assert(!d->has_manifest);
    d->has_manifest = true;
    d->incarnation = got.incarnation;
    d->seq = got.seq;
    d->manifest_hash = got.manifest_hash;
}

static void start_share(struct steward *s, const struct core_row *row)
{
    struct steward_deposit got, *d;
    int rv = steward_share_read(&got, row);

    assert(rv == OK);
    d = start_deposit(s, &got);
    d->has_share = true;
    d->share_incarnation = got.share_incarnation;
    d->share_seq = got.share_seq;
}

void steward_start(struct steward *s, const struct core_event *ev)
{
    const struct steward_feed *f;

    assert(!s->started);
    for (size_t i = 0; i < ev->rows_len; i++) {
        const struct core_row *row = &ev->rows[i];

        switch (row->key.size > 0 ? row->key.data[0] : 0) {
        case KEY_TIP:
            start_tip(s, row);
            break;
        case KEY_SHARD:
            start_shard(s, row);
            break;
        case KEY_MANIFEST:
            start_manifest(s, row);
            break;
        case KEY_ACKNOWLEDGED:
            start_share(s, row);
            break;
        case KEY_RELEASE:
            steward_release_start(s, row);
            break;
        case KEY_WAITING:
            steward_waiting_start(s, row);
            break;
        default: /* Rows that are read when they are needed. */
            break;
        }
    }
    if (ev->status != 1) {
        return;
    }
    f = steward_feed_find(s, &s->config.self, s->config.incarnation);
    if (f == NULL) {
        f = steward_feed_add(s, &s->config.self, s->config.incarnation);
    }
    assert(f != NULL);
    s->own = (uint32_t)(f - s->feeds);
    s->expiry_ms = s->mono_ms;
    s->started = true;
}
