#ifndef CAIRN_PROTOCOL_MESSAGE_H
#define CAIRN_PROTOCOL_MESSAGE_H

#include "crypto/base.h"
#include "crypto/merkle.h"
#include "protocol/feed.h"
#include "protocol/manifest.h"

/* Control messages between nodes (docs/PROTOCOL.md): canonical msgpack arrays
 * [type, ...], each at most MESSAGE_SIZE_MAX, so one message is one record.
 * Bulk bytes do not travel in messages: a message announces them, and records
 * of the stream that it names carry them.
 *
 * One struct per message, an encoder and a decoder in a table by type. Slices
 * are lent from the bytes that were decoded. */

#define MESSAGE_SIZE_MAX     65000U
#define MESSAGE_HEADS_MAX    500U
#define MESSAGE_ENTRIES_MAX  64U
#define MESSAGE_TEXT_MAX     300U
#define MESSAGE_ENVELOPE_MAX 1024U

enum message_type {
    /* Feeds, between members. */
    MESSAGE_HEADS = 1,   /* Where feeds stand at the sender. */
    MESSAGE_WANT = 2,    /* Entries of one feed are asked for. */
    MESSAGE_ENTRIES = 3, /* Entries, asked for or pushed. */
    /* A deposit, lab to steward. */
    MESSAGE_OFFER = 10,   /* May I store this shard with you? */
    MESSAGE_ACCEPT = 11,  /* Yes, and this much of it I hold durably. */
    MESSAGE_CUT = 12,     /* Drop what is behind this compact range. */
    MESSAGE_APPEND = 13,  /* Bulk bytes follow on this stream. */
    MESSAGE_FLUSH = 14,   /* Make durable and say so. */
    MESSAGE_DURABLE = 15, /* Held up to here. */
    MESSAGE_COMMIT = 16,  /* All before this is final: never cut below. */
    MESSAGE_DEAL = 17,    /* A key share for your custodian, in an envelope. */
    /* Reading. */
    MESSAGE_READ = 20, /* Send me these leaves. */
    MESSAGE_CELL = 21, /* Their proof; the bytes follow on the stream. */
    /* A release. */
    MESSAGE_ENVELOPE_WANT = 30,
    MESSAGE_ENVELOPE = 31,
    /* Any request that is not granted. */
    MESSAGE_REFUSE = 40
};

struct message_head {
    struct digest author;
    uint32_t incarnation;
    uint64_t len;       /* Entries: the next seq. */
    struct digest last; /* Id of the last; zero when there is none. */
};

struct message_heads {
    struct message_head heads[MESSAGE_HEADS_MAX];
    size_t len;
    bool more; /* Another HEADS message of the same exchange follows. */
};

struct message_want {
    struct digest author;
    uint32_t incarnation;
    uint64_t from;
};

struct message_entries {
    struct slice entries[MESSAGE_ENTRIES_MAX]; /* Wire entries, in order. */
    size_t len;
};

struct message_offer {
    struct digest random, net, lab; /* Which make the id of the deposit. */
    char label[MANIFEST_LABEL_MAX + 1];
    uint16_t index, k, n, t;
    uint32_t segment_size;
    uint64_t size_max; /* The shard becomes no longer than this. */
};

struct message_accept {
    struct digest deposit_id;
    uint16_t index;
    struct merkle_range range; /* Durable leaves; |leaves| 0: nothing yet. */
    uint64_t final_leaves;     /* Never cut below: from COMMIT. */
    bool sealed;               /* Its receipt has been given. */
};

struct message_cut {
    struct digest deposit_id;
    struct merkle_range range;
};

struct message_append {
    struct digest deposit_id;
    uint64_t first_leaf, leaves; /* leaves * 4096 bytes follow. */
    uint32_t stream;
};

struct message_flush {
    struct digest deposit_id;
};

struct message_durable {
    struct digest deposit_id;
    uint64_t leaves;
};

struct message_commit {
    struct digest deposit_id;
    uint64_t leaves;
};

struct message_deal {
    struct digest deposit_id, manifest_hash;
    uint16_t share_index;
    uint64_t share_epoch;
    struct slice envelope; /* HPKE, at most MESSAGE_ENVELOPE_MAX. */
};

struct message_read {
    struct digest deposit_id;
    uint16_t index;
    uint64_t first_leaf, leaves; /* At most SEGMENT_SIZE_MAX bytes. */
    uint32_t stream;             /* The answer's. */
};

struct message_cell {
    struct digest deposit_id;
    uint16_t index;
    uint64_t first_leaf, leaves;
    uint32_t stream;
    struct digest nodes[MERKLE_RUN_NODES_MAX];
    size_t nodes_len;
};

struct message_envelope_want {
    struct digest release_id;
};

struct message_envelope {
    struct digest release_id, custodian;
    uint16_t share_index;
    uint64_t share_epoch;
    struct slice envelope;
};

struct message_refuse {
    uint64_t about;        /* The type that is refused. */
    struct digest subject; /* Deposit or release; zero when neither. */
    int status;            /* ERR_*, as its positive value on the wire. */
    char text[MESSAGE_TEXT_MAX + 1]; /* For people: why, and what to do. */
};

struct message {
    enum message_type type;
    union {
        struct message_heads heads;
        struct message_want want;
        struct message_entries entries;
        struct message_offer offer;
        struct message_accept accept;
        struct message_cut cut;
        struct message_append append;
        struct message_flush flush;
        struct message_durable durable;
        struct message_commit commit;
        struct message_deal deal;
        struct message_read read;
        struct message_cell cell;
        struct message_envelope_want envelope_want;
        struct message_envelope envelope;
        struct message_refuse refuse;
    } u;
};

/* The deposit that an OFFER is about. It takes the lab's own id to make it, so
 * that who has only heard of a deposit cannot offer one under its id. */
void message_offer_deposit(struct digest *id, const struct message_offer *o);

/* Encode; ERR_FULL when it does not fit |max|. Our own fields are asserted. */
MUST_CHECK int message_encode(const struct message *m,
                              uint8_t *out,
                              size_t max,
                              size_t *size);

/* Decode and check every bound; ERR_UNSUPPORTED for an unknown type. Only the
 * member of its type is written to; nothing, when it is not OK. */
MUST_CHECK int message_decode(struct message *m, struct slice in);

#endif /* CAIRN_PROTOCOL_MESSAGE_H */
