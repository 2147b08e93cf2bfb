#include <stdio.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "protocol/release.h"
#include "protocol/transport_cert.h"
#include "replication/recoverer/recoverer.h"
#include "tests/suite.h"

#define STEWARDS 7U
#define K        4U
#define T        3U
#define PATIENCE 60000U

/* A released deposit of seven stewards, whom the test plays, and the machine
 * of its recipient. */
static struct charter charter;
static struct manifest manifest;
static struct vss_polynomials polynomials;
static struct recoverer_config config;
static struct recoverer *recoverer;
static struct core_out *out;
static struct rng dice;
static uint8_t hpke_pk[HPKE_KEY_SIZE];
static uint64_t now_ms, wake_ms, links_made;

/* What the machine was seen to do since the last look, by column. */
static unsigned dialled[STEWARDS], asked[STEWARDS];
static uint64_t link_of[STEWARDS]; /* Up, as the driver knows; 0: none. */
static unsigned closed, jobs;

static unsigned column_of(uint64_t link)
{
    unsigned i = 0;

    while (i < STEWARDS && link_of[i] != link) {
        i++;
    }
    return i;
}

static void on_send(const struct core_action *a)
{
    unsigned i = column_of(a->id);
    struct message *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    ck_assert_uint_lt(i, STEWARDS);
    ck_assert_int_eq(message_decode(m, a->bytes), OK);
    ck_assert_int_eq(m->type, MESSAGE_ENVELOPE_WANT);
    ck_assert(digest_equal(&m->u.envelope_want.release_id, &config.release_id));
    asked[i]++;
    free(m);
}

static void on_dial(const struct core_action *a)
{
    for (unsigned i = 0; i < STEWARDS; i++) {
        if (slice_equal(a->bytes, digest_slice(&manifest.stewards[i]))) {
            ck_assert_uint_eq(link_of[i], 0);
            dialled[i]++;
            return;
        }
    }
    ck_abort_msg("dials a stranger");
}

static void step(struct core_event ev)
{
    ev.mono_ms = now_ms;
    core_out_reset(out);
    recoverer_step(recoverer, &ev, out);
    ck_assert_uint_eq(out->ops_len, 0);
    wake_ms = out->wake_ms;
    for (size_t i = 0; i < out->acts_len; i++) {
        const struct core_action *a = &out->acts[i];

        if (a->type == ACT_SEND) {
            on_send(a);
        } else if (a->type == ACT_DIAL) {
            on_dial(a);
        } else if (a->type == ACT_JOB) {
            ck_assert_uint_eq(a->bytes.size, 0);
            ck_assert_uint_ne(a->id, 0);
            jobs++;
        } else {
            ck_assert_int_eq(a->type, ACT_CLOSE);
            closed++;
            if (column_of(a->id) < STEWARDS) {
                link_of[column_of(a->id)] = 0;
            }
        }
    }
}

/* Time goes on, with every wake that is asked for. */
static void pass(uint64_t ms)
{
    uint64_t until = now_ms + ms;

    while (wake_ms != 0 && wake_ms <= until) {
        now_ms = wake_ms > now_ms ? wake_ms : now_ms;
        step((struct core_event){.type = EV_WAKE});
        ck_assert(wake_ms == 0 || wake_ms > now_ms);
    }
    now_ms = until;
}

static void look(void)
{
    memset(dialled, 0, sizeof(dialled));
    memset(asked, 0, sizeof(asked));
    closed = 0;
}

static void make_deposit(void)
{
    const uint8_t seed[RNG_SEED_SIZE] = {'r', 'e', 'c'};

    rng_init_seed(&dice, seed);
    memset(&charter, 0, sizeof(charter));
    memset(&manifest, 0, sizeof(manifest));
    memset(&config, 0, sizeof(config));
    rng_bytes(&dice, &config.net, sizeof(config.net));
    rng_bytes(&dice, &config.release_id, sizeof(config.release_id));
    rng_bytes(&dice, &config.manifest_hash, sizeof(config.manifest_hash));
    rng_bytes(&dice, config.psk, sizeof(config.psk));
    hpke_keypair(&dice, config.hpke_sk, hpke_pk);
    manifest.net = config.net;
    rng_bytes(&dice, &manifest.deposit_id, sizeof(manifest.deposit_id));
    manifest.k = K;
    manifest.n = STEWARDS;
    manifest.t = T;
    manifest.share_epoch = 5;
    vss_polynomials_init(&polynomials, T, &dice);
    vss_commit(&polynomials, manifest.commitments);
    for (unsigned i = 0; i < STEWARDS; i++) {
        struct card *c = &charter.members[i].card;

        memset(c->id.bytes, (int)i + 1, DIGEST_SIZE);
        c->role = CARD_STEWARD;
        memcpy(c->name, "Archive 0", 10);
        c->name[8] = (char)('0' + i);
        manifest.stewards[i] = c->id;
    }
    charter.members_len = charter.stewards = STEWARDS;
    config.charter = &charter;
    config.manifest = &manifest;
    config.patience_ms = PATIENCE;
}

