#include "node/recover_ticket.h"

#include <stdlib.h>
#include <time.h>

#include "crypto/secret.h"
#include "node/client.h"
#include "node/recipient_keys.h"
#include "protocol/certificate.h"
#include "replication/recoverer.h"

#define PATIENCE_MS 60000U
/* Clocks may differ by a day, DESIGN.md 6. */
#define LEEWAY_S 86400U

/* What ticket and keys say; in secret memory. */
struct papers {
    uint8_t *file; /* The ticket's bytes, which |ticket| lies in. */
    struct ticket ticket;
    struct digest release_id;
    struct release_request request;
    struct recipient_keys *keys;
    struct certificate_facts *facts;
};

/* --- The ticket ---------------------------------------------------------- */

static int ticket_read(struct papers *p, const char *path, char *errmsg)
{
    size_t size = 0;
    int rv = file_read_secret(path, TICKET_SIZE_MAX, &p->file, &size, errmsg);

    if (rv != OK) {
        return rv;
    }
    rv = ticket_decode(&p->ticket, slice_of(p->file, size));
    if (rv == OK) {
        rv = release_request_decode(&p->request, p->ticket.request);
    }
    if (rv == ERR_UNSUPPORTED) {
        errmsg_set(errmsg,
                   "'%s' is of a later format; use a newer cairn to read it",
                   path);
    } else if (rv != OK) {
        errmsg_set(errmsg, "'%s' is no ticket, or damaged", path);
    } else {
        release_id(&p->release_id, p->ticket.request);
    }
    return rv;
}

/* Chain and manifest hold, and the request is about them. */
static int ticket_check(struct papers *p, char *errmsg)
{
    const struct release_request *r = &p->request;
    char what[160] = "";
    int rv =
        certificate_open(p->ticket.chain, p->ticket.manifest, p->facts, what);

    if (rv != OK) {
        errmsg_set(errmsg, "the ticket does not hold: %s",
                   what[0] != '\0' ? what : "its papers are damaged");
        return rv;
    }
    if (!digest_equal(&r->net, &p->facts->net) ||
        !digest_equal(&r->deposit_id, &p->facts->manifest.deposit_id) ||
        !digest_equal(&r->manifest_hash, &p->facts->manifest_hash) ||
        r->share_epoch != p->facts->manifest.share_epoch) {
        errmsg_set(errmsg, "the request in the ticket is about another deposit "
                           "than its manifest");
        return ERR_MISMATCH;
    }
    if (p->facts->manifest.offline) {
        errmsg_set(errmsg, "that deposit was made without a network; bring its "
                           "shards with --from");
        return ERR_UNSUPPORTED;
    }
    return OK;
}

static int ticket_check_time(struct cli *c,
                             const struct papers *p,
                             char *errmsg)
{
    uint64_t now = (uint64_t)time(NULL);
    uint64_t end = p->request.not_after_s;
    char when[TEXT_SIZE];

    text_time(when, end);
    if (now > end + LEEWAY_S) {
        errmsg_set(errmsg,
                   "the release has expired: it ended on %s, and stewards no "
                   "longer answer; a new request is needed",
                   when);
        return ERR_DENIED;
    }
    if (now > end) {
        cli_note(c, "the release ended on %s; stewards may not answer", when);
    }
    return OK;
}

static int keys_read(struct papers *p,
                     const struct recover_ticket_options *o,
                     char *errmsg)
{
    char *passphrase = NULL;
    bool sealed = false;
    size_t size = 0;
    int rv = recipient_keys_is_sealed(o->keys, &sealed, errmsg);

    if (rv != OK) {
        return rv;
    }
    if (sealed || o->passphrase_file != NULL) {
        passphrase = secret_new(CLI_PASSPHRASE_MAX);
        if (passphrase == NULL) {
            errmsg_set(errmsg, "no locked memory for a passphrase; raise "
                               "'ulimit -l'");
            return ERR_NOMEM;
        }
        rv = passphrase_read(o->passphrase_file, NULL, false, passphrase,
                             CLI_PASSPHRASE_MAX, &size, errmsg);
    }
    if (rv == OK) {
        rv = recipient_keys_read(o->keys, slice_of(passphrase, size), &p->keys,
                                 errmsg);
    }
    secret_free(passphrase);
    return rv;
}

