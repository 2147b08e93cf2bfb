#include "protocol/words.h"

void words_init(struct words *w, char *out, size_t max)
{
    assert(max > 0);
    *w = (struct words){.at = out, .max = max};
    out[0] = '\0';
}

/* Is this byte inside a UTF-8 character, not its first? */
static bool is_inner(char c)
{
    return ((uint8_t)c & 0xc0U) == 0x80U;
}

void words_add(struct words *w, const char *text)
{
    size_t size = strlen(text);
    size_t room = w->max - 1 - w->len;

    if (w->cut) {
        return;
    }
    if (size > room) {
        w->cut = true;
        size = room;
        while (size > 0 && is_inner(text[size])) {
            size--;
        }
    }
    memcpy(w->at + w->len, text, size);
    w->len += size;
    w->at[w->len] = '\0';
}

void words_number(struct words *w, uint64_t v)
{
    char digits[21];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    words_add(w, digits + at);
}

void words_size(struct words *w, uint64_t bytes)
{
    static const char *const units[] = {" bytes", " KiB", " MiB", " GiB",
                                        " TiB"};
    size_t unit = 0;

    while (unit + 1 < sizeof(units) / sizeof(units[0]) && bytes / 1024 >= 10) {
        bytes /= 1024;
        unit++;
    }
    words_number(w, bytes);
    words_add(w, units[unit]);
}

void words_hex(struct words *w, const struct digest *d)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * DIGEST_SIZE + 1];

    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        hex[2 * i] = digits[d->bytes[i] >> 4];
        hex[2 * i + 1] = digits[d->bytes[i] & 15];
    }
    hex[sizeof(hex) - 1] = '\0';
    words_add(w, hex);
}
