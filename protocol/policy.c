#include "protocol/policy.h"

#include "protocol/canon.h"
#include "protocol/words.h"

enum op {
    OP_QUORUM = 1,
    OP_ALL = 2,
    OP_ANY = 3,
    OP_SOME = 4
};

/* A formula holds when |k| of its children do; one without children is a
 * quorum, and holds when |k| members of |role| approved. */
struct formula {
    enum op op;
    uint32_t k;
    uint32_t children;
    enum policy_role role;
};

/* Formulas in the order of the bytes: each is followed by its children. */
struct formulas {
    struct formula all[POLICY_NODES_MAX];
    size_t len;
};

static void parse_quorum(struct canon_reader *r,
                         uint32_t items,
                         struct formula *f)
{
    uint64_t role;

    canon_require(r, items == 3);
    f->k = (uint32_t)canon_uint(r, UINT32_MAX);
    /* A quorum of none would open the deposit to anybody. */
    canon_require(r, f->k > 0);
    role = canon_uint(r, UINT64_MAX);
    canon_require_known(r, role >= POLICY_STEWARD && role <= POLICY_AUDITOR);
    f->role = r->error == OK ? (enum policy_role)role : POLICY_STEWARD;
}

/* Parse what stands before the children of |f|. */
static void parse_head(struct canon_reader *r, struct formula *f)
{
    uint32_t items = canon_array_between(r, 1, UINT32_MAX);
    uint64_t op = canon_uint(r, UINT64_MAX);

    canon_require_known(r, op >= OP_QUORUM && op <= OP_SOME);
    if (r->error != OK) {
        return;
    }
    f->op = (enum op)op;
    switch (f->op) {
    case OP_QUORUM:
        parse_quorum(r, items, f);
        return;
    case OP_ALL:
        f->children = items - 1;
        f->k = f->children;
        break;
    case OP_ANY:
        f->children = items - 1;
        f->k = 1;
        break;
    case OP_SOME:
        f->k = (uint32_t)canon_uint(r, UINT32_MAX);
        f->children = items > 2 ? items - 2 : 0;
        break;
    }
    canon_require(r, f->k > 0 && f->k <= f->children);
}

static void parse(struct canon_reader *r, struct formulas *p, unsigned level)
{
    struct formula *f = &p->all[p->len];

    canon_require(r, level <= POLICY_DEPTH_MAX && p->len < POLICY_NODES_MAX);
    if (r->error != OK) {
        return;
    }
    p->len++;
    *f = (struct formula){.op = OP_QUORUM, .role = POLICY_STEWARD};
    parse_head(r, f);
    for (uint32_t i = 0; r->error == OK && i < f->children; i++) {
        parse(r, p, level + 1);
    }
    canon_leave(r);
}

static int policy_parse(struct slice policy, struct formulas *p)
{
    struct canon_reader r;

    /* First, so that what is unsupported is at least well formed. */
    if (canon_check(policy) != OK) {
        return ERR_BAD;
    }
    *p = (struct formulas){.len = 0};
    canon_read_init(&r, policy);
    parse(&r, p, 1);
    return canon_end(&r);
}

int policy_default(uint32_t k, uint8_t *out, size_t max, size_t *size)
{
    struct canon_writer w;
    struct slice got = {.data = NULL, .size = 0};
    int rv;

    assert(k > 0);
    canon_write_init(&w, out, max);
    canon_put_array(&w, 3);
    canon_put_uint(&w, OP_QUORUM);
    canon_put_uint(&w, k);
    canon_put_uint(&w, POLICY_STEWARD);
    rv = canon_write_end(&w, &got);
    if (rv == OK) {
        *size = got.size;
    }
    return rv;
}

int policy_check(struct slice policy)
{
    struct formulas p;

    return policy_parse(policy, &p);
}

/* Does the formula at |at| hold? Moves |at| behind it and its children. */
static bool holds(const struct formulas *p,
                  size_t *at,
                  const struct policy_votes *votes)
{
    const struct formula *f = &p->all[(*at)++];
    uint32_t yes = 0;

    if (f->op == OP_QUORUM) {
        return votes->by_role[f->role] >= f->k;
    }
    for (uint32_t i = 0; i < f->children; i++) {
        yes += holds(p, at, votes) ? 1 : 0;
    }
    return yes >= f->k;
}

bool policy_holds(struct slice policy, const struct policy_votes *votes)
{
    struct formulas p;
    size_t at = 0;

    return policy_parse(policy, &p) == OK && holds(&p, &at, votes);
}

bool policy_survives_lab(struct slice policy,
                         uint32_t stewards,
                         uint32_t auditors)
{
    /* Formulas are monotone: if any set of them satisfies it, all do. */
    const struct policy_votes votes = {
        .by_role = {[POLICY_STEWARD] = stewards, [POLICY_AUDITOR] = auditors},
    };

    return policy_holds(policy, &votes);
}

static const char *role_name(enum policy_role role)
{
    switch (role) {
    case POLICY_STEWARD:
        return "steward";
    case POLICY_LAB:
        return "lab";
    case POLICY_AUDITOR:
        return "auditor";
    }
    return "";
}

static void describe_quorum(struct words *w, const struct formula *f)
{
    words_add(w, f->k == 1 ? "approval from " : "approvals from ");
    words_number(w, f->k);
    words_add(w, " ");
    words_add(w, role_name(f->role));
    words_add(w, f->k == 1 ? "" : "s");
}

static void describe(struct words *w, const struct formulas *p, size_t *at)
{
    /* The outermost choice reads better without brackets. */
    bool open = *at == 0 && p->all[0].op == OP_ANY;
    const struct formula *f = &p->all[(*at)++];

    switch (f->op) {
    case OP_QUORUM:
        describe_quorum(w, f);
        return;
    case OP_ALL:
        words_add(w, "all of (");
        break;
    case OP_ANY:
        words_add(w, open ? "" : "one of (");
        break;
    case OP_SOME:
        words_number(w, f->k);
        words_add(w, " of (");
        break;
    }
    for (uint32_t i = 0; i < f->children; i++) {
        if (i > 0) {
            words_add(w, open ? ", or " : "; ");
        }
        describe(w, p, at);
    }
    words_add(w, open ? "" : ")");
}

void policy_describe(struct slice policy, char *out, size_t max)
{
    struct formulas p;
    struct words w;
    size_t at = 0;

    if (max == 0) {
        return;
    }
    words_init(&w, out, max);
    if (policy_parse(policy, &p) == OK) {
        describe(&w, &p, &at);
    } else {
        words_add(&w, "a policy that is not understood here");
    }
    for (size_t i = 1; w.cut && i <= 3 && i <= w.len; i++) {
        out[w.len - i] = '.';
    }
}
