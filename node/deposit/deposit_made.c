#include <stdlib.h>

#include "crypto/hash.h"
#include "node/base/text.h"
#include "node/deposit/deposit_network.h"

/* What is left of a deposit: its certificate, and beside where the journal was
 * a file that makes it harmless to run the command again. It holds the id of
 * the deposit and a fingerprint of what was asked for and of the model, as far
 * as that shows without reading it: the same command gets the same answer, and
 * not a second deposit of terabytes. */

#define MADE_SIZE ((size_t)2 * DIGEST_SIZE)

/* --- The certificate ------------------------------------------------------ */

static char *certificate_path(const struct network *w,
                              const struct digest *deposit_id)
{
    char *deposits = path_join(w->d.o->home, "deposits");
    char name[(size_t)2 * DIGEST_SIZE + sizeof(".cert")];
    char *path;

    text_hex(name, deposit_id->bytes, DIGEST_SIZE);
    memcpy(name + (size_t)2 * DIGEST_SIZE, ".cert", sizeof(".cert"));
    path = path_join(deposits, name);
    free(deposits);
    return path;
}

int made_may(const char *path, char *errmsg)
{
    struct certificate cert;
    uint8_t *bytes = NULL;
    size_t size = 0;
    int rv = path == NULL ? OK : file_write_may(path, FILE_REPLACE, errmsg);

    if (rv != OK || path == NULL) {
        return rv;
    }
    rv = file_read(path, CERTIFICATE_SIZE_MAX, &bytes, &size, errmsg);
    if (rv == ERR_NOTFOUND) {
        return OK;
    }
    if (rv == ERR_FULL ||
        (rv == OK && certificate_decode(&cert, slice_of(bytes, size)) != OK)) {
        errmsg_set(errmsg,
                   "'%s' is there, and is no certificate; it stays: give "
                   "another --certificate",
                   path);
        rv = ERR_EXISTS;
    }
    free(bytes);
    return rv;
}

int made_certify(struct network *w)
{
    uint8_t *out = malloc(CERTIFICATE_SIZE_MAX);
    char *path = certificate_path(w, &w->d.journal.plan->deposit_id);
    struct certificate cert;
    size_t size = 0;
    int rv = out == NULL ? ERR_NOMEM : OK;

    depositor_certificate(w->machine, &cert);
    cert.chain = slice_of(w->self.chain, w->self.chain_size);
    if (rv == OK) {
        rv = certificate_encode(&cert, out, CERTIFICATE_SIZE_MAX, &size);
    }
    if (rv == OK) {
        rv = file_write(path, slice_of(out, size), 0644, FILE_REPLACE,
                        w->d.errmsg);
    }
    if (rv == OK) {
        rv = certificate_file_read(path, &w->made, w->d.errmsg);
    }
    free(path);
    free(out);
    return rv;
}

int made_copy(const struct network *w)
{
    return w->d.o->certificate == NULL
               ? OK
               : file_write(w->d.o->certificate,
                            slice_of(w->made->bytes, w->made->size), 0644,
                            FILE_REPLACE, w->d.errmsg);
}

static unsigned bits(uint64_t set)
{
    unsigned n = 0;

    for (; set != 0; set &= set - 1) {
        n++;
    }
    return n;
}

void made_result(const struct network *w, struct deposit_result *result)
{
    const struct certificate_facts *f = &w->made->facts;

    result->certificate = certificate_path(w, &f->manifest.deposit_id);
    result->manifest_hash = f->manifest_hash;
    result->receipts = bits(f->receipts);
    result->acknowledgements = bits(f->acknowledgements);
    result->sealed = f->sealed;
    result->deposit_id = f->manifest.deposit_id;
    result->segments = f->manifest.segments;
    result->plain_size = f->manifest.plain_size;
    result->shard_size = f->manifest.shard_size;
    result->verified = w->verified;
}

/* --- Was it made already? ------------------------------------------------- */

