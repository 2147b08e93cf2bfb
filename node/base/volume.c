#include "node/base/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "node/base/text.h"

#define MARKER_SIZE_MAX 4096U
#define LOCK_NAME       "cairn-lock"
#define SHARDS_NAME     "shards"
#define ID_TEXT_SIZE    (2 * VOLUME_ID_SIZE + 1)

static const char marker_first[] = "cairn-volume ";
static const char marker_id[] = "id ";

/* --- The marker ---------------------------------------------------------- */

static int marker_bad(const char *path, char *errmsg)
{
    errmsg_set(errmsg,
               "the marker '%s/" VOLUME_MARKER
               "' cannot be read as one; restore it: its second line is \"id\" "
               "and the volume's 32 digits",
               path);
    return ERR_BAD;
}

/* If |line| begins with |with|, what comes behind it. */
static const char *line_after(const char *line, const char *with)
{
    size_t size = strlen(with);

    return strncmp(line, with, size) == 0 ? line + size : NULL;
}

/* "cairn-volume N" */
static int marker_parse_first(const char *path, const char *line, char *errmsg)
{
    const char *number = line_after(line, marker_first);
    uint64_t format = 0;

    if (number == NULL || !text_number_read(number, &format) || format == 0) {
        return marker_bad(path, errmsg);
    }
    if (format > VOLUME_FORMAT) {
        errmsg_set(errmsg,
                   "the volume '%s' has format %llu, and this version knows "
                   "formats up to %u; install a later version of Cairn",
                   path, (unsigned long long)format, VOLUME_FORMAT);
        return ERR_UNSUPPORTED;
    }
    return OK;
}

static int marker_parse(const char *path,
                        char *text,
                        uint8_t id[VOLUME_ID_SIZE],
                        char *errmsg)
{
    char *save = NULL;
    char *line = strtok_r(text, "\n", &save);
    unsigned ids = 0;
    uint8_t got[VOLUME_ID_SIZE] = {0};
    int rv;

    if (line == NULL) {
        return marker_bad(path, errmsg);
    }
    rv = marker_parse_first(path, line, errmsg);
    while (rv == OK && (line = strtok_r(NULL, "\n", &save)) != NULL) {
        const char *hex = line_after(line, marker_id);

        if (hex != NULL && text_hex_read(hex, got, sizeof(got))) {
            ids++;
        } else if (line[0] != '#') {
            return marker_bad(path, errmsg);
        }
    }
    if (rv == OK && ids != 1) {
        return marker_bad(path, errmsg);
    }
    if (rv == OK) {
        memcpy(id, got, sizeof(got));
    }
    return rv;
}

static int marker_read(const char *path,
                       uint8_t id[VOLUME_ID_SIZE],
                       char *errmsg)
{
    char *marker = path_join(path, VOLUME_MARKER);
    char text[MARKER_SIZE_MAX + 1];
    uint8_t *data = NULL;
    size_t size = 0;
    int rv = file_read(marker, MARKER_SIZE_MAX, &data, &size, errmsg);

    free(marker);
    if (rv == ERR_NOTFOUND) {
        errmsg_set(errmsg,
                   "'%s' is not a volume of Cairn, for it has no file '%s': "
                   "mount its disk; no new one is made in its place",
                   path, VOLUME_MARKER);
    }
    if (rv == ERR_FULL) {
        return marker_bad(path, errmsg);
    }
    if (rv != OK) {
        return rv;
    }
    if (memchr(data, '\0', size) != NULL) {
        free(data);
        return marker_bad(path, errmsg);
    }
    memcpy(text, data, size);
    text[size] = '\0';
    free(data);
    return marker_parse(path, text, id, errmsg);
}

static int marker_write(const char *path,
                        const uint8_t id[VOLUME_ID_SIZE],
                        char *errmsg)
{
    char *marker = path_join(path, VOLUME_MARKER);
    char text[512];
    char hex[ID_TEXT_SIZE];
    int rv;

    (void)snprintf(
        text, sizeof(text),
        "%s%u\n"
        "%s%s\n"
        "# A steward of Cairn keeps shards or key shares of deposits here.\n"
        "# By this file it knows that the right disk is mounted: "
        "do not change it,\n"
        "# nor copy it to another disk.\n",
        marker_first, VOLUME_FORMAT, marker_id,
        text_hex(hex, id, VOLUME_ID_SIZE));
    rv = file_write(marker, slice_str(text), S_IRUSR | S_IWUSR | S_IRGRP,
                    FILE_NEW, errmsg);
    free(marker);
    return rv;
}

/* --- Making and opening -------------------------------------------------- */

/* Refuse |name| in the folder of a volume to be. */
static int init_refuse(const char *path, const char *name, char *errmsg)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        strcmp(name, "lost+found") == 0) {
        return OK;
    }
    errmsg_set(errmsg, "'%s' is not empty: it has '%s'; choose an empty folder",
               path, name);
    return ERR_DENIED;
}

static int init_look(const char *path, char *errmsg)
{
    DIR *dir = opendir(path);
    int rv = OK;

    if (dir == NULL) {
        return file_error(errmsg, "open folder", path);
    }
    while (rv == OK) {
        const struct dirent *entry;

        errno = 0;
        entry = readdir(dir);
        if (entry == NULL) {
            rv = errno == 0 ? OK : file_error(errmsg, "read folder", path);
            break;
        }
        rv = init_refuse(path, entry->d_name, errmsg);
    }
    closedir(dir);
    return rv;
}

/* Anything by the name of a marker: what cannot be read as one is not made
 * anew either. */
