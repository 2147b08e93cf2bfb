#include "crypto/secret.h"
#include "node/daemon/daemon_state.h"

/* Recipients of releases that are open: in no charter, each with the secret of
 * its release. */

static void psk_make(const struct daemon *d,
                     const struct digest *release_id,
                     struct frame_psk *out)
{
    struct digest psk;

    release_psk(&psk, d->config->self->psk, release_id);
    frame_psk_init(out, psk.bytes);
    secret_wipe(&psk, sizeof(psk));
}

/* The public id of a release's secret, computed once unless two releases share
 * a place. */
static const uint8_t *psk_id_of(struct daemon *d,
                                const struct digest *release_id)
{
    size_t place = u32be_load(release_id->bytes) % STEWARD_RELEASES_MAX;
    struct daemon_psk_id *p = &d->psk_ids[place];
    struct frame_psk psk;

    if (!p->there || !digest_equal(&p->release_id, release_id)) {
        psk_make(d, release_id, &psk);
        p->there = true;
        p->release_id = *release_id;
        memcpy(p->psk_id, psk.id, FRAME_PSK_ID_SIZE);
        frame_psk_wipe(&psk);
    }
    return p->psk_id;
}

bool daemon_recipient_find(struct daemon *d,
                           const uint8_t psk_id[FRAME_PSK_ID_SIZE],
                           struct steward_release_info *info)
{
    for (size_t i = 0; i < steward_releases(d->steward); i++) {
        steward_release_info(d->steward, i, info);
        if (info->open && !info->expired &&
            memcmp(psk_id_of(d, &info->id), psk_id, FRAME_PSK_ID_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

bool daemon_recipient_psk(struct daemon *d,
                          const uint8_t psk_id[FRAME_PSK_ID_SIZE],
                          struct frame_psk *out)
{
    struct steward_release_info info;

    if (!daemon_recipient_find(d, psk_id, &info)) {
        return false;
    }
    psk_make(d, &info.id, out);
    return true;
}

static unsigned recipients_count(const struct daemon *d)
{
    unsigned len = 0;

    for (const struct daemon_link *l = d->links; l != NULL; l = l->next) {
        len += l->member == DAEMON_RECIPIENT ? 1 : 0;
    }
    return len;
}

const char *daemon_recipient_refusal(struct daemon *d,
                                     const struct link *l,
                                     const struct transport_cert *cert)
{
    struct steward_release_info info;

    if (!daemon_recipient_find(d, link_psk_id(l), &info) ||
        !digest_equal(&info.id, &cert->release_id)) {
        return "comes for another release than its secret is of";
    }
    if (memcmp(info.transport_pk, link_remote(l), NOISE_KEY_SIZE) != 0) {
        return "is not the recipient of that release";
    }
    if (recipients_count(d) >= DAEMON_RECIPIENTS_MAX) {
        return "is one recipient too many";
    }
    return NULL;
}

/* What it showed: the same fields give the same bytes. */
int daemon_recipient_cert(const struct daemon *d,
                          const struct daemon_link *l,
                          uint8_t out[TRANSPORT_CERT_MAX],
                          size_t *size)
{
    struct transport_cert cert = {.type = TRANSPORT_RECIPIENT,
                                  .net = d->config->self->net,
                                  .release_id = l->release_id};

    memcpy(cert.transport_pk, link_remote(l->link), NOISE_KEY_SIZE);
    return transport_cert_encode(&cert, NULL, out, TRANSPORT_CERT_MAX, size);
}
