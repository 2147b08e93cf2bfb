#include <stdlib.h>

#include "protocol/transport_cert.h"
#include "replication/steward/steward.h"
#include "sim/client.h"
#include "sim/oracles.h"

/* Links: latency and bandwidth of their own, in order, and never told to be
 * gone at once. */

/* Who drips sends 200 bytes a second. */
#define DRIP_NS ((uint64_t)5000000)

static struct sim_link *link_of(struct sim *w, uint64_t id)
{
    assert(id >= 1 && id <= w->links_len);
    return &w->links[id - 1];
}

/* The end of a link that |node| is; 2: none in this life. */
static unsigned end_of(const struct sim *w,
                       const struct sim_link *l,
                       unsigned node)
{
    unsigned end = 0;

    while (end < 2 &&
           (l->ends[end] != node || l->lives[end] != w->nodes[node].life)) {
        end++;
    }
    return end;
}

bool sim_link_lives(const struct sim *w, uint64_t link)
{
    const struct sim_link *l = &w->links[link - 1];

    return l->hears[0] && l->hears[1] && !l->cut;
}

/* Does an end of a link between these two still think that it is there? */
static bool are_linked(struct sim *w, unsigned from, unsigned to)
{
    while (w->links_first < w->links_len &&
           !w->links[w->links_first].hears[0] &&
           !w->links[w->links_first].hears[1]) {
        w->links_first++;
    }
    for (size_t i = w->links_first; i < w->links_len; i++) {
        const struct sim_link *l = &w->links[i];
        unsigned end = end_of(w, l, from);

        if (end < 2 && l->hears[end] && l->ends[1 - end] == to) {
            return true;
        }
    }
    return false;
}

/* When |size| bytes that leave now arrive at that end. */
static uint64_t arrival_at_us(struct sim *w,
                              struct sim_link *l,
                              unsigned end,
                              size_t size,
                              uint64_t byte_ns)
{
    uint64_t start = w->now_us + sim_about(&w->net, l->latency_us);

    start = start > l->last_us[end] ? start : l->last_us[end];
    l->last_us[end] = start + size * byte_ns / 1000;
    return l->last_us[end];
}

static uint64_t arrival_us(struct sim *w,
                           struct sim_link *l,
                           unsigned end,
                           size_t size)
{
    return arrival_at_us(w, l, end, size, l->byte_ns);
}

static struct sim_event *put_to(struct sim *w,
                                uint64_t id,
                                unsigned end,
                                enum sim_type type,
                                uint64_t at_us,
                                int status,
                                struct slice bytes)
{
    struct sim_link *l = link_of(w, id);
    struct sim_event *e =
        sim_put(w, at_us - w->now_us, type, l->ends[end], id, status, bytes);

    e->life = l->lives[end];
    return e;
}

/* --- Up ------------------------------------------------------------------ */

/* What |node| shows of itself. */
static struct slice cert_of(struct sim *w,
                            unsigned node,
                            uint8_t out[TRANSPORT_CERT_MAX])
{
    struct transport_cert cert = {.net = w->people.net, .transport_pk = {1}};
    const struct sign_key *key = NULL;
    size_t size = 0;
    int rv;

    if (node == SIM_RECIPIENT) {
        cert.type = TRANSPORT_RECIPIENT;
        sim_recipient_shows(w, &cert);
    } else {
        const struct person *p = &w->people.persons[sim_member(node)];

        cert.type = TRANSPORT_MEMBER;
        cert.id = p->id;
        cert.not_before_s = 1;
        cert.not_after_s = 2;
        key = &p->node;
    }
    rv = transport_cert_encode(&cert, key, out, TRANSPORT_CERT_MAX, &size);
    assert(rv == OK);
    (void)rv;
    return slice_of(out, size);
}

