#ifndef CAIRN_NODE_PEER_H
#define CAIRN_NODE_PEER_H

#include "crypto/noise.h"
#include "protocol/card.h"
#include "protocol/transport_cert.h"

/* Who is at the other end of a connection: what every member checks of the
 * certificate that it is shown, and the one that it shows. A refusal is the
 * rest of a sentence that begins with a name or an address; NULL: there is
 * none. */

/* Take apart what was shown under the static key |remote|: of that type, for
 * this network, and of that key? */
const char *peer_cert_refusal(struct transport_cert *cert,
                              struct slice bytes,
                              enum transport_cert_type type,
                              const struct digest *net,
                              const uint8_t remote[NOISE_KEY_SIZE]);

/* Is it signed by that member, and not of another time? */
const char *peer_member_refusal(const struct card *card,
                                const struct transport_cert *cert,
                                struct slice bytes,
                                uint64_t now_s);

/* Our own, into |out| of TRANSPORT_CERT_MAX bytes, for a week from now. */
MUST_CHECK int peer_member_cert(const struct digest *net,
                                const struct digest *id,
                                const struct noise_keypair *transport,
                                const struct sign_key *node,
                                uint64_t now_s,
                                uint8_t *out,
                                size_t *size);

#endif /* CAIRN_NODE_PEER_H */
