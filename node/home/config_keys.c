#include "node/base/text.h"
#include "node/home/config_internal.h"
#include "protocol/text.h"

/* Every key: its kind, its bounds, its place in struct config. */

/* A plain text of at most |max| bytes, 0 of them only where |empty|. */
static int text_put(char *out,
                    size_t max,
                    bool empty,
                    const char *value,
                    char *errmsg)
{
    struct slice text = slice_str(value);

    if (!text_is_plain(text) || text.size > max || (text.size == 0 && !empty)) {
        errmsg_set(
            errmsg,
            "must be %d to %zu bytes of UTF-8 without control characters",
            empty ? 0 : 1, max);
        return ERR_BAD;
    }
    memcpy(out, value, text.size + 1);
    return OK;
}

static int name_put(struct config *c, const char *value, char *errmsg)
{
    return text_put(c->name, CARD_NAME_MAX, false, value, errmsg);
}

static int organisation_put(struct config *c, const char *value, char *errmsg)
{
    return text_put(c->organisation, CARD_NAME_MAX, false, value, errmsg);
}

static int jurisdiction_put(struct config *c, const char *value, char *errmsg)
{
    return text_put(c->jurisdiction, CARD_PLACE_MAX, false, value, errmsg);
}

static int provider_put(struct config *c, const char *value, char *errmsg)
{
    return text_put(c->provider, CARD_NAME_MAX, true, value, errmsg);
}

/* One more of a list of addresses. */
static int address_put(char (*list)[CARD_ADDRESS_MAX + 1],
                       size_t max,
                       size_t *len,
                       const char *value,
                       char *errmsg)
{
    struct slice text = slice_str(value);

    if (*len == max) {
        errmsg_set(errmsg, "has more than %zu addresses", max);
        return ERR_BAD;
    }
    if (text.size > CARD_ADDRESS_MAX || !card_address_is_valid(text)) {
        errmsg_set(errmsg,
                   "'%.100s' is no address; write HOST:PORT or "
                   "[IPV6]:PORT, in lower case",
                   value);
        return ERR_BAD;
    }
    memcpy(list[*len], value, text.size + 1);
    (*len)++;
    return OK;
}

static int addresses_put(struct config *c, const char *value, char *errmsg)
{
    return address_put(c->addresses, CARD_ADDRESSES_MAX, &c->addresses_len,
                       value, errmsg);
}

static int listen_put(struct config *c, const char *value, char *errmsg)
{
    return address_put(c->listen, LINK_LISTEN_MAX, &c->listen_len, value,
                       errmsg);
}

static int operators_put(struct config *c, const char *value, char *errmsg)
{
    size_t size = strlen(value);
    struct sshsig_key key;
    int rv;

    if (c->operators_len == CARD_OPERATORS_MAX) {
        errmsg_set(errmsg, "has more than %u keys", CARD_OPERATORS_MAX);
        return ERR_BAD;
    }
    rv = size > CONFIG_OPERATOR_MAX || !text_is_plain(slice_str(value))
             ? ERR_BAD
             : sshsig_key_parse(&key, slice_str(value));
    if (rv != OK) {
        errmsg_set(errmsg,
                   "'%.40s...' is no operator's key; give a line of a .pub "
                   "file of type ssh-ed25519 or sk-ssh-ed25519@openssh.com",
                   value);
        return ERR_BAD;
    }
    for (size_t i = 0; i < c->operators_len; i++) {
        struct sshsig_key other;

        config_operator(c, i, &other);
        if (slice_equal(slice_of(other.blob, other.blob_size),
                        slice_of(key.blob, key.blob_size))) {
            errmsg_set(errmsg, "has the same key twice");
            return ERR_BAD;
        }
    }
    memcpy(c->operators[c->operators_len++], value, size + 1);
    return OK;
}

static int path_put(char *out, const char *value, char *errmsg)
{
    if (value[0] != '/') {
        errmsg_set(errmsg, "must be an absolute path, beginning with '/'");
        return ERR_BAD;
    }
    return text_put(out, CONFIG_PATH_MAX, false, value, errmsg);
}

