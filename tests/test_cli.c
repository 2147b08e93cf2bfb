#include <limits.h>

#include "node/cli/cli.h"
#include "tests/scratch.h"

/* A command line as tests give it: a small table like that of `cairn`. */

static int noted_run(struct cli *c);

static const struct cli_option create_options[] = {
    {.name = "shards", .letter = 'n', .value = "N", .help = "shards in all"},
    {.name = "segment-size", .value = "SIZE", .help = "plaintext at a time"},
    {.name = "force", .letter = 'f', .help = "overwrite"},
    {.name = "only",
     .value = "PATH",
     .help = "restore this",
     .repeats = true,
     .greedy = true},
    {.name = NULL},
};
static const struct cli_option recover_options[] = {
    {.name = "from",
     .letter = 'F',
     .value = "SHARD",
     .help = "folder of a shard; give any k of them, in any order, and more "
             "than k for a restore that goes on when one of them is damaged",
     .repeats = true,
     .greedy = true},
    {.name = "shares",
     .value = "FILE",
     .help = "opened key share",
     .repeats = true,
     .greedy = true},
    {.name = NULL},
};
static const struct cli_command deposit_commands[] = {
    {.name = "create",
     .summary = "Seal a model",
     .arguments = "DIR [FILE...]",
     .args_min = 1,
     .args_max = UINT_MAX,
     .details = "First paragraph.\n\n  cairn deposit create x\n",
     .options = create_options,
     .run = noted_run},
    {.name = "id", .summary = "Show identities", .run = noted_run},
    {.name = "list", .summary = "List deposits", .run = noted_run},
    {.name = NULL},
};
static const struct cli_command commands[] = {
    {.name = "deposit",
     .summary = "Seal models and list them",
     .subs = deposit_commands},
    {.name = "recover",
     .summary = "Restore a model",
     .arguments = "OUT",
     .args_min = 1,
     .args_max = 1,
     .options = recover_options,
     .run = noted_run},
    {.name = NULL},
};
static const struct cli_command root = {.name = "cairn",
                                        .summary = "Keep weights recoverable",
                                        .subs = commands};

/* What a command saw, and what was printed. */
static char noted[1024];
static int (*then)(struct cli *c);
static char out[16384];
static char err[16384];

static void note_option(const struct cli *c, const char *name)
{
    size_t size = strlen(noted);

    for (size_t i = 0; i < cli_count(c, name); i++) {
        const char *value = cli_value_at(c, name, i);

        size += (size_t)snprintf(noted + size, sizeof(noted) - size, " %s=%s",
                                 name, value == NULL ? "yes" : value);
    }
}

/* Notes "create a b force=yes only=x", common options as well. */
static int noted_run(struct cli *c)
{
    size_t size =
        (size_t)snprintf(noted, sizeof(noted), "%s", c->command->name);

    for (size_t i = 0; i < c->args_len; i++) {
        size += (size_t)snprintf(noted + size, sizeof(noted) - size, " %s",
                                 c->args[i]);
    }
    for (const struct cli_option *o = c->command->options;
         o != NULL && o->name != NULL; o++) {
        note_option(c, o->name);
    }
    return then == NULL ? EXIT_CODE_OK : then(c);
}

static void setup(void)
{
    scratch_make();
    unsetenv("CAIRN_HOME");
    then = NULL;
}

/* Send |fd| into the file |name|; returns the old descriptor. */
static int redirect(int fd, const char *name)
{
    int old = dup(fd);
    int file = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(dup2(file, fd), fd);
    close(file);
    return old;
}

static void redirect_end(int fd, int old)
{
    ck_assert_int_eq(dup2(old, fd), fd);
    close(old);
}

/* Run `cairn LINE`, split at blanks. */
static int run(const char *line)
{
    char copy[512];
    char *argv[64] = {(char[]){"cairn"}};
    int argc = 1;
    int old_out;
    int old_err;
    int code;

    (void)snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL;
         word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    noted[0] = '\0';
    (void)fflush(NULL);
    old_out = redirect(STDOUT_FILENO, "out");
    old_err = redirect(STDERR_FILENO, "err");
    code = cli_main(&root, argc, argv);
    (void)fflush(NULL);
    redirect_end(STDOUT_FILENO, old_out);
    redirect_end(STDERR_FILENO, old_err);
    scratch_get("out", out, sizeof(out));
    scratch_get("err", err, sizeof(err));
    return code;
}

