#include "crypto/rng.h"
#include "protocol/canon.h"
#include "protocol/policy.h"
#include "tests/suite.h"

static uint8_t buf[4096];
static struct rng rng;

static void seed(int i)
{
    const uint8_t bytes[RNG_SEED_SIZE] = {(uint8_t)i, (uint8_t)(i >> 8)};

    rng_init_seed(&rng, bytes);
}

static struct slice hex(const char *digits)
{
    size_t size = strlen(digits) / 2;

    hex_read(digits, buf, size);
    return slice_of(buf, size);
}

static bool holds(struct slice policy,
                  uint32_t stewards,
                  uint32_t labs,
                  uint32_t auditors)
{
    const struct policy_votes votes = {
        .by_role = {[POLICY_STEWARD] = stewards,
                    [POLICY_LAB] = labs,
                    [POLICY_AUDITOR] = auditors}};

    return policy_holds(policy, &votes);
}

/* Evaluation by another road: the formula as a tree of C structures, over a
 * set of members that is a bit mask, so that nobody counts twice. */

#define MEMBERS 6

struct tree {
    unsigned op;
    uint32_t k;
    enum policy_role role;
    size_t children_len;
    struct tree *children[4];
};

static struct tree trees[POLICY_NODES_MAX];
static size_t trees_len;
static enum policy_role member_roles[MEMBERS];

static enum policy_role random_role(void)
{
    static const enum policy_role roles[] = {POLICY_STEWARD, POLICY_LAB,
                                             POLICY_AUDITOR};

    return roles[rng_below(&rng, 3)];
}

static struct tree *tree_random(unsigned levels)
{
    struct tree *t = &trees[trees_len++];

    t->op = (unsigned)rng_below(&rng, 4) + 1;
    t->children_len = 0;
    if (levels == 1 || trees_len + 8 > POLICY_NODES_MAX) {
        t->op = 1;
    }
    if (t->op == 1) {
        t->k = (uint32_t)rng_below(&rng, 4) + 1;
        t->role = random_role();
        return t;
    }
    t->children_len = rng_below(&rng, 4) + 1;
    t->k = (uint32_t)rng_below(&rng, t->children_len) + 1;
    for (size_t i = 0; i < t->children_len; i++) {
        if (trees_len == POLICY_NODES_MAX) {
            t->children_len = i;
            t->k = t->k > i ? (uint32_t)i : t->k;
            break;
        }
        t->children[i] = tree_random(levels - 1);
    }
    return t;
}

static void tree_write(struct canon_writer *w, const struct tree *t)
{
    bool has_k = t->op == 1 || t->op == 4;
    size_t items = t->op == 1 ? 3 : t->children_len + (has_k ? 2U : 1U);

    canon_put_array(w, (uint32_t)items);
    canon_put_uint(w, t->op);
    if (has_k) {
        canon_put_uint(w, t->k);
    }
    if (t->op == 1) {
        canon_put_uint(w, t->role);
    }
    for (size_t i = 0; i < t->children_len; i++) {
        tree_write(w, t->children[i]);
    }
}

static bool tree_holds(const struct tree *t, unsigned approved)
{
    bool all = true, any = false;
    uint32_t count = 0;

    if (t->op == 1) {
        for (unsigned m = 0; m < MEMBERS; m++) {
            if ((approved & BIT(m)) != 0 && member_roles[m] == t->role) {
                count++;
            }
        }
        return count >= t->k;
    }
    for (size_t i = 0; i < t->children_len; i++) {
        bool yes = tree_holds(t->children[i], approved);

        all = all && yes;
        any = any || yes;
        count += yes ? 1 : 0;
    }
    return t->op == 2 ? all : t->op == 3 ? any : count >= t->k;
}

static struct policy_votes count_votes(unsigned approved)
{
    struct policy_votes votes = {{0}};

    for (unsigned m = 0; m < MEMBERS; m++) {
        if ((approved & BIT(m)) != 0) {
            votes.by_role[member_roles[m]]++;
        }
    }
    return votes;
}

static struct slice random_policy(struct tree **tree)
{
    struct canon_writer w;
    struct slice policy = {0};

    trees_len = 0;
    *tree = tree_random(POLICY_DEPTH_MAX);
    canon_write_init(&w, buf, sizeof(buf));
    tree_write(&w, *tree);
    ck_assert_int_eq(canon_write_end(&w, &policy), OK);
    return policy;
}

