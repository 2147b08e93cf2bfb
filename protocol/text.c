#include "protocol/text.h"

/* The range of the second byte is what keeps out overlong forms, surrogates
 * and what lies above U+10FFFF (RFC 3629, section 4). */
static bool second_is_valid(uint8_t first, uint8_t second)
{
    uint8_t min = 0x80, max = 0xbf;

    if (first == 0xe0) {
        min = 0xa0;
    } else if (first == 0xed) {
        max = 0x9f;
    } else if (first == 0xf0) {
        min = 0x90;
    } else if (first == 0xf4) {
        max = 0x8f;
    }
    return second >= min && second <= max;
}

/* Bytes of the character that begins with |first|; 0 when none does. */
static size_t char_size(uint8_t first)
{
    if (first < 0x80) {
        return first == 0 ? 0 : 1;
    }
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

bool text_is_valid(struct slice text)
{
    size_t at = 0;

    while (at < text.size) {
        const uint8_t *c = text.data + at;
        size_t size = char_size(c[0]);

        if (size == 0 || size > text.size - at ||
            (size > 1 && !second_is_valid(c[0], c[1]))) {
            return false;
        }
        for (size_t i = 2; i < size; i++) {
            if ((c[i] & 0xc0) != 0x80) {
                return false;
            }
        }
        at += size;
    }
    return true;
}

bool text_is_plain(struct slice text)
{
    if (!text_is_valid(text)) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];

        /* In valid text 0xc2 begins a character of two bytes. */
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && text.data[i + 1] < 0xa0)) {
            return false;
        }
    }
    return true;
}