static int keys_check(const struct papers *p, const char *path, char *errmsg)
{
    if (memcmp(p->keys->hpke_pk, p->request.hpke_pk, HPKE_KEY_SIZE) != 0 ||
        memcmp(p->keys->transport.pk, p->request.transport_pk,
               NOISE_KEY_SIZE) != 0) {
        errmsg_set(errmsg,
                   "the keys in '%s' are not those of the request that was "
                   "approved (recipient '%s'); give the file that was made "
                   "with that request",
                   path, p->request.recipient);
        return ERR_MISMATCH;
    }
    if (!digest_equal(&p->keys->net, &p->facts->net) ||
        !digest_equal(&p->keys->manifest_hash, &p->facts->manifest_hash)) {
        errmsg_set(errmsg,
                   "the ticket leads to another network or another model than "
                   "the keys in '%s' were made for; do not trust who gave it "
                   "to you",
                   path);
        return ERR_MISMATCH;
    }
    return OK;
}

static void papers_free(struct papers *p)
{
    if (p != NULL) {
        secret_free(p->keys);
        secret_free(p->file);
        free(p->facts);
        secret_free(p);
    }
}

static int papers_read(struct papers **out,
                       struct cli *c,
                       const struct recover_ticket_options *o,
                       char *errmsg)
{
    struct papers *p = secret_new(sizeof(*p));
    int rv = ERR_NOMEM;

    if (p == NULL) {
        errmsg_set(errmsg, "no locked memory; raise 'ulimit -l'");
        return rv;
    }
    p->facts = calloc(1, sizeof(*p->facts));
    if (p->facts == NULL) {
        errmsg_set(errmsg, "out of memory");
        goto err;
    }
    rv = ticket_read(p, o->ticket, errmsg);
    if (rv == OK) {
        rv = ticket_check(p, errmsg);
    }
    if (rv == OK) {
        rv = ticket_check_time(c, p, errmsg);
    }
    if (rv == OK) {
        rv = keys_read(p, o, errmsg);
    }
    if (rv == OK) {
        rv = keys_check(p, o->keys, errmsg);
    }
    if (rv == OK) {
        *out = p;
        return OK;
    }
err:
    papers_free(p);
    return rv;
}

/* --- Gathering ----------------------------------------------------------- */

/* The machine, and what of it has been told. */
struct gathering {
    struct cli *cli;
    const struct papers *papers;
    struct recoverer *recoverer;
    struct recoverer_column told[MANIFEST_SHARDS_MAX];
};

static const char *steward_name(const struct papers *p, uint16_t column)
{
    const struct card *card = charter_member(
        &p->facts->charter, &p->facts->manifest.stewards[column]);

    return card != NULL ? card->name : "a steward that left";
}

static void gathering_tell(const struct gathering *g, uint16_t column)
{
    const struct recoverer_column *now = &g->told[column];

    if (!g->cli->json) {
        cli_note(g->cli, "%s: %s", steward_name(g->papers, column),
                 now->text[0] != '\0' ? now->text
                 : now->share         ? "gave its key share"
                                      : "connected");
    }
}

/* A line for each steward of which there is news. */
static void gathering_look(struct gathering *g)
{
    for (uint16_t i = 0; i < g->papers->facts->manifest.n; i++) {
        struct recoverer_column *told = &g->told[i];
        struct recoverer_column now;

        recoverer_column(g->recoverer, i, &now);
        if (now.up != told->up || now.share != told->share ||
            strcmp(now.text, told->text) != 0) {
            *told = now;
            gathering_tell(g, i);
        }
    }
}

static void gathering_step(void *machine,
                           const struct core_event *ev,
                           struct core_out *out)
{
    struct gathering *g = machine;
    bool gathers = recoverer_phase(g->recoverer) == RECOVERER_GATHERING;

    recoverer_step(g->recoverer, ev, out);
    if (gathers) {
        gathering_look(g);
    }
}

static bool gathering_has_ended(void *arg)
{
    const struct gathering *g = arg;

    return recoverer_phase(g->recoverer) >= RECOVERER_DONE;
}

static int gathering_open(struct gathering *g,
                          struct cli *c,
                          const struct papers *p,
                          uint64_t patience_ms,
                          char *errmsg)
{
    struct recoverer_config config = {.charter = &p->facts->charter,
                                      .net = p->facts->net,
                                      .release_id = p->release_id,
                                      .manifest_hash = p->facts->manifest_hash,
                                      .manifest = &p->facts->manifest,
                                      .patience_ms = patience_ms};
    int rv;

    g->cli = c;
    g->papers = p;
    memcpy(config.hpke_sk, p->keys->hpke_sk, sizeof(config.hpke_sk));
    memcpy(config.psk, p->ticket.psk, sizeof(config.psk));
    rv = recoverer_new(&g->recoverer, &config);
    secret_wipe(&config, sizeof(config));
    if (rv != OK) {
        errmsg_set(errmsg, "no locked memory for key shares; raise "
                           "'ulimit -l'");
        return rv;
    }
    for (uint16_t i = 0; i < p->facts->manifest.n; i++) {
        recoverer_column(g->recoverer, i, &g->told[i]);
    }
    return OK;
}

