#ifndef CAIRN_NODE_TEXT_H
#define CAIRN_NODE_TEXT_H

#include "crypto/base.h"

/* Quantities in words, and bytes in hex. */

#define TEXT_SIZE 32

/* "1.4 GiB", "312 B", cut off, not rounded up; "2 h 03 min"; into |out| of
 * TEXT_SIZE bytes; both return |out|. */
char *text_size(char *out, uint64_t bytes);
char *text_duration(char *out, uint64_t seconds);
/* RFC 3339 in UTC, "@" and the seconds behind the year 9999; TEXT_SIZE bytes.
 */
char *text_time(char *out, uint64_t unix_s);

/* "s", for a plural, or "". */
const char *text_s(uint64_t count);

/* Lower-case hex; |out| has 2 * size + 1 bytes. */
char *text_hex(char *out, const uint8_t *bytes, size_t size);
/* False unless |text| is exactly |size| bytes in hex. */
bool text_hex_read(const char *text, uint8_t *out, size_t size);

/* A whole number in decimal, digits only. */
bool text_number_read(const char *text, uint64_t *out);
/* "4096", "256KiB", "32 MiB", "5GB": whole numbers with the unit spelt out. */
bool text_size_read(const char *text, uint64_t *out);

/* Put '?' for every byte that is no plain text: a name from outside may not
 * break its line, speak to the terminal or spoil JSON. */
void text_clean(char *text);

#endif /* CAIRN_NODE_TEXT_H */
