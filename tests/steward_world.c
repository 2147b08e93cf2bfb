#include "tests/steward_world.h"

#include <stdlib.h>

#include "crypto/hash.h"
#include "protocol/frame.h"
#include "protocol/transport_cert.h"
#include "replication/keys.h"
#include "replication/steward/steward_state.h"
#include "tests/members.h"

struct world_step {
    struct world_step *next;
    struct core_out out; /* Slices point into its own arena. */
};

/* Something on its way to a node. */
struct world_todo {
    struct world_todo *next;
    unsigned node;
    uint64_t channel; /* In order with others of it; 0: with none. */
    enum core_event_type type;
    uint64_t id;
    int status;
    uint8_t after[CORE_KEY_MAX]; /* EV_ROWS: behind this key. */
    size_t after_size;
    size_t size;
    uint8_t bytes[];
};

static struct core_out out, custody_out;

/* --- Rows ---------------------------------------------------------------- */

static int key_compare(const struct world_row *r, struct slice key)
{
    size_t size = r->key_size < key.size ? r->key_size : key.size;
    int order = memcmp(r->key, key.data, size);

    if (order != 0) {
        return order;
    }
    return r->key_size < key.size ? -1 : r->key_size > key.size ? 1 : 0;
}

static size_t row_place(const struct world_node *n, struct slice key)
{
    size_t at = 0;

    while (at < n->rows_len && key_compare(&n->rows[at], key) < 0) {
        at++;
    }
    return at;
}

static void row_remove(struct world_node *n, struct slice key)
{
    size_t at = row_place(n, key);

    if (at < n->rows_len && key_compare(&n->rows[at], key) == 0) {
        free(n->rows[at].value);
        n->rows_len--;
        memmove(&n->rows[at], &n->rows[at + 1],
                (n->rows_len - at) * sizeof(n->rows[0]));
    }
}

static void row_put(struct world_node *n, struct slice key, struct slice value)
{
    size_t at;
    struct world_row *r;

    row_remove(n, key);
    at = row_place(n, key);
    if (n->rows_len == n->rows_max) {
        n->rows_max = n->rows_max == 0 ? 64 : 2 * n->rows_max;
        n->rows = realloc(n->rows, n->rows_max * sizeof(n->rows[0]));
        ck_assert_ptr_nonnull(n->rows);
    }
    memmove(&n->rows[at + 1], &n->rows[at],
            (n->rows_len - at) * sizeof(n->rows[0]));
    n->rows_len++;
    r = &n->rows[at];
    memcpy(r->key, key.data, key.size);
    r->key_size = key.size;
    r->value_size = value.size;
    r->value = malloc(value.size + 1);
    ck_assert_ptr_nonnull(r->value);
    memcpy(r->value, value.data, value.size);
}

const struct world_row *world_row(const struct world *w,
                                  unsigned node,
                                  struct slice key)
{
    const struct world_node *n = &w->nodes[node];
    size_t at = row_place(n, key);

    return at < n->rows_len && key_compare(&n->rows[at], key) == 0
               ? &n->rows[at]
               : NULL;
}

size_t world_rows(const struct world *w, unsigned node, char kind)
{
    const struct world_node *n = &w->nodes[node];
    size_t len = 0;

    for (size_t i = 0; i < n->rows_len; i++) {
        len += n->rows[i].key[0] == (uint8_t)kind ? 1U : 0U;
    }
    return len;
}

static const struct world_row *row_next(const struct world_node *n,
                                        size_t *at,
                                        const char *kinds)
{
    while (*at < n->rows_len) {
        const struct world_row *r = &n->rows[(*at)++];

        if (strchr(kinds, r->key[0]) != NULL) {
            return r;
        }
    }
    return NULL;
}

bool world_rows_equal(const struct world *w,
                      unsigned a,
                      unsigned b,
                      const char *kinds)
{
    size_t at_a = 0, at_b = 0;

    for (;;) {
        const struct world_row *x = row_next(&w->nodes[a], &at_a, kinds);
        const struct world_row *y = row_next(&w->nodes[b], &at_b, kinds);

        if (x == NULL || y == NULL) {
            return x == y;
        }
        if (key_compare(x, slice_of(y->key, y->key_size)) != 0 ||
            !slice_equal(slice_of(x->value, x->value_size),
                         slice_of(y->value, y->value_size))) {
            return false;
        }
    }
}

/* --- Files --------------------------------------------------------------- */

void world_leaf(const struct digest *deposit,
                uint16_t index,
                uint64_t i,
                struct digest *leaf)
{
    uint8_t a[2], b[8];

    TH256(leaf, "test-leaf", digest_slice(deposit), slice_u16le(a, index),
          slice_u64le(b, i));
}

/* Ranges are compared as they are: what is not in use is zero. */
static void range_tidy(struct merkle_range *range)
{
    for (size_t i = merkle_range_nodes_len(range->leaves); i < MERKLE_DEPTH_MAX;
         i++) {
        memset(&range->nodes[i], 0, DIGEST_SIZE);
    }
}

