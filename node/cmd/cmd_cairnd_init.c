#include <limits.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "crypto/secret.h"
#include "node/base/text.h"
#include "node/cmd/cmd_cairnd.h"
#include "node/core/store.h"

#define PUB_FILE_MAX 4096U

const struct cli_option cmd_cairnd_init_options[] = {
    {.name = "name", .value = "TEXT", .help = "the steward, as people know it"},
    {.name = "organisation",
     .value = "TEXT",
     .help = "whose it is (default: the name)"},
    {.name = "jurisdiction",
     .value = "PLACE",
     .help = "whose courts it answers to, such as NL"},
    {.name = "provider",
     .value = "TEXT",
     .help = "whose machines it runs on (default: its own)"},
    {.name = "listen",
     .value = "HOST:PORT",
     .help = "where it accepts connections; may be repeated",
     .repeats = true},
    {.name = "address",
     .value = "HOST:PORT",
     .help = "where others reach it, if not there; may be repeated",
     .repeats = true},
    {.name = "data",
     .value = "DIR",
     .help = "folder for shards, best an empty disk of its own (default: "
             "'data' in the home)"},
    {.name = "capacity",
     .value = "SIZE",
     .help = "what shards may take in all, such as 4TiB (default: what is "
             "free there now, but for the reserve)"},
    {.name = "reserve",
     .value = "SIZE",
     .help = "what stays free on the disk (default 1GiB)"},
    {.name = "custody",
     .value = "FILE",
     .help = "the custodian's half of the card, from cairn-custodian"},
    {.name = "custodian",
     .value = "PATH",
     .help = "the socket on which cairn-custodian serves, if it runs here"},
    {.name = "operator",
     .value = "FILE",
     .help = "an operator's public SSH key; give all of them",
     .repeats = true,
     .greedy = true},
    {.name = "passphrase-file",
     .value = "FILE",
     .help = "seal the keys under its first line; without it cairnd "
             "starts unattended"},
    {.name = NULL},
};

/* --- What is to be made -------------------------------------------------- */

/* One that must be given, unless there is something to take |instead|. */
static bool put_option(struct cli *c,
                       struct config *config,
                       const char *name,
                       const char *instead)
{
    const char *value = cli_value(c, name);
    char what[64];

    value = value != NULL ? value : instead;
    if (value == NULL) {
        (void)snprintf(what, sizeof(what), "--%s is missing", name);
        (void)cli_fail(c, EXIT_CODE_USAGE, what,
                       "give it; 'cairnd init --help' shows all options");
        return false;
    }
    return cairnd_put(c, config, name, name, value);
}

/* An option that is a path and stands in the file under its own name: made
 * absolute, since the daemon runs elsewhere. */
static bool put_path(struct cli *c,
                     struct config *config,
                     const char *option,
                     const char *value)
{
    char here[PATH_MAX], what[64];
    char *path;
    bool ok;

    if (value[0] == '/') {
        return cairnd_put(c, config, option, option, value);
    }
    if (getcwd(here, sizeof(here)) == NULL) {
        (void)snprintf(what, sizeof(what), "give --%s as an absolute path",
                       option);
        (void)cli_fail(c, EXIT_CODE_FAILED, "the current folder is not there",
                       what);
        return false;
    }
    path = path_join(here, value);
    ok = cairnd_put(c, config, option, option, path);
    free(path);
    return ok;
}

static bool put_addresses(struct cli *c, struct config *config)
{
    const char *option = cli_count(c, "address") > 0 ? "address" : "listen";

    if (cli_count(c, "listen") == 0) {
        return put_option(c, config, "listen", NULL);
    }
    for (size_t i = 0; i < cli_count(c, "listen"); i++) {
        if (!cairnd_put(c, config, "listen", "listen",
                        cli_value_at(c, "listen", i))) {
            return false;
        }
    }
    for (size_t i = 0; i < cli_count(c, option); i++) {
        const char *value = cli_value_at(c, option, i);

        if (strncmp(value, "0.0.0.0:", 8) == 0 ||
            strncmp(value, "[::]:", 5) == 0) {
            (void)cli_fail(c, EXIT_CODE_USAGE,
                           "nobody can connect to the address of everything",
                           "say with --address where others reach this "
                           "steward");
            return false;
        }
        if (!cairnd_put(c, config, option, "addresses", value)) {
            return false;
        }
    }
    return true;
}

