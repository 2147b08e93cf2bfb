#include <stdlib.h>

#include "crypto/secret.h"
#include "node/daemon/daemon_state.h"
#include "tests/members.h"

/* Who is let in, and under which secret. This file has its own links, and
 * releases as the machine would tell them. */

#define NOW_S ((uint64_t)1800000000)
#define DAY_S ((uint64_t)86400)

struct link {
    bool dialled;
    void *user;
    uint8_t psk_id[FRAME_PSK_ID_SIZE];
    uint8_t remote[NOISE_KEY_SIZE];
};

static struct steward_release_info releases[STEWARD_RELEASES_MAX];
static size_t releases_len;

bool link_is_dialled(const struct link *l)
{
    return l->dialled;
}

void *link_user(const struct link *l)
{
    return l->user;
}

const uint8_t *link_psk_id(const struct link *l)
{
    return l->psk_id;
}

const uint8_t *link_remote(const struct link *l)
{
    return l->remote;
}

const char *link_address(const struct link *l)
{
    (void)l;
    return "192.0.2.1:1";
}

size_t steward_releases(const struct steward *s)
{
    (void)s;
    return releases_len;
}

void steward_release_info(const struct steward *s,
                          size_t i,
                          struct steward_release_info *info)
{
    (void)s;
    ck_assert_uint_lt(i, releases_len);
    *info = releases[i];
}

uint64_t daemon_now_s(void)
{
    return NOW_S;
}

void log_put(const struct log *log,
             enum log_level level,
             const char *format,
             ...)
{
    (void)log;
    (void)level;
    (void)format;
}

/* --- The fixture --------------------------------------------------------- */

static struct daemon *d;
static struct daemon_config config;
static struct self self;
static struct home_keys keys;
static struct charter *charter;
static struct member us, other, lab;
static uint8_t psk[HOME_PSK_SIZE] = {5, 4, 3};
static struct frame_psk network;

static void release_add(uint8_t name, bool open)
{
    struct steward_release_info *r = &releases[releases_len++];

    memset(r, 0, sizeof(*r));
    r->id.bytes[0] = name;
    r->open = open;
    memset(r->transport_pk, name, sizeof(r->transport_pk));
}

static void setup(void)
{
    const struct member *members[] = {&us, &other, &lab};

    member_make(&us, 1, CARD_STEWARD);
    member_make(&other, 2, CARD_STEWARD);
    member_make(&lab, 3, CARD_LAB);
    frame_psk_init(&network, psk);
    d = calloc(1, sizeof(*d));
    charter = calloc(1, sizeof(*charter));
    ck_assert(d != NULL && charter != NULL);
    for (size_t i = 0; i < 3; i++) {
        charter->members[i].card = members[i]->card;
    }
    charter->members_len = 3;
    memcpy(charter->psk_id, network.id, sizeof(network.id));
    memset(&self, 0, sizeof(self));
    self.net.bytes[0] = 9;
    self.id = us.card.id;
    self.psk = psk;
    self.keys = &keys;
    keys.node = us.node;
    config.self = &self;
    d->config = &config;
    d->charter = charter;
    releases_len = 0;
    release_add(10, true);
    release_add(20, false);
    release_add(30, true);
}

static void teardown(void)
{
    free(charter);
    free(d);
}

static void psk_of(uint8_t name, struct frame_psk *out)
{
    struct digest id = {{name}}, secret;

    release_psk(&secret, psk, &id);
    frame_psk_init(out, secret.bytes);
}

/* An inbound link under that psk by who holds the key of all |key|. */
static struct link inbound(const struct frame_psk *p, uint8_t key)
{
    struct link l = {.dialled = false};

    memcpy(l.psk_id, p->id, sizeof(l.psk_id));
    memset(l.remote, key, sizeof(l.remote));
    return l;
}

static struct link inbound_release(uint8_t name, uint8_t key)
{
    struct frame_psk p;

    psk_of(name, &p);
    return inbound(&p, key);
}

static struct transport_cert member_cert(const struct member *m, uint8_t key)
{
    struct transport_cert cert = {.type = TRANSPORT_MEMBER,
                                  .net = self.net,
                                  .id = m->card.id,
                                  .not_before_s = NOW_S - 60,
                                  .not_after_s = NOW_S + DAY_S};

    memset(cert.transport_pk, key, sizeof(cert.transport_pk));
    return cert;
}

static struct transport_cert recipient_cert(uint8_t name, uint8_t key)
{
    struct transport_cert cert = {
        .type = TRANSPORT_RECIPIENT, .net = self.net, .release_id = {{name}}};

    memset(cert.transport_pk, key, sizeof(cert.transport_pk));
    return cert;
}

static int show(struct link *l,
                const struct transport_cert *cert,
                const struct sign_key *key)
{
    uint8_t bytes[TRANSPORT_CERT_MAX];
    size_t size = 0;

    ck_assert_int_eq(
        transport_cert_encode(cert, key, bytes, sizeof(bytes), &size), OK);
    return daemon_on_identity(d, l, slice_of(bytes, size), l->remote);
}

