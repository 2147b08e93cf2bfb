#include "node/deposit/deposit_network.h"

#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "node/base/text.h"

#define FOLDER_DIGITS 16U

/* --- Home ------------------------------------------------------------------
 */

static int home_join(struct network *w)
{
    const struct deposit_options *o = w->d.o;
    char *chain = path_join(o->home, "charter");
    char *psk = path_join(o->home, "network.psk");
    int rv = self_open_member(&w->self, o->home, o->passphrase, w->d.errmsg);

    if (rv == OK) {
        rv = self_join(&w->self, chain, psk, w->d.errmsg);
        if (rv == ERR_NOTFOUND && w->self.charter == NULL) {
            errmsg_set(w->d.errmsg,
                       "'%s' is in no network yet; run 'cairn id install' with "
                       "the charter and the secret of one",
                       o->home);
        }
    }
    if (rv == OK &&
        charter_member(w->self.charter, &w->self.id)->role != CARD_LAB) {
        errmsg_set(
            w->d.errmsg,
            "'%s' is the home of a %s, and only labs deposit; give "
            "--home that of a lab of the network",
            o->home,
            card_role_name(charter_member(w->self.charter, &w->self.id)->role));
        rv = ERR_DENIED;
    }
    free(chain);
    free(psk);
    return rv;
}

static int store_take(struct network *w)
{
    char *path = path_join(w->d.o->home, "db");
    int rv =
        store_open(&w->store, &w->d.job.loop, path, STORE_RESERVE, w->d.errmsg);

    if (rv == ERR_NOTFOUND) {
        rv = store_create(path, w->d.errmsg);
        if (rv == OK) {
            rv = store_open(&w->store, &w->d.job.loop, path, STORE_RESERVE,
                            w->d.errmsg);
        }
    }
    free(path);
    return rv;
}

/* The journal of a deposit is found by the model's path. */
static char *folder_name(const struct network *w)
{
    char *real = realpath(w->d.o->source, NULL);
    char *deposits = path_join(w->d.o->home, "deposits");
    const char *name = real != NULL ? real : w->d.o->source;
    struct digest id;
    char hex[2 * DIGEST_SIZE + 1];
    char *folder;

    sha256(slice_str(name), &id);
    text_hex(hex, id.bytes, DIGEST_SIZE);
    hex[FOLDER_DIGITS] = '\0';
    folder = path_join(deposits, hex);
    free(deposits);
    free(real);
    return folder;
}

/* --- Plan ------------------------------------------------------------------
 */

/* The steward that a person means: its name, or the beginning of its id. */
static const struct card *steward_find(const struct charter *charter,
                                       const char *said)
{
    const struct card *found = NULL;

    for (size_t i = 0; i < charter->members_len; i++) {
        const struct card *card = &charter->members[i].card;
        char hex[2 * DIGEST_SIZE + 1];

        text_hex(hex, card->id.bytes, DIGEST_SIZE);
        if (card->role != CARD_STEWARD) {
            continue;
        }
        if (strcmp(card->name, said) == 0) {
            return card;
        }
        if (strlen(said) >= 8 && strncmp(hex, said, strlen(said)) == 0) {
            found = card;
        }
    }
    return found;
}

static int stewards_place(struct network *w, struct journal_plan *p)
{
    const struct deposit_options *o = w->d.o;
    struct digest chosen[MANIFEST_SHARDS_MAX];
    char text[MESSAGE_TEXT_MAX + 1] = "";
    int rv;

    if (o->stewards_len > MANIFEST_SHARDS_MAX) {
        errmsg_set(w->d.errmsg, "at most %d stewards hold a deposit",
                   MANIFEST_SHARDS_MAX);
        return ERR_BAD;
    }
    for (size_t i = 0; i < o->stewards_len; i++) {
        const struct card *card = steward_find(w->self.charter, o->stewards[i]);

        if (card == NULL) {
            errmsg_set(w->d.errmsg,
                       "no steward of the network is '%s'; 'cairn network "
                       "show' lists them",
                       o->stewards[i]);
            return ERR_NOTFOUND;
        }
        chosen[i] = card->id;
    }
    rv = depositor_place(w->self.charter, &p->deposit_id, chosen,
                         o->stewards_len, p->k, p->n, p->polynomials.t,
                         p->stewards, text);
    if (rv != OK) {
        errmsg_set(w->d.errmsg, "%s", text);
    }
    return rv;
}

