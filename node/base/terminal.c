#include "node/base/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "crypto/secret.h"

/* Signals that end or stop us, held back while the terminal does not echo. */
static const int terminal_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM,
                                       SIGTSTP};
#define TERMINAL_SIGNALS (sizeof(terminal_signals) / sizeof(*terminal_signals))

static volatile sig_atomic_t signal_seen;

static void on_signal(int number)
{
    signal_seen = number;
}

int terminal_open(void)
{
    return open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

/* One line from the terminal into |buf|; -1 at its end or when a signal came,
 * which |waiting| lets in only here, so that none is missed. */
static ssize_t terminal_line(int tty,
                             const sigset_t *waiting,
                             char *buf,
                             size_t size)
{
    size_t got = 0;

    for (;;) {
        struct pollfd p = {.fd = tty, .events = POLLIN};
        char c = '\0';
        int ready = ppoll(&p, 1, NULL, waiting);

        if (ready < 0 && errno == EINTR && signal_seen == 0) {
            continue;
        }
        if (ready <= 0 || read(tty, &c, 1) != 1) {
            return -1;
        }
        if (c == '\n' || c == '\r') {
            return (ssize_t)got;
        }
        if (got < size) {
            buf[got++] = c;
        }
        secret_wipe(&c, 1);
    }
}

/* Ask once, with the echo off and back on whatever happens. */
static ssize_t terminal_ask(int tty, const char *prompt, char *buf, size_t size)
{
    struct sigaction ours = {.sa_handler = on_signal};
    struct sigaction before[TERMINAL_SIGNALS];
    struct termios echoing;
    struct termios silent;
    sigset_t blocked;
    sigset_t mask;
    ssize_t got = -1;

    signal_seen = 0;
    sigemptyset(&blocked);
    for (size_t i = 0; i < TERMINAL_SIGNALS; i++) {
        sigaddset(&blocked, terminal_signals[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, &mask);
    for (size_t i = 0; i < TERMINAL_SIGNALS; i++) {
        sigaction(terminal_signals[i], &ours, &before[i]);
    }
    if (tcgetattr(tty, &echoing) == 0) {
        silent = echoing;
        silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
        silent.c_lflag |= ICANON;
        if (tcsetattr(tty, TCSAFLUSH, &silent) == 0) {
            dprintf(tty, "%s", prompt);
            got = terminal_line(tty, &mask, buf, size);
            dprintf(tty, "\n");
            tcsetattr(tty, TCSAFLUSH, &echoing);
        }
    }
    for (size_t i = 0; i < TERMINAL_SIGNALS; i++) {
        sigaction(terminal_signals[i], &before[i], NULL);
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return got;
}

/* A signal that came meanwhile has its effect afterwards; after a stop the
 * question comes again. */
ssize_t terminal_ask_secret(int tty, const char *prompt, char *buf, size_t size)
{
    for (;;) {
        ssize_t got = terminal_ask(tty, prompt, buf, size);

        if (signal_seen == 0) {
            return got;
        }
        raise(signal_seen);
        if (signal_seen != SIGTSTP) {
            return -1;
        }
    }
}
