#include "tests/admin_world.h"

/* --- Status -------------------------------------------------------------- */

/* The world's time stands still, and ours goes on. */
static size_t clock_is_behind(void)
{
    return time(NULL) + 86400 < (time_t)WORLD_TIME ? 1 : 0;
}

/* All other stewards but one, the last of them for a minute and the others
 * since the start. */
static void check_away(const json_t *away)
{
    ck_assert_uint_eq(json_array_size(away), WORLD_N - 2);
    for (size_t i = 0; i < json_array_size(away); i++) {
        const json_t *a = json_array_get(away, i);
        bool since = json_is_string(json_object_get(a, "since"));

        ck_assert_int_eq(number(a, "away_s"), since ? 60 : 90);
    }
}

/* What is said of the node is what the owner and the catalogue say. */
START_TEST(test_admin_status_is_of_this_node)
{
    json_t *json, *feeds, *labs;
    json_int_t entries = 0;

    receipt_put(0);
    acknowledgement_put(0);
    receipt_put(5);
    json = get("/v1/status", 200);
    ck_assert_str_eq(text(json, "schema"), "cairn.status/1");
    ck_assert_str_eq(text(json, "covers"), "this node");
    ck_assert_int_eq(number(json, "uptime_s"), 90);
    ck_assert_int_eq(number(json_object_get(json, "shards"), "held"), 3);
    ck_assert_int_eq(number(json_object_get(json, "bytes"), "held"), 12345);
    ck_assert_int_gt(number(json_object_get(json, "bytes"), "volume_free"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "links")), 2);
    ck_assert_str_eq(
        text(json_array_get(json_object_get(json, "links"), 1), "role"),
        "recipient");
    feeds = json_object_get(json, "feeds");
    ck_assert_uint_eq(json_array_size(feeds), WORLD_MEMBERS);
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        const json_t *feed = json_array_get(feeds, i);

        entries += number(feed, "entries");
        ck_assert_int_eq(number(feed, "bytes"), 10 * (json_int_t)i);
        ck_assert_int_eq(number(feed, "quota"), 60);
        ck_assert(json_is_true(json_object_get(feed, "over_quota")) ==
                  (i == 6));
    }
    ck_assert_int_eq(entries, 3);
    labs = json_object_get(json, "labs");
    ck_assert_uint_gt(json_array_size(labs), 0);
    for (size_t i = 0; i < json_array_size(labs); i++) {
        const json_t *lab = json_array_get(labs, i);
        struct digest id;

        hex_read(text(lab, "id"), id.bytes, DIGEST_SIZE);
        for (size_t m = 0; m < charter->members_len; m++) {
            if (digest_equal(&charter->members[m].card.id, &id)) {
                ck_assert_int_eq(charter->members[m].card.role, CARD_LAB);
                ck_assert_int_eq(number(lab, "bytes"), (json_int_t)m + 1);
            }
        }
        ck_assert_int_eq(number(lab, "quota"), 100);
    }
    /* One of six others is linked, the custodian is not there, and a feed is
     * full. */
    ck_assert_uint_eq(json_array_size(json_object_get(json, "trouble")),
                      3 + clock_is_behind());
    check_away(json_object_get(json_object_get(json, "stewards"), "away"));
    json_decref(json);
}
END_TEST

/* A clock that goes back is told when it is more than a correction. */
START_TEST(test_admin_clock_that_goes_back_is_told)
{
    const uint64_t back[] = {0, 200, 7200};

    for (size_t i = 0; i < 3; i++) {
        json_t *json;

        clock_back_s = back[i];
        json = get("/v1/status", 200);
        ck_assert_uint_eq(json_array_size(json_object_get(json, "trouble")),
                          3 + clock_is_behind() + (i == 2 ? 1 : 0));
        json_decref(json);
    }
    clock_back_s = 0;
}
END_TEST

/* The trouble of a disk is told with a path in it, which may be no UTF-8. */
START_TEST(test_admin_status_tells_of_any_path)
{
    json_t *json, *trouble;
    size_t len;

    database_trouble = "write '/srv/caf\xe9/db': the disk is full";
    json = get("/v1/status", 200);
    ck_assert_str_eq(text(json_object_get(json, "database"), "text"),
                     "write '/srv/caf?/db': the disk is full");
    trouble = json_object_get(json, "trouble");
    len = json_array_size(trouble);
    ck_assert_uint_eq(len, 4 + clock_is_behind());
    ck_assert_str_eq(json_string_value(json_array_get(trouble, len - 1)),
                     "the custodian cannot be reached: nobody \"there\"?");
    ck_assert_str_eq(json_string_value(json_array_get(trouble, len - 2)),
                     "write '/srv/caf?/db': the disk is full");
    json_decref(json);
    database_trouble = NULL;
}
END_TEST

