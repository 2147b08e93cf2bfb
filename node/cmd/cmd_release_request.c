#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "node/base/text.h"
#include "node/cmd/cmd_release.h"
#include "node/deposit/certificate_file.h"
#include "node/recovery/recipient_keys.h"
#include "protocol/field.h"

#define DAYS_DEFAULT 30U
#define DAY_S        86400U

const struct cli_option cmd_release_request_options[] = {
    {.name = "purpose",
     .value = "TEXT",
     .help = "what the model is wanted for; stewards decide on it"},
    {.name = "name",
     .value = "TEXT",
     .help = "who the recipient is, as stewards will read it"},
    {.name = "days",
     .value = "N",
     .help = "how long the request and a ticket hold, 1..400 (default 30)"},
    {.name = "output",
     .letter = 'o',
     .value = "REQ",
     .help = "where the request is written"},
    {.name = "keys",
     .value = "FILE",
     .help = "where the recipient's new keys are kept (default: REQ.key)"},
    {.name = "passphrase-file",
     .value = "FILE",
     .help = "seal the keys under its first line"},
    {.name = NULL},
};

/* What the command line asks for. */
struct asked {
    const char *certificate, *output, *name, *purpose;
    char *keys;
    uint64_t days;
};

static bool asked_parse(struct cli *c, struct asked *o)
{
    const char *keys = cli_value(c, "keys");

    *o = (struct asked){.certificate = c->args[0],
                        .output = cli_value(c, "output"),
                        .name = cli_value(c, "name"),
                        .purpose = cli_value(c, "purpose"),
                        .days = DAYS_DEFAULT};
    if (o->output == NULL || o->output[0] == '\0') {
        (void)cli_fail(c, EXIT_CODE_USAGE, "it is not said where to write",
                       "give a file for the request with -o");
        return false;
    }
    if (o->name == NULL || strlen(o->name) > RELEASE_NAME_MAX ||
        !field_text_is_valid(o->name, 1, strlen(o->name))) {
        (void)cli_fail(c, EXIT_CODE_USAGE,
                       "it is not said who the recipient is, in 1 to 200 bytes "
                       "of UTF-8 without control characters",
                       "give --name 'University of Elsewhere, A. Person'");
        return false;
    }
    if (o->purpose == NULL || strlen(o->purpose) > RELEASE_TEXT_MAX ||
        !field_text_is_valid(o->purpose, 1, strlen(o->purpose))) {
        (void)cli_fail(c, EXIT_CODE_USAGE,
                       "it is not said what for, in 1 to 2000 bytes of UTF-8 "
                       "without control characters",
                       "give --purpose 'To repeat the results of ...'");
        return false;
    }
    if (!cli_uint(c, "days", 1, RELEASE_DAYS_MAX, &o->days)) {
        return false;
    }
    if (keys != NULL) {
        o->keys = strdup(keys);
    } else if (asprintf(&o->keys, "%s.key", o->output) < 0) {
        o->keys = NULL;
    }
    if (o->keys == NULL) {
        (void)cli_fail(c, EXIT_CODE_FAILED, "out of memory", "run it again");
    }
    if (o->keys != NULL && strcmp(o->keys, o->output) == 0) {
        (void)cli_fail(c, EXIT_CODE_USAGE,
                       "request and keys go into the same file",
                       "give -o and --keys two names: the one is given away, "
                       "the other is secret");
        free(o->keys);
        return false;
    }
    return o->keys != NULL;
}

/* A request is made once: its keys and it belong together. */
static int output_check(const struct asked *o, char *errmsg)
{
    int rv = file_write_may(o->output, FILE_NEW, errmsg);

    return rv == OK ? file_write_may(o->keys, FILE_NEW, errmsg) : rv;
}

static void request_fill(struct release_request *r,
                         const struct asked *o,
                         const struct certificate_facts *facts,
                         const struct recipient_keys *keys)
{
    struct rng rng;

    memset(r, 0, sizeof(*r));
    r->net = facts->net;
    r->charter_hash = facts->charter.hash;
    r->deposit_id = facts->manifest.deposit_id;
    r->manifest_hash = facts->manifest_hash;
    memcpy(r->label, facts->manifest.label, sizeof(r->label));
    r->share_epoch = facts->manifest.share_epoch;
    memcpy(r->recipient, o->name, strlen(o->name));
    memcpy(r->hpke_pk, keys->hpke_pk, sizeof(r->hpke_pk));
    memcpy(r->transport_pk, keys->transport.pk, sizeof(r->transport_pk));
    memcpy(r->purpose, o->purpose, strlen(o->purpose));
    r->time_s = (uint64_t)time(NULL);
    r->not_after_s = r->time_s + o->days * DAY_S;
    rng_init_system(&rng);
    rng_bytes(&rng, r->nonce, sizeof(r->nonce));
}

