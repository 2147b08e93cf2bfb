#ifndef CAIRN_NODE_CUSTODY_FRAME_H
#define CAIRN_NODE_CUSTODY_FRAME_H

#include <uv.h>

#include "protocol/custody.h"

/* Messages on the socket of a custodian: length as u32be, then that many
 * bytes, 1 .. CUSTODY_SIZE_MAX. A reader is given room for one message and
 * never for a byte of the next, so what is not asked for stays with the
 * kernel, and with the sender. */

#define CUSTODY_FRAME_HEAD 4U
#define CUSTODY_FRAME_MAX  (CUSTODY_FRAME_HEAD + CUSTODY_SIZE_MAX)

struct custody_frame {
    size_t size; /* Of what is there, its head included. */
    uint8_t bytes[CUSTODY_FRAME_MAX];
};

/* Where the next bytes of the message go; not empty while it is incomplete. */
uv_buf_t custody_frame_room(struct custody_frame *f);

/* Take |size| bytes that were put there. Sets |*whole| when the message is
 * complete; ERR_BAD for a length out of bounds. */
MUST_CHECK int custody_frame_take(struct custody_frame *f,
                                  size_t size,
                                  bool *whole);

/* The message of a frame that is whole. */
struct slice custody_frame_message(const struct custody_frame *f);

/* Make |f| the whole frame of |message|, which may lie in it. */
void custody_frame_put(struct custody_frame *f, struct slice message);

#endif /* CAIRN_NODE_CUSTODY_FRAME_H */