static void start(void)
{
    make_deposit();
    out = malloc(sizeof(*out));
    ck_assert_ptr_nonnull(out);
    ck_assert_int_eq(recoverer_new(&recoverer, &config), OK);
    memset(link_of, 0, sizeof(link_of));
    now_ms = 1000;
    wake_ms = links_made = 0;
    jobs = 0;
    look();
    step((struct core_event){.type = EV_START});
    ck_assert_uint_eq(out->acts_len, 0);
    step((struct core_event){.type = EV_START, .status = 1});
}

static void finish(void)
{
    recoverer_free(recoverer);
    free(out);
}

/* --- What stewards do ---------------------------------------------------- */

static void shows(enum transport_cert_type type,
                  const struct digest *net,
                  const struct digest *id)
{
    const uint8_t seed[SIGN_SEED_SIZE] = {1};
    struct transport_cert cert = {.type = type,
                                  .net = *net,
                                  .id = *id,
                                  .release_id = *id,
                                  .transport_pk = {9},
                                  .not_before_s = 1,
                                  .not_after_s = 1000};
    uint8_t bytes[TRANSPORT_CERT_MAX];
    struct sign_key key;
    size_t size = 0;

    sign_key_from_seed(&key, seed);
    ck_assert_int_eq(
        transport_cert_encode(&cert, &key, bytes, sizeof(bytes), &size), OK);
    step((struct core_event){
        .type = EV_LINK, .id = ++links_made, .bytes = slice_of(bytes, size)});
}

static void up(unsigned i)
{
    link_of[i] = links_made + 1;
    shows(TRANSPORT_MEMBER, &config.net, &manifest.stewards[i]);
}

static void down(unsigned i)
{
    uint64_t link = link_of[i];

    link_of[i] = 0;
    step((struct core_event){.type = EV_LINK, .id = link, .status = ERR_IO});
}

static void say(unsigned i, const struct message *m)
{
    uint8_t bytes[2048];
    size_t size = 0;

    ck_assert_int_eq(message_encode(m, bytes, sizeof(bytes), &size), OK);
    step((struct core_event){
        .type = EV_MSG, .id = link_of[i], .bytes = slice_of(bytes, size)});
}

static void refuse(unsigned i, int status, const char *text)
{
    struct message *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    m->type = MESSAGE_REFUSE;
    m->u.refuse.about = MESSAGE_ENVELOPE_WANT;
    m->u.refuse.subject = config.release_id;
    m->u.refuse.status = status;
    (void)snprintf(m->u.refuse.text, sizeof(m->u.refuse.text), "%s", text);
    say(i, m);
    free(m);
}

/* The envelope of column |i|, which a test may spoil before it is said. */
static struct message envelope;
static uint8_t envelope_bytes[RELEASE_ENVELOPE_SIZE];

static void seal(unsigned i, bool false_share)
{
    struct message_envelope *e = &envelope.u.envelope;
    const struct hpke_psk psk = {.psk =
                                     slice_of(config.psk, sizeof(config.psk)),
                                 .id = digest_slice(&config.release_id)};
    uint8_t plain[2 * SCALAR_SIZE];
    struct vss_share share;
    struct digest info;

    memset(&envelope, 0, sizeof(envelope));
    envelope.type = MESSAGE_ENVELOPE;
    e->release_id = config.release_id;
    e->custodian = manifest.stewards[i];
    e->share_index = (uint16_t)(i + 1);
    e->share_epoch = manifest.share_epoch;
    e->envelope = slice_of(envelope_bytes, sizeof(envelope_bytes));
    vss_deal(&polynomials, e->share_index, &share);
    memcpy(plain, share.s.bytes, SCALAR_SIZE);
    memcpy(plain + SCALAR_SIZE, share.r.bytes, SCALAR_SIZE);
    plain[0] ^= false_share ? 1U : 0U;
    release_envelope_info(&info, &config.net, &config.release_id,
                          e->share_index, e->share_epoch);
    ck_assert_int_eq(hpke_seal(hpke_pk, digest_slice(&info), slice_of(NULL, 0),
                               &psk, slice_of(plain, sizeof(plain)), &dice,
                               envelope_bytes),
                     OK);
}

