#ifndef CAIRN_REPLICATION_CODEC_H
#define CAIRN_REPLICATION_CODEC_H

#include "crypto/base.h"

/* How the plaintext of a segment becomes the payload of its sealed message
 * (docs/FORMAT.md 6): 0 raw, 1 one zstd frame. Both directions work on pieces,
 * so that nothing but the caller's buffers grows with a segment.
 *
 * Decoders see only bytes that were authenticated, and still trust no length:
 * a hostile lab may have sealed anything. */

enum codec {
    CODEC_RAW = 0,
    CODEC_ZSTD = 1
};

/* What a depositor asks for. AUTO decides per segment from samples. */
enum codec_choice {
    CODEC_CHOOSE_AUTO,
    CODEC_CHOOSE_RAW,
    CODEC_CHOOSE_ZSTD
};

/* Scratch for one segment at a time, on any thread; made once, used for many.
 * Plaintext passes through; its own buffers are wiped when it is freed. */
struct codec_state;
MUST_CHECK int codec_state_new(struct codec_state **out);
void codec_state_free(struct codec_state *s);

/* Is it worth compressing? Compresses a few samples spread over |plain|. */
enum codec codec_decide(struct codec_state *s,
                        enum codec_choice choice,
                        struct slice plain);

/* The same of |size| bytes that pass in pieces, in order: their samples are
 * kept as they do, and decide when all have passed. Until then the state is
 * for nothing else. */
void codec_samples_begin(struct codec_state *s, size_t size);
void codec_samples_take(struct codec_state *s, struct slice piece);
enum codec codec_samples_decide(struct codec_state *s,
                                enum codec_choice choice);

/* Called with each piece of payload, in order. */
typedef void codec_sink(void *arg, struct slice piece);

/* Encode all of |plain|, handing pieces of any size to |sink|. Stops with
 * ERR_FULL, having sunk no more than |payload_max| bytes, when the payload
 * would be larger: the caller falls back to CODEC_RAW. */
MUST_CHECK int codec_encode(struct codec_state *s,
                            enum codec codec,
                            struct slice plain,
                            size_t payload_max,
                            codec_sink *sink,
                            void *arg);

/* Decode |payload| to exactly |plain_size| bytes at |out|. ERR_BAD for frames
 * that are torn, longer, shorter, concatenated or larger than they say;
 * ERR_UNSUPPORTED for other codecs. CODEC_RAW is the caller's: see
 * segment_open(), which does not copy. */
MUST_CHECK int codec_decode(struct codec_state *s,
                            enum codec codec,
                            struct slice payload,
                            uint8_t *out,
                            size_t plain_size);

#endif /* CAIRN_REPLICATION_CODEC_H */
