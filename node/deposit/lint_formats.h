#ifndef CAIRN_NODE_LINT_FORMATS_H
#define CAIRN_NODE_LINT_FORMATS_H

#include "node/deposit/lint.h"

/* The parts of lint that know a file format, one lint_FORMAT.c each, and what
 * they share. */

void lint_add(struct lint *l,
              enum lint_level level,
              const char *path,
              const char *format,
              ...) __attribute__((format(printf, 4, 5)));

/* Exactly |size| bytes of |f| at |off|. */
MUST_CHECK int lint_read(const struct source *s,
                         const struct source_file *f,
                         uint64_t off,
                         uint8_t *out,
                         size_t size,
                         char *errmsg);

/* safetensors: the header's own rules (the format's README). Fills in kind,
 * dtypes and the number of parameters. */
MUST_CHECK int lint_safetensors(struct lint *l,
                                struct source *s,
                                struct source_file *f,
                                char *errmsg);

/* model.safetensors.index.json: every file that it names exists, every tensor
 * is in exactly that file, and the total is right. */
MUST_CHECK int lint_index(struct lint *l,
                          struct source *s,
                          struct source_file *f,
                          char *errmsg);

/* GGUF version 1 to 3: magic, version, counts that fit the file. */
MUST_CHECK int lint_gguf(struct lint *l,
                         struct source *s,
                         struct source_file *f,
                         char *errmsg);

#endif /* CAIRN_NODE_LINT_FORMATS_H */
