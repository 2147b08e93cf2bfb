#include <stdlib.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/recovery/recover_ticket_internal.h"

#define PATIENCE_MS 60000U

static uint64_t patience(const struct recover_ticket_options *o)
{
    return o->patience_ms > 0 ? o->patience_ms : PATIENCE_MS;
}

static int network_open(struct client **client,
                        struct job *j,
                        struct ticket_gathering *g,
                        uint64_t patience_ms,
                        char *errmsg)
{
    const struct ticket_papers *p = g->papers;
    struct client_config config = {.job = j,
                                   .charter = &p->facts->charter,
                                   .net = p->facts->net,
                                   .psk = p->ticket.psk,
                                   .transport = p->keys->transport,
                                   .id = p->release_id,
                                   .stewards = p->facts->manifest.stewards,
                                   .n = p->facts->manifest.n,
                                   .deposit_id = p->facts->manifest.deposit_id,
                                   .patience_ms = patience_ms,
                                   .step = ticket_gathering_step,
                                   .machine = g,
                                   .verbose = g->cli->verbose};
    int rv = client_open(client, &config, errmsg);

    secret_wipe(&config, sizeof(config));
    return rv;
}

/* Until the machine asks for its job: OK, and the shares are there. */
static int network_gather(struct client *client,
                          struct ticket_gathering *g,
                          uint64_t *job,
                          char *errmsg)
{
    const struct manifest *m = &g->papers->facts->manifest;
    const char *text = NULL;
    uint8_t none[1];
    size_t size = 0;
    int rv;

    cli_note(g->cli,
             "asking %u stewards for their key shares of '%s'; %u are "
             "needed",
             m->n, m->label, m->t);
    rv = client_wait(client, ticket_gathering_has_ended, g, job, none,
                     sizeof(none), &size, errmsg);
    if (rv == OK && *job == 0) {
        rv = recoverer_failure(g->recoverer, &text);
        assert(rv != OK); /* Without a job it is never DONE. */
        errmsg_set(errmsg, "%s", text);
    }
    return rv;
}

/* Will the shares find a folder? One that is not there yet is made when there
 * are shares, not for nothing. */
static int shares_may(const char *folder, char *errmsg)
{
    bool there = access(folder, F_OK) == 0;
    int rv = folder_make(folder, 0700, errmsg);

    if (rv == OK) {
        rv = folder_may(folder, errmsg);
    }
    if (!there) {
        (void)rmdir(folder);
    }
    return rv;
}

/* Where all of it goes, before anybody is asked. */
static int output_open(struct target *target,
                       const struct recover_ticket_options *o,
                       char *errmsg)
{
    int rv = o->save_shares != NULL ? shares_may(o->save_shares, errmsg) : OK;

    return rv == OK ? target_open(target, o->out, o->force, errmsg) : rv;
}

static int recover_with(struct ticket_gathering *g,
                        const struct recover_ticket_options *o,
                        struct job *j,
                        struct target *target,
                        struct recover_result *result,
                        char *errmsg)
{
    const struct manifest *m = &g->papers->facts->manifest;
    struct client *client = NULL;
    struct ticket_fetching f = {.cli = g->cli,
                                .o = o,
                                .job = j,
                                .gathering = g,
                                .manifest = m,
                                .target = target,
                                .result = result};
    uint64_t job = 0;
    int rv = network_open(&client, j, g, patience(o), errmsg);

    if (rv != OK) {
        return rv;
    }
    rv = network_gather(client, g, &job, errmsg);
    if (rv == OK) {
        result->deposit_id = m->deposit_id;
        memcpy(result->label, m->label, sizeof(result->label));
        result->shards_used = ticket_gathering_links(g);
        f.client = client;
        rv = ticket_fetch(&f, errmsg);
        client_report(client, job, rv, slice_of(NULL, 0));
    }
    client_close(client);
    return rv;
}

int recover_ticket(struct cli *c,
                   const struct recover_ticket_options *o,
                   struct recover_result *result,
                   bool *asked,
                   char *errmsg)
{
    struct ticket_gathering *g = calloc(1, sizeof(*g));
    struct ticket_papers *p = NULL;
    struct target target = {.root = -1};
    struct job j;
    int rv = ERR_NOMEM;

    *asked = false;
    if (g == NULL) {
        errmsg_set(errmsg, "out of memory");
        return rv;
    }
    rv = ticket_papers_read(&p, c, o, errmsg);
    if (rv == OK) {
        rv = ticket_gathering_open(g, c, p, patience(o), errmsg);
    }
    if (rv == OK) {
        rv = output_open(&target, o, errmsg);
    }
    if (rv == OK) {
        rv = job_open(&j, 0, errmsg);
    }
    if (rv == OK) {
        *asked = true;
        rv = recover_with(g, o, &j, &target, result, errmsg);
        job_close(&j);
    }
    target_close(&target);
    recoverer_free(g->recoverer);
    ticket_papers_free(p);
    free(g);
    return rv;
}
