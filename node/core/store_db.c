#include "node/core/store_db.h"

#include <stdlib.h>
#include <sys/statvfs.h>

#include "node/base/text.h"
#include "node/core/store_log.h"

#define MIB ((size_t)1 << 20)

#define CACHE_SIZE        (16 * MIB)
#define WRITE_BUFFER_SIZE (8 * MIB)
#define WRITE_BUFFERS_MAX 2
#define FILE_BUFFER_SIZE  MIB
#define TABLE_SIZE        (16 * MIB)
#define LEVEL_SIZE        (64 * MIB)
#define WAL_SIZE_MAX      (32 * MIB)
#define MANIFEST_SIZE_MAX (4 * MIB)
#define INFO_LOG_SIZE_MAX MIB
#define INFO_LOGS_MAX     2
#define OPEN_FILES_MAX    256
#define INFO_LOG_FATAL    4 /* rocksdb/env.h, InfoLogLevel */
/* RocksDB does not survive it when there is no room for the first lines of its
 * information log; and it may have to write down what the logs hold. */
#define OPEN_ROOM (16 * MIB)

static const uint8_t format_key[] = {STORE_KEY_OWN, 'f', 'o', 'r',
                                     'm',           'a', 't'};
static const char format_words[] = "cairn catalogue ";

