#include <unistd.h>

#include "node/base/terminal.h"
#include "node/base/text.h"
#include "node/cmd/cmd_custodian.h"

#define FINGERPRINT_DIGITS 40U
#define LINE_MAX_SIZE      16

const struct cli_option cmd_custodian_pin_options[] = {
    {.name = "fingerprint",
     .value = "DIGITS",
     .help = "the network's, as compared with others; without it the "
             "terminal is asked"},
    {.name = NULL},
};

/* --- The fingerprint ----------------------------------------------------- */

/* The digits of |text|, which may stand in groups; false when there are other
 * characters, or more or fewer than a fingerprint has. */
static bool digits_read(const char *text, char out[FINGERPRINT_DIGITS])
{
    size_t len = 0;

    for (; *text != '\0'; text++) {
        if (*text >= '0' && *text <= '9') {
            if (len == FINGERPRINT_DIGITS) {
                return false;
            }
            out[len++] = *text;
        } else if (*text != ' ' && *text != '-') {
            return false;
        }
    }
    return len == FINGERPRINT_DIGITS;
}

static int fingerprint_compare(struct cli *c,
                               const char *given,
                               const char *fingerprint)
{
    char ours[FINGERPRINT_DIGITS], theirs[FINGERPRINT_DIGITS];
    char what[160];
    bool ok = digits_read(fingerprint, ours);

    assert(ok);
    (void)ok;
    if (!digits_read(given, theirs)) {
        return cli_fail(c, EXIT_CODE_USAGE,
                        "--fingerprint is not eight groups of five digits",
                        "give it as 'cairn network show' prints it");
    }
    if (memcmp(ours, theirs, sizeof(ours)) == 0) {
        return EXIT_CODE_OK;
    }
    (void)snprintf(what, sizeof(what),
                   "this is not the network that you mean: its fingerprint is "
                   "%s",
                   fingerprint);
    return cli_fail(c, EXIT_CODE_DENIED, what,
                    "nothing was changed; find out who gave you this charter");
}

/* A line from the terminal; what does not fit is dropped. */
static bool line_read(int tty, char line[LINE_MAX_SIZE])
{
    size_t len = 0;
    char byte = '\0';

    while (read(tty, &byte, 1) == 1) {
        if (byte == '\n' || byte == '\r') {
            line[len] = '\0';
            return true;
        }
        if (len < LINE_MAX_SIZE - 1) {
            line[len++] = byte;
        }
    }
    return false;
}

static int fingerprint_ask(struct cli *c,
                           const struct custody_network *n,
                           const char *fingerprint)
{
    int tty = terminal_open();
    char line[LINE_MAX_SIZE] = "";
    bool yes;

    if (tty < 0) {
        return cli_fail(c, EXIT_CODE_USAGE,
                        "there is no terminal to ask whether this is the right "
                        "network",
                        "give --fingerprint, as compared with the other "
                        "founders");
    }
    (void)dprintf(tty,
                  "network      %s, %u steward%s\n"
                  "steward      %s\n"
                  "fingerprint  %s\n"
                  "Did the other founders tell you the same fingerprint? Type "
                  "yes: ",
                  n->charter->name, n->charter->stewards,
                  text_s(n->charter->stewards), n->steward->name, fingerprint);
    yes = line_read(tty, line) && strcmp(line, "yes") == 0;
    close(tty);
    if (!yes) {
        return cli_fail(c, EXIT_CODE_DENIED,
                        "the fingerprint was not confirmed",
                        "nothing was changed; compare it and run it again");
    }
    return EXIT_CODE_OK;
}

/* --- pin ----------------------------------------------------------------- */

static int pin_print(struct cli *c,
                     const struct custody_network *n,
                     const char *fingerprint,
                     bool same)
{
    char net[2 * DIGEST_SIZE + 1];

    if (c->json) {
        return cli_print_json(
            c, "cairn-custodian.pin/1",
            json_pack("{s:s, s:s, s:s, s:I, s:s, s:b}", "name",
                      n->charter->name, "net",
                      text_hex(net, n->net.bytes, DIGEST_SIZE), "fingerprint",
                      fingerprint, "epoch", (json_int_t)n->charter->epoch,
                      "steward", n->steward->name, "already", same));
    }
    printf("network      %s%s\n", n->charter->name,
           same ? ", to which this custodian is pinned already" : "");
    printf("fingerprint  %s\n", fingerprint);
    printf("steward      %s\n", n->steward->name);
    printf("next         cairn-custodian run --home %s\n", c->home);
    return EXIT_CODE_OK;
}

/* With the lock held, and |n| verified. */
static int pin_with(struct cli *c,
                    const struct custody_card *card,
                    const struct custody_network *n)
{
    const char *given = cli_value(c, "fingerprint");
    char errmsg[ERRMSG_SIZE] = "";
    char fingerprint[CHARTER_FINGERPRINT_SIZE];
    bool same = false;
    int code = EXIT_CODE_OK;
    int rv = custody_pin_check(c->home, card, n, &same, errmsg);

    if (rv != OK) {
        return cli_fail(c,
                        rv == ERR_EXISTS ? EXIT_CODE_DENIED : exit_code_of(rv),
                        errmsg, "nothing was changed");
    }
    charter_fingerprint(&n->net, fingerprint);
    if (given != NULL) {
        code = fingerprint_compare(c, given, fingerprint);
    } else if (!same) {
        code = fingerprint_ask(c, n, fingerprint);
    }
    if (code != EXIT_CODE_OK) {
        return code;
    }
    rv = custody_pin(c->home, n, errmsg);
    return rv == OK ? pin_print(c, n, fingerprint, same)
                    : custodian_fail(c, rv, errmsg);
}

int cmd_custodian_pin(struct cli *c)
{
    struct custody_network n = {.chain = NULL};
    char errmsg[ERRMSG_SIZE] = "";
    struct custody_card card;
    int lock = -1;
    int code;
    int rv;

    if (!custodian_home_given(c)) {
        return EXIT_CODE_USAGE;
    }
    rv = custody_home_card(c->home, &card, errmsg);
    if (rv == OK) {
        lock = custody_home_lock(c->home, errmsg);
        rv = lock >= 0 ? OK : lock;
    }
    if (rv == OK) {
        rv = custody_network_read(&n, &card, c->args[0], c->args[1], errmsg);
    }
    code = rv == OK ? pin_with(c, &card, &n) : custodian_fail(c, rv, errmsg);
    custody_network_close(&n);
    if (lock >= 0) {
        close(lock);
    }
    return code;
}
