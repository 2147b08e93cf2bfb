#ifndef CAIRN_TESTS_ADMIN_WORLD_H
#define CAIRN_TESTS_ADMIN_WORLD_H

#include <errno.h>
#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "node/admin/admin.h"
#include "protocol/custody.h"
#include "protocol/field.h"
#include "replication/keys.h"
#include "tests/certificate_world.h"
#include "tests/scratch.h"

/* The admin API over its real socket and a real catalogue. In place of the
 * machine stand lists of what it would tell, and a list of what it was asked.
 */

#define DEPOSITS_MAX 1600
#define ANSWER_MAX   ((size_t)4 << 20)
#define TURNS_MAX    20000 /* Of a millisecond, with a margin. */

static uv_loop_t loop;
static struct certificate_world *w;
static struct charter *charter;
static struct store *store;
static struct volume volume;
static struct admin *admin;
static struct admin_config config;
static char errmsg[ERRMSG_SIZE];
static const uint8_t net_psk[32] = {7, 7, 7};
static bool is_closed;

/* --- In place of the machine --------------------------------------------- */

static struct steward_deposit_info *deposits; /* DEPOSITS_MAX of them. */
static size_t deposits_len;
static struct steward_release_info releases[4];
static size_t releases_len;
/* What was asked last, and how it is answered. */
static struct {
    uint64_t id;
    unsigned count;
    uint8_t bytes[16384];
    size_t size;
    int refuse;   /* on_client() fails so. */
    bool at_once; /* The reply comes from inside on_client(). */
} asked;

static inline void reply(uint64_t id, int status, const char *text)
{
    struct steward_reply r = {.status = status};
    uint8_t bytes[1024];
    size_t size = 0;

    (void)snprintf(r.text, sizeof(r.text), "%s", text);
    ck_assert_int_eq(steward_reply_encode(&r, bytes, sizeof(bytes), &size), OK);
    admin_reply(admin, id, slice_of(bytes, size));
}

static inline int on_client(void *arg, uint64_t id, struct slice bytes)
{
    (void)arg;
    if (asked.refuse != OK) {
        return asked.refuse;
    }
    ck_assert_uint_le(bytes.size, sizeof(asked.bytes));
    ck_assert_uint_ne(id, asked.id);
    asked.id = id;
    asked.count++;
    memcpy(asked.bytes, bytes.data, bytes.size);
    asked.size = bytes.size;
    if (asked.at_once) {
        reply(id, OK, "");
    }
    return OK;
}

/* By how much the clock has gone back since the start. */
static uint64_t clock_back_s;
/* What is wrong with the database; NULL: nothing. */
static const char *database_trouble;

static inline void on_status(void *arg, struct admin_status *s)
{
    (void)arg;
    s->up_ms = 90000;
    s->begun_s = (uint64_t)time(NULL) - 90 + clock_back_s;
    memcpy(s->listen[s->listen_len++], "127.0.0.1:7117", 15);
    s->links[0].card = &charter->members[0].card;
    s->links[0].up_ms = 5000;
    s->links[1].release_id.bytes[0] = 0xab;
    s->links_len = 2;
    s->custodian.configured = true;
    (void)snprintf(s->custodian.text, sizeof(s->custodian.text),
                   "nobody \"there\"\n");
    for (size_t i = 0; i < charter->members_len; i++) {
        s->members[i] = (struct steward_member_info){.shard_bytes = i + 1,
                                                     .shard_quota = 100,
                                                     .feed_bytes = 10 * i,
                                                     .feed_quota = 60,
                                                     .feed_full = i == 6};
        s->away[i].since_link = i == 6;
        s->away[i].for_ms = i == 6 ? 60000 : 90000;
    }
    s->database_ok = database_trouble == NULL;
    (void)snprintf(s->database_text, sizeof(s->database_text), "%s",
                   database_trouble != NULL ? database_trouble : "");
}

static inline void on_count(void *arg, struct steward_counts *counts)
{
    (void)arg;
    *counts = (struct steward_counts){.shards_held = 3, .bytes_held = 12345};
}

static inline size_t on_deposits(void *arg)
{
    (void)arg;
    return deposits_len;
}