/* Only the user of the node may connect. */
START_TEST(test_admin_socket_is_private)
{
    struct stat st;

    ck_assert_int_eq(lstat(config.path, &st), 0);
    ck_assert(S_ISSOCK(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 0777U, 0600);
    admin_stop();
    ck_assert_int_eq(lstat(config.path, &st), -1);
    admin_start();
}
END_TEST

/* What an earlier process left goes; a file stays, and so does a long path. */
START_TEST(test_admin_opens_only_a_socket)
{
    static char path[300];
    const char *right = config.path;
    int fd;

    admin_stop();
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    {
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        memcpy(address.sun_path, right, strlen(right));
        ck_assert_int_eq(
            bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    }
    close(fd);
    admin_start();
    admin_stop();
    scratch_put(ADMIN_SOCKET, "mine", 0600);
    ck_assert_int_eq(admin_open(&admin, &config, errmsg), ERR_EXISTS);
    ck_assert_int_eq(unlink(right), 0);
    memset(path, 'x', sizeof(path) - 1);
    config.path = path;
    ck_assert_int_eq(admin_open(&admin, &config, errmsg), ERR_FULL);
    config.path = scratch_path("none/admin.sock");
    ck_assert_int_eq(admin_open(&admin, &config, errmsg), ERR_NOTFOUND);
    config.path = right;
    admin_start();
}
END_TEST

/* --- Deposits ------------------------------------------------------------ */

static void expect_margins(json_int_t receipts, json_int_t acknowledgements)
{
    json_t *json = get("/v1/deposits", 200);
    const json_t *d = json_array_get(json_object_get(json, "deposits"), 0);

    ck_assert_str_eq(text(json, "schema"), "cairn.deposits/1");
    ck_assert_str_eq(text(d, "label"), "Gr\xc3\xbc\xc3\x9f");
    ck_assert_int_eq(number(d, "receipts"), receipts);
    ck_assert_int_eq(number(d, "acknowledgements"), acknowledgements);
    ck_assert_int_eq(number(d, "data_margin"), receipts - WORLD_K);
    ck_assert_int_eq(number(d, "key_margin"), acknowledgements - WORLD_T);
    ck_assert_int_eq(json_is_true(json_object_get(d, "sealed")),
                     receipts == WORLD_N &&
                         acknowledgements >= WORLD_T + WORLD_F);
    json_decref(json);
}

/* Each receipt and acknowledgement counts when it is here, and only once. */
START_TEST(test_admin_counts_what_has_come)
{
    manifest_put();
    expect_margins(0, 0);
    for (uint16_t i = 0; i < WORLD_N; i++) {
        receipt_put(i);
        expect_margins(i + 1, i);
        acknowledgement_put(i);
        expect_margins(i + 1, i + 1);
    }
    /* The same steward says it again. */
    entry_put(&w->stewards[0], 2, world_slice(&w->receipts[0]));
    expect_margins(WORLD_N, WORLD_N);
}
END_TEST

/* What does not hold counts for nothing, whatever signed it. */
START_TEST(test_admin_lies_count_for_nothing)
{
    struct release_receipt r = world_receipt(w, 1);
    struct release_acknowledgement a = world_acknowledgement(w, 1, 2, 3);

    manifest_put();
    r.root.bytes[0] ^= 1; /* Of another shard. */
    world_receipt_put(w, 1, &r, &w->stewards[1], &w->stewards[1].node);
    receipt_put(1);
    world_acknowledgement_put(w, 1, &a, &w->stewards[1].d, &w->stewards[1]);
    acknowledgement_put(1);
    /* For another's shard, signed by the wrong one, and what is no entry. */
    r = world_receipt(w, 3);
    world_receipt_put(w, 2, &r, &w->stewards[2], &w->stewards[2].node);
    receipt_put(2);
    world_receipt_put(w, 3, &r, &w->stewards[3], &w->stewards[2].node);
    receipt_put(3);
    entry_put(&w->stewards[4], 0, slice_str("what is this"));
    entry_put(&w->lab, 1, world_slice(&w->receipts[5]));
    expect_margins(0, 0);
    receipt_put(5);
    expect_margins(1, 0);
}
END_TEST

/* Entries that come before the manifest count when it has come. */
START_TEST(test_admin_counts_what_came_first)
{
    json_t *json;
    const json_t *d;

    for (uint16_t i = 0; i < WORLD_N; i++) {
        receipt_put(i);
        acknowledgement_put(i);
    }
    json = get("/v1/deposits", 200);
    d = json_array_get(json_object_get(json, "deposits"), 0);
    ck_assert(json_is_null(json_object_get(d, "label")));
    ck_assert(json_is_null(json_object_get(d, "data_margin")));
    ck_assert_str_eq(text(d, "state"), "none");
    json_decref(json);
    manifest_put();
    expect_margins(WORLD_N, WORLD_N);
}
END_TEST

/* A shard for which this node has given a receipt is here, on its way, or
 * missing; what another has given says nothing of it. */
START_TEST(test_admin_missing_shards_are_told)
{
    static const char *const states[] = {"none", "missing", "held"};
    json_t *json;

    manifest_put();
    receipt_put(1);
    for (size_t i = 0; i < 3; i++) {
        json = get("/v1/status", 200);
        ck_assert_int_eq(number(json_object_get(json, "shards"), "missing"),
                         i == 1);
        ck_assert_uint_eq(json_array_size(json_object_get(json, "trouble")),
                          3 + clock_is_behind() + (i == 1 ? 1 : 0));
        json_decref(json);
        json = get(deposit_url(""), 200);
        ck_assert_str_eq(text(json, "state"), states[i]);
        json_decref(json);
        receipt_put(2); /* We are that one. */
        deposits[0].has_shard = i == 1;
        deposits[0].state = STEWARD_HELD;
    }
}
END_TEST

/* A feed that goes no further is trouble: our own, and that of who forked. */
START_TEST(test_admin_feeds_that_ended_are_told)
{
    const char *const words[] = {"this node signs nothing", "two entries"};
    const char *const keys[] = {"halted", "forked"};

    for (size_t i = 0; i < 2; i++) {
        const struct digest *id = &w->stewards[i == 0 ? 2 : 5].card.id;
        json_t *json, *trouble;
        const json_t *f;
        size_t told = 0;

        tip_put(id, 1, i == 0, i == 1);
        json = get("/v1/status", 200);
        trouble = json_object_get(json, "trouble");
        for (size_t j = 0; j < json_array_size(trouble); j++) {
            told += strstr(json_string_value(json_array_get(trouble, j)),
                           words[i]) != NULL
                        ? 1
                        : 0;
        }
        ck_assert_uint_eq(told, 1);
        ck_assert_uint_eq(json_array_size(trouble), 4 + i + clock_is_behind());
        told = 0;
        for (size_t j = 0; j < WORLD_MEMBERS; j++) {
            f = json_array_get(json_object_get(json, "feeds"), j);
            told += json_is_true(json_object_get(f, keys[i])) ? 1 : 0;
        }
        ck_assert_uint_eq(told, 1);
        json_decref(json);
    }
}
END_TEST

/* A manifest that the machine has taken, but the disk has not yet. */
START_TEST(test_admin_manifest_that_is_not_durable_yet)
{
    json_t *json;

    deposits[0].has_manifest = true;
    deposits[0].manifest_hash = w->manifest_hash;
    deposits[0].lab = w->lab.card.id;
    receipt_put(0);
    json = get(deposit_url(""), 200);
    ck_assert(json_is_null(json_object_get(json, "label")));
    json_decref(json);
    expect_error("GET", deposit_url("/certificate"), slice_of(NULL, 0), 404);
    manifest_put();
    expect_margins(1, 0);
}
END_TEST

/* One deposit: who holds what of it. */
START_TEST(test_admin_deposit_names_its_stewards)
{
    const json_t *list, *age;
    json_t *json;

    manifest_put();
    receipt_put(3);
    acknowledgement_put(4);
    deposits[0].has_shard = true;
    deposits[0].state = STEWARD_HELD;
    deposits[0].index = 2;
    deposits[0].leaves = 10;
    json = get(deposit_url(""), 200);
    ck_assert_str_eq(text(json, "schema"), "cairn.deposit/1");
    ck_assert_str_eq(text(json, "state"), "held");
    ck_assert_int_eq(number(json, "shard"), 2);
    ck_assert_int_eq(number(json, "shard_bytes"), 40960);
    ck_assert_ptr_nonnull(strstr(text(json, "policy"), "3"));
    list = json_object_get(json, "stewards");
    ck_assert_uint_eq(json_array_size(list), WORLD_N);
    for (size_t i = 0; i < WORLD_N; i++) {
        const json_t *s = json_array_get(list, i);

        ck_assert_int_eq(json_is_null(json_object_get(s, "receipt")), i != 3);
        ck_assert_int_eq(json_is_true(json_object_get(s, "acknowledgement")),
                         i == 4);
    }
    /* Of a time that lies ahead of our clock nobody knows how old it is. */
    age = json_object_get(json_object_get(json, "proof"), "newest_age_s");
    ck_assert(clock_is_behind() ? json_is_null(age)
                                : json_integer_value(age) >= 0);
    json_decref(json);
}
END_TEST

/* The certificate has all that is here, and it holds. */
START_TEST(test_admin_certificate_verifies)
{
    struct certificate *got = calloc(1, sizeof(*got));
    struct certificate_facts *facts = calloc(1, sizeof(*facts));
    struct client c;
    char what[160];

    ck_assert(got != NULL && facts != NULL);
    manifest_put();
    for (uint16_t i = 0; i < WORLD_N; i++) {
        receipt_put(i);
        if (i != 3) {
            acknowledgement_put(i);
        }
    }
    client_request(&c, "GET", deposit_url("/certificate"), slice_of(NULL, 0));
    client_wait(&c);
    ck_assert_uint_eq(client_code(&c), 200);
    ck_assert_ptr_nonnull(strstr(c.in, "application/octet-stream"));
    ck_assert_int_eq(certificate_decode(got, client_body(&c)), OK);
    ck_assert_msg(certificate_verify(got, facts, what) == OK, "%s", what);
    ck_assert_uint_eq(facts->receipts, 0x7f);
    ck_assert_uint_eq(facts->acknowledgements, 0x77);
    ck_assert(facts->sealed);
    client_close(&c);
    free(facts);
    free(got);
}
END_TEST

/* An id may be cut off as long as it says which. */
START_TEST(test_admin_prefixes_of_ids)
{
    struct digest other = deposits[0].id;
    char upper[] = "/v1/deposits/ABCDEF01";

    memset(deposits[0].id.bytes, 0xab, DIGEST_SIZE);
    memcpy(deposits[0].id.bytes, "\xab\xcd\xef\x01\x11", 5);
    other = deposits[0].id;
    other.bytes[4] = 0x12;
    json_decref(get(id_url("deposits", &other, 8, ""), 200));
    json_decref(get(upper, 200));
    memset(&deposits[1], 0, sizeof(deposits[1]));
    deposits[1].id = other;
    deposits_len = 2;
    expect_error("GET", id_url("deposits", &other, 8, ""), slice_of(NULL, 0),
                 400);
    expect_error("GET", id_url("deposits", &other, 9, ""), slice_of(NULL, 0),
                 400);
    json_decref(get(id_url("deposits", &other, 10, ""), 200));
    json_decref(get(id_url("deposits", &deposits[0].id, 10, ""), 200));
    json_decref(get(id_url("deposits", &other, 64, ""), 200));
    expect_error("GET", id_url("deposits", &other, 7, ""), slice_of(NULL, 0),
                 400);
    other.bytes[31] ^= 1;
    expect_error("GET", id_url("deposits", &other, 64, ""), slice_of(NULL, 0),
                 404);
    other.bytes[0] = 0xff; /* Behind all of them. */
    expect_error("GET", id_url("deposits", &other, 8, ""), slice_of(NULL, 0),
                 404);
    deposits_len = 0;
    expect_error("GET", id_url("deposits", &other, 8, ""), slice_of(NULL, 0),
                 404);
}
END_TEST

/* A long list comes in parts that leave nothing out. */
START_TEST(test_admin_lists_in_pages)
{
    char url[128];
    json_t *json, *list;
    size_t seen = 0;

    deposits_len = DEPOSITS_MAX;
    for (size_t i = 0; i < DEPOSITS_MAX; i++) {
        memset(&deposits[i], 0, sizeof(deposits[i]));
        u16be_store(deposits[i].id.bytes, (uint16_t)(i + 1));
    }
    (void)snprintf(url, sizeof(url), "/v1/deposits");
    do {
        json = get(url, 200);
        list = json_object_get(json, "deposits");
        ck_assert_uint_le(json_array_size(list), ADMIN_PAGE_MAX);
        for (size_t i = 0; i < json_array_size(list); i++) {
            uint8_t id[2];

            seen++;
            hex_read((char[]){text(json_array_get(list, i), "id")[0],
                              text(json_array_get(list, i), "id")[1],
                              text(json_array_get(list, i), "id")[2],
                              text(json_array_get(list, i), "id")[3], '\0'},
                     id, 2);
            ck_assert_uint_eq(u16be_load(id), seen);
        }
        url[0] = '\0';
        if (json_object_get(json, "next") != NULL) {
            (void)snprintf(url, sizeof(url), "/v1/deposits?after=%s",
                           text(json, "next"));
        }
        json_decref(json);
    } while (url[0] != '\0');
    ck_assert_uint_eq(seen, DEPOSITS_MAX);
    expect_error("GET", "/v1/deposits?after=12345678", slice_of(NULL, 0), 400);
}
END_TEST

/* --- Releases ------------------------------------------------------------ */

/* What the request says, who agreed, and what is missing. */
START_TEST(test_admin_release_says_what_is_asked)
{
    uint8_t bytes[RELEASE_REQUEST_MAX];
    struct release_request r;
    struct client c;
    size_t size = 0;
    json_t *json;

    manifest_put();
    request_put(&r, bytes, &size);
    releases[0].approvals = 3;
    (void)snprintf(releases[0].trouble, sizeof(releases[0].trouble),
                   "it says no\x1b");
    json = get(release_url(""), 200);
    ck_assert_str_eq(text(json, "schema"), "cairn.release/1");
    ck_assert_str_eq(text(json, "recipient"), "A museum");
    ck_assert_str_eq(text(json, "purpose"), "To look \"at\" it");
    ck_assert_str_eq(text(json, "state"), "known");
    ck_assert_str_eq(text(json, "trouble"), "it says no?");
    ck_assert_uint_eq(json_array_size(json_object_get(json, "approvals")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "decisions")), 0);
    ck_assert_int_eq(number(json, "decisions_needed"), WORLD_T);
    ck_assert_ptr_nonnull(strstr(text(json, "needed"), "stewards"));
    json_decref(json);
    json = get("/v1/releases", 200);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "releases")), 1);
    json_decref(json);
    client_request(&c, "GET", release_url("/request"), slice_of(NULL, 0));
    client_wait(&c);
    ck_assert(slice_equal(client_body(&c), slice_of(bytes, size)));
    client_close(&c);
}
END_TEST

