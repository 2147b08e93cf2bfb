#ifndef CAIRN_NODE_FILE_H
#define CAIRN_NODE_FILE_H

#include <stdio.h>
#include <sys/types.h>

#include "crypto/base.h"

/* Files as everything in node/ needs them: read whole with a bound, written so
 * that a power cut leaves the old or the new one, secrets never readable by
 * others. Errors become words here, in |errmsg|, ending with what to do. */

#define ERRMSG_SIZE 512

/* printf into an errmsg buffer of ERRMSG_SIZE, cut off if need be. */
void errmsg_set(char *errmsg, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Say that there is no memory, or none that can be locked. ERR_NOMEM. */
static inline int errmsg_memory(char *errmsg)
{
    errmsg_set(errmsg, "out of memory");
    return ERR_NOMEM;
}

static inline int errmsg_secret_memory(char *errmsg)
{
    errmsg_set(errmsg, "no locked memory for keys; raise 'ulimit -l'");
    return ERR_NOMEM;
}

/* Put errno into words; |what| is a verb phrase ("read"). Returns ERR_NOTFOUND,
 * ERR_FULL (no space, quota) or ERR_IO. */
int file_error(char *errmsg, const char *what, const char *path);

/* dir + "/" + name, allocated; never NULL (out of memory aborts). */
char *path_join(const char *dir, const char *name);

/* Read all of |path|, at most |max| bytes. The caller frees *data with free().
 * ERR_NOTFOUND, ERR_FULL when larger, ERR_IO. */
MUST_CHECK int file_read(const char *path,
                         size_t max,
                         uint8_t **data,
                         size_t *size,
                         char *errmsg);

/* As above for secrets: refuses symbolic links and files that group or others
 * may read (ERR_DENIED). Memory comes from secret_new(); free with
 * secret_free(). */
MUST_CHECK int file_read_secret(const char *path,
                                size_t max,
                                uint8_t **data,
                                size_t *size,
                                char *errmsg);

/* How file_write() treats what is there. */
enum file_write_mode {
    FILE_NEW,     /* ERR_EXISTS when there is one. */
    FILE_REPLACE, /* Atomically. ERR_EXISTS when it is no regular file. */
};

/* Write durably: temporary file, fsync, link or rename into place, fsync of
 * the folder. |mode| is the permission bits, 0600 for secrets. ERR_FULL:
 * nothing was changed. After ERR_IO the new file may be there. */
MUST_CHECK int file_write(const char *path,
                          struct slice data,
                          mode_t mode,
                          enum file_write_mode how,
                          char *errmsg);

/* Will file_write() be able to? For work that ends with it, to ask before it
 * begins: |path| names a file that may be put there, and its folder takes new
 * files. Leaves nothing behind. The statuses of file_write(), ERR_NOTFOUND when
 * there is no such folder. */
MUST_CHECK int file_write_may(const char *path,
                              enum file_write_mode how,
                              char *errmsg);
/* Does |folder| take new files? As above. */
MUST_CHECK int folder_may(const char *folder, char *errmsg);

/* Read or write exactly |size| bytes of an open file at |off|; not durable by
 * itself. Without words, since only the caller knows what the file is: reading
 * returns ERR_NOTFOUND when the file ends before, ERR_IO, writing ERR_FULL
 * (no space), ERR_IO, and errno says why. */
MUST_CHECK int file_read_at(int fd, uint64_t off, uint8_t *out, size_t size);
MUST_CHECK int file_write_at(int fd,
                             uint64_t off,
                             const uint8_t *data,
                             size_t size);

/* Create |path| (parents too) with |mode|, durably; fine when it is there. */
MUST_CHECK int folder_make(const char *path, mode_t mode, char *errmsg);
/* fsync a folder, so that names in it survive. */
MUST_CHECK int folder_sync(const char *path, char *errmsg);

/* Take an exclusive advisory lock on |path| (created, holds our pid). Returns
 * a descriptor >= 0 to keep open, or ERR_BUSY with the holder's pid in
 * |errmsg|, or ERR_IO. */
MUST_CHECK int file_lock(const char *path, char *errmsg);

/* Read a passphrase: from |file| (first line), from the output of |command|,
 * or twice/once from the terminal when both are NULL. Never from argv or the
 * environment. |out| is secret memory of |max| bytes. */
MUST_CHECK int passphrase_read(const char *file,
                               const char *command,
                               bool confirm,
                               char *out,
                               size_t max,
                               size_t *size,
                               char *errmsg);

/* Close to core files and ptrace, lift RLIMIT_MEMLOCK to its hard limit, keep
 * new files from others, open what is closed of stdin, stdout and stderr; the
 * first thing that every program does. */
void process_harden(void);

#endif /* CAIRN_NODE_FILE_H */
