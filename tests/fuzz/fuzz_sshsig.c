#include "crypto/sshsig.h"
#include "tests/fuzz/fuzz.h"

#define NS "cairn-approval@v1"

static void check_key(struct slice blob)
{
    char fingerprint[64];
    int rv = sshsig_key_check(blob);

    assert(rv == OK);
    assert(blob.size <= SSHSIG_BLOB_MAX);
    sshsig_key_fingerprint(blob, fingerprint);
    assert(strlen(fingerprint) == 7 + 43);
}

/* The message is the one of the seeds in the corpus. */
static void verify(struct slice sig)
{
    struct sshsig_key key;

    if (sshsig_verify(sig, NS, slice_str("request"), &key) == OK) {
        check_key(slice_of(key.blob, key.blob_size));
    }
}

/* Every input is tried as all that comes from outside: an armoured signature,
 * a binary one, a line of a .pub file and the key of a card. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct sshsig_key key;
    uint8_t sig[SSHSIG_TEXT_MAX];
    size_t sig_size;

    if (sshsig_dearmor(input, sig, &sig_size) == OK) {
        assert(sig_size <= sizeof(sig));
        verify(slice_of(sig, sig_size));
    }
    verify(input);
    if (sshsig_key_parse(&key, input) == OK) {
        check_key(slice_of(key.blob, key.blob_size));
    }
    if (sshsig_key_check(input) == OK) {
        check_key(input);
    }
    return 0;
}