/* The default wants k stewards, whoever else approves. */
START_TEST(test_policy_default)
{
    uint8_t out[8];
    struct slice p;
    size_t size = 77;

    ck_assert_int_eq(policy_default(3, out, sizeof(out), &size), OK);
    p = slice_of(out, size);
    ck_assert(slice_equal(p, hex("93010301")));
    ck_assert_int_eq(policy_check(p), OK);
    ck_assert(!holds(p, 2, 9, 9));
    ck_assert(holds(p, 3, 0, 0));
    ck_assert(holds(p, UINT32_MAX, 0, 0));
    ck_assert_int_eq(policy_default(UINT32_MAX, out, sizeof(out), &size), OK);
    ck_assert_uint_eq(size, sizeof(out));
    size = 77;
    ck_assert_int_eq(policy_default(3, out, 3, &size), ERR_FULL);
    ck_assert_uint_eq(size, 77);
}
END_TEST

/* Each operator on its own. */
START_TEST(test_policy_operators)
{
    /* all of (2 stewards; 1 lab) */
    const char *all = "93029301020193010102";
    /* one of (2 stewards; 1 lab) */
    const char *any = "93039301020193010102";
    /* 2 of (1 steward; 1 lab; 1 auditor) */
    const char *some = "950402930101019301010293010103";

    ck_assert(!holds(hex(all), 2, 0, 0));
    ck_assert(!holds(hex(all), 1, 1, 0));
    ck_assert(holds(hex(all), 2, 1, 0));
    ck_assert(!holds(hex(any), 1, 0, 9));
    ck_assert(holds(hex(any), 2, 0, 0));
    ck_assert(holds(hex(any), 0, 1, 0));
    ck_assert(!holds(hex(some), 9, 0, 0));
    ck_assert(holds(hex(some), 1, 0, 1));
    ck_assert(holds(hex(some), 1, 1, 1));
}
END_TEST

/* What is malformed is refused, and never holds. */
START_TEST(test_policy_malformed_refused)
{
    static const char *const cases[] = {
        "",                         /* nothing */
        "c0",                       /* not an array */
        "90",                       /* no operator */
        "9101",                     /* quorum of nothing */
        "920103",                   /* no role */
        "9401030101",               /* an item too many */
        "93010001",                 /* a quorum of none */
        "9301ff01",                 /* negative */
        "9301cf000000010000000001", /* more than can be counted */
        "9301cc0301",               /* not the shortest form */
        "9301030100",               /* trailing */
        "9102",                     /* all of nothing */
        "9103",                     /* one of nothing */
        "9104",                     /* some without a number */
        "920401",                   /* one of nothing */
        "93040093010101",           /* none of them */
        "93040293010101",           /* more than there are */
        "93049301010193010101",     /* a formula where the number belongs */
        "920201",                   /* a number where a formula belongs */
        "9202c0",
        "dc000301",       /* truncated */
        "93a1610301",     /* operator in words */
        "81019301030193", /* a map */
        "910500",         /* unknown, and malformed besides */
        "9205cc01",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice p = cases[i][0] == '\0' ? slice_of(buf, 0) : hex(cases[i]);

        ck_assert_msg(policy_check(p) == ERR_BAD, "accepted: %s", cases[i]);
        ck_assert(!holds(p, 99, 99, 99));
        ck_assert(!policy_survives_lab(p, 99, 99));
    }
}
END_TEST

/* An atom, operator or role that is not known is never skipped: also beside a
 * formula that holds. */
START_TEST(test_policy_unknown_refused)
{
    static const char *const cases[] = {
        "93000301",                 /* operator 0 */
        "93050301",                 /* operator 5 */
        "9105",                     /* whatever its items */
        "9305c0a161",               /* are */
        "93cd01010301",             /* operator 257 */
        "93cf00000001000000010301", /* operator 2^32 + 1 */
        "93010300",                 /* role 0 */
        "93010304",                 /* role 4 */
        "930103cf0000000100000001", /* role 2^32 + 1 */
        "9303930101019105",         /* one of (1 steward; unknown) */
        "9303910593010101",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_msg(policy_check(hex(cases[i])) == ERR_UNSUPPORTED,
                      "not refused: %s", cases[i]);
        ck_assert(!holds(hex(cases[i]), 99, 99, 99));
    }
}
END_TEST

/* Wrap a quorum into |levels| - 1 formulas of one child. */
static struct slice nested(unsigned levels)
{
    static const uint8_t quorum[] = {0x93, 1, 1, 1};
    size_t at = 0;

