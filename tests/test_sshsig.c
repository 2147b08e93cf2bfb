#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/sshsig.h"
#include "tests/suite.h"

/* Three sources of signatures: literals that OpenSSH 9.2 made, frames built
 * here by hand (FIDO2 keys cannot be made without hardware, and OpenSSH makes
 * no malformed ones), and ssh-keygen run as a subprocess. */

#define NS      "cairn-approval@v1"
#define ED25519 "ssh-ed25519"
#define SK      "sk-ssh-ed25519@openssh.com"
#define MESSAGE "request"

static const char openssh_pub[] =
    "ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAINV7p96AYoF87Unb/tooqSfxAeY0r3wPttceTqR0ErJ8 "
    "ada@example\n";
static const char openssh_fingerprint[] =
    "SHA256:s9tGPWG/6UR4VzR9RhMvhz+uOWdcTT/zlVKuAF87fKs";
#define BEGIN "-----BEGIN SSH SIGNATURE-----\n"
#define BODY_1 \
    "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg1Xun3oBigXztSdv+2iipJ/EB5j\n"
#define BODY_2                                                                 \
    "SvfA+21x5OpHQSsnwAAAARY2Fpcm4tYXBwcm92YWxAdjEAAAAAAAAABnNoYTUxMgAAAFMA\n" \
    "AAALc3NoLWVkMjU1MTkAAABAvR8wMSSCxt8gAasv9wYUuaqzK8ZP8UOQ3hLtBSy2dDrHzs\n"
#define BODY_3 "rgbP4xVV4/lkYUx7ypKNWGakzGgJJCWn0tDjpVAw==\n"
#define END    "-----END SSH SIGNATURE-----\n"
static const char openssh_sig[] = BEGIN BODY_1 BODY_2 BODY_3 END;

static struct sshsig_key key;
static uint8_t sig[SSHSIG_TEXT_MAX];
static size_t sig_size;

/* What a hand-made signature says; the defaults below make a good one. */
struct recipe {
    const char *magic;
    uint32_t version;
    const char *key_type, *application, *key_tail;
    const char *ns, *reserved, *hash;
    const char *sig_type, *sig_tail;
    uint8_t flags;
    uint32_t counter;
    size_t pk_size, sig_size;
};

static uint8_t pk[crypto_sign_PUBLICKEYBYTES], sk[crypto_sign_SECRETKEYBYTES];
static struct recipe recipe;

static void start(void)
{
    static const uint8_t seed[crypto_sign_SEEDBYTES] = {'s', 's', 'h'};

    ck_assert_int_eq(crypto_sign_seed_keypair(pk, sk, seed), 0);
    recipe = (struct recipe){.magic = "SSHSIG",
                             .version = 1,
                             .key_type = ED25519,
                             .key_tail = "",
                             .ns = NS,
                             .reserved = "",
                             .hash = "sha512",
                             .sig_type = ED25519,
                             .sig_tail = "",
                             .pk_size = sizeof(pk),
                             .sig_size = crypto_sign_BYTES};
    memset(&key, 0x5a, sizeof(key));
}

static void start_sk(void)
{
    recipe.key_type = SK;
    recipe.sig_type = SK;
    recipe.application = "ssh:";
    recipe.flags = 0x01;
    recipe.counter = 0x01020304;
}

struct buffer {
    uint8_t bytes[2048];
    size_t size;
};

static void put(struct buffer *b, const void *bytes, size_t size)
{
    ck_assert_uint_le(b->size + size, sizeof(b->bytes));
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

static void put_u32(struct buffer *b, uint32_t v)
{
    const uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16),
                              (uint8_t)(v >> 8), (uint8_t)v};

    put(b, bytes, sizeof(bytes));
}

static void put_string(struct buffer *b, const void *bytes, size_t size)
{
    put_u32(b, (uint32_t)size);
    put(b, bytes, size);
}

static void put_text(struct buffer *b, const char *text)
{
    put_string(b, text, strlen(text));
}

static void put_key(struct buffer *b)
{
    put_text(b, recipe.key_type);
    put_string(b, pk, recipe.pk_size);
    if (strcmp(recipe.key_type, SK) == 0 && recipe.application != NULL) {
        put_text(b, recipe.application);
    }
    put(b, recipe.key_tail, strlen(recipe.key_tail));
}

