#include <stdio.h>

#include "node/base/text.h"
#include "node/cmd/cmd_admin.h"
#include "node/cmd/commands.h"

/* `cairn status`: how the local cairnd is. */

const struct cli_option cmd_status_options[] = {
    CMD_ADMIN_OPTION,
    {.name = NULL},
};

static const char *duration(char out[TEXT_SIZE], json_int_t seconds)
{
    return seconds < 0 ? "an unknown time"
                       : text_duration(out, (uint64_t)seconds);
}

static const char *size(char out[TEXT_SIZE],
                        const json_t *object,
                        const char *key)
{
    json_int_t bytes = cmd_json_int(object, key, -1);

    return bytes < 0 ? "unknown" : text_size(out, (uint64_t)bytes);
}

static const char *count(char out[TEXT_SIZE],
                         const json_t *object,
                         const char *key)
{
    json_int_t n = cmd_json_int(object, key, -1);

    (void)snprintf(out, TEXT_SIZE, n < 0 ? "an unknown number" : "%lld",
                   (long long)n);
    return out;
}

static void print_node(const json_t *s)
{
    const json_t *network = json_object_get(s, "network");
    const json_t *listen = json_object_get(s, "listen");
    char text[CMD_TEXT_SIZE], up[TEXT_SIZE];

    printf("node       %s", cmd_json_text(text, s, "name"));
    printf(", cairnd %s, up %s\n", cmd_json_text(text, s, "version"),
           duration(up, cmd_json_int(s, "uptime_s", -1)));
    printf("id         %s\n", cmd_json_text(text, s, "id"));
    printf("network    %s", cmd_json_text(text, network, "name"));
    printf(", %lld steward%s, %lld of which may be faulty\n",
           (long long)cmd_json_int(network, "stewards", 0),
           text_s((uint64_t)cmd_json_int(network, "stewards", 0)),
           (long long)cmd_json_int(network, "f", 0));
    printf("           fingerprint %s\n",
           cmd_json_text(text, network, "fingerprint"));
    if (json_is_true(json_object_get(network, "same_jurisdiction_allowed")) ||
        json_is_true(json_object_get(network, "same_provider_allowed"))) {
        printf("relaxed    its charter lets one jurisdiction or provider hold "
               "more than the margin\n");
    }
    printf("listening  ");
    cmd_json_print_list(listen);
}

static void print_away(const json_t *away)
{
    for (size_t i = 0; i < json_array_size(away); i++) {
        const json_t *a = json_array_get(away, i);
        char member[CMD_TEXT_SIZE], time[TEXT_SIZE];
        bool since = json_is_string(json_object_get(a, "since"));

        printf("           %-24s steward   NOT LINKED %s%s%s\n",
               cmd_json_text(member, a, "member"),
               since ? "for " : "since this node was started, ",
               duration(time, cmd_json_int(a, "away_s", -1)),
               since ? "" : " ago");
    }
}

static void print_links(const json_t *s)
{
    const json_t *links = json_object_get(s, "links");
    const json_t *stewards = json_object_get(s, "stewards");

    printf("links      to %lld of %lld other stewards\n",
           (long long)cmd_json_int(stewards, "linked", 0),
           (long long)cmd_json_int(stewards, "others", 0));
    for (size_t i = 0; i < json_array_size(links); i++) {
        const json_t *l = json_array_get(links, i);
        char member[CMD_TEXT_SIZE], role[CMD_TEXT_SIZE], way[CMD_TEXT_SIZE];
        char address[CMD_TEXT_SIZE], up[TEXT_SIZE];

        printf("           %-24s %-9s %-8s %-24s up %s\n",
               cmd_json_text(member, l, "member"),
               cmd_json_text(role, l, "role"),
               cmd_json_text(way, l, "direction"),
               cmd_json_text(address, l, "address"),
               duration(up, cmd_json_int(l, "up_s", -1)));
    }
    print_away(json_object_get(stewards, "away"));
}

static const char *feed_word(const json_t *f, const char *key, const char *word)
{
    return json_is_true(json_object_get(f, key)) ? word : "";
}

