#include "crypto/secret.h"
#include "node/base/file.h"
#include "node/cli/cli.h"

int cli_passphrase(const struct cli *c,
                   char **passphrase,
                   size_t *size,
                   char *errmsg)
{
    const char *file = cli_value(c, "passphrase-file");

    *passphrase = NULL;
    *size = 0;
    if (file == NULL) {
        return OK;
    }
    *passphrase = secret_new(CLI_PASSPHRASE_MAX);
    if (*passphrase == NULL) {
        errmsg_set(errmsg, "no locked memory for a passphrase; raise "
                           "'ulimit -l'");
        return ERR_NOMEM;
    }
    return passphrase_read(file, NULL, false, *passphrase, CLI_PASSPHRASE_MAX,
                           size, errmsg);
}
