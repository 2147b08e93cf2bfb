#ifndef CAIRN_PROTOCOL_SHARE_H
#define CAIRN_PROTOCOL_SHARE_H

#include "crypto/base.h"
#include "crypto/vss.h"

/* An opened key share as a file (docs/FORMAT.md 7), and the plaintext inside a
 * dealt or released envelope. Secret: wipe after use. */

#define SHARE_FILE_MAX 192U

struct share_file {
    struct digest deposit_id, manifest_hash;
    uint64_t epoch;
    struct vss_share share;
};

MUST_CHECK int share_file_encode(const struct share_file *f,
                                 uint8_t *out,
                                 size_t max,
                                 size_t *size);
/* Refuses scalars that are not canonical and indices out of 1..VSS_N_MAX. */
MUST_CHECK int share_file_decode(struct share_file *f, struct slice in);
void share_file_wipe(struct share_file *f);

#endif /* CAIRN_PROTOCOL_SHARE_H */
