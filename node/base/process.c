#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/file.h"

/* A file that was opened in the place of a closed stderr would get the error
 * messages. */
static void standard_descriptors_open(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
        if (fd < 0) {
            abort();
        }
    } while (fd <= STDERR_FILENO);
    close(fd);
}

void process_harden(void)
{
    struct rlimit limit = {0};

    standard_descriptors_open();
    /* Best effort: where the system refuses, secrets are still in memory that
     * is left out of core files, and secret_new() tells what it cannot lock. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &limit);
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_MEMLOCK, &limit);
    }
    (void)umask(S_IRWXG | S_IRWXO);
}
