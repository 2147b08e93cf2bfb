#ifndef CAIRN_NODE_LINT_H
#define CAIRN_NODE_LINT_H

#include "node/deposit/source.h"

/* What is wrong with a model directory before it is deposited for decades:
 * torn weights, missing shards of an index, Git LFS pointer files in place of
 * weights (refused), formats that run code when loaded (warned about), no
 * licence, no model card. Reads headers only: the bytes of tensors are hashed
 * later, by source.h. What it knows of a format is in lint_FORMAT.c, behind
 * lint_formats.h. */

/* A note is for the curious, a warning for whoever deposits; an error stops a
 * deposit unless it is forced. */

enum lint_level {
    LINT_NOTE,
    LINT_WARNING,
    LINT_ERROR
};

/* Texts are the lint's, freed by lint_close(). */
struct lint_finding {
    enum lint_level level;
    char *path; /* Relative; may be empty for the whole directory. */
    char *text;
};

/* What was found, in the order of the files. The counts are of all findings,
 * also of those that were dropped. */
struct lint {
    struct lint_finding *findings;
    size_t findings_len, findings_max; /* At most LINT_FINDINGS_MAX. */
    size_t dropped;                    /* Findings beyond that. */
    unsigned errors, warnings;
    uint64_t parameters; /* Counted in safetensors and GGUF files. */
};

/* More are counted, not kept. */
#define LINT_FINDINGS_MAX 1000

/* Check every file of |s|; fills in kind and dtypes of its files. |l| needs no
 * initialisation. After OK the caller closes it; after an error it is empty.
 * ERR_IO when a file cannot be read, with words in |errmsg|; findings are not
 * errors of this function. */
MUST_CHECK int lint_run(struct lint *l, struct source *s, char *errmsg);
void lint_close(struct lint *l);

#endif /* CAIRN_NODE_LINT_H */
