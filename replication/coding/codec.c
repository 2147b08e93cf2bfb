#include "replication/coding/codec.h"

#include <stdlib.h>
#include <zstd.h>

#include "crypto/secret.h"

/* Level 1 takes all that a byte-wise compressor finds in weights: higher
 * levels cost up to a hundred times more and gain nothing. */
#define ZSTD_LEVEL 1

/* No frame may ask a reader for more history than 2^23 bytes. */
#define WINDOW_LOG_MAX 23U

#define SAMPLES      8U
#define SAMPLE_SIZE  16384U
#define GAIN_PERCENT 4U

struct codec_state {
    ZSTD_CCtx *enc;
    ZSTD_DCtx *dec;
    size_t piece_max; /* Holds any compressed block, and any sample. */
    uint8_t *piece;
    /* A sample begins every |stride| bytes of what passes, of which |passed|
     * have. */
    size_t stride, passed, samples_size;
    uint8_t samples[SAMPLES * SAMPLE_SIZE];
};

int codec_state_new(struct codec_state **out)
{
    struct codec_state *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return ERR_NOMEM;
    }
    s->piece_max = ZSTD_CStreamOutSize();
    assert(s->piece_max >= ZSTD_COMPRESSBOUND(SAMPLE_SIZE));
    s->piece = malloc(s->piece_max);
    s->enc = ZSTD_createCCtx();
    s->dec = ZSTD_createDCtx();
    if (s->piece == NULL || s->enc == NULL || s->dec == NULL) {
        codec_state_free(s);
        return ERR_NOMEM;
    }
    *out = s;
    return OK;
}

void codec_state_free(struct codec_state *s)
{
    if (s != NULL) {
        ZSTD_freeCCtx(s->enc);
        ZSTD_freeDCtx(s->dec);
        if (s->piece != NULL) {
            secret_wipe(s->piece, s->piece_max);
        }
        free(s->piece);
        secret_wipe(s->samples, sizeof(s->samples));
        free(s);
    }
}

/* Begin a frame of |size| bytes. The same settings every time, and nothing
 * left over from the frame before: the same input gives the same bytes. */
static bool frame_begin(struct codec_state *s, size_t size)
{
    static const struct {
        ZSTD_cParameter name;
        int value;
    } set[] = {
        {ZSTD_c_compressionLevel, ZSTD_LEVEL},
        {ZSTD_c_contentSizeFlag, 1},
        {ZSTD_c_checksumFlag, 0}, /* The tags of the sealing cover it. */
        {ZSTD_c_dictIDFlag, 0},
    };

    ZSTD_CCtx_reset(s->enc, ZSTD_reset_session_and_parameters);
    for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
        if (ZSTD_isError(
                ZSTD_CCtx_setParameter(s->enc, set[i].name, set[i].value))) {
            return false;
        }
    }
    return !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(s->enc, size));
}

/* Compressed size of |sample|, at most SAMPLE_SIZE bytes; its own size when it
 * does not compress. */
static size_t sample_size(struct codec_state *s, struct slice sample)
{
    size_t size;

    if (!frame_begin(s, sample.size)) {
        return sample.size;
    }
    size = ZSTD_compress2(s->enc, s->piece, s->piece_max, sample.data,
                          sample.size);
    return ZSTD_isError(size) ? sample.size : size;
}

/* Spread evenly, or everything when there is little. */
void codec_samples_begin(struct codec_state *s, size_t size)
{
    s->stride = size / SAMPLES < SAMPLE_SIZE ? SAMPLE_SIZE : size / SAMPLES;
    s->passed = 0;
    s->samples_size = 0;
}

void codec_samples_take(struct codec_state *s, struct slice piece)
{
    while (piece.size > 0 && s->passed < SAMPLES * s->stride) {
        size_t at = s->passed % s->stride;
        bool wanted = at < SAMPLE_SIZE;
        size_t size = (wanted ? SAMPLE_SIZE : s->stride) - at;

        size = piece.size < size ? piece.size : size;
        if (wanted) {
            memcpy(s->samples + s->samples_size, piece.data, size);
            s->samples_size += size;
        }
        s->passed += size;
        piece.data += size;
        piece.size -= size;
    }
}

