#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/base/file.h"
#include "node/base/terminal.h"

/* A file may say more behind its first line. */
#define PASSPHRASE_FILE_MAX 65536U

/* Cut |size| bytes at the end of the first line. */
static size_t line_size(const char *text, size_t size)
{
    const char *end = memchr(text, '\n', size);

    if (end != NULL) {
        size = (size_t)(end - text);
    }
    return size > 0 && text[size - 1] == '\r' ? size - 1 : size;
}

static int error_memory(char *errmsg)
{
    errmsg_set(errmsg, "cannot lock memory for the passphrase; raise the limit "
                       "of locked memory (ulimit -l)");
    return ERR_NOMEM;
}

static int line_check(size_t size, size_t max, char *errmsg)
{
    if (size == 0) {
        errmsg_set(errmsg, "the passphrase is empty; give one with at least "
                           "one character");
        return ERR_DENIED;
    }
    if (size > max) {
        errmsg_set(errmsg,
                   "the passphrase is longer than %zu bytes; give a shorter "
                   "one",
                   max);
        return ERR_FULL;
    }
    return OK;
}

static int passphrase_from_file(const char *file,
                                char *out,
                                size_t max,
                                size_t *size,
                                char *errmsg)
{
    uint8_t *data = NULL;
    size_t got = 0;
    int rv = file_read_secret(file, PASSPHRASE_FILE_MAX, &data, &got, errmsg);

    if (rv != OK) {
        return rv;
    }
    got = line_size((const char *)data, got);
    rv = line_check(got, max, errmsg);
    if (rv == OK) {
        memcpy(out, data, got);
        *size = got;
    }
    secret_free(data);
    return rv;
}

/* Fill |buf| from |fd|, then read on to the end, so that the writer is not cut
 * off; the bytes that do not fit are wiped. -1 on failure. */
static ssize_t drain(int fd, char *buf, size_t size)
{
    char rest[256];
    size_t got = 0;
    ssize_t n;

    do {
        if (got < size) {
            n = read(fd, buf + got, size - got);
            got += n > 0 ? (size_t)n : 0;
        } else {
            n = read(fd, rest, sizeof(rest));
        }
    } while (n > 0 || (n < 0 && errno == EINTR));
    secret_wipe(rest, sizeof(rest));
    return n < 0 ? -1 : (ssize_t)got;
}

/* Start |command| with its output in a pipe; returns its pid or -1. */
static pid_t command_start(const char *command, int *output)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        if (dup2(ends[1], STDOUT_FILENO) >= 0) {
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        }
        _exit(127);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
    } else {
        *output = ends[0];
    }
    return pid;
}

static bool command_ended_well(pid_t pid)
{
    int status = 0;
    pid_t got;

    do {
        got = waitpid(pid, &status, 0);
    } while (got < 0 && errno == EINTR);
    return got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int passphrase_from_command(const char *command,
                                   char *out,
                                   size_t max,
                                   size_t *size,
                                   char *errmsg)
{
    size_t room = max + 2; /* CR LF. */
    char *buf = secret_new(room);
    int output = -1;
    ssize_t got;
    pid_t pid;
    int rv;

    if (buf == NULL) {
        return error_memory(errmsg);
    }
    pid = command_start(command, &output);
    if (pid < 0) {
        secret_free(buf);
        errmsg_set(errmsg, "start the passphrase command: %s; try again",
                   strerror(errno));
        return ERR_IO;
    }
    got = drain(output, buf, room);
    close(output);
    if (!command_ended_well(pid) || got < 0) {
        errmsg_set(errmsg, "the passphrase command failed; run it by hand: %s",
                   command);
        rv = ERR_IO;
    } else {
        got = (ssize_t)line_size(buf, (size_t)got);
        rv = line_check((size_t)got, max, errmsg);
    }
    if (rv == OK) {
        memcpy(out, buf, (size_t)got);
        *size = (size_t)got;
    }
    secret_free(buf);
    return rv;
}

static int passphrase_from_terminal(bool confirm,
                                    char *out,
                                    size_t max,
                                    size_t *size,
                                    char *errmsg)
{
    size_t room = max + 1;
    int tty = terminal_open();
    char *first = tty < 0 ? NULL : secret_new(2 * room);
    char *second = first == NULL ? NULL : first + room;
    ssize_t got = -1;
    ssize_t again = -1;
    int rv = ERR_CANCELED;

    if (tty < 0) {
        errmsg_set(errmsg, "there is no terminal to ask for the passphrase; "
                           "give a passphrase file or a passphrase command");
        return ERR_IO;
    }
    if (first == NULL) {
        rv = error_memory(errmsg);
        goto out;
    }
    got = terminal_ask_secret(tty, "Passphrase: ", first, room);
    if (got >= 0 && confirm) {
        again = terminal_ask_secret(tty, "The same again: ", second, room);
    }
    if (got < 0 || (confirm && again < 0)) {
        errmsg_set(errmsg, "no passphrase was given; run the command again");
        goto out;
    }
    rv = line_check((size_t)got, max, errmsg);
    if (rv == OK && confirm &&
        (again != got || !secret_equal(first, second, (size_t)got))) {
        errmsg_set(errmsg, "the two passphrases differ; run the command again");
        rv = ERR_DENIED;
    }
    if (rv == OK) {
        memcpy(out, first, (size_t)got);
        *size = (size_t)got;
    }
out:
    secret_free(first);
    close(tty);
    return rv;
}

int passphrase_read(const char *file,
                    const char *command,
                    bool confirm,
                    char *out,
                    size_t max,
                    size_t *size,
                    char *errmsg)
{
    assert(max > 0 && (file == NULL || command == NULL));
    if (file != NULL) {
        return passphrase_from_file(file, out, max, size, errmsg);
    }
    if (command != NULL) {
        return passphrase_from_command(command, out, max, size, errmsg);
    }
    return passphrase_from_terminal(confirm, out, max, size, errmsg);
}
