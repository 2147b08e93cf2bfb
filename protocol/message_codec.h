#ifndef CAIRN_PROTOCOL_MESSAGE_CODEC_H
#define CAIRN_PROTOCOL_MESSAGE_CODEC_H

#include "protocol/canon.h"
#include "protocol/message.h"

/* Inside of message.h: how one type of message is written and read. message.c
 * has the table by type, and writes and reads what all have in common. */

struct message_codec {
    size_t size;    /* Of the member of struct message's union. */
    uint32_t items; /* Behind the type. */

    void (*put)(struct canon_writer *w, const struct message *m);

    /* Read the items. Bounds what must be bounded to be kept in |m| at all;
     * everything else is is_valid()'s. */
    void (*get)(struct canon_reader *r, struct message *m);

    /* Every bound of every field: required of what was read, asserted of what
     * is to be written. */
    bool (*is_valid)(const struct message *m);
};

/* message_feed.c */
extern const struct message_codec message_heads_codec;
extern const struct message_codec message_want_codec;
extern const struct message_codec message_entries_codec;

/* message_deposit.c */
extern const struct message_codec message_offer_codec;
extern const struct message_codec message_accept_codec;
extern const struct message_codec message_cut_codec;
extern const struct message_codec message_flush_codec;
extern const struct message_codec message_durable_codec;
extern const struct message_codec message_commit_codec;

/* message_bulk.c */
extern const struct message_codec message_append_codec;
extern const struct message_codec message_read_codec;
extern const struct message_codec message_cell_codec;

/* message_release.c */
extern const struct message_codec message_deal_codec;
extern const struct message_codec message_envelope_want_codec;
extern const struct message_codec message_envelope_codec;

#endif /* CAIRN_PROTOCOL_MESSAGE_CODEC_H */
