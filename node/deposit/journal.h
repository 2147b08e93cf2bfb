#ifndef CAIRN_NODE_JOURNAL_H
#define CAIRN_NODE_JOURNAL_H

#include "crypto/sign.h"
#include "node/base/file.h"
#include "replication/mover/sealer.h"

/* What a lab must remember to go on with a deposit after any interruption: the
 * dealing (its polynomials are never drawn twice) and, per committed segment,
 * sizes and the digest of its plaintext. A folder of its own:
 *
 *   lock       held while a process works on the deposit
 *   plan       a key file (crypto/keyfile.h): all that was decided at the start
 *   segments   56 bytes a segment: u32le plain, ciphertext, leaves, zero ||
 *              digest of the plaintext || first 8 bytes of SHA-256 of these 48
 *   ranges-0/1 the n compact ranges after the last commit, written in turn, so
 *              that one is always whole; the one with more segments counts
 *
 * A segment is committed when its ranges are durable. The folder is secret and
 * is erased when the deposit is sealed. */

struct journal_plan {
    struct digest net, author, random;
    struct digest deposit_id; /* manifest_deposit_id() of these three. */
    char label[MANIFEST_LABEL_MAX + 1];
    uint64_t time_s, data_size;
    uint32_t segment_size;
    uint16_t k, n;
    uint32_t codec; /* enum codec_choice */
    uint32_t cadence_days;
    uint8_t policy[MANIFEST_POLICY_MAX];
    size_t policy_size;
    struct vss_polynomials polynomials; /* Secret; t is in here. */
    uint8_t seed[SIGN_SEED_SIZE]; /* Offline: of the one-off key. Secret. */
    bool offline;                 /* Else these have the columns: */
    struct digest stewards[MANIFEST_SHARDS_MAX];
};

struct journal {
    char *folder;
    struct journal_plan *plan; /* In secret memory. */
    int lock, segments, ranges[2];
    uint64_t committed; /* Segments. */
    unsigned turn;      /* Of ranges, for the next commit. */
    bool failed;        /* A write failed: nothing is acknowledged any more. */
};

/* Start: ERR_EXISTS when there is a plan already, or anything that is not of a
 * journal; ERR_BUSY when another
 * process holds it. |plan| is copied. An empty passphrase leaves the plan in
 * the clear, 0600. */
MUST_CHECK int journal_create(struct journal *j,
                              const char *folder,
                              const struct journal_plan *plan,
                              struct slice passphrase,
                              char *errmsg);

/* Go on: ERR_NOTFOUND when there is none, ERR_BUSY, ERR_AUTH for a wrong
 * passphrase, ERR_BAD when it is damaged beyond use, ERR_UNSUPPORTED when it is
 * of another version. */
MUST_CHECK int journal_open(struct journal *j,
                            const char *folder,
                            struct slice passphrase,
                            char *errmsg);

/* Does it ask for a passphrase? */
MUST_CHECK int journal_is_sealed(const char *folder,
                                 bool *sealed,
                                 char *errmsg);

/* Make a commit durable: the next segments, in order. */
MUST_CHECK int journal_commit(struct journal *j,
                              const struct sealer_commit *commit,
                              char *errmsg);

/* The last commit, for sealer_init(), without what it added; ERR_NOTFOUND when
 * there is none. */
MUST_CHECK int journal_last(const struct journal *j,
                            struct sealer_commit *out,
                            char *errmsg);

/* A committed segment. */
MUST_CHECK int journal_segment(const struct journal *j,
                               uint64_t segment,
                               struct sealer_segment *out,
                               char *errmsg);

/* The deposit is sealed: rename the folder to FOLDER.done, overwrite the
 * secrets and remove it. What a crash leaves of FOLDER.done is removed by
 * journal_clean(), which is the first step of every run. ERR_EXISTS, and
 * nothing is touched, when something in it is not of a journal. */
MUST_CHECK int journal_erase(struct journal *j, char *errmsg);
MUST_CHECK int journal_clean(const char *folder, char *errmsg);
void journal_close(struct journal *j);

#endif /* CAIRN_NODE_JOURNAL_H */
