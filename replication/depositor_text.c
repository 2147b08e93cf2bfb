#include "replication/depositor_text.h"

void depositor_text_init(struct depositor_text *t, char *out, size_t max)
{
    assert(max > 0);
    *t = (struct depositor_text){.at = out, .max = max};
    out[0] = '\0';
}

/* Is this byte inside a UTF-8 character, not its first? */
static bool is_inner(char c)
{
    return ((uint8_t)c & 0xc0U) == 0x80U;
}

void depositor_text_put(struct depositor_text *t, const char *text)
{
    size_t size = strlen(text);
    size_t room = t->max - 1 - t->len;

    if (size > room) {
        size = room;
        while (size > 0 && is_inner(text[size])) {
            size--;
        }
    }
    memcpy(t->at + t->len, text, size);
    t->len += size;
    t->at[t->len] = '\0';
}

void depositor_text_number(struct depositor_text *t, uint64_t v)
{
    char digits[21];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    depositor_text_put(t, digits + at);
}

void depositor_text_size(struct depositor_text *t, uint64_t bytes)
{
    static const char *const units[] = {" bytes", " KiB", " MiB", " GiB",
                                        " TiB"};
    size_t unit = 0;

    while (unit + 1 < sizeof(units) / sizeof(units[0]) && bytes / 1024 >= 10) {
        bytes /= 1024;
        unit++;
    }
    depositor_text_number(t, bytes);
    depositor_text_put(t, units[unit]);
}
