#include "node/recovery/recovery.h"

#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/secret.h"

#define WINDOW_MEMORY ((size_t)224 << 20)

unsigned segment_window(size_t buffer_size, unsigned threads, unsigned max)
{
    size_t fits = WINDOW_MEMORY / buffer_size;
    unsigned window = threads + 2;

    if (window > max) {
        window = max;
    }
    if (window > fits) {
        window = (unsigned)fits;
    }
    return window > 0 ? window : 1;
}

/* Append to a text of ERRMSG_SIZE, as far as it fits. */
static void bad_add(char *text, unsigned index, const char *what)
{
    size_t used = strlen(text);

    (void)snprintf(text + used, ERRMSG_SIZE - used, "share %u %s; ", index,
                   what);
}

/* Keep the share if it is good and new. */
static bool share_take(const struct manifest *m,
                       const struct digest *manifest_hash,
                       const struct share_file *f,
                       struct vss_share *good,
                       size_t *good_len,
                       char *bad)
{
    if (!digest_equal(&f->deposit_id, &m->deposit_id) ||
        !digest_equal(&f->manifest_hash, manifest_hash) ||
        f->epoch != m->share_epoch) {
        bad_add(bad, f->share.index, "is of another deposit");
        return false;
    }
    if (vss_share_verify(&f->share, m->commitments, m->t, m->n) != OK) {
        bad_add(bad, f->share.index, "is not what was dealt");
        return false;
    }
    for (size_t i = 0; i < *good_len; i++) {
        if (good[i].index == f->share.index) {
            return false;
        }
    }
    if (*good_len < m->t) {
        good[(*good_len)++] = f->share;
    }
    return true;
}

int recovery_key(const struct manifest *m,
                 const struct digest *manifest_hash,
                 const struct share_file *shares,
                 size_t shares_len,
                 struct content_key *key,
                 char *bad,
                 char *errmsg)
{
    struct vss_share *good = secret_new(sizeof(*good) * VSS_T_MAX);
    struct scalar s;
    struct scalar r;
    struct digest commit;
    size_t good_len = 0;
    int rv = ERR_NOMEM;

    bad[0] = '\0';
    if (good == NULL) {
        errmsg_set(errmsg,
                   "no locked memory for key shares; raise 'ulimit -l'");
        return rv;
    }
    for (size_t i = 0; i < shares_len; i++) {
        (void)share_take(m, manifest_hash, &shares[i], good, &good_len, bad);
    }
    if (good_len < m->t) {
        errmsg_set(errmsg, "%zu good key shares, %u are needed; bring %zu more",
                   good_len, m->t, m->t - good_len);
        rv = ERR_NOTFOUND;
        goto out;
    }
    rv = vss_combine(good, good_len, &s, &r);
    if (rv == OK) {
        content_key_derive(key, &m->deposit_id, s.bytes, &commit);
        if (!digest_equal(&commit, &m->key_commit)) {
            content_key_wipe(key);
            rv = ERR_AUTH;
        }
    }
    if (rv != OK) {
        errmsg_set(errmsg,
                   "the shares combine to a key that is not the deposit's; "
                   "try with other shares");
    }
    sodium_memzero(&s, sizeof(s));
    sodium_memzero(&r, sizeof(r));
out:
    secret_free(good);
    return rv;
}

struct segment_params *recovery_params_new(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (sizeof(struct segment_params) + page - 1) / page * page;
    struct segment_params *p = aligned_alloc(page, size);

    if (p == NULL) {
        return NULL;
    }
    memset(p, 0, size);
    if (sodium_mlock(&p->key, sizeof(p->key)) != 0) {
        free(p);
        return NULL;
    }
    return p;
}

void recovery_params_free(struct segment_params *p)
{
    if (p != NULL) {
        (void)sodium_munlock(&p->key, sizeof(p->key)); /* It wipes. */
        free(p);
    }
}

int recovery_params(const struct manifest *m,
                    const struct content_key *key,
                    struct segment_params *p)
{
    p->key = *key;
    p->segment_size = m->segment_size;
    p->codec = CODEC_CHOOSE_AUTO;
    return erasure_init(&p->code, m->k, m->n);
}