static void ck_assert_in(const char *text, const char *words)
{
    ck_assert_msg(strstr(text, words) != NULL, "'%s' is not in '%s'", words,
                  text);
}

/* Read |text| as one line of JSON with that schema. */
static json_t *json_of(const char *text, const char *schema)
{
    json_error_t error;
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    const char *found;

    ck_assert_msg(o != NULL, "%s: %s", error.text, text);
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    found = json_string_value(json_object_get(o, "schema"));
    ck_assert_str_eq(found, schema);
    return o;
}

/* Lines, and what the command sees. */
static const struct {
    const char *line, *noted;
} good_lines[] = {
    {"deposit list", "list"},
    {"deposit create a b c", "create a b c"},
    {"deposit create a -n 7", "create a shards=7"},
    {"deposit create a -n7", "create a shards=7"},
    {"deposit create --shards 7 a", "create a shards=7"},
    {"deposit create --shards=7 a", "create a shards=7"},
    {"deposit create -fn 7 a", "create a shards=7 force=yes"},
    {"deposit create -qvf a -f --force", "create a force=yes"},
    {"deposit create --only=x a --only y", "create a only=x only=y"},
    {"deposit create --only=--x a --only=", "create a only=--x only="},
    {"deposit create a b --only x y", "create a b only=x only=y"},
    {"deposit create --segment-size=a=b a", "create a segment-size=a=b"},
    {"deposit create -- --force -n", "create --force -n"},
    {"deposit create a -- --", "create a --"},
    {"deposit create - -f", "create - force=yes"},
    {"--quiet deposit -v create a", "create a"},
    {"recover --from a b c --shares x y z out",
     "recover out from=a from=b from=c shares=x shares=y shares=z"},
    {"recover out --from a b --shares x y",
     "recover out from=a from=b shares=x shares=y"},
    {"recover --from a b -- out", "recover out from=a from=b"},
    {"recover --from a out", "recover out from=a"},
    {"recover --from=a out --from b c", "recover out from=a from=b from=c"},
    {"recover -F a b out", "recover out from=a from=b"},
    {"recover -Fa out", "recover out from=a"},
    {"recover --from a b -q out", "recover out from=a from=b"},
    {"recover --from a b out -q --json", "recover out from=a from=b"},
    {"recover --from a b --json --shares x y out -q",
     "recover out from=a from=b shares=x shares=y"},
};

/* Options and words may come in any order; greedy options take what they may
 * and leave what the command needs. */
START_TEST(test_cli_line)
{
    int code = run(good_lines[_i].line);

    ck_assert_msg(code == EXIT_CODE_OK, "%s: %s", good_lines[_i].line, err);
    ck_assert_str_eq(noted, good_lines[_i].noted);
    ck_assert_str_eq(out, "");
    ck_assert_str_eq(err, "");
}
END_TEST