/* A ticket is for a release that is open, and only then. */
START_TEST(test_admin_ticket_only_when_open)
{
    uint8_t bytes[RELEASE_REQUEST_MAX];
    struct release_request r;
    struct digest psk;
    struct ticket t;
    struct client c;
    size_t size = 0;

    manifest_put();
    request_put(&r, bytes, &size);
    expect_error("GET", release_url("/ticket"), slice_of(NULL, 0), 409);
    releases[0].open = true;
    releases[0].expired = true;
    expect_error("GET", release_url("/ticket"), slice_of(NULL, 0), 409);
    releases[0].expired = false;
    client_request(&c, "GET", release_url("/ticket"), slice_of(NULL, 0));
    client_wait(&c);
    ck_assert_uint_eq(client_code(&c), 200);
    ck_assert_ptr_nonnull(strstr(c.in, "Cache-Control: no-store"));
    ck_assert_int_eq(ticket_decode(&t, client_body(&c)), OK);
    ck_assert(slice_equal(t.request, slice_of(bytes, size)));
    ck_assert(slice_equal(t.chain, slice_of(w->chain, w->chain_size)));
    ck_assert(slice_equal(t.manifest, world_slice(&w->manifest_entry)));
    release_psk(&psk, net_psk, &releases[0].id);
    ck_assert_bytes_eq(t.psk, psk.bytes, sizeof(t.psk));
    client_close(&c);
}
END_TEST

