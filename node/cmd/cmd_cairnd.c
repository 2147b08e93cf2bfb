#include "node/cmd/cmd_cairnd.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/admin/admin.h"
#include "node/base/text.h"
#include "node/daemon/daemon.h"

static const struct cli_option key_options[] = {
    {.name = "passphrase-file",
     .value = "FILE",
     .help = "its first line opens the keys, if they are sealed"},
    {.name = NULL},
};

static const struct cli_option run_options[] = {
    {.name = "log-format",
     .value = "FORMAT",
     .help = "text or json, whatever the configuration says"},
    {.name = "passphrase-file",
     .value = "FILE",
     .help = "its first line opens the keys, if they are sealed"},
    {.name = NULL},
};

/* --- What all of them need ----------------------------------------------- */

bool cairnd_home_given(struct cli *c)
{
    if (c->home == NULL) {
        (void)cli_fail(c, EXIT_CODE_USAGE, "it is not said where the home is",
                       "give --home DIR, or set CAIRN_HOME");
        return false;
    }
    return true;
}

/* self_open() with the passphrase of the command line. */
int cairnd_self(struct cli *c, struct self *s, char *errmsg)
{
    char *passphrase = NULL;
    bool sealed = false;
    size_t size = 0;
    int rv;

    memset(s, 0, sizeof(*s));
    rv = cli_passphrase(c, &passphrase, &size, errmsg);
    if (rv == OK && passphrase == NULL &&
        home_is_sealed(c->home, &sealed, errmsg) == OK && sealed) {
        errmsg_set(errmsg,
                   "the keys in '%s' are sealed; give "
                   "--passphrase-file",
                   c->home);
        rv = ERR_DENIED;
    }
    if (rv == OK) {
        rv = self_open(s, c->home, slice_of(passphrase, size), errmsg);
    }
    secret_free(passphrase);
    return rv;
}

/* What is wrong with a home is a matter of configuration, but for its keys. */
int cairnd_home_fail(struct cli *c, int rv, const char *errmsg)
{
    switch (rv) {
    case ERR_BAD:
    case ERR_NOTFOUND:
        return cli_fail(c, EXIT_CODE_CONFIG, errmsg,
                        "mend that; 'cairnd init' makes a new home");
    case ERR_AUTH:
    case ERR_DENIED:
        return cli_fail(c, EXIT_CODE_DENIED, errmsg,
                        "check the passphrase and who may read the home");
    default:
        return cli_fail(c, exit_code_of(rv), errmsg,
                        "mend the cause and run it again");
    }
}

bool cairnd_put(struct cli *c,
                struct config *config,
                const char *option,
                const char *key,
                const char *value)
{
    char errmsg[ERRMSG_SIZE];
    char what[ERRMSG_SIZE + 32];

    if (config_put(config, key, value, errmsg) == OK) {
        return true;
    }
    (void)snprintf(what, sizeof(what), "--%s %s", option, errmsg);
    (void)cli_fail(c, EXIT_CODE_USAGE, what, "correct it and run it again");
    return false;
}

/* --- check-config -------------------------------------------------------- */

static json_t *texts_json(const char *first, size_t stride, size_t len)
{
    json_t *list = json_array();

    for (size_t i = 0; i < len; i++) {
        (void)json_array_append_new(list, json_string(first + i * stride));
    }
    return list;
}

static json_t *config_json(const struct config *c)
{
    char volume[2 * VOLUME_ID_SIZE + 1];

    return json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:I, "
        "s:s, "
        "s:s}",
        "name", c->name, "organisation", c->organisation, "jurisdiction",
        c->jurisdiction, "provider", c->provider, "addresses",
        texts_json(c->addresses[0], sizeof(c->addresses[0]), c->addresses_len),
        "operators",
        texts_json(c->operators[0], sizeof(c->operators[0]), c->operators_len),
        "listen", texts_json(c->listen[0], sizeof(c->listen[0]), c->listen_len),
        "data", c->data, "volume",
        text_hex(volume, c->volume_id, VOLUME_ID_SIZE), "capacity",
        (json_int_t)c->capacity, "lab-quota", (json_int_t)c->lab_quota,
        "feed-quota", (json_int_t)c->feed_quota, "reserve",
        (json_int_t)c->reserve, "custodian", c->custodian, "log-format",
        log_format_name(c->log_format));
}

