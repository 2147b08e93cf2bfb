#include "replication/steward/steward_jobs.h"

#include "protocol/field.h"

#define JOB_ITEMS      14U
#define REPORT_ITEMS   3U
#define SHARD_SIZE_MAX (MERKLE_LEAVES_MAX * LEAF_SIZE)

int steward_job_encode(const struct steward_job *job,
                       uint8_t *out,
                       size_t max,
                       size_t *size)
{
    struct canon_writer w;

    canon_write_init(&w, out, max);
    canon_put_array(&w, JOB_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_uint(&w, job->type);
    canon_put_uint(&w, job->link);
    canon_put_digest(&w, &job->deposit_id);
    canon_put_uint(&w, job->index);
    canon_put_uint(&w, job->size);
    field_put_range(&w, &job->range);
    canon_put_uint(&w, job->final_leaves);
    canon_put_digest(&w, &job->root);
    canon_put_uint(&w, job->first_leaf);
    canon_put_uint(&w, job->leaves);
    canon_put_uint(&w, job->stream);
    canon_put_bin(&w, job->manifest);
    return field_write_end(&w, size);
}

static bool job_is_sound(const struct steward_job *j)
{
    switch (j->type) {
    case STEWARD_JOB_INTAKE:
        return j->range.leaves <= j->size / LEAF_SIZE &&
               j->final_leaves <= j->range.leaves;
    case STEWARD_JOB_READ:
        return j->leaves >= 1 && j->leaves <= j->size / LEAF_SIZE &&
               j->first_leaf <= j->size / LEAF_SIZE - j->leaves;
    case STEWARD_JOB_SEAL:
        return j->manifest.size > 0;
    case STEWARD_JOB_DROP:
        return true;
    }
    return false;
}

int steward_job_decode(struct steward_job *job, struct slice in)
{
    struct steward_job got;
    struct canon_reader r;
    uint64_t type;
    int rv;

    memset(&got, 0, sizeof(got));
    field_begin(&r, in);
    type = canon_uint(&r, UINT64_MAX);
    canon_require_known(&r,
                        type >= STEWARD_JOB_INTAKE && type <= STEWARD_JOB_DROP);
    got.link = canon_uint(&r, UINT64_MAX);
    canon_digest(&r, &got.deposit_id);
    got.index = (uint16_t)canon_uint(&r, MANIFEST_SHARDS_MAX - 1);
    got.size = canon_uint(&r, SHARD_SIZE_MAX);
    field_range(&r, &got.range);
    got.final_leaves = canon_uint(&r, MERKLE_LEAVES_MAX);
    canon_digest(&r, &got.root);
    got.first_leaf = canon_uint(&r, MERKLE_LEAVES_MAX);
    got.leaves = canon_uint(&r, MERKLE_LEAVES_MAX);
    got.stream = (uint32_t)canon_uint(&r, UINT32_MAX);
    got.manifest = canon_bin(&r, 0, FEED_ENTRY_MAX);
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv != OK) {
        return rv;
    }
    got.type = (enum steward_job_type)type;
    if (!job_is_sound(&got)) {
        return ERR_BAD;
    }
    *job = got;
    return OK;
}

int steward_job_report_encode(const struct steward_job_report *r,
                              uint8_t *out,
                              size_t max,
                              size_t *size)
{
    struct canon_writer w;

    canon_write_init(&w, out, max);
    canon_put_array(&w, REPORT_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    field_put_range(&w, &r->range);
    return field_write_end(&w, size);
}

int steward_job_report_decode(struct steward_job_report *r, struct slice in)
{
    struct steward_job_report got;
    struct canon_reader reader;
    int rv;

    field_begin(&reader, in);
    field_range(&reader, &got.range);
    canon_leave(&reader);
    rv = canon_end(&reader);
    if (rv == OK) {
        *r = got;
    }
    return rv;
}
