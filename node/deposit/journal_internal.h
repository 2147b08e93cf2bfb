#ifndef CAIRN_NODE_JOURNAL_INTERNAL_H
#define CAIRN_NODE_JOURNAL_INTERNAL_H

#include "node/deposit/journal.h"

/* The inside of journal.h.
 *
 *   journal.c         made, opened again, closed
 *   journal_plan.c    the plan as bytes
 *   journal_commit.c  segments and ranges
 *   journal_erase.c   the end; which folders may be taken for a journal */

/* --- journal_plan.c ------------------------------------------------------ */

#define JOURNAL_PLAN_SIZE_MAX 16384U

/* |out| is secret memory, like what it is made of. */
MUST_CHECK int journal_plan_encode(const struct journal_plan *p,
                                   uint8_t *out,
                                   size_t max,
                                   size_t *size);
/* ERR_BAD, and |p| is not to be used, when the bytes are not a plan that
 * journal_plan_encode() could have written. */
MUST_CHECK int journal_plan_decode(struct journal_plan *p, struct slice in);

/* --- journal_commit.c ---------------------------------------------------- */

/* All of it, and on the disk when this returns. ERR_FULL, ERR_IO; errno says
 * why. */
MUST_CHECK int journal_write(int fd,
                             uint64_t off,
                             const uint8_t *data,
                             size_t size);

/* journal_last(), and which of the two files of ranges has it: the next commit
 * goes to the other. */
MUST_CHECK int journal_newest(const struct journal *j,
                              struct sealer_commit *out,
                              unsigned *file,
                              char *errmsg);

/* --- journal_erase.c ----------------------------------------------------- */

/* Nobody else's folder is taken for a journal: not to write, and above all not
 * to erase. OK when there is none; ERR_EXISTS when it holds something else. */
MUST_CHECK int journal_folder_is_ours(const char *folder, char *errmsg);

#endif /* CAIRN_NODE_JOURNAL_INTERNAL_H */
