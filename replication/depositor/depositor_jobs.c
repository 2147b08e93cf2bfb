#include "protocol/field.h"
#include "replication/depositor/depositor.h"

#define JOB_ITEMS 6U

static void put_numbers(struct canon_writer *w,
                        const uint64_t numbers[MANIFEST_SHARDS_MAX])
{
    canon_put_array(w, MANIFEST_SHARDS_MAX);
    for (size_t i = 0; i < MANIFEST_SHARDS_MAX; i++) {
        canon_put_uint(w, numbers[i]);
    }
}

static void get_numbers(struct canon_reader *r,
                        uint64_t numbers[MANIFEST_SHARDS_MAX],
                        uint64_t max)
{
    canon_array(r, MANIFEST_SHARDS_MAX);
    for (size_t i = 0; i < MANIFEST_SHARDS_MAX; i++) {
        numbers[i] = canon_uint(r, max);
    }
    canon_leave(r);
}

int depositor_job_encode(const struct depositor_job *job,
                         uint8_t *out,
                         size_t max,
                         size_t *size)
{
    struct canon_writer w;

    canon_write_init(&w, out, max);
    canon_put_array(&w, JOB_ITEMS);
    canon_put_uint(&w, FIELD_VERSION);
    canon_put_uint(&w, job->type);
    canon_put_uint(&w, job->columns);
    canon_put_uint(&w, job->holders);
    put_numbers(&w, job->links);
    put_numbers(&w, job->leaves);
    return field_write_end(&w, size);
}

int depositor_job_decode(struct depositor_job *job, struct slice in)
{
    struct depositor_job got;
    struct canon_reader r;
    uint64_t type;
    int rv;

    memset(&got, 0, sizeof(got));
    field_begin(&r, in);
    type = canon_uint(&r, UINT64_MAX);
    canon_require_known(&r, type >= DEPOSITOR_SEAL && type <= DEPOSITOR_VERIFY);
    got.columns = canon_uint(&r, UINT64_MAX);
    got.holders = canon_uint(&r, UINT64_MAX);
    get_numbers(&r, got.links, UINT64_MAX);
    get_numbers(&r, got.leaves, MERKLE_LEAVES_MAX);
    canon_leave(&r);
    rv = canon_end(&r);
    if (rv == OK) {
        got.type = (enum depositor_job_type)type;
        *job = got;
    }
    return rv;
}
