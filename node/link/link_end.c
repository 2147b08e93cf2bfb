#include <stdarg.h>

#include "node/link/link_state.h"

/* Every way in which a link ends. */

/* Note the first cause of an end, and have the owner told. */
static void link_note_end(struct link *l,
                          int status,
                          const char *format,
                          va_list args) __attribute__((format(printf, 3, 0)));

static void link_note_end(struct link *l,
                          int status,
                          const char *format,
                          va_list args)
{
    if (l->state >= LINK_LINGERING) {
        return;
    }
    l->status = status;
    (void)vsnprintf(l->text, sizeof(l->text), format, args);
    l->down_due = l->owed;
    link_host_wake(l->host);
}

/* Close the handles; the link is freed when they are. */
static void link_shut(struct link *l)
{
    if (l->state == LINK_CLOSED) {
        return;
    }
    if (l->state == LINK_RESOLVING) {
        (void)uv_cancel((uv_req_t *)&l->resolve); /* Or it has to end. */
    }
    link_move(l, LINK_CLOSED);
    link_handshake_free(l);
    if (l->addresses != NULL) {
        uv_freeaddrinfo(l->addresses);
        l->addresses = NULL;
    }
    link_timer_close(l);
    if (l->tcp_is_open) {
        link_tcp_close(l);
    }
}

void link_drop(struct link *l, int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    link_note_end(l, status, format, args);
    va_end(args);
    link_shut(l);
}

static void link_on_shutdown(uv_shutdown_t *req, int status)
{
    /* An error shows in reading as well, which the end now waits for. */
    (void)status;
    link_release(req->data);
}

/* Everything queued is written, then FIN; reading goes on until the peer's,
 * because closing a socket with unread bytes would reset the connection and
 * could cost the peer our last record. */
static void link_linger(struct link *l, uint16_t reason)
{
    link_move(l, LINK_LINGERING);
    l->receive_due = false;
    l->flush_due = false;
    link_send_close(l, reason);
    link_send_flush(l);
    if (l->state == LINK_CLOSED) {
        return; /* It could not be written. */
    }
    l->shutdown.data = l;
    if (uv_shutdown(&l->shutdown, (uv_stream_t *)&l->tcp, link_on_shutdown) !=
        0) {
        link_shut(l);
        return;
    }
    l->pending++;
    link_timer_start(l, l->host->config.limits.close_ms);
    link_receive_start(l);
}

void link_end(struct link *l,
              int status,
              enum frame_reason reason,
              const char *format,
              ...)
{
    va_list args;

    if (l->state >= LINK_LINGERING) {
        return;
    }
    l->reason = (uint16_t)reason;
    va_start(args, format);
    link_note_end(l, status, format, args);
    va_end(args);
    if (l->state == LINK_UP) {
        link_linger(l, l->reason);
    } else {
        link_shut(l);
    }
}

const char *link_reason_text(uint16_t reason)
{
    static const char *const words[] = {
        [FRAME_REASON_DONE] = "done",
        [FRAME_REASON_PROTOCOL] = "against the protocol",
        [FRAME_REASON_CERTIFICATE] = "certificate not accepted",
        [FRAME_REASON_BUSY] = "too busy",
        [FRAME_REASON_LIFETIME] = "the session is used up",
        [FRAME_REASON_STOPPING] = "stopping",
    };

    return reason < sizeof(words) / sizeof(words[0]) ? words[reason]
                                                     : "no reason known here";
}

void link_close(struct link *l, enum frame_reason reason)
{
    link_end(l, OK, reason, "closed here: %s",
             link_reason_text((uint16_t)reason));
}
