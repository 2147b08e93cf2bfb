#include "node/link/peer.h"

#define CERT_SECONDS ((uint64_t)7 * 86400)

const char *peer_cert_refusal(struct transport_cert *cert,
                              struct slice bytes,
                              enum transport_cert_type type,
                              const struct digest *net,
                              const uint8_t remote[NOISE_KEY_SIZE])
{
    if (bytes.size > TRANSPORT_CERT_MAX ||
        transport_cert_decode(cert, bytes) != OK) {
        return "shows no certificate";
    }
    if (cert->type != type) {
        return type == TRANSPORT_MEMBER ? "is no member" : "is no recipient";
    }
    if (!digest_equal(&cert->net, net)) {
        return "is of another network";
    }
    if (memcmp(cert->transport_pk, remote, NOISE_KEY_SIZE) != 0) {
        return "shows a certificate of another key";
    }
    return NULL;
}

const char *peer_member_refusal(const struct card *card,
                                const struct transport_cert *cert,
                                struct slice bytes,
                                uint64_t now_s)
{
    if (transport_cert_verify(bytes, card->node_pk) != OK) {
        return "shows a false certificate";
    }
    if (!transport_cert_is_current(cert, now_s)) {
        return "shows a certificate of another time; compare the clocks";
    }
    return NULL;
}

int peer_member_cert(const struct digest *net,
                     const struct digest *id,
                     const struct noise_keypair *transport,
                     const struct sign_key *node,
                     uint64_t now_s,
                     uint8_t *out,
                     size_t *size)
{
    struct transport_cert cert = {.type = TRANSPORT_MEMBER,
                                  .net = *net,
                                  .id = *id,
                                  .not_before_s = now_s,
                                  .not_after_s = now_s + CERT_SECONDS};

    memcpy(cert.transport_pk, transport->pk, NOISE_KEY_SIZE);
    return transport_cert_encode(&cert, node, out, TRANSPORT_CERT_MAX, size);
}
