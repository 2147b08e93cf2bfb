#include <stdio.h>

#include "node/home/config.h"
#include "tests/scratch.h"

/* Keys that ssh-keygen made. */
#define KEY_A      \
    "ssh-ed25519 " \
    "AAAAC3NzaC1lZDI1NTE5AAAAIIgyyNCSHjJ0DY+Yk/uk4kF9xwtmIV5B59aj3kdOCvAd a"

static struct config config;
static char errmsg[ERRMSG_SIZE];

static void setup(void)
{
    scratch_make();
    memset(&config, 0, sizeof(config));
    errmsg[0] = '\0';
}

static int read_text(const char *text)
{
    scratch_put("c", text, 0600);
    errmsg[0] = '\0';
    return config_read(&config, scratch_path("c"), errmsg);
}

#define WHOLE                                      \
    "name = \"Delft Library\"\n"                   \
    "organisation = 'TU \"Delft\"'\n"              \
    "jurisdiction = NL\n"                          \
    "addresses = {\"library.example:7117\"}\n"     \
    "operators = {\"" KEY_A "\"}\n"                \
    "listen = {\"0.0.0.0:7117\", \"[::]:7117\"}\n" \
    "data = \"/srv/cairn\"\n"                      \
    "volume = 000102030405060708090a0b0c0d0e0f\n"  \
    "capacity = 4TiB # as much as we promised\n"

/* The text WHOLE with |more| behind it is refused at its |line|, in words. */
static void refused(const char *more, int line, const char *words)
{
    char text[4096], where[SCRATCH_PATH_SIZE + 32];

    (void)snprintf(text, sizeof(text), "%s%s", WHOLE, more);
    ck_assert_int_eq(read_text(text), ERR_BAD);
    (void)snprintf(where, sizeof(where), "%s:%d: ", scratch_path("c"), line);
    ck_assert_msg(strncmp(errmsg, where, strlen(where)) == 0, "%s", errmsg);
    ck_assert_msg(strstr(errmsg, words) != NULL, "%s", errmsg);
}

/* What a person wrote is understood, and what was left out has a default. */
START_TEST(test_config_is_read)
{
    ck_assert_msg(read_text(WHOLE) == OK, "%s", errmsg);
    ck_assert_str_eq(config.name, "Delft Library");
    ck_assert_str_eq(config.organisation, "TU \"Delft\"");
    ck_assert_str_eq(config.jurisdiction, "NL");
    ck_assert_str_eq(config.provider, "");
    ck_assert_uint_eq(config.addresses_len, 1);
    ck_assert_str_eq(config.addresses[0], "library.example:7117");
    ck_assert_uint_eq(config.operators_len, 1);
    ck_assert_str_eq(config.operators[0], KEY_A);
    ck_assert_uint_eq(config.listen_len, 2);
    ck_assert_str_eq(config.listen[1], "[::]:7117");
    ck_assert_str_eq(config.data, "/srv/cairn");
    ck_assert_uint_eq(config.volume_id[15], 15);
    ck_assert_uint_eq(config.capacity, (uint64_t)4 << 40);
    ck_assert_uint_eq(config.lab_quota, 0);
    ck_assert_uint_eq(config.feed_quota, CONFIG_FEED_QUOTA);
    ck_assert_uint_eq(config.reserve, CONFIG_RESERVE);
    ck_assert_int_eq(config.log_format, LOG_TEXT);
}
END_TEST

/* What is written reads back the same, quotes and dollars included, and a file
 * that is there stays. */
