#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/deposit/journal_internal.h"
#include "node/home/home.h"

/* The life of a journal: made, opened again, closed. */

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

/* Open one, and what is in it is durable: whoever wrote it may have been killed
 * before it was, and what is read counts. */
static int journal_file(struct journal *j,
                        const char *name,
                        int *fd,
                        char *errmsg)
{
    int rv = journal_path(j, name, O_RDWR | O_CREAT, fd, errmsg);

    if (rv == OK && fdatasync(*fd) != 0) {
        rv = file_error(errmsg, "sync the journal in", j->folder);
    }
    return rv;
}

/* Open the three files, and their names are durable, too. */
static int journal_files(struct journal *j, char *errmsg)
{
    int rv = journal_file(j, "segments", &j->segments, errmsg);

    if (rv == OK) {
        rv = journal_file(j, "ranges-0", &j->ranges[0], errmsg);
    }
    if (rv == OK) {
        rv = journal_file(j, "ranges-1", &j->ranges[1], errmsg);
    }
    return rv == OK ? folder_sync(j->folder, errmsg) : rv;
}

/* The plan is written last: without it there is no deposit under way. */
static int journal_plan_write(const struct journal *j,
                              struct slice passphrase,
                              char *errmsg)
{
    uint8_t *payload = secret_new(JOURNAL_PLAN_SIZE_MAX);
    char *path = path_join(j->folder, "plan");
    size_t size = 0;
    int rv;

    if (payload == NULL) {
        rv = errmsg_secret_memory(errmsg);
        goto err;
    }
    rv = journal_plan_encode(j->plan, payload, JOURNAL_PLAN_SIZE_MAX, &size);
    assert(rv == OK);
    rv = home_keyfile_create(path, KEYFILE_JOURNAL, passphrase,
                             slice_of(payload, size), errmsg);
err:
    free(path);
    secret_free(payload);
    return rv;
}

int journal_create(struct journal *j,
                   const char *folder,
                   const struct journal_plan *plan,
                   struct slice passphrase,
                   char *errmsg)
{
    int rv = journal_folder_is_ours(folder, errmsg);

    if (rv == OK) {
        rv = folder_make(folder, 0700, errmsg);
    }
    if (rv != OK) {
        return rv;
    }
    rv = journal_init(j, folder, errmsg);
    if (rv == OK) {
        *j->plan = *plan;
        rv = journal_files(j, errmsg);
    }
    if (rv == OK) {
        rv = journal_plan_write(j, passphrase, errmsg);
    }
    if (rv != OK) {
        journal_close(j);
    }
    return rv;
}

static int journal_load(struct journal *j,
                        struct slice passphrase,
                        char *errmsg)
{
    char *path = path_join(j->folder, "plan");
    uint8_t *payload = secret_new(JOURNAL_PLAN_SIZE_MAX);
    size_t size = 0;
    int rv;

    if (payload == NULL) {
        rv = errmsg_secret_memory(errmsg);
        goto err;
    }
    rv = home_keyfile_read(path, KEYFILE_JOURNAL, passphrase, payload,
                           JOURNAL_PLAN_SIZE_MAX, &size, errmsg);
    if (rv == OK) {
        rv = journal_plan_decode(j->plan, slice_of(payload, size));
    }
    if (rv == ERR_UNSUPPORTED) {
        errmsg_set(errmsg,
                   "'%s' is of another version of cairn: finish the deposit "
                   "with that one, or remove the folder to start over",
                   path);
    } else if (rv == ERR_BAD || rv == ERR_MISMATCH) {
        errmsg_set(errmsg,
                   "'%s' is damaged; the deposit has to start over in a new "
                   "place",
                   path);
    }
err:
    free(path);
    secret_free(payload);
    return rv;
}

int journal_is_sealed(const char *folder, bool *sealed, char *errmsg)
{
    char *path = path_join(folder, "plan");
    struct keyfile_info info;
    int rv = home_keyfile_inspect(path, JOURNAL_PLAN_SIZE_MAX, &info, errmsg);

    free(path);
    if (rv == OK) {
        *sealed = info.sealed;
    }
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
    unsigned newest = 0;
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
        rv =
            last == NULL ? ERR_NOMEM : journal_newest(j, last, &newest, errmsg);
    }
    if (last != NULL && rv == OK) {
        j->committed = last->segment + 1;
        j->turn = newest ^ 1;
    } else if (last != NULL && rv == ERR_NOTFOUND) {
        rv = OK; /* Nothing is committed yet. */
    }
    free(last);
    if (rv != OK) {
        journal_close(j);
    }
    return rv;
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