/* The bytes that PROTOCOL.sshsig has the key sign. */
static void put_signed(struct buffer *b)
{
    uint8_t digest[crypto_hash_sha512_BYTES];
    const uint8_t *message = (const uint8_t *)MESSAGE;

    put(b, "SSHSIG", 6);
    put_text(b, recipe.ns);
    put_text(b, recipe.reserved);
    put_text(b, recipe.hash);
    if (strcmp(recipe.hash, "sha256") == 0) {
        crypto_hash_sha256(digest, message, strlen(MESSAGE));
        put_string(b, digest, crypto_hash_sha256_BYTES);
    } else {
        crypto_hash_sha512(digest, message, strlen(MESSAGE));
        put_string(b, digest, crypto_hash_sha512_BYTES);
    }
}

/* PROTOCOL.u2f: what the authenticator signs of them. */
static void put_sk_signed(struct buffer *b, const struct buffer *inner)
{
    uint8_t digest[crypto_hash_sha256_BYTES];

    crypto_hash_sha256(digest, (const uint8_t *)recipe.application,
                       strlen(recipe.application));
    put(b, digest, sizeof(digest));
    put(b, &recipe.flags, 1);
    put_u32(b, recipe.counter);
    crypto_hash_sha256(digest, inner->bytes, inner->size);
    put(b, digest, sizeof(digest));
}

/* Sign MESSAGE as the recipe says, into |sig|. */
static void make(void)
{
    struct buffer blob = {.size = 0}, inner = {.size = 0}, outer = {.size = 0};
    struct buffer signature = {.size = 0}, frame = {.size = 0};
    uint8_t ed25519[crypto_sign_BYTES];
    bool is_sk = strcmp(recipe.sig_type, SK) == 0;

    put_key(&blob);
    put_signed(&inner);
    if (is_sk) {
        put_sk_signed(&outer, &inner);
    } else {
        outer = inner;
    }
    crypto_sign_detached(ed25519, NULL, outer.bytes, outer.size, sk);
    put_text(&signature, recipe.sig_type);
    put_string(&signature, ed25519, recipe.sig_size);
    if (is_sk) {
        put(&signature, &recipe.flags, 1);
        put_u32(&signature, recipe.counter);
    }
    put(&signature, recipe.sig_tail, strlen(recipe.sig_tail));

    put(&frame, recipe.magic, strlen(recipe.magic));
    put_u32(&frame, recipe.version);
    put_string(&frame, blob.bytes, blob.size);
    put_text(&frame, recipe.ns);
    put_text(&frame, recipe.reserved);
    put_text(&frame, recipe.hash);
    put_string(&frame, signature.bytes, signature.size);
    memcpy(sig, frame.bytes, frame.size);
    sig_size = frame.size;
}

static int verify_as(const char *ns, const char *message)
{
    return sshsig_verify(slice_of(sig, sig_size), ns, slice_str(message), &key);
}

static int verify(void)
{
    return verify_as(NS, MESSAGE);
}

static int make_and_verify(void)
{
    make();
    return verify();
}

static int dearmor(const char *text)
{
    return sshsig_dearmor(slice_str(text), sig, &sig_size);
}

/* A refused signature names no key. */
static void assert_no_key(void)
{
    const uint8_t *bytes = (const uint8_t *)&key;

    for (size_t i = 0; i < sizeof(key); i++) {
        ck_assert_uint_eq(bytes[i], 0x5a);
    }
}

/* What OpenSSH signed verifies, and names the key that it was made with. */
START_TEST(test_sshsig_openssh_literal)
{
    struct sshsig_key pub;
    char fingerprint[64];

    ck_assert_int_eq(dearmor(openssh_sig), OK);
    ck_assert_int_eq(verify(), OK);
    ck_assert_int_eq(sshsig_key_parse(&pub, slice_str(openssh_pub)), OK);
    ck_assert_mem_eq(&key, &pub, sizeof(key));
    ck_assert_int_eq(sshsig_key_check(slice_of(pub.blob, pub.blob_size)), OK);
    sshsig_key_fingerprint(slice_of(pub.blob, pub.blob_size), fingerprint);
    ck_assert_str_eq(fingerprint, openssh_fingerprint);
}
END_TEST

