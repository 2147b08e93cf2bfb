#include "crypto/merkle.h"

/* Leaves that a proof is about, in order: a list, or a run when it is NULL. */
struct samples {
    const uint64_t *list;
    uint64_t first; /* Of a run. */
    uint64_t len;
};

static struct samples samples_list(const uint64_t *list, size_t len)
{
    assert(list != NULL || len == 0);
    return (struct samples){.list = list, .len = len};
}

static struct samples samples_run(uint64_t first, uint64_t len)
{
    return (struct samples){.first = first, .len = len};
}

static bool list_is_valid(const struct samples *s, uint64_t leaves)
{
    for (uint64_t i = 1; i < s->len; i++) {
        if (s->list[i - 1] >= s->list[i]) {
            return false;
        }
    }
    return s->list[s->len - 1] < leaves;
}

static bool samples_are_valid(const struct samples *s, uint64_t leaves)
{
    if (leaves > MERKLE_LEAVES_MAX || s->len == 0) {
        return false;
    }
    return s->list != NULL ? list_is_valid(s, leaves)
                           : s->first < leaves && s->len <= leaves - s->first;
}

/* How many samples are below |leaf|. */
static uint64_t samples_below(const struct samples *s, uint64_t leaf)
{
    uint64_t lo = 0, hi = s->len;

    if (s->list == NULL) {
        uint64_t past = leaf < s->first ? 0 : leaf - s->first;

        return past < s->len ? past : s->len;
    }
    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;

        if (s->list[mid] < leaf) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* Leaves [lo, hi) of a tree, of which samples [from, to) are there. */
struct span {
    uint64_t lo, hi, from, to;
};

static struct span span_of_tree(const struct samples *s, uint64_t leaves)
{
    return (struct span){.lo = 0, .hi = leaves, .from = 0, .to = s->len};
}

/* At the largest power of two below its length, which is two or more. No half
 * is longer than that power, so recursion ends after MERKLE_DEPTH_MAX steps. */
static void span_split(const struct samples *s,
                       const struct span *whole,
                       struct span *left,
                       struct span *right)
{
    uint64_t k = 1;

    while (k < whole->hi - whole->lo - k) {
        k *= 2;
    }
    *left = *right = *whole;
    left->hi = right->lo = whole->lo + k;
    left->to = right->from = samples_below(s, left->hi);
}

struct prover {
    struct samples samples;
    merkle_lookup *lookup;
    void *arg;
    struct digest *nodes;
    size_t max, len;
};

static int prove(struct prover *p, const struct span *at)
{
    struct span left, right;
    int rv;

    if (at->to - at->from == at->hi - at->lo) {
        return OK; /* Every leaf is supplied. */
    }
    if (at->from == at->to) {
        if (p->len == p->max) {
            return ERR_FULL;
        }
        rv = p->lookup(p->arg, at->lo, at->hi, &p->nodes[p->len]);
        p->len += rv == OK ? 1 : 0;
        return rv;
    }
    span_split(&p->samples, at, &left, &right);
    rv = prove(p, &left);
    return rv == OK ? prove(p, &right) : rv;
}

static int prove_tree(struct prover *p, uint64_t leaves, size_t *nodes_len)
{
    struct span tree = span_of_tree(&p->samples, leaves);
    int rv;

    if (!samples_are_valid(&p->samples, leaves)) {
        return ERR_BAD;
    }
    rv = prove(p, &tree);
    if (rv == OK) {
        *nodes_len = p->len;
    }
    return rv;
}

int merkle_multi_prove(uint64_t leaves,
                       const uint64_t *samples,
                       size_t samples_len,
                       merkle_lookup *lookup,
                       void *arg,
                       struct digest *nodes,
                       size_t nodes_max,
                       size_t *nodes_len)
{
    struct prover p = {.samples = samples_list(samples, samples_len),
                       .lookup = lookup,
                       .arg = arg,
                       .nodes = nodes,
                       .max = nodes_max};

    return prove_tree(&p, leaves, nodes_len);
}

int merkle_run_prove(uint64_t leaves,
                     uint64_t first,
                     uint64_t count,
                     merkle_lookup *lookup,
                     void *arg,
                     struct digest *nodes,
                     size_t nodes_max,
                     size_t *nodes_len)
{
    struct prover p = {.samples = samples_run(first, count),
                       .lookup = lookup,
                       .arg = arg,
                       .nodes = nodes,
                       .max = nodes_max};

    return prove_tree(&p, leaves, nodes_len);
}

struct verifier {
    struct samples samples;
    const struct digest *leaf_hashes;
    const struct digest *nodes;
    size_t len, used;
};

static int verify(struct verifier *v, const struct span *at, struct digest *out)
{
    struct span left, right;
    struct digest a, b;
    int rv;

    if (at->from == at->to) {
        if (v->used == v->len) {
            return ERR_AUTH;
        }
        *out = v->nodes[v->used++];
        return OK;
    }
    if (at->to - at->from == at->hi - at->lo) {
        merkle_root(&v->leaf_hashes[at->from], (size_t)(at->to - at->from),
                    out);
        return OK;
    }
    span_split(&v->samples, at, &left, &right);
    rv = verify(v, &left, &a);
    if (rv == OK) {
        rv = verify(v, &right, &b);
    }
    if (rv == OK) {
        merkle_node(&a, &b, out);
    }
    return rv;
}

static int verify_tree(struct verifier *v,
                       uint64_t leaves,
                       const struct digest *root)
{
    struct span tree = span_of_tree(&v->samples, leaves);
    struct digest got;
    int rv;

    if (!samples_are_valid(&v->samples, leaves)) {
        return ERR_BAD;
    }
    rv = verify(v, &tree, &got);
    if (rv != OK) {
        return rv;
    }
    return v->used == v->len && digest_equal(&got, root) ? OK : ERR_AUTH;
}

int merkle_multi_verify(uint64_t leaves,
                        const uint64_t *samples,
                        size_t samples_len,
                        const struct digest *leaf_hashes,
                        const struct digest *nodes,
                        size_t nodes_len,
                        const struct digest *root)
{
    struct verifier v = {.samples = samples_list(samples, samples_len),
                         .leaf_hashes = leaf_hashes,
                         .nodes = nodes,
                         .len = nodes_len};

    return verify_tree(&v, leaves, root);
}

int merkle_run_verify(uint64_t leaves,
                      uint64_t first,
                      uint64_t count,
                      const struct digest *leaf_hashes,
                      const struct digest *nodes,
                      size_t nodes_len,
                      const struct digest *root)
{
    struct verifier v = {.samples = samples_run(first, count),
                         .leaf_hashes = leaf_hashes,
                         .nodes = nodes,
                         .len = nodes_len};

    return verify_tree(&v, leaves, root);
}
