#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "crypto/content_key.h"
#include "crypto/secret.h"
#include "node/link/link.h"
#include "node/recovery/recipient_keys.h"
#include "node/recovery/recover_ticket.h"
#include "protocol/message.h"
#include "protocol/transport_cert.h"
#include "tests/certificate_world.h"
#include "tests/scratch.h"

/* A recipient on the loopback with seven stewards, who are played by a thread:
 * they hand out envelopes as the test scripts it, and have lost their shards.
 */

#define PATIENCE_MS 1500U
#define DAY_S       86400ULL

enum script {
    GIVES,
    GIVES_FALSE, /* A share that was not dealt. */
    REFUSES,
    GARBAGE,
    SHUT /* Nobody listens. */
};

struct steward {
    unsigned column;
    enum script script;
    struct link_host *host;
    char address[LINK_ADDRESS_SIZE];
    bool closed;
};

static struct certificate_world *world;
static struct steward stewards[WORLD_N];
static struct release_request request;
static struct recipient_keys *keys;
static struct digest id;
static struct ticket ticket;
static uint8_t request_bytes[RELEASE_REQUEST_MAX];
static struct rng dice;
static uv_loop_t loop;
static uv_async_t stop;
static pthread_t thread;
static _Atomic unsigned reads, strangers;
static int refuses_reads; /* With which status; 0: ERR_NOTFOUND. */
static char errmsg[ERRMSG_SIZE];
static struct recover_result result;
static bool asked;

/* --- Stewards ------------------------------------------------------------ */

static size_t on_psk(void *arg,
                     const uint8_t psk_id[FRAME_PSK_ID_SIZE],
                     struct frame_psk *out,
                     size_t max)
{
    (void)arg;
    (void)max;
    frame_psk_init(out, ticket.psk);
    return memcmp(out->id, psk_id, FRAME_PSK_ID_SIZE) == 0 ? 1 : 0;
}

/* As a steward's node checks a recipient. */
static int on_identity(void *arg,
                       struct link *l,
                       struct slice bytes,
                       const uint8_t remote[NOISE_KEY_SIZE])
{
    struct transport_cert cert;

    (void)arg;
    (void)l;
    if (transport_cert_decode(&cert, bytes) != OK ||
        cert.type != TRANSPORT_RECIPIENT ||
        !digest_equal(&cert.release_id, &id) ||
        memcmp(remote, request.transport_pk, NOISE_KEY_SIZE) != 0) {
        strangers++;
        return ERR_DENIED;
    }
    return OK;
}

static void on_up(void *arg, struct link *l)
{
    (void)arg;
    (void)l;
}

static void say(struct link *l, const struct message *m)
{
    uint8_t bytes[1024];
    size_t size = 0;

    if (message_encode(m, bytes, sizeof(bytes), &size) != OK ||
        link_send_message(l, slice_of(bytes, size)) != OK) {
        abort();
    }
}

static void say_envelope(const struct steward *s, struct link *l)
{
    const struct hpke_psk psk = {.psk = slice_of(ticket.psk, 32),
                                 .id = digest_slice(&id)};
    uint8_t plain[2 * SCALAR_SIZE];
    uint8_t sealed[RELEASE_ENVELOPE_SIZE];
    struct vss_share share;
    struct digest info;
    struct message m = {
        .type = MESSAGE_ENVELOPE,
        .u.envelope = {.release_id = id,
                       .custodian = world->manifest.stewards[s->column],
                       .share_index = (uint16_t)(s->column + 1),
                       .envelope = slice_of(sealed, sizeof(sealed))}};

    vss_deal(&world->polynomials, (uint16_t)(s->column + 1), &share);
    memcpy(plain, share.s.bytes, SCALAR_SIZE);
    memcpy(plain + SCALAR_SIZE, share.r.bytes, SCALAR_SIZE);
    plain[0] ^= s->script == GIVES_FALSE ? 1U : 0U;
    release_envelope_info(&info, &world->net, &id, (uint16_t)(s->column + 1),
                          0);
    if (hpke_seal(request.hpke_pk, digest_slice(&info), slice_of(NULL, 0), &psk,
                  slice_of(plain, sizeof(plain)), &dice, sealed) != OK) {
        abort();
    }
    say(l, &m);
}

