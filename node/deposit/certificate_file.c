#include "node/deposit/certificate_file.h"

#include <stdlib.h>

static int decode(struct certificate_file *f, const char *path, char *errmsg)
{
    int rv = certificate_decode(&f->certificate, slice_of(f->bytes, f->size));

    if (rv != OK) {
        errmsg_set(errmsg, "'%s' is %s", path,
                   rv == ERR_UNSUPPORTED
                       ? "a certificate of a later version; use a newer cairn"
                       : "no certificate, or damaged");
    }
    return rv;
}

static int verify(struct certificate_file *f, const char *path, char *errmsg)
{
    char what[160] = "";
    int rv = certificate_verify(&f->certificate, &f->facts, what);

    if (rv != OK) {
        errmsg_set(errmsg, "'%s' is false: %s", path, what);
    }
    return rv;
}

int certificate_file_read(const char *path,
                          struct certificate_file **out,
                          char *errmsg)
{
    struct certificate_file *f = calloc(1, sizeof(*f));
    int rv;

    if (f == NULL) {
        errmsg_set(errmsg, "out of memory");
        return ERR_NOMEM;
    }
    rv = file_read(path, CERTIFICATE_SIZE_MAX, &f->bytes, &f->size, errmsg);
    if (rv == OK) {
        rv = decode(f, path, errmsg);
    }
    if (rv == OK) {
        rv = verify(f, path, errmsg);
    }
    if (rv != OK) {
        certificate_file_free(f);
        return rv;
    }
    *out = f;
    return OK;
}

void certificate_file_free(struct certificate_file *f)
{
    if (f != NULL) {
        free(f->bytes);
        free(f);
    }
}