static void mix_u64(struct sha256 *h, uint64_t n)
{
    uint8_t bytes[8];

    u64le_store(bytes, n);
    sha256_update(h, slice_of(bytes, sizeof(bytes)));
}

static void mix_text(struct sha256 *h, const char *text)
{
    mix_u64(h, strlen(text));
    sha256_update(h, slice_str(text));
}

/* The times of a file change with its bytes, and its number when another takes
 * its place; what is in doubt is another model. */
static void mix_file(struct sha256 *h, const struct source_file *f)
{
    mix_text(h, f->path);
    mix_u64(h, f->size);
    mix_u64(h, (uint64_t)f->seen.st_ino);
    mix_u64(h, (uint64_t)f->seen.st_mtim.tv_sec);
    mix_u64(h, (uint64_t)f->seen.st_mtim.tv_nsec);
    mix_u64(h, (uint64_t)f->seen.st_ctim.tv_sec);
    mix_u64(h, (uint64_t)f->seen.st_ctim.tv_nsec);
}

static void fingerprint(const struct network *w, struct digest *out)
{
    const struct deposit_options *o = w->d.o;
    struct sha256 h;

    sha256_init(&h);
    sha256_update(&h, slice_of(w->self.net.bytes, DIGEST_SIZE));
    sha256_update(&h, slice_of(w->self.id.bytes, DIGEST_SIZE));
    mix_text(&h, o->label);
    mix_u64(&h, o->k);
    mix_u64(&h, o->n);
    mix_u64(&h, o->t);
    mix_u64(&h, o->segment_size);
    mix_u64(&h, (uint64_t)o->codec);
    mix_u64(&h, o->cadence_days);
    mix_u64(&h, o->stewards_len);
    for (size_t i = 0; i < o->stewards_len; i++) {
        mix_text(&h, o->stewards[i]);
    }
    mix_u64(&h, w->d.source.files_len);
    for (size_t i = 0; i < w->d.source.files_len; i++) {
        mix_file(&h, &w->d.source.files[i]);
    }
    sha256_peek(&h, out);
    sha256_close(&h);
}

static char *made_path(const struct network *w)
{
    size_t size = strlen(w->folder) + sizeof(".made");
    char *path = malloc(size);

    if (path == NULL) {
        abort();
    }
    (void)snprintf(path, size, "%s.made", w->folder);
    return path;
}

bool made_find(const struct network *w, struct certificate_file **out)
{
    char *path = made_path(w);
    char *certificate;
    char errmsg[ERRMSG_SIZE] = "";
    struct digest deposit_id;
    struct digest now;
    uint8_t *bytes = NULL;
    size_t size = 0;
    bool found = file_read(path, MADE_SIZE, &bytes, &size, errmsg) == OK &&
                 size == MADE_SIZE;

    fingerprint(w, &now);
    found = found && memcmp(bytes + DIGEST_SIZE, now.bytes, DIGEST_SIZE) == 0;
    if (found) {
        memcpy(deposit_id.bytes, bytes, DIGEST_SIZE);
        certificate = certificate_path(w, &deposit_id);
        found = certificate_file_read(certificate, out, errmsg) == OK;
        if (found && !(*out)->facts.sealed && !w->d.o->accept_margin) {
            certificate_file_free(*out); /* Now all of it is wanted. */
            *out = NULL;
            found = false;
        }
        free(certificate);
    }
    free(bytes);
    free(path);
    return found;
}

int made_remember(const struct network *w)
{
    char *path = made_path(w);
    uint8_t bytes[MADE_SIZE];
    struct digest now;
    int rv;

    fingerprint(w, &now);
    memcpy(bytes, w->d.journal.plan->deposit_id.bytes, DIGEST_SIZE);
    memcpy(bytes + DIGEST_SIZE, now.bytes, DIGEST_SIZE);
    rv = file_write(path, slice_of(bytes, sizeof(bytes)), 0600, FILE_REPLACE,
                    w->d.errmsg);
    free(path);
    return rv;
}
