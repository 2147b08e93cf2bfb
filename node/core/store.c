#include "node/core/store.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/core/store_db.h"

#define LOCK_NAME "cairn-lock"
/* Batches that are written together; the first of a group may be larger. */
#define GROUP_SIZE_MAX ((size_t)4 << 20)

/* --- Making and opening -------------------------------------------------- */

/* Make the database in the new folder |path|. */
static int create_in(const char *path, char *errmsg)
{
    struct store_db d;
    int rv;

    store_db_init(&d, path, 0);
    rv = store_db_open(&d, true, errmsg);
    if (rv == OK) {
        rv = store_db_format_write(&d, errmsg);
    }
    store_db_free(&d);
    return rv;
}

static void create_undo(const char *path)
{
    rocksdb_options_t *options = rocksdb_options_create();
    char *words = NULL;

    rocksdb_destroy_db(options, path, &words);
    rocksdb_free(words);
    rocksdb_options_destroy(options);
    (void)rmdir(path);
}

/* A store that is half made never has the name of one. */
static int create_place(const char *temp, const char *path, char *errmsg)
{
    char *parent;
    int rv;

    if (rename(temp, path) != 0) {
        if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR ||
            errno == EBUSY) {
            errmsg_set(errmsg,
                       "'%s' is there already; choose another place for a new "
                       "catalogue",
                       path);
            return ERR_EXISTS;
        }
        return file_error(errmsg, "make the catalogue", path);
    }
    parent = path_join(path, "..");
    rv = folder_sync(parent, errmsg);
    free(parent);
    return rv;
}

int store_create(const char *path, char *errmsg)
{
    size_t size = strlen(path) + sizeof("-XXXXXX");
    char *temp = malloc(size);
    int rv;

    if (temp == NULL) {
        abort();
    }
    (void)snprintf(temp, size, "%s-XXXXXX", path);
    if (mkdtemp(temp) == NULL) {
        rv = file_error(errmsg, "make the catalogue", path);
        free(temp);
        return rv;
    }
    rv = create_in(temp, errmsg);
    if (rv == OK) {
        rv = create_place(temp, path, errmsg);
    }
    if (rv != OK) {
        create_undo(temp); /* Nothing is there after the rename. */
    }
    free(temp);
    return rv;
}

/* Is there a store? Before anything is written there, a lock included. */
static int open_look(const char *path, char *errmsg)
{
    char *current = path_join(path, "CURRENT");
    struct stat st;
    int rv = OK;

    if (stat(current, &st) != 0) {
        int error = errno;

        rv = file_error(errmsg, "open the catalogue", path);
        if (error == ENOENT || error == ENOTDIR) {
            errmsg_set(errmsg,
                       "there is no catalogue in '%s', and cairnd makes no "
                       "new one in its place; mount its disk, or restore the "
                       "folder from a backup",
                       path);
        }
    }
    free(current);
    return rv;
}

static int open_lock(struct store *s, const char *path, char *errmsg)
{
    char *lock = path_join(path, LOCK_NAME);

    s->lock_fd = file_lock(lock, errmsg);
    free(lock);
    return s->lock_fd >= 0 ? OK : s->lock_fd;
}

static void queue_reset(struct store_write **head, struct store_write ***end)
{
    *head = NULL;
    *end = head;
}

int store_open(struct store **out,
               uv_loop_t *loop,
               const char *path,
               uint64_t reserve,
               char *errmsg)
{
    struct store *s;
    int rv = open_look(path, errmsg);

    if (rv != OK) {
        return rv;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        abort();
    }
    s->loop = loop;
    s->work.data = s;
    queue_reset(&s->queue, &s->queue_end);
    queue_reset(&s->group, &s->group_end);
    store_db_init(&s->db, path, reserve);
    rv = open_lock(s, path, errmsg);
    if (rv == OK) {
        rv = store_db_open(&s->db, false, errmsg);
    }
    if (rv == OK) {
        rv = store_db_format_check(&s->db, errmsg);
    }
    if (rv != OK) {
        store_close(s);
        return rv;
    }
    *out = s;
    return OK;
}

void store_close(struct store *s)
{
    if (s == NULL) {
        return;
    }
    assert(s->queue == NULL && !s->writing && s->reads == 0);
    store_db_free(&s->db);
    if (s->lock_fd >= 0) {
        close(s->lock_fd);
    }
    free(s);
}

