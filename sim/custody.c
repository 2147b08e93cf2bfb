#include "protocol/custody.h"

#include <stdlib.h>

#include "sim/oracles.h"

/* Between a steward's node and its custodian: requests and answers in order,
 * and ERR_IO when the custodian is not there. */

#define SOCKET_US 200U

static struct sim_ask *ask_of(struct sim *w, uint64_t number)
{
    return &w->asks[number % SIM_ASKS_MAX];
}

static void answer(struct sim *w,
                   struct sim_ask *ask,
                   int status,
                   struct slice bytes)
{
    ask->open = false;
    if (w->nodes[ask->steward].life == ask->life) {
        sim_put(w, SOCKET_US, SIM_CUSTODY, ask->steward, ask->id, status,
                bytes);
    }
}

void sim_custody_ask(struct sim *w,
                     unsigned steward,
                     uint64_t id,
                     struct slice bytes)
{
    unsigned custodian = steward + SIM_STEWARDS;
    uint64_t number = ++w->asks_len;
    struct sim_ask *ask = ask_of(w, number);
    static struct custody c;

    assert(!ask->open);
    *ask = (struct sim_ask){.steward = steward,
                            .life = w->nodes[steward].life,
                            .id = id,
                            .open = true};
    if (custody_decode(&c, bytes) == OK && c.type == CUSTODY_ENVELOPE) {
        memcpy(ask->envelope_of, c.u.envelope.release_id.bytes, DIGEST_SIZE);
    }
    if (!w->nodes[custodian].up ||
        w->nodes[custodian].apart_until_us > w->now_us) {
        answer(w, ask, ERR_IO, slice_of(NULL, 0));
    } else {
        sim_put(w, SOCKET_US, SIM_ASK, custodian, number, OK, bytes);
    }
}

void sim_on_ask(struct sim *w, struct sim_event *e)
{
    sim_feed(w, e->node,
             (struct core_event){
                 .type = EV_CLIENT, .id = e->id, .bytes = sim_event_slice(e)});
}

void sim_custody_reply(struct sim *w,
                       unsigned custodian,
                       uint64_t number,
                       struct slice bytes)
{
    struct sim_ask *ask = ask_of(w, number);
    static struct custody c;

    assert(ask->open && ask->steward + SIM_STEWARDS == custodian);
    if (custody_decode(&c, bytes) == OK && c.type == CUSTODY_HANDED) {
        oracle_handed(w, ask->steward, ask->envelope_of);
    }
    answer(w, ask, OK, bytes);
}

void sim_custody_end(struct sim *w, unsigned custodian)
{
    for (size_t i = 0; i < SIM_ASKS_MAX; i++) {
        if (w->asks[i].open && w->asks[i].steward + SIM_STEWARDS == custodian) {
            answer(w, &w->asks[i], ERR_IO, slice_of(NULL, 0));
        }
    }
}
