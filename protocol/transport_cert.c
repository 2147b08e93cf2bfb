#include "protocol/transport_cert.h"

#include "protocol/field.h"

#define MEMBER_ITEMS    8
#define RECIPIENT_ITEMS 5
#define CERT_DST        "transport-cert"
#define DAY_S           86400U

static bool cert_is_valid(const struct transport_cert *c)
{
    if (digest_is_zero(&c->net) ||
        field_is_zero(c->transport_pk, sizeof(c->transport_pk))) {
        return false;
    }
    switch (c->type) {
    case TRANSPORT_MEMBER:
        return !digest_is_zero(&c->id) && c->not_after_s <= FIELD_TIME_MAX &&
               c->not_before_s < c->not_after_s &&
               c->not_after_s - c->not_before_s <=
                   (uint64_t)TRANSPORT_CERT_DAYS * DAY_S;
    case TRANSPORT_RECIPIENT:
        return !digest_is_zero(&c->release_id);
    }
    return false;
}

static void put_key(struct canon_writer *w, const struct transport_cert *c)
{
    canon_put_bin(w, slice_of(c->transport_pk, sizeof(c->transport_pk)));
}

static void put_member(struct canon_writer *w,
                       const struct transport_cert *c,
                       const struct sign_key *node)
{
    canon_put_array(w, MEMBER_ITEMS);
    canon_put_uint(w, FIELD_VERSION);
    canon_put_uint(w, TRANSPORT_MEMBER);
    canon_put_digest(w, &c->net);
    put_key(w, c);
    canon_put_digest(w, &c->id);
    canon_put_uint(w, c->not_before_s);
    canon_put_uint(w, c->not_after_s);
    field_put_signature(w, node, CERT_DST, &c->net);
}

static void put_recipient(struct canon_writer *w,
                          const struct transport_cert *c)
{
    canon_put_array(w, RECIPIENT_ITEMS);
    canon_put_uint(w, FIELD_VERSION);
    canon_put_uint(w, TRANSPORT_RECIPIENT);
    canon_put_digest(w, &c->net);
    put_key(w, c);
    canon_put_digest(w, &c->release_id);
}

int transport_cert_encode(const struct transport_cert *cert,
                          const struct sign_key *node,
                          uint8_t *out,
                          size_t max,
                          size_t *size)
{
    struct canon_writer w;

    if (!cert_is_valid(cert)) {
        return ERR_BAD;
    }
    canon_write_init(&w, out, max);
    switch (cert->type) {
    case TRANSPORT_MEMBER:
        put_member(&w, cert, node);
        break;
    case TRANSPORT_RECIPIENT:
        put_recipient(&w, cert);
        break;
    }
    return field_write_end(&w, size);
}

/* Reads a certificate and, of a member's, the signature behind it. */
static int cert_read(struct transport_cert *c,
                     uint8_t sig[SIGN_SIZE],
                     struct slice in)
{
    struct canon_reader r;
    uint64_t type;

    if (in.size > TRANSPORT_CERT_MAX) {
        return ERR_BAD;
    }
    *c = (struct transport_cert){.type = TRANSPORT_RECIPIENT};
    field_begin(&r, in);
    type = canon_uint(&r, UINT64_MAX);
    canon_require_known(&r, type == TRANSPORT_MEMBER ||
                                type == TRANSPORT_RECIPIENT);
    canon_digest(&r, &c->net);
    canon_bytes(&r, c->transport_pk, sizeof(c->transport_pk));
    if (type == TRANSPORT_MEMBER) {
        c->type = TRANSPORT_MEMBER;
        canon_digest(&r, &c->id);
        c->not_before_s = canon_uint(&r, FIELD_TIME_MAX);
        c->not_after_s = canon_uint(&r, FIELD_TIME_MAX);
        field_signature(&r, sig);
    } else {
        canon_digest(&r, &c->release_id);
    }
    canon_leave(&r);
    canon_require(&r, cert_is_valid(c));
    return canon_end(&r);
}

int transport_cert_decode(struct transport_cert *cert, struct slice in)
{
    struct transport_cert got;
    uint8_t sig[SIGN_SIZE];
    int rv = cert_read(&got, sig, in);

    if (rv == OK) {
        *cert = got;
    }
    return rv;
}

int transport_cert_verify(struct slice in, const uint8_t node_pk[SIGN_PK_SIZE])
{
    struct transport_cert got;
    uint8_t sig[SIGN_SIZE] = {0};
    int rv = cert_read(&got, sig, in);

    if (rv != OK) {
        return rv;
    }
    if (got.type != TRANSPORT_MEMBER) {
        return ERR_AUTH;
    }
    return sign_verify(node_pk, CERT_DST, &got.net, field_signed_bytes(in),
                       sig);
}

bool transport_cert_is_current(const struct transport_cert *cert,
                               uint64_t now_s)
{
    /* The second sum cannot wrap around where the first holds. */
    return cert->type == TRANSPORT_MEMBER &&
           now_s <= cert->not_after_s + TRANSPORT_CERT_LEEWAY_S &&
           now_s + TRANSPORT_CERT_LEEWAY_S >= cert->not_before_s;
}