/* A signature is for one message in one namespace. */
START_TEST(test_sshsig_message_and_namespace_bind)
{
    make();
    ck_assert_int_eq(verify_as(NS, "requesu"), ERR_AUTH);
    ck_assert_int_eq(verify_as(NS, ""), ERR_AUTH);
    ck_assert_int_eq(verify_as("cairn-vote@v1", MESSAGE), ERR_AUTH);
    ck_assert_int_eq(verify_as("cairn-approval@v", MESSAGE), ERR_AUTH);
    recipe.ns = "file";
    ck_assert_int_eq(make_and_verify(), ERR_AUTH);
    assert_no_key();
    ck_assert_int_eq(verify_as("file", MESSAGE), OK);
}
END_TEST

/* A frame that only says our namespace around a signature for another one, or
 * the other way round, is refused. */
START_TEST(test_sshsig_namespace_relabelled)
{
    const size_t ns_at = 6 + 4 + 4 + 51 + 4;

    recipe.ns = "cairn-approval@v2";
    make();
    ck_assert_bytes_eq(sig + ns_at, recipe.ns, strlen(NS));
    sig[ns_at + strlen(NS) - 1] = '1';
    ck_assert_int_eq(verify(), ERR_AUTH);
    recipe.ns = NS;
    make();
    sig[ns_at] ^= 1;
    ck_assert_int_eq(verify(), ERR_AUTH);
    assert_no_key();
}
END_TEST

/* Keys on FIDO2 tokens sign too. */
START_TEST(test_sshsig_sk_verifies)
{
    start_sk();
    ck_assert_int_eq(make_and_verify(), OK);
    ck_assert_int_eq(sshsig_key_check(slice_of(key.blob, key.blob_size)), OK);
    recipe.flags = 0x05; /* The user was verified besides. */
    ck_assert_int_eq(make_and_verify(), OK);
    recipe.application = "ssh:cairn";
    ck_assert_int_eq(make_and_verify(), OK);
}
END_TEST

/* A token that nobody touched has approved nothing, well signed as it is. */
START_TEST(test_sshsig_sk_wants_presence)
{
    start_sk();
    recipe.flags = 0x00;
    ck_assert_int_eq(make_and_verify(), ERR_AUTH);
    recipe.flags = 0x04;
    ck_assert_int_eq(make_and_verify(), ERR_AUTH);
    assert_no_key();
}
END_TEST

/* Flags and counter are under the signature. */
START_TEST(test_sshsig_sk_trailer_binds)
{
    start_sk();
    recipe.flags = 0x00;
    make();
    sig[sig_size - 5] |= 0x01;
    ck_assert_int_eq(verify(), ERR_AUTH);
    recipe.flags = 0x01;
    make();
    sig[sig_size - 1]++;
    ck_assert_int_eq(verify(), ERR_AUTH);
    assert_no_key();
}
END_TEST

#define MUCH                                                           \
    "0123456789012345678901234567890123456789012345678901234567890123" \
    "0123456789012345678901234567890123456789012345678901234567890123"

