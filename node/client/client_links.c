#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypto/secret.h"
#include "node/cli/progress.h"
#include "node/client/client_private.h"
#include "node/link/peer.h"

/* Sealed bytes that wait for all links together. */
#define QUEUES_MAX ((size_t)48 << 20)

static const struct card *member_card(const struct client *c, uint32_t member)
{
    return &c->config.charter->members[member].card;
}

struct client_link *client_link_find(const struct client *c, uint64_t number)
{
    struct client_link *l = c->links;

    while (l != NULL && l->number != number) {
        l = l->next;
    }
    return number != 0 ? l : NULL;
}

static void tell(const struct client_link *l, const char *what, const char *why)
{
    if (l->client->config.verbose) {
        progress_hide();
        fprintf(stderr, "%s (%s): %s%s%s\n",
                member_card(l->client, l->member)->name, link_address(l->link),
                what, why[0] != '\0' ? ": " : "", why);
    }
}

/* --- Callbacks of the host ------------------------------------------------ */

static size_t on_psk(void *arg,
                     const uint8_t psk_id[FRAME_PSK_ID_SIZE],
                     struct frame_psk *out,
                     size_t max)
{
    (void)arg; /* Nobody dials us. */
    (void)psk_id;
    (void)out;
    (void)max;
    return 0;
}

/* Why it is not the steward that we dialled; NULL when it is. */
static const char *identity_refusal(const struct client_link *l,
                                    struct slice bytes,
                                    const uint8_t remote[NOISE_KEY_SIZE])
{
    const struct card *card = member_card(l->client, l->member);
    struct transport_cert cert;
    const char *why = peer_cert_refusal(&cert, bytes, TRANSPORT_MEMBER,
                                        &l->client->config.net, remote);

    if (why != NULL) {
        return why;
    }
    if (!digest_equal(&cert.id, &card->id)) {
        return "is another member than the one at that address";
    }
    return peer_member_refusal(card, &cert, bytes, (uint64_t)time(NULL));
}

static int on_identity(void *arg,
                       struct link *link,
                       struct slice cert,
                       const uint8_t remote[NOISE_KEY_SIZE])
{
    struct client_link *l = link_user(link);
    const char *why = identity_refusal(l, cert, remote);

    (void)arg;
    if (why != NULL) {
        tell(l, "refused", why);
        return ERR_DENIED;
    }
    memcpy(l->cert, cert.data, cert.size);
    l->cert_size = cert.size;
    return OK;
}

static struct client_stream *stream_of(const struct client_link *l)
{
    uint16_t column = client_column(l->client, l->member);

    return column < l->client->config.n ? &l->client->streams[column] : NULL;
}

static void feed(struct client *c,
                 enum core_event_type type,
                 uint64_t id,
                 int status,
                 struct slice bytes,
                 struct link *link)
{
    const struct core_event ev = {
        .type = type, .id = id, .status = status, .bytes = bytes};

    if (c->run != NULL && !c->closing && core_run_feed(c->run, &ev) != OK &&
        link != NULL) {
        link_close(link, FRAME_REASON_BUSY);
    }
}

static void on_up(void *arg, struct link *link)
{
    struct client *c = arg;
    struct client_link *l = link_user(link);
    struct client_stream *s = stream_of(l);

    l->number = ++c->links_numbered;
    c->attempts[l->member] = 0;
    tell(l, "connected", "");
    if (s != NULL) {
        client_stream_up(s, l);
    }
    feed(c, EV_LINK, l->number, OK, slice_of(l->cert, l->cert_size), link);
}

static void link_forget(struct client *c, struct client_link *l)
{
    struct client_link **at = &c->links;

    while (*at != l) {
        at = &(*at)->next;
    }
    *at = l->next;
    free(l);
}

static void on_down(void *arg, struct link *link, int status, const char *text)
{
    struct client *c = arg;
    struct client_link *l = link_user(link);
    struct client_stream *s = stream_of(l);
    uint64_t number = l->number;

    tell(l, number != 0 ? "disconnected" : "not reached", text);
    l->number = 0;
    c->attempts[l->member]++;
    if (s != NULL && s->link == l) {
        client_stream_down(s);
    }
    link_forget(c, l);
    if (number != 0) {
        feed(c, EV_LINK, number, status == OK ? ERR_CANCELED : status,
             slice_of(NULL, 0), NULL);
    }
}