static void config_show(const struct config *c)
{
    char volume[2 * VOLUME_ID_SIZE + 1], size[TEXT_SIZE];

    printf("name          %s\n", c->name);
    printf("organisation  %s\n", c->organisation);
    printf("jurisdiction  %s\n", c->jurisdiction);
    printf("provider      %s\n", c->provider[0] != '\0' ? c->provider : "-");
    for (size_t i = 0; i < c->addresses_len; i++) {
        printf("address       %s\n", c->addresses[i]);
    }
    for (size_t i = 0; i < c->operators_len; i++) {
        struct sshsig_key key;
        char fingerprint[64];

        config_operator(c, i, &key);
        sshsig_key_fingerprint(slice_of(key.blob, key.blob_size), fingerprint);
        printf("operator      %s\n", fingerprint);
    }
    for (size_t i = 0; i < c->listen_len; i++) {
        printf("listen        %s\n", c->listen[i]);
    }
    printf("data          %s\n", c->data);
    printf("volume        %s\n",
           text_hex(volume, c->volume_id, VOLUME_ID_SIZE));
    printf("capacity      %s\n", text_size(size, c->capacity));
    printf("lab-quota     %s\n", c->lab_quota != 0
                                     ? text_size(size, c->lab_quota)
                                     : "an equal share for each lab");
    printf("feed-quota    %s\n", text_size(size, c->feed_quota));
    printf("reserve       %s\n", text_size(size, c->reserve));
    printf("custodian     %s\n", c->custodian[0] != '\0' ? c->custodian : "-");
    printf("log-format    %s\n", log_format_name(c->log_format));
}

static int check_run(struct cli *c)
{
    char errmsg[ERRMSG_SIZE] = "";
    struct config *config = malloc(sizeof(*config));
    char *path;
    int code;
    int rv;

    if (!cairnd_home_given(c)) {
        free(config);
        return EXIT_CODE_USAGE;
    }
    path = self_path(c->home, CONFIG_FILE);
    rv = config == NULL ? ERR_NOMEM : config_read(config, path, errmsg);
    if (rv != OK) {
        code = cli_fail(c, EXIT_CODE_CONFIG, errmsg,
                        "mend the file; its comments explain each key");
    } else if (c->json) {
        code = cli_print_json(c, "cairnd.config/1", config_json(config));
    } else {
        config_show(config);
        code = EXIT_CODE_OK;
    }
    free(path);
    free(config);
    return code;
}

/* --- run ----------------------------------------------------------------- */

static void on_ready(void *arg,
                     char (*bound)[LINK_ADDRESS_SIZE],
                     size_t bound_len)
{
    struct cli *c = arg;
    char *admin = self_path(c->home, ADMIN_SOCKET);

    if (c->json) {
        (void)cli_print_json(
            c, "cairnd.ready/1",
            json_pack("{s:o, s:i, s:s}", "listen",
                      texts_json(bound[0], sizeof(bound[0]), bound_len), "pid",
                      (int)getpid(), "admin", admin));
    } else {
        printf("READY");
        for (size_t i = 0; i < bound_len; i++) {
            printf(" %s", bound[i]);
        }
        printf("\nADMIN %s\n", admin);
    }
    free(admin);
    (void)fflush(stdout);
}

static int run_fail(struct cli *c, int rv, const char *errmsg)
{
    switch (rv) {
    case ERR_NOTFOUND:
    case ERR_MISMATCH:
        return cli_fail(c, EXIT_CODE_CONFIG, errmsg,
                        "nothing was written; mend it and start again");
    case ERR_BUSY:
        return cli_fail(c, EXIT_CODE_LOCKED, errmsg,
                        "one home and one volume belong to one cairnd");
    default:
        return cli_fail(c, exit_code_of(rv), errmsg,
                        "mend the cause and start again; what was "
                        "acknowledged is on the disk");
    }
}

