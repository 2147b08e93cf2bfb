#include "replication/holders.h"

#include "replication/mover.h"

/* Is holder |a| the better one to ask? */
static bool holder_before(const struct holders *h,
                          uint16_t k,
                          uint64_t mono_ms,
                          uint16_t a,
                          uint16_t b)
{
    bool a_rests = h->rest_until[a] > mono_ms;
    bool b_rests = h->rest_until[b] > mono_ms;

    if (a_rests != b_rests) {
        return b_rests;
    }
    if ((a < k) != (b < k)) {
        return a < k;
    }
    if (h->latency[a] != h->latency[b]) {
        return h->latency[a] < h->latency[b];
    }
    return a < b;
}

int holders_best(const struct holders *h,
                 uint64_t among,
                 const struct erasure *code,
                 uint64_t mono_ms)
{
    int best = -1;

    for (uint16_t i = 0; i < code->n; i++) {
        if ((among & stream_bit(i)) != 0 &&
            (best < 0 ||
             holder_before(h, code->k, mono_ms, i, (uint16_t)best))) {
            best = i;
        }
    }
    return best;
}

void holders_answered(struct holders *h, uint32_t holder, uint64_t took_ms)
{
    h->latency[holder] = (7 * h->latency[holder] + took_ms) / 8;
}

void holders_failed(struct holders *h, uint32_t holder, uint64_t rest_until_ms)
{
    h->errors[holder]++;
    h->rest_until[holder] = rest_until_ms;
}