static int on_message(void *arg, struct link *l, struct slice bytes)
{
    struct steward *s = arg;
    struct message *m = calloc(1, sizeof(*m));
    struct message *no = calloc(1, sizeof(*no));
    int rv = message_decode(m, bytes);

    no->type = MESSAGE_REFUSE;
    no->u.refuse.about = m->type;
    if (rv == OK && m->type == MESSAGE_READ) {
        reads++;
        no->u.refuse.subject = m->u.read.deposit_id;
        no->u.refuse.status = refuses_reads != 0 ? refuses_reads : ERR_NOTFOUND;
        say(l, no);
    } else if (rv == OK && s->script == REFUSES) {
        no->u.refuse.subject = id;
        no->u.refuse.status = ERR_ORDER;
        memcpy(no->u.refuse.text, "not decided yet", 16);
        say(l, no);
    } else if (rv == OK && s->script == GARBAGE) {
        rv = link_send_message(l, slice_str("garbage"));
    } else if (rv == OK) {
        say_envelope(s, l);
    }
    free(m);
    free(no);
    return rv;
}

static int on_data(void *arg,
                   struct link *l,
                   uint32_t stream,
                   struct slice bytes,
                   bool end)
{
    (void)arg;
    (void)l;
    (void)stream;
    (void)bytes;
    (void)end;
    return ERR_BAD;
}

static void on_writable(void *arg, struct link *l)
{
    on_up(arg, l);
}

static void on_down(void *arg, struct link *l, int status, const char *text)
{
    (void)status;
    (void)text;
    on_up(arg, l);
}

static void on_closed(void *arg)
{
    struct steward *s = arg;

    s->closed = true;
}

static void on_stop(uv_async_t *async)
{
    for (unsigned i = 0; i < WORLD_N; i++) {
        if (stewards[i].host != NULL) {
            link_host_close(stewards[i].host, on_closed, &stewards[i]);
        }
    }
    uv_close((uv_handle_t *)async, NULL);
}

static void *stewards_run(void *arg)
{
    uv_run(&loop, UV_RUN_DEFAULT);
    return arg;
}

static void steward_open(struct steward *s)
{
    struct link_config config = {.loop = &loop,
                                 .rng = &dice,
                                 .net = world->net,
                                 .calls = {.on_psk = on_psk,
                                           .on_identity = on_identity,
                                           .on_up = on_up,
                                           .on_message = on_message,
                                           .on_data = on_data,
                                           .on_writable = on_writable,
                                           .on_down = on_down},
                                 .arg = s};
    struct transport_cert cert = {.type = TRANSPORT_MEMBER,
                                  .net = world->net,
                                  .id = world->manifest.stewards[s->column]};
    uint8_t bytes[TRANSPORT_CERT_MAX];
    char bound[LINK_ADDRESS_SIZE];
    size_t size = 0;

    noise_keypair_init(&config.key, &dice);
    memcpy(cert.transport_pk, config.key.pk, NOISE_KEY_SIZE);
    cert.not_before_s = (uint64_t)time(NULL);
    cert.not_after_s = cert.not_before_s + DAY_S;
    ck_assert_int_eq(transport_cert_encode(&cert,
                                           &world->stewards[s->column].node,
                                           bytes, sizeof(bytes), &size),
                     OK);
    config.cert = slice_of(bytes, size);
    link_limits_default(&config.limits);
    ck_assert_int_eq(link_host_new(&s->host, &config), OK);
    ck_assert_int_eq(link_host_listen(s->host, s->address, bound, errmsg), OK);
}

/* A port of the loopback that is free now; each steward has an address of its
 * own, so that no two get the same. */
static void address_choose(struct steward *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(s - stewards));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    (void)snprintf(s->address, sizeof(s->address), "127.0.0.%u:%u",
                   1 + (unsigned)(s - stewards), ntohs(at.sin_port));
    close(fd);
}

/* --- Papers -------------------------------------------------------------- */

