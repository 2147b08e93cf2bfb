#include "node/core/store_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/file.h"

/* A log is blocks; a record is one piece of type FULL, or a FIRST, any number
 * of MIDDLE and a LAST, none of which goes beyond its block:
 *
 *   u32le masked CRC-32C of all behind the length | u16le length | u8 type |
 *   bytes
 */
#define BLOCK_SIZE 32768U
#define HEAD_SIZE  7U
#define CRC_MASK   0xa282ead8U

/* What a disk writes whole. */
#define SECTOR_SIZE 512U

/* A log that is larger is not one of ours (store_db.c). */
#define LOG_SIZE_MAX ((size_t)256 << 20)

#define NAME_SIZE_MAX 64U

enum piece_type {
    PIECE_FULL = 1,
    PIECE_FIRST,
    PIECE_MIDDLE,
    PIECE_LAST
};

struct log {
    uint8_t *data;
    size_t size;
};

struct piece {
    unsigned type;
    size_t size; /* Of all of it. */
};

static uint32_t piece_sum(uint8_t *mem, size_t size)
{
    uint32_t crc = ~crc32_iscsi(mem, (int)size, UINT32_MAX);

    return ((crc >> 15) | (crc << 17)) + CRC_MASK;
}

/* Does a good piece stand at |at|? */
static bool piece_read(struct log log, size_t at, struct piece *p)
{
    uint8_t *head = log.data + at;
    size_t room = BLOCK_SIZE - at % BLOCK_SIZE;
    size_t size;

    room = room < log.size - at ? room : log.size - at;
    if (room < HEAD_SIZE || head[6] < PIECE_FULL || head[6] > PIECE_LAST) {
        return false;
    }
    size = HEAD_SIZE + (size_t)(head[4] | head[5] << 8);
    if (size > room ||
        u32le_load(head) != piece_sum(head + 6, size - HEAD_SIZE + 1)) {
        return false;
    }
    *p = (struct piece){.type = head[6], .size = size};
    return true;
}

/* Where the first record begins that is not whole; the size when all are. */
static size_t log_whole(struct log log)
{
    size_t record = 0;
    bool inside = false;

    for (size_t at = 0; at < log.size;) {
        size_t room = BLOCK_SIZE - at % BLOCK_SIZE;
        struct piece p;

        if (room < HEAD_SIZE) {
            at += room;
            continue;
        }
        record = inside ? record : at;
        if (!piece_read(log, at, &p) ||
            inside != (p.type == PIECE_MIDDLE || p.type == PIECE_LAST)) {
            return record;
        }
        inside = p.type == PIECE_FIRST || p.type == PIECE_MIDDLE;
        at += p.size;
    }
    return inside ? record : log.size;
}

/* Is there a sector behind |from| that has nothing but zeros there? */
static bool log_has_hole(struct log log, size_t from)
{
    for (size_t at = from; at < log.size;) {
        size_t end = (at / SECTOR_SIZE + 1) * SECTOR_SIZE;
        bool zeros = true;

        end = end < log.size ? end : log.size;
        for (; at < end; at++) {
            zeros = zeros && log.data[at] == 0;
        }
        if (zeros) {
            return true;
        }
    }
    return false;
}

/* Does a record begin behind |from|? It may do so anywhere: with the head of a
 * piece that was lost went the place of the next. */
static bool log_goes_on(struct log log, size_t from)
{
    struct piece p;

    for (size_t at = from + 1; at < log.size; at++) {
        if (piece_read(log, at, &p) &&
            (p.type == PIECE_FULL || p.type == PIECE_FIRST)) {
            return true;
        }
    }
    return false;
}

static bool log_cut(int fd, size_t size)
{
    uint8_t *mem = malloc(size);
    struct log log = {.data = mem, .size = size};
    size_t whole;
    bool cut = false;

    if (mem != NULL && file_read_at(fd, 0, mem, size) == OK) {
        whole = log_whole(log);
        cut = whole < size && log_has_hole(log, whole) &&
              !log_goes_on(log, whole) && ftruncate(fd, (off_t)whole) == 0 &&
              fsync(fd) == 0;
    }
    free(mem);
    return cut;
}

static bool log_mend(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    bool cut = false;

    if (fd >= 0) {
        cut = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
              (uint64_t)st.st_size <= LOG_SIZE_MAX &&
              log_cut(fd, (size_t)st.st_size);
        close(fd);
    }
    free(path);
    return cut;
}

/* --- Which they are ------------------------------------------------------ */

/* The number in "000012.log"; false for other names. */
static bool log_number(const char *name, unsigned long long *number)
{
    char *end;

    if (name[0] < '0' || name[0] > '9') {
        return false;
    }
    *number = strtoull(name, &end, 10);
    return strcmp(end, ".log") == 0;
}

static bool name_is_empty(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    struct stat st;
    bool empty = stat(path, &st) != 0 || st.st_size == 0;

    free(path);
    return empty;
}

/* The write-ahead log that was written to last: false when there is none. */
static bool log_last(const char *folder, char name[NAME_SIZE_MAX])
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    unsigned long long last = 0;
    bool found = false;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        size_t size = strlen(entry->d_name) + 1;
        unsigned long long number;

        if (size <= NAME_SIZE_MAX && log_number(entry->d_name, &number) &&
            (!found || number > last) &&
            !name_is_empty(folder, entry->d_name)) {
            memcpy(name, entry->d_name, size);
            last = number;
            found = true;
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return found;
}

/* The MANIFEST that CURRENT names, in a line. */
static bool manifest_name(const char *folder, char name[NAME_SIZE_MAX])
{
    static const char begin[] = "MANIFEST-";
    char errmsg[ERRMSG_SIZE];
    char *path = path_join(folder, "CURRENT");
    uint8_t *data = NULL;
    size_t size = 0;
    bool found =
        file_read(path, NAME_SIZE_MAX - 1, &data, &size, errmsg) == OK &&
        size > strlen(begin) && memcmp(data, begin, strlen(begin)) == 0;

    if (found) {
        memcpy(name, data, size);
        name[size] = '\0';
        name[strcspn(name, "\n/")] = '\0';
    }
    free(data);
    free(path);
    return found;
}

bool store_log_mend(const char *folder)
{
    char name[NAME_SIZE_MAX];
    bool cut = manifest_name(folder, name) && log_mend(folder, name);

    return (log_last(folder, name) && log_mend(folder, name)) || cut;
}