static unsigned gathering_links(const struct gathering *g)
{
    unsigned links = 0;

    for (uint16_t i = 0; i < g->papers->facts->manifest.n; i++) {
        struct recoverer_column now;

        recoverer_column(g->recoverer, i, &now);
        links += now.up ? 1U : 0U;
    }
    return links;
}

/* --- Opened shares, for other readers ------------------------------------ */

static int share_save(const char *folder,
                      const struct share_file *f,
                      uint8_t *bytes,
                      char *errmsg)
{
    char name[24];
    char *path;
    uint8_t *there = NULL;
    size_t there_size = 0;
    size_t size = 0;
    int rv = share_file_encode(f, bytes, SHARE_FILE_MAX, &size);

    if (rv != OK) {
        return rv;
    }
    (void)snprintf(name, sizeof(name), "share-%02u", f->share.index);
    path = path_join(folder, name);
    rv = file_write(path, slice_of(bytes, size), 0600, FILE_NEW, errmsg);
    if (rv == ERR_EXISTS) {
        rv =
            file_read_secret(path, SHARE_FILE_MAX, &there, &there_size, errmsg);
        if (rv == OK &&
            (there_size != size || !secret_equal(there, bytes, size))) {
            errmsg_set(errmsg,
                       "'%s' is another key share; give another folder with "
                       "--save-shares",
                       path);
            rv = ERR_EXISTS;
        }
        secret_free(there);
    }
    free(path);
    return rv;
}

static int shares_save(struct cli *c,
                       const char *folder,
                       const struct share_file *shares,
                       size_t len,
                       char *errmsg)
{
    uint8_t *bytes = secret_new(SHARE_FILE_MAX);
    int rv = folder_make(folder, 0700, errmsg);

    if (bytes == NULL) {
        errmsg_set(errmsg, "no locked memory; raise 'ulimit -l'");
        rv = ERR_NOMEM;
    }
    for (size_t i = 0; i < len && rv == OK; i++) {
        rv = share_save(folder, &shares[i], bytes, errmsg);
    }
    secret_free(bytes);
    if (rv == OK) {
        cli_note(c,
                 "%zu opened key shares are in '%s': with k shards they open "
                 "the deposit; remove them as soon as they are not needed",
                 len, folder);
    }
    return rv;
}

/* --- Fetching ------------------------------------------------------------ */

struct fetching {
    struct cli *cli;
    const struct recover_ticket_options *o;
    struct job *job;
    struct client *client;
    const struct gathering *gathering;
    const struct manifest *manifest;
    struct recover_result *result;
};

static int table_read(const struct fetching *f,
                      uint16_t column,
                      uint8_t *table,
                      struct restorer_place **places,
                      char *errmsg)
{
    const struct manifest *m = f->manifest;
    uint64_t size = shard_table_size(m->segments);
    uint64_t first = (m->shard_size - LEAF_SIZE - size) / LEAF_SIZE;
    int rv = client_read(f->client, column, first, size / LEAF_SIZE, table);

    if (rv == OK) {
        rv = recovery_places(m, table, places, errmsg);
    } else if (rv == ERR_CANCELED) {
        errmsg_set(errmsg, "interrupted; run the same command to go on");
    }
    return rv;
}

/* The segment table from the first steward that gives it, those that are
 * connected first. A table that is what the lab sealed and yet does not fit
 * the manifest is the same in every shard. */
static int table_fetch(const struct fetching *f,
                       struct restorer_place **places,
                       char *errmsg)
{
    const struct manifest *m = f->manifest;
    uint8_t *table = malloc(shard_table_size(m->segments));
    int rv = ERR_IO;

    if (table == NULL) {
        errmsg_set(errmsg, "out of memory for the segment table");
        return ERR_NOMEM;
    }
    assert(m->n > 0); /* manifest_decode() */
    for (uint32_t i = 0; i < 2U * m->n && rv != OK; i++) {
        uint16_t column = (uint16_t)(i % m->n);
        struct recoverer_column now;

        recoverer_column(f->gathering->recoverer, column, &now);
        if (now.up != (i < m->n)) {
            continue;
        }
        rv = table_read(f, column, table, places, errmsg);
        if (rv == ERR_CANCELED || rv == ERR_BAD || rv == ERR_NOMEM) {
            break;
        }
    }
    free(table);
    if (rv == OK || rv == ERR_CANCELED || rv == ERR_BAD || rv == ERR_NOMEM) {
        return rv;
    }
    errmsg_set(errmsg, "no steward gave an undamaged segment table");
    return ERR_NOTFOUND;
}

