#include "replication/steward/steward_links.h"

#include <stdlib.h>

#include "protocol/transport_cert.h"
#include "replication/keys.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_shards.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_sync.h"

/* --- Saying -------------------------------------------------------------- */

void steward_say(struct steward *s, uint64_t link, struct core_out *out)
{
    size_t size = 0;
    int rv = message_encode(&s->said, s->buf, sizeof(s->buf), &size);

    assert(rv == OK);
    core_act(out, ACT_SEND, link, slice_of(s->buf, size));
}

void steward_refuse(struct steward *s,
                    uint64_t link,
                    uint64_t about,
                    const struct digest *subject,
                    int status,
                    const char *text,
                    struct core_out *out)
{
    struct message_refuse *m = &s->said.u.refuse;
    size_t size = strlen(text);

    assert(size <= MESSAGE_TEXT_MAX);
    s->said.type = MESSAGE_REFUSE;
    memset(m, 0, sizeof(*m));
    m->about = about;
    if (subject != NULL) {
        m->subject = *subject;
    }
    m->status = status;
    memcpy(m->text, text, size);
    steward_say(s, link, out);
}

void steward_links_newest(struct steward *s,
                          struct steward_link *newest[CHARTER_MEMBERS_MAX])
{
    for (size_t i = 0; i < CHARTER_MEMBERS_MAX; i++) {
        newest[i] = NULL;
    }
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        struct steward_link *l = &s->links[i];

        if (l->up && !l->recipient &&
            (newest[l->member] == NULL || newest[l->member]->born < l->born)) {
            newest[l->member] = l;
        }
    }
}

void steward_refuse_lab(struct steward *s,
                        uint32_t deposit,
                        int status,
                        const char *text,
                        struct core_out *out)
{
    const struct steward_deposit *d = &s->deposits[deposit];
    const struct steward_intake *in = steward_intake_of(s, deposit);
    struct steward_link *newest[CHARTER_MEMBERS_MAX];
    struct steward_link *l = NULL;

    steward_links_newest(s, newest);
    for (size_t i = 0; i < s->config.charter->members_len && l == NULL; i++) {
        if (newest[i] != NULL &&
            digest_equal(&s->config.charter->members[i].card.id, &d->lab)) {
            l = newest[i];
        }
    }
    if (in != NULL && steward_link_find(s, in->link) != NULL) {
        l = steward_link_find(s, in->link);
    }
    if (l != NULL) {
        steward_refuse(s, l->id, MESSAGE_OFFER, &d->id, status, text, out);
    }
}

/* --- Inboxes ------------------------------------------------------------- */

void steward_item_free(struct steward *s, struct steward_item *item)
{
    assert(s->inbox_bytes >= item->size);
    s->inbox_bytes -= item->size;
    free(item);
}

static size_t link_bytes(const struct steward_link *l)
{
    size_t size = 0;

    for (const struct steward_item *i = l->inbox; i != NULL; i = i->next) {
        size += i->size;
    }
    for (size_t i = 0; i < l->heads_len; i++) {
        size += l->heads[i]->size;
    }
    return size;
}

/* Make room for |size| bytes: who has most there goes, so that a flood ends
 * itself and nobody else. False when that was |l|. */
static bool inboxes_make_room(struct steward *s,
                              const struct steward_link *l,
                              size_t size,
                              struct core_out *out)
{
    bool stays = true;

    while (stays && size > STEWARD_INBOX_BYTES - s->inbox_bytes) {
        struct steward_link *most = NULL;
        size_t most_bytes = 0;

        for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
            struct steward_link *o = &s->links[i];
            size_t bytes = o->up ? link_bytes(o) : 0;

            if (bytes > most_bytes) {
                most = o;
                most_bytes = bytes;
            }
        }
        assert(most != NULL); /* Whose bytes else are they? */
        stays = most != l;
        steward_link_close(s, most, out);
    }
    return stays;
}

bool steward_link_take(struct steward *s,
                       struct steward_link *l,
                       struct slice bytes,
                       struct core_out *out)
{
    struct steward_item *item;

    if (l->inbox_len == STEWARD_INBOX_MAX || bytes.size > MESSAGE_SIZE_MAX) {
        steward_link_close(s, l, out);
        return false;
    }
    if (!inboxes_make_room(s, l, bytes.size, out)) {
        return false;
    }
    item = malloc(sizeof(*item) + bytes.size);
    if (item == NULL) {
        steward_link_close(s, l, out);
        return false;
    }
    item->next = NULL;
    item->size = bytes.size;
    if (bytes.size > 0) {
        memcpy(item->bytes, bytes.data, bytes.size);
    }
    s->inbox_bytes += bytes.size;
    *l->inbox_end = item;
    l->inbox_end = &item->next;
    l->inbox_len++;
    return true;
}