static int plan_make(struct network *w)
{
    struct journal_plan *p = deposit_plan_new(&w->d);
    int rv;

    if (p == NULL) {
        return ERR_NOMEM;
    }
    rng_bytes(&w->rng, p->random.bytes, sizeof(p->random.bytes));
    p->net = w->self.net;
    p->author = w->self.id;
    manifest_deposit_id(&p->deposit_id, &p->net, &p->author, p->random.bytes);
    rv = stewards_place(w, p);
    if (rv == OK) {
        rv = journal_create(&w->d.journal, w->folder, p, w->d.o->passphrase,
                            w->d.errmsg);
    }
    secret_free(p);
    return rv;
}

static int plan_check(struct network *w)
{
    const struct journal_plan *p = w->d.journal.plan;
    int rv = deposit_plan_compare(&w->d);

    if (rv == OK && (!digest_equal(&p->net, &w->self.net) ||
                     !digest_equal(&p->author, &w->self.id) || p->offline)) {
        errmsg_set(w->d.errmsg,
                   "an unfinished deposit of this model is of another network "
                   "or another lab; remove '%s' to give it up",
                   w->d.journal.folder);
        rv = ERR_MISMATCH;
    }
    return rv;
}

/* Go on with the deposit that is under way, find the one that was made, or
 * begin one. */
static int plan_open(struct network *w, struct deposit_result *result)
{
    char *deposits = path_join(w->d.o->home, "deposits");
    int rv = folder_make(deposits, 0700, w->d.errmsg);

    w->folder = folder_name(w);
    if (rv == OK) {
        rv = journal_clean(w->folder, w->d.errmsg);
    }
    if (rv == OK) {
        rv = journal_open(&w->d.journal, w->folder, w->d.o->passphrase,
                          w->d.errmsg);
        result->resumed = rv == OK;
        if (rv == OK) {
            rv = plan_check(w);
        } else if (rv == ERR_NOTFOUND) {
            w->d.errmsg[0] = '\0';
            result->already = !w->d.o->again && made_find(w, &w->made);
            rv = result->already ? OK : plan_make(w);
        }
    }
    free(deposits);
    return rv;
}

/* --- The machine ------------------------------------------------------------
 */

static void step_depositor(void *network,
                           const struct core_event *ev,
                           struct core_out *out)
{
    struct network *w = network;

    depositor_step(w->machine, ev, out);
    if (depositor_phase(w->machine) == DEPOSITOR_FAILED) {
        job_cancel(&w->d.job); /* It is for nothing. */
    }
}

static int machine_new(struct network *w)
{
    const struct journal_plan *p = w->d.journal.plan;
    const struct deposit_options *o = w->d.o;
    struct depositor_config *config = secret_new(sizeof(*config));
    int rv = ERR_NOMEM;

    if (config == NULL) {
        errmsg_set(w->d.errmsg, "no locked memory; raise 'ulimit -l'");
        return rv;
    }
    config->charter = w->self.charter;
    config->chain = slice_of(w->self.chain, w->self.chain_size);
    config->net = w->self.net;
    config->self = w->self.id;
    config->node = w->self.keys->node;
    config->incarnation = w->self.keys->incarnation;
    config->deposit_id = p->deposit_id;
    config->random = p->random;
    memcpy(config->label, p->label, sizeof(config->label));
    config->k = p->k;
    config->n = p->n;
    config->t = p->polynomials.t;
    config->segment_size = p->segment_size;
    config->size_max = deposit_shard_size_max(&w->d);
    memcpy(config->stewards, p->stewards, sizeof(config->stewards));
    if (w->d.journal.committed > 0) {
        config->committed_leaves = w->d.last->offset / LEAF_SIZE;
        config->ranges = w->d.last->ranges;
    }
    config->polynomials = &p->polynomials;
    config->receipts_min =
        o->accept_margin ? p->k + charter_faulty(p->n) : p->n;
    config->patience_ms = (uint64_t)o->patience_s * 1000;
    config->rng = &w->rng;
    rv = depositor_new(&w->machine, config);
    if (rv != OK) {
        errmsg_set(w->d.errmsg, "no memory for the deposit");
    }
    secret_free(config);
    return rv;
}