/* What node/daemon/daemon_recipients.c asks of one who is in no charter. */
static bool recipient_is_let_in(struct sim *w, unsigned steward)
{
    const struct steward *s = w->nodes[steward].machine;
    struct transport_cert cert;

    sim_recipient_shows(w, &cert);
    for (size_t i = 0; i < steward_releases(s); i++) {
        struct steward_release_info info;

        steward_release_info(s, i, &info);
        if (digest_equal(&info.id, &cert.release_id)) {
            return info.open && !info.expired &&
                   memcmp(info.transport_pk, cert.transport_pk, 32) == 0;
        }
    }
    return false;
}

static bool is_reached(struct sim *w, unsigned from, unsigned to)
{
    return w->nodes[to].up && w->nodes[from].apart_until_us <= w->now_us &&
           w->nodes[to].apart_until_us <= w->now_us &&
           (from != SIM_RECIPIENT || recipient_is_let_in(w, to));
}

/* A failed attempt is not told: who dialled dials again. */
void sim_dial(struct sim *w, unsigned from, unsigned to)
{
    uint8_t bytes[TRANSPORT_CERT_MAX];
    struct sim_link *l = &w->links[w->links_len];

    if (to >= SIM_STEWARDS || are_linked(w, from, to) ||
        !is_reached(w, from, to)) {
        return;
    }
    if (w->links_len == SIM_LINKS_MAX) {
        oracle_fail(w, "P1: links come and go without end");
        return;
    }
    *l = (struct sim_link){
        .ends = {from, to},
        .lives = {w->nodes[from].life, w->nodes[to].life},
        .hears = {true, true},
        .latency_us = 500 + rng_below(&w->net, 80000),
        .byte_ns = 10 + rng_below(&w->net, 400),
    };
    w->links_len++;
    for (unsigned end = 0; end < 2; end++) {
        uint64_t at = arrival_us(w, l, end, 500);

        put_to(w, w->links_len, end, SIM_UP, at, OK,
               cert_of(w, l->ends[1 - end], bytes));
    }
}

/* --- What is said -------------------------------------------------------- */

/* The end at which that arrives; 2: the link is not there any more. */
static unsigned far_end(struct sim *w, unsigned from, uint64_t link)
{
    const struct sim_link *l = link_of(w, link);
    unsigned end = end_of(w, l, from);

    return end < 2 && l->hears[end] ? 1 - end : 2;
}

void sim_send(struct sim *w, unsigned from, uint64_t link, struct slice bytes)
{
    unsigned end = far_end(w, from, link);

    if (end < 2) {
        put_to(w, link, end, SIM_MSG,
               arrival_us(w, link_of(w, link), end, bytes.size), OK, bytes);
    }
}

uint64_t sim_send_data(struct sim *w,
                       unsigned from,
                       uint64_t link,
                       uint32_t stream,
                       struct slice bytes)
{
    unsigned end = far_end(w, from, link);
    struct sim_link *l = link_of(w, link);
    uint64_t at;

    if (end == 2) {
        return w->now_us;
    }
    at = arrival_at_us(w, l, end, bytes.size,
                       w->nodes[from].drips_until_us > w->now_us ? DRIP_NS
                                                                 : l->byte_ns);
    put_to(w, link, end, SIM_DATA, at, OK, bytes)->number = stream;
    return at > w->now_us + l->latency_us ? at - l->latency_us : w->now_us;
}

/* --- Down ---------------------------------------------------------------- */

static void down_soon(struct sim *w,
                      uint64_t link,
                      unsigned end,
                      uint64_t at_us)
{
    put_to(w, link, end, SIM_DOWN, at_us, ERR_IO, slice_of(NULL, 0));
}

/* What was sent before still arrives; what comes is not heard. */
void sim_close(struct sim *w, unsigned from, uint64_t link)
{
    struct sim_link *l = link_of(w, link);
    unsigned end = end_of(w, l, from);

    if (end < 2 && l->hears[end]) {
        l->hears[end] = false;
        down_soon(w, link, end, w->now_us);
        if (l->hears[1 - end]) {
            down_soon(w, link, 1 - end, arrival_us(w, l, 1 - end, 0));
        }
    }
}