static bool samples_pay(struct codec_state *s)
{
    size_t compressed = 0, size;

    for (size_t at = 0; at < s->samples_size; at += size) {
        size = s->samples_size - at;
        size = size < SAMPLE_SIZE ? size : SAMPLE_SIZE;
        compressed += sample_size(s, slice_of(s->samples + at, size));
    }
    return s->samples_size > 0 &&
           compressed * 100 <= s->samples_size * (100 - GAIN_PERCENT);
}

enum codec codec_samples_decide(struct codec_state *s, enum codec_choice choice)
{
    switch (choice) {
    case CODEC_CHOOSE_AUTO:
        return samples_pay(s) ? CODEC_ZSTD : CODEC_RAW;
    case CODEC_CHOOSE_RAW:
        return CODEC_RAW;
    case CODEC_CHOOSE_ZSTD:
        return CODEC_ZSTD;
    }
    return CODEC_RAW;
}

enum codec codec_decide(struct codec_state *s,
                        enum codec_choice choice,
                        struct slice plain)
{
    codec_samples_begin(s, plain.size);
    codec_samples_take(s, plain);
    return codec_samples_decide(s, choice);
}

static int encode_zstd(struct codec_state *s,
                       struct slice plain,
                       size_t payload_max,
                       codec_sink *sink,
                       void *arg)
{
    ZSTD_inBuffer in = {.src = plain.data, .size = plain.size};
    size_t left;

    if (!frame_begin(s, plain.size)) {
        return ERR_NOMEM;
    }
    do {
        ZSTD_outBuffer out = {.dst = s->piece, .size = s->piece_max};

        left = ZSTD_compressStream2(s->enc, &out, &in, ZSTD_e_end);
        if (ZSTD_isError(left)) {
            return ERR_NOMEM; /* All else that can fail is a wrong use. */
        }
        if (out.pos > payload_max) {
            return ERR_FULL;
        }
        payload_max -= out.pos;
        sink(arg, slice_of(s->piece, out.pos));
    } while (left > 0);
    return OK;
}

int codec_encode(struct codec_state *s,
                 enum codec codec,
                 struct slice plain,
                 size_t payload_max,
                 codec_sink *sink,
                 void *arg)
{
    switch (codec) {
    case CODEC_RAW:
        if (plain.size > payload_max) {
            return ERR_FULL;
        }
        sink(arg, plain);
        return OK;
    case CODEC_ZSTD:
        return encode_zstd(s, plain, payload_max, sink, arg);
    }
    return ERR_UNSUPPORTED;
}

/* The history that a frame asks of its reader (RFC 8878, 3.1.1.1). libzstd
 * bounds it in streams alone. |frame| has at least six bytes, and its content
 * size is |plain_size|. */
static uint64_t frame_window(struct slice frame, size_t plain_size)
{
    uint8_t descriptor = frame.data[4], window = frame.data[5];
    uint64_t base = (uint64_t)1 << (10 + (window >> 3));
    bool single_segment = (descriptor >> 5 & 1) != 0;

    return single_segment ? plain_size : base + base / 8 * (window & 7U);
}

/* One zstd frame, whole, nothing before or behind it, that says that it holds
 * |plain_size| bytes and asks for a bounded window. The magic is compared here
 * because libzstd also takes skippable and older frames. Those that need a
 * dictionary fail later, for there is none. */
static bool frame_is_sound(struct slice frame, size_t plain_size)
{
    return frame.size >= 6 && u32le_load(frame.data) == ZSTD_MAGICNUMBER &&
           ZSTD_getFrameContentSize(frame.data, frame.size) == plain_size &&
           ZSTD_findFrameCompressedSize(frame.data, frame.size) == frame.size &&
           frame_window(frame, plain_size) <= (uint64_t)1 << WINDOW_LOG_MAX;
}

static int decode_zstd(struct codec_state *s,
                       struct slice payload,
                       uint8_t *out,
                       size_t plain_size)
{
    if (!frame_is_sound(payload, plain_size)) {
        return ERR_BAD;
    }
    ZSTD_DCtx_reset(s->dec, ZSTD_reset_session_and_parameters);
    return ZSTD_decompressDCtx(s->dec, out, plain_size, payload.data,
                               payload.size) == plain_size
               ? OK
               : ERR_BAD;
}

int codec_decode(struct codec_state *s,
                 enum codec codec,
                 struct slice payload,
                 uint8_t *out,
                 size_t plain_size)
{
    switch (codec) {
    case CODEC_RAW:
        break;
    case CODEC_ZSTD:
        return decode_zstd(s, payload, out, plain_size);
    }
    return ERR_UNSUPPORTED;
}