void world_range(const struct digest *deposit,
                 uint16_t index,
                 uint64_t leaves,
                 struct merkle_range *range)
{
    merkle_range_init(range);
    for (uint64_t i = 0; i < leaves; i++) {
        struct digest leaf;

        world_leaf(deposit, index, i, &leaf);
        merkle_range_append(range, &leaf, NULL, NULL);
    }
    range_tidy(range);
}

static void file_range(const struct world_file *f,
                       uint64_t leaves,
                       struct merkle_range *range)
{
    merkle_range_init(range);
    for (uint64_t i = 0; i < leaves; i++) {
        merkle_range_append(range, &f->leaves[i], NULL, NULL);
    }
    range_tidy(range);
}

struct world_file *world_file(struct world *w,
                              unsigned node,
                              const struct digest *deposit)
{
    struct world_file *unused = NULL;

    for (size_t i = 0; i < WORLD_FILES; i++) {
        struct world_file *f = &w->nodes[node].files[i];

        if (f->used && digest_equal(&f->deposit, deposit)) {
            return f;
        }
        unused = f->used ? unused : f;
    }
    ck_assert_ptr_nonnull(unused);
    memset(unused, 0, sizeof(*unused));
    unused->used = true;
    unused->deposit = *deposit;
    return unused;
}

/* --- On the way ---------------------------------------------------------- */

static struct world_todo *todo_put(struct world *w,
                                   unsigned node,
                                   uint64_t channel,
                                   enum core_event_type type,
                                   uint64_t id,
                                   int status,
                                   struct slice bytes)
{
    struct world_todo *t = calloc(1, sizeof(*t) + bytes.size);

    ck_assert_ptr_nonnull(t);
    t->node = node;
    t->channel = channel;
    t->type = type;
    t->id = id;
    t->status = status;
    t->size = bytes.size;
    if (bytes.size > 0) {
        memcpy(t->bytes, bytes.data, bytes.size);
    }
    *w->todo_end = t;
    w->todo_end = &t->next;
    return t;
}

static struct world_todo *todo_take(struct world *w, struct world_todo **at)
{
    struct world_todo *t = *at;

    *at = t->next;
    if (w->todo_end == &t->next) {
        w->todo_end = at;
    }
    return t;
}

static struct world_link *link_of(struct world *w, uint64_t id)
{
    ck_assert_uint_ge(id, 1);
    ck_assert_uint_le(id, w->links_len);
    return &w->links[id - 1];
}

static unsigned link_peer(const struct world_link *l, unsigned node)
{
    return l->a == node ? l->b : l->a;
}

/* An order for each direction of a link. */
static uint64_t channel_of(const struct world_link *l, unsigned to)
{
    return 2 * l->id + (l->a == to ? 0 : 1);
}

static void job_report(struct world *w,
                       unsigned node,
                       uint64_t job,
                       int status,
                       struct slice bytes)
{
    /* The reports of one job keep their order. */
    todo_put(w, node, UINT64_MAX - job, EV_JOB, job, status, bytes);
}

static void intake_end(struct world *w,
                       unsigned node,
                       struct world_file *f,
                       int status)
{
    if (f->job != 0) {
        job_report(w, node, f->job, status, slice_of(NULL, 0));
        f->job = 0;
    }
}

void world_intake_end(struct world *w,
                      unsigned node,
                      const struct digest *deposit,
                      int status)
{
    struct world_file *f = world_file(w, node, deposit);

    ck_assert_uint_ne(f->job, 0);
    f->len = f->durable;
    intake_end(w, node, f, status);
}

/* Tell one end that the link is gone. */
static void link_tell_down(struct world *w,
                           const struct world_link *l,
                           unsigned node)
{
    struct world_node *n = &w->nodes[node];

    for (size_t i = 0; i < WORLD_FILES; i++) {
        if (n->files[i].job != 0 && n->files[i].link == l->id) {
            intake_end(w, node, &n->files[i], ERR_CANCELED);
        }
    }
    todo_put(w, node, channel_of(l, node), EV_LINK, l->id, ERR_IO,
             slice_of(NULL, 0));
}

void world_cut(struct world *w, uint64_t id)
{
    struct world_link *l = link_of(w, id);

    if (l->up) {
        l->up = false;
        link_tell_down(w, l, l->a);
        link_tell_down(w, l, l->b);
    }
}

bool world_is_up(const struct world *w, uint64_t id)
{
    return w->links[id - 1].up;
}

