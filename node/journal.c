#include "node/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "crypto/keyfile.h"
#include "crypto/secret.h"
#include "protocol/canon.h"
#include "protocol/policy.h"

#define PLAN_FIELDS    18
#define PLAN_SIZE_MAX  16384U
#define SEGMENT_RECORD 56U
#define SEGMENT_BODY   48U
#define RANGES_HEADER  24U
#define RANGES_SIZE_MAX                                                     \
    (RANGES_HEADER + MANIFEST_SHARDS_MAX * MERKLE_DEPTH_MAX * DIGEST_SIZE + \
     DIGEST_SIZE)

static const char ranges_magic[8] = {'C', 'R', 'N', 'R', 'A', 'N', 'G', 'E'};

static int plan_encode(const struct journal_plan *p,
                       uint8_t *out,
                       size_t max,
                       size_t *size)
{
    struct canon_writer w;
    struct slice written;
    uint16_t t = p->polynomials.t;
    int rv;

    canon_write_init(&w, out, max);
    canon_put_array(&w, PLAN_FIELDS);
    canon_put_uint(&w, 1);
    canon_put_digest(&w, &p->net);
    canon_put_digest(&w, &p->author);
    canon_put_digest(&w, &p->deposit_id);
    canon_put_str(&w, slice_str(p->label));
    canon_put_uint(&w, p->time_s);
    canon_put_uint(&w, p->data_size);
    canon_put_uint(&w, p->segment_size);
    canon_put_uint(&w, p->k);
    canon_put_uint(&w, p->n);
    canon_put_uint(&w, p->codec);
    canon_put_uint(&w, p->cadence_days);
    canon_put_bin(&w, slice_of(p->policy, p->policy_size));
    canon_put_uint(&w, t);
    canon_put_bin(&w, slice_of(p->polynomials.a, t * sizeof(struct scalar)));
    canon_put_bin(&w, slice_of(p->polynomials.b, t * sizeof(struct scalar)));
    canon_put_bin(&w, slice_of(p->seed, sizeof(p->seed)));
    canon_put_bin(&w, slice_of(p->stewards,
                               p->offline ? 0 : p->n * sizeof(struct digest)));
    rv = canon_write_end(&w, &written);
    if (rv == OK) {
        *size = written.size;
    }
    return rv;
}

static void plan_read_polynomial(struct canon_reader *r,
                                 struct scalar *out,
                                 uint16_t t)
{
    struct slice s =
        canon_bin(r, t * sizeof(struct scalar), t * sizeof(struct scalar));

    if (s.size == t * sizeof(struct scalar)) {
        memcpy(out, s.data, s.size);
    }
    for (uint16_t i = 0; i < t; i++) {
        canon_require(r, scalar_is_canonical(&out[i]));
    }
}

