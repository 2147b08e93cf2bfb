#include "node/custody/custody_store.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/base/text.h"

#define HEAD_SIZE  5U /* Magic and version. */
#define NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE   crypto_aead_xchacha20poly1305_ietf_ABYTES
#define FILE_MAX   (CORE_VALUE_MAX + CUSTODY_STORE_OVERHEAD)
#define NAME_SIZE  (2 * CUSTODY_STORE_NAME_KEY + 1)
/* As file_write() names what it has not finished. */
#define TEMP_PREFIX ".cairn-tmp-"

static const uint8_t head[HEAD_SIZE] = {'C', 'R', 'N', 'C', 1};

struct custody_store {
    struct volume volume; /* Open when it has a path. */
    uint8_t *key;         /* Secret memory. */
    uint8_t *file;        /* Scratch of FILE_MAX bytes; sealed bytes only. */
};

/* --- Names --------------------------------------------------------------- */

/* The key that a file is named for; false for other files. */
static bool name_read(const char *name, uint8_t *key, size_t *size)
{
    char again[NAME_SIZE];
    size_t len = strlen(name);

    if (len == 0 || len % 2 != 0 || len / 2 > CUSTODY_STORE_NAME_KEY ||
        !text_hex_read(name, key, len / 2)) {
        return false;
    }
    *size = len / 2;
    return strcmp(text_hex(again, key, *size), name) == 0;
}

static char *row_path(const char *folder, struct slice key)
{
    char name[NAME_SIZE];

    assert(key.size > 0 && key.size <= CUSTODY_STORE_NAME_KEY);
    return path_join(folder, text_hex(name, key.data, key.size));
}

/* Order of keys, as bytes. */
static int key_compare(struct slice a, struct slice b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size == 0 ? 0 : memcmp(a.data, b.data, size);

    if (order != 0) {
        return order;
    }
    return a.size < b.size ? -1 : a.size > b.size;
}

static bool key_has_prefix(struct slice key, struct slice prefix)
{
    return key.size >= prefix.size &&
           slice_equal(slice_of(key.data, prefix.size), prefix);
}

/* Call |each| for the name of every file in |folder| until it says false. */
static int names_each(const char *folder,
                      bool (*each)(void *arg, const char *name),
                      void *arg,
                      char *errmsg)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int rv = OK;

    if (dir == NULL) {
        return file_error(errmsg, "open folder", folder);
    }
    do {
        errno = 0;
        entry = readdir(dir);
        if (entry == NULL && errno != 0) {
            (void)file_error(errmsg, "read folder", folder);
            rv = ERR_IO;
        }
    } while (entry != NULL && each(arg, entry->d_name));
    (void)closedir(dir);
    return rv;
}

/* --- Opening ------------------------------------------------------------- */

static bool on_temp(void *arg, const char *name)
{
    const struct custody_store *s = arg;

    if (strncmp(name, TEMP_PREFIX, strlen(TEMP_PREFIX)) == 0) {
        char *path = path_join(s->volume.path, name);

        (void)unlink(path);
        free(path);
    }
    return true;
}