static int show_member(struct link *l, const struct member *m, uint8_t key)
{
    const struct transport_cert cert = member_cert(m, key);

    return show(l, &cert, &m->node);
}

static int show_recipient(struct link *l, uint8_t name, uint8_t key)
{
    const struct transport_cert cert = recipient_cert(name, key);

    return show(l, &cert, NULL);
}

/* --- Secrets ------------------------------------------------------------- */

/* The network's secret and those of open releases have names; no other. */
START_TEST(test_daemon_identity_psks)
{
    struct frame_psk got, want;

    ck_assert_uint_eq(daemon_on_psk(d, network.id, &got, 1), 1);
    ck_assert_bytes_eq(&got, &network, sizeof(got));
    for (unsigned again = 0; again < 2; again++) {
        psk_of(10, &want);
        ck_assert_uint_eq(daemon_on_psk(d, want.id, &got, 1), 1);
        ck_assert_bytes_eq(&got, &want, sizeof(got));
        psk_of(30, &want);
        ck_assert_uint_eq(daemon_on_psk(d, want.id, &got, 1), 1);
        ck_assert_bytes_eq(&got, &want, sizeof(got));
        psk_of(20, &want); /* Not open. */
        ck_assert_uint_eq(daemon_on_psk(d, want.id, &got, 1), 0);
        psk_of(40, &want); /* Not known. */
        ck_assert_uint_eq(daemon_on_psk(d, want.id, &got, 1), 0);
    }
    psk_of(10, &want);
    ck_assert_uint_eq(daemon_on_psk(d, want.id, &got, 0), 0);
    releases[0].expired = true;
    ck_assert_uint_eq(daemon_on_psk(d, want.id, &got, 1), 0);
    psk_of(20, &want);
    releases[1].open = true;
    ck_assert_uint_eq(daemon_on_psk(d, want.id, &got, 1), 1);
}
END_TEST

/* As many releases as there may be, some of which share a place of what is
 * remembered. */
START_TEST(test_daemon_identity_many_releases)
{
    struct frame_psk got, want;
    struct digest secret;

    for (size_t i = 0; i < STEWARD_RELEASES_MAX; i++) {
        memset(&releases[i], 0, sizeof(releases[i]));
        u16be_store(releases[i].id.bytes + 2, (uint16_t)(i * 7));
        releases[i].id.bytes[31] = (uint8_t)(i / 256);
        releases[i].id.bytes[30] = (uint8_t)i;
        releases[i].open = true;
    }
    releases_len = STEWARD_RELEASES_MAX;
    for (size_t i = 0; i < STEWARD_RELEASES_MAX; i += 101) {
        release_psk(&secret, psk, &releases[i].id);
        frame_psk_init(&want, secret.bytes);
        ck_assert_uint_eq(daemon_on_psk(d, want.id, &got, 1), 1);
        ck_assert_bytes_eq(&got, &want, sizeof(got));
    }
}
END_TEST

/* --- Who comes ----------------------------------------------------------- */

/* A member under the network's secret, and under no other. */
START_TEST(test_daemon_identity_members)
{
    struct link l = inbound(&network, 7);
    struct daemon_link user = {.link = &l};
    struct transport_cert cert = member_cert(&lab, 7);

    ck_assert_int_eq(show_member(&l, &other, 7), OK);
    ck_assert(daemon_identify(d, &user));
    ck_assert_uint_eq(user.member, 1);
    ck_assert_int_eq(show_member(&l, &other, 8), ERR_DENIED); /* Its key? */
    ck_assert_int_eq(show_member(&l, &us, 7), ERR_DENIED);
    ck_assert_int_eq(show(&l, &cert, &other.node), ERR_DENIED);
    cert.not_after_s = NOW_S - 2 * DAY_S;
    cert.not_before_s = NOW_S - 3 * DAY_S;
    ck_assert_int_eq(show(&l, &cert, &lab.node), ERR_DENIED);
    cert = member_cert(&lab, 7);
    cert.net.bytes[0] ^= 1; /* It is a member of two networks. */
    ck_assert_int_eq(show(&l, &cert, &lab.node), ERR_DENIED);
    ck_assert_int_eq(daemon_on_identity(d, &l, slice_str("nothing"), l.remote),
                     ERR_DENIED);
    ck_assert_int_eq(show_recipient(&l, 10, 7), ERR_DENIED);
    l = inbound_release(10, 7);
    ck_assert_int_eq(show_member(&l, &other, 7), ERR_DENIED);
}
END_TEST

