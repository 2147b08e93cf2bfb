#ifndef CAIRN_PROTOCOL_WORDS_H
#define CAIRN_PROTOCOL_WORDS_H

#include "crypto/base.h"

/* Sentences for people, put together without stdio. What does not fit is cut
 * off between two characters, and nothing follows it; the text is always
 * terminated. */
struct words {
    char *at;
    size_t max, len; /* Room, the final zero included; length without it. */
    bool cut;
};

/* Begin an empty text in |out|, of |max| > 0 bytes. */
void words_init(struct words *w, char *out, size_t max);

void words_add(struct words *w, const char *text);
void words_number(struct words *w, uint64_t v);
/* "1536 MiB": a whole number of two digits or more, cut off. */
void words_size(struct words *w, uint64_t bytes);
void words_hex(struct words *w, const struct digest *d);

#endif /* CAIRN_PROTOCOL_WORDS_H */