/* Frames that differ from a good one in a single point. */
static const struct deviation {
    const char *what;
    struct recipe change; /* Its fields that are not zero. */
    int want;
} deviations[] = {
    {"magic", {.magic = "SSHSIH"}, ERR_BAD},
    {"version 2", {.version = 2}, ERR_UNSUPPORTED},
    {"reserved", {.reserved = "x"}, ERR_UNSUPPORTED},
    {"sha256", {.hash = "sha256"}, ERR_UNSUPPORTED},
    {"sha5123", {.hash = "sha5123"}, ERR_UNSUPPORTED},
    {"rsa key", {.key_type = "ssh-rsa"}, ERR_UNSUPPORTED},
    {"ecdsa key", {.key_type = "ecdsa-sha2-nistp256"}, ERR_UNSUPPORTED},
    {"rsa key of more than our bound",
     {.key_type = "ssh-rsa", .key_tail = MUCH MUCH MUCH MUCH},
     ERR_UNSUPPORTED},
    {"our key of more than our bound",
     {.key_tail = MUCH MUCH MUCH MUCH},
     ERR_BAD},
    {"certificate",
     {.key_type = "ssh-ed25519-cert-v01@openssh.com"},
     ERR_UNSUPPORTED},
    {"rsa signature", {.sig_type = "rsa-sha2-512"}, ERR_UNSUPPORTED},
    {"sk key, plain signature",
     {.key_type = SK, .application = "ssh:"},
     ERR_BAD},
    {"sk key, plain signature in the size of an sk one",
     {.key_type = SK, .application = "ssh:", .sig_tail = "\1\1\1\1\1"},
     ERR_BAD},
    {"plain key, sk signature",
     {.sig_type = SK, .application = "ssh:", .flags = 1},
     ERR_BAD},
    {"sk key without application", {.key_type = SK}, ERR_BAD},
    {"sk key with an empty application",
     {.key_type = SK, .sig_type = SK, .application = "", .flags = 1},
     ERR_BAD},
    {"bytes behind the key", {.key_tail = "x"}, ERR_BAD},
    {"bytes behind the signature", {.sig_tail = "x"}, ERR_BAD},
    {"sk, bytes behind the signature",
     {.key_type = SK,
      .sig_type = SK,
      .application = "ssh:",
      .flags = 1,
      .sig_tail = "x"},
     ERR_BAD},
    {"short public key", {.pk_size = 31}, ERR_BAD},
    {"short signature", {.sig_size = 63}, ERR_BAD},
};

#define TAKE(field)                     \
    if (d->change.field != 0) {         \
        recipe.field = d->change.field; \
    }

START_TEST(test_sshsig_deviations)
{
    const struct deviation *d = &deviations[_i];

    TAKE(magic)
    TAKE(version)
    TAKE(key_type)
    TAKE(application)
    TAKE(key_tail)
    TAKE(reserved)
    TAKE(hash)
    TAKE(sig_type)
    TAKE(sig_tail)
    TAKE(flags)
    TAKE(pk_size)
    TAKE(sig_size)
    ck_assert_msg(make_and_verify() == d->want, "%s: %d", d->what, verify());
    assert_no_key();
}
END_TEST

/* A signature cut anywhere is malformed. */
START_TEST(test_sshsig_truncation)
{
    if (_i == 1) {
        start_sk();
    }
    make();
    for (size_t size = 0; size < sig_size; size++) {
        uint8_t *cut = malloc(size + 1); /* Exact, for the sanitizer. */

        ck_assert_ptr_nonnull(cut);
        memcpy(cut + 1, sig, size);
        ck_assert_int_eq(sshsig_verify(slice_of(cut + 1, size), NS,
                                       slice_str(MESSAGE), &key),
                         ERR_BAD);
        free(cut);
    }
    sig[sig_size++] = 0;
    ck_assert_int_eq(verify(), ERR_BAD);
    assert_no_key();
}
END_TEST

/* No bit of a signature can change. */
START_TEST(test_sshsig_every_bit_counts)
{
    if (_i == 1) {
        start_sk();
    }
    make();
    for (size_t i = 0; i < sig_size * 8; i++) {
        sig[i / 8] ^= (uint8_t)(1U << (i % 8));
        ck_assert_int_ne(verify(), OK);
        sig[i / 8] ^= (uint8_t)(1U << (i % 8));
    }
    assert_no_key();
    ck_assert_int_eq(verify(), OK);
}
END_TEST

/* Lengths that wrap or reach far beyond the end do not move the reader. */
START_TEST(test_sshsig_huge_lengths)
{
    static const uint32_t sizes[] = {0x7fffffff, 0x80000000, 0xfffffffc,
                                     0xffffffff};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buffer b = {.size = 0};

        make();
        put_u32(&b, sizes[i]);
        memcpy(sig + 10, b.bytes, 4);
        ck_assert_int_eq(verify(), ERR_BAD);
        make();
        memcpy(sig + 14, b.bytes, 4);
        ck_assert_int_eq(verify(), ERR_BAD);
    }
    assert_no_key();
}
END_TEST