static void world_make(void)
{
    const uint8_t seed[RNG_SEED_SIZE] = {5};
    struct content_key key;
    struct digest commit;

    rng_init_system(&dice);
    world = calloc(1, sizeof(*world));
    ck_assert_ptr_nonnull(world);
    rng_init_seed(&world->rng, seed);
    for (uint8_t i = 0; i < WORLD_N; i++) {
        struct member *m = &world->stewards[i];

        stewards[i] = (struct steward){.column = i};
        address_choose(&stewards[i]);
        member_init(m, (uint8_t)(i + 1), CARD_STEWARD);
        (void)snprintf(m->card.name, sizeof(m->card.name), "Archive %u", i);
        memset(m->card.addresses[0], 0, sizeof(m->card.addresses[0]));
        memcpy(m->card.addresses[0], stewards[i].address,
               strlen(stewards[i].address));
        member_encode(m);
    }
    member_make(&world->lab, 50, CARD_LAB);
    member_make(&world->auditor, 60, CARD_AUDITOR);
    world_charter_put(world, "Model archive");
    world_manifest_fill(world);
    content_key_derive(&key, &world->manifest.deposit_id,
                       world->polynomials.a[0].bytes, &commit);
    world->manifest.key_commit = commit;
    world_manifest_put(world, &world->lab, &world->lab.node);
}

static void request_fill(void)
{
    struct release_request *r = &request;

    memset(r, 0, sizeof(*r));
    r->net = world->net;
    memset(r->charter_hash.bytes, 7, DIGEST_SIZE);
    r->deposit_id = world->manifest.deposit_id;
    r->manifest_hash = world->manifest_hash;
    memcpy(r->label, world->manifest.label, sizeof(r->label));
    memcpy(r->recipient, "Recipient", 10);
    memcpy(r->purpose, "Test", 5);
    memcpy(r->hpke_pk, keys->hpke_pk, HPKE_KEY_SIZE);
    memcpy(r->transport_pk, keys->transport.pk, NOISE_KEY_SIZE);
    r->time_s = (uint64_t)time(NULL) - 10 * DAY_S;
    r->not_after_s = r->time_s + 20 * DAY_S;
}

static void ticket_write(void)
{
    uint8_t *bytes = malloc(TICKET_SIZE_MAX);
    size_t size = 0;

    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(release_request_encode(&request, request_bytes,
                                            sizeof(request_bytes), &size),
                     OK);
    ticket.chain = slice_of(world->chain, world->chain_size);
    ticket.manifest = world_slice(&world->manifest_entry);
    ticket.request = slice_of(request_bytes, size);
    memset(ticket.psk, 0x5a, sizeof(ticket.psk));
    release_id(&id, ticket.request);
    ck_assert_int_eq(ticket_encode(&ticket, bytes, TICKET_SIZE_MAX, &size), OK);
    ck_assert_int_eq(file_write(scratch_path("ticket"), slice_of(bytes, size),
                                0600, FILE_REPLACE, errmsg),
                     OK);
    free(bytes);
}

static void setup(void)
{
    scratch_make();
    world_make();
    ck_assert_int_eq(recipient_keys_create(
                         scratch_path("keys"), slice_of(NULL, 0), &world->net,
                         &world->manifest_hash, &keys, errmsg),
                     OK);
    request_fill();
    ticket_write();
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(uv_async_init(&loop, &stop, on_stop), 0);
}

static void teardown(void)
{
    scratch_remove();
}

static int recover_with(const char *keys_name, const char *shares)
{
    struct cli c = {.program = "cairn", .quiet = true, .progress = "none"};
    const struct recover_ticket_options o = {.ticket = scratch_path("ticket"),
                                             .keys = scratch_path(keys_name),
                                             .save_shares = shares,
                                             .out = scratch_path("out"),
                                             .patience_ms = PATIENCE_MS};

    memset(&result, 0, sizeof(result));
    errmsg[0] = '\0';
    return recover_ticket(&c, &o, &result, &asked, errmsg);
}

static int recover_from_stewards(const char *shares)
{
    int rv;

    for (unsigned i = 0; i < WORLD_N; i++) {
        if (stewards[i].script != SHUT) {
            steward_open(&stewards[i]);
        }
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, stewards_run, NULL), 0);
    rv = recover_with("keys", shares);
    uv_async_send(&stop);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return rv;
}

static void says(const char *part)
{
    ck_assert_msg(strstr(errmsg, part) != NULL, "'%s' lacks '%s'", errmsg,
                  part);
}

/* --- Stories ------------------------------------------------------------- */

/* A ticket whose request is about another deposit than its manifest, or whose
 * time is over, or that is none: the stewards are not asked. */