static int init_look_marker(const char *path, char *errmsg)
{
    char *marker = path_join(path, VOLUME_MARKER);
    struct stat st;
    int rv = OK;

    if (lstat(marker, &st) == 0) {
        errmsg_set(errmsg,
                   "'%s' is a volume already; use it as it is, or choose an "
                   "empty folder",
                   path);
        rv = ERR_EXISTS;
    }
    free(marker);
    return rv;
}

int volume_init_as(const char *path,
                   const uint8_t id[VOLUME_ID_SIZE],
                   char *errmsg)
{
    int rv = folder_make(path, S_IRWXU, errmsg);

    if (rv == OK) {
        rv = init_look_marker(path, errmsg);
    }
    if (rv == OK) {
        rv = init_look(path, errmsg);
    }
    return rv == OK ? marker_write(path, id, errmsg) : rv;
}

int volume_init(const char *path,
                struct rng *rng,
                uint8_t id[VOLUME_ID_SIZE],
                char *errmsg)
{
    uint8_t made[VOLUME_ID_SIZE];
    int rv;

    rng_bytes(rng, made, sizeof(made));
    rv = volume_init_as(path, made, errmsg);
    if (rv == OK) {
        memcpy(id, made, sizeof(made));
    }
    return rv;
}

int volume_look(const char *path,
                const uint8_t expected[VOLUME_ID_SIZE],
                char *errmsg)
{
    uint8_t id[VOLUME_ID_SIZE];
    char want[ID_TEXT_SIZE], got[ID_TEXT_SIZE];
    int rv = marker_read(path, id, errmsg);

    if (rv == OK && memcmp(id, expected, sizeof(id)) != 0) {
        errmsg_set(errmsg,
                   "'%s' is the volume %s, but the one expected here is %s; "
                   "mount the right disk",
                   path, text_hex(got, id, sizeof(id)),
                   text_hex(want, expected, sizeof(id)));
        rv = ERR_MISMATCH;
    }
    return rv;
}

static int open_lock(struct volume *v, char *errmsg)
{
    char *lock = path_join(v->path, LOCK_NAME);

    v->lock = file_lock(lock, errmsg);
    free(lock);
    return v->lock >= 0 ? OK : v->lock;
}

int volume_open(struct volume *v,
                const char *path,
                const uint8_t expected[VOLUME_ID_SIZE],
                uint64_t reserve,
                char *errmsg)
{
    struct volume made = {.root = -1, .lock = -1, .reserve = reserve};
    int rv;

    made.path = strdup(path);
    if (made.path == NULL) {
        abort();
    }
    memcpy(made.id, expected, sizeof(made.id));
    made.root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (made.root < 0) {
        rv = file_error(errmsg, "open the volume", path);
        goto err;
    }
    rv = volume_look(path, expected, errmsg);
    if (rv == OK) {
        rv = open_lock(&made, errmsg);
    }
    if (rv == OK) {
        rv = volume_check(&made, errmsg);
    }
    if (rv == OK) {
        /* Again: between the first look and the lock it may have gone. */
        rv = volume_look(path, expected, errmsg);
    }
    if (rv != OK) {
        goto err;
    }
    *v = made;
    return OK;

err:
    volume_close(&made);
    return rv;
}

void volume_close(struct volume *v)
{
    if (v->lock >= 0) {
        close(v->lock);
    }
    if (v->root >= 0) {
        close(v->root);
    }
    free(v->path);
    v->path = NULL;
    v->root = v->lock = -1;
}

/* --- In use -------------------------------------------------------------- */

int volume_check(const struct volume *v, char *errmsg)
{
    struct stat ours;
    struct stat there;

    if (fstat(v->root, &ours) != 0) {
        return file_error(errmsg, "look at the volume", v->path);
    }
    if (stat(v->path, &there) == 0 && ours.st_dev == there.st_dev &&
        ours.st_ino == there.st_ino) {
        return OK;
    }
    errmsg_set(errmsg,
               "the volume '%s' is no longer there: its disk was unmounted, or "
               "the folder moved; mount it again and restart",
               v->path);
    return ERR_NOTFOUND;
}

int volume_free_space(const struct volume *v, uint64_t *bytes, char *errmsg)
{
    struct statvfs fs;
    uint64_t left;

    if (fstatvfs(v->root, &fs) != 0) {
        (void)file_error(errmsg, "look for space in", v->path);
        return ERR_IO;
    }
    left = (uint64_t)fs.f_bavail * fs.f_frsize;
    *bytes = left > v->reserve ? left - v->reserve : 0;
    return OK;
}

char *volume_shard_path(const struct volume *v,
                        const struct digest *deposit_id,
                        uint16_t index)
{
    char hex[2 * DIGEST_SIZE + 1];
    char name[sizeof(SHARDS_NAME) + sizeof(hex) + sizeof("/ab/-65535")];

    (void)text_hex(hex, deposit_id->bytes, sizeof(deposit_id->bytes));
    (void)snprintf(name, sizeof(name), SHARDS_NAME "/%.2s/%s-%u", hex, hex,
                   (unsigned)index);
    return path_join(v->path, name);
}

int volume_shard_make(const struct volume *v,
                      const struct digest *deposit_id,
                      uint16_t index,
                      char *errmsg)
{
    char *path;
    int rv = volume_check(v, errmsg);

    if (rv != OK) {
        return rv;
    }
    path = volume_shard_path(v, deposit_id, index);
    rv = folder_make(path, S_IRWXU, errmsg);
    free(path);
    return rv;
}