int custody_store_open(struct custody_store **out,
                       const char *folder,
                       const uint8_t id[VOLUME_ID_SIZE],
                       const uint8_t key[32],
                       char *errmsg)
{
    struct custody_store *s = calloc(1, sizeof(*s));
    int rv = ERR_NOMEM;

    if (s == NULL) {
        goto err_memory;
    }
    s->file = malloc(FILE_MAX);
    s->key = secret_new(crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
    if (s->file == NULL || s->key == NULL) {
        goto err_memory;
    }
    memcpy(s->key, key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
    rv = volume_open(&s->volume, folder, id, CUSTODY_STORE_RESERVE, errmsg);
    if (rv == OK) {
        rv = names_each(folder, on_temp, s, errmsg);
    }
    if (rv == OK) {
        /* A process that was killed between the two may have left a row whose
         * name is not synced, and what is read here counts as said. */
        rv = folder_sync(folder, errmsg);
    }
    if (rv != OK) {
        goto err;
    }
    *out = s;
    return OK;

err_memory:
    errmsg_set(errmsg, "no memory for the store; keys need 'ulimit -l'");
err:
    custody_store_close(s);
    return rv;
}

void custody_store_close(struct custody_store *s)
{
    if (s != NULL) {
        secret_free(s->key);
        free(s->file);
        if (s->volume.path != NULL) {
            volume_close(&s->volume);
        }
        free(s);
    }
}

/* --- Rows ---------------------------------------------------------------- */

/* Is the folder still the one that was opened? ERR_IO. After something was
 * looked for: what was not there was not in this folder. */
static int folder_check(const struct custody_store *s, char *errmsg)
{
    return volume_check(&s->volume, errmsg) == OK ? OK : ERR_IO;
}

/* What a row is bound to: the head of its file and its key. */
static size_t row_ad(uint8_t ad[HEAD_SIZE + CUSTODY_STORE_NAME_KEY],
                     struct slice key)
{
    memcpy(ad, head, HEAD_SIZE);
    memcpy(ad + HEAD_SIZE, key.data, key.size);
    return HEAD_SIZE + key.size;
}

int custody_store_room(const struct custody_store *s, char *errmsg)
{
    char reserve[TEXT_SIZE];
    uint64_t bytes = 0;
    int rv = volume_free_space(&s->volume, &bytes, errmsg);

    if (rv == OK && bytes < FILE_MAX) {
        errmsg_set(errmsg,
                   "the disk of '%s' has less than %s free, which is kept for "
                   "decisions; free some",
                   s->volume.path, text_size(reserve, CUSTODY_STORE_RESERVE));
        rv = ERR_FULL;
    }
    return rv;
}

int custody_store_put(struct custody_store *s,
                      struct slice key,
                      struct slice value,
                      char *errmsg)
{
    uint8_t ad[HEAD_SIZE + CUSTODY_STORE_NAME_KEY];
    char *path = row_path(s->volume.path, key);
    size_t ad_size = row_ad(ad, key);
    unsigned long long sealed = 0;
    uint8_t *nonce = s->file + HEAD_SIZE;
    int rv;

    assert(value.size <= CORE_VALUE_MAX);
    memcpy(s->file, head, HEAD_SIZE);
    randombytes_buf(nonce, NONCE_SIZE);
    rv = crypto_aead_xchacha20poly1305_ietf_encrypt(
        nonce + NONCE_SIZE, &sealed, value.data, value.size, ad, ad_size, NULL,
        nonce, s->key);
    assert(rv == 0 && sealed == value.size + TAG_SIZE);
    rv = folder_check(s, errmsg);
    if (rv == OK) {
        rv = file_write(
            path, slice_of(s->file, HEAD_SIZE + NONCE_SIZE + (size_t)sealed),
            0600, FILE_REPLACE, errmsg);
    }
    if (rv == OK) {
        rv = folder_check(s, errmsg); /* It was written into this one. */
    }
    free(path);
    return rv;
}

static int row_damaged(char *errmsg, const char *path)
{
    errmsg_set(errmsg,
               "'%s' is damaged, or not of this home; put it back from a "
               "backup of the home",
               path);
    return ERR_AUTH;
}

/* Open the |size| bytes of a file. */
static int row_open(const struct custody_store *s,
                    struct slice key,
                    struct slice file,
                    uint8_t *value,
                    size_t *size)
{
    uint8_t ad[HEAD_SIZE + CUSTODY_STORE_NAME_KEY];
    size_t ad_size = row_ad(ad, key);
    const uint8_t *nonce = file.data + HEAD_SIZE;
    unsigned long long got = 0;

    if (file.size < CUSTODY_STORE_OVERHEAD ||
        memcmp(file.data, head, HEAD_SIZE) != 0 ||
        crypto_aead_xchacha20poly1305_ietf_decrypt(
            value, &got, NULL, nonce + NONCE_SIZE,
            file.size - HEAD_SIZE - NONCE_SIZE, ad, ad_size, nonce,
            s->key) != 0) {
        return ERR_AUTH;
    }
    *size = (size_t)got;
    return OK;
}

int custody_store_get(struct custody_store *s,
                      struct slice key,
                      uint8_t *value,
                      size_t *size,
                      char *errmsg)
{
    char *path = row_path(s->volume.path, key);
    uint8_t *file = NULL;
    size_t file_size = 0;
    int rv = file_read(path, FILE_MAX, &file, &file_size, errmsg);

    if (folder_check(s, errmsg) != OK) {
        rv = ERR_IO;
    }
    if (rv == OK) {
        rv = row_open(s, key, slice_of(file, file_size), value, size);
    }
    /* Larger than any row: damaged too. */
    if (rv == ERR_AUTH || rv == ERR_FULL) {
        rv = row_damaged(errmsg, path);
    }
    free(file);
    free(path);
    return rv;
}

/* --- Listings ------------------------------------------------------------ */

struct search {
    struct slice prefix, after;
    uint8_t found[CUSTODY_STORE_NAME_KEY];
    size_t found_size; /* 0: none yet. */
};

static bool on_name(void *arg, const char *name)
{
    struct search *search = arg;
    uint8_t key[CUSTODY_STORE_NAME_KEY];
    size_t size = 0;
    struct slice found = slice_of(search->found, search->found_size);

    if (!name_read(name, key, &size) ||
        !key_has_prefix(slice_of(key, size), search->prefix)) {
        return true;
    }
    if (key_compare(slice_of(key, size), search->after) > 0 &&
        (search->found_size == 0 ||
         key_compare(slice_of(key, size), found) < 0)) {
        memcpy(search->found, key, size);
        search->found_size = size;
    }
    return true;
}

int custody_store_next(struct custody_store *s,
                       struct slice prefix,
                       struct slice after,
                       uint8_t *key,
                       size_t *size,
                       char *errmsg)
{
    struct search search = {.prefix = prefix, .after = after};
    int rv = names_each(s->volume.path, on_name, &search, errmsg);

    if (rv == ERR_NOTFOUND || folder_check(s, errmsg) != OK) {
        return ERR_IO;
    }
    if (rv == OK && search.found_size == 0) {
        return ERR_NOTFOUND;
    }
    if (rv == OK) {
        memcpy(key, search.found, search.found_size);
        *size = search.found_size;
    }
    return rv;
}

struct count {
    const char *folder;
    struct slice prefix;
    struct custody_store_sum sum;
};

/* When the file was written; 0 when that cannot be seen. */
static uint64_t written_s(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    struct stat st = {.st_mtime = 0};
    bool seen = stat(path, &st) == 0 && st.st_mtime > 0;

    free(path);
    return seen ? (uint64_t)st.st_mtime : 0;
}

static bool on_counted(void *arg, const char *name)
{
    struct count *c = arg;
    uint8_t key[CUSTODY_STORE_NAME_KEY];
    size_t size = 0;

    if (name_read(name, key, &size) &&
        key_has_prefix(slice_of(key, size), c->prefix)) {
        uint64_t at = written_s(c->folder, name);

        c->sum.rows++;
        c->sum.newest_s = at > c->sum.newest_s ? at : c->sum.newest_s;
    }
    return true;
}

int custody_store_sum(const char *folder,
                      const uint8_t id[VOLUME_ID_SIZE],
                      struct slice prefix,
                      struct custody_store_sum *sum,
                      char *errmsg)
{
    struct count c = {.folder = folder, .prefix = prefix};
    int rv = volume_look(folder, id, errmsg);

    if (rv == OK) {
        rv = names_each(folder, on_counted, &c, errmsg);
    }
    if (rv == OK) {
        c.sum.made_s = written_s(folder, VOLUME_MARKER);
        *sum = c.sum;
    }
    return rv;
}