static int plan_decode(struct journal_plan *p, struct slice in)
{
    struct canon_reader r;
    struct slice s;

    canon_read_init(&r, in);
    canon_array(&r, PLAN_FIELDS);
    canon_version(&r, 1);
    canon_digest(&r, &p->net);
    canon_digest(&r, &p->author);
    canon_digest(&r, &p->deposit_id);
    s = canon_str(&r, 1, MANIFEST_LABEL_MAX);
    memcpy(p->label, s.data != NULL ? s.data : (const uint8_t *)"", s.size);
    p->label[s.size] = '\0';
    p->time_s = canon_uint(&r, UINT64_MAX);
    p->data_size = canon_uint(&r, UINT64_MAX);
    p->segment_size = (uint32_t)canon_uint(&r, SEGMENT_SIZE_MAX);
    p->k = (uint16_t)canon_uint(&r, ERASURE_K_MAX);
    p->n = (uint16_t)canon_uint(&r, MANIFEST_SHARDS_MAX);
    p->codec = (uint32_t)canon_uint(&r, CODEC_CHOOSE_ZSTD);
    p->cadence_days = (uint32_t)canon_uint(&r, UINT32_MAX);
    s = canon_bin(&r, 1, MANIFEST_POLICY_MAX);
    memcpy(p->policy, s.data != NULL ? s.data : (const uint8_t *)"", s.size);
    p->policy_size = s.size;
    p->polynomials.t = (uint16_t)canon_uint(&r, VSS_T_MAX);
    plan_read_polynomial(&r, p->polynomials.a, p->polynomials.t);
    plan_read_polynomial(&r, p->polynomials.b, p->polynomials.t);
    canon_bytes(&r, p->seed, sizeof(p->seed));
    s = canon_bin(&r, 0, sizeof(p->stewards));
    memcpy(p->stewards, s.data != NULL ? s.data : (const uint8_t *)"", s.size);
    p->offline = s.size == 0;
    canon_require(&r, p->offline || s.size == p->n * sizeof(struct digest));
    canon_leave(&r);
    canon_require(&r, p->segment_size >= SEGMENT_SIZE_MIN &&
                          p->segment_size % LEAF_SIZE == 0 && p->k >= 1 &&
                          p->k < p->n && p->polynomials.t >= 1 &&
                          p->polynomials.t <= p->n);
    return canon_end(&r);
}

static int fd_read_all(int fd, uint64_t off, uint8_t *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, out + done, size - done, (off_t)(off + done));

        if (got == 0) {
            return ERR_NOTFOUND;
        }
        if (got < 0 && errno != EINTR) {
            return ERR_IO;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return OK;
}

static int fd_write_all(int fd, uint64_t off, const uint8_t *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t put = pwrite(fd, data + done, size - done, (off_t)(off + done));

        if (put < 0 && errno != EINTR) {
            return errno == ENOSPC ? ERR_FULL : ERR_IO;
        }
        done += put > 0 ? (size_t)put : 0;
    }
    return fdatasync(fd) == 0 ? OK : ERR_IO;
}

static int journal_path(struct journal *j,
                        const char *name,
                        int flags,
                        int *fd,
                        char *errmsg)
{
    char *path = path_join(j->folder, name);

    *fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0) {
        errmsg_set(errmsg,
                   "open '%s': %s; the deposit cannot go on without its "
                   "journal",
                   path, strerror(errno));
    }
    free(path);
    return *fd < 0 ? ERR_IO : OK;
}

static int journal_init(struct journal *j, const char *folder, char *errmsg)
{
    char *lock;

    *j = (struct journal){.lock = -1, .segments = -1, .ranges = {-1, -1}};
    j->folder = strdup(folder);
    j->plan = secret_new(sizeof(*j->plan));
    if (j->folder == NULL || j->plan == NULL) {
        errmsg_set(errmsg, "no locked memory for the deposit's secrets; raise "
                           "'ulimit -l'");
        return ERR_NOMEM;
    }
    lock = path_join(folder, "lock");
    j->lock = file_lock(lock, errmsg);
    free(lock);
    return j->lock < 0 ? j->lock : OK;
}

/* Open the three files, then make their names durable. */
static int journal_files(struct journal *j, char *errmsg)
{
    int rv =
        journal_path(j, "segments", O_RDWR | O_CREAT, &j->segments, errmsg);

    if (rv == OK) {
        rv = journal_path(j, "ranges-0", O_RDWR | O_CREAT, &j->ranges[0],
                          errmsg);
    }
    if (rv == OK) {
        rv = journal_path(j, "ranges-1", O_RDWR | O_CREAT, &j->ranges[1],
                          errmsg);
    }
    return rv == OK ? folder_sync(j->folder, errmsg) : rv;
}

/* What a power cut leaves of a plan that was being written (file_write()). */
#define TEMP_PREFIX ".cairn-tmp-"

static bool name_is_secret(const char *name)
{
    return strcmp(name, "plan") == 0 ||
           strncmp(name, TEMP_PREFIX, sizeof(TEMP_PREFIX) - 1) == 0;
}