    for (unsigned i = 1; i < levels; i++) {
        buf[at++] = 0x92;
        buf[at++] = 2;
    }
    memcpy(buf + at, quorum, sizeof(quorum));
    return slice_of(buf, at + sizeof(quorum));
}

/* A choice among |children| quorums. */
static struct slice wide(uint32_t children)
{
    struct canon_writer w;
    struct slice policy = {0};

    canon_write_init(&w, buf, sizeof(buf));
    canon_put_array(&w, children + 1);
    canon_put_uint(&w, 3);
    for (uint32_t i = 0; i < children; i++) {
        canon_put_raw(&w, slice_of("\x93\x01\x01\x01", 4));
    }
    ck_assert_int_eq(canon_write_end(&w, &policy), OK);
    return policy;
}

/* The bounds are exact, and beyond them is no work to be had. */
START_TEST(test_policy_bombs_refused)
{
    ck_assert_int_eq(policy_check(nested(POLICY_DEPTH_MAX)), OK);
    ck_assert_int_eq(policy_check(nested(POLICY_DEPTH_MAX + 1)), ERR_BAD);
    ck_assert_int_eq(policy_check(nested(1000)), ERR_BAD);
    ck_assert_int_eq(policy_check(wide(POLICY_NODES_MAX - 1)), OK);
    ck_assert_int_eq(policy_check(wide(POLICY_NODES_MAX)), ERR_BAD);
    ck_assert_int_eq(policy_check(wide(1000)), ERR_BAD);
    ck_assert_int_eq(policy_check(hex("ddffffffff02")), ERR_BAD);
    ck_assert_int_eq(policy_check(hex("ddffffffff04ceffffffff93010101")),
                     ERR_BAD);
}
END_TEST

/* The bytes and the tree agree for every set of approvals. Since a set is all
 * that counts, neither order nor repetition of approvals can matter. */
START_TEST(test_policy_random_formulas)
{
    seed(_i);
    for (int round = 0; round < 50; round++) {
        struct tree *tree;
        struct slice policy = random_policy(&tree);

        for (size_t m = 0; m < MEMBERS; m++) {
            member_roles[m] = random_role();
        }
        ck_assert_int_eq(policy_check(policy), OK);
        for (unsigned set = 0; set < BIT(MEMBERS); set++) {
            const struct policy_votes votes = count_votes(set);

            ck_assert(policy_holds(policy, &votes) == tree_holds(tree, set));
        }
    }
}
END_TEST

/* The order of children, and a child that is given twice among "all" or "one
 * of", change nothing. */
START_TEST(test_policy_order_of_children)
{
    seed(_i);
    for (int round = 0; round < 50; round++) {
        uint8_t copy[sizeof(buf)], other[sizeof(buf)];
        struct slice first, second, twice = {0};
        struct canon_writer w;
        struct tree *tree;
        size_t size;

        first = random_policy(&tree);
        if (tree->op == 1 || trees_len * 2 > POLICY_NODES_MAX) {
            continue;
        }
        size = first.size;
        memcpy(copy, first.data, size);
        first.data = copy;
        for (size_t i = 0; i + 1 < tree->children_len; i++) {
            size_t k = i + rng_below(&rng, tree->children_len - i);
            struct tree *t = tree->children[i];

            tree->children[i] = tree->children[k];
            tree->children[k] = t;
        }
        canon_write_init(&w, buf, sizeof(buf));
        tree_write(&w, tree);
        ck_assert_int_eq(canon_write_end(&w, &second), OK);

        /* [3, F, F]: one of twice the same. */
        canon_write_init(&w, other, sizeof(other));
        canon_put_array(&w, (uint32_t)tree->children_len + 2);
        canon_put_uint(&w, tree->op == 2 ? 2 : 3);
        for (size_t i = 0; i <= tree->children_len; i++) {
            tree_write(&w, tree->children[i % tree->children_len]);
        }
        ck_assert_int_eq(canon_write_end(&w, &twice), OK);
        for (uint32_t v = 0; v < 64; v++) {
            bool want = holds(first, v % 4, v / 4 % 4, v / 16);

            ck_assert(want == holds(second, v % 4, v / 4 % 4, v / 16));
            if (tree->op == 2 || tree->op == 3) {
                ck_assert(want == holds(twice, v % 4, v / 4 % 4, v / 16));
            }
        }
    }
}
END_TEST

