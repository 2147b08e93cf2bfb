#ifndef CAIRN_NODE_DEPOSIT_H
#define CAIRN_NODE_DEPOSIT_H

#include "node/cli/cli.h"
#include "node/deposit/journal.h"
#include "node/deposit/source.h"

/* A deposit: a model is sealed and coded into n shards, each of which goes to
 * another hand. Running it again after any interruption goes on where it
 * stopped, as long as the model is what it was.
 *
 * To stewards (deposit_network()): the lab's home has its keys, charter and
 * network secret (`cairn id`), and beside them
 *
 *   db/                the lab's own feed, in a store
 *   deposits/XXXX/     the journal of a deposit under way (journal.h); XXXX is
 *                      of the model's path
 *   deposits/XXXX.made which deposit came of it, and of what
 *   deposits/ID.cert   the certificate of a deposit that was made
 *
 * Into folders (deposit_offline()), without a network, for carriers, tests and
 * archaeologists: DIR/shard-00 .. are shard folders (docs/FORMAT.md 2),
 * DIR/shares holds the opened key shares, each for another hand.
 *
 * The steps that both kinds share are in deposit_state.h. Nobody relies on a
 * deposit before it was read back: |verify_percent| of its segments are taken
 * from the shards, decoded, opened and compared with the source. */

/* As a rule, how long a steward may be silent before it is set aside. */
#define DEPOSIT_PATIENCE_S 60U

/* What is asked for; all of it is the caller's and outlives the deposit. Of the
 * stewards' part nothing is read for folders, and the other way round. A
 * deposit that is resumed keeps what it began with: other settings, or a model
 * of another size, are ERR_MISMATCH. */
struct deposit_options {
    const char *source; /* The model's folder. */
    const char *label;
    uint16_t k, n, t;
    uint32_t segment_size; /* Bytes of plaintext. */
    enum codec_choice codec;
    uint32_t cadence_days;
    struct slice passphrase; /* Of journal and home; may be empty. */
    unsigned verify_percent; /* Segments to read back; 100: all. */
    const char *into;        /* Folders: DIR */
    /* Stewards: */
    const char *home;
    /* Names or ids; none: chosen among the charter's. */
    const char *stewards[MANIFEST_SHARDS_MAX];
    size_t stewards_len;
    bool accept_margin; /* k + f receipts will do. */
    unsigned patience_s;
    const char *certificate; /* Another copy of it; may be NULL. */
    bool again; /* Although it was made already, and nothing changed. */
};

/* What was made, counted for people; sizes are in bytes, |verified| counts
 * segments that were read back. */
struct deposit_result {
    struct digest deposit_id, manifest_hash;
    uint64_t segments, shard_size, plain_size, verified;
    bool resumed;
    /* Stewards: */
    unsigned receipts, acknowledgements;
    bool sealed;
    bool already; /* It was there: nothing was done. */
    /* Its path, once the deposit is made; the caller frees. */
    char *certificate;
};

/* Make a deposit, or go on with one. Both block until it is done; |c| is for
 * progress only. |*result| is zeroed by the caller and counts only after OK,
 * but its certificate is freed in any case; there is one after a failure if all
 * of the deposit was made and only tidying up failed, or the copy of the
 * certificate. On failure |errmsg| says what to do, and the journal is as far
 * as it came: the same command goes on there. ERR_MISMATCH: the model, or what
 * is asked for, is not what it was; ERR_AUTH: wrong passphrase; ERR_BUSY:
 * another process is at it; ERR_FULL: no space; ERR_CANCELED: a signal. */
MUST_CHECK int deposit_offline(struct cli *c,
                               const struct deposit_options *o,
                               struct deposit_result *result,
                               char *errmsg);
MUST_CHECK int deposit_network(struct cli *c,
                               const struct deposit_options *o,
                               struct deposit_result *result,
                               char *errmsg);

#endif /* CAIRN_NODE_DEPOSIT_H */