/* A line of a .pub file. */
static bool put_operator(struct cli *c, struct config *config, const char *file)
{
    char errmsg[ERRMSG_SIZE];
    uint8_t *data = NULL;
    size_t size = 0;
    char *line;
    bool ok;
    int rv = file_read(file, PUB_FILE_MAX, &data, &size, errmsg);

    if (rv != OK) {
        (void)cli_fail(c, EXIT_CODE_USAGE, errmsg,
                       "give --operator the path of a .pub file");
        return false;
    }
    line = strndup((const char *)data, size);
    free(data);
    if (line == NULL) {
        abort();
    }
    line[strcspn(line, "\r\n")] = '\0';
    ok = cairnd_put(c, config, "operator", "operators", line);
    free(line);
    return ok;
}

/* Where shards go: as told, or in the home. */
static bool put_data(struct cli *c, struct config *config)
{
    const char *value = cli_value(c, "data");
    char *path = path_join(c->home, "data");
    bool ok = put_path(c, config, "data", value != NULL ? value : path);

    free(path);
    return ok;
}

/* The file system that |path| is on or will be on; the nearest folder above it
 * that is there. */
static bool space_look(const char *path, struct statvfs *space)
{
    char *above = strdup(path);
    bool found = above != NULL && statvfs(above, space) == 0;

    while (above != NULL && !found && strrchr(above, '/') != NULL) {
        *strrchr(above, '/') = '\0';
        found = statvfs(above[0] != '\0' ? above : "/", space) == 0;
    }
    free(above);
    return found;
}

/* What shards may take: as told, or what is free but for the reserve. */
static bool put_capacity(struct cli *c, struct config *config)
{
    struct statvfs space;
    uint64_t free_bytes;

    if (cli_value(c, "capacity") != NULL) {
        return put_option(c, config, "capacity", NULL);
    }
    if (!space_look(config->data, &space)) {
        return put_option(c, config, "capacity", NULL);
    }
    free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    if (free_bytes < config->reserve + CONFIG_CAPACITY_MIN) {
        (void)cli_fail(c, EXIT_CODE_USAGE,
                       "the disk of --data has no more than the reserve free",
                       "choose another --data, or a smaller --reserve");
        return false;
    }
    config->capacity = (free_bytes - config->reserve) >> 20 << 20;
    return true;
}

static bool init_parse(struct cli *c, struct config *config)
{
    memset(config, 0, sizeof(*config));
    config->reserve = CONFIG_RESERVE;
    config->feed_quota = CONFIG_FEED_QUOTA;
    if (!put_option(c, config, "name", NULL) ||
        !put_option(c, config, "organisation", config->name) ||
        !put_option(c, config, "jurisdiction", NULL) ||
        !put_option(c, config, "provider", "") || !put_addresses(c, config) ||
        !put_data(c, config) ||
        (cli_value(c, "custodian") != NULL &&
         !put_path(c, config, "custodian", cli_value(c, "custodian"))) ||
        (cli_value(c, "reserve") != NULL &&
         !put_option(c, config, "reserve", NULL)) ||
        !put_capacity(c, config)) {
        return false;
    }
    if (cli_count(c, "operator") == 0) {
        (void)cli_fail(c, EXIT_CODE_USAGE, "--operator is missing",
                       "give the public SSH keys of those who vote and "
                       "approve for this steward");
        return false;
    }
    for (size_t i = 0; i < cli_count(c, "operator"); i++) {
        if (!put_operator(c, config, cli_value_at(c, "operator", i))) {
            return false;
        }
    }
    return true;
}

static int custody_get(struct cli *c,
                       uint8_t **data,
                       size_t *size,
                       char *errmsg)
{
    const char *file = cli_value(c, "custody");
    uint8_t hpke_pk[32], sign_pk[SIGN_PK_SIZE];
    int rv = file_read(file, CARD_CUSTODY_SIZE_MAX, data, size, errmsg);

    if (rv == ERR_FULL ||
        (rv == OK &&
         card_custody_decode(slice_of(*data, *size), hpke_pk, sign_pk) != OK)) {
        errmsg_set(errmsg, "'%s' is not what cairn-custodian writes for a card",
                   file);
        rv = ERR_BAD;
    }
    return rv;
}

