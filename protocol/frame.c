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

/* The header; |reason| gets the body of a CLOSE, the only one that is not the
 * caller's. */
static struct slice record_put(const struct frame_record *rec,
                               uint8_t header[FRAME_HEADER_SIZE],
                               uint8_t reason[REASON_SIZE])
{
    assert(record_is_valid(rec));
    header[0] = (uint8_t)rec->type;
    header[1] = rec->more ? FLAG_MORE : 0;
    u32le_store(header + 2, rec->stream);
    if (rec->type != FRAME_CLOSE) {
        return rec->body;
    }
    u16le_store(reason, rec->reason);
    return slice_of(reason, REASON_SIZE);
}

void frame_record_encode(const struct frame_record *rec,
                         uint8_t *out,
                         size_t *out_size)
{
    uint8_t reason[REASON_SIZE];
    struct slice body = record_put(rec, out, reason);

    if (body.size > 0) {
        memcpy(out + FRAME_HEADER_SIZE, body.data, body.size);
    }
    *out_size = FRAME_HEADER_SIZE + body.size;
}

/* A record of which |header| and |body| may lie apart. */
static int record_take(const uint8_t header[FRAME_HEADER_SIZE],
                       struct slice body,
                       struct frame_record *rec)
{
    struct frame_record r = {.type = FRAME_CONTROL};

    if (header[0] < FRAME_CONTROL || header[0] > FRAME_CLOSE ||
        (header[1] & ~FLAG_MORE) != 0) {
        return ERR_UNSUPPORTED;
    }
    r.type = (enum frame_type)header[0];
    r.more = (header[1] & FLAG_MORE) != 0;
    r.stream = u32le_load(header + 2);
    r.body = body;
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

int frame_record_decode(struct slice plain, struct frame_record *rec)
{
    if (plain.size < FRAME_HEADER_SIZE) {
        return ERR_BAD;
    }
    return record_take(plain.data,
                       slice_of(plain.data + FRAME_HEADER_SIZE,
                                plain.size - FRAME_HEADER_SIZE),
                       rec);
}

int frame_seal(struct noise_cipher *c,
               const struct frame_record *rec,
               uint8_t *out,
               size_t *out_size)
{
    uint8_t header[FRAME_HEADER_SIZE], reason[REASON_SIZE];
    struct slice body;
    size_t size;
    int rv;

    if (c->nonce >= FRAME_SESSION_RECORDS_MAX) {
        return ERR_ORDER;
    }
    body = record_put(rec, header, reason);
    rv = noise_seal_joined(c, slice_of(header, sizeof(header)), body,
                           out + FRAME_LENGTH_SIZE);
    if (rv != OK) {
        return rv;
    }
    size = FRAME_SEALED_MIN + body.size;
    u16be_store(out, (uint16_t)size);
    *out_size = FRAME_LENGTH_SIZE + size;
    return OK;
}

int frame_open(struct noise_cipher *c,
               struct slice sealed,
               uint8_t *body,
               struct frame_record *rec)
{
    uint8_t header[FRAME_HEADER_SIZE];
    int rv;

    if (c->nonce >= FRAME_SESSION_RECORDS_MAX) {
        return ERR_ORDER;
    }
    rv = noise_open_split(c, sealed, header, sizeof(header), body);
    if (rv != OK) {
        return rv;
    }
    return record_take(header, slice_of(body, sealed.size - FRAME_SEALED_MIN),
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

static bool length_is_valid(size_t length, size_t wire_max)
{
    return length >= FRAME_SEALED_MIN && length <= wire_max - FRAME_LENGTH_SIZE;
}

int frame_take(struct slice *in, size_t wire_max, struct slice *frame)
{
    size_t length;

    *frame = slice_of(in->data, 0);
    if (in->size < FRAME_LENGTH_SIZE) {
        return OK;
    }
    length = u16be_load(in->data);
    if (!length_is_valid(length, wire_max)) {
        return ERR_BAD;
    }
    if (in->size >= FRAME_LENGTH_SIZE + length) {
        *frame = slice_of(in->data + FRAME_LENGTH_SIZE, length);
        slice_advance(in, FRAME_LENGTH_SIZE + length);
    }
    return OK;
}

int frame_reader_take(struct frame_reader *r,
                      struct slice *in,
                      struct slice *frame)
{
    size_t length;

    if (r->dead) {
        return ERR_BAD;
    }
    if (r->have == 0) {
        r->dead = frame_take(in, r->buf_size, frame) != OK;
        if (r->dead || frame->size > 0) {
            return r->dead ? ERR_BAD : OK;
        }
    }
    if (r->have < FRAME_LENGTH_SIZE && !gather(r, in, FRAME_LENGTH_SIZE)) {
        *frame = slice_of(r->buf, 0);
        return OK;
    }
    length = u16be_load(r->buf);
    if (!length_is_valid(length, r->buf_size)) {
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
