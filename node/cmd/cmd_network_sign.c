#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/file.h"
#include "node/cmd/cmd_network.h"

/* `cairn network sign`: ssh-keygen signs the draft for an operator. */

const struct cli_option cmd_network_sign_options[] = {
    {.name = "key",
     .value = "FILE",
     .help = "private SSH key of an operator (or .pub of one in ssh-agent)"},
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "where the signature goes (default DRAFT.KEY.sig)"},
    {.name = NULL},
};

/* Run ssh-keygen with |input| as its standard input, and its output in |out|.
 * The key never passes through this program. */
static int keygen_sign(const char *key,
                       int input,
                       char *out,
                       size_t max,
                       size_t *size)
{
    int ends[2];
    pid_t pid;
    int status = 0;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return ERR_IO;
    }
    pid = fork();
    if (pid == 0) {
        if (dup2(input, STDIN_FILENO) >= 0 &&
            dup2(ends[1], STDOUT_FILENO) >= 0) {
            (void)execlp("ssh-keygen", "ssh-keygen", "-Y", "sign", "-n",
                         CHARTER_NAMESPACE, "-f", key, (char *)NULL);
        }
        _Exit(127);
    }
    close(ends[1]);
    *size = 0;
    for (ssize_t got = 1; pid > 0 && got != 0 && *size < max;) {
        got = read(ends[0], out + *size, max - *size);
        if (got < 0 && errno != EINTR) {
            break;
        }
        *size += got > 0 ? (size_t)got : 0;
    }
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        return ERR_IO;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? OK : ERR_DENIED;
}

/* Is the signature one that will count? Better to hear it now. */
static int signature_check(const struct charter *charter,
                           struct slice draft,
                           struct slice text,
                           char *errmsg)
{
    uint8_t sig[SSHSIG_TEXT_MAX];
    struct sshsig_key key;
    size_t size = 0;
    int rv = sshsig_dearmor(text, sig, &size);

    if (rv == OK) {
        rv = sshsig_verify(slice_of(sig, size), CHARTER_NAMESPACE, draft, &key);
    }
    if (rv != OK) {
        errmsg_set(errmsg,
                   "ssh-keygen made a signature that does not count: only "
                   "ed25519 keys (also FIDO2 ones) do");
        return rv;
    }
    if (charter_operator(charter, &key) == NULL) {
        errmsg_set(errmsg, "this key is no operator's of any member");
        return ERR_DENIED;
    }
    return OK;
}

static char *sign_output(const struct cli *c,
                         const char *draft,
                         const char *key)
{
    const char *given = cli_value(c, "output");
    const char *base = strrchr(key, '/');
    size_t size = strlen(draft) + strlen(key) + sizeof("..sig");
    char *path = malloc(size);

    if (path != NULL && given == NULL) {
        (void)snprintf(path, size, "%s.%s.sig", draft,
                       base != NULL ? base + 1 : key);
    } else if (path != NULL) {
        free(path);
        path = strdup(given);
    }
    return path;
}

static int sign_with(struct cli *c,
                     const char *key,
                     struct charter *charter,
                     char *errmsg)
{
    const char *draft = c->args[0];
    uint8_t *bytes = NULL;
    size_t size = 0;
    char text[SSHSIG_TEXT_MAX];
    size_t text_size = 0;
    char *output = sign_output(c, draft, key);
    int fd = -1;
    int rv = network_draft_read(draft, charter, &bytes, &size, errmsg);

    if (rv == OK) {
        rv = file_write_may(output, FILE_REPLACE, errmsg);
    }
    if (rv == OK) {
        (void)network_print(c, charter, false);
        fd = open(draft, O_RDONLY | O_CLOEXEC);
        rv = fd < 0 ? ERR_IO
                    : keygen_sign(key, fd, text, sizeof(text), &text_size);
        if (rv != OK) {
            errmsg_set(errmsg, "ssh-keygen did not sign with '%s'", key);
        }
    }
    if (rv == OK) {
        rv = signature_check(charter, slice_of(bytes, size),
                             slice_of(text, text_size), errmsg);
    }
    if (rv == OK) {
        rv = file_write(output, slice_of(text, text_size), 0644, FILE_REPLACE,
                        errmsg);
    }
    if (rv == OK) {
        cli_note(c, "signed: %s", output);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(output);
    free(bytes);
    return rv;
}

int cmd_network_sign(struct cli *c)
{
    const char *key = cli_value(c, "key");
    struct charter *charter = calloc(1, sizeof(*charter));
    char errmsg[ERRMSG_SIZE] = "";
    int rv;

    if (key == NULL || charter == NULL) {
        free(charter);
        return cli_fail(c, EXIT_CODE_USAGE, "it is not said who signs",
                        "give an operator's SSH key with --key");
    }
    rv = sign_with(c, key, charter, errmsg);
    free(charter);
    return rv == OK ? EXIT_CODE_OK
                    : cli_fail(c, exit_code_of(rv), errmsg,
                               "nothing was signed; check the draft and the "
                               "key");
}