static inline void on_deposit(void *arg,
                              size_t i,
                              struct steward_deposit_info *info)
{
    (void)arg;
    *info = deposits[i];
}

static inline size_t on_releases(void *arg)
{
    (void)arg;
    return releases_len;
}

static inline void on_release(void *arg,
                              size_t i,
                              struct steward_release_info *info)
{
    (void)arg;
    *info = releases[i];
}

static inline void on_note(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

/* --- The catalogue ------------------------------------------------------- */

static inline void commit_done(struct store_write *write, int status)
{
    bool *done = write->arg;

    ck_assert_int_eq(status, OK);
    *done = true;
}

static inline void row_put(struct slice key, struct slice value)
{
    const struct core_op op = {.key = key, .value = value};
    bool done = false;
    struct store_write write = {
        .ops = &op, .ops_len = 1, .on_done = commit_done, .arg = &done};

    store_commit(store, &write);
    while (!done) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
}

/* The row of where a member's feed stands. */
static inline void tip_put(const struct digest *id,
                           uint64_t entries,
                           bool halted,
                           bool forked)
{
    const struct key tip = key_tip(id, 0);
    const struct digest prev = {{0}};
    const struct merkle_range range = {.leaves = entries};
    uint8_t mem[1024];
    struct slice value;
    struct canon_writer c;

    canon_write_init(&c, mem, sizeof(mem));
    canon_put_array(&c, 10);
    canon_put_uint(&c, 1); /* The version. */
    canon_put_uint(&c, entries);
    canon_put_uint(&c, 0); /* Bytes. */
    canon_put_digest(&c, &prev);
    canon_put_uint(&c, 0); /* Time. */
    field_put_range(&c, &range);
    canon_put_bool(&c, halted);
    canon_put_uint(&c, 0); /* Where it forked. */
    if (forked) {
        canon_put_bin(&c, slice_of("x", 1)); /* The proof. */
    } else {
        canon_put_nil(&c);
    }
    ck_assert_int_eq(canon_write_end(&c, &value), OK);
    row_put(key_slice(&tip), value);
}

/* The entry |seq| of a member's feed; the row of where it stands follows. */
static inline void entry_put(const struct member *m,
                             uint64_t seq,
                             struct slice bytes)
{
    const struct key key = key_entry(&m->card.id, 0, seq);

    row_put(key_slice(&key), bytes);
    tip_put(&m->card.id, seq + 1, false, false);
}

static inline void receipt_put(uint16_t i)
{
    entry_put(&w->stewards[i], 0, world_slice(&w->receipts[i]));
}

static inline void acknowledgement_put(uint16_t i)
{
    entry_put(&w->stewards[i], 1, world_slice(&w->acknowledgements[i]));
}

static inline void manifest_put(void)
{
    entry_put(&w->lab, 0, world_slice(&w->manifest_entry));
    deposits[0].has_manifest = true;
    deposits[0].manifest_hash = w->manifest_hash;
    deposits[0].lab = w->lab.card.id;
}

/* A request for the release of the deposit; |releases| knows it. */
static inline void request_put(struct release_request *r,
                               uint8_t *bytes,
                               size_t *size)
{
    struct key key;

    memset(r, 0, sizeof(*r));
    r->net = w->net;
    r->charter_hash = charter->hash;
    r->deposit_id = w->manifest.deposit_id;
    r->manifest_hash = w->manifest_hash;
    memcpy(r->label, "Gr\xc3\xbc\xc3\x9f", 7);
    memcpy(r->recipient, "A museum", 9);
    memcpy(r->purpose, "To look \"at\" it", 16);
    memset(r->hpke_pk, 9, sizeof(r->hpke_pk));
    memset(r->transport_pk, 8, sizeof(r->transport_pk));
    r->time_s = WORLD_TIME;
    r->not_after_s = WORLD_TIME + 86400;
    ck_assert_int_eq(
        release_request_encode(r, bytes, RELEASE_REQUEST_MAX, size), OK);
    releases_len = 1;
    release_id(&releases[0].id, slice_of(bytes, *size));
    releases[0].deposit_id = r->deposit_id;
    releases[0].state = STEWARD_RELEASE_KNOWN;
    releases[0].not_after_s = r->not_after_s;
    key = key_request(&releases[0].id);
    row_put(key_slice(&key), slice_of(bytes, *size));
}

/* --- Life ---------------------------------------------------------------- */

static inline void turn(void)
{
    const struct timespec pause = {.tv_nsec = 500000};

    (void)uv_run(&loop, UV_RUN_NOWAIT);
    (void)nanosleep(&pause, NULL);
}

static inline void on_closed(void *arg)
{
    (void)arg;
    is_closed = true;
}

static inline void admin_start(void)
{
    is_closed = false;
    ck_assert_msg(admin_open(&admin, &config, errmsg) == OK, "%s", errmsg);
}

static inline void admin_stop(void)
{
    admin_close(admin, on_closed, NULL);
    admin = NULL;
    while (!is_closed) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
}

static inline void setup(void)
{
    static char path[SCRATCH_PATH_SIZE + 64];
    struct rng rng;

    scratch_make();
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    w = malloc(sizeof(*w));
    charter = calloc(1, sizeof(*charter));
    deposits = calloc(DEPOSITS_MAX, sizeof(*deposits));
    ck_assert(w != NULL && charter != NULL && deposits != NULL);
    world_init(w);
    rng_init_system(&rng);
    ck_assert_int_eq(charter_chain_decode(charter, &w->net,
                                          slice_of(w->chain, w->chain_size)),
                     OK);
    ck_assert_int_eq(store_create(scratch_path("db"), errmsg), OK);
    ck_assert_int_eq(store_open(&store, &loop, scratch_path("db"), 0, errmsg),
                     OK);
    ck_assert_int_eq(volume_init(scratch_path("data"), &rng, volume.id, errmsg),
                     OK);
    ck_assert_int_eq(
        volume_open(&volume, scratch_path("data"), volume.id, 0, errmsg), OK);
    (void)snprintf(path, sizeof(path), "%s", scratch_path(ADMIN_SOCKET));
    deposits_len = 1;
    deposits[0].id = w->manifest.deposit_id;
    releases_len = 0;
    memset(releases, 0, sizeof(releases));
    memset(&asked, 0, sizeof(asked));
    config = (struct admin_config){.loop = &loop,
                                   .path = path,
                                   .store = store,
                                   .volume = &volume,
                                   .charter = charter,
                                   .chain = slice_of(w->chain, w->chain_size),
                                   .net = w->net,
                                   .self = w->stewards[2].card.id,
                                   .psk = net_psk,
                                   .capacity = 1U << 30,
                                   .idle_s = 60,
                                   .life_ms = 60000,
                                   .calls = {.on_status = on_status,
                                             .on_count = on_count,
                                             .on_deposits = on_deposits,
                                             .on_deposit = on_deposit,
                                             .on_releases = on_releases,
                                             .on_release = on_release,
                                             .on_client = on_client,
                                             .on_note = on_note}};
    admin_start();
}

static inline void teardown(void)
{
    if (admin != NULL) {
        admin_stop();
    }
    store_close(store);
    volume_close(&volume);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    free(deposits);
    free(charter);
    free(w);
    scratch_remove();
}

/* --- A client ------------------------------------------------------------ */

struct client {
    char *in;
    size_t size;
    int fd;
    bool ended;
};

static inline void client_connect(struct client *c)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *c = (struct client){
        .in = calloc(1, ANSWER_MAX),
        .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0),
    };
    ck_assert(c->fd >= 0 && c->in != NULL);
    memcpy(address.sun_path, config.path, strlen(config.path));
    ck_assert_int_eq(
        connect(c->fd, (const struct sockaddr *)&address, sizeof(address)), 0);
}