static void link_tell_up(struct world *w,
                         const struct world_link *l,
                         unsigned node)
{
    unsigned peer = link_peer(l, node);
    struct transport_cert cert = {
        .type = TRANSPORT_MEMBER,
        .net = w->net,
        .transport_pk = {1},
        .id = w->ids[peer],
        .not_before_s = 1,
        .not_after_s = 2,
    };
    uint8_t bytes[TRANSPORT_CERT_MAX];
    size_t size = 0;

    if (l->recipient && node == l->a) {
        cert.type = TRANSPORT_RECIPIENT;
        cert.release_id = l->release;
        memcpy(cert.transport_pk, l->transport_pk, sizeof(cert.transport_pk));
    }
    ck_assert_int_eq(transport_cert_encode(&cert, &w->keys[peer], bytes,
                                           sizeof(bytes), &size),
                     OK);
    todo_put(w, node, channel_of(l, node), EV_LINK, l->id, OK,
             slice_of(bytes, size));
}

static uint64_t link_add(struct world *w, struct world_link link)
{
    struct world_link *l = &w->links[w->links_len];

    ck_assert_uint_lt(w->links_len, WORLD_LINKS_MAX);
    link.id = ++w->links_len;
    link.up = true;
    *l = link;
    link_tell_up(w, l, l->a);
    link_tell_up(w, l, l->b);
    return l->id;
}

uint64_t world_connect(struct world *w, unsigned a, unsigned b)
{
    return link_add(w, (struct world_link){.a = a, .b = b});
}

uint64_t world_connect_recipient(struct world *w,
                                 unsigned a,
                                 unsigned b,
                                 const struct digest *release,
                                 const uint8_t transport_pk[32])
{
    struct world_link l = {
        .a = a, .b = b, .recipient = true, .release = *release};

    memcpy(l.transport_pk, transport_pk, sizeof(l.transport_pk));
    return link_add(w, l);
}

void world_say_bytes(struct world *w,
                     unsigned from,
                     uint64_t id,
                     struct slice bytes)
{
    const struct world_link *l = link_of(w, id);
    unsigned to = link_peer(l, from);

    if (l->up) {
        todo_put(w, to, channel_of(l, to), EV_MSG, id, OK, bytes);
    }
}

void world_say(struct world *w,
               unsigned from,
               uint64_t link,
               const struct message *m)
{
    static uint8_t bytes[MESSAGE_SIZE_MAX];
    size_t size = 0;

    ck_assert_int_eq(message_encode(m, bytes, sizeof(bytes), &size), OK);
    world_say_bytes(w, from, link, slice_of(bytes, size));
}

/* --- Jobs ---------------------------------------------------------------- */

static void intake_report(struct world *w, unsigned node, struct world_file *f)
{
    struct steward_job_report report;
    uint8_t bytes[STEWARD_JOB_SIZE_MAX];
    size_t size = 0;

    file_range(f, f->durable, &report.range);
    ck_assert_int_eq(
        steward_job_report_encode(&report, bytes, sizeof(bytes), &size), OK);
    job_report(w, node, f->job, 1, slice_of(bytes, size));
}

/* The row never promises more than the file has, unless a cut came between:
 * then the job goes on with what is there, never below what is final. */
static void intake_start(struct world *w,
                         unsigned node,
                         uint64_t id,
                         const struct steward_job *job)
{
    struct world_file *f = world_file(w, node, &job->deposit_id);
    struct merkle_range range;

    ck_assert_uint_eq(f->job, 0);
    ck_assert(!f->sealed);
    f->spec = *job;
    f->job = id;
    f->link = job->link;
    if (w->disks_full || w->jobs_full) {
        intake_end(w, node, f, w->disks_full ? ERR_FULL : ERR_BUSY);
        return;
    }
    ck_assert_uint_ge(f->durable, job->final_leaves);
    if (f->durable < job->range.leaves) {
        f->len = f->durable;
    } else {
        f->len = f->durable = job->range.leaves;
        file_range(f, f->len, &range);
        ck_assert_mem_eq(range.nodes, job->range.nodes, sizeof(range.nodes));
    }
    intake_report(w, node, f);
    if (!link_of(w, job->link)->up) {
        intake_end(w, node, f, ERR_CANCELED);
    }
}

static void seal_start(struct world *w,
                       unsigned node,
                       uint64_t id,
                       const struct steward_job *job)
{
    struct world_file *f = world_file(w, node, &job->deposit_id);
    struct merkle_range range;
    struct digest root;
    int status = OK;

    if (!f->sealed) {
        ck_assert_uint_ge(f->durable, job->range.leaves);
        file_range(f, job->range.leaves, &range);
        ck_assert_mem_eq(range.nodes, job->range.nodes, sizeof(range.nodes));
        merkle_range_root(&range, &root);
        status = job->size == job->range.leaves * LEAF_SIZE &&
                         digest_equal(&root, &job->root)
                     ? OK
                     : ERR_MISMATCH;
        f->sealed = status == OK;
    }
    intake_end(w, node, f, ERR_CANCELED);
    job_report(w, node, id, status, slice_of(NULL, 0));
}

static void job_start(struct world *w,
                      unsigned node,
                      uint64_t id,
                      struct slice spec)
{
    struct steward_job job;