/* Lines, and what is said about them. */
static const struct {
    const char *line, *said;
} bad_lines[] = {
    {"deposti list", "cairn: unknown command 'deposti'; did you mean "
                     "'deposit'?\nsee: cairn --help\n"},
    {"deposit lst", "cairn deposit: unknown command 'lst'; did you mean "
                    "'list'?\nsee: cairn deposit --help\n"},
    {"deposit cretae a", "did you mean 'create'?"},
    {"edpsoit list", "did you mean 'deposit'?"},
    {"deposit ls", "did you mean 'list'?"},
    {"deposit xy", "unknown command 'xy'\nsee:"},
    {"frobnicate", "cairn: unknown command 'frobnicate'\nsee:"},
    {"ls", "cairn: unknown command 'ls'\nsee:"},
    {"help deposti", "did you mean 'deposit'?"},
    {"-- deposit list", "unknown command 'deposit'"},
    {"deposit create a --forec", "cairn deposit create: unknown option "
                                 "'--forec'; did you mean '--force'?\n"},
    {"deposit create a --segmentsize=4", "'--segmentsize'; did you mean "
                                         "'--segment-size'?"},
    {"deposit create a --jsno", "did you mean '--json'?"},
    {"deposit create a --frobnicate", "unknown option '--frobnicate'\nsee:"},
    {"deposit create a --=x", "unknown option '--'\n"},
    {"deposit create a -x", "unknown option '-x' in '-x'"},
    {"deposit create a -qx", "unknown option '-x' in '-qx'"},
    {"deposit create a -5", "unknown option '-5'"},
    {"deposit list --shards 5", "unknown option '--shards'"},
    {"--shards 5 deposit create a", "cairn: unknown option '--shards'"},
    {"deposit create a --shards", "--shards needs a value: --shards=N"},
    {"deposit create a -n", "--shards needs a value"},
    {"deposit create a --shards --force", "--shards needs a value"},
    {"deposit create a --shards -- b", "--shards needs a value"},
    {"deposit create a --force=yes", "--force takes no value"},
    {"deposit create a -n 7 --shards 8", "--shards is given twice"},
    {"deposit create", "too few arguments, wanted: DIR [FILE...]"},
    {"deposit create --shards 7", "too few arguments"},
    {"deposit list x", "'x' is one argument too many"},
    {"recover --from a", "too few arguments, wanted: OUT"},
    {"recover --from a b c --shares x", "too few arguments"},
    {"recover --from", "--from needs a value"},
    {"recover a b c", "'b' is one argument too many"},
    {"deposit list --progress=fast", "--progress: 'fast' is not auto, tty"},
    {"deposit list --home=", "--home is empty"},
};

/* A mistake runs nothing, is told with a pointer to the help, and exits 2;
 * with --json anywhere in the line it is an object that says the same. */
START_TEST(test_cli_mistake)
{
    char line[256];
    json_t *o;

    ck_assert_int_eq(run(bad_lines[_i].line), EXIT_CODE_USAGE);
    ck_assert_in(err, bad_lines[_i].said);
    ck_assert_in(err, "--help\n");
    ck_assert_str_eq(noted, "");
    ck_assert_str_eq(out, "");
    (void)snprintf(line, sizeof(line), "--json %s", bad_lines[_i].line);
    ck_assert_int_eq(run(line), EXIT_CODE_USAGE);
    ck_assert_str_eq(out, "");
    o = json_of(err, "cairn.error/1");
    ck_assert_int_eq(json_integer_value(json_object_get(o, "code")), 2);
    ck_assert_in(json_string_value(json_object_get(o, "next")), "--help");
    ck_assert_uint_gt(json_string_length(json_object_get(o, "error")), 0);
    json_decref(o);
}
END_TEST

/* No command at all shows what there is. */
START_TEST(test_cli_no_command)
{
    json_t *o;

    ck_assert_int_eq(run(""), EXIT_CODE_USAGE);
    ck_assert_str_eq(out, "");
    ck_assert_in(err, "Usage: cairn [OPTION...] COMMAND\n");
    ck_assert_int_eq(run("deposit"), EXIT_CODE_USAGE);
    ck_assert_in(err, "  list                    List deposits\n");
    ck_assert_int_eq(run("deposit --json"), EXIT_CODE_USAGE);
    o = json_of(err, "cairn.error/1");
    json_decref(o);
}
END_TEST

/* Help names everything there is to know, wherever it is asked for, in lines
 * of at most 80 characters. */
