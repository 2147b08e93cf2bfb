#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "protocol/canon.h"
#include "tests/vectors.h"

/* kawanet/msgpack-test-suite: values, each with all encodings that a msgpack
 * reader should know, the preferred one first. Of a value of our subset
 * exactly one encoding is accepted, the first of the unsigned family; of any
 * other value none is. */

#define ENCODING_MAX 256

/* Write |v| as the suite's JSON shows it. False when it is outside of the
 * subset: negative, fractional, or a map with text for keys. */
static bool put_json(struct canon_writer *w, const json_t *v)
{
    const json_t *item;
    size_t i;

    if (json_is_integer(v) && json_integer_value(v) >= 0) {
        canon_put_uint(w, (uint64_t)json_integer_value(v));
        return true;
    }
    if (json_is_string(v)) {
        canon_put_str(w, slice_of(json_string_value(v), json_string_length(v)));
        return true;
    }
    if (json_is_object(v)) {
        canon_put_map(w, 0);
        return json_object_size(v) == 0;
    }
    if (!json_is_array(v)) {
        return false;
    }
    canon_put_array(w, (uint32_t)json_array_size(v));
    json_array_foreach(v, i, item)
    {
        if (!put_json(w, item)) {
            return false;
        }
    }
    return true;
}

/* Bytes are written with dashes: "00-ff". */
static size_t bytes_of(const json_t *v, uint8_t out[ENCODING_MAX])
{
    const char *hex = json_string_value(v);
    size_t size = 0;

    if (hex == NULL || sodium_hex2bin(out, ENCODING_MAX, hex, strlen(hex), "-",
                                      &size, NULL) != 0) {
        abort();
    }
    return size;
}

/* Large numbers are written as text. */
static bool put_bignum(struct canon_writer *w, const char *text)
{
    if (text[0] == '-') {
        return false;
    }
    errno = 0;
    canon_put_uint(w, strtoull(text, NULL, 10));
    return errno == 0;
}

static bool put_case(struct canon_writer *w, const json_t *c)
{
    static const char *const plain[] = {"number", "string", "array", "map"};
    const json_t *v = json_object_get(c, "bignum");
    uint8_t bytes[ENCODING_MAX];

    if (v != NULL) {
        return put_bignum(w, json_string_value(v));
    }
    if (json_object_get(c, "nil") != NULL) {
        canon_put_nil(w);
        return true;
    }
    v = json_object_get(c, "bool");
    if (v != NULL) {
        canon_put_bool(w, json_is_true(v));
        return true;
    }
    v = json_object_get(c, "binary");
    if (v != NULL) {
        canon_put_bin(w, slice_of(bytes, bytes_of(v, bytes)));
        return true;
    }
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        v = json_object_get(c, plain[i]);
        if (v != NULL) {
            return put_json(w, v);
        }
    }
    return false; /* timestamp, ext */
}

static void run_case(const json_t *c, struct vectors_report *r)
{
    uint8_t out[ENCODING_MAX], in[ENCODING_MAX];
    const json_t *encodings = json_object_get(c, "msgpack"), *encoding;
    struct slice want = {0}, got;
    struct canon_writer w;
    size_t i;
    bool wanted, found = false;

    canon_write_init(&w, out, sizeof(out));
    wanted = put_case(&w, c) && canon_write_end(&w, &want) == OK;
    json_array_foreach(encodings, i, encoding)
    {
        bool is_signed, ok;

        got = slice_of(in, bytes_of(encoding, in));
        is_signed = in[0] >= 0xd0 && in[0] <= 0xd3;
        if (wanted && !found && !is_signed) {
            found = true;
            ok = canon_check(got) == OK && slice_equal(got, want);
        } else {
            ok = canon_check(got) == ERR_BAD;
        }
        vectors_case(r, ok, json_string_value(encoding));
    }
}

void vectors_msgpack(json_t *root, struct vectors_report *r)
{
    const char *section;
    json_t *cases;

    json_object_foreach(root, section, cases)
    {
        const json_t *c;
        size_t i;

        json_array_foreach(cases, i, c)
        {
            run_case(c, r);
        }
    }
}
