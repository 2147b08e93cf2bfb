#include "node/daemon/daemon_state.h"
#include "node/link/peer.h"

const char *daemon_member_name(const struct daemon *d, uint32_t member)
{
    return d->charter->members[member].card.name;
}

int daemon_cert(const struct daemon *d,
                uint8_t out[TRANSPORT_CERT_MAX],
                size_t *size)
{
    const struct self *self = d->config->self;

    return peer_member_cert(&self->net, &self->id, &self->keys->transport,
                            &self->keys->node, daemon_now_s(), out, size);
}

/* --- Who that is --------------------------------------------------------- */

static bool is_network_psk(const struct daemon *d,
                           const uint8_t psk_id[FRAME_PSK_ID_SIZE])
{
    return memcmp(psk_id, d->charter->psk_id, FRAME_PSK_ID_SIZE) == 0;
}

size_t daemon_on_psk(void *arg,
                     const uint8_t psk_id[FRAME_PSK_ID_SIZE],
                     struct frame_psk *out,
                     size_t max)
{
    struct daemon *d = arg;
    size_t len = 0;

    if (max > 0 && is_network_psk(d, psk_id)) {
        frame_psk_init(&out[len++], d->config->self->psk);
    } else if (max > 0 && daemon_recipient_psk(d, psk_id, &out[len])) {
        len++;
    }
    return len;
}

/* Why it is no member; NULL when it is *member. */
static const char *member_refusal(const struct daemon *d,
                                  const struct daemon_link *l,
                                  const struct transport_cert *cert,
                                  struct slice bytes,
                                  uint32_t *member)
{
    uint32_t i = charter_index(d->charter, &cert->id);
    const char *why;

    if (i == CHARTER_MEMBERS_MAX) {
        return "is not in the charter";
    }
    why = peer_member_refusal(&d->charter->members[i].card, cert, bytes,
                              daemon_now_s());
    if (why != NULL) {
        return why;
    }
    if (i == d->self) {
        return "says that it is us";
    }
    if (l != NULL && l->member != i) {
        return "is another member than the one at that address";
    }
    *member = i;
    return NULL;
}

/* Why it is not let in; NULL when it is, and then it is *member. Members come
 * under the secret of the network, recipients under that of their release. */
static const char *identity_refusal(struct daemon *d,
                                    const struct link *link,
                                    struct slice bytes,
                                    const uint8_t remote[NOISE_KEY_SIZE],
                                    uint32_t *member)
{
    bool is_member =
        link_is_dialled(link) || is_network_psk(d, link_psk_id(link));
    struct transport_cert cert;
    const char *why = peer_cert_refusal(
        &cert, bytes, is_member ? TRANSPORT_MEMBER : TRANSPORT_RECIPIENT,
        &d->config->self->net, remote);

    if (why != NULL) {
        return why;
    }
    if (is_member) {
        return member_refusal(d, link_user(link), &cert, bytes, member);
    }
    *member = DAEMON_RECIPIENT;
    return daemon_recipient_refusal(d, link, &cert);
}

int daemon_on_identity(void *arg,
                       struct link *l,
                       struct slice cert,
                       const uint8_t remote[NOISE_KEY_SIZE])
{
    struct daemon *d = arg;
    struct daemon_member *m;
    uint32_t member = 0;
    const char *why = identity_refusal(d, l, cert, remote, &member);

    if (why != NULL) {
        log_put(&d->log, LOG_WARNING, "%s %s", link_address(l), why);
        return ERR_DENIED;
    }
    if (member != DAEMON_RECIPIENT) {
        m = &d->members[member];
        memcpy(m->transport_pk, remote, NOISE_KEY_SIZE);
        memcpy(m->cert, cert.data, cert.size);
        m->cert_size = cert.size;
    }
    return OK;
}

/* The member that has shown this key. */
static uint32_t member_of(const struct daemon *d, const struct link *l)
{
    uint32_t i = 0;

    while (i < d->charter->members_len &&
           (d->members[i].cert_size == 0 ||
            memcmp(d->members[i].transport_pk, link_remote(l),
                   NOISE_KEY_SIZE) != 0)) {
        i++;
    }
    return i < d->charter->members_len ? i : CHARTER_MEMBERS_MAX;
}

bool daemon_identify(struct daemon *d, struct daemon_link *user)
{
    struct steward_release_info info;

    if (is_network_psk(d, link_psk_id(user->link))) {
        user->member = member_of(d, user->link);
        return user->member != CHARTER_MEMBERS_MAX;
    }
    if (!daemon_recipient_find(d, link_psk_id(user->link), &info)) {
        return false;
    }
    user->member = DAEMON_RECIPIENT;
    user->release_id = info.id;
    return true;
}