const char *store_error(const struct store *s)
{
    return s->error;
}

/* --- Commits ------------------------------------------------------------- */

static size_t write_size(const struct store_write *w)
{
    size_t size = 0;

    for (size_t i = 0; i < w->ops_len; i++) {
        size += w->ops[i].key.size + w->ops[i].value.size;
    }
    return size;
}

static void batch_add(rocksdb_writebatch_t *batch, const struct store_write *w)
{
    for (size_t i = 0; i < w->ops_len; i++) {
        const struct core_op *op = &w->ops[i];
        const char *key = (const char *)op->key.data;

        if (op->remove) {
            rocksdb_writebatch_delete(batch, key, op->key.size);
        } else {
            rocksdb_writebatch_put(batch, key, op->key.size,
                                   (const char *)op->value.data,
                                   op->value.size);
        }
    }
}

/* Write the group as one batch, on libuv's pool. */
static int group_write(struct store *s)
{
    rocksdb_writebatch_t *batch;
    size_t size = 0;
    size_t ops_len = 0;
    int rv;

    for (const struct store_write *w = s->group; w != NULL; w = w->next) {
        size += write_size(w);
        ops_len += w->ops_len;
    }
    if (ops_len == 0) {
        return OK;
    }
    rv = store_db_room(&s->db, size, s->group_error);
    if (rv == OK) {
        rv = store_db_use(&s->db, s->group_error);
    }
    if (rv != OK) {
        return rv;
    }
    batch = rocksdb_writebatch_create();
    for (const struct store_write *w = s->group; w != NULL; w = w->next) {
        batch_add(batch, w);
    }
    rv = store_db_write(&s->db, batch, s->group_error);
    rocksdb_writebatch_destroy(batch);
    store_db_done(&s->db);
    if (rv == ERR_FULL) {
        store_db_close(&s->db);
    }
    return rv;
}

static void writer_run(uv_work_t *work)
{
    struct store *s = work->data;

    s->group_status = s->halted ? ERR_IO : group_write(s);
}

static void queue_put(struct store_write ***end, struct store_write *w)
{
    w->next = NULL;
    **end = w;
    *end = &w->next;
}

static void writer_done(uv_work_t *work, int status);

/* Hand the writer what waits, as much as goes into one group. */
static void writer_start(struct store *s)
{
    size_t size = 0;

    if (s->writing || s->queue == NULL) {
        return;
    }
    do {
        struct store_write *w = s->queue;

        s->queue = w->next;
        size += write_size(w);
        queue_put(&s->group_end, w);
    } while (s->queue != NULL && size < GROUP_SIZE_MAX &&
             write_size(s->queue) <= GROUP_SIZE_MAX - size);
    if (s->queue == NULL) {
        s->queue_end = &s->queue;
    }
    s->writing = true;
    if (uv_queue_work(s->loop, &s->work, writer_run, writer_done) != 0) {
        abort(); /* Only for want of arguments. */
    }
}

static void writer_done(uv_work_t *work, int status)
{
    struct store *s = work->data;
    struct store_write *w = s->group;
    int rv = s->group_status;

    assert(status == 0); /* Work of the store is never cancelled. */
    if (rv == OK) {
        s->error[0] = '\0';
    } else {
        if (!s->halted) {
            memcpy(s->error, s->group_error, sizeof(s->error));
        }
        /* What waits stands behind what failed. */
        *s->group_end = s->queue;
        queue_reset(&s->queue, &s->queue_end);
        s->halted = s->halted || rv != ERR_FULL;
        w = s->group;
    }
    queue_reset(&s->group, &s->group_end);
    s->writing = false;
    writer_start(s); /* First: the disk need not wait for the callbacks. */
    while (w != NULL) {
        struct store_write *next = w->next;

        w->on_done(w, rv); /* May free |w|, and may commit. */
        w = next;
    }
}

void store_commit(struct store *s, struct store_write *w)
{
    for (size_t i = 0; i < w->ops_len; i++) {
        const struct core_op *op = &w->ops[i];

        assert(op->key.size > 0 && op->key.size <= CORE_KEY_MAX);
        assert(op->key.data[0] != STORE_KEY_OWN);
        assert(op->value.size <= CORE_VALUE_MAX);
    }
    queue_put(&s->queue_end, w);
    writer_start(s);
}
