#ifndef CAIRN_NODE_CERTIFICATE_FILE_H
#define CAIRN_NODE_CERTIFICATE_FILE_H

#include "node/base/file.h"
#include "protocol/certificate.h"

/* A certificate from a file, verified. |certificate| and |facts| are lent from
 * |bytes|; all are freed together. */
struct certificate_file {
    uint8_t *bytes;
    size_t size;
    struct certificate certificate;
    struct certificate_facts facts;
};

/* Read |path| and check all that can be checked offline. ERR_NOTFOUND and
 * ERR_IO of reading; otherwise the status of certificate_decode() or
 * certificate_verify(), and |errmsg| says what is false. */
MUST_CHECK int certificate_file_read(const char *path,
                                     struct certificate_file **out,
                                     char *errmsg);
/* NULL is fine. */
void certificate_file_free(struct certificate_file *f);

#endif /* CAIRN_NODE_CERTIFICATE_FILE_H */
