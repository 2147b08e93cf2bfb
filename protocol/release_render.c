#include "protocol/field.h"
#include "protocol/release.h"

#define HEX_WIDTH 64
#define DAY_S     86400U

/* Text that fits into |max| bytes; what does not is remembered. */
struct text {
    char *out;
    size_t max, size;
    bool full;
};

static void put_chars(struct text *t, const char *s, size_t size)
{
    if (t->full || size > t->max - t->size) {
        t->full = true;
        return;
    }
    if (size > 0) {
        memcpy(t->out + t->size, s, size);
        t->size += size;
    }
}

static void put(struct text *t, const char *s)
{
    put_chars(t, s, strlen(s));
}

/* Decimal, with zeros in front up to |width| digits. */
static void put_number(struct text *t, uint64_t v, size_t width)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0 || sizeof(digits) - at < width);
    put_chars(t, digits + at, sizeof(digits) - at);
}

static void put_hex(struct text *t, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.size; i++) {
        const char pair[2] = {digits[bytes.data[i] >> 4],
                              digits[bytes.data[i] & 15]};

        put_chars(t, pair, sizeof(pair));
    }
}

/* U+2028 .. U+202E and U+2066 .. U+2069, in UTF-8: separators of lines, and
 * characters that turn the direction of what follows them. */
static bool deceives(const char *c)
{
    const uint8_t *u = (const uint8_t *)c;

    return u[0] == 0xe2 && ((u[1] == 0x80 && u[2] >= 0xa8 && u[2] <= 0xae) ||
                            (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9));
}

/* Somebody else's words, so that they stay on their line and look as they
 * are: what deceives is named, as in <U+202E>. */
static void put_words(struct text *t, const char *s)
{
    static const char digits[] = "0123456789ABCDEF";

    while (*s != '\0') {
        if (deceives(s)) {
            uint8_t last = (uint8_t)((s[1] & 1) << 6 | (s[2] & 0x3f));

            put(t, "<U+20");
            put_chars(t, &digits[last >> 4], 1);
            put_chars(t, &digits[last & 15], 1);
            put(t, ">");
            s += 3;
        } else {
            put_chars(t, s, 1);
            s++;
        }
    }
}

/* The proleptic Gregorian calendar by counting: 400 years have 146097 days,
 * and a year that begins in March ends in its leap day. */
static void put_date(struct text *t, uint64_t days)
{
    /* From 0000-03-01 on. */
    uint64_t d = days + 719468;
    uint64_t era = d / 146097, year, month;

    d %= 146097;
    year = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    d -= 365 * year + year / 4 - year / 100;
    month = (5 * d + 2) / 153; /* 0: March. */
    d -= (153 * month + 2) / 5;
    year += 400 * era + (month >= 10 ? 1 : 0);
    put_number(t, year, 4);
    put(t, "-");
    put_number(t, month < 10 ? month + 3 : month - 9, 2);
    put(t, "-");
    put_number(t, d + 1, 2);
}

/* RFC 3339, in UTC. */
static void put_time(struct text *t, uint64_t time_s)
{
    uint64_t s = time_s % DAY_S;

    put_date(t, time_s / DAY_S);
    put(t, "T");
    put_number(t, s / 3600, 2);
    put(t, ":");
    put_number(t, s / 60 % 60, 2);
    put(t, ":");
    put_number(t, s % 60, 2);
    put(t, "Z");
}

static void line_hex(struct text *t, const char *name, struct slice bytes)
{
    put(t, name);
    put_hex(t, bytes);
    put(t, "\n");
}

static void line_words(struct text *t, const char *name, const char *words)
{
    put(t, name);
    put_words(t, words);
    put(t, "\n");
}

static void line_time(struct text *t, const char *name, uint64_t time_s)
{
    put(t, name);
    put_time(t, time_s);
    put(t, "\n");
}

static void put_fields(struct text *t, const struct release_request *r)
{
    line_words(t, "Label: ", r->label);
    line_words(t, "Recipient: ", r->recipient);
    line_words(t, "Purpose: ", r->purpose);
    line_time(t, "Requested: ", r->time_s);
    line_time(t, "Expires: ", r->not_after_s);
    line_hex(t, "Network: ", digest_slice(&r->net));
    line_hex(t, "Charter: ", digest_slice(&r->charter_hash));
    line_hex(t, "Deposit: ", digest_slice(&r->deposit_id));
    line_hex(t, "Manifest: ", digest_slice(&r->manifest_hash));
    put(t, "Share epoch: ");
    put_number(t, r->share_epoch, 1);
    put(t, "\n");
    line_hex(t,
             "Recipient HPKE key: ", slice_of(r->hpke_pk, sizeof(r->hpke_pk)));
    line_hex(t, "Recipient transport key: ",
             slice_of(r->transport_pk, sizeof(r->transport_pk)));
    line_hex(t, "Nonce: ", slice_of(r->nonce, sizeof(r->nonce)));
}

static void put_request(struct text *t, struct slice request)
{
    put(t, "-- request in hex --\n");
    for (size_t at = 0; at < request.size; at += HEX_WIDTH / 2) {
        size_t left = request.size - at;

        line_hex(t, "",
                 slice_of(request.data + at,
                          left < HEX_WIDTH / 2 ? left : HEX_WIDTH / 2));
    }
}

int release_request_render(struct slice request,
                           char *out,
                           size_t max,
                           size_t *size)
{
    struct text t = {.out = out, .max = max};
    struct release_request r;
    int rv = release_request_decode(&r, request);

    if (rv != OK) {
        return rv;
    }
    put(&t, "Cairn release request 1\n");
    put_fields(&t, &r);
    put_request(&t, request);
    if (t.full) {
        return ERR_FULL;
    }
    *size = t.size;
    return OK;
}