static void print_feeds(const json_t *s)
{
    const json_t *feeds = json_object_get(s, "feeds");

    printf("feeds      entries that are here\n");
    for (size_t i = 0; i < json_array_size(feeds); i++) {
        const json_t *f = json_array_get(feeds, i);
        char member[CMD_TEXT_SIZE], role[CMD_TEXT_SIZE], bytes[TEXT_SIZE];
        json_int_t entries = cmd_json_int(f, "entries", -1);

        printf("           %-24s %-9s ", cmd_json_text(member, f, "member"),
               cmd_json_text(role, f, "role"));
        if (entries < 0) {
            printf("unknown\n");
        } else {
            printf("%lld, %s%s%s%s\n", (long long)entries,
                   size(bytes, f, "bytes"),
                   feed_word(f, "over_quota", ", OVER QUOTA"),
                   feed_word(f, "halted", ", HALTED"),
                   feed_word(f, "forked", ", FORKED"));
        }
    }
}

static void print_holdings(const json_t *s)
{
    const json_t *shards = json_object_get(s, "shards");
    const json_t *bytes = json_object_get(s, "bytes");
    const json_t *labs = json_object_get(s, "labs");
    const json_t *releases = json_object_get(s, "releases");
    char held[TEXT_SIZE], reserved[TEXT_SIZE], capacity[TEXT_SIZE];
    char left[TEXT_SIZE];

    printf("shards     %s held", count(held, shards, "held"));
    printf(", %s coming in", count(held, shards, "filling"));
    printf(", %s missing\n", count(held, shards, "missing"));
    printf("space      %s held, %s reserved, of %s; %s may still be written "
           "on the disk\n",
           size(held, bytes, "held"), size(reserved, bytes, "reserved"),
           size(capacity, bytes, "capacity"), size(left, bytes, "volume_free"));
    for (size_t i = 0; i < json_array_size(labs); i++) {
        const json_t *l = json_array_get(labs, i);
        char member[CMD_TEXT_SIZE];

        printf("           %-24s %s of %s\n",
               cmd_json_text(member, l, "member"), size(held, l, "bytes"),
               size(left, l, "quota"));
    }
    printf("deposits   %s known\n", count(held, s, "deposits"));
    printf("releases   %s known", count(held, releases, "known"));
    printf(", %s open\n", count(held, releases, "open"));
}

static void print_custodian(const json_t *s)
{
    const json_t *c = json_object_get(s, "custodian");
    char text[CMD_TEXT_SIZE], shares[TEXT_SIZE];

    if (!json_is_true(json_object_get(c, "configured"))) {
        printf("custodian  none\n");
    } else if (json_is_true(json_object_get(c, "reachable"))) {
        printf("custodian  there since %s", cmd_json_text(text, c, "since"));
        printf(", holds %s key share%s", count(shares, c, "shares"),
               text_s((uint64_t)cmd_json_int(c, "shares", 0)));
        printf(", lacks %s\n", count(shares, c, "missing"));
    } else {
        printf("custodian  NOT THERE since %s: ",
               cmd_json_text(text, c, "since"));
        printf("%s\n", cmd_json_text(text, c, "text"));
    }
}

static void print_status(const json_t *s, const json_t *trouble)
{
    char text[CMD_TEXT_SIZE];

    print_node(s);
    print_links(s);
    print_feeds(s);
    print_holdings(s);
    print_custodian(s);
    printf("as of      %s, as this node sees it\n",
           cmd_json_text(text, s, "as_of"));
    for (size_t i = 0; i < json_array_size(trouble); i++) {
        const char *item = json_string_value(json_array_get(trouble, i));

        printf("TROUBLE    %s\n", cmd_text(text, item != NULL ? item : "?"));
    }
}

int cmd_status(struct cli *c)
{
    char errmsg[ERRMSG_SIZE] = "";
    const json_t *trouble;
    json_t *status = NULL;
    int code = EXIT_CODE_OK;
    struct admin_client *a = cmd_admin_open(c, &code);
    int rv;

    if (a == NULL) {
        return code;
    }
    rv = admin_client_get_json(a, "/v1/status", "cairn.status/1", &status,
                               errmsg);
    if (rv != OK) {
        return cmd_admin_fail(c, a, rv, errmsg, NULL);
    }
    admin_client_close(a);
    trouble = json_object_get(status, "trouble");
    code = json_array_size(trouble) > 0 ? EXIT_CODE_INCOMPLETE : EXIT_CODE_OK;
    if (c->json) {
        int printed = cmd_print_as(c, "cairn.status/1", status);

        return printed != EXIT_CODE_OK ? printed : code;
    }
    print_status(status, trouble);
    json_decref(status);
    return code;
}
