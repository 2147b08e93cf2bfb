#include "replication/steward/steward_deposits.h"

#include <stdlib.h>

#include "replication/steward/steward_quotas.h"
#include "replication/steward/steward_state.h"

#define DEPOSITS_FIRST 64U

/* Where |id| stands in the order, or would. */
static uint32_t place_of(const struct steward *s, const struct digest *id)
{
    uint32_t lo = 0, hi = s->deposits_len;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct steward_deposit *d = &s->deposits[s->deposits_order[mid]];

        if (memcmp(d->id.bytes, id->bytes, DIGEST_SIZE) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

uint32_t steward_deposit_find(const struct steward *s, const struct digest *id)
{
    uint32_t at = place_of(s, id);
    uint32_t index;

    if (at == s->deposits_len) {
        return STEWARD_NONE;
    }
    index = s->deposits_order[at];
    return digest_equal(&s->deposits[index].id, id) ? index : STEWARD_NONE;
}

static bool deposits_grow(struct steward *s)
{
    uint32_t max = s->deposits_max == 0 ? DEPOSITS_FIRST : 2 * s->deposits_max;
    struct steward_deposit *deposits;
    uint32_t *order;

    if (s->deposits_max >= STEWARD_DEPOSITS_MAX) {
        return false;
    }
    deposits = realloc(s->deposits, max * sizeof(*deposits));
    if (deposits == NULL) {
        return false;
    }
    s->deposits = deposits;
    order = realloc(s->deposits_order, max * sizeof(*order));
    if (order == NULL) {
        return false;
    }
    s->deposits_order = order;
    for (uint32_t i = s->deposits_max; i < max; i++) {
        order[i] = i;
    }
    s->deposits_max = max;
    return true;
}

static void count_u32(uint32_t *count, int sign)
{
    assert(sign > 0 || *count > 0);
    *count = sign > 0 ? *count + 1 : *count - 1;
}

static void count_u64(uint64_t *count, uint64_t by, int sign)
{
    assert(sign > 0 ? *count <= UINT64_MAX - by : *count >= by);
    *count = sign > 0 ? *count + by : *count - by;
}

/* Of a lab that has left nothing is counted: it is asked for nothing. */
static void count_known(struct steward *s, const struct digest *lab, int sign)
{
    struct steward_member *m = steward_member_of(s, lab);

    if (m != NULL) {
        count_u32(&m->deposits, sign);
    }
}

uint32_t steward_deposit_add(struct steward *s,
                             const struct digest *id,
                             const struct digest *lab)
{
    uint32_t at, index;

    if (s->deposits_len == s->deposits_max && !deposits_grow(s)) {
        return STEWARD_NONE;
    }
    at = place_of(s, id);
    index = s->deposits_order[s->deposits_len];
    memmove(&s->deposits_order[at + 1], &s->deposits_order[at],
            (s->deposits_len - at) * sizeof(s->deposits_order[0]));
    s->deposits_order[at] = index;
    s->deposits_len++;
    s->deposits[index] = (struct steward_deposit){.id = *id, .lab = *lab};
    count_known(s, lab, 1);
    return index;
}

void steward_deposit_remove(struct steward *s, uint32_t index)
{
    uint32_t at = place_of(s, &s->deposits[index].id);

    assert(at < s->deposits_len && s->deposits_order[at] == index);
    assert(!s->deposits[index].has_manifest && !s->deposits[index].has_shard);
    count_known(s, &s->deposits[index].lab, -1);
    s->deposits_len--;
    memmove(&s->deposits_order[at], &s->deposits_order[at + 1],
            (s->deposits_len - at) * sizeof(s->deposits_order[0]));
    s->deposits_order[s->deposits_len] = index;
}

void steward_deposit_count(struct steward *s,
                           const struct steward_deposit *d,
                           int sign)
{
    struct steward_member *m = steward_member_of(s, &d->lab);

    assert(d->has_shard);
    if (m != NULL) {
        count_u32(&m->shards, sign);
        count_u64(&m->shard_bytes,
                  d->state == STEWARD_HELD ? d->size : d->size_max, sign);
    }
    switch (d->state) {
    case STEWARD_SEALING:
        count_u32(&s->seals_due, sign);
        count_u32(&s->shards_filling, sign);
        count_u64(&s->bytes_reserved, d->size_max, sign);
        break;
    case STEWARD_FILLING:
        count_u32(&s->shards_filling, sign);
        count_u64(&s->bytes_reserved, d->size_max, sign);
        break;
    case STEWARD_HELD:
        count_u32(&s->shards_held, sign);
        count_u64(&s->bytes_held, d->size, sign);
        break;
    }
}