    ck_assert_int_eq(steward_job_decode(&job, spec), OK);
    switch (job.type) {
    case STEWARD_JOB_INTAKE:
        intake_start(w, node, id, &job);
        break;
    case STEWARD_JOB_SEAL:
        seal_start(w, node, id, &job);
        break;
    case STEWARD_JOB_READ:
        ck_assert(world_file(w, node, &job.deposit_id)->sealed);
        if (!w->reads_last) {
            job_report(w, node, id, OK, slice_of(NULL, 0));
        }
        break;
    case STEWARD_JOB_DROP:
        world_file(w, node, &job.deposit_id)->used = false;
        job_report(w, node, id, OK, slice_of(NULL, 0));
        break;
    }
}

/* What belongs to the intake of a link; true when it took the message. */
static bool intake_message(struct world *w,
                           unsigned node,
                           uint64_t link,
                           const struct message *m)
{
    struct world_file *f = NULL;

    for (size_t i = 0; i < WORLD_FILES && f == NULL; i++) {
        f = &w->nodes[node].files[i];
        f = f->job != 0 && f->link == link ? f : NULL;
    }
    if (f == NULL) {
        return false;
    }
    if (m->type == MESSAGE_COMMIT && m->u.commit.leaves <= f->len &&
        m->u.commit.leaves > f->spec.final_leaves) {
        f->spec.final_leaves = m->u.commit.leaves;
    } else if (m->type == MESSAGE_APPEND) {
        if (m->u.append.first_leaf != f->len ||
            (f->len + m->u.append.leaves) * LEAF_SIZE > f->spec.size) {
            world_cut(w, link);
            return true;
        }
        for (uint64_t i = 0; i < m->u.append.leaves; i++, f->len++) {
            world_leaf(&f->deposit, f->spec.index, f->len, &f->leaves[f->len]);
        }
        return true;
    } else if (m->type == MESSAGE_CUT) {
        if (m->u.cut.range.leaves > f->len ||
            m->u.cut.range.leaves < f->spec.final_leaves) {
            world_cut(w, link);
            return true;
        }
        f->len = m->u.cut.range.leaves;
        f->durable = f->durable < f->len ? f->durable : f->len;
        return true;
    } else if (m->type == MESSAGE_FLUSH) {
        f->durable = f->len;
        intake_report(w, node, f);
        return true;
    }
    return false;
}

/* --- Custodians ---------------------------------------------------------- */

struct custody_answer {
    size_t size;
    uint8_t bytes[CUSTODY_SIZE_MAX];
};

static void custodian_feed(struct world_node *n,
                           const struct core_event *ev,
                           uint64_t wall_ms,
                           struct custody_answer *answer);

static void custodian_read(struct world_node *n,
                           uint64_t id,
                           struct slice key,
                           uint64_t wall_ms,
                           struct custody_answer *answer)
{
    const struct world_node *rows = n->custody;
    struct core_row row;
    struct core_event ev = {
        .type = EV_ROWS, .id = id, .status = 1, .rows = &row};
    size_t at = row_place(rows, key);

    if (at < rows->rows_len && key_compare(&rows->rows[at], key) == 0) {
        row.key = slice_of(rows->rows[at].key, rows->rows[at].key_size);
        row.value = slice_of(rows->rows[at].value, rows->rows[at].value_size);
        ev.rows_len = 1;
    }
    custodian_feed(n, &ev, wall_ms, answer);
}

/* One step and what follows from it; the answer is the last. */
static void custodian_feed(struct world_node *n,
                           const struct core_event *ev,
                           uint64_t wall_ms,
                           struct custody_answer *answer)
{
    struct core_event now = *ev;
    uint8_t key[CORE_KEY_MAX];
    size_t key_size = 0;
    uint64_t read = 0;

    now.wall_ms = wall_ms;
    core_out_reset(&custody_out);
    custodian_step(n->custodian, &now, &custody_out);
    for (size_t i = 0; i < custody_out.ops_len; i++) {
        row_put(n->custody, custody_out.ops[i].key, custody_out.ops[i].value);
    }
    for (size_t i = 0; i < custody_out.acts_len; i++) {
        const struct core_action *a = &custody_out.acts[i];

        if (a->type == ACT_READ) {
            read = a->id;
            key_size = a->bytes.size;
            memcpy(key, a->bytes.data, key_size);
        } else {
            ck_assert_int_eq(a->type, ACT_REPLY);
            ck_assert_ptr_nonnull(answer);
            memcpy(answer->bytes, a->bytes.data, a->bytes.size);
            answer->size = a->bytes.size;
        }
    }
    if (key_size > 0) {
        custodian_read(n, read, slice_of(key, key_size), wall_ms, answer);
    }
}

