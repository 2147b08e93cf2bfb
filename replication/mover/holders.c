#include "replication/mover/holders.h"

#include "replication/mover/mover.h"

/* 0: to be asked; 1: only for want of those; 2: only for want of any other. */
static int holder_rests(const struct holders *h,
                        uint64_t busy,
                        uint64_t mono_ms,
                        uint16_t i)
{
    bool slow = h->slow[i] > 0;
    bool rests = h->rest_until[i] > mono_ms;

    if (slow && (rests || (busy & stream_bit(i)) != 0)) {
        return 2;
    }
    return rests ? 1 : 0;
}

/* Is holder |a| the better one to ask? */
static bool holder_before(const struct holders *h,
                          uint64_t busy,
                          uint64_t preferred,
                          uint64_t mono_ms,
                          uint16_t a,
                          uint16_t b)
{
    int a_rests = holder_rests(h, busy, mono_ms, a);
    int b_rests = holder_rests(h, busy, mono_ms, b);
    bool a_first = (preferred & stream_bit(a)) != 0;
    bool b_first = (preferred & stream_bit(b)) != 0;

    if (a_rests != b_rests) {
        return a_rests < b_rests;
    }
    if (a_first != b_first) {
        return a_first;
    }
    if (h->latency[a] != h->latency[b]) {
        return h->latency[a] < h->latency[b];
    }
    return a < b;
}

int holders_best(const struct holders *h,
                 uint64_t among,
                 uint64_t busy,
                 uint64_t preferred,
                 uint64_t mono_ms)
{
    int best = -1;

    for (uint16_t i = 0; i < MANIFEST_SHARDS_MAX; i++) {
        if ((among & stream_bit(i)) != 0 &&
            (best < 0 ||
             holder_before(h, busy, preferred, mono_ms, i, (uint16_t)best))) {
            best = i;
        }
    }
    return best;
}

/* The lower one of an even number. */
static uint64_t median_of(const uint64_t *values, size_t len)
{
    uint64_t sorted[HOLDERS_RECENT];

    for (size_t i = 0; i < len; i++) {
        size_t at = i;

        for (; at > 0 && sorted[at - 1] > values[i]; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = values[i];
    }
    return sorted[(len - 1) / 2];
}

void holders_answered(struct holders *h, uint32_t holder, uint64_t took_ms)
{
    if (h->slow[holder] > 0 && took_ms < holders_late_ms(h)) {
        h->slow[holder]--;
    }
    h->latency[holder] = (7 * h->latency[holder] + took_ms) / 8;
    h->recent[h->recent_at] = took_ms;
    h->recent_at = (h->recent_at + 1) % HOLDERS_RECENT;
    if (h->recent_len < HOLDERS_RECENT) {
        h->recent_len++;
    }
    h->median_ms = median_of(h->recent, h->recent_len);
}

void holders_failed(struct holders *h, uint32_t holder, uint64_t rest_until_ms)
{
    h->errors[holder]++;
    if (h->rest_until[holder] < rest_until_ms) {
        h->rest_until[holder] = rest_until_ms;
    }
}

uint64_t holders_late_ms(const struct holders *h)
{
    uint64_t late_ms = HOLDERS_LATE_TIMES * h->median_ms;

    if (h->recent_len == 0) {
        return HOLDERS_BLIND_MS;
    }
    return late_ms > HOLDERS_LATE_MS ? late_ms : HOLDERS_LATE_MS;
}

void holders_outrun(struct holders *h,
                    uint32_t holder,
                    uint64_t waited_ms,
                    uint64_t mono_ms)
{
    uint64_t rest_ms = HOLDERS_REST_TIMES * waited_ms;

    if (h->rest_until[holder] > mono_ms) {
        return;
    }
    if (rest_ms < HOLDERS_REST_MS) {
        rest_ms = HOLDERS_REST_MS;
    }
    h->rest_until[holder] = mono_ms + (rest_ms << h->slow[holder]);
    h->slow[holder] += h->slow[holder] < HOLDERS_SLOW_MAX ? 1U : 0U;
}
