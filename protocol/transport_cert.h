#ifndef CAIRN_PROTOCOL_TRANSPORT_CERT_H
#define CAIRN_PROTOCOL_TRANSPORT_CERT_H

#include "crypto/base.h"
#include "crypto/sign.h"

/* What the two ends of a connection say of themselves inside the handshake
 * (docs/PROTOCOL.md): a member shows a short-lived certificate of its
 * transport key by its node key; a recipient, who is in no charter, shows for
 * which release it comes. Whether the bearer may is the caller's question. */

#define TRANSPORT_CERT_MAX      512U
#define TRANSPORT_CERT_DAYS     30U
#define TRANSPORT_CERT_LEEWAY_S 86400U /* Clocks may differ by a day. */

enum transport_cert_type {
    TRANSPORT_MEMBER = 1,
    TRANSPORT_RECIPIENT = 2
};

struct transport_cert {
    enum transport_cert_type type;
    struct digest net;
    uint8_t transport_pk[32]; /* X: must be the key of the handshake. */
    /* Members: */
    struct digest id;
    uint64_t not_before_s, not_after_s;
    /* Recipients: */
    struct digest release_id;
};

/* A member's is signed by its node key; a recipient's by nobody, and |node| may
 * be NULL. ERR_BAD when a field breaks its bounds: no id or key is zero, and
 * a member's days are 1 second to TRANSPORT_CERT_DAYS. */
MUST_CHECK int transport_cert_encode(const struct transport_cert *cert,
                                     const struct sign_key *node,
                                     uint8_t *out,
                                     size_t max,
                                     size_t *size);

/* Take apart. A member's signature is checked by transport_cert_verify() when
 * the roster has told its node key; a recipient's is ERR_AUTH there. */
MUST_CHECK int transport_cert_decode(struct transport_cert *cert,
                                     struct slice in);
MUST_CHECK int transport_cert_verify(struct slice in,
                                     const uint8_t node_pk[SIGN_PK_SIZE]);

/* Is |now_s| within its days, leeway included? Members only: false for a
 * recipient, whose time is that of its release. */
bool transport_cert_is_current(const struct transport_cert *cert,
                               uint64_t now_s);

#endif /* CAIRN_PROTOCOL_TRANSPORT_CERT_H */