static void custodian_boot(struct world *w, unsigned node)
{
    struct world_node *n = &w->nodes[node];
    struct custodian_config config = {
        .charter = &w->charter,
        .net = w->net,
        .sign = w->signs[node],
        .rng = &w->rng,
    };
    const struct core_event ev = {.type = EV_START, .status = 1};

    memcpy(config.hpke_sk, w->hpke_sks[node], sizeof(config.hpke_sk));
    memcpy(config.net_psk, w->psk, sizeof(config.net_psk));
    ck_assert_int_eq(custodian_new(&n->custodian, &config), OK);
    if (n->custody == NULL) {
        n->custody = calloc(1, sizeof(*n->custody));
    }
    custodian_feed(n, &ev, w->wall_ms, NULL);
}

static void act_custody(struct world *w,
                        unsigned node,
                        const struct core_action *a)
{
    struct world_node *n = &w->nodes[node];
    const struct core_event ev = {
        .type = EV_CLIENT, .id = 1, .bytes = a->bytes};
    struct custody_answer *answer = calloc(1, sizeof(*answer));
    struct custody asked, scripted;

    ck_assert_ptr_nonnull(answer);
    ck_assert_int_eq(custody_decode(&asked, a->bytes), OK);
    n->asked++;
    if (n->custody_away) {
        todo_put(w, node, 0, EV_CUSTODY, a->id, ERR_IO, slice_of(NULL, 0));
        free(answer);
        return;
    }
    memset(&scripted, 0, sizeof(scripted));
    if (w->on_custody != NULL && w->on_custody(w, node, &asked, &scripted)) {
        ck_assert_int_eq(custody_encode(&scripted, answer->bytes,
                                        sizeof(answer->bytes), &answer->size),
                         OK);
    } else {
        if (n->custodian == NULL) {
            custodian_boot(w, node);
        }
        custodian_feed(n, &ev, w->wall_ms, answer);
    }
    todo_put(w, node, 0, EV_CUSTODY, a->id, OK,
             slice_of(answer->bytes, answer->size));
    free(answer);
}

void world_custody_there(struct world *w, unsigned node)
{
    todo_put(w, node, 0, EV_CUSTODY, STEWARD_CUSTODY_THERE, OK,
             slice_of(NULL, 0));
}

/* --- Operators ----------------------------------------------------------- */

static void act_reply(struct world *w,
                      unsigned node,
                      const struct core_action *a)
{
    struct world_node *n = &w->nodes[node];

    n->replies++;
    n->reply_id = a->id;
    ck_assert_int_eq(steward_reply_decode(&n->reply, a->bytes), OK);
}

void world_client(struct world *w,
                  unsigned node,
                  uint64_t id,
                  const struct steward_client *c)
{
    uint8_t bytes[STEWARD_CLIENT_SIZE_MAX];
    size_t size = 0;

    ck_assert_int_eq(steward_client_encode(c, bytes, sizeof(bytes), &size), OK);
    todo_put(w, node, 0, EV_CLIENT, id, OK, slice_of(bytes, size));
}

size_t world_sign(const struct world *w,
                  unsigned member,
                  const char *ns,
                  struct slice request,
                  uint8_t sig[1024])
{
    char text[RELEASE_RENDERED_MAX];
    size_t size = 0;

    ck_assert_int_eq(release_request_render(request, text, sizeof(text), &size),
                     OK);
    return member_sshsig(w->operator_sks[member], ns, slice_of(text, size),
                         sig);
}

/* --- Steps --------------------------------------------------------------- */

static void act_send(struct world *w,
                     unsigned node,
                     const struct core_action *a)
{
    struct message *m = malloc(sizeof(*m));

    ck_assert_ptr_nonnull(m);
    ck_assert_int_eq(message_decode(m, a->bytes), OK);
    if (m->type == MESSAGE_REFUSE) {
        w->nodes[node].refused++;
        w->nodes[node].last_refuse = m->u.refuse;
    }
    free(m);
    world_say_bytes(w, node, a->id, a->bytes);
}

static void act_cancel(struct world *w, unsigned node, uint64_t job)
{
    for (size_t i = 0; i < WORLD_FILES; i++) {
        struct world_file *f = &w->nodes[node].files[i];

        if (f->job == job) {
            intake_end(w, node, f, ERR_CANCELED);
        }
    }
}

static void act_do(struct world *w, unsigned node, const struct core_action *a)
{
    switch (a->type) {
    case ACT_SEND:
        act_send(w, node, a);
        break;
    case ACT_CLOSE:
        w->nodes[node].closed++;
        world_cut(w, a->id);
        break;
    case ACT_CHECK:
        w->nodes[node].checks++;
        todo_put(w, node, 0, EV_CHECKED, a->id,
                 steward_check(&w->charter, a->bytes), slice_of(NULL, 0));
        break;
    case ACT_READ:
        todo_put(w, node, 1, EV_ROWS, a->id, OK, a->bytes);
        break;
    case ACT_JOB:
        job_start(w, node, a->id, a->bytes);
        break;
    case ACT_JOB_CANCEL:
        act_cancel(w, node, a->id);
        break;
    case ACT_CUSTODY:
        act_custody(w, node, a);
        break;
    case ACT_REPLY:
        act_reply(w, node, a);
        break;
    case ACT_DIAL:
        ck_abort_msg("an action that a steward never asks for");
    }
}

