#ifndef CAIRN_NODE_TARGET_INTERNAL_H
#define CAIRN_NODE_TARGET_INTERNAL_H

#include "node/recovery/target.h"

/* The inside of target.h.
 *
 *   target.c         begins and ends
 *   target_folder.c  folders below the root, and names of temporary files
 *   target_plan.c    which files, what is there of them, in which segments
 *   target_write.c   the stream into files */

/* A file that is to be restored. */
struct target_file {
    char *path;
    uint64_t nth; /* In the catalogue. */
    uint64_t size;
    uint32_t mode;
    struct digest sha256;
    uint64_t first_segment, last_segment; /* Where it can have bytes. */
    uint32_t offset;
    bool done;
    bool replace; /* What stood under its name at first may go. */
};

/* --- target_folder.c ----------------------------------------------------- */

/* The name under which a file is written until it is right: TARGET_PART_NAME,
 * as many '~' as it takes to differ from all names in the catalogue, '-', and
 * the number of the file in the catalogue, so that a later run finds what an
 * earlier one left behind. */
#define TARGET_PART_NAME      ".cairn-part"
#define TARGET_PART_MARKS_MAX 256U /* Longer than any name that can be. */
#define TARGET_PART_SIZE      (sizeof(TARGET_PART_NAME) + TARGET_PART_MARKS_MAX + 24)

void target_part_name(const struct target *t,
                      const struct target_file *f,
                      char out[TARGET_PART_SIZE]);
/* No name in |path| may be that of a temporary file, also where the file system
 * does not know lower case from upper case. */
void target_part_avoid(struct target *t, const char *path);

/* Open the folder that |path| is in, one component at a time and never through
 * a link, making what is not there when |make|; the last component is left in
 * |*name|, within |path|. The caller closes |*folder|. ERR_NOTFOUND when a
 * folder is not there, ERR_IO otherwise. */
MUST_CHECK int target_folder_of(const struct target *t,
                                const char *path,
                                bool make,
                                int *folder,
                                const char **name,
                                char *errmsg);
/* Make the names in a folder durable; -1 with errno. */
MUST_CHECK int target_folder_flush(int fd);

#endif /* CAIRN_NODE_TARGET_INTERNAL_H */
