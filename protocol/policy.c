#include "protocol/policy.h"

#include "protocol/canon.h"

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

/* Text that fits, with the terminating zero, into |max| > 0 bytes. */
struct text {
    char *out;
    size_t max, size;
    bool cut;
};

static void text_put(struct text *t, const char *s)
{
    size_t size = strlen(s), room = t->max - 1 - t->size;

    if (t->cut) {
        return;
    }
    if (size > room) {
        t->cut = true;
        size = room;
    }
    memcpy(t->out + t->size, s, size);
    t->size += size;
}

static void text_put_number(struct text *t, uint32_t v)
{
    char digits[11];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    text_put(t, digits + at);
}

/* The end of the text: the zero, after dots where it was cut off. */
static void text_end(struct text *t)
{
    if (t->cut) {
        for (size_t i = 0; i < 3 && i < t->size; i++) {
            t->out[t->size - 1 - i] = '.';
        }
    }
    t->out[t->size] = '\0';
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

static void describe_quorum(struct text *t, const struct formula *f)
{
    text_put(t, f->k == 1 ? "approval from " : "approvals from ");
    text_put_number(t, f->k);
    text_put(t, " ");
    text_put(t, role_name(f->role));
    text_put(t, f->k == 1 ? "" : "s");
}

static void describe(struct text *t, const struct formulas *p, size_t *at)
{
    /* The outermost choice reads better without brackets. */
    bool open = *at == 0 && p->all[0].op == OP_ANY;
    const struct formula *f = &p->all[(*at)++];

    switch (f->op) {
    case OP_QUORUM:
        describe_quorum(t, f);
        return;
    case OP_ALL:
        text_put(t, "all of (");
        break;
    case OP_ANY:
        text_put(t, open ? "" : "one of (");
        break;
    case OP_SOME:
        text_put_number(t, f->k);
        text_put(t, " of (");
        break;
    }
    for (uint32_t i = 0; i < f->children; i++) {
        if (i > 0) {
            text_put(t, open ? ", or " : "; ");
        }
        describe(t, p, at);
    }
    text_put(t, open ? "" : ")");
}

void policy_describe(struct slice policy, char *out, size_t max)
{
    struct text t = {.out = out, .max = max};
    struct formulas p;
    size_t at = 0;

    if (max == 0) {
        return;
    }
    if (policy_parse(policy, &p) == OK) {
        describe(&t, &p, &at);
    } else {
        text_put(&t, "a policy that is not understood here");
    }
    text_end(&t);
}