static int fetch_key(const struct fetching *f,
                     struct segment_params *p,
                     char *errmsg)
{
    const struct papers *papers = f->gathering->papers;
    const struct share_file *shares = NULL;
    size_t len = recoverer_shares(f->gathering->recoverer, &shares);
    struct content_key *key = secret_new(sizeof(*key));
    char bad[ERRMSG_SIZE] = "";
    int rv = ERR_NOMEM;

    if (key == NULL) {
        errmsg_set(errmsg, "no locked memory for the key; raise 'ulimit -l'");
        return rv;
    }
    rv = recovery_key(f->manifest, &papers->facts->manifest_hash, shares, len,
                      key, bad, errmsg);
    if (rv == OK) {
        rv = recovery_params(f->manifest, key, p);
    }
    secret_free(key);
    if (rv == OK && f->o->save_shares != NULL) {
        rv = shares_save(f->cli, f->o->save_shares, shares, len, errmsg);
    }
    return rv;
}

static int fetch_files(const struct fetching *f,
                       const struct segment_params *p,
                       const struct restorer_place *places,
                       char *errmsg)
{
    struct target target;
    int rv = target_open(&target, f->o->out, f->o->force, errmsg);

    if (rv != OK) {
        return rv == ERR_NOTFOUND ? ERR_IO : rv; /* Not for want of shards. */
    }
    rv = recovery_files(f->cli, f->job, f->manifest, p,
                        client_streams(f->client), places, &target, f->o->only,
                        f->o->only_len, errmsg);
    f->result->files = target.files_len;
    f->result->bytes = target.bytes;
    target_close(&target);
    return rv;
}

static int fetch(const struct fetching *f, char *errmsg)
{
    struct segment_params *p = recovery_params_new();
    struct restorer_place *places = NULL;
    int rv = ERR_NOMEM;

    if (p == NULL) {
        errmsg_set(errmsg, "no locked memory for the key; raise 'ulimit -l'");
        return rv;
    }
    rv = client_manifest(f->client, f->manifest);
    if (rv != OK) {
        errmsg_set(errmsg, "out of memory");
    }
    if (rv == OK) {
        rv = fetch_key(f, p, errmsg);
    }
    if (rv == OK) {
        rv = table_fetch(f, &places, errmsg);
    }
    if (rv == OK) {
        rv = fetch_files(f, p, places, errmsg);
    }
    free(places);
    recovery_params_free(p);
    return rv;
}

static uint64_t patience(const struct recover_ticket_options *o)
{
    return o->patience_ms > 0 ? o->patience_ms : PATIENCE_MS;
}

/* --- All of it ----------------------------------------------------------- */

static int network_open(struct client **client,
                        struct job *j,
                        struct gathering *g,
                        uint64_t patience_ms,
                        char *errmsg)
{
    const struct papers *p = g->papers;
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
                                   .step = gathering_step,
                                   .machine = g,
                                   .verbose = g->cli->verbose};
    int rv = client_open(client, &config, errmsg);

    secret_wipe(&config, sizeof(config));
    return rv;
}

/* Until the machine asks for its job: OK, and the shares are there. */
static int network_gather(struct client *client,
                          struct gathering *g,
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
    rv = client_wait(client, gathering_has_ended, g, job, none, sizeof(none),
                     &size, errmsg);
    if (rv == OK && *job == 0) {
        rv = recoverer_failure(g->recoverer, &text);
        assert(rv != OK); /* Without a job it is never DONE. */
        errmsg_set(errmsg, "%s", text);
    }
    return rv;
}

static int recover_with(struct gathering *g,
                        const struct recover_ticket_options *o,
                        struct job *j,
                        struct recover_result *result,
                        char *errmsg)
{
    const struct manifest *m = &g->papers->facts->manifest;
    struct client *client = NULL;
    struct fetching f = {.cli = g->cli,
                         .o = o,
                         .job = j,
                         .gathering = g,
                         .manifest = m,
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
        result->shards_used = gathering_links(g);
        f.client = client;
        rv = fetch(&f, errmsg);
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
    struct gathering *g = calloc(1, sizeof(*g));
    struct papers *p = NULL;
    struct job j;
    int rv = ERR_NOMEM;

    *asked = false;
    if (g == NULL) {
        errmsg_set(errmsg, "out of memory");
        return rv;
    }
    rv = papers_read(&p, c, o, errmsg);
    if (rv == OK) {
        rv = gathering_open(g, c, p, patience(o), errmsg);
    }
    if (rv == OK) {
        rv = job_open(&j, 0, errmsg);
    }
    if (rv == OK) {
        *asked = true;
        rv = recover_with(g, o, &j, result, errmsg);
        job_close(&j);
    }
    recoverer_free(g->recoverer);
    papers_free(p);
    free(g);
    return rv;
}
