#include "node/cmd/cmd_custodian.h"

#include <stdlib.h>

#include "crypto/secret.h"
#include "node/base/text.h"

static const struct cli_option init_options[] = {
    {.name = "passphrase-file",
     .value = "FILE",
     .help = "seal the keys under its first line; without it the custodian "
             "starts unattended"},
    {.name = NULL},
};

/* --- What all of them need ----------------------------------------------- */

bool custodian_home_given(struct cli *c)
{
    if (c->home == NULL) {
        (void)cli_fail(c, EXIT_CODE_USAGE, "it is not said where the home is",
                       "give --home DIR, or set CAIRN_HOME");
        return false;
    }
    return true;
}

int custodian_fail(struct cli *c, int rv, const char *errmsg)
{
    switch (rv) {
    case ERR_AUTH:
    case ERR_DENIED:
        return cli_fail(c, EXIT_CODE_DENIED, errmsg,
                        "nothing was changed; mend that and run it again");
    case ERR_BUSY:
        return cli_fail(c, EXIT_CODE_LOCKED, errmsg,
                        "one home belongs to one process at a time");
    default:
        return cli_fail(c, exit_code_of(rv), errmsg,
                        "mend the cause and run it again");
    }
}

int custodian_sums(struct custodian_sums *sums,
                   const char *store,
                   const uint8_t id[VOLUME_ID_SIZE],
                   char *errmsg)
{
    int rv = custody_store_sum(store, id, slice_str(CMD_CUSTODIAN_SHARES),
                               &sums->shares, errmsg);

    if (rv == OK) {
        rv = custody_store_sum(store, id, slice_str(CMD_CUSTODIAN_DECISIONS),
                               &sums->decisions, errmsg);
    }
    return rv;
}

/* --- init ---------------------------------------------------------------- */

static int init_print(struct cli *c)
{
    char hpke[2 * HPKE_KEY_SIZE + 1], sign[2 * SIGN_PK_SIZE + 1];
    char errmsg[ERRMSG_SIZE] = "";
    struct custody_card card;
    int rv = custody_home_card(c->home, &card, errmsg);

    if (rv != OK) {
        return custodian_fail(c, rv, errmsg);
    }
    text_hex(hpke, card.hpke_pk, HPKE_KEY_SIZE);
    text_hex(sign, card.sign_pk, SIGN_PK_SIZE);
    if (c->json) {
        return cli_print_json(c, "cairn-custodian.init/1",
                              json_pack("{s:s, s:s, s:s}", "home", c->home,
                                        "encryption_key", hpke, "signing_key",
                                        sign));
    }
    printf("custodian  %s\n", c->home);
    printf("keys       %s/keys; nobody can make them again: back up the home\n",
           c->home);
    printf("next       cairnd init --custody %s/card ..., and when the network "
           "is founded\n"
           "           cairn-custodian pin --home %s CHARTER NETWORK.PSK\n",
           c->home, c->home);
    return EXIT_CODE_OK;
}

static int init_run(struct cli *c)
{
    char errmsg[ERRMSG_SIZE] = "";
    char *passphrase = NULL;
    size_t size = 0;
    int rv;

    if (!custodian_home_given(c)) {
        return EXIT_CODE_USAGE;
    }
    rv = cli_passphrase(c, &passphrase, &size, errmsg);
    if (rv == OK) {
        rv = custody_home_create(c->home, slice_of(passphrase, size), errmsg);
    }
    secret_free(passphrase);
    if (rv == ERR_EXISTS) {
        return cli_fail(c, EXIT_CODE_FAILED, errmsg,
                        "choose another --home; nothing was changed");
    }
    return rv == OK ? init_print(c) : custodian_fail(c, rv, errmsg);
}

/* --- status -------------------------------------------------------------- */

struct summary {
    struct custody_network network; /* Without a steward: not pinned. */
    bool pinned, sealed;
    struct custodian_sums sums;
};

/* Nothing here needs the keys, nor the lock: a custodian may be at work. */
static int status_read(struct summary *s, const char *home, char *errmsg)
{
    char *store = path_join(home, CUSTODY_HOME_STORE);
    uint8_t id[VOLUME_ID_SIZE];
    struct custody_card card;
    int rv = custody_home_card(home, &card, errmsg);

    if (rv == OK) {
        custody_home_store_id(&card, id);
        rv = home_is_sealed(home, &s->sealed, errmsg);
    }
    if (rv == OK) {
        rv = custody_network_pinned(&s->network, &card, home, false, errmsg);
        s->pinned = rv == OK;
        /* Not pinned is no mistake; a charter that is there has to be good. */
        rv = rv == ERR_NOTFOUND && s->network.chain == NULL ? OK : rv;
    }
    if (rv == OK) {
        rv = custodian_sums(&s->sums, store, id, errmsg);
    }
    free(store);
    return rv;
}

static json_t *time_json(uint64_t unix_s)
{
    char text[TEXT_SIZE];

    return unix_s != 0 ? json_string(text_time(text, unix_s)) : json_null();
}