START_TEST(test_cli_help)
{
    char long_form[sizeof(out)];

    ck_assert_int_eq(run("recover --help"), EXIT_CODE_OK);
    ck_assert_str_eq(err, "");
    ck_assert_in(out, "Usage: cairn recover [OPTION...] OUT\n\n"
                      "Restore a model.\n");
    ck_assert_in(out, "\n  -F, --from SHARD...     folder of a shard; give");
    ck_assert_in(out, "\n      --shares FILE...    opened key share\n");
    ck_assert_in(out, "\n  -q, --quiet");
    for (char *at = out; *at != '\0'; at = strchr(at, '\n') + 1) {
        ck_assert_uint_le(strcspn(at, "\n"), 80);
    }
    memcpy(long_form, out, sizeof(out));
    ck_assert_int_eq(run("help recover"), EXIT_CODE_OK);
    ck_assert_str_eq(out, long_form);
    ck_assert_int_eq(run("-h recover a b"), EXIT_CODE_OK);
    ck_assert_str_eq(out, long_form);
    ck_assert_int_eq(run("deposit create -h"), EXIT_CODE_OK);
    ck_assert_in(out, "\nFirst paragraph.\n\n  cairn deposit create x\n\n");
    ck_assert_int_eq(run("help deposit"), EXIT_CODE_OK);
    ck_assert_in(out, "\n  create                  Seal a model\n");
    ck_assert_in(out, "cairn deposit COMMAND --help\n");
    ck_assert_str_eq(noted, "");
}
END_TEST

static void tree_check(const json_t *command)
{
    const json_t *option;
    const json_t *sub;
    size_t i;

    ck_assert_uint_gt(json_string_length(json_object_get(command, "name")), 0);
    ck_assert_uint_gt(json_string_length(json_object_get(command, "summary")),
                      0);
    json_array_foreach(json_object_get(command, "options"), i, option)
    {
        ck_assert_uint_gt(json_string_length(json_object_get(option, "help")),
                          0);
    }
    json_array_foreach(json_object_get(command, "commands"), i, sub)
    {
        tree_check(sub);
    }
}

/* The tree in JSON holds every command and option. */
START_TEST(test_cli_help_json)
{
    json_t *o;
    json_t *tree;
    json_t *create;

    ck_assert_int_eq(run("help --json"), EXIT_CODE_OK);
    ck_assert_str_eq(err, "");
    o = json_of(out, "cairn.help/1");
    tree = json_object_get(o, "command");
    tree_check(tree);
    ck_assert_uint_gt(json_array_size(json_object_get(o, "common_options")), 5);
    create = json_array_get(
        json_object_get(json_array_get(json_object_get(tree, "commands"), 0),
                        "commands"),
        0);
    ck_assert_str_eq(json_string_value(json_object_get(create, "name")),
                     "create");
    ck_assert(json_is_null(json_object_get(create, "args_max")));
    ck_assert_uint_eq(json_array_size(json_object_get(create, "options")), 4);
    json_decref(o);
}
END_TEST

/* The version, for people and for programs. */
START_TEST(test_cli_version)
{
    json_t *o;

    ck_assert_int_eq(run("--version"), EXIT_CODE_OK);
    ck_assert_int_eq(strncmp(out, "cairn ", 6), 0);
    ck_assert_int_eq(run("--version --json"), EXIT_CODE_OK);
    o = json_of(out, "cairn.version/1");
    ck_assert_str_eq(json_string_value(json_object_get(o, "program")), "cairn");
    json_decref(o);
}
END_TEST

static int print_common(struct cli *c)
{
    (void)printf("%s %s %d%d%d", c->home == NULL ? "-" : c->home, c->progress,
                 c->json, c->quiet, c->verbose);
    return EXIT_CODE_OK;
}

/* --home wins over CAIRN_HOME, an empty one is none. */
START_TEST(test_cli_common)
{
    then = print_common;
    ck_assert_int_eq(run("deposit list"), EXIT_CODE_OK);
    ck_assert_str_eq(out, "- auto 000");
    setenv("CAIRN_HOME", "", 1);
    ck_assert_int_eq(run("deposit list --json -v --progress none"),
                     EXIT_CODE_OK);
    ck_assert_str_eq(out, "- none 101");
    setenv("CAIRN_HOME", "/env", 1);
    ck_assert_int_eq(run("deposit list -q"), EXIT_CODE_OK);
    ck_assert_str_eq(out, "/env auto 010");
    ck_assert_int_eq(run("deposit --home /arg list"), EXIT_CODE_OK);
    ck_assert_str_eq(out, "/arg auto 000");
}
END_TEST

