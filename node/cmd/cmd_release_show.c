#include <stdlib.h>

#include "node/base/text.h"
#include "node/cmd/cmd_release.h"

const struct cli_option cmd_release_show_options[] = {
    {.name = "file",
     .value = "REQ",
     .help = "show this request, without any cairnd"},
    {.name = "to-sign",
     .value = "FILE",
     .help = "write what operators sign, to the byte"},
    CMD_ADMIN_OPTION,
    {.name = NULL},
};

/* ---- a request, rendered ---- */

int release_shown_init(struct release_shown *s,
                       uint8_t *bytes,
                       size_t size,
                       char *errmsg)
{
    const struct slice in = slice_of(bytes, size);
    int rv;

    memset(s, 0, sizeof(*s));
    s->bytes = bytes;
    s->size = size;
    s->text = malloc(RELEASE_RENDERED_MAX);
    if (s->text == NULL) {
        return errmsg_memory(errmsg);
    }
    rv = release_request_decode(&s->request, in);
    if (rv == OK) {
        rv = release_request_render(in, s->text, RELEASE_RENDERED_MAX,
                                    &s->text_size);
    }
    if (rv != OK) {
        errmsg_set(errmsg, "this is %s",
                   rv == ERR_UNSUPPORTED
                       ? "a request of a later version; use a newer cairn"
                       : "no request for a release");
        return rv;
    }
    release_id(&s->id, in);
    return OK;
}

int release_shown_read(struct release_shown *s, const char *path, char *errmsg)
{
    char why[ERRMSG_SIZE];
    uint8_t *bytes = NULL;
    size_t size = 0;
    int rv = file_read(path, RELEASE_REQUEST_MAX, &bytes, &size, errmsg);

    if (rv != OK) {
        return rv;
    }
    rv = release_shown_init(s, bytes, size, why);
    if (rv != OK) {
        errmsg_set(errmsg, "'%s': %s", path, why);
    }
    return rv;
}

int release_shown_fetch(struct release_shown *s,
                        struct admin_client *a,
                        const char *id,
                        char *errmsg)
{
    char resource[CMD_RESOURCE_SIZE];
    char got[CMD_ID_SIZE];
    uint8_t *bytes = NULL;
    size_t size = 0;
    int rv;

    cmd_resource(resource, "releases", id, "request");
    rv = admin_client_get(a, resource, RELEASE_REQUEST_MAX, &bytes, &size,
                          errmsg);
    if (rv != OK) {
        return rv;
    }
    rv = release_shown_init(s, bytes, size, errmsg);
    if (rv != OK) {
        return rv;
    }
    text_hex(got, s->id.bytes, DIGEST_SIZE);
    if (strncmp(got, id, strlen(id)) != 0) {
        errmsg_set(errmsg, "cairnd gave out another request than %s", id);
        return ERR_MISMATCH;
    }
    return OK;
}

void release_shown_free(struct release_shown *s)
{
    free(s->text);
    free(s->bytes);
    memset(s, 0, sizeof(*s));
}

json_t *release_shown_json(const struct release_shown *s)
{
    const struct release_request *r = &s->request;
    char id[CMD_ID_SIZE];
    char net[CMD_ID_SIZE];
    char deposit[CMD_ID_SIZE];
    char manifest[CMD_ID_SIZE];
    char hpke[2 * HPKE_KEY_SIZE + 1];
    char transport[2 * sizeof(r->transport_pk) + 1];
    char fingerprint[CHARTER_FINGERPRINT_SIZE];
    char network[CHARTER_FINGERPRINT_SIZE];
    char requested[TEXT_SIZE];
    char expires[TEXT_SIZE];

    charter_fingerprint(&s->id, fingerprint);
    charter_fingerprint(&r->net, network);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
        "release", text_hex(id, s->id.bytes, DIGEST_SIZE), "fingerprint",
        fingerprint, "network", text_hex(net, r->net.bytes, DIGEST_SIZE),
        "network_fingerprint", network, "deposit",
        text_hex(deposit, r->deposit_id.bytes, DIGEST_SIZE), "manifest",
        text_hex(manifest, r->manifest_hash.bytes, DIGEST_SIZE), "label",
        r->label, "recipient", r->recipient, "purpose", r->purpose, "requested",
        text_time(requested, r->time_s), "expires",
        text_time(expires, r->not_after_s), "hpke_key",
        text_hex(hpke, r->hpke_pk, HPKE_KEY_SIZE), "transport_key",
        text_hex(transport, r->transport_pk, sizeof(r->transport_pk)));
}

/* ---- show ---- */

