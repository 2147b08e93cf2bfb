#include "protocol/card.h"

#define PORT_MAX 65535U

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

/* Decimal without leading zeros, 0..max. */
static bool number_read(struct slice s, uint32_t max, uint32_t *out)
{
    uint32_t v = 0;

    if (s.size == 0 || s.size > 5 || (s.size > 1 && s.data[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < s.size; i++) {
        if (!is_digit(s.data[i])) {
            return false;
        }
        v = v * 10 + (s.data[i] - (uint32_t)'0');
    }
    *out = v;
    return v <= max;
}

/* Cut off what stands before the first |c|, or all there is, and that |c|.
 * False when nothing was behind it to begin with. */
static bool take_until(struct slice *in, uint8_t c, struct slice *out)
{
    size_t at = 0;

    if (in->data == NULL) {
        return false;
    }
    while (at < in->size && in->data[at] != c) {
        at++;
    }
    *out = slice_of(in->data, at);
    *in = at == in->size ? slice_of(NULL, 0)
                         : slice_of(in->data + at + 1, in->size - at - 1);
    return true;
}

static bool ipv4_is_valid(struct slice host)
{
    struct slice rest = host, part;
    unsigned parts = 0;
    uint32_t v;

    while (take_until(&rest, '.', &part)) {
        if (!number_read(part, UINT8_MAX, &v)) {
            return false;
        }
        parts++;
    }
    return parts == 4;
}

/* Eight groups of one to four digits; one "::" stands for a run of groups. */
static bool ipv6_is_valid(struct slice host)
{
    struct slice rest = host, group;
    unsigned groups = 0, gaps = 0;

    if (host.size < 2) {
        return false;
    }
    /* A colon at either end is half of the gap, and cut off. */
    if (host.data[0] == ':') {
        if (host.data[1] != ':') {
            return false;
        }
        rest = slice_of(host.data + 1, host.size - 1);
    }
    if (host.data[host.size - 1] == ':') {
        if (host.data[host.size - 2] != ':') {
            return false;
        }
        rest.size--;
    }
    while (take_until(&rest, ':', &group)) {
        if (group.size > 4) {
            return false;
        }
        for (size_t i = 0; i < group.size; i++) {
            if (!is_hex(group.data[i])) {
                return false;
            }
        }
        gaps += group.size == 0 ? 1 : 0;
        groups += group.size == 0 ? 0 : 1;
    }
    return gaps == 0 ? groups == 8 : gaps == 1 && groups <= 7;
}

/* No address has room for a label of more than the 63 bytes of DNS. */
static bool label_is_valid(struct slice label)
{
    if (label.size == 0 || label.data[0] == '-' ||
        label.data[label.size - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < label.size; i++) {
        uint8_t c = label.data[i];

        if (!is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-') {
            return false;
        }
    }
    return true;
}

/* A name whose last label is a number would be read as an IPv4 address by
 * some and as a name by others. */
static bool name_is_valid(struct slice host)
{
    struct slice rest = host, label = slice_of(NULL, 0);

    while (take_until(&rest, '.', &label)) {
        if (!label_is_valid(label)) {
            return false;
        }
    }
    for (size_t i = 0; i < label.size; i++) {
        if (!is_digit(label.data[i])) {
            return true;
        }
    }
    return false;
}

static bool host_is_valid(struct slice host)
{
    if (host.size >= 2 && host.data[0] == '[' &&
        host.data[host.size - 1] == ']') {
        return ipv6_is_valid(slice_of(host.data + 1, host.size - 2));
    }
    return ipv4_is_valid(host) || name_is_valid(host);
}

bool card_address_is_valid(struct slice address)
{
    size_t at = address.size;
    uint32_t port = 0;

    if (address.size > CARD_ADDRESS_MAX) {
        return false;
    }
    while (at > 0 && address.data[at - 1] != ':') {
        at--;
    }
    return at > 0 &&
           number_read(slice_of(address.data + at, address.size - at), PORT_MAX,
                       &port) &&
           port > 0 && host_is_valid(slice_of(address.data, at - 1));
}
