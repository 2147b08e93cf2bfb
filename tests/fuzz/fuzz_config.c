#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "node/home/config.h"
#include "tests/fuzz/fuzz.h"

/* What is taken is within its bounds, and what is refused is refused in words
 * that fit. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config c;
    char errmsg[ERRMSG_SIZE] = "";
    char path[64];
    int fd = memfd_create("config", 0);
    int rv;

    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    rv = config_read(&c, path, errmsg);
    if (rv == OK) {
        assert(c.addresses_len >= 1 && c.addresses_len <= CARD_ADDRESSES_MAX);
        assert(c.operators_len >= 1 && c.operators_len <= CARD_OPERATORS_MAX);
        assert(c.capacity >= CONFIG_CAPACITY_MIN && c.data[0] == '/');
    } else {
        assert(errmsg[0] != '\0');
    }
    (void)close(fd);
    return 0;
}