static int run_with(struct cli *c, struct self *s)
{
    struct daemon_config config = {.self = s,
                                   .log_format = s->config.log_format,
                                   .verbose = c->verbose,
                                   .on_ready = on_ready,
                                   .arg = c};
    char *chain = self_path(c->home, "charter");
    char *psk = self_path(c->home, "network.psk");
    const char *format = cli_value(c, "log-format");
    char errmsg[ERRMSG_SIZE] = "";
    int code = EXIT_CODE_OK;
    int rv = OK;

    if (format != NULL &&
        !cairnd_put(c, &s->config, "log-format", "log-format", format)) {
        code = EXIT_CODE_USAGE;
    } else if (access(chain, F_OK) != 0) {
        code = cli_fail(c, EXIT_CODE_CONFIG, "this node is in no network yet",
                        "put a charter and a network secret in with "
                        "'cairnd install'");
    } else {
        config.log_format = s->config.log_format;
        rv = self_join(s, chain, psk, errmsg);
        if (rv != OK) {
            code = cairnd_network_fail(c, rv, errmsg);
        } else {
            rv = daemon_run(&config, errmsg);
            code = rv == OK ? EXIT_CODE_OK : run_fail(c, rv, errmsg);
        }
    }
    free(psk);
    free(chain);
    return code;
}

static int run_run(struct cli *c)
{
    char errmsg[ERRMSG_SIZE] = "";
    struct self s;
    int code;
    int rv;

    if (!cairnd_home_given(c)) {
        return EXIT_CODE_USAGE;
    }
    rv = cairnd_self(c, &s, errmsg);
    code = rv == OK ? run_with(c, &s) : cairnd_home_fail(c, rv, errmsg);
    self_close(&s);
    return code;
}

const struct cli_command cmd_cairnd[] = {
    {.name = "init",
     .summary = "Make the keys, the volume and the configuration of a steward",
     .details =
         "Makes everything that a steward's node needs in --home, and a "
         "volume\n"
         "for shards in --data. Refuses to touch what is there.\n"
         "\n"
         "  cairnd init --home s1 --name \"Delft Library\" --jurisdiction NL "
         "\\\n"
         "      --listen 192.0.2.1:7117 --data /srv/cairn --capacity 4TiB \\\n"
         "      --custody c1/card --operator alice.pub bob.pub\n",
     .options = cmd_cairnd_init_options,
     .run = cmd_cairnd_init},
    {.name = "card",
     .summary = "Print the signed card of this steward, for a charter",
     .details = "The card is made from configuration, keys and the custodian's "
                "half.\n"
                "\n"
                "  cairnd card --home s1 > s1.card\n",
     .options = key_options,
     .run = cmd_cairnd_card},
    {.name = "install",
     .summary = "Put this node into the network of a charter",
     .arguments = "CHARTER NETWORK.PSK",
     .args_min = 2,
     .args_max = 2,
     .details = "Verifies the chain of signatures, that this steward is in it "
                "and that\n"
                "the secret fits, shows the network's fingerprint, and copies "
                "both files\n"
                "into the home.\n",
     .options = key_options,
     .run = cmd_cairnd_install},
    {.name = "check-config",
     .summary = "Show the configuration as it would be used",
     .run = check_run},
    {.name = "run",
     .summary = "Run the node, in the foreground",
     .details = "Prints a line that begins with READY when it accepts "
                "connections, and one\n"
                "that begins with ADMIN and says where its admin socket is; "
                "logs to stderr,\n"
                "and ends on SIGTERM. Tells systemd when it asks "
                "(Type=notify).\n",
     .options = run_options,
     .run = run_run},
    {.name = NULL},
};