static void slice_move(struct slice *s,
                       const struct core_out *from,
                       const struct core_out *to)
{
    if (s->size > 0) {
        s->data = to->arena + (s->data - from->arena);
    }
}

static void step_hold(struct world_node *n)
{
    size_t size = offsetof(struct core_out, arena) + out.arena_used;
    /* The part of the arena that is not used is left out. */
    struct world_step *st = malloc(offsetof(struct world_step, out) + size);

    ck_assert_ptr_nonnull(st);
    st->next = NULL;
    memcpy(&st->out, &out, size);
    for (size_t i = 0; i < out.ops_len; i++) {
        slice_move(&st->out.ops[i].key, &out, &st->out);
        slice_move(&st->out.ops[i].value, &out, &st->out);
    }
    for (size_t i = 0; i < out.acts_len; i++) {
        slice_move(&st->out.acts[i].bytes, &out, &st->out);
    }
    *n->steps_end = st;
    n->steps_end = &st->next;
}

static void step(struct world *w, unsigned node, struct core_event ev)
{
    struct world_node *n = &w->nodes[node];

    ev.mono_ms = w->mono_ms;
    ev.wall_ms = w->wall_ms;
    core_out_reset(&out);
    steward_step(n->s, &ev, &out);
    n->wake_ms = out.wake_ms;
    step_hold(n);
    for (size_t i = 0; i < out.acts_len; i++) {
        /* Nothing that is said may overtake what it speaks of. */
        ck_assert_int_eq(out.acts[i].now, out.acts[i].type == ACT_CHECK);
    }
    for (size_t i = 0; i < out.acts_len; i++) {
        if (out.acts[i].now) {
            act_do(w, node, &out.acts[i]);
        }
    }
}

/* The oldest step is durable. */
static void step_sync(struct world *w, unsigned node)
{
    struct world_node *n = &w->nodes[node];
    struct world_step *st = n->steps;

    n->steps = st->next;
    if (n->steps == NULL) {
        n->steps_end = &n->steps;
    }
    for (size_t i = 0; i < st->out.ops_len; i++) {
        const struct core_op *op = &st->out.ops[i];

        if (op->remove) {
            row_remove(n, op->key);
        } else {
            row_put(n, op->key, op->value);
        }
    }
    for (size_t i = 0; i < st->out.acts_len; i++) {
        if (!st->out.acts[i].now) {
            act_do(w, node, &st->out.acts[i]);
        }
    }
    free(st);
}

static void steps_forget(struct world_node *n)
{
    while (n->steps != NULL) {
        struct world_step *st = n->steps;

        n->steps = st->next;
        free(st);
    }
    n->steps_end = &n->steps;
}

/* --- Life ---------------------------------------------------------------- */

void world_boot(struct world *w, unsigned node)
{
    static const char kinds[] = {
        KEY_TIP,     KEY_SHARD, KEY_MANIFEST, KEY_ACKNOWLEDGED, KEY_RELEASE,
        KEY_WAITING, 0};
    struct world_node *n = &w->nodes[node];
    const struct steward_config config = {
        .charter = &w->charter,
        .net = w->net,
        .self = w->ids[node],
        .node = w->keys[node],
        .capacity = w->capacity,
        .lab_quota = w->lab_quota,
        .feed_quota = w->feed_quota,
        .rng = &w->rng,
    };

    size_t at = 0;
    bool last = false;

    ck_assert_int_eq(steward_new(&n->s, &config), OK);
    while (!last) {
        struct core_row page[3];
        struct core_event ev = {.type = EV_START, .rows = page};
        const struct world_row *r = NULL;

        while (ev.rows_len < 3 && (r = row_next(n, &at, kinds)) != NULL) {
            page[ev.rows_len].key = slice_of(r->key, r->key_size);
            page[ev.rows_len++].value = slice_of(r->value, r->value_size);
        }
        last = r == NULL;
        ev.status = last ? 1 : OK;
        step(w, node, ev);
    }
}

void world_crash(struct world *w, unsigned node)
{
    struct world_node *n = &w->nodes[node];
    struct world_todo **at = &w->todo;

    steps_forget(n);
    steward_free(n->s);
    n->s = NULL;
    custodian_free(n->custodian);
    n->custodian = NULL;
    for (size_t i = 0; i < WORLD_FILES; i++) {
        n->files[i].job = 0;
        n->files[i].len = n->files[i].durable;
    }
    for (size_t i = 0; i < w->links_len; i++) {
        if (w->links[i].a == node || w->links[i].b == node) {
            world_cut(w, w->links[i].id);
        }
    }
    while (*at != NULL) {
        if ((*at)->node == node) {
            free(todo_take(w, at));
        } else {
            at = &(*at)->next;
        }
    }
    world_boot(w, node);
}