/* Can it stand in a journal? A dot names the folder itself. */
static bool name_is_ours(const char *name)
{
    static const char *const names[] = {".",        "..",       "lock",
                                        "segments", "ranges-0", "ranges-1"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return name_is_secret(name);
}

/* Nobody else's folder is taken for a journal: not to write, and above all not
 * to erase. OK when it is not there. */
static int folder_is_ours(const char *folder, char *errmsg)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int rv = OK;

    if (dir == NULL) {
        return errno == ENOENT ? OK : file_error(errmsg, "list", folder);
    }
    while (rv == OK && (entry = readdir(dir)) != NULL) {
        if (!name_is_ours(entry->d_name)) {
            errmsg_set(errmsg,
                       "'%s' holds '%s', which is not of a deposit under way; "
                       "move it away or choose another folder",
                       folder, entry->d_name);
            rv = ERR_EXISTS;
        }
    }
    (void)closedir(dir);
    return rv;
}

int journal_create(struct journal *j,
                   const char *folder,
                   const struct journal_plan *plan,
                   struct slice passphrase,
                   char *errmsg)
{
    uint8_t *payload = secret_new(PLAN_SIZE_MAX);
    uint8_t *file = secret_new(PLAN_SIZE_MAX + KEYFILE_OVERHEAD);
    char *path = path_join(folder, "plan");
    struct rng rng;
    size_t size = 0;
    int rv = folder_is_ours(folder, errmsg);

    if (rv == OK) {
        rv = folder_make(folder, 0700, errmsg);
    }
    if (rv != OK) {
        goto out;
    }
    rv = journal_init(j, folder, errmsg);
    if (rv != OK) {
        goto err;
    }
    if (payload == NULL || file == NULL) {
        errmsg_set(errmsg, "no locked memory; raise 'ulimit -l'");
        rv = ERR_NOMEM;
        goto err;
    }
    *j->plan = *plan;
    rng_init_system(&rng);
    rv = plan_encode(plan, payload, PLAN_SIZE_MAX, &size);
    assert(rv == OK);
    rv = keyfile_seal(KEYFILE_JOURNAL, passphrase, slice_of(payload, size),
                      &rng, file);
    if (rv != OK) {
        errmsg_set(errmsg, "sealing the journal needs 256 MiB of memory");
        goto err;
    }
    rv = journal_files(j, errmsg);
    if (rv == OK) {
        rv = file_write(path, slice_of(file, size + KEYFILE_OVERHEAD), 0600,
                        FILE_NEW, errmsg);
    }
    if (rv == OK) {
        goto out;
    }
err:
    journal_close(j);
out:
    free(path);
    secret_free(payload);
    secret_free(file);
    return rv;
}

static size_t ranges_size(uint16_t n, uint64_t leaves)
{
    return RANGES_HEADER + n * merkle_range_nodes_len(leaves) * DIGEST_SIZE +
           DIGEST_SIZE;
}

static void ranges_encode(const struct sealer_commit *c,
                          uint16_t n,
                          uint8_t *out)
{
    size_t nodes = merkle_range_nodes_len(c->ranges[0].leaves) * DIGEST_SIZE;
    size_t at = RANGES_HEADER;
    struct digest check;

    memcpy(out, ranges_magic, sizeof(ranges_magic));
    u64le_store(out + 8, c->segment + 1);
    u64le_store(out + 16, c->offset);
    for (uint16_t i = 0; i < n; i++, at += nodes) {
        assert(c->ranges[i].leaves * LEAF_SIZE == c->offset);
        memcpy(out + at, c->ranges[i].nodes, nodes);
    }
    sha256(slice_of(out, at), &check);
    memcpy(out + at, check.bytes, DIGEST_SIZE);
}