static void give(unsigned i)
{
    seal(i, false);
    say(i, &envelope);
}

static struct recoverer_column column(unsigned i)
{
    struct recoverer_column c;

    recoverer_column(recoverer, (uint16_t)i, &c);
    return c;
}

static void text_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' lacks '%s'", text, part);
}

/* The shares that are here are good ones, of these columns and no others. */
static void shares_are(uint64_t columns)
{
    const struct share_file *shares = NULL;
    size_t len = recoverer_shares(recoverer, &shares);

    ck_assert_uint_eq(len, (size_t)__builtin_popcountll(columns));
    for (size_t i = 0; i < len; i++) {
        unsigned index = shares[i].share.index;

        ck_assert_uint_ne(columns & BIT(index - 1), 0);
        columns &= ~(uint64_t)BIT(index - 1);
        ck_assert(digest_equal(&shares[i].deposit_id, &manifest.deposit_id));
        ck_assert(
            digest_equal(&shares[i].manifest_hash, &config.manifest_hash));
        ck_assert_uint_eq(shares[i].epoch, 5);
        ck_assert_int_eq(vss_share_verify(&shares[i].share,
                                          manifest.commitments, T, STEWARDS),
                         OK);
    }
}

/* --- Stories ------------------------------------------------------------- */

/* All stewards are dialled; t shares and k links are enough to fetch, and the
 * shares give the deposit's secret. */
START_TEST(test_recoverer_gathers)
{
    const struct share_file *shares = NULL;
    struct vss_share some[T];
    struct scalar s, r;

    start();
    for (unsigned i = 0; i < STEWARDS; i++) {
        ck_assert_uint_eq(dialled[i], 1);
        text_has(column(i).text, "not reached");
    }
    for (unsigned i = 1; i < 1 + K; i++) {
        up(i);
        ck_assert_uint_eq(asked[i], 1);
        ck_assert(column(i).up && !column(i).share);
        ck_assert_uint_eq(column(i).link, link_of[i]);
    }
    give(1);
    give(4);
    ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_GATHERING);
    ck_assert_uint_eq(jobs, 0);
    give(3);
    ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_FETCHING);
    ck_assert_uint_eq(jobs, 1);
    shares_are(BIT(1) | BIT(4) | BIT(3));
    ck_assert(column(4).share);
    ck_assert_str_eq(column(4).text, "");
    ck_assert_uint_eq(recoverer_shares(recoverer, &shares), T);
    for (size_t i = 0; i < T; i++) {
        some[i] = shares[i].share;
    }
    ck_assert_int_eq(vss_combine(some, T, &s, &r), OK);
    ck_assert_bytes_eq(s.bytes, polynomials.a[0].bytes, SCALAR_SIZE);

    step((struct core_event){.type = EV_JOB, .id = 1, .status = 1});
    ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_FETCHING);
    step((struct core_event){.type = EV_JOB, .id = 1, .status = OK});
    ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_DONE);
    ck_assert_uint_eq(wake_ms, 0);
    finish();
}
END_TEST

/* One that has it not yet is asked again and again, not at once. */
START_TEST(test_recoverer_asks_again)
{
    start();
    up(2);
    for (unsigned i = 1; i < 5; i++) {
        ck_assert_uint_eq(asked[2], i);
        refuse(2, ERR_ORDER, "the custodian has not decided yet");
        ck_assert_str_eq(column(2).text, "the custodian has not decided yet");
        pass(RECOVERER_REDIAL_MS - 1);
        ck_assert_uint_eq(asked[2], i);
        pass(1);
    }
    give(2);
    look();
    pass(2ULL * RECOVERER_REDIAL_MS);
    ck_assert_uint_eq(asked[2], 0);
    shares_are(BIT(2));
    finish();
}
END_TEST

