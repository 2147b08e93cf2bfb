#include <stdlib.h>
#include <time.h>

#include "crypto/secret.h"
#include "node/recovery/recover_ticket_internal.h"

/* Ticket and keys: read, and found to belong together. */

/* Clocks may differ by a day, DESIGN.md 6. */
#define LEEWAY_S 86400U

static int ticket_read(struct ticket_papers *p, const char *path, char *errmsg)
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
static int ticket_check(struct ticket_papers *p, char *errmsg)
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
                             const struct ticket_papers *p,
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

static int keys_read(struct ticket_papers *p,
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

static int keys_check(const struct ticket_papers *p,
                      const char *path,
                      char *errmsg)
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

void ticket_papers_free(struct ticket_papers *p)
{
    if (p != NULL) {
        secret_free(p->keys);
        secret_free(p->file);
        free(p->facts);
        secret_free(p);
    }
}

int ticket_papers_read(struct ticket_papers **out,
                       struct cli *c,
                       const struct recover_ticket_options *o,
                       char *errmsg)
{
    struct ticket_papers *p = secret_new(sizeof(*p));
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
    ticket_papers_free(p);
    return rv;
}
