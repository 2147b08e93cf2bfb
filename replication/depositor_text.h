#ifndef CAIRN_REPLICATION_DEPOSITOR_TEXT_H
#define CAIRN_REPLICATION_DEPOSITOR_TEXT_H

#include "crypto/base.h"

/* Sentences for people, put together without stdio: what does not fit is cut
 * off between two characters, and the text is always terminated. */
struct depositor_text {
    char *at;
    size_t max, len; /* Bytes of |at|, the final zero among them. */
};

void depositor_text_init(struct depositor_text *t, char *out, size_t max);
void depositor_text_put(struct depositor_text *t, const char *text);
void depositor_text_number(struct depositor_text *t, uint64_t v);
/* "1536 MiB": a whole number of two digits or more, cut off. */
void depositor_text_size(struct depositor_text *t, uint64_t bytes);

#endif /* CAIRN_REPLICATION_DEPOSITOR_TEXT_H */