/* What a refusal is about counts: one of a READ, or of another release, is
 * none of the machine's business. */
START_TEST(test_recoverer_other_refusals)
{
    struct message *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    start();
    up(0);
    m->type = MESSAGE_REFUSE;
    m->u.refuse.about = MESSAGE_READ;
    m->u.refuse.subject = manifest.deposit_id;
    m->u.refuse.status = ERR_FULL;
    memcpy(m->u.refuse.text, "xyzzy", 6);
    say(0, m);
    m->u.refuse.about = MESSAGE_ENVELOPE_WANT;
    say(0, m);
    ck_assert_ptr_null(strstr(column(0).text, "xyzzy"));
    pass(2ULL * RECOVERER_REDIAL_MS);
    ck_assert_uint_eq(asked[0], 1);
    free(m);
    finish();
}
END_TEST

/* Bad envelopes are named with their hash and skipped, whatever is wrong with
 * them; the others are enough, and a link that is made again is a new chance.
 */
START_TEST(test_recoverer_bad_envelopes)
{
    static const char *const words[] = {"something else",    "something else",
                                        "something else",    "something else",
                                        "does not open",     "does not open",
                                        "not what was dealt"};

    for (unsigned i = 0; i < 7; i++) {
        struct message_envelope *e = &envelope.u.envelope;
        char hex[2 * DIGEST_SIZE + 1];
        struct digest hash;

        start();
        up(2);
        seal(2, i == 6);
        e->release_id.bytes[0] ^= i == 0 ? 1U : 0U;
        e->custodian = manifest.stewards[i == 1 ? 3 : 2];
        e->share_index = (uint16_t)(e->share_index + (i == 2 ? 1U : 0U));
        e->share_epoch += i == 3 ? 1U : 0U;
        envelope_bytes[50] ^= i == 4 ? 1U : 0U;
        e->envelope.size -= i == 5 ? 1U : 0U;
        say(2, &envelope);
        sha256(e->envelope, &hash);
        for (size_t j = 0; j < DIGEST_SIZE; j++) {
            (void)snprintf(hex + 2 * j, 3, "%02x", hash.bytes[j]);
        }
        text_has(column(2).text, words[i]);
        text_has(column(2).text, hex);
        shares_are(0);

        pass(2ULL * RECOVERER_REDIAL_MS);
        ck_assert_uint_eq(asked[2], 1);
        down(2);
        text_has(column(2).text, hex);
        up(2);
        ck_assert_uint_eq(asked[2], 2);
        for (unsigned j = 3; j < 3 + K; j++) {
            up(j);
            if (j < 3 + T) {
                give(j);
            }
        }
        ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_FETCHING);
        ck_assert(!column(2).share);
        finish();
    }
}
END_TEST

/* An envelope that was made for another recipient, or under another psk. */
START_TEST(test_recoverer_not_for_us)
{
    for (unsigned i = 0; i < 2; i++) {
        uint8_t other[HPKE_KEY_SIZE];
        uint8_t sk[HPKE_KEY_SIZE];

        start();
        up(0);
        hpke_keypair(&dice, sk, other);
        if (i == 0) {
            memcpy(hpke_pk, other, sizeof(other));
        } else {
            config.psk[7] ^= 1;
        }
        give(0);
        text_has(column(0).text, "does not open");
        shares_are(0);
        finish();
    }
}
END_TEST

/* A steward gives the good envelope of another: it is for that column, and the
 * same share does not count twice. */
START_TEST(test_recoverer_borrowed_envelope)
{
    start();
    up(0);
    up(1);
    give(1);
    seal(1, false);
    say(0, &envelope);
    text_has(column(0).text, "something else");
    shares_are(BIT(1));
    finish();
}
END_TEST

/* The same envelope again changes nothing, and neither does a late one. */
START_TEST(test_recoverer_duplicates)
{
    start();
    for (unsigned i = 0; i < K; i++) {
        up(i);
    }
    give(0);
    give(0);
    seal(0, true);
    say(0, &envelope);
    shares_are(BIT(0));
    ck_assert_str_eq(column(0).text, "");
    give(1);
    give(2);
    ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_FETCHING);
    give(3);
    shares_are(BIT(0) | BIT(1) | BIT(2));
    ck_assert_uint_eq(jobs, 1);
    finish();
}
END_TEST