/* A catalogue with another request under that id is not believed. */
START_TEST(test_admin_request_must_have_its_id)
{
    uint8_t bytes[RELEASE_REQUEST_MAX];
    struct release_request r;
    struct key key;
    size_t size = 0;

    manifest_put();
    request_put(&r, bytes, &size);
    bytes[size - 1] ^= 1;
    key = key_request(&releases[0].id);
    row_put(key_slice(&key), slice_of(bytes, size));
    releases[0].open = true;
    expect_error("GET", release_url("/request"), slice_of(NULL, 0), 500);
    expect_error("GET", release_url("/ticket"), slice_of(NULL, 0), 500);
}
END_TEST

/* --- POST ---------------------------------------------------------------- */

static struct steward_client asked_client(void)
{
    struct steward_client got;

    ck_assert_int_eq(
        steward_client_decode(&got, slice_of(asked.bytes, asked.size)), OK);
    return got;
}

/* The answer waits for the machine's. */
START_TEST(test_admin_post_waits_for_the_machine)
{
    uint8_t bytes[RELEASE_REQUEST_MAX];
    struct release_request r;
    struct client c;
    size_t size = 0;
    json_t *json;

    request_put(&r, bytes, &size);
    client_request(&c, "POST", "/v1/releases", slice_of(bytes, size));
    for (unsigned i = 0; i < 50; i++) {
        client_look(&c);
    }
    ck_assert_uint_eq(asked.count, 1);
    ck_assert_int_eq(asked_client().type, STEWARD_CLIENT_SUBMIT);
    ck_assert(slice_equal(asked_client().bytes, slice_of(bytes, size)));
    ck_assert_uint_eq(c.size, 0);
    admin_reply(admin, asked.id + 1, slice_of(NULL, 0)); /* Nobody's. */
    reply(asked.id, OK, "");
    client_wait(&c);
    ck_assert_uint_eq(client_code(&c), 200);
    json = client_json(&c);
    ck_assert_str_eq(text(json, "schema"), "cairn.submitted/1");
    ck_assert_ptr_nonnull(strstr(release_url(""), text(json, "release")));
    json_decref(json);
    client_close(&c);
}
END_TEST