static inline void client_close(struct client *c)
{
    close(c->fd);
    free(c->in);
}

/* Write all that the server takes. */
static inline void client_send(struct client *c, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    for (unsigned i = 0; size > 0 && i < TURNS_MAX; i++) {
        ssize_t n = send(c->fd, at, size, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN) {
            return; /* It hung up. */
        }
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
        turn();
    }
    ck_assert_uint_eq(size, 0);
}

static inline void client_look(struct client *c)
{
    ssize_t n;

    turn();
    do {
        n = recv(c->fd, c->in + c->size, ANSWER_MAX - 1 - c->size, 0);
        if (n > 0) {
            c->size += (size_t)n;
        }
    } while (n > 0);
    c->ended = n == 0 || (errno != EAGAIN && errno != EINTR);
}

/* Until the server closes. */
static inline void client_wait(struct client *c)
{
    for (unsigned i = 0; !c->ended && i < TURNS_MAX; i++) {
        client_look(c);
    }
    ck_assert_msg(c->ended, "the connection is still open: '%s'", c->in);
}

/* The code of HTTP; 0: there was no answer. */
static inline unsigned client_code(const struct client *c)
{
    return c->size > 12 && memcmp(c->in, "HTTP/1.1 ", 9) == 0
               ? (unsigned)strtoul(c->in + 9, NULL, 10)
               : 0;
}