/* A link that is lost is dialled again after a while, until it is there, also
 * while the files are fetched; one that is up is never dialled. */
START_TEST(test_recoverer_redials)
{
    start();
    for (unsigned i = 0; i < K; i++) {
        up(i);
    }
    look();
    pass(3ULL * RECOVERER_REDIAL_MS);
    ck_assert_uint_eq(dialled[0], 0);
    ck_assert_uint_eq(dialled[K], 3);

    look();
    down(0);
    ck_assert(!column(0).up && column(0).link == 0);
    text_has(column(0).text, "lost");
    pass(RECOVERER_REDIAL_MS - 1);
    ck_assert_uint_eq(dialled[0], 0);
    pass(RECOVERER_REDIAL_MS + 1);
    ck_assert_uint_eq(dialled[0], 2);
    up(0);
    ck_assert_uint_eq(asked[0], 1);

    for (unsigned i = 0; i < T; i++) {
        give(i);
    }
    ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_FETCHING);
    look();
    down(1);
    pass(RECOVERER_REDIAL_MS);
    ck_assert_uint_eq(dialled[1], 1);
    up(1);
    ck_assert(column(1).up && column(1).share);
    ck_assert_uint_eq(asked[1], 0);
    finish();
}
END_TEST

/* A second link of the same steward takes the place of the first. */
START_TEST(test_recoverer_newest_link)
{
    uint64_t first;

    start();
    up(0);
    first = link_of[0];
    look();
    up(0);
    ck_assert_uint_eq(closed, 1);
    ck_assert_uint_eq(column(0).link, link_of[0]);
    step((struct core_event){.type = EV_LINK, .id = first});
    ck_assert(column(0).up);
    give(0);
    shares_are(BIT(0));
    finish();
}
END_TEST

/* Strangers are hung up on: members who hold nothing of the deposit, another
 * network's, recipients, and what is no certificate. */
START_TEST(test_recoverer_strangers)
{
    struct digest other;

    start();
    memset(&other, 0x77, sizeof(other));
    shows(TRANSPORT_MEMBER, &config.net, &other);
    ck_assert_uint_eq(closed, 1);
    shows(TRANSPORT_MEMBER, &other, &manifest.stewards[0]);
    ck_assert_uint_eq(closed, 2);
    shows(TRANSPORT_RECIPIENT, &config.net, &manifest.stewards[0]);
    ck_assert_uint_eq(closed, 3);
    step((struct core_event){
        .type = EV_LINK, .id = ++links_made, .bytes = slice_str("hello")});
    ck_assert_uint_eq(closed, 4);
    for (unsigned i = 0; i < STEWARDS; i++) {
        ck_assert(!column(i).up);
        ck_assert_uint_eq(asked[i], 0);
    }
    finish();
}
END_TEST

/* What is no message ends its link, which is dialled again; messages that are
 * not for a recipient, and unknown ones, are let pass. */
START_TEST(test_recoverer_garbage)
{
    static const uint8_t unknown[] = {0x91, 0x7f};
    struct message *m = calloc(1, sizeof(*m));
    uint64_t link;

    ck_assert_ptr_nonnull(m);
    start();
    up(0);
    m->type = MESSAGE_HEADS;
    say(0, m);
    step((struct core_event){.type = EV_MSG,
                             .id = link_of[0],
                             .bytes = slice_of(unknown, sizeof(unknown))});
    ck_assert_uint_eq(closed, 0);
    link = link_of[0];
    look();
    step((struct core_event){
        .type = EV_MSG, .id = link, .bytes = slice_str("garbage")});
    ck_assert_uint_eq(closed, 1);
    ck_assert(!column(0).up);
    text_has(column(0).text, "no message");
    /* More of it was on its way. */
    step((struct core_event){
        .type = EV_MSG, .id = link, .bytes = slice_str("garbage")});
    step((struct core_event){.type = EV_LINK, .id = link, .status = ERR_IO});
    ck_assert_uint_eq(closed, 1);
    pass(RECOVERER_REDIAL_MS);
    ck_assert_uint_eq(dialled[0], 1);
    up(0);
    give(0);
    shares_are(BIT(0));
    free(m);
    finish();
}
END_TEST