static int print_numbers(struct cli *c)
{
    uint64_t n = 7;
    uint64_t bytes = 32;

    if (!cli_uint(c, "shards", 2, 255, &n) ||
        !cli_size(c, "segment-size", 4096, (uint64_t)32 << 20, &bytes)) {
        return EXIT_CODE_USAGE;
    }
    (void)printf("%llu %llu", (unsigned long long)n, (unsigned long long)bytes);
    return EXIT_CODE_OK;
}

/* Numbers and sizes are whole and within their bounds. */
START_TEST(test_cli_numbers)
{
    static const struct {
        const char *options, *out, *err;
    } cases[] = {
        {"", "7 32", ""},
        {"-n2", "2 32", ""},
        {"-n255", "255 32", ""},
        {"-n007", "7 32", ""},
        {"-n1", "", "--shards: 1 is not within 2..255"},
        {"-n256", "", "is not within 2..255"},
        {"--shards=-3", "", "--shards: '-3' is not a whole number"},
        {"--shards=", "", "'' is not a whole number"},
        {"-n7.0", "", "'7.0' is not a whole number"},
        {"-n0x7", "", "not a whole number"},
        {"-n18446744073709551623", "", "not a whole number"},
        {"--segment-size=4096", "7 4096", ""},
        {"--segment-size=4KiB", "7 4096", ""},
        {"--segment-size=32mib", "7 33554432", ""},
        {"--segment-size=5kB", "7 5000", ""},
        {"--segment-size=4095", "", "4095 is not within 4 KiB..32 MiB"},
        {"--segment-size=33MiB", "", "33MiB is not within"},
        {"--segment-size=1.5MB", "", "'1.5MB' is not a whole size"},
        {"--segment-size=4K", "", "'4K' is not a whole size"},
        {"--segment-size=MiB", "", "is not a whole size"},
        {"--segment-size=16385PiB", "", "is not a whole size"},
    };
    char line[128];

    then = print_numbers;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)snprintf(line, sizeof(line), "deposit create a %s",
                       cases[i].options);
        ck_assert_int_eq(run(line), cases[i].out[0] == '\0' ? EXIT_CODE_USAGE
                                                            : EXIT_CODE_OK);
        ck_assert_str_eq(out, cases[i].out);
        ck_assert_in(err, cases[i].err);
    }
}
END_TEST

static int fail_evil(struct cli *c)
{
    return cli_fail(c, EXIT_CODE_INTEGRITY, "file '\x1b[2J\n\xff\xc3\xa9'",
                    "look again");
}

/* An error says what and, on the last line, what to do; names from outside
 * cannot speak to the terminal or spoil the JSON. */
START_TEST(test_cli_fail)
{
    json_t *o;

    then = fail_evil;
    ck_assert_int_eq(run("deposit list"), EXIT_CODE_INTEGRITY);
    ck_assert_str_eq(out, "");
    ck_assert_str_eq(err, "cairn deposit list: file '?[2J??\xc3\xa9'\n"
                          "look again\n");
    ck_assert_int_eq(run("deposit list --json"), EXIT_CODE_INTEGRITY);
    o = json_of(err, "cairn.error/1");
    ck_assert_str_eq(json_string_value(json_object_get(o, "error")),
                     "file '?[2J??\xc3\xa9'");
    ck_assert_str_eq(json_string_value(json_object_get(o, "next")),
                     "look again");
    ck_assert_str_eq(json_string_value(json_object_get(o, "command")),
                     "cairn deposit list");
    ck_assert_int_eq(json_integer_value(json_object_get(o, "code")), 20);
    json_decref(o);
}
END_TEST

static int note_evil(struct cli *c)
{
    cli_note(c, "left out: '%s'", "\x07\n");
    return EXIT_CODE_OK;
}

/* Notes go to stderr, not at all with --quiet, as objects with --json. */
START_TEST(test_cli_note)
{
    json_t *o;

    then = note_evil;
    ck_assert_int_eq(run("deposit list"), EXIT_CODE_OK);
    ck_assert_str_eq(err, "left out: '\?\?'\n");
    ck_assert_int_eq(run("deposit list -q"), EXIT_CODE_OK);
    ck_assert_str_eq(err, "");
    ck_assert_int_eq(run("deposit list --json"), EXIT_CODE_OK);
    o = json_of(err, "cairn.note/1");
    json_decref(o);
    ck_assert_str_eq(out, "");
}
END_TEST

