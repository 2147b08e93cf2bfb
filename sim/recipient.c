#include <stdlib.h>

#include "crypto/content_key.h"
#include "replication/recoverer/recoverer.h"
#include "sim/client.h"

/* The recipient's node: the twin of node/recovery/recover_ticket.c. */

#define PATIENCE_MS 60000U

struct sim_recipient {
    uint8_t hpke_sk[HPKE_KEY_SIZE], hpke_pk[HPKE_KEY_SIZE];
    uint8_t transport_pk[32];
    const struct certificate_facts *facts;
    struct digest release_id, psk;
    struct recoverer *machine;
    struct sim_streams streams;
    struct segment_params params;
    struct sim_fetch *fetch;
    uint64_t job;
    uint8_t *plain;
    size_t plain_size, plain_max;
};

void sim_recipient_new(struct sim *w)
{
    struct sim_recipient *r = sim_memory(sizeof(*r));
    struct rng rng;

    sim_stream(w, &rng, "recipient", 0);
    hpke_keypair(&rng, r->hpke_sk, r->hpke_pk);
    rng_bytes(&rng, r->transport_pk, sizeof(r->transport_pk));
    w->recipient = r;
}

void sim_recipient_free(struct sim *w)
{
    free(w->recipient->plain);
    free(w->recipient);
}

void sim_recipient_keys(const struct sim *w,
                        uint8_t hpke_pk[HPKE_KEY_SIZE],
                        uint8_t transport_pk[32])
{
    memcpy(hpke_pk, w->recipient->hpke_pk, HPKE_KEY_SIZE);
    memcpy(transport_pk, w->recipient->transport_pk, 32);
}

void sim_recipient_ticket(struct sim *w,
                          const struct certificate_facts *facts,
                          const struct digest *release_id,
                          const struct digest *psk)
{
    struct sim_recipient *r = w->recipient;
    const struct manifest *m = &facts->manifest;

    r->facts = facts;
    r->release_id = *release_id;
    r->psk = *psk;
    r->streams.deposit_id = m->deposit_id;
    r->streams.manifest = m;
    memcpy(r->streams.stewards, m->stewards, sizeof(m->stewards));
    r->plain_max = m->segments * (size_t)m->segment_size;
    r->plain = sim_memory(r->plain_max);
}

void sim_recipient_shows(const struct sim *w, struct transport_cert *cert)
{
    cert->release_id = w->recipient->release_id;
    memcpy(cert->transport_pk, w->recipient->transport_pk, 32);
}

/* --- A life -------------------------------------------------------------- */

static void recipient_run(void *machine,
                          const struct core_event *ev,
                          struct core_out *out)
{
    recoverer_step(machine, ev, out);
}

static void recipient_machine_free(void *machine)
{
    recoverer_free(machine);
}

int sim_recipient_make(struct sim *w)
{
    struct sim_recipient *r = w->recipient;
    struct sim_node *n = &w->nodes[SIM_RECIPIENT];
    struct recoverer_config c = {.charter = &r->facts->charter,
                                 .net = r->facts->net,
                                 .release_id = r->release_id,
                                 .manifest_hash = r->facts->manifest_hash,
                                 .manifest = &r->facts->manifest,
                                 .patience_ms = PATIENCE_MS};
    int rv;

    memcpy(c.hpke_sk, r->hpke_sk, sizeof(c.hpke_sk));
    memcpy(c.psk, r->psk.bytes, sizeof(c.psk));
    rv = recoverer_new(&r->machine, &c);
    n->machine = r->machine;
    n->step = recipient_run;
    n->free = recipient_machine_free;
    return rv;
}

void sim_recipient_end(struct sim *w)
{
    struct sim_recipient *r = w->recipient;

    sim_mover_free(w, SIM_RECIPIENT);
    sim_fetch_free(r->fetch);
    r->fetch = NULL;
    r->machine = NULL;
    r->job = 0;
    memset(r->streams.columns, 0, sizeof(r->streams.columns));
}

/* --- The job ------------------------------------------------------------- */

static int key_make(struct sim_recipient *r)
{
    const struct manifest *m = &r->facts->manifest;
    const struct share_file *files = NULL;
    struct vss_share shares[SIM_N];
    struct scalar s, blinding;
    struct digest commit;
    int rv = ERR_NOTFOUND;

    if (recoverer_shares(r->machine, &files) >= m->t) {
        for (uint16_t i = 0; i < m->t; i++) {
            shares[i] = files[i].share;
        }
        rv = vss_combine(shares, m->t, &s, &blinding);
    }
    if (rv == OK) {
        content_key_derive(&r->params.key, &m->deposit_id, s.bytes, &commit);
        rv = digest_equal(&commit, &m->key_commit) ? OK : ERR_AUTH;
    }
    if (rv == OK) {
        r->params.segment_size = m->segment_size;
        rv = erasure_init(&r->params.code, m->k, m->n);
    }
    return rv;
}

static int take(struct sim *w, uint64_t segment, struct slice plain)
{
    struct sim_recipient *r = w->recipient;

    (void)segment; /* In order. */
    if (plain.size > r->plain_max - r->plain_size) {
        return ERR_FULL;
    }
    memcpy(r->plain + r->plain_size, plain.data, plain.size);
    r->plain_size += plain.size;
    return OK;
}

static void fetched(struct sim *w, int status)
{
    struct sim_recipient *r = w->recipient;

    sim_fetch_free(r->fetch);
    r->fetch = NULL;
    sim_report(w, SIM_RECIPIENT, r->job, status, slice_of(NULL, 0));
}

void sim_recipient_job(struct sim *w, uint64_t job)
{
    struct sim_recipient *r = w->recipient;
    int rv = key_make(r);

    r->job = job;
    r->plain_size = 0;
    if (rv != OK) {
        fetched(w, rv);
        return;
    }
    r->fetch = sim_fetch_new();
    r->fetch->w = w;
    r->fetch->node = SIM_RECIPIENT;
    r->fetch->streams = &r->streams;
    r->fetch->params = &r->params;
    r->fetch->holders = ((uint64_t)1 << SIM_N) - 1;
    r->fetch->take = take;
    r->fetch->end = fetched;
    sim_fetch_start(r->fetch);
}

/* --- What others look at -------------------------------------------------- */

struct sim_streams *sim_recipient_streams(struct sim *w)
{
    return &w->recipient->streams;
}

bool sim_recipient_is_done(const struct sim *w)
{
    return w->recipient->machine != NULL &&
           recoverer_phase(w->recipient->machine) == RECOVERER_DONE;
}

bool sim_recipient_has_failed(const struct sim *w, const char **text)
{
    if (w->recipient->machine == NULL ||
        recoverer_phase(w->recipient->machine) != RECOVERER_FAILED) {
        return false;
    }
    (void)recoverer_failure(w->recipient->machine, text);
    return true;
}

struct slice sim_recipient_plain(const struct sim *w)
{
    return slice_of(w->recipient->plain, w->recipient->plain_size);
}
