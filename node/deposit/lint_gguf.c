#include "node/deposit/lint_formats.h"

#define GGUF_HEADER_SIZE 24U
/* A tensor's description and a metadata entry take at least these bytes. */
#define GGUF_TENSOR_MIN 24U
#define GGUF_ENTRY_MIN  13U

int lint_gguf(struct lint *l,
              struct source *s,
              struct source_file *f,
              char *errmsg)
{
    uint8_t head[GGUF_HEADER_SIZE];
    uint32_t version;
    uint64_t tensors;
    uint64_t entries;
    int rv;

    if (f->size < sizeof(head)) {
        lint_add(l, LINT_ERROR, f->path, "is too short to be a GGUF file");
        return OK;
    }
    rv = lint_read(s, f, 0, head, sizeof(head), errmsg);
    if (rv != OK) {
        return rv;
    }
    if (memcmp(head, "GGUF", 4) != 0) {
        lint_add(l, LINT_ERROR, f->path, "does not begin with 'GGUF'");
        return OK;
    }
    version = u32le_load(head + 4);
    if (version < 1 || version > 3) {
        lint_add(l, LINT_WARNING, f->path,
                 "is GGUF version %u, which is not known here; kept as it is",
                 version);
        return OK;
    }
    /* Version 1 counts in 32 bits. */
    tensors = version == 1 ? u32le_load(head + 8) : u64le_load(head + 8);
    entries = version == 1 ? u32le_load(head + 12) : u64le_load(head + 16);
    if (tensors > f->size / GGUF_TENSOR_MIN ||
        entries > f->size / GGUF_ENTRY_MIN) {
        lint_add(l, LINT_ERROR, f->path,
                 "promises more tensors or metadata than fit into it; it is "
                 "cut short or damaged");
        return OK;
    }
    memcpy(f->kind, "gguf", sizeof("gguf"));
    return OK;
}