/* The identity as key and as commitment satisfies the bare equation for every
 * message; it signs nothing all the same. */
START_TEST(test_sshsig_small_order_key)
{
    uint8_t *at;

    make();
    at = sig + 6 + 4 + 4 + 4 + strlen(ED25519) + 4;
    ck_assert_bytes_eq(at, pk, sizeof(pk));
    memset(at, 0, sizeof(pk));
    at[0] = 1;
    at = sig + sig_size - crypto_sign_BYTES;
    memset(at, 0, crypto_sign_BYTES);
    at[0] = 1;
    ck_assert_int_eq(verify(), ERR_AUTH);
    assert_no_key();
}
END_TEST

/* Armour as mail and editors leave it is still armour. */
START_TEST(test_sshsig_armor_newlines)
{
    uint8_t want[SSHSIG_TEXT_MAX];
    size_t want_size;

    ck_assert_int_eq(dearmor(openssh_sig), OK);
    memcpy(want, sig, sig_size);
    want_size = sig_size;
    ck_assert_int_eq(dearmor("-----BEGIN SSH SIGNATURE-----\r\n" BODY_1
                             "\r\n" BODY_2 BODY_3
                             "-----END SSH SIGNATURE-----\r\n\r\n"),
                     OK);
    ck_assert_uint_eq(sig_size, want_size);
    ck_assert_bytes_eq(sig, want, want_size);
    ck_assert_int_eq(
        dearmor(BEGIN BODY_1 BODY_2 BODY_3 "-----END SSH SIGNATURE-----"), OK);
}
END_TEST

static const char *const bad_armor[] = {
    "",
    "\n",
    BEGIN,
    END,
    BEGIN END,
    BEGIN "\n" END,
    "-----BEGIN SSH SIGNATURE-----END SSH SIGNATURE-----",
    "-----BEGIN SSH SIGNATURE----------END SSH SIGNATURE-----",
    BODY_1 BODY_2 BODY_3 END,
    BEGIN BODY_1 BODY_2 BODY_3,
    "\n" BEGIN BODY_1 BODY_2 BODY_3 END,
    BEGIN BODY_1 BODY_2 BODY_3 END "x",
    BEGIN BODY_1 BODY_2 BODY_3 END BEGIN BODY_1 BODY_2 BODY_3 END,
    BEGIN BODY_1 " " BODY_2 BODY_3 END,
    BEGIN BODY_1 "=" BODY_2 BODY_3 END,
    BEGIN BODY_1 "-" BODY_2 BODY_3 END,
    BEGIN BODY_1 BODY_2 BODY_3 "=\n" END,
    BEGIN BODY_1 BODY_2 "rgbP4xVV4/lkYUx7ypKNWGakzGgJJCWn0tDjpVAw=\n" END,
    BEGIN BODY_1 BODY_2 "rgbP4xVV4/lkYUx7ypKNWGakzGgJJCWn0tDjpVAx==\n" END,
    "-----BEGIN SSH SIGNATURE-----U1NIU0lH\n" END,
    BEGIN "U1NIU0lH-----END SSH SIGNATURE-----\n",
    "-----BEGIN PGP SIGNATURE-----\nU1NIU0lH\n-----END PGP SIGNATURE-----\n",
};

/* Anything else is not, and nothing of it gets out. */
START_TEST(test_sshsig_armor_refused)
{
    memset(sig, 0x5a, sizeof(sig));
    sig_size = 77;
    ck_assert_int_eq(dearmor(bad_armor[_i]), ERR_BAD);
    ck_assert_uint_eq(sig_size, 77);
    for (size_t i = 0; i < sizeof(sig); i++) {
        ck_assert_uint_eq(sig[i], 0x5a);
    }
}
END_TEST

/* A zero byte is no white space, wherever it stands. */
START_TEST(test_sshsig_armor_zero_byte)
{
    char text[sizeof(openssh_sig)];
    size_t size = sizeof(text) - 1;

    for (size_t i = 0; i < size; i++) {
        memcpy(text, openssh_sig, sizeof(text));
        text[i] = '\0';
        ck_assert_int_eq(sshsig_dearmor(slice_of(text, size), sig, &sig_size),
                         ERR_BAD);
    }
}
END_TEST

