#ifndef CAIRN_PROTOCOL_POLICY_H
#define CAIRN_PROTOCOL_POLICY_H

#include "crypto/base.h"

/* The release policy of a deposit: a monotone formula over approvals
 * (docs/FORMAT.md 9). Evaluation is a pure function of the bytes and of who
 * approved, so that every custodian answers alike. */

#define POLICY_NODES_MAX 32
#define POLICY_DEPTH_MAX 4

enum policy_role {
    POLICY_STEWARD = 1,
    POLICY_LAB = 2,
    POLICY_AUDITOR = 3
};

/* How many different members approved, by role. */
struct policy_votes {
    uint32_t by_role[POLICY_AUDITOR + 1];
};

/* quorum(k, steward), the default. |out| has room for 8 bytes. */
MUST_CHECK int policy_default(uint32_t k,
                              uint8_t *out,
                              size_t max,
                              size_t *size);

/* Parse and check bounds; ERR_UNSUPPORTED for an unknown atom or role. What
 * would hold without any approval (a quorum of 0, all of nothing) is ERR_BAD,
 * as is what never could (3 of 2 formulas). */
MUST_CHECK int policy_check(struct slice policy);

/* Does it hold? False for anything that policy_check() refuses. */
bool policy_holds(struct slice policy, const struct policy_votes *votes);

/* Could |stewards| stewards (and |auditors| auditors) satisfy it without the
 * lab? A policy that only the lab could satisfy is refused at deposit. */
bool policy_survives_lab(struct slice policy,
                         uint32_t stewards,
                         uint32_t auditors);

/* In words, for approvers: "approvals from 3 stewards, or all of (...)".
 * Cut off with "..." when it does not fit. */
void policy_describe(struct slice policy, char *out, size_t max);

#endif /* CAIRN_PROTOCOL_POLICY_H */