START_TEST(test_config_written_is_read_back)
{
    struct config other;
    char text[8192];

    ck_assert_int_eq(read_text(WHOLE), OK);
    (void)snprintf(config.name, sizeof(config.name), "%s",
                   "a \"b\" \\ ${HOME} # 'x' \xc3\xa9");
    config.lab_quota = 3U << 20;
    config.feed_quota = 5U << 20;
    config.reserve = 4097;
    config.log_format = LOG_JSON;
    memset(&other, 0, sizeof(other));
    ck_assert_msg(config_write(&config, scratch_path("w"), errmsg) == OK, "%s",
                  errmsg);
    ck_assert_int_eq(config_read(&other, scratch_path("w"), errmsg), OK);
    scratch_get("w", text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "\n# Where other members reach it.\n"));
    ck_assert_str_eq(other.name, config.name);
    ck_assert_uint_eq(other.lab_quota, 3U << 20);
    ck_assert_uint_eq(other.feed_quota, 5U << 20);
    ck_assert_uint_eq(other.reserve, 4097);
    ck_assert_int_eq(other.log_format, LOG_JSON);
    ck_assert_uint_eq(other.capacity, config.capacity);
    ck_assert_uint_eq(other.listen_len, 2);
    ck_assert_str_eq(other.operators[0], KEY_A);
    ck_assert_int_eq(config_write(&config, scratch_path("w"), errmsg),
                     ERR_EXISTS);
}
END_TEST

/* A key that is unknown, repeated, of a wrong shape or beyond its bounds is
 * refused with its line. */
START_TEST(test_config_mistakes_have_a_line)
{
    refused("capacitiy = 1GiB\n", 10, "capacitiy");
    refused("\nname = other\n", 11, "twice");
    refused("listen = {\"127.0.0.1:1\"}\n", 10, "twice");
    refused("listen += {\"127.0.0.1:1\"}\n", 10, "twice");
    refused("reserve = -1\n", 10, "size");
    refused("reserve = 1.5GiB\n", 10, "size");
    refused("reserve = {1, 2}\n", 10, "");
    refused("log-format = xml\n", 10, "text or json");
    refused("provider = \"a\tb\"\n", 10, "control");
    refused("provider =\n", 11, "");
    refused("section { }\n", 10, "section");
    refused("include(\"/etc/passwd\")\n", 10, "include");
}
END_TEST

static int read_one(const char *key, const char *value)
{
    return config_put(&config, key, value, errmsg);
}

/* Comments of all kinds are none of the text, and do not shift lines; what only
 * looks like one stays. */
START_TEST(test_config_comments_do_not_count)
{
    refused("# a\n// b \"\n/* c\n\n */ provider = x // d\nx = 1\n", 15, "'x'");
    ck_assert_int_eq(read_text(WHOLE "provider = \"a # b // c /* d\" # e\n"),
                     OK);
    ck_assert_str_eq(config.provider, "a # b // c /* d");
    ck_assert_int_eq(
        read_text(WHOLE "provider = 'it\\'s # x' // e\nreserve = 7 # y"), OK);
    ck_assert_str_eq(config.provider, "it's # x");
    ck_assert_uint_eq(config.reserve, 7);
    ck_assert_int_eq(read_text(WHOLE "provider = http://a//b # c"), OK);
    ck_assert_str_eq(config.provider, "http://a//b");
}
END_TEST