/* One more approval never turns yes into no. */
START_TEST(test_policy_is_monotone)
{
    seed(_i);
    for (int round = 0; round < 50; round++) {
        struct tree *tree;
        struct slice policy = random_policy(&tree);

        for (uint32_t v = 0; v < 125; v++) {
            uint32_t s = v % 5, l = v / 5 % 5, a = v / 25;

            if (holds(policy, s, l, a)) {
                ck_assert(holds(policy, s + 1, l, a));
                ck_assert(holds(policy, s, l + 1, a));
                ck_assert(holds(policy, s, l, a + 1));
            }
        }
        ck_assert(!holds(policy, 0, 0, 0));
        ck_assert(holds(policy, 4, 4, 4));
    }
}
END_TEST

/* A policy survives the lab exactly when some set of members without the lab
 * satisfies it. */
START_TEST(test_policy_survives_lab)
{
    seed(_i);
    for (int round = 0; round < 50; round++) {
        uint32_t stewards = 0, auditors = 0;
        bool survives = false;
        struct tree *tree;
        struct slice policy = random_policy(&tree);

        for (size_t m = 0; m < MEMBERS; m++) {
            member_roles[m] = random_role();
            stewards += member_roles[m] == POLICY_STEWARD ? 1 : 0;
            auditors += member_roles[m] == POLICY_AUDITOR ? 1 : 0;
        }
        for (unsigned set = 0; set < BIT(MEMBERS); set++) {
            struct policy_votes votes = count_votes(set);

            if (votes.by_role[POLICY_LAB] == 0 && tree_holds(tree, set)) {
                survives = true;
            }
        }
        ck_assert(policy_survives_lab(policy, stewards, auditors) == survives);
    }
}
END_TEST

static const char *described(struct slice policy)
{
    static char text[4096];

    policy_describe(policy, text, sizeof(text));
    return text;
}

/* What approvers read. */
START_TEST(test_policy_described)
{
    ck_assert_str_eq(described(hex("93010301")), "approvals from 3 stewards");
    ck_assert_str_eq(described(hex("93010102")), "approval from 1 lab");
    ck_assert_str_eq(described(hex("9301ceffffffff03")),
                     "approvals from 4294967295 auditors");
    ck_assert_str_eq(described(hex("9303930103019302930101029301010"
                                   "3")),
                     "approvals from 3 stewards, or all of (approval from 1 "
                     "lab; approval from 1 auditor)");
    ck_assert_str_eq(described(hex("940401930101019203930102"
                                   "01")),
                     "1 of (approval from 1 steward; one of (approvals from 2 "
                     "stewards))");
    ck_assert_str_eq(described(hex("93010304")),
                     "a policy that is not understood here");
}
END_TEST

/* A text that does not fit says so, and no byte beyond it is touched. */
START_TEST(test_policy_description_cut)
{
    const char *whole = "approvals from 3 stewards";
    char out[64];

    for (size_t max = 0; max <= strlen(whole) + 1; max++) {
        memset(out, '#', sizeof(out));
        policy_describe(hex("93010301"), out, max);
        ck_assert_int_eq(out[max], '#');
        if (max == 0) {
            continue;
        }
        ck_assert_uint_eq(strlen(out),
                          max > strlen(whole) ? strlen(whole) : max - 1);
        if (max > strlen(whole)) {
            ck_assert_str_eq(out, whole);
        } else if (max > 3) {
            ck_assert_str_eq(out + max - 4, "...");
            ck_assert_int_eq(strncmp(out, whole, max - 4), 0);
        }
    }
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("policy");
    TCase *tc = tcase_create("policy");

    tcase_add_test(tc, test_policy_default);
    tcase_add_test(tc, test_policy_operators);
    tcase_add_test(tc, test_policy_malformed_refused);
    tcase_add_test(tc, test_policy_unknown_refused);
    tcase_add_test(tc, test_policy_bombs_refused);
    tcase_add_loop_test(tc, test_policy_random_formulas, 0, 8);
    tcase_add_loop_test(tc, test_policy_order_of_children, 0, 8);
    tcase_add_loop_test(tc, test_policy_is_monotone, 0, 8);
    tcase_add_loop_test(tc, test_policy_survives_lab, 0, 8);
    tcase_add_test(tc, test_policy_described);
    tcase_add_test(tc, test_policy_description_cut);
    suite_add_tcase(s, tc);
    return s;
}
