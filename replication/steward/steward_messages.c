#include "protocol/canon.h"
#include "replication/steward/steward_custody.h"
#include "replication/steward/steward_links.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_shards.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_sync.h"

/* The type of a message that is well formed but of no type that we know. */
static uint64_t type_of(struct slice bytes)
{
    struct canon_reader r;

    canon_read_init(&r, bytes);
    canon_array_between(&r, 1, UINT32_MAX);
    return canon_uint(&r, UINT64_MAX);
}

static void refuse_next(struct steward *s,
                        struct steward_link *l,
                        const struct digest *subject,
                        int status,
                        const char *text,
                        struct core_out *out)
{
    struct digest copy = {.bytes = {0}};

    if (subject != NULL) {
        copy = *subject;
    }
    steward_refuse(s, l->id, s->in.type, &copy, status, text, out);
    steward_link_next(s, l);
}

static void on_refuse(struct steward *s, struct steward_link *l)
{
    if (l->wants && s->in.u.refuse.about == MESSAGE_WANT) {
        steward_want_end(s, l);
    }
    steward_link_next(s, l);
}

static void dispatch_bulk(struct steward *s,
                          struct steward_link *l,
                          const struct digest *deposit,
                          struct core_out *out)
{
    refuse_next(s, l, deposit, ERR_ORDER,
                "no shard comes in on this connection; offer it first", out);
}

static void dispatch(struct steward *s,
                     struct steward_link *l,
                     struct core_out *out)
{
    const struct message *m = &s->in;

    switch (m->type) {
    case MESSAGE_HEADS:
        steward_on_heads(s, l, out);
        break;
    case MESSAGE_WANT:
        steward_on_want(s, l, out);
        break;
    case MESSAGE_ENTRIES:
        steward_on_entries(s, l, out);
        break;
    case MESSAGE_OFFER:
        steward_on_offer(s, l, NULL, out);
        break;
    case MESSAGE_COMMIT:
        steward_on_commit(s, l, out);
        break;
    case MESSAGE_READ:
        steward_on_read(s, l, out);
        break;
    case MESSAGE_CUT:
        dispatch_bulk(s, l, &m->u.cut.deposit_id, out);
        break;
    case MESSAGE_APPEND:
        dispatch_bulk(s, l, &m->u.append.deposit_id, out);
        break;
    case MESSAGE_FLUSH:
        dispatch_bulk(s, l, &m->u.flush.deposit_id, out);
        break;
    case MESSAGE_DEAL:
        steward_on_deal(s, l, NULL, out);
        break;
    case MESSAGE_ENVELOPE_WANT:
        steward_on_envelope_want(s, l, NULL, out);
        break;
    case MESSAGE_ACCEPT:
    case MESSAGE_DURABLE:
    case MESSAGE_CELL:
    case MESSAGE_ENVELOPE:
        refuse_next(s, l, NULL, ERR_ORDER, "nobody asked for that here", out);
        break;
    case MESSAGE_REFUSE:
        on_refuse(s, l);
        break;
    }
}

void steward_inbox_first(struct steward *s,
                         struct steward_link *l,
                         struct core_out *out)
{
    struct slice bytes = slice_of(l->inbox->bytes, l->inbox->size);
    int rv = message_decode(&s->in, bytes);

    if (rv == OK) {
        if (!l->recipient || steward_recipient_may(s, l, out)) {
            dispatch(s, l, out);
        }
    } else if (rv == ERR_UNSUPPORTED) {
        steward_refuse(s, l->id, type_of(bytes), NULL, rv,
                       "this steward does not know that kind of message", out);
        if (l->recipient) {
            steward_link_close(s, l, out);
        } else {
            steward_link_next(s, l);
        }
    } else {
        steward_refuse(s, l->id, 0, NULL, rv, "a message that cannot be read",
                       out);
        steward_link_close(s, l, out);
    }
}