void world_open(struct world *w,
                uint64_t seed,
                unsigned stewards,
                const enum card_role roles[WORLD_MEMBERS])
{
    uint8_t bytes[RNG_SEED_SIZE] = {'s', 't', 'e', 'w'};
    struct frame_psk psk;
    struct rng keys;

    memset(w, 0, sizeof(*w));
    rng_init_seed(&keys, bytes);
    u64le_store(bytes + 8, seed);
    rng_init_seed(&w->rng, bytes);
    w->todo_end = &w->todo;
    w->mono_ms = 1000;
    w->wall_ms = 1700000000000U;
    w->capacity = 1 << 20;
    w->lab_quota = w->capacity;
    w->stewards = stewards;
    memset(w->net.bytes, 0x11, DIGEST_SIZE);
    w->charter.hash = w->net;
    memset(w->psk, 0x22, sizeof(w->psk));
    frame_psk_init(&psk, w->psk);
    memcpy(w->charter.psk_id, psk.id, sizeof(w->charter.psk_id));
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        struct card *c;

        sign_key_init(&w->keys[i], &keys);
        memcpy(w->ids[i].bytes, w->keys[i].pk, SIGN_PK_SIZE);
        c = &w->charter.members[i].card;
        c->id = w->ids[i];
        c->role = roles[i];
        memcpy(c->node_pk, w->keys[i].pk, SIGN_PK_SIZE);
        sign_key_init(&w->signs[i], &keys);
        memcpy(c->custody_sign_pk, w->signs[i].pk, SIGN_PK_SIZE);
        hpke_keypair(&keys, w->hpke_sks[i], c->custody_hpke_pk);
        member_operator((uint8_t)i, 0, &c->operators[0], w->operator_sks[i]);
        c->operators_len = 1;
        w->nodes[i].steps_end = &w->nodes[i].steps;
    }
    /* In ascending order of id. */
    for (unsigned i = 1; i < WORLD_MEMBERS; i++) {
        for (unsigned j = i; j > 0; j--) {
            struct charter_member *m = &w->charter.members[j];
            struct charter_member swap;

            if (memcmp(m[-1].card.id.bytes, m[0].card.id.bytes, DIGEST_SIZE) <
                0) {
                break;
            }
            swap = m[0];
            m[0] = m[-1];
            m[-1] = swap;
        }
    }
    w->charter.members_len = WORLD_MEMBERS;
    w->charter.stewards = stewards;
    for (unsigned i = 0; i < stewards; i++) {
        world_boot(w, i);
    }
}

static void rows_free(struct world_node *n)
{
    while (n->rows_len > 0) {
        free(n->rows[--n->rows_len].value);
    }
    free(n->rows);
}

void world_close(struct world *w)
{
    while (w->todo != NULL) {
        free(todo_take(w, &w->todo));
    }
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        struct world_node *n = &w->nodes[i];

        steps_forget(n);
        steward_free(n->s);
        custodian_free(n->custodian);
        rows_free(n);
        if (n->custody != NULL) {
            rows_free(n->custody);
            free(n->custody);
        }
    }
}

/* --- Delivery ------------------------------------------------------------ */

/* A page of at most |max| rows behind |after|; more of them go on later. */
static void give_rows(struct world *w, struct world_todo *t)
{
    struct world_node *n = &w->nodes[t->node];
    struct core_row page[CORE_ROWS_MAX] = {0};
    size_t max = 1 + rng_below(&w->rng, rng_below(&w->rng, 2) == 0 ? 3 : 200);
    struct core_event ev = {
        .type = EV_ROWS, .id = t->id, .status = 1, .rows = page};

    for (size_t i = 0; i < n->rows_len; i++) {
        const struct world_row *r = &n->rows[i];

        if (r->key_size < t->size || memcmp(r->key, t->bytes, t->size) != 0 ||
            (t->after_size > 0 &&
             key_compare(r, slice_of(t->after, t->after_size)) <= 0)) {
            continue;
        }
        if (ev.rows_len == max) {
            ev.status = OK;
            break;
        }
        page[ev.rows_len].key = slice_of(r->key, r->key_size);
        page[ev.rows_len++].value = slice_of(r->value, r->value_size);
    }
    if (ev.status == OK && ev.rows_len > 0) {
        struct world_todo *more = todo_put(w, t->node, 1, EV_ROWS, t->id, OK,
                                           slice_of(t->bytes, t->size));

        struct slice last = page[ev.rows_len - 1].key;

        more->after_size = last.size;
        for (size_t i = 0; i < last.size; i++) {
            more->after[i] = last.data[i];
        }
    }
    step(w, t->node, ev);
}

