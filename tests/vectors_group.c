#include "tests/vectors_group.h"

#include <sodium.h>
#include <stdlib.h>

static bool hex_string(const json_t *string, uint8_t *out, size_t size)
{
    const char *hex = json_string_value(string);
    size_t got = 0;

    return hex != NULL && strlen(hex) == 2 * size &&
           sodium_hex2bin(out, size, hex, 2 * size, NULL, &got, NULL) == 0 &&
           got == size;
}

bool scalar_read(const json_t *string, struct scalar *out)
{
    return hex_string(string, out->bytes, SCALAR_SIZE);
}

bool element_read(const json_t *string, struct element *out)
{
    return hex_string(string, out->bytes, ELEMENT_SIZE);
}

size_t elements_read(const json_t *array, struct element *out, size_t max)
{
    size_t len = json_array_size(array);

    if (len > max) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        if (!element_read(json_array_get(array, i), &out[i])) {
            return 0;
        }
    }
    return len;
}

bool share_read(const json_t *object, uint16_t index, struct vss_share *out)
{
    out->index = index;
    return scalar_read(json_object_get(object, "s"), &out->s) &&
           scalar_read(json_object_get(object, "r"), &out->r);
}

bool scalar_equal(const struct scalar *a, const struct scalar *b)
{
    return memcmp(a->bytes, b->bytes, SCALAR_SIZE) == 0;
}

uint16_t index_of(const char *key)
{
    char *end = NULL;
    unsigned long v = strtoul(key, &end, 10);

    return v <= UINT16_MAX && *end == '\0' ? (uint16_t)v : 0;
}