static int data_put(struct config *c, const char *value, char *errmsg)
{
    return path_put(c->data, value, errmsg);
}

static int custodian_put(struct config *c, const char *value, char *errmsg)
{
    if (value[0] == '\0') {
        c->custodian[0] = '\0';
        return OK;
    }
    return path_put(c->custodian, value, errmsg);
}

static int volume_put(struct config *c, const char *value, char *errmsg)
{
    if (!text_hex_read(value, c->volume_id, VOLUME_ID_SIZE)) {
        errmsg_set(errmsg,
                   "must be the %u hex digits that stand in the file '%s' of "
                   "the volume",
                   2 * VOLUME_ID_SIZE, VOLUME_MARKER);
        return ERR_BAD;
    }
    return OK;
}

static int size_put(uint64_t *out,
                    uint64_t min,
                    uint64_t max,
                    const char *value,
                    char *errmsg)
{
    char low[TEXT_SIZE], high[TEXT_SIZE];
    uint64_t size;

    if (!text_size_read(value, &size) || size < min || size > max) {
        errmsg_set(errmsg,
                   "must be a size from %s to %s, a whole number such as "
                   "500GiB",
                   text_size(low, min), text_size(high, max));
        return ERR_BAD;
    }
    *out = size;
    return OK;
}

static int capacity_put(struct config *c, const char *value, char *errmsg)
{
    return size_put(&c->capacity, CONFIG_CAPACITY_MIN, CONFIG_CAPACITY_MAX,
                    value, errmsg);
}

static int lab_quota_put(struct config *c, const char *value, char *errmsg)
{
    return size_put(&c->lab_quota, 0, CONFIG_CAPACITY_MAX, value, errmsg);
}

static int feed_quota_put(struct config *c, const char *value, char *errmsg)
{
    return size_put(&c->feed_quota, CONFIG_FEED_MIN, CONFIG_CAPACITY_MAX, value,
                    errmsg);
}

static int reserve_put(struct config *c, const char *value, char *errmsg)
{
    return size_put(&c->reserve, 0, CONFIG_CAPACITY_MAX, value, errmsg);
}

static int log_format_put(struct config *c, const char *value, char *errmsg)
{
    if (strcmp(value, log_format_name(LOG_TEXT)) == 0) {
        c->log_format = LOG_TEXT;
    } else if (strcmp(value, log_format_name(LOG_JSON)) == 0) {
        c->log_format = LOG_JSON;
    } else {
        errmsg_set(errmsg, "must be text or json");
        return ERR_BAD;
    }
    return OK;
}

const struct config_key config_keys[] = {
    {"name", false, false, name_put},
    {"organisation", false, false, organisation_put},
    {"jurisdiction", false, false, jurisdiction_put},
    {"provider", false, true, provider_put},
    {"addresses", true, false, addresses_put},
    {"operators", true, false, operators_put},
    {"listen", true, false, listen_put},
    {"data", false, false, data_put},
    {"volume", false, false, volume_put},
    {"capacity", false, false, capacity_put},
    {"lab-quota", false, true, lab_quota_put},
    {"feed-quota", false, true, feed_quota_put},
    {"reserve", false, true, reserve_put},
    {"custodian", false, true, custodian_put},
    {"log-format", false, true, log_format_put},
};
static_assert(sizeof(config_keys) == CONFIG_KEYS * sizeof(config_keys[0]),
              "CONFIG_KEYS is the number of keys");

size_t config_key_find(const char *name)
{
    size_t i = 0;

    while (i < CONFIG_KEYS && strcmp(config_keys[i].name, name) != 0) {
        i++;
    }
    assert(i < CONFIG_KEYS);
    return i;
}

int config_put(struct config *c,
               const char *key,
               const char *value,
               char *errmsg)
{
    return config_keys[config_key_find(key)].put(c, value, errmsg);
}

void config_operator(const struct config *c, size_t i, struct sshsig_key *key)
{
    int rv = sshsig_key_parse(key, slice_str(c->operators[i]));

    assert(i < c->operators_len && rv == OK);
    (void)rv;
}
