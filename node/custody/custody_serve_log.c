#include "node/custody/custody_serve_log.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/text.h"
#include "protocol/manifest.h"

#define NAME_SIZE 512 /* What a request is about, in words. */
#define HEX_SIZE  (2 * DIGEST_SIZE + 1)

/* The deposit that a share is of, as the manifest entry says. */
static void deal_name(const struct custody_deal *d, char *name)
{
    struct manifest *m = malloc(sizeof(*m));
    struct feed_entry entry;
    char hex[HEX_SIZE];

    if (m != NULL && feed_entry_decode(&entry, d->manifest) == OK &&
        entry.header.kind == FEED_MANIFEST &&
        manifest_decode(m, &entry.header.author, entry.payload) == OK) {
        (void)snprintf(name, NAME_SIZE, "share %u, epoch %llu, of deposit %s",
                       d->share_index, (unsigned long long)d->share_epoch,
                       text_hex(hex, m->deposit_id.bytes, DIGEST_SIZE));
    } else {
        (void)snprintf(name, NAME_SIZE, "a share without a good manifest");
    }
    free(m);
}

static void release_name(struct slice request, char *name)
{
    struct release_request *r = malloc(sizeof(*r));
    struct digest id;
    char hex[HEX_SIZE], deposit[HEX_SIZE];

    release_id(&id, request);
    text_hex(hex, id.bytes, DIGEST_SIZE);
    if (r != NULL && release_request_decode(r, request) == OK) {
        (void)snprintf(name, NAME_SIZE, "release %s of deposit %s to '%s'", hex,
                       text_hex(deposit, r->deposit_id.bytes, DIGEST_SIZE),
                       r->recipient);
    } else {
        (void)snprintf(name, NAME_SIZE, "release %s, which is no request", hex);
    }
    free(r);
}

static void request_name(const struct custody *asked, char *name)
{
    char hex[HEX_SIZE];

    switch (asked->type) {
    case CUSTODY_DEAL:
        deal_name(&asked->u.deal, name);
        break;
    case CUSTODY_RELEASE:
        release_name(asked->u.release.request, name);
        break;
    case CUSTODY_ENVELOPE:
        (void)snprintf(
            name, NAME_SIZE, "envelope of release %s",
            text_hex(hex, asked->u.envelope.release_id.bytes, DIGEST_SIZE));
        break;
    case CUSTODY_HELLO:
    case CUSTODY_SELF:
    case CUSTODY_ACK:
    case CUSTODY_DECIDED:
    case CUSTODY_HANDED:
    case CUSTODY_REFUSED:
        (void)snprintf(name, NAME_SIZE, "hello");
        break;
    }
}

void custody_serve_log(const struct log *log,
                       const struct custody *asked,
                       struct slice answer)
{
    enum log_level level = LOG_INFO;
    const char *what = "", *text = "";
    char name[NAME_SIZE];
    struct custody c;
    int rv = custody_decode(&c, answer);

    assert(rv == OK);
    (void)rv;
    request_name(asked, name);
    switch (c.type) {
    case CUSTODY_SELF:
        level = LOG_DEBUG;
        what = "answered";
        break;
    case CUSTODY_ACK:
        what = "held and acknowledged";
        break;
    case CUSTODY_DECIDED:
        what = "decided: the share goes to the recipient";
        break;
    case CUSTODY_HANDED:
        what = "handed out";
        break;
    case CUSTODY_REFUSED:
        level = LOG_WARNING;
        what = "refused: ";
        text = c.u.refused.text;
        break;
    case CUSTODY_HELLO:
    case CUSTODY_DEAL:
    case CUSTODY_RELEASE:
    case CUSTODY_ENVELOPE:
        assert(false); /* An answer is no request. */
        break;
    }
    log_put(log, level, "%s: %s%s", name, what, text);
}
