#include "sim/story.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/certificate.h"
#include "replication/steward/steward.h"
#include "sim/client.h"
#include "sim/faults.h"
#include "sim/oracles.h"

#define TICK_US   (SIM_SECOND / 2)
#define PHASE_US  (3600 * SIM_SECOND)
#define AGAIN_US  (5 * SIM_SECOND)
#define LOST      (SIM_N - SIM_K)
#define LOSSES_US (20 * SIM_SECOND)

/* What an operator asks of a steward's node. */
struct errand {
    uint64_t id, asked_us; /* Of the last time. */
    bool done;
};

struct story {
    enum story_phase phase;
    uint64_t since_us, ids;
    struct rng rng;
    uint8_t *papers; /* The certificate. */
    struct certificate_facts *facts;
    uint8_t request[RELEASE_REQUEST_MAX];
    size_t request_size;
    struct digest release_id;
    bool lost[SIM_STEWARDS];
    struct errand errands[SIM_STEWARDS];
};

void story_new(struct sim *w)
{
    struct story *s = sim_memory(sizeof(*s));

    sim_stream(w, &s->rng, "story", 0);
    s->papers = sim_memory(CERTIFICATE_SIZE_MAX);
    s->facts = sim_memory(sizeof(*s->facts));
    w->story = s;
    sim_put(w, TICK_US, SIM_STORY, SIM_NODES, 0, OK, slice_of(NULL, 0));
}

void story_free(struct sim *w)
{
    free(w->story->papers);
    free(w->story->facts);
    free(w->story);
}

enum story_phase story_phase(const struct sim *w)
{
    return w->story->phase;
}

const char *story_phase_name(enum story_phase phase)
{
    static const char *const names[] = {
        [STORY_DEPOSIT] = "deposit", [STORY_SUBMIT] = "submit",
        [STORY_APPROVE] = "approve", [STORY_RECOVER] = "recover",
        [STORY_SETTLE] = "settle",   [STORY_DONE] = "done"};

    return names[phase];
}

static void turn_to(struct sim *w, enum story_phase phase)
{
    w->story->phase = phase;
    w->story->since_us = w->now_us;
    memset(w->story->errands, 0, sizeof(w->story->errands));
    if (w->options.verbose) {
        (void)fprintf(stderr, "%10.3f s  %s\n", (double)w->now_us / SIM_SECOND,
                      story_phase_name(phase));
    }
}

/* --- Deposit, and what is lost after it ------------------------------------
 */

static void lab_leaves(struct sim *w)
{
    struct story *s = w->story;
    struct certificate c;
    char what[160] = "";
    size_t size = sim_lab_certificate(w, s->papers);
    int rv = certificate_decode(&c, slice_of(s->papers, size));

    if (rv == OK) {
        rv = certificate_verify(&c, s->facts, what);
    }
    if (rv != OK || !s->facts->sealed) {
        oracle_fail(w,
                    "P4: the lab leaves with a certificate that is not "
                    "sealed (%d): %s",
                    rv, what);
    }
}

static void losses_plan(struct sim *w)
{
    struct story *s = w->story;

    for (unsigned left = LOST; left > 0;) {
        unsigned node = (unsigned)rng_below(&s->rng, SIM_STEWARDS);
        uint64_t when = w->options.faults == SIM_FAULTS_NONE
                            ? 0
                            : rng_below(&s->rng, LOSSES_US);

        if (s->lost[node]) {
            continue;
        }
        s->lost[node] = true;
        left--;
        if (w->options.drips) {
            w->nodes[node].drips_until_us = UINT64_MAX;
        } else {
            sim_put(w, when, SIM_LOSS, SIM_NODES, node, OK, slice_of(NULL, 0));
        }
    }
}

static void request_make(struct sim *w)
{
    struct story *s = w->story;
    const struct manifest *m = &s->facts->manifest;
    struct release_request r = {.net = w->people.net,
                                .charter_hash = w->people.charter.hash,
                                .deposit_id = m->deposit_id,
                                .manifest_hash = s->facts->manifest_hash,
                                .share_epoch = m->share_epoch,
                                .recipient = "A successor",
                                .purpose = "To carry on what the lab began",
                                .time_s = sim_wall_ms(w, SIM_LAB) / 1000};
    struct digest psk;
    int rv;

    memcpy(r.label, m->label, sizeof(r.label));
    sim_recipient_keys(w, r.hpke_pk, r.transport_pk);
    r.not_after_s = r.time_s + (uint64_t)30 * 86400;
    rng_bytes(&s->rng, r.nonce, sizeof(r.nonce));
    rv = release_request_encode(&r, s->request, sizeof(s->request),
                                &s->request_size);
    assert(rv == OK);
    (void)rv;
    release_id(&s->release_id, slice_of(s->request, s->request_size));
    release_psk(&psk, w->people.psk, &s->release_id);
    sim_recipient_ticket(w, s->facts, &s->release_id, &psk);
}