/* Encode, write, and take what was written apart again for showing it. */
static int request_write(const struct asked *o,
                         const struct certificate_facts *facts,
                         const struct recipient_keys *keys,
                         struct release_shown *s,
                         char *errmsg)
{
    struct release_request request;
    uint8_t *bytes = malloc(RELEASE_REQUEST_MAX);
    size_t size = 0;
    int rv;

    if (bytes == NULL) {
        return errmsg_memory(errmsg);
    }
    request_fill(&request, o, facts, keys);
    rv = release_request_encode(&request, bytes, RELEASE_REQUEST_MAX, &size);
    if (rv != OK) {
        free(bytes);
        errmsg_set(errmsg,
                   "no request can be made of this; is this machine's clock "
                   "right?");
        return rv;
    }
    rv = release_shown_init(s, bytes, size, errmsg);
    if (rv == OK) {
        rv = file_write(o->output, slice_of(s->bytes, s->size), 0644, FILE_NEW,
                        errmsg);
    }
    return rv;
}

/* Keys first: a request whose keys were not kept is worth nothing. Keys whose
 * request was not written are not, either. */
static int request_make(struct cli *c,
                        const struct asked *o,
                        const struct certificate_facts *facts,
                        struct release_shown *s,
                        char *errmsg)
{
    struct recipient_keys *keys = NULL;
    char *passphrase = NULL;
    size_t size = 0;
    int rv = output_check(o, errmsg);

    if (rv == OK) {
        rv = cli_passphrase(c, &passphrase, &size, errmsg);
    }
    if (rv == OK) {
        rv = recipient_keys_create(o->keys, slice_of(passphrase, size),
                                   &facts->net, &facts->manifest_hash, &keys,
                                   errmsg);
    }
    secret_free(passphrase);
    if (rv != OK) {
        return rv;
    }
    rv = request_write(o, facts, keys, s, errmsg);
    if (rv != OK && access(o->output, F_OK) != 0) {
        (void)unlink(o->keys); /* Nobody needs them. */
    }
    secret_free(keys);
    return rv;
}

static int request_print(struct cli *c,
                         const struct asked *o,
                         const struct certificate_facts *facts,
                         const struct release_shown *s)
{
    char id[CMD_ID_SIZE];
    char fingerprint[CHARTER_FINGERPRINT_SIZE];
    char network[CHARTER_FINGERPRINT_SIZE];
    char label[CMD_TEXT_SIZE];
    char expires[TEXT_SIZE];

    text_hex(id, s->id.bytes, DIGEST_SIZE);
    charter_fingerprint(&s->id, fingerprint);
    charter_fingerprint(&facts->net, network);
    text_time(expires, s->request.not_after_s);
    if (c->json) {
        json_t *object = release_shown_json(s);

        if (object != NULL &&
            (json_object_set_new(object, "file", json_string(o->output)) != 0 ||
             json_object_set_new(object, "keys", json_string(o->keys)) != 0)) {
            json_decref(object);
            object = NULL;
        }
        return cli_print_json(c, "cairn.release.request/1", object);
    }
    printf("release      %s\n", id);
    printf("fingerprint  %s\n", fingerprint);
    printf("deposit      %s, in network %s\n",
           cmd_text(label, facts->manifest.label), network);
    printf("expires      %s\n", expires);
    printf("\n"
           "Give '%s' to a steward of the network, and read the fingerprint "
           "to them\n"
           "over the telephone: it says that nobody exchanged your keys.\n"
           "Keep '%s' secret and safe: nothing is released without it.\n"
           "With the ticket that the steward gives you: cairn recover --ticket "
           "TICKET --keys '%s' OUT\n",
           o->output, o->keys, o->keys);
    return EXIT_CODE_OK;
}

static int request_fail(struct cli *c, int rv, const char *errmsg)
{
    return cli_fail(c, exit_code_of(rv), errmsg,
                    rv == ERR_EXISTS
                        ? "nothing is overwritten: give another -o or --keys"
                        : "no request was made; mend that and run it again");
}

int cmd_release_request(struct cli *c)
{
    struct certificate_file *file = NULL;
    struct release_shown s = {.bytes = NULL};
    char errmsg[ERRMSG_SIZE] = "";
    struct asked o;
    int code;
    int rv;

    if (!asked_parse(c, &o)) {
        return EXIT_CODE_USAGE;
    }
    rv = certificate_file_read(o.certificate, &file, errmsg);
    if (rv == OK) {
        if (!file->facts.sealed) {
            cli_note(c, "this deposit was not sealed when the certificate was "
                        "made: stewards may hold less than it needs");
        }
        rv = request_make(c, &o, &file->facts, &s, errmsg);
    }
    code = rv == OK ? request_print(c, &o, &file->facts, &s)
                    : request_fail(c, rv, errmsg);
    release_shown_free(&s);
    certificate_file_free(file);
    free(o.keys);
    return code;
}
