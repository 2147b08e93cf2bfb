#include "node/link/link_state.h"

/* How often one address may connect: a token bucket each, in a table that does
 * not grow. */

/* What shares a bucket: an IPv4 address, in its IPv6 form, or the /64 of an
 * IPv6 address, which is what one subscriber has. */
static void bucket_address(const struct sockaddr *addr, uint8_t out[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0,    0,
                                       0, 0, 0, 0, 0xff, 0xff};

    memset(out, 0, 16);
    if (addr->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, addr, sizeof(in));
        memcpy(out, mapped, sizeof(mapped));
        memcpy(out + sizeof(mapped), &in.sin_addr, 4);
    } else if (addr->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, addr, sizeof(in6));
        memcpy(out, &in6.sin6_addr, 16);
        if (memcmp(out, mapped, sizeof(mapped)) != 0) {
            memset(out + 8, 0, 8);
        }
    }
}

/* The bucket of |address|: its own, a new one, or the one that rested longest,
 * which was the fullest of all if addresses come at the same rate. */
static struct link_bucket *bucket_find(struct link_host *h,
                                       const uint8_t address[16])
{
    struct link_bucket *b = &h->buckets[0];

    for (size_t i = 0; i < h->buckets_len; i++) {
        if (memcmp(h->buckets[i].address, address, 16) == 0) {
            return &h->buckets[i];
        }
        if (h->buckets[i].at_ms < b->at_ms) {
            b = &h->buckets[i];
        }
    }
    if (h->buckets_len < LINK_BUCKETS_MAX) {
        b = &h->buckets[h->buckets_len++];
    }
    memcpy(b->address, address, 16);
    b->at_ms = uv_now(h->config.loop);
    b->tokens = (uint64_t)h->config.limits.ip_burst * 1000;
    return b;
}

bool link_bucket_take(struct link_host *h, const struct sockaddr *addr)
{
    const struct link_limits *limits = &h->config.limits;
    uint64_t now = uv_now(h->config.loop), most;
    uint8_t address[16];
    struct link_bucket *b;

    bucket_address(addr, address);
    b = bucket_find(h, address);
    /* Tokens a second are thousandths of a token a millisecond. */
    b->tokens += (now - b->at_ms) * limits->ip_per_s;
    b->at_ms = now;
    most = (uint64_t)limits->ip_burst * 1000;
    if (b->tokens > most) {
        b->tokens = most;
    }
    if (b->tokens < 1000) {
        return false;
    }
    b->tokens -= 1000;
    return true;
}