/* Text up to the bound is read, and text beyond it is not looked at. */
START_TEST(test_sshsig_armor_bound)
{
    static char text[SSHSIG_TEXT_MAX + 1];
    const size_t quads = 975;
    struct buffer begin = {.size = 0}, end = {.size = 0};

    put(&begin, BEGIN, sizeof(BEGIN) - 1);
    put(&end, END, sizeof(END) - 1);
    memset(text, '\n', sizeof(text));
    memcpy(text, begin.bytes, begin.size);
    memset(text + begin.size, 'A', 4 * quads);
    memcpy(text + SSHSIG_TEXT_MAX - end.size, end.bytes, end.size);
    ck_assert_int_eq(
        sshsig_dearmor(slice_of(text, SSHSIG_TEXT_MAX), sig, &sig_size), OK);
    ck_assert_uint_eq(sig_size, 3 * quads);
    ck_assert_int_eq(
        sshsig_dearmor(slice_of(text, sizeof(text)), sig, &sig_size), ERR_BAD);
}
END_TEST

#define PUB \
    "AAAAC3NzaC1lZDI1NTE5AAAAINV7p96AYoF87Unb/tooqSfxAeY0r3wPttceTqR0ErJ8"

static const struct {
    const char *line;
    int want;
} pub_lines[] = {
    {"ssh-ed25519 " PUB, OK},
    {"ssh-ed25519 " PUB "\r\n", OK},
    {"ssh-ed25519\t" PUB "  two words", OK},
    {"", ERR_BAD},
    {"\n", ERR_BAD},
    {"ssh-ed25519", ERR_BAD},
    {"ssh-ed25519 ", ERR_BAD},
    {PUB, ERR_BAD},
    {" ssh-ed25519 " PUB, ERR_BAD},
    {"ssh-ed25519 " PUB "\nssh-ed25519 " PUB, ERR_BAD},
    {"ssh-ed25519 " PUB " ada\nssh-ed25519 " PUB " eve", ERR_BAD},
    {"ssh-ed25519 " PUB "=", ERR_BAD},
    {"ssh-ed25519 " PUB "AAAA", ERR_BAD},
    {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINV7p96A", ERR_BAD},
    {"sk-ssh-ed25519@openssh.com " PUB, ERR_BAD},
    {"ssh-rsa " PUB, ERR_UNSUPPORTED},
    {"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ ada", ERR_UNSUPPORTED},
    {"ecdsa-sha2-nistp256 AAAA", ERR_UNSUPPORTED},
    {"cert-authority ssh-ed25519 " PUB, ERR_UNSUPPORTED},
    {"ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAAAQM=", ERR_BAD},
};

/* A line of a .pub file is type, key, comment and no more. */
START_TEST(test_sshsig_pub_lines)
{
    int rv = sshsig_key_parse(&key, slice_str(pub_lines[_i].line));

    ck_assert_int_eq(rv, pub_lines[_i].want);
    if (rv != OK) {
        assert_no_key();
    }
}
END_TEST

/* Nothing at all is none of the things that are read here. */
START_TEST(test_sshsig_empty_input)
{
    const struct slice none = slice_of(NULL, 0);

    ck_assert_int_eq(sshsig_key_parse(&key, none), ERR_BAD);
    ck_assert_int_eq(sshsig_key_check(none), ERR_BAD);
    ck_assert_int_eq(sshsig_dearmor(none, sig, &sig_size), ERR_BAD);
    ck_assert_int_eq(sshsig_verify(none, NS, none, &key), ERR_BAD);
    assert_no_key();
}
END_TEST

/* A FIDO2 key on a card: whole, or not at all. */
START_TEST(test_sshsig_key_check_sk)
{
    struct buffer b = {.size = 0};

    start_sk();
    put_key(&b);
    ck_assert_int_eq(sshsig_key_check(slice_of(b.bytes, b.size)), OK);
    for (size_t size = 0; size < b.size; size++) {
        ck_assert_int_eq(sshsig_key_check(slice_of(b.bytes, size)), ERR_BAD);
    }
    b.bytes[b.size - 2] = 0;
    ck_assert_int_eq(sshsig_key_check(slice_of(b.bytes, b.size)), ERR_BAD);
    b.bytes[b.size - 2] = 'h';
    put(&b, "", 1);
    ck_assert_int_eq(sshsig_key_check(slice_of(b.bytes, b.size)), ERR_BAD);
}
END_TEST

/* A key fills its bound and never overflows it. */
START_TEST(test_sshsig_key_bound)
{
    char application[SSHSIG_BLOB_MAX];
    struct buffer b = {.size = 0};

    start_sk();
    memset(application, 'a', sizeof(application));
    application[SSHSIG_BLOB_MAX - (4 + strlen(SK) + 4 + sizeof(pk) + 4)] = 0;
    recipe.application = application;
    put_key(&b);
    ck_assert_uint_eq(b.size, SSHSIG_BLOB_MAX);
    ck_assert_int_eq(make_and_verify(), OK);
    ck_assert_uint_eq(key.blob_size, SSHSIG_BLOB_MAX);
    application[strlen(application)] = 'a';
    application[SSHSIG_BLOB_MAX - 1] = 0;
    ck_assert_int_eq(make_and_verify(), ERR_BAD);
}
END_TEST

static char dir[32];

static int sh(const char *command)
{
    int status = -1;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (chdir(dir) == 0) {
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        }
        _exit(127);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void must_sh(const char *command)
{
    ck_assert_msg(sh(command) == 0, "failed: %s (is openssh-client there?)",
                  command);
}

/* Once around all tests of the case, so that a failed one leaves nothing. */
static void make_dir(void)
{
    snprintf(dir, sizeof(dir), "/tmp/cairn-sshsig-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
    must_sh("rm -f ./* && rmdir \"$PWD\"");
}

static void start_dir(void)
{
    start();
    must_sh("rm -f ./*");
}

static FILE *file_open(const char *name, const char *mode)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, mode);
    ck_assert_ptr_nonnull(f);
    return f;
}

static struct slice file_read(const char *name)
{
    static uint8_t bytes[1 << 17];
    FILE *f = file_open(name, "r");
    size_t size = fread(bytes, 1, sizeof(bytes), f);

    fclose(f);
    return slice_of(bytes, size);
}

static void file_write(const char *name, const void *bytes, size_t size)
{
    FILE *f = file_open(name, "w");

    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
}

static int keygen_verify(const char *message)
{
    ck_assert_int_eq(sshsig_dearmor(file_read("m.sig"), sig, &sig_size), OK);
    return sshsig_verify(slice_of(sig, sig_size), NS, file_read(message), &key);
}

/* What ssh-keygen signs today verifies, whatever the message. */
START_TEST(test_sshsig_keygen_signs)
{
    static const char *const messages[] = {
        ": > m", "printf 'a line\\n' > m",
        "head -c 100000 /dev/zero > m && head -c 3000 /dev/urandom >> m"};
    struct sshsig_key pub;
    char fingerprint[64];

    must_sh("ssh-keygen -q -t ed25519 -N '' -C 'two words' -f k");
    must_sh("ssh-keygen -l -f k.pub | cut -d' ' -f2 | tr -d '\\n' > print");
    ck_assert_int_eq(sshsig_key_parse(&pub, file_read("k.pub")), OK);
    sshsig_key_fingerprint(slice_of(pub.blob, pub.blob_size), fingerprint);
    ck_assert(slice_equal(file_read("print"), slice_str(fingerprint)));

    must_sh("echo other > other");
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        must_sh(messages[i]);
        must_sh("rm -f m.sig && ssh-keygen -Y sign -n " NS " -f k m 2> log");
        ck_assert_int_eq(keygen_verify("m"), OK);
        ck_assert_mem_eq(&key, &pub, sizeof(key));
        ck_assert_int_eq(keygen_verify("other"), ERR_AUTH);
    }
    must_sh("rm m.sig && ssh-keygen -Y sign -n file -f k m 2> log");
    ck_assert_int_eq(keygen_verify("m"), ERR_AUTH);
    must_sh("rm m.sig && ssh-keygen -Y sign -O hashalg=sha256 -n " NS
            " -f k m 2> log");
    ck_assert_int_eq(keygen_verify("m"), ERR_UNSUPPORTED);
}
END_TEST

