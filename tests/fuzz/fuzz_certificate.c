#include "protocol/certificate.h"
#include "tests/fuzz/fuzz.h"

enum {
    FUZZ_CERTIFICATE,
    FUZZ_TICKET
};

/* Too large for a stack. */
static struct certificate certificate;
static struct certificate_facts facts;
static struct ticket ticket;
static uint8_t out[CERTIFICATE_SIZE_MAX];

/* What was read is written again as the same bytes. */
static void check(int rv, size_t size, struct slice in)
{
    assert(rv == OK && slice_equal(slice_of(out, size), in));
}

/* Words end within their bound, are plain, and are there exactly when
 * something is wrong. */
static void check_verified(int rv, const char *what)
{
    const struct manifest *m = &facts.manifest;
    size_t size = strnlen(what, 160);

    assert(size < 160 && (rv == OK) == (size == 0));
    for (size_t i = 0; i < size; i++) {
        assert(what[i] >= ' ' && what[i] <= '~');
    }
    if (rv != OK) {
        assert(m->n == 0 && !facts.sealed);
        return;
    }
    assert(m->n <= MANIFEST_SHARDS_MAX);
    assert(m->n == 64 || facts.receipts >> m->n == 0);
    assert(m->n == 64 || facts.acknowledgements >> m->n == 0);
}

static void fuzz_certificate(struct slice in)
{
    char what[160] = "";
    size_t size = 0;

    if (certificate_decode(&certificate, in) != OK) {
        return;
    }
    check(certificate_encode(&certificate, out, sizeof(out), &size), size, in);
    check_verified(certificate_verify(&certificate, &facts, what), what);
}

static void fuzz_ticket(struct slice in)
{
    char what[160] = "";
    size_t size = 0;

    if (ticket_decode(&ticket, in) != OK) {
        return;
    }
    check(ticket_encode(&ticket, out, sizeof(out), &size), size, in);
    check_verified(
        certificate_open(ticket.chain, ticket.manifest, &facts, what), what);
}

/* The first byte says which decoder gets the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in;

    if (size == 0) {
        return 0;
    }
    in = slice_of(data + 1, size - 1);
    if (data[0] == FUZZ_CERTIFICATE) {
        fuzz_certificate(in);
    } else if (data[0] == FUZZ_TICKET) {
        fuzz_ticket(in);
    }
    return 0;
}
