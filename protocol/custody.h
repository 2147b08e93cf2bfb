#ifndef CAIRN_PROTOCOL_CUSTODY_H
#define CAIRN_PROTOCOL_CUSTODY_H

#include "crypto/base.h"
#include "protocol/feed.h"
#include "protocol/message.h"
#include "protocol/release.h"

/* What a steward's node asks of its custodian, and the answers
 * (docs/PROTOCOL.md 10): canonical msgpack arrays [type, ...] over a Unix
 * socket, each behind its length as u32be, answered in the order in which they
 * were asked. The custodian believes nothing of what it is told: every
 * document here carries signatures that it checks against the charter that a
 * human pinned. */

#define CUSTODY_SIZE_MAX      ((size_t)256 << 10)
#define CUSTODY_SSHSIG_MAX    2048U
#define CUSTODY_APPROVALS_MAX 64U /* One a member. */

enum custody_type {
    /* Asked. */
    CUSTODY_HELLO = 1,    /* Which network, which charter do you serve? */
    CUSTODY_DEAL = 2,     /* A key share has been dealt to you. */
    CUSTODY_RELEASE = 3,  /* Decide on this request. */
    CUSTODY_ENVELOPE = 4, /* Another steward holds your decision: hand out. */
    /* Answered. */
    CUSTODY_SELF = 10,    /* To HELLO. */
    CUSTODY_ACK = 11,     /* To DEAL: an acknowledgement. */
    CUSTODY_DECIDED = 12, /* To RELEASE: a decision. */
    CUSTODY_HANDED = 13,  /* To ENVELOPE: the envelope. */
    CUSTODY_REFUSED = 20
};

struct custody_hello {
    struct digest net, charter_hash;
};

struct custody_deal {
    struct slice manifest; /* The lab's feed entry, as received. */
    uint16_t share_index;  /* 1 .. n */
    uint64_t share_epoch;
    struct slice envelope; /* As in MESSAGE_DEAL. */
};

struct custody_release {
    struct slice request;
    struct slice approvals[CUSTODY_APPROVALS_MAX]; /* Binary SSHSIG. */
    size_t approvals_len;
};

struct custody_envelope {
    struct digest release_id;
    struct slice holding; /* Another steward's feed entry, FEED_HOLDING. */
};

struct custody_self {
    struct digest net, charter_hash, steward;
    uint64_t shares, decisions; /* Held. */
};

struct custody_refused {
    int status; /* ERR_*, as its positive value on the wire. */
    char text[MESSAGE_TEXT_MAX + 1];
};

struct custody {
    enum custody_type type;
    union {
        struct custody_hello hello;
        struct custody_deal deal;
        struct custody_release release;
        struct custody_envelope envelope;
        struct custody_self self;
        struct slice ack;      /* release_acknowledgement_encode() */
        struct slice decision; /* release_decision_encode() */
        struct slice handed;   /* RELEASE_ENVELOPE_SIZE bytes, HPKE. */
        struct custody_refused refused;
    } u;
};

/* Encode; ERR_FULL when it does not fit |max|. Our own fields are asserted. */
MUST_CHECK int custody_encode(const struct custody *c,
                              uint8_t *out,
                              size_t max,
                              size_t *size);

/* Decode and check every bound; slices are lent from |in|. ERR_UNSUPPORTED for
 * an unknown type. */
MUST_CHECK int custody_decode(struct custody *c, struct slice in);

#endif /* CAIRN_PROTOCOL_CUSTODY_H */