static int client_begin(struct network *w)
{
    static const uint8_t kinds[] = {KEY_ENTRY};
    const struct slice starts[] = {slice_of(&kinds[0], 1)};
    const struct journal_plan *p = w->d.journal.plan;
    struct client_config config = {
        .job = &w->d.job,
        .charter = w->self.charter,
        .net = w->self.net,
        .psk = w->self.psk,
        .transport = w->self.keys->transport,
        .id = w->self.id,
        .node = &w->self.keys->node,
        .stewards = p->stewards,
        .n = p->n,
        .deposit_id = p->deposit_id,
        .patience_ms = (uint64_t)w->d.o->patience_s * 1000,
        .step = step_depositor,
        .machine = w,
        .store = w->store,
        .starts = starts,
        .starts_len = sizeof(starts) / sizeof(starts[0]),
        .verbose = w->d.c->verbose,
    };
    int rv = client_open(&w->client, &config, w->d.errmsg);

    secret_wipe(&config, sizeof(config));
    for (uint16_t i = 0; i < p->n && rv == OK; i++) {
        w->d.streams[i] = client_streams(w->client)[i];
    }
    return rv;
}

/* --- What people see ---------------------------------------------------------
 */

struct counts {
    unsigned accepted, receipts, acknowledgements;
};

static struct counts count(const struct network *w)
{
    struct counts c = {0};

    for (uint16_t i = 0; i < w->d.journal.plan->n; i++) {
        struct depositor_column column;

        depositor_column(w->machine, i, &column);
        c.accepted += column.accepted ? 1 : 0;
        c.receipts += column.receipt ? 1 : 0;
        c.acknowledgements += column.acknowledged ? 1 : 0;
    }
    return c;
}

static void phase_tell(const struct network *w)
{
    const struct counts c = count(w);
    unsigned n = w->d.journal.plan->n;

    switch (w->shown) {
    case DEPOSITOR_OFFERING:
        cli_note(w->d.c, "offering the shards to %u stewards", n);
        break;
    case DEPOSITOR_SEALING:
        cli_note(w->d.c, "%u of %u stewards accepted", c.accepted, n);
        break;
    case DEPOSITOR_PUBLISHING:
        cli_note(w->d.c, "the manifest is published; waiting for receipts");
        break;
    case DEPOSITOR_FILLING:
        cli_note(w->d.c, "%u of %u receipts; filling in for the others",
                 c.receipts, n);
        break;
    case DEPOSITOR_DEALING:
        cli_note(w->d.c,
                 "%u of %u receipts; dealing the key shares and reading back",
                 c.receipts, n);
        break;
    case DEPOSITOR_DONE:
    case DEPOSITOR_FAILED:
        break;
    }
}

/* What was read back is the model; is there more to wait for? */
static void verified_tell(const struct network *w)
{
    unsigned acknowledged = count(w).acknowledgements;
    unsigned n = w->d.journal.plan->n;

    if (depositor_phase(w->machine) == DEPOSITOR_DEALING && acknowledged < n) {
        cli_note(w->d.c,
                 "%u of %u custodians acknowledged; waiting for the others",
                 acknowledged, n);
    }
}

