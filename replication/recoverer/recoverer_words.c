#include "crypto/hash.h"
#include "protocol/words.h"
#include "replication/recoverer/recoverer_internal.h"

void recoverer_news(struct recoverer_steward *c, const char *text)
{
    struct words w;

    if (!c->bad) {
        words_init(&w, c->text, sizeof(c->text));
        words_add(&w, text);
    }
}

void recoverer_blame(struct recoverer_steward *c, int rv, struct slice envelope)
{
    struct words w;
    struct digest hash;

    words_init(&w, c->text, sizeof(c->text));
    sha256(envelope, &hash);
    if (rv == ERR_MISMATCH) {
        words_add(&w, "gave an envelope that is for something else");
    } else if (rv == ERR_BAD) {
        words_add(&w, "gave an envelope that does not open");
    } else {
        words_add(&w, "gave a key share that is not what was dealt");
    }
    words_add(&w, " (SHA-256 of the envelope ");
    words_hex(&w, &hash);
    words_add(&w, ")");
    c->bad = true;
}

static void failure_missing(struct recoverer *r, struct words *w)
{
    const char *before = "; missing: ";

    for (uint16_t i = 0; i < r->config.manifest->n; i++) {
        const struct recoverer_steward *c = &r->stewards[i];

        if (!c->share) {
            words_add(w, before);
            if (c->card != NULL) {
                words_add(w, c->card->name);
            } else {
                words_add(w, "the steward of shard ");
                words_number(w, i);
            }
            words_add(w, ": ");
            words_add(w, c->text);
            before = "; ";
        }
    }
}

void recoverer_fail_shares(struct recoverer *r)
{
    struct words w;

    words_init(&w, r->failure, sizeof(r->failure));
    words_number(&w, r->shares_len);
    words_add(&w, " of the ");
    words_number(&w, r->config.manifest->t);
    words_add(&w, " key shares that are needed came");
    failure_missing(r, &w);
    r->status = ERR_NOTFOUND;
    recoverer_move(r, RECOVERER_FAILED);
}

void recoverer_fail_job(struct recoverer *r, int status)
{
    struct words w;

    words_init(&w, r->failure, sizeof(r->failure));
    words_add(&w, "the key shares are here, but the files could not be "
                  "fetched");
    r->status = status;
    recoverer_move(r, RECOVERER_FAILED);
}