/* The configuration comes last: with it the home is complete. */
static int init_make(struct cli *c,
                     struct config *config,
                     struct slice passphrase,
                     struct slice custody,
                     char *errmsg)
{
    char *half = self_path(c->home, SELF_CUSTODY);
    char *database = self_path(c->home, SELF_DATABASE);
    char *conf = self_path(c->home, CONFIG_FILE);
    struct rng rng;
    int rv;

    rng_init_system(&rng);
    rv = folder_make(c->home, 0700, errmsg); /* The data may be in there. */
    if (rv == OK) {
        rv = volume_init(config->data, &rng, config->volume_id, errmsg);
    }
    if (rv == OK) {
        rv = home_create(c->home, passphrase, errmsg);
    }
    if (rv == OK) {
        rv = file_write(half, custody, 0644, FILE_NEW, errmsg);
    }
    if (rv == OK) {
        rv = store_create(database, errmsg);
    }
    if (rv == OK) {
        rv = config_write(config, conf, errmsg);
    }
    free(conf);
    free(database);
    free(half);
    return rv;
}

static int init_print(struct cli *c, struct slice passphrase)
{
    char errmsg[ERRMSG_SIZE] = "";
    char id[2 * DIGEST_SIZE + 1], volume[2 * VOLUME_ID_SIZE + 1];
    struct self s;
    int rv = self_open(&s, c->home, passphrase, errmsg);
    int code = EXIT_CODE_OK;

    if (rv != OK) {
        self_close(&s);
        return cairnd_home_fail(c, rv, errmsg);
    }
    text_hex(id, s.id.bytes, DIGEST_SIZE);
    text_hex(volume, s.config.volume_id, VOLUME_ID_SIZE);
    if (c->json) {
        code =
            cli_print_json(c, "cairnd.init/1",
                           json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id,
                                     "name", s.config.name, "home", c->home,
                                     "data", s.config.data, "volume", volume));
    } else {
        printf("steward   %s\n", s.config.name);
        printf("id        %s\n", id);
        printf("keys      %s/keys; nobody can make them again: back them up\n",
               c->home);
        printf("shards    %s, volume %s\n", s.config.data, volume);
        printf("next      cairnd card --home %s > %.8s.card, for the founders "
               "of a network\n",
               c->home, id);
    }
    self_close(&s);
    return code;
}

static int init_with(struct cli *c,
                     struct config *config,
                     struct slice passphrase)
{
    static const char *const names[] = {
        "keys", CONFIG_FILE, SELF_CUSTODY, SELF_DATABASE,
        "card", "charter",   "network.psk"};
    char errmsg[ERRMSG_SIZE] = "";
    uint8_t *custody = NULL;
    size_t size = 0;
    int code;
    int rv =
        home_lacks(c->home, names, sizeof(names) / sizeof(names[0]), errmsg);

    if (rv != OK) {
        return cli_fail(c, EXIT_CODE_FAILED, errmsg,
                        "choose another --home; nothing was changed");
    }
    rv = custody_get(c, &custody, &size, errmsg);
    if (rv != OK) {
        free(custody);
        return cli_fail(c, exit_code_of(rv), errmsg,
                        "give --custody the file 'card' that cairn-custodian "
                        "made");
    }
    rv = init_make(c, config, passphrase, slice_of(custody, size), errmsg);
    free(custody);
    if (rv == OK) {
        code = init_print(c, passphrase);
    } else {
        code = cli_fail(c, exit_code_of(rv), errmsg,
                        "nothing that was there before was changed; mend the "
                        "cause and run it again, with another --home when this "
                        "one has keys now");
    }
    return code;
}

int cmd_cairnd_init(struct cli *c)
{
    struct config *config = malloc(sizeof(*config));
    char errmsg[ERRMSG_SIZE] = "";
    char *passphrase = NULL;
    size_t size = 0;
    int code = EXIT_CODE_USAGE;
    int rv;

    if (config == NULL) {
        abort();
    }
    if (!cairnd_home_given(c) || !init_parse(c, config)) {
        goto end;
    }
    if (cli_value(c, "custody") == NULL) {
        code = cli_fail(c, EXIT_CODE_USAGE, "--custody is missing",
                        "make a custodian first, with cairn-custodian init, "
                        "and give its file 'card'");
        goto end;
    }
    rv = cli_passphrase(c, &passphrase, &size, errmsg);
    if (rv != OK) {
        code = cli_fail(c, exit_code_of(rv), errmsg, "check --passphrase-file");
        goto end;
    }
    code = init_with(c, config, slice_of(passphrase, size));
end:
    secret_free(passphrase);
    free(config);
    return code;
}