int recovery_places(const struct manifest *m,
                    const uint8_t *table,
                    struct restorer_place **places,
                    char *errmsg)
{
    struct restorer_place *list;
    uint64_t offset = LEAF_SIZE;
    int rv = OK;

    list = calloc(m->segments, sizeof(*list));
    if (list == NULL) {
        errmsg_set(errmsg, "out of memory for the segment table");
        return ERR_NOMEM;
    }
    for (uint64_t i = 0; i < m->segments && rv == OK; i++) {
        rv = shard_segment_decode(&list[i].size, m->k, m->segment_size,
                                  table + i * SHARD_TABLE_ENTRY_SIZE);
        list[i].segment = i;
        list[i].offset = offset;
        offset += (uint64_t)list[i].size.leaves * LEAF_SIZE;
    }
    if (rv == OK && shard_size(offset, m->segments) != m->shard_size) {
        rv = ERR_BAD;
    }
    if (rv != OK) {
        errmsg_set(errmsg, "the segment table does not fit the manifest");
        free(list);
        return rv;
    }
    *places = list;
    return OK;
}

struct sink_stream {
    struct mover_blocking base;
    recovery_sink *sink;
    void *arg;
};

static void sink_execute(struct mover_blocking *b, struct mover_op *op)
{
    struct sink_stream *s = (struct sink_stream *)b;

    op->status = s->sink(s->arg, op->id, op->bytes);
}

static void step_restorer(void *mover,
                          const struct mover_event *ev,
                          struct mover_out *out)
{
    restorer_step(mover, ev, out);
}

int recovery_run(struct job *j,
                 const struct segment_params *p,
                 struct mover_stream **streams,
                 const struct restorer_place *places,
                 size_t places_len,
                 recovery_sink *sink,
                 void *arg,
                 struct progress *progress,
                 uint64_t preferred)
{
    struct sink_stream out = {.sink = sink, .arg = arg};
    struct restorer *r = calloc(1, sizeof(*r));
    struct restorer_config rc = {.params = p,
                                 .places = places,
                                 .places_len = places_len,
                                 .preferred = preferred};
    struct mover_run_config mc = {.step = step_restorer,
                                  .mover = r,
                                  .source = &out.base.base,
                                  .streams = streams,
                                  .streams_len = p->code.n};
    int rv = r == NULL ? ERR_NOMEM : OK;

    mc.buffer_size = restorer_buffer_size(p);
    rc.window = segment_window(mc.buffer_size, j->threads, RESTORER_WINDOW_MAX);
    mc.buffers_len = rc.window;
    for (uint16_t i = 0; i < p->code.n; i++) {
        rc.streams |= streams[i] != NULL ? (uint64_t)1 << i : 0;
    }
    for (unsigned i = 0; i < rc.window && rv == OK; i++) {
        rv = codec_state_new(&rc.codecs[i]);
    }
    if (rv == OK) {
        mover_blocking_init(&out.base, MOVER_SOURCE, &j->loop, sink_execute);
        restorer_init(r, &rc);
        rv = job_run(j, &mc, progress);
    }
    for (unsigned i = 0; i < rc.window; i++) {
        codec_state_free(rc.codecs[i]);
    }
    free(r);
    return rv;
}

struct catalogue_sink {
    uint8_t *data;
    size_t size, max;
};

static int catalogue_take(void *arg, uint64_t segment, struct slice plain)
{
    struct catalogue_sink *s = arg;

    (void)segment;
    if (plain.size > s->max - s->size) {
        return ERR_FULL;
    }
    memcpy(s->data + s->size, plain.data, plain.size);
    s->size += plain.size;
    return OK;
}

