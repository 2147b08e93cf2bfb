#include "protocol/words.h"
#include "replication/custodian/custodian_internal.h"

/* Answers, and what the requests have in common. */

/* What was said so far, to go on with. */
static struct words why_words(struct custodian *c)
{
    return (struct words){
        .at = c->why, .max = sizeof(c->why), .len = strlen(c->why)};
}

void custodian_why(struct custodian *c, const char *text)
{
    struct words w = why_words(c);

    words_add(&w, text);
}

void custodian_why_number(struct custodian *c, uint64_t v)
{
    struct words w = why_words(c);

    words_number(&w, v);
}

int custodian_refuse(struct custodian *c, int status, const char *text)
{
    assert(status != OK);
    c->why[0] = '\0';
    custodian_why(c, text);
    return status;
}

static void reply(struct custodian *c,
                  uint64_t id,
                  const struct custody *answer,
                  struct core_out *out)
{
    size_t size = 0;
    int rv = custody_encode(answer, c->answer, sizeof(c->answer), &size);

    assert(rv == OK);
    core_act(out, ACT_REPLY, id, slice_of(c->answer, size));
}

void custodian_reply_refused(struct custodian *c,
                             uint64_t id,
                             int status,
                             struct core_out *out)
{
    struct custody answer = {.type = CUSTODY_REFUSED};

    answer.u.refused.status = status;
    memcpy(answer.u.refused.text, c->why, sizeof(c->why));
    reply(c, id, &answer, out);
}

void custodian_answer(struct custodian *c,
                      const struct custody *answer,
                      struct core_out *out)
{
    assert(c->state == CUSTODIAN_IDLE && c->len > 0);
    reply(c, c->queue[c->first].id, answer, out);
}

void custodian_read(struct custodian *c,
                    enum custodian_state state,
                    const struct key *key,
                    struct core_out *out)
{
    assert(c->state == CUSTODIAN_IDLE && state != CUSTODIAN_IDLE);
    c->state = state;
    c->key = *key;
    c->read_id++;
    core_act(out, ACT_READ, c->read_id, key_slice(key));
}

int custodian_entry(struct custodian *c,
                    struct slice bytes,
                    enum feed_kind kind)
{
    int rv = feed_entry_decode(&c->entry, bytes);

    if (rv != OK) {
        return custodian_refuse(c, rv,
                                "this is no feed entry, or a damaged one: "
                                "fetch it again from its author's feed");
    }
    if (c->entry.pruned || c->entry.header.kind != kind) {
        return custodian_refuse(c, ERR_BAD,
                                "this feed entry is of another kind, or "
                                "without its payload: the whole entry is "
                                "needed");
    }
    if (!digest_equal(&c->entry.header.net, &c->net)) {
        return custodian_refuse(c, ERR_MISMATCH,
                                "this feed entry is of another network");
    }
    return OK;
}

void custodian_clock_seen(struct custodian *c, uint64_t time_s)
{
    if (time_s > c->latest_s) {
        c->latest_s = time_s;
    }
}

bool custodian_is_over(const struct custodian *c,
                       const struct release_request *r)
{
    return c->latest_s > r->not_after_s + CUSTODIAN_DAY_S;
}

int custodian_hello(struct custodian *c, struct core_out *out)
{
    const struct custody_hello *ask = &c->ask.u.hello;
    struct custody answer = {.type = CUSTODY_SELF};

    if (!digest_equal(&ask->net, &c->net) ||
        !digest_equal(&ask->charter_hash, &c->charter->hash)) {
        return custodian_refuse(c, ERR_MISMATCH,
                                "the node is of another network or charter "
                                "than the one pinned at this custodian: "
                                "compare the fingerprints, and pin the "
                                "charter that your operators signed");
    }
    answer.u.self = (struct custody_self){.net = c->net,
                                          .charter_hash = c->charter->hash,
                                          .steward = c->self->id,
                                          .shares = c->shares,
                                          .decisions = c->decisions};
    custodian_answer(c, &answer, out);
    return OK;
}