/* What the node knows besides: the policy, and who has approved so far. */
static void show_node(const struct release_shown *s, const json_t *node)
{
    char text[CMD_TEXT_SIZE];
    char fingerprint[CHARTER_FINGERPRINT_SIZE];

    charter_fingerprint(&s->id, fingerprint);
    printf("\nfingerprint  %s\n"
           "             the recipient reads you the same, or somebody "
           "exchanged the request\n",
           fingerprint);
    if (node == NULL) {
        return;
    }
    printf("state        %s%s%s\n", cmd_json_text(text, node, "state"),
           json_is_true(json_object_get(node, "denied")) ? ", denied here" : "",
           json_is_true(json_object_get(node, "expired")) ? ", expired" : "");
    printf("needed       %s\n", cmd_json_text(text, node, "needed"));
    printf("approved by  ");
    cmd_json_print_list(json_object_get(node, "approvals"));
}

static int show_print(struct cli *c,
                      const struct release_shown *s,
                      json_t *node,
                      const char *to_sign)
{
    char id[CMD_ID_SIZE];
    json_t *object;

    if (c->json) {
        object = release_shown_json(s);
        if (object != NULL) {
            (void)json_object_del(node, "schema");
            if (json_object_set_new(object, "text",
                                    json_stringn(s->text, s->text_size)) != 0 ||
                json_object_set(object, "node",
                                node != NULL ? node : json_null()) != 0) {
                json_decref(object);
                object = NULL;
            }
        }
        return cli_print_json(c, "cairn.release.show/1", object);
    }
    (void)fwrite(s->text, 1, s->text_size, stdout);
    show_node(s, node);
    if (to_sign != NULL) {
        text_hex(id, s->id.bytes, DIGEST_SIZE);
        printf("\nTo approve, as an operator: ssh-keygen -Y sign -n "
               "cairn-approval@v1 -f KEY '%s'\n"
               "then: cairn release approve %.16s --signature '%s.sig'\n",
               to_sign, id, to_sign);
    }
    return EXIT_CODE_OK;
}

/* Print, and write what is to be signed. */
static int show_with(struct cli *c, const struct release_shown *s, json_t *node)
{
    const char *to_sign = cli_value(c, "to-sign");
    char errmsg[ERRMSG_SIZE] = "";
    int rv = OK;

    if (to_sign != NULL) {
        rv = file_write(to_sign, slice_of(s->text, s->text_size), 0644,
                        FILE_REPLACE, errmsg);
    }
    return rv == OK ? show_print(c, s, node, to_sign)
                    : cli_fail(c, exit_code_of(rv), errmsg,
                               "choose another file for --to-sign");
}

static int show_file(struct cli *c, const char *path)
{
    struct release_shown s = {.bytes = NULL};
    char errmsg[ERRMSG_SIZE] = "";
    int code;
    int rv;

    if (c->args_len > 0) {
        return cli_fail(c, EXIT_CODE_USAGE, "a file and an id are given",
                        "give either ID or --file REQ");
    }
    rv = release_shown_read(&s, path, errmsg);
    code = rv == OK ? show_with(c, &s, NULL)
                    : cli_fail(c, exit_code_of(rv), errmsg,
                               "give a file that 'cairn release request' made");
    release_shown_free(&s);
    return code;
}

int cmd_release_show(struct cli *c)
{
    const char *path = cli_value(c, "file");
    struct release_shown s = {.bytes = NULL};
    struct admin_client *a;
    char errmsg[ERRMSG_SIZE] = "";
    char resource[CMD_RESOURCE_SIZE];
    char id[CMD_ID_SIZE];
    json_t *node = NULL;
    int code;
    int rv;

    if (path != NULL) {
        return show_file(c, path);
    }
    if (c->args_len == 0) {
        return cli_fail(c, EXIT_CODE_USAGE, "it is not said which release",
                        "give its ID (see 'cairn release list'), or --file "
                        "REQ");
    }
    if (!cmd_id_read(c, c->args[0], id)) {
        return EXIT_CODE_USAGE;
    }
    a = cmd_admin_open(c, &code);
    if (a == NULL) {
        return code;
    }
    rv = release_shown_fetch(&s, a, id, errmsg);
    if (rv == OK) {
        cmd_resource(resource, "releases", id, NULL);
        rv = admin_client_get_json(a, resource, "cairn.release/1", &node,
                                   errmsg);
    }
    if (rv == OK) {
        admin_client_close(a);
        code = show_with(c, &s, node);
    } else {
        code = cmd_admin_fail(c, a, rv, errmsg, "see 'cairn release list'");
    }
    json_decref(node);
    release_shown_free(&s);
    return code;
}
