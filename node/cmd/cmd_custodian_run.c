#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/base/text.h"
#include "node/cmd/cmd_custodian.h"
#include "node/custody/custody_serve.h"
#include "replication/custodian/custodian.h"

const struct cli_option cmd_custodian_run_options[] = {
    {.name = "socket",
     .value = "PATH",
     .help = "where cairnd connects (default: 'socket' in the home)"},
    {.name = "peer",
     .value = "USER",
     .help = "the user of cairnd, if it is another: name or number; without "
             "it only this user may connect"},
    {.name = "passphrase-file",
     .value = "FILE",
     .help = "its first line opens the keys, if they are sealed; without it "
             "the terminal is asked"},
    {.name = "log-format", .value = "FORMAT", .help = "text (default) or json"},
    {.name = NULL},
};

struct run {
    struct cli *cli;
    const char *socket;
    const uid_t *peer; /* NULL, or */
    uid_t peer_uid;
    char *store_path;
    uint8_t store_id[VOLUME_ID_SIZE];
    struct log log;
    struct rng rng;
    struct custody_keys *keys;
    struct custody_network network;
    struct custody_store *store;
    struct custodian_sums sums; /* As it was started. */
    struct custodian *machine;
    struct custody_run *run;
    struct custody_serve *serve;
    uv_loop_t loop;
    uv_signal_t on_int, on_term;
    int lock;
    bool stopping;
    int status;
    char errmsg[ERRMSG_SIZE];
};

/* --- The machine --------------------------------------------------------- */

static void on_note(void *arg, const char *text)
{
    const struct run *r = arg;

    log_put(&r->log, LOG_ERROR, "%s", text);
}

static void machine_step(void *machine,
                         const struct core_event *ev,
                         struct core_out *out)
{
    custodian_step(machine, ev, out);
}

static int machine_counts(struct run *r, struct custodian_config *config)
{
    int rv = custodian_sums(&r->sums, r->store_path, r->store_id, r->errmsg);

    if (rv == OK) {
        config->shares = r->sums.shares.rows;
        config->decisions = r->sums.decisions.rows;
    }
    return rv;
}

static int machine_new(struct run *r)
{
    struct custodian_config *config = secret_new(sizeof(*config));
    int rv = ERR_NOMEM;

    errmsg_set(r->errmsg, "no locked memory for keys; raise 'ulimit -l'");
    if (config != NULL) {
        config->charter = r->network.charter;
        config->net = r->network.net;
        memcpy(config->hpke_sk, r->keys->hpke_sk, HPKE_KEY_SIZE);
        config->sign = r->keys->sign;
        memcpy(config->net_psk, r->network.psk, HOME_PSK_SIZE);
        config->rng = &r->rng;
        rv = machine_counts(r, config);
    }
    if (rv == OK) {
        /* The network was read for this card, and the secret with it. */
        rv = custodian_new(&r->machine, config);
        assert(rv == OK || rv == ERR_NOMEM);
    }
    secret_free(config);
    return rv;
}

static int parts_open(struct run *r)
{
    struct custody_run_config config = {
        .step = machine_step,
        .start = slice_str(CMD_CUSTODIAN_DECISIONS),
        .due = slice_str(CMD_CUSTODIAN_DECISIONS),
        .on_note = on_note,
        .arg = r};
    int rv = custody_store_open(&r->store, r->store_path, r->store_id,
                                r->keys->store, r->errmsg);

    if (rv == OK) {
        rv = machine_new(r);
    }
    if (rv == OK) {
        config.store = r->store;
        config.machine = r->machine;
        rv = custody_run_open(&r->run, &config, r->errmsg);
    }
    return rv;
}

/* --- The loop ------------------------------------------------------------ */

static void stop(struct run *r)
{
    if (r->stopping) {
        return;
    }
    r->stopping = true;
    log_put(&r->log, LOG_INFO, "stopping");
    uv_close((uv_handle_t *)&r->on_int, NULL);
    uv_close((uv_handle_t *)&r->on_term, NULL);
    if (r->serve != NULL) {
        custody_serve_close(r->serve, NULL, NULL);
        r->serve = NULL;
    }
}