void sim_cut(struct sim *w, uint64_t link)
{
    struct sim_link *l = link_of(w, link);

    if (!sim_link_lives(w, link)) {
        return;
    }
    l->cut = true;
    for (unsigned end = 0; end < 2; end++) {
        down_soon(w, link, end, w->now_us + sim_about(&w->net, 3 * SIM_SECOND));
    }
}

void sim_links_end(struct sim *w, unsigned node)
{
    for (size_t i = w->links_first; i < w->links_len; i++) {
        struct sim_link *l = &w->links[i];

        for (unsigned end = 0; end < 2; end++) {
            if (l->ends[end] != node || !l->hears[end]) {
                continue;
            }
            l->hears[end] = false;
            if (l->hears[1 - end] && !l->cut) {
                down_soon(w, i + 1, 1 - end,
                          arrival_us(w, l, 1 - end, 0) +
                              rng_below(&w->net, SIM_SECOND));
            }
        }
    }
}

/* --- What arrives -------------------------------------------------------- */

static void on_up(struct sim *w,
                  const struct sim_event *e,
                  struct sim_link *l,
                  unsigned end)
{
    l->told[end] = true;
    if (sim_kind(e->node) != SIM_IS_STEWARD) {
        sim_client_up(w, e->node, e->id, l->ends[1 - end]);
    }
    sim_feed(w, e->node,
             (struct core_event){
                 .type = EV_LINK, .id = e->id, .bytes = sim_event_slice(e)});
}

static void on_down(struct sim *w,
                    const struct sim_event *e,
                    struct sim_link *l,
                    unsigned end)
{
    bool told = l->told[end];

    l->hears[end] = l->told[end] = false;
    if (!told) {
        return;
    }
    if (sim_kind(e->node) == SIM_IS_STEWARD) {
        sim_shard_link_down(w, e->node, e->id);
    } else {
        sim_client_down(w, e->node, e->id);
    }
    sim_feed(
        w, e->node,
        (struct core_event){.type = EV_LINK, .id = e->id, .status = ERR_IO});
}

static void on_message(struct sim *w, const struct sim_event *e)
{
    struct slice bytes = sim_event_slice(e);
    int status = OK;
    bool taken = sim_kind(e->node) == SIM_IS_STEWARD
                     ? sim_shard_message(w, e->node, e->id, bytes, &status)
                     : sim_client_message(w, e->node, e->id, bytes, &status);

    if (status != OK) {
        sim_close(w, e->node, e->id);
    } else if (!taken) {
        sim_feed(
            w, e->node,
            (struct core_event){.type = EV_MSG, .id = e->id, .bytes = bytes});
    }
}

static void on_data(struct sim *w, const struct sim_event *e)
{
    uint32_t stream = (uint32_t)e->number;
    struct slice bytes = sim_event_slice(e);
    int rv = sim_kind(e->node) == SIM_IS_STEWARD
                 ? sim_shard_data(w, e->node, e->id, stream, bytes)
                 : sim_client_data(w, e->node, e->id, stream, bytes);

    if (rv != OK) {
        sim_close(w, e->node, e->id);
    }
}

void sim_on_net(struct sim *w, struct sim_event *e)
{
    struct sim_link *l = link_of(w, e->id);
    unsigned end = end_of(w, l, e->node);

    assert(end < 2);
    if (e->type == SIM_DOWN) {
        on_down(w, e, l, end);
    } else if (!l->hears[end] || l->cut) {
        return;
    } else if (e->type == SIM_UP) {
        on_up(w, e, l, end);
    } else if (e->type == SIM_MSG) {
        on_message(w, e);
    } else {
        on_data(w, e);
    }
}

void sim_on_seek(struct sim *w, const struct sim_event *e)
{
    for (unsigned i = 0; i < SIM_STEWARDS; i++) {
        if (i != e->node) {
            sim_dial(w, e->node, i);
        }
    }
    sim_put(w, sim_about(&w->nodes[e->node].disk, SIM_SECOND), SIM_SEEK,
            e->node, 0, OK, slice_of(NULL, 0));
}