/* Read one of the two; ERR_NOTFOUND when it is empty or torn. */
static int ranges_decode(const struct journal *j,
                         int fd,
                         struct sealer_commit *c)
{
    uint16_t n = j->plan->n;
    uint8_t *in = malloc(RANGES_SIZE_MAX);
    struct digest check;
    size_t size;
    uint64_t offset;
    int rv;

    if (in == NULL) {
        return ERR_NOMEM;
    }
    rv = fd_read_all(fd, 0, in, RANGES_HEADER);
    if (rv != OK) {
        goto out;
    }
    rv = ERR_NOTFOUND;
    offset = u64le_load(in + 16);
    if (memcmp(in, ranges_magic, sizeof(ranges_magic)) != 0 ||
        u64le_load(in + 8) == 0 || offset % LEAF_SIZE != 0 ||
        offset / LEAF_SIZE >= MERKLE_LEAVES_MAX) {
        goto out;
    }
    size = ranges_size(n, offset / LEAF_SIZE);
    rv = fd_read_all(fd, 0, in, size);
    if (rv != OK) {
        goto out;
    }
    sha256(slice_of(in, size - DIGEST_SIZE), &check);
    if (memcmp(check.bytes, in + size - DIGEST_SIZE, DIGEST_SIZE) != 0) {
        rv = ERR_NOTFOUND;
        goto out;
    }
    memset(c, 0, sizeof(*c));
    c->segment = u64le_load(in + 8) - 1;
    c->offset = offset;
    for (uint16_t i = 0; i < n; i++) {
        size_t nodes = merkle_range_nodes_len(offset / LEAF_SIZE) * DIGEST_SIZE;

        c->ranges[i].leaves = offset / LEAF_SIZE;
        memcpy(c->ranges[i].nodes, in + RANGES_HEADER + i * nodes, nodes);
    }
out:
    free(in);
    return rv;
}

int journal_last(const struct journal *j,
                 struct sealer_commit *out,
                 char *errmsg)
{
    struct sealer_commit *other = malloc(sizeof(*other));
    int rv;
    int rv_other;

    if (other == NULL) {
        errmsg_set(errmsg, "out of memory");
        return ERR_NOMEM;
    }
    rv = ranges_decode(j, j->ranges[0], out);
    rv_other = ranges_decode(j, j->ranges[1], other);
    if (rv_other == OK && (rv != OK || other->segment > out->segment)) {
        *out = *other;
        rv = OK;
    }
    free(other);
    if (rv == ERR_IO || rv_other == ERR_IO) {
        errmsg_set(errmsg, "read journal '%s': %s", j->folder, strerror(errno));
        return ERR_IO;
    }
    return rv;
}

static int journal_load(struct journal *j,
                        struct slice passphrase,
                        char *errmsg)
{
    char *path = path_join(j->folder, "plan");
    uint8_t *payload = secret_new(PLAN_SIZE_MAX);
    uint8_t *file = NULL;
    size_t size = 0;
    struct keyfile_info info;
    int rv = payload == NULL ? ERR_NOMEM : OK;

    if (rv == OK) {
        rv = file_read_secret(path, PLAN_SIZE_MAX + KEYFILE_OVERHEAD, &file,
                              &size, errmsg);
    }
    if (rv != OK) {
        goto out;
    }
    rv = keyfile_inspect(slice_of(file, size), &info);
    if (rv == OK && info.payload_size > PLAN_SIZE_MAX) {
        rv = ERR_BAD;
    }
    if (rv == OK) {
        rv = keyfile_open(KEYFILE_JOURNAL, passphrase, slice_of(file, size),
                          payload);
    }
    if (rv == OK) {
        rv = plan_decode(j->plan, slice_of(payload, info.payload_size));
    }
    if (rv == ERR_AUTH) {
        errmsg_set(errmsg, "wrong passphrase, or '%s' is damaged", path);
    } else if (rv != OK) {
        errmsg_set(errmsg,
                   "'%s' is damaged; the deposit has to start over in a new "
                   "place",
                   path);
    }
out:
    free(path);
    secret_free(payload);
    secret_free(file);
    return rv;
}

