#include "protocol/frame.h"

#include "crypto/hash.h"
#include "crypto/secret.h"

#define PREAMBLE_MAGIC    "CRNP"
#define PREAMBLE_MAC_FROM 32 /* mac1 covers all bytes before itself. */

#define FLAG_MORE BIT(0)

#define REASON_SIZE 2

void frame_psk_init(struct frame_psk *p, const uint8_t psk[FRAME_PSK_SIZE])
{
    struct digest id;

    TH256(&id, "psk-id", slice_of(psk, FRAME_PSK_SIZE));
    TH256(&p->mac_key, "mac1-key", slice_of(psk, FRAME_PSK_SIZE));
    memcpy(p->id, id.bytes, sizeof(p->id));
    memcpy(p->psk, psk, sizeof(p->psk));
    secret_wipe(&id, sizeof(id));
}

void frame_psk_wipe(struct frame_psk *p)
{
    secret_wipe(p, sizeof(*p));
}

void frame_psk_for_noise(const struct frame_psk *p,
                         struct slice pairwise,
                         struct slice kem_secret,
                         uint8_t out[NOISE_KEY_SIZE])
{
    struct digest psk;

    TH256(&psk, "noise-psk", slice_of(p->psk, sizeof(p->psk)), pairwise,
          kem_secret);
    memcpy(out, psk.bytes, NOISE_KEY_SIZE);
    secret_wipe(&psk, sizeof(psk));
}

static void preamble_mac(const uint8_t preamble[FRAME_PREAMBLE_SIZE],
                         const struct frame_psk *psk,
                         uint8_t mac1[FRAME_MAC1_SIZE])
{
    uint8_t mac[HMAC256_SIZE];

    hmac256(digest_slice(&psk->mac_key), slice_of(preamble, PREAMBLE_MAC_FROM),
            mac);
    memcpy(mac1, mac, FRAME_MAC1_SIZE);
    secret_wipe(mac, sizeof(mac));
}

void frame_preamble_encode(const struct digest *net,
                           const struct frame_psk *psk,
                           uint8_t out[FRAME_PREAMBLE_SIZE])
{
    memcpy(out, PREAMBLE_MAGIC, 4);
    out[4] = FRAME_VERSION;
    out[5] = FRAME_SUITE;
    out[6] = FRAME_KEM;
    out[7] = 0;
    memcpy(out + 8, psk->id, FRAME_PSK_ID_SIZE);
    memcpy(out + 16, net->bytes, FRAME_NET_SIZE);
    preamble_mac(out, psk, out + PREAMBLE_MAC_FROM);
}

int frame_preamble_decode(struct slice in, struct frame_preamble *p)
{
    if (in.size != FRAME_PREAMBLE_SIZE ||
        memcmp(in.data, PREAMBLE_MAGIC, 4) != 0) {
        return ERR_BAD;
    }
    if (in.data[4] != FRAME_VERSION || in.data[5] != FRAME_SUITE ||
        in.data[6] != FRAME_KEM || in.data[7] != 0) {
        return ERR_UNSUPPORTED;
    }
    memcpy(p->psk_id, in.data + 8, sizeof(p->psk_id));
    memcpy(p->net, in.data + 16, sizeof(p->net));
    memcpy(p->mac1, in.data + PREAMBLE_MAC_FROM, sizeof(p->mac1));
    return OK;
}

int frame_preamble_accept(struct slice in,
                          const struct digest *net,
                          const struct frame_psk *psks,
                          size_t psks_len,
                          size_t *which)
{
    struct frame_preamble p;
    uint8_t mac1[FRAME_MAC1_SIZE];
    int rv = frame_preamble_decode(in, &p);

    if (rv != OK) {
        return rv;
    }
    if (memcmp(p.net, net->bytes, sizeof(p.net)) != 0) {
        return ERR_MISMATCH;
    }
    rv = ERR_NOTFOUND;
    /* Ids are short: two psks may share one, so each that fits is tried. */
    for (size_t i = 0; rv != OK && i < psks_len; i++) {
        if (memcmp(p.psk_id, psks[i].id, sizeof(p.psk_id)) != 0) {
            continue;
        }
        rv = ERR_AUTH;
        preamble_mac(in.data, &psks[i], mac1);
        if (secret_equal(mac1, p.mac1, sizeof(mac1))) {
            *which = i;
            rv = OK;
        }
        secret_wipe(mac1, sizeof(mac1));
    }
    return rv;
}

void frame_prologue(const uint8_t preamble[FRAME_PREAMBLE_SIZE],
                    struct digest *out)
{
    TH256(out, "noise-prologue", slice_of(preamble, FRAME_PREAMBLE_SIZE));
}

/* The rules of frame.h, for what we send and for what we are sent. */
static bool record_is_valid(const struct frame_record *rec)
{
    bool bare = !rec->more && rec->body.size == 0;

    switch (rec->type) {
    case FRAME_CONTROL:
    case FRAME_DATA:
        return rec->reason == 0 && rec->body.size <= FRAME_BODY_MAX &&
               (!rec->more || rec->body.size > 0);
    case FRAME_END:
        return bare && rec->reason == 0;
    case FRAME_KEEPALIVE:
        return bare && rec->reason == 0 && rec->stream == 0;
    case FRAME_CLOSE:
        return bare && rec->stream == 0;
    }
    return false;
}