/* Take the first out of the inbox. */
static struct steward_item *inbox_pop(struct steward_link *l)
{
    struct steward_item *item = l->inbox;

    assert(item != NULL);
    l->inbox = item->next;
    if (l->inbox == NULL) {
        l->inbox_end = &l->inbox;
    }
    l->inbox_len--;
    return item;
}

struct steward_item *steward_link_pop(struct steward_link *l)
{
    l->state = LINK_IDLE;
    l->busy_id = 0;
    return inbox_pop(l);
}

void steward_link_next(struct steward *s, struct steward_link *l)
{
    steward_item_free(s, steward_link_pop(l));
}

void steward_link_read(struct steward *s,
                       struct steward_link *l,
                       enum steward_link_state state,
                       const struct key *prefix,
                       struct core_out *out)
{
    l->state = state;
    l->busy_id = s->next_id++;
    core_act(out, ACT_READ, l->busy_id, key_slice(prefix));
}

/* --- Up and down --------------------------------------------------------- */

struct steward_link *steward_link_find(struct steward *s, uint64_t id)
{
    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        if (s->links[i].up && s->links[i].id == id) {
            return &s->links[i];
        }
    }
    return NULL;
}

const struct card *steward_link_card(const struct steward *s,
                                     const struct steward_link *l)
{
    assert(!l->recipient);
    return &s->config.charter->members[l->member].card;
}

/* Another link of the same member may become the one that we push to, and
 * what was pushed meanwhile may be lost: so the heads are said again. */
static void link_free(struct steward *s, struct steward_link *l)
{
    struct steward_link *newest[CHARTER_MEMBERS_MAX];
    uint64_t born = l->born;
    uint32_t member = l->member;
    bool recipient = l->recipient;

    if (l->wants) {
        steward_want_end(s, l);
    }
    while (l->inbox != NULL) {
        steward_item_free(s, inbox_pop(l));
    }
    for (size_t i = 0; i < l->heads_len; i++) {
        steward_item_free(s, l->heads[i]);
    }
    memset(l, 0, sizeof(*l));
    steward_links_newest(s, newest);
    if (!recipient && newest[member] != NULL && newest[member]->born < born) {
        newest[member]->heads_due = true;
    }
}

void steward_link_close(struct steward *s,
                        struct steward_link *l,
                        struct core_out *out)
{
    core_act(out, ACT_CLOSE, l->id, slice_of(NULL, 0));
    link_free(s, l);
}

void steward_link_down(struct steward *s, uint64_t id)
{
    struct steward_link *l = steward_link_find(s, id);

    if (l != NULL) {
        link_free(s, l);
    }
}

/* The index of the member who shows this certificate; STEWARD_NONE: nobody
 * that we talk to. The driver has verified it. */
static uint32_t member_of(const struct steward *s,
                          const struct transport_cert *cert)
{
    return digest_equal(&cert->id, &s->config.self)
               ? STEWARD_NONE
               : steward_member_index(s, &cert->id);
}

/* A place for one more link of that member; NULL: there is none. */
static struct steward_link *link_place(struct steward *s, uint32_t member)
{
    struct steward_link *l = NULL;
    unsigned same = 0;

    for (size_t i = 0; i < STEWARD_LINKS_MAX; i++) {
        if (!s->links[i].up) {
            l = &s->links[i];
        } else if (!s->links[i].recipient && s->links[i].member == member) {
            same++;
        }
    }
    return same < STEWARD_LINKS_PER_MEMBER ? l : NULL;
}

void steward_link_up(struct steward *s,
                     const struct core_event *ev,
                     struct core_out *out)
{
    struct transport_cert cert;
    struct steward_link *l = NULL;
    uint32_t member = STEWARD_NONE;
    bool known;

    assert(steward_link_find(s, ev->id) == NULL);
    known = transport_cert_decode(&cert, ev->bytes) == OK &&
            digest_equal(&cert.net, &s->config.net);
    if (known && cert.type == TRANSPORT_MEMBER) {
        member = member_of(s, &cert);
        l = member != STEWARD_NONE ? link_place(s, member) : NULL;
    } else if (known && steward_recipient_is_welcome(s, &cert)) {
        l = link_place(s, STEWARD_NONE);
    }
    if (l == NULL) {
        core_act(out, ACT_CLOSE, ev->id, slice_of(NULL, 0));
        return;
    }
    l->up = true;
    l->id = ev->id;
    l->born = s->next_born++;
    l->inbox_end = &l->inbox;
    if (cert.type == TRANSPORT_RECIPIENT) {
        l->recipient = true;
        l->release = cert.release_id;
        return;
    }
    l->member = member;
    steward_heads_say(s, l, out);
    steward_proofs_due(s, l);
}