int journal_is_sealed(const char *folder, bool *sealed, char *errmsg)
{
    char *path = path_join(folder, "plan");
    uint8_t *file = NULL;
    size_t size = 0;
    struct keyfile_info info;
    int rv = file_read_secret(path, PLAN_SIZE_MAX + KEYFILE_OVERHEAD, &file,
                              &size, errmsg);

    if (rv == OK) {
        rv = keyfile_inspect(slice_of(file, size), &info);
        if (rv == OK) {
            *sealed = info.sealed;
        } else {
            errmsg_set(errmsg, "'%s' is damaged", path);
        }
    }
    secret_free(file);
    free(path);
    return rv;
}

int journal_open(struct journal *j,
                 const char *folder,
                 struct slice passphrase,
                 char *errmsg)
{
    char *path = path_join(folder, "plan");
    bool there = access(path, F_OK) == 0;
    struct sealer_commit *last = NULL;
    int rv;

    free(path);
    if (!there) {
        errmsg_set(errmsg, "no deposit is under way in '%s'", folder);
        return ERR_NOTFOUND;
    }
    rv = journal_init(j, folder, errmsg);
    if (rv == OK) {
        rv = journal_load(j, passphrase, errmsg);
    }
    if (rv == OK) {
        rv = journal_files(j, errmsg);
    }
    if (rv == OK) {
        last = malloc(sizeof(*last));
        rv = last == NULL ? ERR_NOMEM : journal_last(j, last, errmsg);
    }
    if (last != NULL && rv == OK) {
        j->committed = last->segment + 1;
    } else if (last != NULL && rv == ERR_NOTFOUND) {
        rv = OK; /* Nothing is committed yet. */
    }
    free(last);
    if (rv != OK) {
        journal_close(j);
    }
    return rv;
}

int journal_commit(struct journal *j,
                   const struct sealer_commit *commit,
                   char *errmsg)
{
    uint8_t record[SEGMENT_RECORD] = {0};
    uint8_t *ranges = malloc(RANGES_SIZE_MAX);
    uint64_t leaves = commit->ranges[0].leaves;
    struct digest check;
    int rv = ERR_IO;

    assert(commit->segment == j->committed);
    if (ranges == NULL || j->failed) {
        free(ranges);
        errmsg_set(errmsg, "the journal failed before; run the command again");
        return ERR_IO;
    }
    u32le_store(record, commit->plain_size);
    u32le_store(record + 4, commit->ciphertext_size);
    u32le_store(record + 8, commit->cell_leaves);
    memcpy(record + 16, commit->plain.bytes, DIGEST_SIZE);
    sha256(slice_of(record, SEGMENT_BODY), &check);
    memcpy(record + SEGMENT_BODY, check.bytes, SEGMENT_RECORD - SEGMENT_BODY);
    rv = fd_write_all(j->segments, commit->segment * SEGMENT_RECORD, record,
                      sizeof(record));
    if (rv == OK) {
        ranges_encode(commit, j->plan->n, ranges);
        rv = fd_write_all(j->ranges[commit->segment % 2], 0, ranges,
                          ranges_size(j->plan->n, leaves));
    }
    free(ranges);
    if (rv != OK) {
        j->failed = true;
        errmsg_set(errmsg,
                   "write journal '%s': %s; free space or mend the disk and "
                   "run the command again",
                   j->folder, strerror(errno));
        return rv;
    }
    j->committed++;
    return OK;
}