void frame_record_encode(const struct frame_record *rec,
                         uint8_t *out,
                         size_t *out_size)
{
    uint8_t *body = out + FRAME_HEADER_SIZE;

    assert(record_is_valid(rec));
    out[0] = (uint8_t)rec->type;
    out[1] = rec->more ? FLAG_MORE : 0;
    u32le_store(out + 2, rec->stream);
    *out_size = FRAME_HEADER_SIZE + rec->body.size;
    if (rec->type == FRAME_CLOSE) {
        u16le_store(body, rec->reason);
        *out_size += REASON_SIZE;
    } else if (rec->body.size > 0 && rec->body.data != body) {
        memcpy(body, rec->body.data, rec->body.size);
    }
}

int frame_record_decode(struct slice plain, struct frame_record *rec)
{
    struct frame_record r = {.type = FRAME_CONTROL};

    if (plain.size < FRAME_HEADER_SIZE) {
        return ERR_BAD;
    }
    if (plain.data[0] < FRAME_CONTROL || plain.data[0] > FRAME_CLOSE ||
        (plain.data[1] & ~FLAG_MORE) != 0) {
        return ERR_UNSUPPORTED;
    }
    r.type = (enum frame_type)plain.data[0];
    r.more = (plain.data[1] & FLAG_MORE) != 0;
    r.stream = u32le_load(plain.data + 2);
    r.body = slice_of(plain.data + FRAME_HEADER_SIZE,
                      plain.size - FRAME_HEADER_SIZE);
    if (r.type == FRAME_CLOSE) {
        if (r.body.size != REASON_SIZE) {
            return ERR_BAD;
        }
        r.reason = u16le_load(r.body.data);
        r.body = slice_of(r.body.data, 0);
    }
    if (!record_is_valid(&r)) {
        return ERR_BAD;
    }
    *rec = r;
    return OK;
}

int frame_seal(struct noise_cipher *c,
               const struct frame_record *rec,
               uint8_t *out,
               size_t *out_size)
{
    uint8_t *plain = out + FRAME_LENGTH_SIZE;
    size_t size;
    int rv;

    if (c->nonce >= FRAME_SESSION_RECORDS_MAX) {
        return ERR_ORDER;
    }
    frame_record_encode(rec, plain, &size);
    rv = noise_seal(c, slice_of(plain, size), plain);
    if (rv != OK) {
        return rv;
    }
    size += NOISE_TAG_SIZE;
    u16be_store(out, (uint16_t)size);
    *out_size = FRAME_LENGTH_SIZE + size;
    return OK;
}

int frame_open(struct noise_cipher *c,
               struct slice sealed,
               uint8_t *out,
               struct frame_record *rec)
{
    int rv;

    if (c->nonce >= FRAME_SESSION_RECORDS_MAX) {
        return ERR_ORDER;
    }
    rv = noise_open(c, sealed, out);
    if (rv != OK) {
        return rv;
    }
    return frame_record_decode(slice_of(out, sealed.size - NOISE_TAG_SIZE),
                               rec);
}

void frame_reader_init(struct frame_reader *r, uint8_t *buf, size_t buf_size)
{
    assert(buf_size >= FRAME_PREAMBLE_SIZE);
    *r = (struct frame_reader){.buf = buf, .buf_size = buf_size};
}

static void slice_advance(struct slice *s, size_t size)
{
    assert(size <= s->size);
    s->data += size;
    s->size -= size;
}

/* Fill the buffer from |in| up to |want| bytes; whether it has them now. */
static bool gather(struct frame_reader *r, struct slice *in, size_t want)
{
    size_t missing = want - r->have;
    size_t take = missing < in->size ? missing : in->size;

    assert(r->have <= want && want <= r->buf_size);
    if (take > 0) {
        memcpy(r->buf + r->have, in->data, take);
        r->have += take;
        slice_advance(in, take);
    }
    return r->have == want;
}

static bool length_is_valid(const struct frame_reader *r, size_t length)
{
    return length >= FRAME_SEALED_MIN &&
           length <= r->buf_size - FRAME_LENGTH_SIZE;
}

/* Lend a good frame that lies whole in |in|. */
static bool take_whole(const struct frame_reader *r,
                       struct slice *in,
                       struct slice *frame)
{
    size_t length;

    if (in->size < FRAME_LENGTH_SIZE) {
        return false;
    }
    length = u16be_load(in->data);
    if (!length_is_valid(r, length) || in->size < FRAME_LENGTH_SIZE + length) {
        return false;
    }
    *frame = slice_of(in->data + FRAME_LENGTH_SIZE, length);
    slice_advance(in, FRAME_LENGTH_SIZE + length);
    return true;
}

int frame_reader_take(struct frame_reader *r,
                      struct slice *in,
                      struct slice *frame)
{
    size_t length;

    if (r->dead) {
        return ERR_BAD;
    }
    if (r->have == 0 && take_whole(r, in, frame)) {
        return OK;
    }
    if (r->have < FRAME_LENGTH_SIZE && !gather(r, in, FRAME_LENGTH_SIZE)) {
        *frame = slice_of(r->buf, 0);
        return OK;
    }
    length = u16be_load(r->buf);
    if (!length_is_valid(r, length)) {
        r->dead = true;
        return ERR_BAD;
    }
    *frame = slice_of(r->buf, 0);
    if (gather(r, in, FRAME_LENGTH_SIZE + length)) {
        *frame = slice_of(r->buf + FRAME_LENGTH_SIZE, length);
        r->have = 0;
    }
    return OK;
}

void frame_reader_take_preamble(struct frame_reader *r,
                                struct slice *in,
                                struct slice *preamble)
{
    *preamble = slice_of(r->buf, 0);
    if (gather(r, in, FRAME_PREAMBLE_SIZE)) {
        *preamble = slice_of(r->buf, FRAME_PREAMBLE_SIZE);
        r->have = 0;
    }
}