static void on_halt(void *arg, int status, const char *text)
{
    struct run *r = arg;

    r->status = status;
    errmsg_set(r->errmsg, "%s", text);
    log_put(&r->log, LOG_ERROR, "%s", text);
    stop(r);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct run *r = handle->data;

    log_put(&r->log, LOG_INFO, "%s",
            number == SIGTERM ? "asked to end (SIGTERM)"
                              : "asked to end (SIGINT)");
    stop(r);
}

static void signals_open(struct run *r)
{
    (void)uv_signal_init(&r->loop, &r->on_int);
    (void)uv_signal_init(&r->loop, &r->on_term);
    r->on_int.data = r;
    r->on_term.data = r;
    (void)uv_signal_start(&r->on_int, on_signal, SIGINT);
    (void)uv_signal_start(&r->on_term, on_signal, SIGTERM);
}

static const char *time_or_never(char *out, uint64_t unix_s)
{
    return unix_s != 0 ? text_time(out, unix_s) : "never";
}

/* What is here, so that an old backup can be told from what should be here. */
static void log_store(const struct run *r)
{
    const struct custodian_sums *s = &r->sums;
    char made[TEXT_SIZE], share[TEXT_SIZE], decision[TEXT_SIZE];
    char why[ERRMSG_SIZE] = "";

    log_put(&r->log, LOG_INFO,
            "store of %s: %llu shares, the last %s; %llu decisions, the last "
            "%s",
            time_or_never(made, s->shares.made_s),
            (unsigned long long)s->shares.rows,
            time_or_never(share, s->shares.newest_s),
            (unsigned long long)s->decisions.rows,
            time_or_never(decision, s->decisions.newest_s));
    if (custody_store_room(r->store, why) != OK) {
        log_put(&r->log, LOG_WARNING, "no new shares: %s", why);
    }
}

static void ready(struct run *r)
{
    struct cli *c = r->cli;

    log_put(&r->log, LOG_INFO, "custodian of '%s' in the network '%s'",
            r->network.steward->name, r->network.charter->name);
    log_store(r);
    if (c->json) {
        (void)cli_print_json(
            c, "cairn-custodian.ready/1",
            json_pack("{s:s, s:i}", "socket", r->socket, "pid", (int)getpid()));
    } else {
        printf("READY %s\n", r->socket);
    }
    (void)fflush(stdout);
}

/* Serve until a signal or a halt. */
static int serve(struct run *r)
{
    struct custody_serve_config config = {.loop = &r->loop,
                                          .path = r->socket,
                                          .peer = r->peer,
                                          .run = r->run,
                                          .log = &r->log,
                                          .on_halt = on_halt,
                                          .arg = r};

    if (uv_loop_init(&r->loop) != 0) {
        errmsg_set(r->errmsg, "no event loop; check 'ulimit -n'");
        return ERR_IO;
    }
    signals_open(r);
    r->status = custody_serve_open(&r->serve, &config, r->errmsg);
    if (r->status == OK) {
        ready(r);
    } else {
        stop(r);
    }
    (void)uv_run(&r->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&r->loop) != 0) {
        abort(); /* A handle that nobody closed. */
    }
    return r->status;
}

/* --- The command --------------------------------------------------------- */

/* From the terminal: there is somebody behind a custodian. */
static int passphrase_ask(struct run *r, char **passphrase, size_t *size)
{
    *passphrase = secret_new(CLI_PASSPHRASE_MAX);
    if (*passphrase == NULL) {
        errmsg_set(r->errmsg, "no locked memory for a passphrase; raise "
                              "'ulimit -l'");
        return ERR_NOMEM;
    }
    return passphrase_read(NULL, NULL, false, *passphrase, CLI_PASSPHRASE_MAX,
                           size, r->errmsg);
}