static void options_set_tables(rocksdb_options_t *o)
{
    rocksdb_block_based_table_options_t *t =
        rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(CACHE_SIZE);

    rocksdb_block_based_options_set_block_cache(t, cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
    rocksdb_options_set_block_based_table_factory(o, t);
    rocksdb_block_based_options_destroy(t);
    rocksdb_cache_destroy(cache); /* The options hold it. */
}

static rocksdb_options_t *options_new(void)
{
    rocksdb_options_t *o = rocksdb_options_create();

    rocksdb_options_set_paranoid_checks(o, 1);
    /* Only the end of a log may be torn. Other modes drop what was synced
     * behind a damaged record, and say nothing. What this one does not take for
     * a torn end is in store_log.h. */
    rocksdb_options_set_wal_recovery_mode(
        o, rocksdb_tolerate_corrupted_tail_records_recovery);
    rocksdb_options_set_compression(o, rocksdb_no_compression);

    rocksdb_options_set_write_buffer_size(o, WRITE_BUFFER_SIZE);
    rocksdb_options_set_max_write_buffer_number(o, WRITE_BUFFERS_MAX);
    rocksdb_options_set_db_write_buffer_size(o, WRITE_BUFFERS_MAX *
                                                    WRITE_BUFFER_SIZE);
    rocksdb_options_set_writable_file_max_buffer_size(o, FILE_BUFFER_SIZE);
    rocksdb_options_set_target_file_size_base(o, TABLE_SIZE);
    rocksdb_options_set_max_bytes_for_level_base(o, LEVEL_SIZE);
    rocksdb_options_set_max_background_jobs(o, 2);
    rocksdb_options_set_max_open_files(o, OPEN_FILES_MAX);
    rocksdb_options_set_max_file_opening_threads(o, 1);
    options_set_tables(o);

    rocksdb_options_set_max_total_wal_size(o, WAL_SIZE_MAX);
    rocksdb_options_set_max_manifest_file_size(o, MANIFEST_SIZE_MAX);
    rocksdb_options_set_manifest_preallocation_size(o, FILE_BUFFER_SIZE / 16);
    rocksdb_options_set_max_log_file_size(o, INFO_LOG_SIZE_MAX);
    rocksdb_options_set_keep_log_file_num(o, INFO_LOGS_MAX);
    rocksdb_options_set_info_log_level(o, INFO_LOG_FATAL);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    return o;
}

void store_db_init(struct store_db *d, const char *path, uint64_t reserve)
{
    d->path = strdup(path);
    if (d->path == NULL || pthread_rwlock_init(&d->lock, NULL) != 0) {
        abort();
    }
    d->reserve = reserve;
    d->options = options_new();
    d->sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(d->sync, 1);
    d->db = NULL;
}

void store_db_free(struct store_db *d)
{
    store_db_close(d);
    rocksdb_writeoptions_destroy(d->sync);
    rocksdb_options_destroy(d->options);
    pthread_rwlock_destroy(&d->lock);
    free(d->path);
}

static bool words_begin(const char *words, const char *with)
{
    return strncmp(words, with, strlen(with)) == 0;
}

/* No space, other than at a sync: what a failed sync leaves, nobody knows. */
static bool words_are_full(const char *words)
{
    return words_begin(words, "IO error: No space left on device") &&
           strstr(words, "While fdatasync") == NULL &&
           strstr(words, "While fsync") == NULL;
}

int store_db_error(const struct store_db *d,
                   const char *what,
                   char *words,
                   char *errmsg)
{
    int rv = ERR_IO;

    if (words_are_full(words)) {
        errmsg_set(errmsg,
                   "%s '%s': no space left; free some, and it goes on by "
                   "itself",
                   what, d->path);
        rv = ERR_FULL;
    } else {
        errmsg_set(errmsg,
                   "%s '%s': %s; check the disk (dmesg, smartctl), then start "
                   "again",
                   what, d->path, words);
    }
    rocksdb_free(words);
    return rv;
}

/* As above for what only opening finds. */
static int open_error(const struct store_db *d, char *words, char *errmsg)
{
    int rv = ERR_BAD;

    if (words_begin(words, "IO error: While lock file") ||
        words_begin(words, "IO error: lock hold by")) {
        errmsg_set(errmsg,
                   "the catalogue '%s' is in use by another process; stop it",
                   d->path);
        rocksdb_free(words);
        return ERR_BUSY;
    }
    if (words_begin(words, "IO error") &&
        !words_begin(words, "IO error: No such file")) {
        return store_db_error(d, "open the catalogue", words, errmsg);
    }
    if (words_begin(words, "Not implemented")) {
        rv = ERR_UNSUPPORTED;
    }
    errmsg_set(errmsg,
               "the catalogue '%s' is damaged, or of a later RocksDB (%s); "
               "cairnd makes no new one in its place: keep a copy of the "
               "folder, and restore it from a backup",
               d->path, words);
    rocksdb_free(words);
    return rv;
}

/* Are |needed| bytes left? */
static int disk_room(const struct store_db *d, uint64_t needed, char *errmsg)
{
    struct statvfs fs;
    uint64_t bytes;
    char left[TEXT_SIZE], kept[TEXT_SIZE];

    if (statvfs(d->path, &fs) != 0) {
        (void)file_error(errmsg, "look for space in", d->path);
        return ERR_IO;
    }
    bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (bytes >= needed) {
        return OK;
    }
    errmsg_set(errmsg,
               "the disk of the catalogue '%s' has %s left, and %s are needed; "
               "free some space (a running cairnd then goes on by itself)",
               d->path, text_size(left, bytes), text_size(kept, needed));
    return ERR_FULL;
}

int store_db_room(const struct store_db *d, size_t size, char *errmsg)
{
    return d->reserve == 0 ? OK : disk_room(d, d->reserve + size, errmsg);
}

static int db_open(struct store_db *d, bool create, char *errmsg)
{
    char *words = NULL;
    rocksdb_t *db;
    int rv = disk_room(d, OPEN_ROOM, errmsg);

    assert(d->db == NULL);
    if (rv != OK) {
        return rv;
    }
    rocksdb_options_set_create_if_missing(d->options, create);
    rocksdb_options_set_error_if_exists(d->options, create);
    db = rocksdb_open(d->options, d->path, &words);
    if (words != NULL && words_begin(words, "Corruption") &&
        store_log_mend(d->path)) {
        rocksdb_free(words);
        words = NULL;
        db = rocksdb_open(d->options, d->path, &words);
    }
    if (words != NULL) {
        return open_error(d, words, errmsg);
    }
    d->db = db;
    return OK;
}

int store_db_open(struct store_db *d, bool create, char *errmsg)
{
    int rv;

    pthread_rwlock_wrlock(&d->lock);
    rv = db_open(d, create, errmsg);
    pthread_rwlock_unlock(&d->lock);
    return rv;
}

void store_db_close(struct store_db *d)
{
    pthread_rwlock_wrlock(&d->lock);
    if (d->db != NULL) {
        rocksdb_close(d->db);
        d->db = NULL;
    }
    pthread_rwlock_unlock(&d->lock);
}

int store_db_use(struct store_db *d, char *errmsg)
{
    pthread_rwlock_rdlock(&d->lock);
    while (d->db == NULL) {
        int rv = OK;

        pthread_rwlock_unlock(&d->lock);
        pthread_rwlock_wrlock(&d->lock);
        if (d->db == NULL) {
            rv = store_db_room(d, 0, errmsg);
        }
        if (d->db == NULL && rv == OK) {
            rv = db_open(d, false, errmsg);
        }
        pthread_rwlock_unlock(&d->lock);
        if (rv != OK) {
            return rv == ERR_FULL ? ERR_FULL : ERR_IO;
        }
        pthread_rwlock_rdlock(&d->lock);
    }
    return OK;
}

void store_db_done(struct store_db *d)
{
    pthread_rwlock_unlock(&d->lock);
}

/* The number behind the words; 0 when there is none. */
static uint64_t format_parse(const char *value, size_t size)
{
    char text[64];
    size_t words_size = strlen(format_words);
    uint64_t format = 0;

    if (size >= sizeof(text) || size < words_size) {
        return 0;
    }
    memcpy(text, value, size);
    text[size] = '\0';
    if (!words_begin(text, format_words) ||
        !text_number_read(text + words_size, &format)) {
        return 0;
    }
    return format;
}

int store_db_format_check(struct store_db *d, char *errmsg)
{
    rocksdb_readoptions_t *ro = rocksdb_readoptions_create();
    char *words = NULL;
    size_t size = 0;
    char *value = rocksdb_get(d->db, ro, (const char *)format_key,
                              sizeof(format_key), &size, &words);
    uint64_t format = 0;

    rocksdb_readoptions_destroy(ro);
    if (words != NULL) {
        return open_error(d, words, errmsg);
    }
    if (value != NULL) {
        format = format_parse(value, size);
        rocksdb_free(value);
    }
    if (format == STORE_FORMAT) {
        return OK;
    }
    if (format > STORE_FORMAT) {
        errmsg_set(errmsg,
                   "the catalogue '%s' has format %llu, and this version "
                   "knows formats up to %u; install the version of Cairn that "
                   "wrote it, or a later one",
                   d->path, (unsigned long long)format, STORE_FORMAT);
        return ERR_UNSUPPORTED;
    }
    errmsg_set(errmsg,
               "'%s' is a database, but no catalogue of Cairn; check the path",
               d->path);
    return ERR_BAD;
}

int store_db_format_write(struct store_db *d, char *errmsg)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    char text[64];
    int size = snprintf(text, sizeof(text), "%s%u", format_words, STORE_FORMAT);
    int rv;

    rocksdb_writebatch_put(batch, (const char *)format_key, sizeof(format_key),
                           text, (size_t)size);
    rv = store_db_write(d, batch, errmsg);
    rocksdb_writebatch_destroy(batch);
    return rv;
}

int store_db_write(struct store_db *d,
                   rocksdb_writebatch_t *batch,
                   char *errmsg)
{
    char *words = NULL;

    rocksdb_write(d->db, d->sync, batch, &words);
    return words == NULL
               ? OK
               : store_db_error(d, "write the catalogue", words, errmsg);
}