START_TEST(test_recover_ticket_false_papers)
{
    request.deposit_id.bytes[0] ^= 1;
    ticket_write();
    ck_assert_int_eq(recover_with("keys", NULL), ERR_MISMATCH);
    says("another deposit");
    ck_assert(!asked);

    request_fill();
    request.manifest_hash.bytes[0] ^= 1;
    ticket_write();
    ck_assert_int_eq(recover_with("keys", NULL), ERR_MISMATCH);

    request_fill();
    request.net.bytes[0] ^= 1;
    ticket_write();
    ck_assert_int_eq(recover_with("keys", NULL), ERR_MISMATCH);

    request_fill();
    request.not_after_s = (uint64_t)time(NULL) - DAY_S - 60;
    ticket_write();
    ck_assert_int_eq(recover_with("keys", NULL), ERR_DENIED);
    says("expired");

    request_fill();
    world->manifest_entry.bytes[world->manifest_entry.size - 1] ^= 1;
    ticket_write();
    ck_assert_int_ne(recover_with("keys", NULL), OK);
    says("does not hold");
    ck_assert(!asked);

    scratch_put("ticket", "no ticket", 0600);
    ck_assert_int_eq(recover_with("keys", NULL), ERR_BAD);
    says("no ticket");
    scratch_put("ticket", "no ticket", 0644);
    ck_assert_int_eq(chmod(scratch_path("ticket"), 0644), 0);
    ck_assert_int_eq(recover_with("keys", NULL), ERR_DENIED);
    ck_assert_int_ne(access(scratch_path("out"), F_OK), 0);
}
END_TEST

/* Where nothing can be put, nobody is asked for anything. */
START_TEST(test_recover_ticket_nowhere_to_put_it)
{
    scratch_put("file", "in the way", 0600);
    ck_assert_int_ne(recover_with("keys", scratch_path("file")), OK);
    says("in the way of a folder");
    ck_assert(!asked);
    ck_assert_int_ne(access(scratch_path("out"), F_OK), 0);
    scratch_put("out", "in the way", 0600);
    ck_assert_int_eq(recover_with("keys", NULL), ERR_IO);
    says("in the way of a folder");
    ck_assert(!asked);
}
END_TEST

/* Keys that are not those of the request, and none. */
START_TEST(test_recover_ticket_false_keys)
{
    struct recipient_keys *other = NULL;

    ck_assert_int_eq(recipient_keys_create(
                         scratch_path("other"), slice_of(NULL, 0), &world->net,
                         &world->manifest_hash, &other, errmsg),
                     OK);
    ck_assert_int_eq(recover_with("other", NULL), ERR_MISMATCH);
    says("not those of the request");
    says("'Recipient'");
    ck_assert(!asked);
    memcpy(request.transport_pk, other->transport.pk, NOISE_KEY_SIZE);
    ticket_write();
    ck_assert_int_eq(recover_with("keys", NULL), ERR_MISMATCH);
    ck_assert_int_eq(recover_with("other", NULL), ERR_MISMATCH);
    ck_assert_int_eq(recover_with("none", NULL), ERR_NOTFOUND);
    ck_assert(!asked);
}
END_TEST

/* A ticket that somebody made up around the recipient's public keys leads to
 * another network or model than the one that was asked for. */
START_TEST(test_recover_ticket_made_up)
{
    struct recipient_keys *mine = NULL;
    struct digest net = world->net, manifest = world->manifest_hash;

    (_i == 0 ? &net : &manifest)->bytes[5] ^= 1;
    ck_assert_int_eq(recipient_keys_create(scratch_path("mine"),
                                           slice_of(NULL, 0), &net, &manifest,
                                           &mine, errmsg),
                     OK);
    memcpy(request.hpke_pk, mine->hpke_pk, HPKE_KEY_SIZE);
    memcpy(request.transport_pk, mine->transport.pk, NOISE_KEY_SIZE);
    ticket_write();
    ck_assert_int_eq(recover_with("mine", NULL), ERR_MISMATCH);
    says("another network or another model");
    ck_assert(!asked);
    secret_free(mine);
}
END_TEST

/* Two stewards give good shares, and three are needed: those who are missing
 * are named with the reason. */