int recovery_catalogue(struct job *j,
                       const struct manifest *m,
                       const struct segment_params *p,
                       struct mover_stream **streams,
                       const struct restorer_place *places,
                       uint8_t **catalogue,
                       size_t *size,
                       char *errmsg)
{
    struct catalogue_sink sink = {0};
    uint64_t max = (uint64_t)m->catalogue_segments * m->segment_size;
    int rv;

    sink.max = max < CATALOGUE_SIZE_MAX ? (size_t)max : CATALOGUE_SIZE_MAX;
    sink.data = malloc(sink.max);
    if (sink.data == NULL) {
        errmsg_set(errmsg, "out of memory for the catalogue");
        return ERR_NOMEM;
    }
    rv = recovery_run(j, p, streams,
                      places + (m->segments - m->catalogue_segments),
                      m->catalogue_segments, catalogue_take, &sink, NULL, 0);
    if (rv != OK) {
        errmsg_set(errmsg, "the catalogue cannot be read: %s",
                   rv == ERR_NOTFOUND ? "too few good shards"
                                      : "it is damaged");
        sodium_memzero(sink.data, sink.size);
        free(sink.data);
        return rv;
    }
    *catalogue = sink.data;
    *size = sink.size;
    return OK;
}

struct target_sink {
    struct target *target;
    char *errmsg;
};

static int target_sink_take(void *arg, uint64_t segment, struct slice plain)
{
    struct target_sink *s = arg;

    return target_take(s->target, segment, plain, s->errmsg);
}

static void files_explain(int rv, const char *said, char *errmsg)
{
    if (said[0] != '\0') {
        errmsg_set(errmsg, "%s", said);
    } else if (rv == ERR_NOTFOUND) {
        errmsg_set(errmsg, "too few good shards are left for some segment");
    } else if (rv == ERR_AUTH || rv == ERR_BAD) {
        errmsg_set(errmsg,
                   "a segment does not open although its cells are what the "
                   "lab sealed: the deposit was faulty from the start");
    } else if (rv == ERR_CANCELED) {
        errmsg_set(errmsg, "interrupted; run the same command to go on");
    } else {
        errmsg_set(errmsg, "recovery failed (%d)", rv);
    }
}

/* Rather now than after days. Not an error: the disk may compress, or grow. */
static void room_tell(const struct cli *c, const struct target *target)
{
    uint64_t lacks = target_lacks(target);
    char size[TEXT_SIZE];

    if (lacks > 0) {
        cli_note(c,
                 "the disk of '%s' has %s too little room for what is to be "
                 "restored: it will stop when that is full, and the same "
                 "command goes on there",
                 target->path, text_size(size, lacks));
    }
}

int recovery_files(struct cli *c,
                   struct job *j,
                   const struct manifest *m,
                   const struct segment_params *p,
                   struct mover_stream **streams,
                   const struct restorer_place *places,
                   struct target *target,
                   const char *const *only,
                   size_t only_len,
                   char *errmsg)
{
    uint64_t data_segments = m->segments - m->catalogue_segments;
    char said[ERRMSG_SIZE] = "";
    struct target_sink sink = {.target = target, .errmsg = said};
    uint64_t *wanted = calloc(data_segments + 1, sizeof(*wanted));
    struct restorer_place *chosen = calloc(data_segments + 1, sizeof(*chosen));
    uint8_t *catalogue = NULL;
    size_t size = 0;
    size_t count;
    struct progress bar;
    uint64_t bytes = 0;
    int rv = wanted == NULL || chosen == NULL ? ERR_NOMEM : OK;

    if (rv == OK) {
        rv = recovery_catalogue(j, m, p, streams, places, &catalogue, &size,
                                errmsg);
    }
    if (rv == OK) {
        rv = target_plan(target, slice_of(catalogue, size), m->segment_size,
                         only, only_len, errmsg);
        /* More shards would not help against a wrong --only. */
        rv = rv == ERR_NOTFOUND ? ERR_ORDER : rv;
    }
    if (rv != OK) {
        goto out;
    }
    room_tell(c, target);
    count = target_segments(target, wanted, data_segments);
    for (size_t i = 0; i < count; i++) {
        chosen[i] = places[wanted[i]];
        bytes += chosen[i].size.ciphertext_size;
    }
    progress_start(&bar, c, "restoring", bytes);
    rv = recovery_run(j, p, streams, chosen, count, target_sink_take, &sink,
                      &bar, 0);
    progress_end(&bar, rv == OK);
    if (rv != OK) {
        files_explain(rv, said, errmsg);
        goto out;
    }
    rv = target_finish(target, errmsg);
out:
    if (catalogue != NULL) {
        sodium_memzero(catalogue, size);
    }
    free(catalogue);
    free(chosen);
    free(wanted);
    return rv;
}