static void tick_deposit(struct sim *w)
{
    const char *text = "";

    if (sim_lab_has_failed(w, &text)) {
        if (w->options.verbose) {
            (void)fprintf(stderr, "%10.3f s  the lab: %s\n",
                          (double)w->now_us / SIM_SECOND, text);
        }
        if (w->options.faults == SIM_FAULTS_NONE) {
            oracle_fail(w, "P1: nothing went wrong, and the deposit failed: %s",
                        text);
        }
        sim_crash(w, SIM_LAB, AGAIN_US); /* The same command again. */
    }
    if (!sim_lab_is_done(w)) {
        return;
    }
    lab_leaves(w);
    if (!w->oracles->failed) {
        request_make(w);
        sim_lose(w, SIM_LAB);
        losses_plan(w);
        faults_allow(w);
        turn_to(w, STORY_SUBMIT);
    }
}

/* --- Release ----------------------------------------------------------------
 */

static void errand_run(struct sim *w,
                       unsigned node,
                       const struct steward_client *c)
{
    struct errand *e = &w->story->errands[node];
    uint8_t bytes[STEWARD_CLIENT_SIZE_MAX];
    size_t size = 0;
    int rv;

    if (!w->nodes[node].up || e->done ||
        (e->id != 0 && w->now_us < e->asked_us + AGAIN_US)) {
        return;
    }
    e->id = ++w->story->ids;
    e->asked_us = w->now_us;
    rv = steward_client_encode(c, bytes, sizeof(bytes), &size);
    assert(rv == OK);
    (void)rv;
    sim_put(w, 1000, SIM_CLIENT, node, e->id, OK, slice_of(bytes, size));
}

void story_reply(struct sim *w, unsigned node, uint64_t id, struct slice bytes)
{
    struct errand *e = &w->story->errands[node];
    struct steward_reply r;

    if (e->id == id && steward_reply_decode(&r, bytes) == OK) {
        e->done = r.status == OK;
        if (!e->done && w->options.verbose) {
            (void)fprintf(stderr, "%10.3f s  steward %u: %s\n",
                          (double)w->now_us / SIM_SECOND, node, r.text);
        }
    }
}

static void tick_submit(struct sim *w)
{
    struct story *s = w->story;
    const struct steward_client c = {.type = STEWARD_CLIENT_SUBMIT,
                                     .bytes =
                                         slice_of(s->request, s->request_size)};
    unsigned node = 0;

    while (s->lost[node]) {
        node++;
    }
    errand_run(w, node, &c);
    if (s->errands[node].done) {
        turn_to(w, STORY_APPROVE);
    }
}

static void tick_approve(struct sim *w)
{
    struct story *s = w->story;
    char *text = sim_memory(RELEASE_RENDERED_MAX);
    unsigned todo = 0;
    size_t size = 0;
    int rv = release_request_render(slice_of(s->request, s->request_size), text,
                                    RELEASE_RENDERED_MAX, &size);

    assert(rv == OK);
    (void)rv;
    for (unsigned i = 0; i < SIM_STEWARDS; i++) {
        uint8_t sig[PEOPLE_SIG_MAX];
        struct steward_client c = {.type = STEWARD_CLIENT_APPROVE,
                                   .release_id = s->release_id};

        if (s->lost[i]) {
            continue;
        }
        c.bytes = slice_of(sig, people_sign(&w->people.persons[i],
                                            RELEASE_APPROVAL_NAMESPACE,
                                            slice_of(text, size), sig));
        errand_run(w, i, &c);
        todo += s->errands[i].done ? 0 : 1;
    }
    free(text);
    if (todo == 0) {
        sim_boot(w, SIM_RECIPIENT);
        turn_to(w, STORY_RECOVER);
    }
}

static void tick_recover(struct sim *w)
{
    const char *text = "";

    if (sim_recipient_has_failed(w, &text)) {
        if (w->options.verbose) {
            (void)fprintf(stderr, "%10.3f s  the recipient: %s\n",
                          (double)w->now_us / SIM_SECOND, text);
        }
        if (w->options.faults == SIM_FAULTS_NONE) {
            oracle_fail(w, "P1: nothing went wrong, and recovery failed: %s",
                        text);
        }
        sim_crash(w, SIM_RECIPIENT, AGAIN_US);
    }
    if (sim_recipient_is_done(w)) {
        oracle_recovered(w, sim_lab_source(w), sim_recipient_plain(w));
        faults_stop(w);
        turn_to(w, STORY_SETTLE);
    }
}

/* --- The end ----------------------------------------------------------------
 */

static void tick_settle(struct sim *w)
{
    if (oracle_feeds_agree(w)) {
        oracle_receipts(w);
        turn_to(w, STORY_DONE);
    } else if (w->now_us > w->story->since_us + 600 * SIM_SECOND) {
        oracle_fail(w, "P6: the feeds of those that are left do not agree, "
                       "long after the last fault");
    }
}

void story_tick(struct sim *w)
{
    enum story_phase phase = w->story->phase;

    switch (phase) {
    case STORY_DEPOSIT:
        tick_deposit(w);
        break;
    case STORY_SUBMIT:
        tick_submit(w);
        break;
    case STORY_APPROVE:
        tick_approve(w);
        break;
    case STORY_RECOVER:
        tick_recover(w);
        break;
    case STORY_SETTLE:
        tick_settle(w);
        break;
    case STORY_DONE:
        return;
    }
    if (w->now_us > w->story->since_us + PHASE_US) {
        oracle_fail(w, "P1: stuck for an hour in '%s'",
                    story_phase_name(phase));
    }
    sim_put(w, TICK_US, SIM_STORY, SIM_NODES, 0, OK, slice_of(NULL, 0));
}
