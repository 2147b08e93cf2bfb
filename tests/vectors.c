#include "tests/vectors.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/primitives.h"

static const struct {
    const char *name;
    vectors_run *run;
} kinds[] = {
    {"aead", vectors_aead},
    {"chunked", vectors_chunked},
    {"custody", vectors_custody},
    {"ed25519", vectors_ed25519},
    {"frost", vectors_frost},
    {"hkdf", vectors_hkdf},
    {"hpke", vectors_hpke},
    {"merkle", vectors_merkle},
    {"msgpack", vectors_msgpack},
    {"noise", vectors_noise},
    {"ristretto", vectors_ristretto},
    {"segment", vectors_segment},
    {NULL, NULL},
};

void vectors_case(struct vectors_report *r, bool ok, const char *name)
{
    if (ok) {
        r->passed++;
    } else {
        r->failed++;
        printf("FAILED %s: %s\n", r->file, name);
    }
}

void vectors_skip(struct vectors_report *r, const char *why)
{
    r->skipped++;
    if (r->skipped == 1) {
        printf("skipped in %s: %s\n", r->file, why);
    }
}

uint8_t *vectors_hex(const json_t *o, const char *key, size_t *size)
{
    const char *hex = json_string_value(json_object_get(o, key));
    size_t hex_size = hex == NULL ? 0 : strlen(hex);
    uint8_t *out = malloc(hex_size / 2 + 1);

    *size = 0;
    if (out == NULL) {
        abort();
    }
    if (hex_size > 0 && sodium_hex2bin(out, hex_size / 2 + 1, hex, hex_size,
                                       NULL, size, NULL) != 0) {
        printf("not hex: %s\n", key);
    }
    return out;
}

bool vectors_hex_into(const json_t *o,
                      const char *key,
                      uint8_t *out,
                      size_t size)
{
    size_t got;
    uint8_t *bytes = vectors_hex(o, key, &got);

    if (got == size) {
        memcpy(out, bytes, size);
    }
    free(bytes);
    return got == size;
}

static bool run_file(vectors_run *run, const char *file)
{
    struct vectors_report r = {.file = file};
    json_error_t error;
    json_t *root = json_load_file(file, JSON_REJECT_DUPLICATES, &error);

    if (root == NULL) {
        printf("FAILED %s: line %d: %s\n", file, error.line, error.text);
        return false;
    }
    run(root, &r);
    json_decref(root);
    printf("%s: %u passed, %u failed, %u skipped\n", file, r.passed, r.failed,
           r.skipped);
    return r.failed == 0 && r.passed > 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: vectors KIND FILE...\nkinds:");
    for (size_t i = 0; kinds[i].name != NULL; i++) {
        fprintf(stderr, " %s", kinds[i].name);
    }
    fprintf(stderr, "\n");
    return 2;
}

int main(int argc, char **argv)
{
    bool ok = true;
    size_t kind = 0;

    if (argc < 3) {
        return usage();
    }
    while (kinds[kind].name != NULL && strcmp(kinds[kind].name, argv[1]) != 0) {
        kind++;
    }
    if (kinds[kind].name == NULL) {
        return usage();
    }
    if (primitives_init() != OK) {
        fprintf(stderr, "the cryptographic libraries do not work here\n");
        return EXIT_FAILURE;
    }
    for (int i = 2; i < argc; i++) {
        ok = run_file(kinds[kind].run, argv[i]) && ok;
    }
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