static const char *const other_types[] = {"rsa -b 2048", "ecdsa"};

/* Keys and signatures of other types are refused as such. */
START_TEST(test_sshsig_keygen_other_types)
{
    char command[128];

    snprintf(command, sizeof(command), "ssh-keygen -q -N '' -f k -t %s",
             other_types[_i]);
    must_sh(command);
    must_sh("echo request > m && ssh-keygen -Y sign -n " NS " -f k m 2> log");
    ck_assert_int_eq(sshsig_key_parse(&key, file_read("k.pub")),
                     ERR_UNSUPPORTED);
    ck_assert_int_eq(keygen_verify("m"), ERR_UNSUPPORTED);
    assert_no_key();
}
END_TEST

/* What is made by hand here is what OpenSSH means, for FIDO2 keys too: it
 * verifies our frames, so that we do not only agree with ourselves. */
START_TEST(test_sshsig_keygen_verifies_ours)
{
    char base64[SSHSIG_TEXT_MAX], text[SSHSIG_TEXT_MAX + 64];
    int size;

    if (_i == 1) {
        start_sk();
    }
    make();
    sodium_bin2base64(base64, sizeof(base64), sig, sig_size,
                      sodium_base64_VARIANT_ORIGINAL);
    size = snprintf(text, sizeof(text), BEGIN "%s\n" END, base64);
    file_write("m.sig", text, (size_t)size);
    file_write("m", MESSAGE, strlen(MESSAGE));
    file_write("other", "other", 5);
    must_sh("ssh-keygen -Y check-novalidate -n " NS " -s m.sig < m > log");
    ck_assert_int_ne(sh("ssh-keygen -Y check-novalidate -n " NS
                        " -s m.sig < other > log 2>&1"),
                     0);
}
END_TEST

