#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node/link/link.h"
#include "tests/bench/bench.h"

/* Sender and receiver are processes of their own, as a lab and a steward are,
 * so that each end's part shows. What the kernel does for a packet on the
 * loopback it does in the sender's time. */

#define STORES     3U
#define STORE_SIZE ((size_t)1 << 20)

struct end {
    uv_loop_t loop;
    struct rng rng;
    struct link_host *host;
    struct frame_psk psk;
    double from_s, spent_s;
    bool over;
    /* The sender's. */
    const uint8_t *block;
    size_t block_size;
    uint64_t left;
    /* The receiver's, as of a steward that fills one while others are written.
     */
    uint8_t (*stores)[STORE_SIZE];
    uint64_t stored;
};

static double process_s(void)
{
    struct timespec t;

    must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t on_psk(void *arg,
                     const uint8_t psk_id[FRAME_PSK_ID_SIZE],
                     struct frame_psk *out,
                     size_t max)
{
    const struct end *e = arg;

    (void)psk_id;
    must(max > 0);
    *out = e->psk;
    return 1;
}

static int on_identity(void *arg,
                       struct link *l,
                       struct slice cert,
                       const uint8_t remote[NOISE_KEY_SIZE])
{
    (void)arg;
    (void)l;
    (void)cert;
    (void)remote;
    return OK;
}

static void end_pump(struct end *e, struct link *l)
{
    int rv = OK;

    while (e->left > 0 && rv == OK) {
        uint64_t at = e->left % e->block_size;
        size_t size = LINK_DATA_MAX < e->left ? LINK_DATA_MAX : (size_t)e->left;

        size = size < e->block_size - at ? size : (size_t)(e->block_size - at);
        rv = link_send_data(l, 1, slice_of(e->block + at, size),
                            size == e->left);
        must(rv == OK || rv == ERR_FULL);
        e->left -= rv == OK ? size : 0;
    }
}

static void on_up(void *arg, struct link *l)
{
    struct end *e = arg;

    e->from_s = process_s();
    end_pump(e, l);
}

static void on_writable(void *arg, struct link *l)
{
    end_pump(arg, l);
}

static int on_message(void *arg, struct link *l, struct slice message)
{
    (void)arg;
    (void)l;
    (void)message;
    return ERR_BAD;
}

/* Where the next byte goes, and how many there is room for. */
static uint8_t *end_place(const struct end *e, size_t *room)
{
    uint64_t at = e->stored % (STORES * STORE_SIZE);

    *room = STORE_SIZE - (size_t)(at % STORE_SIZE);
    return e->stores[at / STORE_SIZE] + at % STORE_SIZE;
}

static uint8_t *on_room(void *arg, struct link *l, size_t size)
{
    size_t room;
    uint8_t *place = end_place(arg, &room);

    (void)l;
    return size <= room ? place : NULL;
}

static int on_data(void *arg,
                   struct link *l,
                   uint32_t stream,
                   struct slice bytes,
                   bool end)
{
    struct end *e = arg;

    (void)stream;
    while (bytes.size > 0) {
        size_t take;
        uint8_t *place = end_place(e, &take);

        take = take < bytes.size ? take : bytes.size;
        if (place != bytes.data) {
            memcpy(place, bytes.data, take);
        }
        e->stored += take;
        bytes = slice_of(bytes.data + take, bytes.size - take);
    }
    if (end) {
        link_close(l, FRAME_REASON_DONE);
    }
    return OK;
}

static void on_down(void *arg, struct link *l, int status, const char *text)
{
    struct end *e = arg;

    (void)l;
    (void)text;
    must(status == OK && e->left == 0);
    e->spent_s = process_s() - e->from_s;
    e->over = true;
    link_host_close(e->host, NULL, NULL);
}

static void end_open(struct end *e)
{
    static const uint8_t secret[FRAME_PSK_SIZE] = {'b'};
    static const uint8_t cert[] = {1};
    struct link_config config = {
        .loop = &e->loop,
        .rng = &e->rng,
        .cert = slice_of(cert, sizeof(cert)),
        .calls = {.on_psk = on_psk,
                  .on_identity = on_identity,
                  .on_up = on_up,
                  .on_message = on_message,
                  .on_room = on_room,
                  .on_data = on_data,
                  .on_writable = on_writable,
                  .on_down = on_down},
        .arg = e,
    };

    must(uv_loop_init(&e->loop) == 0);
    rng_init_system(&e->rng);
    frame_psk_init(&e->psk, secret);
    noise_keypair_init(&config.key, &e->rng);
    link_limits_default(&config.limits);
    must(link_host_new(&e->host, &config) == OK);
}

static _Noreturn void receiver(int to)
{
    static struct end e;
    char bound[LINK_ADDRESS_SIZE] = "";
    char errmsg[ERRMSG_SIZE];

    end_open(&e);
    e.stores = calloc(STORES, sizeof(*e.stores));
    must(e.stores != NULL);
    must(link_host_listen(e.host, "127.0.0.1:0", bound, errmsg) == OK);
    must(write(to, bound, sizeof(bound)) == (ssize_t)sizeof(bound));
    uv_run(&e.loop, UV_RUN_DEFAULT);
    must(e.over &&
         write(to, &e.spent_s, sizeof(e.spent_s)) == (ssize_t)sizeof(double));
    _exit(EXIT_SUCCESS);
}

void bench_transport(const uint8_t *block,
                     size_t block_size,
                     uint64_t size,
                     struct transport_rates *out)
{
    static struct end e;
    char address[LINK_ADDRESS_SIZE];
    struct link *l;
    double received_s = 0;
    int ends[2];
    int status = 0;
    pid_t pid;

    must(pipe(ends) == 0);
    pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        receiver(ends[1]);
    }
    close(ends[1]); /* A receiver that dies is heard. */
    e = (struct end){.block = block, .block_size = block_size, .left = size};
    end_open(&e);
    must(read(ends[0], address, sizeof(address)) == (ssize_t)sizeof(address));
    must(link_dial(e.host, address, e.psk.psk, NULL, &l) == OK);
    uv_run(&e.loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&e.loop) == 0);
    must(read(ends[0], &received_s, sizeof(received_s)) == sizeof(double));
    must(waitpid(pid, &status, 0) == pid && status == 0);
    close(ends[0]);
    out->send = (double)size / e.spent_s;
    out->receive = (double)size / received_s;
}