/* What the machine says no to comes back as that, in its words. */
START_TEST(test_admin_post_refused)
{
    static const struct {
        int status;
        unsigned code;
    } cases[] = {{ERR_NOTFOUND, 404}, {ERR_DENIED, 403},   {ERR_AUTH, 403},
                 {ERR_BAD, 400},      {ERR_FULL, 503},     {ERR_BUSY, 503},
                 {ERR_EXISTS, 409},   {ERR_ORDER, 409},    {ERR_MISMATCH, 409},
                 {ERR_IO, 500},       {ERR_CANCELED, 500}, {ERR_NOMEM, 500}};
    uint8_t bytes[RELEASE_REQUEST_MAX];
    struct release_request r;
    size_t size = 0;

    request_put(&r, bytes, &size);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client c;
        json_t *json;

        client_request(&c, "POST", release_url("/denial"), slice_of(NULL, 0));
        while (asked.count == i) {
            client_look(&c);
        }
        ck_assert_int_eq(asked_client().type, STEWARD_CLIENT_DENY);
        reply(asked.id, cases[i].status, i % 2 == 0 ? "because" : "");
        client_wait(&c);
        ck_assert_uint_eq(client_code(&c), cases[i].code);
        json = client_json(&c);
        ck_assert_int_eq(number(json, "status"), -cases[i].status);
        if (i % 2 == 0) {
            ck_assert_str_eq(text(json, "error"), "because");
        } else {
            ck_assert_uint_gt(strlen(text(json, "error")), 5);
        }
        json_decref(json);
        client_close(&c);
    }
}
END_TEST

