#include <stdlib.h>

#include "crypto/secret.h"
#include "node/admin/admin_state.h"

/* Papers as octets: what people carry, encoded from the entries. */

static void answer_octets(struct admin_answer *a, uint8_t *bytes, size_t size)
{
    assert(a->code == 0);
    a->code = MHD_HTTP_OK;
    a->bytes = bytes;
    a->size = size;
}

static void answer_failed(struct admin_answer *a, int rv, const char *errmsg)
{
    admin_answer_error(a, admin_code_of(rv), rv, errmsg);
}

/* What a paper is made of; large. */
struct paper {
    struct certificate certificate;
    uint8_t manifest[FEED_ENTRY_MAX];
    size_t manifest_size;
    uint8_t entries[2 * MANIFEST_SHARDS_MAX][CERTIFICATE_ENTRY_MAX];
    size_t entries_len;
};

static struct paper *paper_new(void)
{
    struct paper *p = calloc(1, sizeof(*p));

    if (p == NULL) {
        abort();
    }
    return p;
}

static int paper_manifest(const struct admin_view *v,
                          const struct digest *deposit_id,
                          struct paper *p,
                          const struct manifest **m,
                          char *errmsg)
{
    const struct index_deposit *d = admin_index_deposit(v->index, deposit_id);

    if (d == NULL) {
        errmsg_set(errmsg, "the manifest of that deposit has not come here; "
                           "ask another steward, or wait");
        return ERR_NOTFOUND;
    }
    return admin_index_manifest(v->index, d, p->manifest, &p->manifest_size, m,
                                errmsg);
}

/* Read one entry of a steward, and lend it to |out|. */
static int paper_entry(const struct admin_view *v,
                       struct paper *p,
                       const struct digest *author,
                       const struct index_place *place,
                       struct slice *out,
                       char *errmsg)
{
    uint8_t bytes[FEED_ENTRY_MAX];
    size_t size = 0;
    int rv = admin_index_entry(v->index, author, place->incarnation, place->seq,
                               bytes, &size, errmsg);

    if (rv == OK && size > CERTIFICATE_ENTRY_MAX) {
        errmsg_set(errmsg, "an entry is too long for a certificate");
        rv = ERR_IO;
    }
    if (rv == OK) {
        uint8_t *to = p->entries[p->entries_len++];

        memcpy(to, bytes, size);
        *out = slice_of(to, size);
    }
    return rv;
}

static int paper_evidence(const struct admin_view *v,
                          struct paper *p,
                          const struct index_deposit *d,
                          const struct manifest *m,
                          char *errmsg)
{
    struct certificate *c = &p->certificate;
    int rv = OK;

    for (size_t i = 0; i < d->n && rv == OK; i++) {
        if (d->receipts[i].there) {
            rv = paper_entry(v, p, &m->stewards[i], &d->receipts[i],
                             &c->receipts[c->receipts_len], errmsg);
            c->receipts_len += rv == OK ? 1 : 0;
        }
        if (d->acknowledgements[i].there && rv == OK) {
            rv = paper_entry(v, p, &m->stewards[i], &d->acknowledgements[i],
                             &c->acknowledgements[c->acknowledgements_len],
                             errmsg);
            c->acknowledgements_len += rv == OK ? 1 : 0;
        }
    }
    return rv;
}

void admin_answer_certificate(const struct admin_view *v,
                              struct admin_answer *a)
{
    const struct index_deposit *d = admin_index_deposit(v->index, &v->id);
    const struct manifest *m = NULL;
    struct paper *p = paper_new();
    uint8_t *out = malloc(CERTIFICATE_SIZE_MAX);
    char errmsg[ERRMSG_SIZE] = "no certificate can be made of what is here";
    size_t size = 0;
    int rv = out == NULL ? ERR_NOMEM : paper_manifest(v, &v->id, p, &m, errmsg);

    if (rv == OK) {
        rv = paper_evidence(v, p, d, m, errmsg);
    }
    if (rv == OK) {
        p->certificate.chain = v->config->chain;
        p->certificate.manifest = slice_of(p->manifest, p->manifest_size);
        rv = certificate_encode(&p->certificate, out, CERTIFICATE_SIZE_MAX,
                                &size);
    }
    if (rv == OK) {
        answer_octets(a, out, size);
        out = NULL;
    } else {
        answer_failed(a, rv, errmsg);
    }
    free(out);
    free(p);
}

void admin_answer_request(const struct admin_view *v, struct admin_answer *a)
{
    char errmsg[ERRMSG_SIZE] = "out of memory";
    uint8_t *out = malloc(RELEASE_REQUEST_MAX);
    size_t size = 0;
    int rv = out == NULL
                 ? ERR_NOMEM
                 : admin_index_request(v->index, &v->id, out, &size, errmsg);

    if (rv == OK) {
        answer_octets(a, out, size);
    } else {
        free(out);
        answer_failed(a, rv, errmsg);
    }
}

/* Who is not in the charter connects with this: only while the release is
 * open, and only to whom a human hands it. */
static int ticket_may(const struct admin_view *v,
                      const struct steward_release_info **info,
                      char *errmsg)
{
    for (size_t i = 0; i < v->releases_len; i++) {
        if (digest_equal(&v->releases[i].id, &v->id)) {
            *info = &v->releases[i];
            if ((*info)->expired) {
                errmsg_set(errmsg, "that request has expired; the recipient "
                                   "makes a new one");
                return ERR_ORDER;
            }
            if (!(*info)->open) {
                errmsg_set(errmsg, "that release is not open yet; it needs "
                                   "approvals, and then decisions of "
                                   "custodians");
                return ERR_ORDER;
            }
            return OK;
        }
    }
    errmsg_set(errmsg, "this node no longer knows that release");
    return ERR_NOTFOUND;
}

static int ticket_make(const struct admin_view *v,
                       const struct steward_release_info *info,
                       struct paper *p,
                       uint8_t *out,
                       size_t *size,
                       char *errmsg)
{
    uint8_t request[RELEASE_REQUEST_MAX];
    const struct manifest *m = NULL;
    struct digest psk;
    size_t request_size = 0;
    int rv = paper_manifest(v, &info->deposit_id, p, &m, errmsg);

    if (rv == OK) {
        rv = admin_index_request(v->index, &v->id, request, &request_size,
                                 errmsg);
    }
    if (rv == OK) {
        struct ticket t = {.chain = v->config->chain,
                           .manifest = slice_of(p->manifest, p->manifest_size),
                           .request = slice_of(request, request_size)};

        release_psk(&psk, v->config->psk, &v->id);
        memcpy(t.psk, psk.bytes, sizeof(t.psk));
        rv = ticket_encode(&t, out, TICKET_SIZE_MAX, size);
        secret_wipe(&t, sizeof(t));
        secret_wipe(&psk, sizeof(psk));
    }
    return rv;
}

void admin_answer_ticket(const struct admin_view *v, struct admin_answer *a)
{
    char errmsg[ERRMSG_SIZE] = "no ticket can be made of what is here";
    const struct steward_release_info *info = NULL;
    struct paper *p = paper_new();
    uint8_t *out = malloc(TICKET_SIZE_MAX);
    size_t size = 0;
    int rv = out == NULL ? ERR_NOMEM : ticket_may(v, &info, errmsg);

    if (rv == OK) {
        rv = ticket_make(v, info, p, out, &size, errmsg);
    }
    if (rv == OK) {
        answer_octets(a, out, size);
        a->secret = true;
    } else {
        free(out);
        answer_failed(a, rv, errmsg);
    }
    free(p);
}
