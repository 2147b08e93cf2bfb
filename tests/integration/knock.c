#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypto/primitives.h"
#include "node/home/home.h"
#include "node/link/link.h"
#include "protocol/charter.h"
#include "protocol/message.h"
#include "protocol/transport_cert.h"

/* Knocks at a node as a member whose certificate is spoilt in one way:
 *
 *   knock HOME CHARTER NETWORK.PSK ADDRESS HOW
 *
 * Exits with 0 when the node let us in and spoke, 3 when it closed the link,
 * 1 when something else is wrong. */

static const char *const ways[] = {"good",   "empty",   "garbage",  "net",
                                   "key",    "unknown", "forged",   "past",
                                   "future", "itself",  "recipient"};

struct knock {
    uv_loop_t loop;
    struct link_host *host;
    struct home_keys *keys;
    struct charter charter;
    struct digest net;
    uint8_t psk[HOME_PSK_SIZE];
    const char *address;
    int code;
};

static struct knock knock;

static void die(const char *why)
{
    (void)fprintf(stderr, "knock: %s\n", why);
    exit(1);
}

static bool is(const char *way, const char *name)
{
    return strcmp(way, name) == 0;
}

/* The steward that is at the address. */
static const struct card *card_there(void)
{
    for (size_t i = 0; i < knock.charter.members_len; i++) {
        const struct card *card = &knock.charter.members[i].card;

        if (is(card->addresses[0], knock.address)) {
            return card;
        }
    }
    die("no steward has that address");
    return NULL;
}

static size_t cert_make(const char *way, uint8_t out[LINK_CERT_MAX])
{
    uint64_t now = (uint64_t)time(NULL);
    struct transport_cert cert = {.type = TRANSPORT_MEMBER, .net = knock.net};
    struct sign_key node = knock.keys->node;
    size_t size = 0;

    memcpy(cert.transport_pk, knock.keys->transport.pk, NOISE_KEY_SIZE);
    memcpy(cert.id.bytes, knock.keys->node.pk, DIGEST_SIZE);
    cert.not_before_s = now;
    if (is(way, "empty")) {
        return 0;
    }
    if (is(way, "net")) {
        cert.net.bytes[0] ^= 1;
    } else if (is(way, "key")) {
        cert.transport_pk[0] ^= 1;
    } else if (is(way, "unknown")) {
        struct rng rng;

        rng_init_system(&rng);
        sign_key_init(&node, &rng);
        memcpy(cert.id.bytes, node.pk, DIGEST_SIZE);
    } else if (is(way, "past")) {
        cert.not_before_s = now - 3ULL * TRANSPORT_CERT_LEEWAY_S;
    } else if (is(way, "future")) {
        cert.not_before_s = now + 3ULL * TRANSPORT_CERT_LEEWAY_S;
    } else if (is(way, "itself")) {
        cert.id = card_there()->id; /* Signed by us, for we have no other. */
    } else if (is(way, "recipient")) {
        cert = (struct transport_cert){
            .type = TRANSPORT_RECIPIENT, .net = knock.net, .release_id = {{1}}};
        memcpy(cert.transport_pk, knock.keys->transport.pk, NOISE_KEY_SIZE);
    }
    cert.not_after_s = cert.not_before_s + 3600;
    if (cert.type == TRANSPORT_RECIPIENT) {
        cert.not_before_s = cert.not_after_s = 0;
    }
    if (transport_cert_encode(&cert, &node, out, LINK_CERT_MAX, &size) != OK) {
        die("the certificate cannot be made");
    }
    if (is(way, "forged")) {
        out[size - 1] ^= 1;
    } else if (is(way, "garbage")) {
        memset(out, 0xc1, size);
    }
    return size;
}

static void done(int code)
{
    if (knock.host != NULL) {
        knock.code = code;
        link_host_close(knock.host, NULL, NULL);
        knock.host = NULL;
    }
}

static size_t on_psk(void *arg,
                     const uint8_t *id,
                     struct frame_psk *out,
                     size_t max)
{
    (void)arg;
    (void)id;
    (void)out;
    (void)max;
    return 0;
}

static int on_identity(void *arg,
                       struct link *l,
                       struct slice cert,
                       const uint8_t *remote)
{
    struct transport_cert peer;

    (void)arg;
    (void)l;
    if (transport_cert_decode(&peer, cert) != OK ||
        transport_cert_verify(cert, card_there()->node_pk) != OK ||
        memcmp(peer.transport_pk, remote, NOISE_KEY_SIZE) != 0) {
        die("the node itself shows no good certificate");
    }
    return OK;
}

static void on_up(void *arg, struct link *l)
{
    (void)arg;
    (void)l;
}

static int on_message(void *arg, struct link *l, struct slice bytes)
{
    struct message *m = calloc(1, sizeof(*m));
    int rv = message_decode(m, bytes);

    (void)arg;
    (void)l;
    if (rv != OK || m->type != MESSAGE_HEADS) {
        die("the node says what it should not");
    }
    free(m);
    done(0);
    return OK;
}

static int on_data(void *arg,
                   struct link *l,
                   uint32_t stream,
                   struct slice bytes,
                   bool end)
{
    (void)arg;
    (void)l;
    (void)stream;
    (void)bytes;
    (void)end;
    return ERR_BAD;
}

static void on_down(void *arg, struct link *l, int status, const char *text)
{
    (void)arg;
    (void)l;
    (void)status;
    (void)fprintf(stderr, "knock: %s\n", text);
    done(3);
}

int main(int argc, char **argv)
{
    struct link_config config = {.loop = &knock.loop,
                                 .calls = {.on_psk = on_psk,
                                           .on_identity = on_identity,
                                           .on_up = on_up,
                                           .on_message = on_message,
                                           .on_data = on_data,
                                           .on_writable = on_up,
                                           .on_down = on_down}};
    char errmsg[ERRMSG_SIZE] = "usage: knock HOME CHARTER PSK ADDRESS HOW";
    uint8_t cert[LINK_CERT_MAX];
    uint8_t *chain = NULL;
    struct link *l = NULL;
    struct rng rng;
    size_t size = 0, i = 0;

    while (argc == 6 && i < sizeof(ways) / sizeof(ways[0]) &&
           !is(argv[5], ways[i])) {
        i++;
    }
    if (argc != 6 || i == sizeof(ways) / sizeof(ways[0]) ||
        primitives_init() != OK ||
        home_keys_read(argv[1], slice_of(NULL, 0), &knock.keys, errmsg) != OK ||
        file_read(argv[2], CHARTER_CHAIN_MAX, &chain, &size, errmsg) != OK ||
        network_psk_read(argv[3], knock.psk, errmsg) != OK ||
        charter_chain_decode(&knock.charter, &knock.net,
                             slice_of(chain, size)) != OK ||
        uv_loop_init(&knock.loop) != 0) {
        die(errmsg);
    }
    knock.address = argv[4];
    rng_init_system(&rng);
    config.rng = &rng;
    config.net = knock.net;
    config.key = knock.keys->transport;
    config.cert = slice_of(cert, cert_make(argv[5], cert));
    link_limits_default(&config.limits);
    if (link_host_new(&knock.host, &config) != OK ||
        link_dial(knock.host, argv[4], knock.psk, NULL, &l) != OK) {
        die("no link");
    }
    (void)uv_run(&knock.loop, UV_RUN_DEFAULT);
    free(chain);
    return knock.code;
}
