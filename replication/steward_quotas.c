#include "replication/depositor_text.h"
#include "replication/steward_internal.h"

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
    struct depositor_text t;

    depositor_text_init(&t, text, MESSAGE_TEXT_MAX + 1);
    if (m->shards >= lab_part(s)) {
        depositor_text_put(&t, "this steward holds no more than ");
        depositor_text_number(&t, lab_part(s));
        depositor_text_put(&t, " shards of one lab, and has that many of "
                               "yours; choose another steward");
        return false;
    }
    if (size > left) {
        depositor_text_put(&t, "shards of one lab may take ");
        depositor_text_size(&t, quota);
        depositor_text_put(&t, " of this steward, of which you have ");
        depositor_text_size(&t, left);
        depositor_text_put(&t, " left, and this one may take ");
        depositor_text_size(&t, size);
        depositor_text_put(&t, "; ask its operators for a larger lab-quota, "
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
    };
}
