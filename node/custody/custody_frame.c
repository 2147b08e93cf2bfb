#include "node/custody/custody_frame.h"

static size_t frame_size(const struct custody_frame *f)
{
    if (f->size < CUSTODY_FRAME_HEAD) {
        return CUSTODY_FRAME_HEAD;
    }
    return CUSTODY_FRAME_HEAD + u32be_load(f->bytes);
}

uv_buf_t custody_frame_room(struct custody_frame *f)
{
    size_t end = frame_size(f);

    assert(f->size < end && end <= CUSTODY_FRAME_MAX);
    return uv_buf_init((char *)f->bytes + f->size, (unsigned)(end - f->size));
}

int custody_frame_take(struct custody_frame *f, size_t size, bool *whole)
{
    assert(size <= frame_size(f) - f->size);
    f->size += size;
    if (f->size < CUSTODY_FRAME_HEAD) {
        return OK;
    }
    if (u32be_load(f->bytes) == 0 || u32be_load(f->bytes) > CUSTODY_SIZE_MAX) {
        return ERR_BAD;
    }
    *whole = f->size == frame_size(f);
    return OK;
}

struct slice custody_frame_message(const struct custody_frame *f)
{
    assert(f->size > CUSTODY_FRAME_HEAD && f->size == frame_size(f));
    return slice_of(f->bytes + CUSTODY_FRAME_HEAD,
                    f->size - CUSTODY_FRAME_HEAD);
}

void custody_frame_put(struct custody_frame *f, struct slice message)
{
    assert(message.size > 0 && message.size <= CUSTODY_SIZE_MAX);
    f->bytes[0] = (uint8_t)(message.size >> 24);
    f->bytes[1] = (uint8_t)(message.size >> 16);
    f->bytes[2] = (uint8_t)(message.size >> 8);
    f->bytes[3] = (uint8_t)message.size;
    memmove(f->bytes + CUSTODY_FRAME_HEAD, message.data, message.size);
    f->size = CUSTODY_FRAME_HEAD + message.size;
}
