#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/admin/admin_state.h"
#include "tests/fuzz/fuzz.h"

/* A client of the admin API sends these bytes and no more. It leaves nothing
 * behind, and what reached the machine was well formed. */

#define TURNS 100

static uv_loop_t loop;
static struct admin *server;
static char folder[] = "/tmp/cairn-fuzz-XXXXXX";
static char path[64];
static int status; /* That the machine answers. */

/* What stands behind a GET needs a store and a thread; how it is asked for does
 * not. These two take the place of node/admin/admin_get.c. */
void admin_get(struct admin_request *r)
{
    admin_answer_json(&r->answer, 200, json_object());
}

void admin_get_abandon(struct admin_request *r)
{
    (void)r;
}

/* --- The owner ----------------------------------------------------------- */

static size_t count(void *arg)
{
    (void)arg;
    return 4;
}

/* Ids that begin alike in pairs, in order. */
static void id_of(size_t i, struct digest *id)
{
    memset(id->bytes, i < 2 ? 0x11 : 0xab, DIGEST_SIZE);
    id->bytes[DIGEST_SIZE - 1] = (uint8_t)i;
}

static void on_deposit(void *arg, size_t i, struct steward_deposit_info *info)
{
    (void)arg;
    memset(info, 0, sizeof(*info));
    id_of(i, &info->id);
}

static void on_release(void *arg, size_t i, struct steward_release_info *info)
{
    (void)arg;
    memset(info, 0, sizeof(*info));
    id_of(i, &info->id);
}

static int on_client(void *arg, uint64_t id, struct slice bytes)
{
    struct steward_reply reply = {.status = status, .text = "because"};
    uint8_t out[STEWARD_REPLY_SIZE_MAX];
    struct steward_client client;
    size_t size = 0;
    int rv = steward_client_decode(&client, bytes);

    (void)arg;
    assert(rv == OK);
    if (status == ERR_FULL) {
        return ERR_FULL;
    }
    rv = steward_reply_encode(&reply, out, sizeof(out), &size);
    assert(rv == OK);
    admin_reply(server, id, slice_of(out, size));
    return OK;
}

static void on_note(void *arg, const char *text)
{
    (void)arg;
    for (size_t i = 0; text[i] != '\0'; i++) {
        assert((uint8_t)text[i] >= ' ');
    }
}

static void clean(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
}

static void start(void)
{
    struct admin_config config = {.loop = &loop,
                                  .path = path,
                                  .idle_s = ADMIN_IDLE_S,
                                  .life_ms = ADMIN_LIFE_MS,
                                  .calls = {.on_deposits = count,
                                            .on_deposit = on_deposit,
                                            .on_releases = count,
                                            .on_release = on_release,
                                            .on_client = on_client,
                                            .on_note = on_note}};
    static struct charter charter;
    char errmsg[ERRMSG_SIZE];

    config.charter = &charter;
    if (mkdtemp(folder) == NULL) {
        abort();
    }
    (void)snprintf(path, sizeof(path), "%s/socket", folder);
    if (uv_loop_init(&loop) != 0 ||
        admin_open(&server, &config, errmsg) != OK) {
        abort();
    }
    (void)atexit(clean);
}

/* --- The client ---------------------------------------------------------- */

static int client_open(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        abort();
    }
    return fd;
}

/* Everything is in this thread: what the server can do with what it was sent,
 * it has done after a few turns. The first bytes of its answer are in |head|;
 * true when it has hung up. */
static bool client_hears(int fd, char head[16])
{
    char rest[4096];
    size_t have = 0;

    for (unsigned i = 0; i < TURNS; i++) {
        ssize_t got;

        (void)uv_run(&loop, UV_RUN_NOWAIT);
        got = have < 16 ? recv(fd, head + have, 16 - have, 0)
                        : recv(fd, rest, sizeof(rest), 0);
        if (got == 0) {
            return true;
        }
        have += got > 0 && have < 16 ? (size_t)got : 0;
    }
    return false;
}

/* Nobody is left behind. */
static void client_close(int fd)
{
    (void)close(fd);
    for (unsigned i = 0; i < TURNS && server->peers != NULL; i++) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert(server->peers == NULL && server->waiting == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {OK, ERR_FULL, ERR_NOTFOUND, ERR_DENIED};
    char head[16] = "";
    int fd;

    if (server == NULL) {
        start();
    }
    if (size < 1) {
        return 0;
    }
    status = statuses[data[0] % 4];
    fd = client_open();
    (void)send(fd, data + 1, size - 1, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    /* Of half a request the other half is waited for, until the client goes. */
    if (client_hears(fd, head)) {
        assert(head[0] == '\0' || memcmp(head, "HTTP/1.", 7) == 0);
    }
    client_close(fd);
    return 0;
}