/* At an address that we dialled there is only the steward of that address. */
START_TEST(test_daemon_identity_dialled)
{
    struct daemon_link user = {.member = 1, .dialled = true};
    struct link l = inbound(&network, 7);

    l.dialled = true;
    l.user = &user;
    ck_assert_int_eq(show_member(&l, &other, 7), OK);
    ck_assert_int_eq(show_member(&l, &lab, 7), ERR_DENIED);
    ck_assert_int_eq(show_recipient(&l, 10, 7), ERR_DENIED);
}
END_TEST

/* A recipient comes under the secret of its release, with the key that its
 * request names, while that is open. */
START_TEST(test_daemon_identity_recipients)
{
    struct link l = inbound_release(10, 10);
    struct daemon_link user = {.link = &l};
    struct transport_cert cert = recipient_cert(10, 10), got;
    uint8_t bytes[TRANSPORT_CERT_MAX], again[TRANSPORT_CERT_MAX];
    size_t size = 0, again_size = 0;

    ck_assert_int_eq(show_recipient(&l, 10, 10), OK);
    ck_assert(daemon_identify(d, &user));
    ck_assert_uint_eq(user.member, DAEMON_RECIPIENT);
    ck_assert_uint_eq(user.release_id.bytes[0], 10);
    ck_assert_int_eq(
        transport_cert_encode(&cert, NULL, bytes, sizeof(bytes), &size), OK);
    ck_assert_int_eq(daemon_recipient_cert(d, &user, again, &again_size), OK);
    ck_assert(slice_equal(slice_of(bytes, size), slice_of(again, again_size)));
    ck_assert_int_eq(transport_cert_decode(&got, slice_of(again, again_size)),
                     OK);

    ck_assert_int_eq(show_recipient(&l, 30, 10), ERR_DENIED);
    ck_assert_int_eq(show_recipient(&l, 10, 30), ERR_DENIED);
    cert.net.bytes[0] ^= 1;
    ck_assert_int_eq(show(&l, &cert, NULL), ERR_DENIED);
    l = inbound_release(10, 11); /* Has the ticket, but not the key. */
    ck_assert_int_eq(show_recipient(&l, 10, 11), ERR_DENIED);
    l = inbound_release(20, 20); /* Not open. */
    ck_assert_int_eq(show_recipient(&l, 20, 20), ERR_DENIED);
    l = inbound(&network, 10); /* A ticket for nothing. */
    ck_assert_int_eq(show_recipient(&l, 10, 10), ERR_DENIED);
    l = inbound_release(10, 10);
    releases[0].expired = true;
    ck_assert_int_eq(show_recipient(&l, 10, 10), ERR_DENIED);
    ck_assert(!daemon_identify(d, &user));
}
END_TEST

/* Recipients take no more than their part of the links. */
START_TEST(test_daemon_identity_recipients_are_few)
{
    struct daemon_link *links = calloc(DAEMON_RECIPIENTS_MAX, sizeof(*links));
    struct link l = inbound_release(10, 10);

    ck_assert_ptr_nonnull(links);
    for (size_t i = 0; i < DAEMON_RECIPIENTS_MAX; i++) {
        ck_assert_int_eq(show_recipient(&l, 10, 10), OK);
        links[i].member = DAEMON_RECIPIENT;
        links[i].next = d->links;
        d->links = &links[i];
    }
    ck_assert_int_eq(show_recipient(&l, 10, 10), ERR_DENIED);
    links[3].member = 1;
    ck_assert_int_eq(show_recipient(&l, 10, 10), OK);
    free(links);
}
END_TEST

/* What we show is ours, for a week, and good now. */
START_TEST(test_daemon_identity_own_certificate)
{
    uint8_t bytes[TRANSPORT_CERT_MAX];
    struct transport_cert cert;
    size_t size = 0;

    memset(keys.transport.pk, 6, sizeof(keys.transport.pk));
    ck_assert_int_eq(daemon_cert(d, bytes, &size), OK);
    ck_assert_int_eq(transport_cert_decode(&cert, slice_of(bytes, size)), OK);
    ck_assert_int_eq(
        transport_cert_verify(slice_of(bytes, size), us.card.node_pk), OK);
    ck_assert(transport_cert_is_current(&cert, NOW_S));
    ck_assert(transport_cert_is_current(&cert, NOW_S + 6 * DAY_S));
    ck_assert(digest_equal(&cert.id, &us.card.id));
    ck_assert_bytes_eq(cert.transport_pk, keys.transport.pk, NOISE_KEY_SIZE);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("daemon_identity");
    TCase *tc = tcase_create("daemon_identity");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_daemon_identity_psks);
    tcase_add_test(tc, test_daemon_identity_many_releases);
    tcase_add_test(tc, test_daemon_identity_members);
    tcase_add_test(tc, test_daemon_identity_dialled);
    tcase_add_test(tc, test_daemon_identity_recipients);
    tcase_add_test(tc, test_daemon_identity_recipients_are_few);
    tcase_add_test(tc, test_daemon_identity_own_certificate);
    suite_add_tcase(s, tc);
    return s;
}
