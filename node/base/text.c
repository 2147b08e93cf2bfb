#include "node/base/text.h"

#include <sodium.h>
#include <stdio.h>
#include <time.h>

#include "protocol/text.h"

char *text_size(char *out, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB",
                                        "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    unsigned shift;
    uint64_t part;

    if (bytes < 1024) {
        (void)snprintf(out, TEXT_SIZE, "%u B", (unsigned)bytes);
        return out;
    }
    while (bytes >> (10 * (unit + 1)) >= 1024) {
        unit++;
    }
    shift = 10 * (unit + 1);
    part = bytes & (((uint64_t)1 << shift) - 1);
    (void)snprintf(out, TEXT_SIZE, "%u.%u %s", (unsigned)(bytes >> shift),
                   (unsigned)(part * 10 >> shift), units[unit]);
    return out;
}

char *text_duration(char *out, uint64_t seconds)
{
    uint64_t minutes = seconds / 60;
    uint64_t hours = minutes / 60;

    if (minutes == 0) {
        (void)snprintf(out, TEXT_SIZE, "%u s", (unsigned)seconds);
    } else if (hours == 0) {
        (void)snprintf(out, TEXT_SIZE, "%u min %02u s", (unsigned)minutes,
                       (unsigned)(seconds % 60));
    } else if (hours < 24) {
        (void)snprintf(out, TEXT_SIZE, "%u h %02u min", (unsigned)hours,
                       (unsigned)(minutes % 60));
    } else {
        (void)snprintf(out, TEXT_SIZE, "%llu d %02u h",
                       (unsigned long long)(hours / 24),
                       (unsigned)(hours % 24));
    }
    return out;
}

char *text_time(char *out, uint64_t unix_s)
{
    const uint64_t year_10000 = 253402300800;
    time_t t = (time_t)unix_s;
    struct tm tm;

    if (unix_s >= year_10000 || gmtime_r(&t, &tm) == NULL ||
        strftime(out, TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        (void)snprintf(out, TEXT_SIZE, "@%llu", (unsigned long long)unix_s);
    }
    return out;
}

const char *text_s(uint64_t count)
{
    return count == 1 ? "" : "s";
}

char *text_hex(char *out, const uint8_t *bytes, size_t size)
{
    return sodium_bin2hex(out, 2 * size + 1, bytes, size);
}

bool text_hex_read(const char *text, uint8_t *out, size_t size)
{
    size_t length = strlen(text);

    return length == 2 * size &&
           strspn(text, "0123456789abcdefABCDEF") == length &&
           sodium_hex2bin(out, size, text, length, NULL, NULL, NULL) == 0;
}

/* Read the digits that |text| starts with; returns what follows them, or NULL
 * when there are none or too many. */
static const char *digits_read(const char *text, uint64_t *out)
{
    size_t length = strspn(text, "0123456789");
    uint64_t value = 0;

    for (size_t i = 0; i < length; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');

        if (value > (UINT64_MAX - digit) / 10) {
            return NULL;
        }
        value = 10 * value + digit;
    }
    if (length == 0) {
        return NULL;
    }
    *out = value;
    return text + length;
}

bool text_number_read(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    const char *rest = digits_read(text, &value);

    if (rest == NULL || *rest != '\0') {
        return false;
    }
    *out = value;
    return true;
}

bool text_size_read(const char *text, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"KiB", (uint64_t)1 << 10},
        {"MiB", (uint64_t)1 << 20},
        {"GiB", (uint64_t)1 << 30},
        {"TiB", (uint64_t)1 << 40},
        {"PiB", (uint64_t)1 << 50},
        {"kB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {"PB", 1000000000000000},
    };
    uint64_t value = 0;
    const char *unit = digits_read(text, &value);

    if (unit == NULL) {
        return false;
    }
    if (unit[0] == ' ' && unit[1] != '\0') {
        unit++;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcasecmp(unit, units[i].name) == 0) {
            if (value > UINT64_MAX / units[i].bytes) {
                return false;
            }
            *out = value * units[i].bytes;
            return true;
        }
    }
    return false;
}

/* The size of the plain character that |text| starts with, or 0. */
static size_t plain_size(const char *text, size_t size)
{
    for (size_t n = 1; n <= 4 && n <= size; n++) {
        if (text_is_plain(slice_of(text, n))) {
            return n;
        }
    }
    return 0;
}

void text_clean(char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size;) {
        size_t n = plain_size(text + i, size - i);

        if (n == 0) {
            text[i] = '?';
            n = 1;
        }
        i += n;
    }
}
