#include "crypto/hash.h"
#include "replication/recoverer_internal.h"

struct words {
    char *out;
    size_t max, size; /* |max| without the final zero. */
};

static void words_add(struct words *w, const char *s)
{
    size_t size = strlen(s);

    assert(size <= w->max - w->size);
    memcpy(w->out + w->size, s, size + 1);
    w->size += size;
}

static void words_number(struct words *w, size_t number)
{
    char digits[21] = "";
    size_t at = sizeof(digits) - 1;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    words_add(w, digits + at);
}

static void words_hex(struct words *w, const struct digest *d)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        const char pair[3] = {digits[d->bytes[i] >> 4],
                              digits[d->bytes[i] & 15], '\0'};

        words_add(w, pair);
    }
}

static struct words column_words(struct recoverer_steward *c)
{
    c->text[0] = '\0';
    return (struct words){.out = c->text, .max = MESSAGE_TEXT_MAX};
}

void recoverer_news(struct recoverer_steward *c, const char *text)
{
    struct words w;

    if (!c->bad) {
        w = column_words(c);
        words_add(&w, text);
    }
}

void recoverer_blame(struct recoverer_steward *c, int rv, struct slice envelope)
{
    struct words w = column_words(c);
    struct digest hash;

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
    struct words w = {.out = r->failure, .max = RECOVERER_FAILURE_MAX - 1};

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
    struct words w = {.out = r->failure, .max = RECOVERER_FAILURE_MAX - 1};

    words_add(&w, "the key shares are here, but the files could not be "
                  "fetched");
    r->status = status;
    recoverer_move(r, RECOVERER_FAILED);
}