static int status_print_json(struct cli *c,
                             const struct summary *s,
                             const char *fingerprint)
{
    const struct charter *charter = s->network.charter;
    json_t *network = json_null();

    if (s->pinned) {
        network = json_pack("{s:s, s:s, s:I, s:s}", "name", charter->name,
                            "fingerprint", fingerprint, "epoch",
                            (json_int_t)charter->epoch, "steward",
                            s->network.steward->name);
    }
    return cli_print_json(
        c, "cairn-custodian.status/1",
        json_pack("{s:s, s:o, s:b, s:o, s:I, s:o, s:I, s:o}", "home", c->home,
                  "network", network, "sealed", s->sealed, "since",
                  time_json(s->sums.shares.made_s), "shares",
                  (json_int_t)s->sums.shares.rows, "last_share",
                  time_json(s->sums.shares.newest_s), "decisions",
                  (json_int_t)s->sums.decisions.rows, "last_decision",
                  time_json(s->sums.decisions.newest_s)));
}

static void status_print_sum(const char *what,
                             const struct custody_store_sum *sum)
{
    char last[TEXT_SIZE];

    printf("%-12s %llu%s%s\n", what, (unsigned long long)sum->rows,
           sum->newest_s != 0 ? ", the last of " : "",
           sum->newest_s != 0 ? text_time(last, sum->newest_s) : "");
}

static int status_print(struct cli *c, const struct summary *s)
{
    char fingerprint[CHARTER_FINGERPRINT_SIZE] = "", made[TEXT_SIZE];

    if (s->pinned) {
        charter_fingerprint(&s->network.net, fingerprint);
    }
    if (c->json) {
        return status_print_json(c, s, fingerprint);
    }
    if (s->pinned) {
        printf("network      %s, epoch %llu\n", s->network.charter->name,
               (unsigned long long)s->network.charter->epoch);
        printf("fingerprint  %s\n", fingerprint);
        printf("steward      %s\n", s->network.steward->name);
    } else {
        printf("network      none; pin one with 'cairn-custodian pin'\n");
    }
    printf("keys         %s\n", s->sealed ? "sealed under a passphrase"
                                          : "in the clear, for an unattended "
                                            "start");
    printf("store        since %s, by the times of its files\n",
           text_time(made, s->sums.shares.made_s));
    status_print_sum("shares", &s->sums.shares);
    status_print_sum("decisions", &s->sums.decisions);
    return EXIT_CODE_OK;
}

static int status_run(struct cli *c)
{
    char errmsg[ERRMSG_SIZE] = "";
    struct summary s = {.pinned = false};
    int code;
    int rv;

    if (!custodian_home_given(c)) {
        return EXIT_CODE_USAGE;
    }
    rv = status_read(&s, c->home, errmsg);
    code = rv == OK ? status_print(c, &s) : custodian_fail(c, rv, errmsg);
    custody_network_close(&s.network);
    return code;
}

const struct cli_command cmd_custodian[] = {
    {.name = "init",
     .summary = "Make the keys of a custodian",
     .details =
         "Makes a home with the steward's custody keys, which never leave it, "
         "and the\n"
         "file 'card' in it: the custodian's half of the steward's card. "
         "Refuses to touch\n"
         "what is there.\n"
         "\n"
         "  cairn-custodian init --home c1\n"
         "  cairnd init --home s1 --custody c1/card ...\n",
     .options = init_options,
     .run = init_run},
    {.name = "pin",
     .summary = "Bind this custodian to a network, for good",
     .arguments = "CHARTER NETWORK.PSK",
     .args_min = 2,
     .args_max = 2,
     .details =
         "Verifies the chain of signatures, that a steward in it has the keys "
         "of this\n"
         "custodian, and that the secret fits. Everything that the custodian "
         "will ever\n"
         "believe comes from this charter: compare the fingerprint with the "
         "other founders\n"
         "by telephone, not with what a node shows. A custodian never goes to "
         "another\n"
         "network, nor back an epoch.\n"
         "\n"
         "  cairn-custodian pin --home c1 stones.charter network.psk\n"
         "  cairn-custodian pin --home c1 stones.charter network.psk \\\n"
         "      --fingerprint \"01234 56789 01234 56789 01234 56789 01234 "
         "56789\"\n",
     .options = cmd_custodian_pin_options,
     .run = cmd_custodian_pin},
    {.name = "run",
     .summary = "Serve the steward's node, in the foreground",
     .details =
         "Prints a line that begins with READY when it accepts connections, "
         "logs to\n"
         "stderr, and ends on SIGTERM.\n"
         "\n"
         "Only this user may connect, and the socket lies in the home, which "
         "nobody else\n"
         "may enter. Where cairnd runs as another user, as it should, name "
         "that user, and\n"
         "put the socket (then 0660) into a folder of its group:\n"
         "\n"
         "  install -d -m 2750 -o custodian -g cairn /run/cairn-custody\n"
         "  cairn-custodian run --home c1 --peer cairn --socket "
         "/run/cairn-custody/socket\n",
     .options = cmd_custodian_run_options,
     .run = cmd_custodian_run},
    {.name = "status",
     .summary = "Show what this custodian holds",
     .details =
         "How many shares and decisions there are, and when the last of each "
         "was written.\n"
         "These are the times of files: after a backup was put back, compare "
         "them with\n"
         "what the node knows ('cairn status'). Asks for no passphrase, and "
         "may be used\n"
         "while the custodian runs.\n",
     .run = status_run},
    {.name = NULL},
};
