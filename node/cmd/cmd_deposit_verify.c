#include <stdlib.h>

#include "node/base/text.h"
#include "node/cmd/cmd_admin.h"
#include "node/cmd/cmd_deposit.h"
#include "node/deposit/certificate_file.h"

static unsigned count(uint64_t bits)
{
    unsigned n = 0;

    for (; bits != 0; bits &= bits - 1) {
        n++;
    }
    return n;
}

static bool has(uint64_t bits, size_t i)
{
    return (bits >> i & 1) != 0;
}

/* The name of the steward of a shard, as its card has it; never NULL. */
static const char *steward_name(const struct certificate_facts *f, size_t i)
{
    const struct card *card =
        charter_member(&f->charter, &f->manifest.stewards[i]);

    return card != NULL ? card->name : "a steward who is not in the charter";
}

static const char *lab_name(const struct certificate_facts *f)
{
    const struct card *card = charter_member(&f->charter, &f->lab);

    return card != NULL ? card->name : "-";
}

static uint32_t acknowledgements_needed(const struct certificate_facts *f)
{
    return f->manifest.t + charter_faulty(f->manifest.n);
}

static json_t *stewards_json(const struct certificate_facts *f)
{
    json_t *list = json_array();

    for (size_t i = 0; i < f->manifest.n; i++) {
        char id[CMD_ID_SIZE];
        char when[TEXT_SIZE];

        text_hex(id, f->manifest.stewards[i].bytes, DIGEST_SIZE);
        text_time(when, f->receipt_time_s[i]);
        (void)json_array_append_new(
            list,
            json_pack("{s:i, s:s, s:s, s:s?, s:b}", "shard", (int)i, "name",
                      steward_name(f, i), "id", id, "receipt",
                      has(f->receipts, i) ? when : NULL, "acknowledgement",
                      (int)has(f->acknowledgements, i)));
    }
    return list;
}

static int verify_json(struct cli *c, const struct certificate_facts *f)
{
    const struct manifest *m = &f->manifest;
    char deposit[CMD_ID_SIZE];
    char manifest[CMD_ID_SIZE];
    char net[CMD_ID_SIZE];
    char lab[CMD_ID_SIZE];
    char fingerprint[CHARTER_FINGERPRINT_SIZE];
    char when[TEXT_SIZE];

    charter_fingerprint(&f->net, fingerprint);
    return cli_print_json(
        c, "cairn.deposit.verify/1",
        json_pack(
            "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, "
            "s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:o}",
            "deposit", text_hex(deposit, m->deposit_id.bytes, DIGEST_SIZE),
            "manifest", text_hex(manifest, f->manifest_hash.bytes, DIGEST_SIZE),
            "label", m->label, "lab", lab_name(f), "lab_id",
            text_hex(lab, f->lab.bytes, DIGEST_SIZE), "network",
            text_hex(net, f->net.bytes, DIGEST_SIZE), "network_name",
            f->charter.name, "fingerprint", fingerprint, "time",
            text_time(when, f->manifest_time_ms / 1000), "bytes",
            (json_int_t)m->plain_size, "shard_bytes", (json_int_t)m->shard_size,
            "k", (int)m->k, "n", (int)m->n, "t", (int)m->t, "receipts",
            (int)count(f->receipts), "acknowledgements",
            (int)count(f->acknowledgements), "acknowledgements_needed",
            (int)acknowledgements_needed(f), "sealed", (int)f->sealed,
            "stewards", stewards_json(f)));
}

static void print_sealed(const struct certificate_facts *f)
{
    const struct manifest *m = &f->manifest;
    char name[CMD_TEXT_SIZE];

    if (f->sealed) {
        printf("sealed    yes: every steward signed for its shard, and enough "
               "custodians for\n"
               "          their key shares. It is a proof of that time: 'cairn "
               "deposit show'\n"
               "          says what is known since\n");
        return;
    }
    printf("sealed    NO: do not delete your copy. What is missing:\n");
    for (size_t i = 0; i < m->n; i++) {
        if (!has(f->receipts, i)) {
            printf("          the receipt of %s for shard %zu\n",
                   cmd_text(name, steward_name(f, i)), i);
        }
    }
    if (count(f->acknowledgements) < acknowledgements_needed(f)) {
        printf("          %u more custodians who acknowledge their key share\n",
               acknowledgements_needed(f) - count(f->acknowledgements));
    }
}

static void verify_print(const struct certificate_facts *f)
{
    const struct manifest *m = &f->manifest;
    char hex[CMD_ID_SIZE];
    char name[CMD_TEXT_SIZE];
    char text[TEXT_SIZE];
    char shard[TEXT_SIZE];
    char fingerprint[CHARTER_FINGERPRINT_SIZE];

    charter_fingerprint(&f->net, fingerprint);
    printf("deposit   %s\n", text_hex(hex, m->deposit_id.bytes, DIGEST_SIZE));
    printf("label     %s\n", cmd_text(name, m->label));
    printf("lab       %s\n", cmd_text(name, lab_name(f)));
    printf("signed    %s\n", text_time(text, f->manifest_time_ms / 1000));
    printf("size      %s, in shards of %s\n", text_size(text, m->plain_size),
           text_size(shard, m->shard_size));
    printf("code      any %u of %u shards restore it; any %u of %u key shares "
           "open it\n",
           m->k, m->n, m->t, m->n);
    printf("network   %s\n", cmd_text(name, f->charter.name));
    printf("          %s\n"
           "          compare this with what a steward reads to you: it is all "
           "that is not proven here\n",
           fingerprint);
    printf("receipts  %u of %u; key shares acknowledged: %u, needed %u\n",
           count(f->receipts), m->n, count(f->acknowledgements),
           acknowledgements_needed(f));
    printf("\n  %2s  %-20s  %-3s  %s\n", "#", "RECEIPT", "KEY", "STEWARD");
    for (size_t i = 0; i < m->n; i++) {
        printf("  %2zu  %-20s  %-3s  %s\n", i,
               has(f->receipts, i) ? text_time(text, f->receipt_time_s[i])
                                   : "-",
               has(f->acknowledgements, i) ? "yes" : "-",
               cmd_text(name, steward_name(f, i)));
    }
    printf("\n");
    print_sealed(f);
}

int cmd_deposit_verify_file(struct cli *c, const char *path)
{
    struct certificate_file *file = NULL;
    char errmsg[ERRMSG_SIZE] = "";
    int code = EXIT_CODE_OK;
    int rv = certificate_file_read(path, &file, errmsg);

    if (rv != OK) {
        /* 1 says that something is missing, never that it is false. */
        enum exit_code wrong = exit_code_of(rv);

        return cli_fail(
            c, wrong == EXIT_CODE_FAILED ? EXIT_CODE_INTEGRITY : wrong, errmsg,
            "do not rely on it; ask the lab or a steward for another one");
    }
    if (c->json) {
        code = verify_json(c, &file->facts);
    } else {
        verify_print(&file->facts);
    }
    if (code == EXIT_CODE_OK && !file->facts.sealed) {
        code = EXIT_CODE_FAILED;
    }
    certificate_file_free(file);
    return code;
}

int cmd_deposit_verify(struct cli *c)
{
    return cmd_deposit_verify_file(c, c->args[0]);
}