/* Patience is over with fewer than t: it fails, and says who is missing and
 * why. Patience begins again with progress, and only with that. */
START_TEST(test_recoverer_too_few_shares)
{
    const char *text = NULL;

    start();
    pass(PATIENCE - 1);
    for (unsigned i = 0; i < K; i++) {
        up(i);
    }
    pass(PATIENCE - 1);
    give(0);
    refuse(2, ERR_DENIED, "our operators said no");
    seal(3, true);
    say(3, &envelope);
    pass(PATIENCE - 2);
    give(0);
    down(1);
    up(1);
    ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_GATHERING);
    pass(2);
    ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_FAILED);
    ck_assert_int_eq(recoverer_failure(recoverer, &text), ERR_NOTFOUND);
    text_has(text, "1 of the 3 key shares");
    ck_assert_ptr_null(strstr(text, "Archive 0"));
    text_has(text, "Archive 1: connected, has not answered");
    text_has(text, "Archive 2: our operators said no");
    text_has(text, "Archive 3: gave a key share that is not what was dealt");
    text_has(text, "Archive 6: not reached");
    ck_assert_uint_eq(jobs, 0);
    ck_assert_uint_eq(wake_ms, 0);
    look();
    step((struct core_event){.type = EV_WAKE});
    ck_assert_uint_eq(out->acts_len, 0);
    finish();
}
END_TEST

/* The shares are here but fewer than k links: it waits its patience, and goes
 * on with what there is. */
START_TEST(test_recoverer_too_few_links)
{
    start();
    for (unsigned i = 0; i < T; i++) {
        up(i);
        give(i);
    }
    ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_GATHERING);
    pass(PATIENCE - 1);
    ck_assert_uint_eq(jobs, 0);
    pass(1);
    ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_FETCHING);
    ck_assert_uint_eq(jobs, 1);
    finish();

    /* Or until the kth comes, which need not be asked any more. */
    start();
    for (unsigned i = 0; i < T; i++) {
        up(i);
        give(i);
    }
    pass(PATIENCE / 2);
    up(6);
    ck_assert_uint_eq(asked[6], 0);
    ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_FETCHING);
    ck_assert_uint_eq(jobs, 1);
    finish();
}
END_TEST

/* A job that fails is the end, with its status. */
START_TEST(test_recoverer_job_fails)
{
    const char *text = NULL;

    start();
    for (unsigned i = 0; i < K; i++) {
        up(i);
        if (i < T) {
            give(i);
        }
    }
    step((struct core_event){.type = EV_JOB, .id = 1, .status = ERR_AUTH});
    ck_assert_int_eq(recoverer_phase(recoverer), RECOVERER_FAILED);
    ck_assert_int_eq(recoverer_failure(recoverer, &text), ERR_AUTH);
    text_has(text, "could not be fetched");
    finish();
}
END_TEST

/* A steward that left the charter has no address: it is not dialled, and said
 * to be gone. */
START_TEST(test_recoverer_steward_left)
{
    make_deposit();
    charter.members[3].card.role = CARD_AUDITOR;
    out = malloc(sizeof(*out));
    ck_assert_ptr_nonnull(out);
    ck_assert_int_eq(recoverer_new(&recoverer, &config), OK);
    memset(link_of, 0, sizeof(link_of));
    look();
    now_ms = 1000;
    step((struct core_event){.type = EV_START, .status = 1});
    ck_assert_uint_eq(dialled[2], 1);
    ck_assert_uint_eq(dialled[3], 0);
    text_has(column(3).text, "charter");
    finish();
}
END_TEST

