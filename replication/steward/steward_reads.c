#include "replication/steward/steward_deposits.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_shards.h"
#include "replication/steward/steward_state.h"

void steward_on_commit(struct steward *s,
                       struct steward_link *l,
                       struct core_out *out)
{
    const struct message_commit *c = &s->in.u.commit;
    const struct steward_intake *in = steward_intake_of_link(s, l->id);
    struct digest deposit = c->deposit_id;
    struct steward_deposit *d;

    if (in == NULL ||
        !digest_equal(&s->deposits[in->deposit].id, &c->deposit_id)) {
        steward_refuse(s, l->id, MESSAGE_COMMIT, &deposit, ERR_ORDER,
                       "that shard does not come in on this connection", out);
        steward_link_next(s, l);
        return;
    }
    d = &s->deposits[in->deposit];
    if (c->leaves > d->leaves) {
        steward_refuse(s, l->id, MESSAGE_COMMIT, &deposit, ERR_ORDER,
                       "only what is durable can become final", out);
    } else if (c->leaves > d->final_leaves) {
        d->final_leaves = c->leaves;
        steward_shard_put(s, d, out);
    }
    steward_link_next(s, l);
}

/* Of a recipient, it has been looked at which deposit it reads. */
static bool may_read(const struct steward *s,
                     const struct steward_link *l,
                     const struct steward_deposit *d)
{
    const struct card *card;

    if (l->recipient) {
        return true;
    }
    card = steward_link_card(s, l);
    return card->role == CARD_STEWARD || digest_equal(&card->id, &d->lab);
}

static bool is_same_reader(const struct steward_link *a,
                           const struct steward_link *b)
{
    return a->recipient == b->recipient &&
           (a->recipient ? digest_equal(&a->release, &b->release)
                         : a->member == b->member);
}

/* All links of a member, or of a release, have as many together as one has:
 * who asks and does not listen holds up nobody else. */
static uint64_t *read_slot(struct steward *s, struct steward_link *l)
{
    uint64_t *slot = NULL;
    size_t busy = 0;

    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        struct steward_link *o = &s->links[i];

        for (size_t j = 0;
             o->up && is_same_reader(o, l) && j < STEWARD_READS_MAX; j++) {
            busy += o->reads[j] != 0 ? 1 : 0;
            slot = o == l && o->reads[j] == 0 ? &o->reads[j] : slot;
        }
    }
    return busy < STEWARD_READS_MAX ? slot : NULL;
}

/* Why that cannot be read; NULL when it can. To those who may not read, what
 * is here and what is not are the same. */
static const char *read_refusal(const struct steward *s,
                                const struct steward_link *l,
                                const struct steward_deposit *d,
                                int *status)
{
    const struct message_read *m = &s->in.u.read;
    uint64_t leaves = d != NULL ? d->size / LEAF_SIZE : 0;

    *status = ERR_NOTFOUND;
    if (d == NULL || !d->has_shard || d->index != m->index ||
        !may_read(s, l, d)) {
        return "that shard is not here for you";
    }
    if (d->state != STEWARD_HELD) {
        return "that shard is not sealed yet";
    }
    *status = ERR_BAD;
    return m->leaves > leaves || m->first_leaf > leaves - m->leaves
               ? "the shard has fewer leaves"
               : NULL;
}

void steward_on_read(struct steward *s,
                     struct steward_link *l,
                     struct core_out *out)
{
    const struct message_read *m = &s->in.u.read;
    uint32_t index = steward_deposit_find(s, &m->deposit_id);
    const struct steward_deposit *d =
        index != STEWARD_NONE ? &s->deposits[index] : NULL;
    uint64_t *slot = read_slot(s, l);
    struct digest deposit = m->deposit_id;
    int status;
    const char *text = read_refusal(s, l, d, &status);

    if (text == NULL && slot == NULL) {
        status = ERR_BUSY;
        text = "too many reads at once; try again";
    }
    if (text != NULL) {
        steward_refuse(s, l->id, MESSAGE_READ, &deposit, status, text, out);
    } else if (d != NULL && slot != NULL) {
        const struct steward_job job = {
            .type = STEWARD_JOB_READ,
            .link = l->id,
            .deposit_id = d->id,
            .index = d->index,
            .size = d->size,
            .root = d->root,
            .first_leaf = m->first_leaf,
            .leaves = m->leaves,
            .stream = m->stream,
        };

        *slot = s->next_id++;
        steward_job_start(&job, *slot, out);
    }
    steward_link_next(s, l);
}