static int print_object(struct cli *c)
{
    return cli_print_json(c, "cairn.test/1", json_pack("{s:i}", "n", 5));
}

static int print_nothing(struct cli *c)
{
    return cli_print_json(c, "cairn.test/1",
                          json_pack("{s:s}", "name", "no \xff UTF-8"));
}

static int print_text(struct cli *c)
{
    (void)c;
    (void)printf("text");
    return EXIT_CODE_OK;
}

/* One object on stdout; what does not get there is an error. */
START_TEST(test_cli_print)
{
    then = print_object;
    ck_assert_int_eq(run("deposit list --json"), EXIT_CODE_OK);
    ck_assert_str_eq(out, "{\"schema\":\"cairn.test/1\",\"n\":5}\n");
    then = print_nothing;
    ck_assert_int_eq(run("deposit list --json"), EXIT_CODE_FAILED);
    ck_assert_str_eq(out, "");
    json_decref(json_of(err, "cairn.error/1"));
}
END_TEST

/* A full disk behind stdout is not success. */
START_TEST(test_cli_stdout_full)
{
    then = _i == 0 ? print_object : print_text;
    ck_assert_int_eq(symlink("/dev/full", scratch_path("out")), 0);
    ck_assert_int_eq(freopen(scratch_path("out"), "w", stdout) == stdout, true);
    {
        char *argv[] = {(char[]){"cairn"}, (char[]){"deposit"},
                        (char[]){"list"}};
        int old_err = redirect(STDERR_FILENO, "err");
        int code = cli_main(&root, 3, argv);

        redirect_end(STDERR_FILENO, old_err);
        ck_assert_int_eq(code, EXIT_CODE_FAILED);
    }
    scratch_get("err", err, sizeof(err));
    ck_assert_in(err, "could not be written");
}
END_TEST

/* Every status has its exit code, an unknown one too. */
START_TEST(test_cli_exit_codes)
{
    ck_assert_int_eq(exit_code_of(OK), 0);
    ck_assert_int_eq(exit_code_of(ERR_IO), 1);
    ck_assert_int_eq(exit_code_of(ERR_FULL), 1);
    ck_assert_int_eq(exit_code_of(ERR_NOTFOUND), 10);
    ck_assert_int_eq(exit_code_of(ERR_AUTH), 12);
    ck_assert_int_eq(exit_code_of(ERR_DENIED), 12);
    ck_assert_int_eq(exit_code_of(ERR_BUSY), 13);
    ck_assert_int_eq(exit_code_of(ERR_BAD), 20);
    ck_assert_int_eq(exit_code_of(ERR_MISMATCH), 20);
    ck_assert_int_eq(exit_code_of(ERR_CANCELED), 130);
    for (int status = -99; status < 99; status++) {
        ck_assert((exit_code_of(status) == EXIT_CODE_OK) == (status == OK));
    }
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("cli");
    TCase *tc = tcase_create("cli");

    tcase_add_checked_fixture(tc, setup, scratch_remove);
    tcase_add_loop_test(tc, test_cli_line, 0,
                        sizeof(good_lines) / sizeof(good_lines[0]));
    tcase_add_loop_test(tc, test_cli_mistake, 0,
                        sizeof(bad_lines) / sizeof(bad_lines[0]));
    tcase_add_test(tc, test_cli_no_command);
    tcase_add_test(tc, test_cli_help);
    tcase_add_test(tc, test_cli_help_json);
    tcase_add_test(tc, test_cli_version);
    tcase_add_test(tc, test_cli_common);
    tcase_add_test(tc, test_cli_numbers);
    tcase_add_test(tc, test_cli_fail);
    tcase_add_test(tc, test_cli_note);
    tcase_add_test(tc, test_cli_print);
    tcase_add_loop_test(tc, test_cli_stdout_full, 0, 2);
    tcase_add_test(tc, test_cli_exit_codes);
    suite_add_tcase(s, tc);
    return s;
}