/* A machine that answers at once, one that has no room, and one that is gone.
 */
START_TEST(test_admin_post_answered_inside)
{
    uint8_t bytes[RELEASE_REQUEST_MAX];
    struct release_request r;
    size_t size = 0;

    request_put(&r, bytes, &size);
    asked.at_once = true;
    json_decref(ask("POST", release_url("/denial"), slice_of(NULL, 0), 200));
    json_decref(ask("POST", "/v1/releases", slice_of(bytes, size), 200));
    ck_assert_uint_eq(asked.count, 2);
    asked.refuse = ERR_FULL;
    expect_error("POST", release_url("/denial"), slice_of(NULL, 0), 503);
    asked.refuse = ERR_ORDER;
    expect_error("POST", "/v1/releases", slice_of(bytes, size), 503);
    asked.refuse = OK;
    json_decref(ask("POST", release_url("/denial"), slice_of(NULL, 0), 200));
}
END_TEST

/* A signature is taken as ssh-keygen writes it, and bare. */
START_TEST(test_admin_approval_with_armour_and_without)
{
    static const char begin[] = "-----BEGIN SSH SIGNATURE-----\n";
    static const char end[] = "\n-----END SSH SIGNATURE-----\n";
    uint8_t bytes[RELEASE_REQUEST_MAX], sig[MEMBER_SSHSIG_MAX];
    char armoured[4 * MEMBER_SSHSIG_MAX], base64[2 * MEMBER_SSHSIG_MAX];
    struct steward_client got;
    struct release_request r;
    size_t size = 0, sig_size;

    request_put(&r, bytes, &size);
    asked.at_once = true;
    sig_size =
        member_sshsig(w->stewards[2].operator_sk, RELEASE_APPROVAL_NAMESPACE,
                      slice_of(bytes, size), sig);
    sodium_bin2base64(base64, sizeof(base64), sig, sig_size,
                      sodium_base64_VARIANT_ORIGINAL);
    (void)snprintf(armoured, sizeof(armoured), "%s%s%s", begin, base64, end);
    json_decref(
        ask("POST", release_url("/approval"), slice_of(sig, sig_size), 200));
    got = asked_client();
    ck_assert_int_eq(got.type, STEWARD_CLIENT_APPROVE);
    ck_assert(digest_equal(&got.release_id, &releases[0].id));
    ck_assert(slice_equal(asked_client().bytes, slice_of(sig, sig_size)));
    json_decref(
        ask("POST", release_url("/approval"), slice_str(armoured), 200));
    ck_assert(slice_equal(asked_client().bytes, slice_of(sig, sig_size)));
    asked.count = 0;
    expect_error("POST", release_url("/approval"), slice_of(NULL, 0), 400);
    expect_error("POST", release_url("/approval"), slice_str(begin), 400);
    expect_error("POST", release_url("/approval"),
                 slice_of(armoured, strlen(armoured) - 3), 400);
    expect_error("POST", release_url("/approval"),
                 slice_of(w->chain, CUSTODY_SSHSIG_MAX + 1), 400);
    expect_error("POST", release_url("/denial"), slice_str("x"), 400);
    expect_error("POST", "/v1/releases", slice_of(bytes, size - 1), 400);
    expect_error("POST", "/v1/releases", slice_of(NULL, 0), 400);
    expect_error("POST", "/v1/releases", slice_of(w->chain, 65536), 400);
    ck_assert_uint_eq(asked.count, 0);
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("admin");
    TCase *tc = tcase_create("admin");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_admin_status_is_of_this_node);
    tcase_add_test(tc, test_admin_status_tells_of_any_path);
    tcase_add_test(tc, test_admin_clock_that_goes_back_is_told);
    tcase_add_test(tc, test_admin_missing_shards_are_told);
    tcase_add_test(tc, test_admin_feeds_that_ended_are_told);
    tcase_add_test(tc, test_admin_socket_is_private);
    tcase_add_test(tc, test_admin_opens_only_a_socket);
    tcase_add_test(tc, test_admin_counts_what_has_come);
    tcase_add_test(tc, test_admin_lies_count_for_nothing);
    tcase_add_test(tc, test_admin_counts_what_came_first);
    tcase_add_test(tc, test_admin_manifest_that_is_not_durable_yet);
    tcase_add_test(tc, test_admin_deposit_names_its_stewards);
    tcase_add_test(tc, test_admin_certificate_verifies);
    tcase_add_test(tc, test_admin_prefixes_of_ids);
    tcase_add_test(tc, test_admin_lists_in_pages);
    tcase_add_test(tc, test_admin_release_says_what_is_asked);
    tcase_add_test(tc, test_admin_ticket_only_when_open);
    tcase_add_test(tc, test_admin_request_must_have_its_id);
    tcase_add_test(tc, test_admin_post_waits_for_the_machine);
    tcase_add_test(tc, test_admin_post_refused);
    tcase_add_test(tc, test_admin_post_answered_inside);
    tcase_add_test(tc, test_admin_approval_with_armour_and_without);
    suite_add_tcase(s, tc);
    return s;
}