static inline struct slice client_body(const struct client *c)
{
    const char *head = strstr(c->in, "\r\n\r\n");

    ck_assert_ptr_nonnull(head);
    return slice_of(head + 4, c->size - (size_t)(head + 4 - c->in));
}

static inline json_t *client_json(const struct client *c)
{
    struct slice body = client_body(c);
    json_error_t error;
    json_t *json = json_loadb((const char *)body.data, body.size, 0, &error);

    ck_assert_msg(json != NULL, "%s", c->in);
    ck_assert_ptr_nonnull(strstr(c->in, "Content-Type: application/json"));
    return json;
}

static inline void client_request(struct client *c,
                                  const char *method,
                                  const char *url,
                                  struct slice body)
{
    char head[1024];
    int size = snprintf(head, sizeof(head),
                        "%s %s HTTP/1.1\r\nHost: x\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        method, url, body.size);

    client_connect(c);
    client_send(c, head, (size_t)size);
    client_send(c, body.data, body.size);
}

/* One JSON answer with this code; json_decref() it. */
static inline json_t *ask(const char *method,
                          const char *url,
                          struct slice body,
                          unsigned code)
{
    struct client c;
    json_t *json;

    client_request(&c, method, url, body);
    client_wait(&c);
    ck_assert_msg(client_code(&c) == code, "%s %s: %s", method, url, c.in);
    json = client_json(&c);
    client_close(&c);
    return json;
}

static inline json_t *get(const char *url, unsigned code)
{
    return ask("GET", url, slice_of(NULL, 0), code);
}

static inline const char *text(const json_t *json, const char *key)
{
    const char *value = json_string_value(json_object_get(json, key));

    ck_assert_msg(value != NULL, "no text '%s'", key);
    return value;
}

static inline json_int_t number(const json_t *json, const char *key)
{
    ck_assert_msg(json_is_integer(json_object_get(json, key)), "no number '%s'",
                  key);
    return json_integer_value(json_object_get(json, key));
}

static inline void expect_error(const char *method,
                                const char *url,
                                struct slice body,
                                unsigned code)
{
    json_t *json = ask(method, url, body, code);

    ck_assert_str_eq(text(json, "schema"), "cairn.error/1");
    ck_assert_int_gt(number(json, "status"), 0);
    ck_assert_uint_gt(strlen(text(json, "error")), 5);
    json_decref(json);
}

static inline const char *id_url(const char *kind,
                                 const struct digest *id,
                                 size_t digits,
                                 const char *rest)
{
    static char url[256];
    char hex[2 * DIGEST_SIZE + 1];

    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", id->bytes[i]);
    }
    hex[digits] = '\0';
    (void)snprintf(url, sizeof(url), "/v1/%s/%s%s", kind, hex, rest);
    return url;
}

static inline const char *deposit_url(const char *rest)
{
    return id_url("deposits", &deposits[0].id, 64, rest);
}

static inline const char *release_url(const char *rest)
{
    return id_url("releases", &releases[0].id, 64, rest);
}

static inline void expect_alive(void)
{
    json_decref(get("/v1/status", 200));
}

#endif /* CAIRN_TESTS_ADMIN_WORLD_H */