static int on_message(void *arg, struct link *link, struct slice bytes)
{
    struct client *c = arg;
    struct client_link *l = link_user(link);
    struct client_stream *s = stream_of(l);
    int status = OK;
    int rv = message_decode(c->message, bytes);

    if (rv != OK) {
        return rv == ERR_UNSUPPORTED ? OK : rv;
    }
    if (s != NULL && s->link == l &&
        client_stream_message(s, c->message, &status)) {
        return status;
    }
    feed(c, EV_MSG, l->number, OK, bytes, link);
    return OK;
}

static uint8_t *on_room(void *arg, struct link *link, size_t size)
{
    struct client_link *l = link_user(link);
    struct client_stream *s = stream_of(l);

    (void)arg;
    return s != NULL && s->link == l ? client_reads_room(s, size) : NULL;
}

static int on_data(void *arg,
                   struct link *link,
                   uint32_t stream,
                   struct slice bytes,
                   bool end)
{
    struct client_link *l = link_user(link);
    struct client_stream *s = stream_of(l);

    (void)arg;
    return s != NULL && s->link == l ? client_reads_data(s, stream, bytes, end)
                                     : ERR_BAD;
}

static void on_writable(void *arg, struct link *link)
{
    struct client_link *l = link_user(link);
    struct client_stream *s = stream_of(l);

    (void)arg;
    if (s != NULL && s->link == l) {
        client_stream_pump(s);
    }
}

/* --- Dialling ------------------------------------------------------------ */

void client_links_dial(struct client *c, const struct digest *id)
{
    uint32_t member = charter_index(c->config.charter, id);
    const struct card *card;
    struct client_link *l;

    if (member == CHARTER_MEMBERS_MAX || c->closing) {
        return;
    }
    for (l = c->links; l != NULL; l = l->next) {
        if (l->member == member) {
            return; /* Under way. */
        }
    }
    card = member_card(c, member);
    l = calloc(1, sizeof(*l));
    if (l == NULL || card->addresses_len == 0) {
        free(l);
        return;
    }
    l->client = c;
    l->member = member;
    if (link_dial(c->host,
                  card->addresses[c->attempts[member] % card->addresses_len],
                  c->config.psk, l, &l->link) != OK) {
        free(l); /* The machine asks again. */
        return;
    }
    l->next = c->links;
    c->links = l;
}

static int cert_make(const struct client *c, uint8_t *out, size_t *size)
{
    const struct client_config *config = &c->config;
    struct transport_cert cert = {.type = TRANSPORT_RECIPIENT,
                                  .net = config->net,
                                  .release_id = config->id};

    if (config->node != NULL) {
        return peer_member_cert(&config->net, &config->id, &config->transport,
                                config->node, (uint64_t)time(NULL), out, size);
    }
    memcpy(cert.transport_pk, config->transport.pk, NOISE_KEY_SIZE);
    return transport_cert_encode(&cert, NULL, out, TRANSPORT_CERT_MAX, size);
}

int client_links_open(struct client *c, char *errmsg)
{
    uint8_t cert[TRANSPORT_CERT_MAX];
    struct link_config config = {
        .loop = &c->config.job->loop,
        .rng = &c->rng,
        .net = c->config.net,
        .key = c->config.transport,
        .calls = {.on_psk = on_psk,
                  .on_identity = on_identity,
                  .on_up = on_up,
                  .on_message = on_message,
                  .on_room = on_room,
                  .on_data = on_data,
                  .on_writable = on_writable,
                  .on_down = on_down},
        .arg = c,
    };
    size_t size = 0;
    int rv = cert_make(c, cert, &size);

    if (rv == OK) {
        size_t high = QUEUES_MAX / c->config.n;

        config.cert = slice_of(cert, size);
        link_limits_default(&config.limits);
        config.limits.dialled_max = c->config.n + 1U;
        if (high < config.limits.data_high) {
            config.limits.data_high =
                high > 2 * LINK_BUF_SIZE ? high : 2 * LINK_BUF_SIZE;
            config.limits.data_low = config.limits.data_high / 2;
        }
        rv = link_host_new(&c->host, &config);
    }
    secret_wipe(&config.key, sizeof(config.key));
    if (rv != OK) {
        errmsg_set(errmsg,
                   "no memory for links; keys need memory that can be locked: "
                   "raise 'ulimit -l'");
    }
    return rv;
}