#define LEN(array) ((int)(sizeof(array) / sizeof((array)[0])))

Suite *suite_make(void)
{
    Suite *s = suite_create("sshsig");
    TCase *tc = tcase_create("frames");
    TCase *keygen = tcase_create("ssh-keygen");

    tcase_add_checked_fixture(tc, start, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_sshsig_openssh_literal);
    tcase_add_test(tc, test_sshsig_message_and_namespace_bind);
    tcase_add_test(tc, test_sshsig_namespace_relabelled);
    tcase_add_test(tc, test_sshsig_sk_verifies);
    tcase_add_test(tc, test_sshsig_sk_wants_presence);
    tcase_add_test(tc, test_sshsig_sk_trailer_binds);
    tcase_add_loop_test(tc, test_sshsig_deviations, 0, LEN(deviations));
    tcase_add_loop_test(tc, test_sshsig_truncation, 0, 2);
    tcase_add_loop_test(tc, test_sshsig_every_bit_counts, 0, 2);
    tcase_add_test(tc, test_sshsig_huge_lengths);
    tcase_add_test(tc, test_sshsig_small_order_key);
    tcase_add_test(tc, test_sshsig_armor_newlines);
    tcase_add_loop_test(tc, test_sshsig_armor_refused, 0, LEN(bad_armor));
    tcase_add_test(tc, test_sshsig_armor_zero_byte);
    tcase_add_test(tc, test_sshsig_armor_bound);
    tcase_add_loop_test(tc, test_sshsig_pub_lines, 0, LEN(pub_lines));
    tcase_add_test(tc, test_sshsig_empty_input);
    tcase_add_test(tc, test_sshsig_key_check_sk);
    tcase_add_test(tc, test_sshsig_key_bound);
    suite_add_tcase(s, tc);

    tcase_add_unchecked_fixture(keygen, make_dir, remove_dir);
    tcase_add_checked_fixture(keygen, start_dir, NULL);
    tcase_set_timeout(keygen, 120);
    tcase_add_test(keygen, test_sshsig_keygen_signs);
    tcase_add_loop_test(keygen, test_sshsig_keygen_other_types, 0,
                        LEN(other_types));
    tcase_add_loop_test(keygen, test_sshsig_keygen_verifies_ours, 0, 2);
    suite_add_tcase(s, keygen);
    return s;
}