START_TEST(test_recover_ticket_too_few)
{
    static const enum script scripts[WORLD_N] = {
        GIVES, GIVES_FALSE, REFUSES, GARBAGE, SHUT, SHUT, GIVES};

    for (unsigned i = 0; i < WORLD_N; i++) {
        stewards[i].script = scripts[i];
    }
    ck_assert_int_eq(recover_from_stewards(scratch_path("shares")),
                     ERR_NOTFOUND);
    ck_assert(asked);
    says("2 of the 3 key shares");
    says("Archive 1: gave a key share that is not what was dealt");
    says("Archive 2: not decided yet");
    says("Archive 3: ");
    says("Archive 4: not reached");
    ck_assert_ptr_null(strstr(errmsg, "Archive 0"));
    ck_assert_ptr_null(strstr(errmsg, "Archive 6"));
    ck_assert_uint_eq(strangers, 0);
    ck_assert_int_ne(access(scratch_path("shares"), F_OK), 0);
    ck_assert_int_ne(access(scratch_path("out"), F_OK), 0);
}
END_TEST

/* Enough shares from among them all: they are checked against the deposit's
 * key, kept where they were asked for, each for its owner alone, and the
 * shards asked for, of which there are none here. */
START_TEST(test_recover_ticket_shares)
{
    static const enum script scripts[WORLD_N] = {
        GIVES, GIVES_FALSE, GIVES, GIVES, SHUT, REFUSES, GIVES};
    unsigned files = 0;

    for (unsigned i = 0; i < WORLD_N; i++) {
        stewards[i].script = scripts[i];
    }
    ck_assert_int_eq(recover_from_stewards(scratch_path("shares")),
                     ERR_NOTFOUND);
    ck_assert(asked);
    says("segment table");
    ck_assert_uint_ge(reads, WORLD_K);
    ck_assert(digest_equal(&result.deposit_id, &world->manifest.deposit_id));
    ck_assert_uint_ge(result.shards_used, WORLD_K);
    for (unsigned i = 1; i <= WORLD_N; i++) {
        char name[32];
        uint8_t *bytes = NULL;
        struct share_file f;
        size_t size = 0;

        (void)snprintf(name, sizeof(name), "shares/share-%02u", i);
        if (access(scratch_path(name), F_OK) != 0) {
            continue;
        }
        files++;
        ck_assert_int_eq(file_read_secret(scratch_path(name), SHARE_FILE_MAX,
                                          &bytes, &size, errmsg),
                         OK);
        ck_assert_int_eq(share_file_decode(&f, slice_of(bytes, size)), OK);
        ck_assert_uint_eq(f.share.index, i);
        ck_assert(digest_equal(&f.manifest_hash, &world->manifest_hash));
        ck_assert_int_eq(vss_share_verify(&f.share, world->manifest.commitments,
                                          WORLD_T, WORLD_N),
                         OK);
    }
    ck_assert_uint_ge(files, WORLD_T);
}
END_TEST

/* Shares of another deposit in that folder are not overwritten. */
START_TEST(test_recover_ticket_other_shares)
{
    ck_assert_int_eq(mkdir(scratch_path("shares"), 0700), 0);
    for (unsigned i = 1; i <= WORLD_N; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "shares/share-%02u", i);
        scratch_put(name, "of another deposit", 0600);
    }
    ck_assert_int_eq(recover_from_stewards(scratch_path("shares")), ERR_EXISTS);
    says("another key share");
    ck_assert_uint_eq(reads, 0);
}
END_TEST

/* A steward says of a reading, in words that mean our own end here, that it was
 * interrupted, is out of memory or cannot be: the next one is asked. */
START_TEST(test_recover_ticket_foreign_ends)
{
    static const int statuses[] = {ERR_CANCELED, ERR_NOMEM, ERR_BAD};

    refuses_reads = statuses[_i];
    ck_assert_int_eq(recover_from_stewards(NULL), ERR_NOTFOUND);
    says("segment table");
    ck_assert_uint_ge(reads, WORLD_K);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("recover_ticket");
    TCase *tc = tcase_create("recover_ticket");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_recover_ticket_false_papers);
    tcase_add_test(tc, test_recover_ticket_nowhere_to_put_it);
    tcase_add_test(tc, test_recover_ticket_false_keys);
    tcase_add_loop_test(tc, test_recover_ticket_made_up, 0, 2);
    tcase_add_test(tc, test_recover_ticket_too_few);
    tcase_add_test(tc, test_recover_ticket_shares);
    tcase_add_test(tc, test_recover_ticket_other_shares);
    tcase_add_loop_test(tc, test_recover_ticket_foreign_ends, 0, 3);
    suite_add_tcase(s, tc);
    return s;
}