static int keys_open(struct run *r, const struct custody_card *card)
{
    const char *home = r->cli->home;
    char *passphrase = NULL;
    bool sealed = false;
    size_t size = 0;
    int rv = home_is_sealed(home, &sealed, r->errmsg);

    if (rv == OK) {
        rv = cli_passphrase(r->cli, &passphrase, &size, r->errmsg);
    }
    if (rv == OK && passphrase == NULL && sealed) {
        rv = passphrase_ask(r, &passphrase, &size);
    }
    if (rv == OK) {
        rv = custody_home_keys(home, slice_of(passphrase, size), &r->keys,
                               r->errmsg);
    }
    secret_free(passphrase);
    if (rv == OK && !custody_keys_fit(r->keys, card)) {
        errmsg_set(r->errmsg,
                   "'card' and 'keys' in '%s' are not of one custodian; put "
                   "the home back from a backup",
                   home);
        rv = ERR_MISMATCH;
    }
    return rv;
}

static int run_with(struct run *r)
{
    const char *home = r->cli->home;
    struct custody_card card;
    int rv = custody_home_card(home, &card, r->errmsg);

    if (rv == OK) {
        custody_home_store_id(&card, r->store_id);
        r->lock = custody_home_lock(home, r->errmsg);
        rv = r->lock >= 0 ? OK : r->lock;
    }
    if (rv == OK) {
        rv = custody_network_pinned(&r->network, &card, home, true, r->errmsg);
    }
    if (rv == OK) {
        rv = keys_open(r, &card);
    }
    if (rv == OK) {
        rv = parts_open(r);
    }
    return rv == OK ? serve(r) : rv;
}

static void run_free(struct run *r)
{
    custody_run_close(r->run);
    custodian_free(r->machine);
    custody_store_close(r->store);
    custody_network_close(&r->network);
    secret_free(r->keys);
    if (r->lock >= 0) {
        close(r->lock);
    }
    free(r->store_path);
}

static bool log_format_read(struct cli *c, enum log_format *format)
{
    const char *name = cli_value(c, "log-format");

    *format = LOG_TEXT;
    if (name == NULL || strcmp(name, log_format_name(LOG_TEXT)) == 0) {
        return true;
    }
    *format = LOG_JSON;
    if (strcmp(name, log_format_name(LOG_JSON)) == 0) {
        return true;
    }
    (void)cli_fail(c, EXIT_CODE_USAGE, "--log-format is text or json",
                   "correct it and run it again");
    return false;
}

static bool peer_read(struct cli *c, struct run *r)
{
    const char *user = cli_value(c, "peer");
    const struct passwd *entry;
    uint64_t number = 0;

    if (user == NULL) {
        return true;
    }
    entry = getpwnam(user);
    if (entry != NULL) {
        r->peer_uid = entry->pw_uid;
    } else if (text_number_read(user, &number) && number < (uid_t)-1) {
        r->peer_uid = (uid_t)number;
    } else {
        (void)cli_fail(c, EXIT_CODE_USAGE, "--peer is no user of this host",
                       "give the name or the number of the user that runs "
                       "cairnd");
        return false;
    }
    r->peer = &r->peer_uid;
    return true;
}

static int run_fail(struct cli *c, int rv, const char *errmsg)
{
    switch (rv) {
    case ERR_NOTFOUND:
    case ERR_MISMATCH:
        return cli_fail(c, EXIT_CODE_CONFIG, errmsg,
                        "nothing was written; mend it and start again");
    default:
        return custodian_fail(c, rv, errmsg);
    }
}

int cmd_custodian_run(struct cli *c)
{
    struct run r = {.cli = c, .lock = -1};
    char *socket = NULL;
    int code;
    int rv;

    if (!custodian_home_given(c) || !log_format_read(c, &r.log.format) ||
        !peer_read(c, &r)) {
        return EXIT_CODE_USAGE;
    }
    r.log.from = c->verbose ? LOG_DEBUG : LOG_INFO;
    rng_init_system(&r.rng);
    socket = path_join(c->home, CUSTODY_HOME_SOCKET);
    r.socket = cli_value(c, "socket") != NULL ? cli_value(c, "socket") : socket;
    r.store_path = path_join(c->home, CUSTODY_HOME_STORE);
    rv = run_with(&r);
    code = rv == OK ? EXIT_CODE_OK : run_fail(c, rv, r.errmsg);
    run_free(&r);
    free(socket);
    return code;
}