/* Each value has its bounds. */
START_TEST(test_config_values_have_bounds)
{
    char text[CONFIG_PATH_MAX + 2];

    ck_assert_int_eq(read_one("name", ""), ERR_BAD);
    memset(text, 'n', sizeof(text));
    text[CARD_NAME_MAX + 1] = '\0';
    ck_assert_int_eq(read_one("name", text), ERR_BAD);
    text[CARD_NAME_MAX] = '\0';
    ck_assert_int_eq(read_one("name", text), OK);
    ck_assert_int_eq(read_one("name", "\xff"), ERR_BAD);
    ck_assert_int_eq(read_one("data", "srv"), ERR_BAD);
    memset(text, '/', sizeof(text));
    text[CONFIG_PATH_MAX + 1] = '\0';
    ck_assert_int_eq(read_one("data", text), ERR_BAD);
    text[CONFIG_PATH_MAX] = '\0';
    ck_assert_int_eq(read_one("data", text), OK);
    ck_assert_int_eq(read_one("custodian", text), OK);
    ck_assert_int_eq(read_one("custodian", "custodian.sock"), ERR_BAD);
    ck_assert_int_eq(read_one("custodian", "/run/a\nb"), ERR_BAD);
    ck_assert_int_eq(read_one("custodian", ""), OK);
    ck_assert_str_eq(config.custodian, "");
    ck_assert_int_eq(read_one("volume", "00"), ERR_BAD);
    ck_assert_int_eq(read_one("capacity", "0"), ERR_BAD);
    ck_assert_int_eq(read_one("capacity", "1048575"), ERR_BAD);
    ck_assert_int_eq(read_one("capacity", "1048576"), OK);
    ck_assert_int_eq(read_one("capacity", "1152921504606846976"), OK);
    ck_assert_int_eq(read_one("capacity", "1152921504606846977"), ERR_BAD);
    ck_assert_int_eq(read_one("lab-quota", "0"), OK);
    ck_assert_int_eq(read_one("lab-quota", "1.5GiB"), ERR_BAD);
    ck_assert_int_eq(read_one("lab-quota", "1152921504606846977"), ERR_BAD);
    ck_assert_int_eq(read_one("feed-quota", "1MiB"), OK);
    ck_assert_int_eq(read_one("feed-quota", "1048575"), ERR_BAD);
    ck_assert_int_eq(read_one("operators", "ssh-rsa AAAA"), ERR_BAD);
    ck_assert_int_eq(read_one("operators", KEY_A), OK);
    ck_assert_int_eq(read_one("operators", KEY_A), ERR_BAD);
    for (int i = 0; i < LINK_LISTEN_MAX; i++) {
        ck_assert_int_eq(read_one("listen", "127.0.0.1:7117"), OK);
    }
    ck_assert_int_eq(read_one("listen", "127.0.0.1:7117"), ERR_BAD);
}
END_TEST

/* No key that a node needs can be left out; which one it was is said. */
START_TEST(test_config_missing_key_is_named)
{
    ck_assert_int_eq(read_text("name = x\n"), ERR_BAD);
    ck_assert_ptr_nonnull(strstr(errmsg, "'organisation' is missing"));
    ck_assert_int_eq(read_text(""), ERR_BAD);
    ck_assert_int_eq(config_read(&config, scratch_path("none"), errmsg),
                     ERR_NOTFOUND);
}
END_TEST

/* Bytes that are no configuration, and too many of them, are refused. */
START_TEST(test_config_nonsense_is_refused)
{
    static char big[CONFIG_SIZE_MAX + 2];
    static const char *const texts[] = {
        "\"",        "'",    "name = \"x", "= = =",    "{", "}",
        "name name", "/* x", "\x01\x02",   "name = {", "+="};
    int fd;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_int_eq(read_text(texts[i]), ERR_BAD);
        ck_assert_str_ne(errmsg, "");
    }
    memset(big, '\n', CONFIG_SIZE_MAX + 1);
    ck_assert_int_eq(read_text(big), ERR_BAD);
    fd = open(scratch_path("c"), O_WRONLY | O_TRUNC);
    ck_assert_int_eq(write(fd, WHOLE "\0", sizeof(WHOLE)), sizeof(WHOLE));
    close(fd);
    ck_assert_int_eq(config_read(&config, scratch_path("c"), errmsg), ERR_BAD);
    ck_assert_ptr_nonnull(strstr(errmsg, "zero"));
}
END_TEST

Suite *suite_make(void)
{
    Suite *suite = suite_create("config");
    TCase *tc = tcase_create("config");

    tcase_add_checked_fixture(tc, setup, scratch_remove);
    tcase_add_test(tc, test_config_is_read);
    tcase_add_test(tc, test_config_written_is_read_back);
    tcase_add_test(tc, test_config_mistakes_have_a_line);
    tcase_add_test(tc, test_config_comments_do_not_count);
    tcase_add_test(tc, test_config_values_have_bounds);
    tcase_add_test(tc, test_config_missing_key_is_named);
    tcase_add_test(tc, test_config_nonsense_is_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