static void give_message(struct world *w, const struct world_todo *t)
{
    struct world_node *n = &w->nodes[t->node];
    struct message *m;
    int rv;

    if (!world_is_up(w, t->id)) {
        return;
    }
    m = malloc(sizeof(*m));
    ck_assert_ptr_nonnull(m);
    rv = message_decode(m, slice_of(t->bytes, t->size));
    if (n->s == NULL) {
        ck_assert_int_eq(rv, OK);
        if (w->on_message != NULL) {
            w->on_message(w, t->node, t->id, m);
        }
    } else if (rv != OK || !intake_message(w, t->node, t->id, m)) {
        step(w, t->node,
             (struct core_event){.type = EV_MSG,
                                 .id = t->id,
                                 .bytes = slice_of(t->bytes, t->size)});
    }
    free(m);
}

static void give(struct world *w, struct world_todo *t)
{
    struct world_node *n = &w->nodes[t->node];

    if (t->type == EV_MSG) {
        give_message(w, t);
    } else if (n->s == NULL) {
        if (t->type == EV_LINK && w->on_link != NULL) {
            w->on_link(w, t->node, t->id, t->status == OK);
        }
    } else if (t->type == EV_ROWS) {
        give_rows(w, t);
    } else {
        step(w, t->node,
             (struct core_event){.type = t->type,
                                 .id = t->id,
                                 .status = t->status,
                                 .bytes = slice_of(t->bytes, t->size)});
    }
}

/* May it come before those that were sent earlier? */
static bool todo_is_next(const struct world *w, const struct world_todo *t)
{
    for (const struct world_todo *o = w->todo; o != t; o = o->next) {
        if (t->channel != 0 && o->node == t->node && o->channel == t->channel) {
            return false;
        }
    }
    return true;
}

static bool give_one(struct world *w)
{
    struct world_todo **pick = NULL, *t;
    unsigned len = 0;

    for (struct world_todo **at = &w->todo; *at != NULL; at = &(*at)->next) {
        if (todo_is_next(w, *at) && rng_below(&w->rng, ++len) == 0) {
            pick = at;
        }
    }
    if (pick == NULL) {
        return false;
    }
    t = todo_take(w, pick);
    give(w, t);
    free(t);
    return true;
}

static bool wake_one(struct world *w, unsigned node)
{
    const struct world_node *n = &w->nodes[node];

    if (n->s == NULL || n->wake_ms == 0 || n->wake_ms > w->mono_ms) {
        return false;
    }
    step(w, node, (struct core_event){.type = EV_WAKE});
    return true;
}

static bool sync_one(struct world *w, unsigned node)
{
    if (w->nodes[node].steps == NULL) {
        return false;
    }
    step_sync(w, node);
    return true;
}

static bool relay_due(struct world *w, unsigned node)
{
    struct world_node *n = &w->nodes[node];

    if (n->s == NULL || n->s->relay.due_ms == 0) {
        return false;
    }
    n->s->relay.due_ms = w->mono_ms;
    n->wake_ms = w->mono_ms;
    return true;
}

static void trouble(struct world *w)
{
    if (w->crash_one_in > 0 && rng_below(&w->rng, w->crash_one_in) == 0) {
        world_crash(w, (unsigned)rng_below(&w->rng, w->stewards));
    }
    if (w->cut_one_in > 0 && w->links_len > 0 &&
        rng_below(&w->rng, w->cut_one_in) == 0) {
        world_cut(w, 1 + rng_below(&w->rng, w->links_len));
    }
    if (w->crash_one_in + w->cut_one_in > 0 && rng_below(&w->rng, 20) == 0) {
        (void)relay_due(w, (unsigned)rng_below(&w->rng, w->stewards));
    }
}

/* One thing, whichever; false when all is quiet. */
static bool run_one(struct world *w)
{
    unsigned first = (unsigned)rng_below(&w->rng, 2 * w->stewards + 1);

    trouble(w);
    w->delivered++;
    for (unsigned i = 0; i <= 2 * w->stewards; i++) {
        unsigned what = (first + i) % (2 * w->stewards + 1);

        if (what == 2 * w->stewards ? give_one(w)
            : what % 2 == 0         ? wake_one(w, what / 2)
                                    : sync_one(w, what / 2)) {
            return true;
        }
    }
    return false;
}

/* What waits to be passed on is due once nothing else is left, without a clock
 * that others hear, too. */
static bool relay_passes(struct world *w)
{
    bool passes = false;

    for (unsigned i = 0; i < w->stewards; i++) {
        passes = relay_due(w, i) || passes;
    }
    return passes;
}

void world_run(struct world *w)
{
    unsigned steps = 0;

    while (run_one(w) || relay_passes(w)) {
        ck_assert_uint_lt(++steps, 200000);
    }
}

void world_run_some(struct world *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        (void)run_one(w);
    }
}

void world_pass(struct world *w, uint64_t ms)
{
    w->mono_ms += ms;
    w->wall_ms += ms;
    world_run(w);
}