/* The widest deposit fails with room for everybody's words. */
START_TEST(test_recoverer_widest)
{
    char words[MESSAGE_TEXT_MAX + 1] = "";
    const char *text = NULL;
    unsigned asks = 0;

    make_deposit();
    manifest.n = MANIFEST_SHARDS_MAX;
    charter.members_len = MANIFEST_SHARDS_MAX;
    memset(words, 'w', MESSAGE_TEXT_MAX);
    for (unsigned i = 0; i < MANIFEST_SHARDS_MAX; i++) {
        struct card *c = &charter.members[i].card;

        memset(c->id.bytes, (int)i + 1, DIGEST_SIZE);
        c->role = CARD_STEWARD;
        memset(c->name, 'n', CARD_NAME_MAX);
        manifest.stewards[i] = c->id;
    }
    out = malloc(sizeof(*out));
    ck_assert_ptr_nonnull(out);
    ck_assert_int_eq(recoverer_new(&recoverer, &config), OK);
    now_ms = 1000;
    core_out_reset(out);
    recoverer_step(
        recoverer,
        &(struct core_event){.type = EV_START, .status = 1, .mono_ms = now_ms},
        out);
    ck_assert_uint_eq(out->acts_len, MANIFEST_SHARDS_MAX);
    for (unsigned i = 0; i < MANIFEST_SHARDS_MAX; i++) {
        struct transport_cert cert = {.type = TRANSPORT_MEMBER,
                                      .net = config.net,
                                      .id = manifest.stewards[i],
                                      .transport_pk = {9},
                                      .not_before_s = 1,
                                      .not_after_s = 1000};
        const uint8_t seed[SIGN_SEED_SIZE] = {1};
        uint8_t bytes[1024];
        struct sign_key key;
        size_t size = 0;
        struct core_event ev = {
            .type = EV_LINK, .id = i + 1, .mono_ms = now_ms};

        sign_key_from_seed(&key, seed);
        ck_assert_int_eq(
            transport_cert_encode(&cert, &key, bytes, sizeof(bytes), &size),
            OK);
        ev.bytes = slice_of(bytes, size);
        core_out_reset(out);
        recoverer_step(recoverer, &ev, out);
        memset(&envelope, 0, sizeof(envelope));
        envelope.type = MESSAGE_REFUSE;
        envelope.u.refuse.about = MESSAGE_ENVELOPE_WANT;
        envelope.u.refuse.subject = config.release_id;
        envelope.u.refuse.status = ERR_ORDER;
        memcpy(envelope.u.refuse.text, words, sizeof(words));
        ck_assert_int_eq(message_encode(&envelope, bytes, sizeof(bytes), &size),
                         OK);
        ev.type = EV_MSG;
        ev.bytes = slice_of(bytes, size);
        core_out_reset(out);
        recoverer_step(recoverer, &ev, out);
    }
    core_out_reset(out);
    recoverer_step(
        recoverer,
        &(struct core_event){.type = EV_WAKE,
                             .mono_ms = now_ms + RECOVERER_REDIAL_MS},
        out);
    for (size_t i = 0; i < out->acts_len; i++) {
        asks += out->acts[i].type == ACT_SEND ? 1U : 0U;
    }
    ck_assert_uint_eq(asks, MANIFEST_SHARDS_MAX);
    core_out_reset(out);
    recoverer_step(
        recoverer,
        &(struct core_event){.type = EV_WAKE, .mono_ms = now_ms + PATIENCE},
        out);
    ck_assert_int_eq(recoverer_failure(recoverer, &text), ERR_NOTFOUND);
    ck_assert_uint_gt(strlen(text), (size_t)MANIFEST_SHARDS_MAX *
                                        (MESSAGE_TEXT_MAX + CARD_NAME_MAX));
    finish();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("recoverer");
    TCase *tc = tcase_create("recoverer");

    tcase_add_test(tc, test_recoverer_gathers);
    tcase_add_test(tc, test_recoverer_asks_again);
    tcase_add_test(tc, test_recoverer_other_refusals);
    tcase_add_test(tc, test_recoverer_bad_envelopes);
    tcase_add_test(tc, test_recoverer_not_for_us);
    tcase_add_test(tc, test_recoverer_borrowed_envelope);
    tcase_add_test(tc, test_recoverer_duplicates);
    tcase_add_test(tc, test_recoverer_redials);
    tcase_add_test(tc, test_recoverer_newest_link);
    tcase_add_test(tc, test_recoverer_strangers);
    tcase_add_test(tc, test_recoverer_garbage);
    tcase_add_test(tc, test_recoverer_too_few_shares);
    tcase_add_test(tc, test_recoverer_too_few_links);
    tcase_add_test(tc, test_recoverer_job_fails);
    tcase_add_test(tc, test_recoverer_steward_left);
    tcase_add_test(tc, test_recoverer_widest);
    suite_add_tcase(s, tc);
    return s;
}
