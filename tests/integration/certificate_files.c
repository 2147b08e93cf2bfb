#include <stdio.h>
#include <stdlib.h>

#include "tests/certificate_world.h"

/* Writes certificates, true and false ones, and a ticket into the folder that
 * CAIRN_FILES names, for release_cli.py. It is a suite because the members that
 * sign are made of its assertions. */

static struct certificate_world w;
static struct certificate c;
static uint8_t bytes[CERTIFICATE_SIZE_MAX];

static void put(const char *name, const void *data, size_t size)
{
    char path[4096];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", getenv("CAIRN_FILES"), name);
    f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
}

static void put_certificate(const char *name, size_t receipts, size_t acks)
{
    size_t size = 0;

    world_certificate(&w, receipts, acks, &c);
    ck_assert_int_eq(certificate_encode(&c, bytes, sizeof(bytes), &size), OK);
    put(name, bytes, size);
}

static void put_false(void)
{
    struct release_receipt r = world_receipt(&w, 2);
    struct world_entry *last = &w.receipts[6];

    r.root.bytes[0] ^= 1;
    world_receipt_put(&w, 2, &r, &w.stewards[2], &w.stewards[2].node);
    put_certificate("root.cert", WORLD_N, WORLD_N);
    world_steward_put(&w, 2);
    world_manifest_put(&w, &w.lab, &w.auditor.node);
    put_certificate("lab.cert", WORLD_N, WORLD_N);
    world_manifest_put(&w, &w.auditor, &w.auditor.node);
    put_certificate("author.cert", WORLD_N, WORLD_N);
    world_manifest_put(&w, &w.lab, &w.lab.node);
    last->bytes[last->size - 1] ^= 1;
    put_certificate("content.cert", WORLD_N, WORLD_N);
    world_steward_put(&w, 6);
}

/* A label that turns the direction of what follows it. */
static void put_wicked(void)
{
    const char label[] = {'c',    'a', 't', '\xe2', '\x80',
                          '\xae', 'l', 'a', 'b',    0};

    memcpy(w.manifest.label, label, sizeof(label));
    world_manifest_put(&w, &w.lab, &w.lab.node);
    for (uint16_t i = 0; i < WORLD_N; i++) {
        world_steward_put(&w, i);
    }
    put_certificate("wicked.cert", WORLD_N, WORLD_N);
}

START_TEST(test_certificate_files)
{
    struct ticket t = {.request = slice_str("request")};
    char fingerprint[CHARTER_FINGERPRINT_SIZE];
    size_t size = 0;

    world_init(&w);
    charter_fingerprint(&w.net, fingerprint);
    put("fingerprint", fingerprint, strlen(fingerprint));
    put_certificate("good.cert", WORLD_N, WORLD_N);
    put_certificate("least.cert", WORLD_N, WORLD_T + WORLD_F);
    put_certificate("unsealed.cert", WORLD_N - 1, WORLD_T + WORLD_F - 1);
    t.chain = c.chain;
    t.manifest = c.manifest;
    memset(t.psk, 7, sizeof(t.psk));
    ck_assert_int_eq(ticket_encode(&t, bytes, sizeof(bytes), &size), OK);
    put("ticket", bytes, size);
    put_false();
    put_wicked();
}
END_TEST

Suite *suite_make(void)
{
    Suite *s = suite_create("certificate_files");
    TCase *tc = tcase_create("files");

    tcase_add_test(tc, test_certificate_files);
    suite_add_tcase(s, tc);
    return s;
}
