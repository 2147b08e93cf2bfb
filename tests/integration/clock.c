#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* For LD_PRELOAD: all clocks of a process, moved by the number of seconds that
 * stands in the file CAIRN_CLOCK_FILE; it may change at any time. */

static long offset(void)
{
    const char *path = getenv("CAIRN_CLOCK_FILE");
    char text[32] = "";
    ssize_t n = 0;
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        n = read(fd, text, sizeof(text) - 1);
        close(fd);
    }
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock_id, struct timespec *tp)
{
    static int (*real)(clockid_t, struct timespec *);
    int rv;

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    }
    rv = real(clock_id, tp);
    if (rv == 0 && (clock_id == CLOCK_REALTIME || clock_id == CLOCK_MONOTONIC ||
                    clock_id == CLOCK_MONOTONIC_COARSE)) {
        tp->tv_sec += offset();
    }
    return rv;
}

time_t time(time_t *timer)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) != 0) {
        abort();
    }
    if (timer != NULL) {
        *timer = now.tv_sec;
    }
    return now.tv_sec;
}
