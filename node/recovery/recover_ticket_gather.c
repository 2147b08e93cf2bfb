#include "crypto/secret.h"
#include "node/recovery/recover_ticket_internal.h"

/* Key shares, and what people are told while stewards are asked for them. */

static const char *steward_name(const struct ticket_papers *p, uint16_t column)
{
    const struct card *card = charter_member(
        &p->facts->charter, &p->facts->manifest.stewards[column]);

    return card != NULL ? card->name : "a steward that left";
}

static void gathering_tell(const struct ticket_gathering *g, uint16_t column)
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
static void gathering_look(struct ticket_gathering *g)
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

void ticket_gathering_step(void *machine,
                           const struct core_event *ev,
                           struct core_out *out)
{
    struct ticket_gathering *g = machine;
    bool gathers = recoverer_phase(g->recoverer) == RECOVERER_GATHERING;

    recoverer_step(g->recoverer, ev, out);
    if (gathers) {
        gathering_look(g);
    }
}

bool ticket_gathering_has_ended(void *arg)
{
    const struct ticket_gathering *g = arg;

    return recoverer_phase(g->recoverer) >= RECOVERER_DONE;
}

int ticket_gathering_open(struct ticket_gathering *g,
                          struct cli *c,
                          const struct ticket_papers *p,
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

unsigned ticket_gathering_links(const struct ticket_gathering *g)
{
    unsigned links = 0;

    for (uint16_t i = 0; i < g->papers->facts->manifest.n; i++) {
        struct recoverer_column now;

        recoverer_column(g->recoverer, i, &now);
        links += now.up ? 1U : 0U;
    }
    return links;
}