int journal_segment(const struct journal *j,
                    uint64_t segment,
                    struct journal_segment *out,
                    char *errmsg)
{
    uint8_t record[SEGMENT_RECORD];
    struct digest check;
    int rv = fd_read_all(j->segments, segment * SEGMENT_RECORD, record,
                         sizeof(record));

    assert(segment < j->committed);
    if (rv == OK) {
        sha256(slice_of(record, SEGMENT_BODY), &check);
        if (memcmp(record + SEGMENT_BODY, check.bytes,
                   SEGMENT_RECORD - SEGMENT_BODY) != 0) {
            rv = ERR_BAD;
        }
    }
    if (rv != OK) {
        errmsg_set(errmsg,
                   "journal '%s' is damaged at segment %llu; the deposit has "
                   "to start over in a new place",
                   j->folder, (unsigned long long)segment);
        return ERR_BAD;
    }
    out->plain_size = u32le_load(record);
    out->ciphertext_size = u32le_load(record + 4);
    out->cell_leaves = u32le_load(record + 8);
    memcpy(out->plain.bytes, record + 16, DIGEST_SIZE);
    return OK;
}

/* Best effort on the medium, certain for the file system: flash and copying
 * file systems may keep the old blocks, which is why a passphrase is offered.
 */
static int plan_overwrite(const char *path)
{
    struct stat st;
    uint8_t zeros[4096] = {0};
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    int rv = ERR_IO;

    if (fd < 0) {
        return errno == ENOENT ? OK : ERR_IO;
    }
    if (fstat(fd, &st) == 0) {
        rv = OK;
        for (off_t at = 0; at < st.st_size && rv == OK;
             at += (off_t)sizeof(zeros)) {
            off_t left = st.st_size - at;

            rv = fd_write_all(fd, (uint64_t)at, zeros,
                              left < (off_t)sizeof(zeros) ? (size_t)left
                                                          : sizeof(zeros));
        }
    }
    close(fd);
    return rv;
}

/* FOLDER.done, allocated. */
static char *done_folder(const char *folder)
{
    size_t size = strlen(folder) + sizeof(".done");
    char *path = malloc(size);

    if (path == NULL) {
        abort();
    }
    (void)snprintf(path, size, "%s.done", folder);
    return path;
}

static int name_erase(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    int rv = name_is_secret(name) ? plan_overwrite(path) : OK;

    if (rv == OK && unlink(path) != 0 && errno != ENOENT) {
        rv = ERR_IO;
    }
    free(path);
    return rv;
}

/* Everything in a folder of ours; OK when it is not there. */
static int names_erase(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int rv = OK;

    if (dir == NULL) {
        return errno == ENOENT ? OK : ERR_IO;
    }
    while (rv == OK && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0) {
            rv = name_erase(folder, entry->d_name);
        }
    }
    (void)closedir(dir);
    return rv;
}

int journal_clean(const char *folder, char *errmsg)
{
    char *done = done_folder(folder);
    int rv = folder_is_ours(done, errmsg);

    if (rv != OK) {
        free(done);
        return rv;
    }
    rv = names_erase(done);
    if (rv == OK && rmdir(done) != 0 && errno != ENOENT) {
        rv = ERR_IO;
    }
    if (rv != OK) {
        errmsg_set(errmsg,
                   "erase '%s': %s; it holds the deposit's secrets, remove it "
                   "by hand",
                   done, strerror(errno));
    }
    free(done);
    return rv;
}

int journal_erase(struct journal *j, char *errmsg)
{
    char *done = done_folder(j->folder);
    char *parent = path_join(done, "..");
    int rv = rename(j->folder, done) == 0 ? OK : ERR_IO;

    if (rv != OK) {
        errmsg_set(errmsg, "rename '%s': %s", j->folder, strerror(errno));
    } else {
        /* Before the plan is overwritten: a power cut must not leave a journal
         * that looks damaged. */
        rv = folder_sync(parent, errmsg);
    }
    free(parent);
    free(done);
    return rv == OK ? journal_clean(j->folder, errmsg) : rv;
}

void journal_close(struct journal *j)
{
    int fds[] = {j->segments, j->ranges[0], j->ranges[1], j->lock};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    secret_free(j->plan);
    free(j->folder);
    *j = (struct journal){.lock = -1, .segments = -1, .ranges = {-1, -1}};
}