static bool network_ended(void *arg)
{
    struct network *w = arg;
    enum depositor_phase phase = depositor_phase(w->machine);

    if (phase != w->shown) {
        w->shown = phase;
        phase_tell(w);
    }
    return phase == DEPOSITOR_DONE || phase == DEPOSITOR_FAILED;
}

/* --- The run
 * ------------------------------------------------------------------ */

static void on_commit(struct depositing *d, uint64_t leaves)
{
    struct network *w = (struct network *)d;
    uint8_t report[8];

    u64le_store(report, leaves);
    client_report(w->client, w->job, 1, slice_of(report, sizeof(report)));
}

static int network_run(struct network *w)
{
    uint8_t bytes[DEPOSITOR_JOB_MAX];
    struct depositor_job job;
    const char *text = NULL;
    size_t size = 0;
    int rv = OK;

    while (rv == OK) {
        rv = client_wait(w->client, network_ended, w, &w->job, bytes,
                         sizeof(bytes), &size, w->d.errmsg);
        if (rv != OK || w->job == 0) {
            break;
        }
        rv = depositor_job_decode(&job, slice_of(bytes, size));
        if (rv == OK) {
            network_ended(w); /* To tell of the phase that asked. */
            rv = columns_job(w, &job);
        }
        if (rv == OK && job.type == DEPOSITOR_VERIFY) {
            verified_tell(w);
        }
    }
    if (rv == OK && depositor_phase(w->machine) == DEPOSITOR_FAILED) {
        rv = depositor_failure(w->machine, &text);
        errmsg_set(w->d.errmsg, "%s", text);
    }
    return rv;
}

static int network_make(struct network *w)
{
    struct depositing *d = &w->d;
    int rv = deposit_begin(d);

    if (rv == OK) {
        rv = source_verify(d);
    }
    if (rv == OK) {
        rv = store_take(w);
    }
    if (rv == OK) {
        rv = machine_new(w);
    }
    if (rv == OK) {
        d->quorum = d->o->n - charter_faulty(d->o->n);
        d->on_commit = on_commit;
        rv = client_begin(w);
    }
    if (rv == OK) {
        rv = network_run(w);
    }
    return rv == OK ? made_certify(w) : rv;
}

static int network_deposit(struct network *w, struct deposit_result *result)
{
    struct depositing *d = &w->d;
    int rv = made_may(d->o->certificate, d->errmsg);

    if (rv == OK) {
        rv = home_join(w);
    }
    if (rv == OK) {
        rv = deposit_source(d, d->o->home);
    }
    if (rv == OK && d->o->certificate != NULL) {
        rv = deposit_avoid(d, d->o->certificate);
    }
    if (rv == OK) {
        rv = plan_open(w, result);
    }
    if (rv == OK && !result->already) {
        rv = network_make(w);
    }
    if (rv != OK) {
        return rv;
    }
    made_result(w, result);
    if (!result->already) {
        rv = made_remember(w);
        if (rv == OK) {
            rv = journal_erase(&d->journal, d->errmsg);
        }
    }
    return rv == OK ? made_copy(w) : rv;
}

int deposit_network(struct cli *c,
                    const struct deposit_options *o,
                    struct deposit_result *result,
                    char *errmsg)
{
    struct network *w = calloc(1, sizeof(*w));
    int rv;

    errmsg[0] = '\0';
    if (w == NULL) {
        errmsg_set(errmsg, "out of memory");
        return ERR_NOMEM;
    }
    w->d.c = c;
    w->d.o = o;
    w->d.errmsg = errmsg;
    rng_init_system(&w->rng);
    deposit_init(&w->d);
    rv = network_deposit(w, result);
    client_close(w->client);
    depositor_free(w->machine);
    store_close(w->store);
    deposit_end(&w->d);
    self_close(&w->self);
    certificate_file_free(w->made);
    free(w->folder);
    free(w->manifest);
    free(w);
    return rv;
}
