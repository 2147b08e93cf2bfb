#ifndef CAIRN_TESTS_CUSTODY_WORLD_H
#define CAIRN_TESTS_CUSTODY_WORLD_H

/* A real custodian of the network in custodian_world.h: its machine, a store
 * in a scratch folder, and its socket, on the loop of the test. */

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "node/custody/custody_serve.h"
#include "tests/scratch.h"

/* Sockets have one of their own. */
#define send world_send
#include "tests/custodian_world.h"
#undef send

static uv_loop_t loop;
static struct custody_store *store;
static struct custody_run *run;
static struct custody_serve *serve;
static char errmsg[ERRMSG_SIZE];
static char socket_path[2 * SCRATCH_PATH_SIZE];
static const uid_t *serve_peer; /* Who else may connect; NULL: nobody. */
static unsigned halts;
static const uint8_t store_id[VOLUME_ID_SIZE] = {5};
static const struct log quiet = {.from = (enum log_level)(LOG_ERROR + 1)};

static inline void machine_step(void *m,
                                const struct core_event *ev,
                                struct core_out *out)
{
    custodian_step(m, ev, out);
}

static inline void on_halt(void *arg, int status, const char *text)
{
    (void)arg;
    ck_assert_int_ne(status, OK);
    ck_assert_str_ne(text, "");
    halts++;
}

static inline int serve_try(void)
{
    const struct custody_serve_config c = {.loop = &loop,
                                           .path = socket_path,
                                           .peer = serve_peer,
                                           .run = run,
                                           .log = &quiet,
                                           .on_halt = on_halt};

    return custody_serve_open(&serve, &c, errmsg);
}

/* The custodian starts, from what its store has. */
static inline void custodian_up(void)
{
    static const uint8_t key[32] = {3};
    struct custody_run_config c = {
        .step = machine_step, .start = slice_str("R"), .due = slice_str("R")};

    ck_assert_int_eq(custody_store_open(&store, scratch_path("store"), store_id,
                                        key, errmsg),
                     OK);
    custodian_free(machine);
    ck_assert_int_eq(custodian_new(&machine, &config), OK);
    c.store = store;
    c.machine = machine;
    ck_assert_int_eq(custody_run_open(&run, &c, errmsg), OK);
    ck_assert_msg(serve_try() == OK, "%s", errmsg);
}

static inline void custodian_down(void)
{
    if (serve != NULL) {
        custody_serve_close(serve, NULL, NULL);
        serve = NULL;
    }
    custody_run_close(run);
    run = NULL;
    custody_store_close(store);
    store = NULL;
}

static inline void custody_start(void)
{
    world_start();
    scratch_make();
    (void)snprintf(socket_path, sizeof(socket_path), "%s",
                   scratch_path("socket"));
    ck_assert_int_eq(volume_init_as(scratch_path("store"), store_id, errmsg),
                     OK);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    halts = 0;
    serve_peer = NULL;
    /* The clock of a real custodian is the real one. */
    request.time_s = (uint64_t)time(NULL);
    request.not_after_s = request.time_s + 30 * DAY;
}

static inline void custody_stop(void)
{
    custodian_down();
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    world_stop();
    scratch_remove();
}

/* |ask| in bytes. */
static inline struct slice ask_bytes(void)
{
    static uint8_t bytes[CUSTODY_SIZE_MAX];
    size_t size = 0;

    ck_assert_int_eq(custody_encode(&ask, bytes, sizeof(bytes), &size), OK);
    return slice_of(bytes, size);
}

static inline void hello_ask(void)
{
    ask = (struct custody){
        .type = CUSTODY_HELLO,
        .u.hello = {.net = net, .charter_hash = charter->hash}};
}

#endif /* CAIRN_TESTS_CUSTODY_WORLD_H */
