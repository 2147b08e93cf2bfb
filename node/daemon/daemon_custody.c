#include "node/daemon/daemon_state.h"

/* The custodian, as the machine asks it. */

static void custody_answer(struct daemon *d,
                           uint64_t id,
                           int status,
                           struct slice bytes)
{
    int rv = daemon_feed(d, EV_CUSTODY, id, status, bytes);

    assert(rv == OK || rv == ERR_ORDER); /* Answers are never refused. */
    (void)rv;
}

static void on_answer(void *arg, uint64_t id, int status, struct slice bytes)
{
    custody_answer(arg, id, status, bytes);
}

/* How many shares fewer it holds than this node's feed acknowledges. Looked at
 * when it comes: later its count may be behind. */
static uint64_t shares_missing(const struct daemon *d)
{
    const struct custody_self *self = custody_link_self(d->custody.link);
    uint64_t acknowledged = 0;

    for (size_t i = 0; i < steward_deposits(d->steward); i++) {
        struct steward_deposit_info info;

        steward_deposit_info(d->steward, i, &info);
        acknowledged += info.has_share ? 1U : 0U;
    }
    return self == NULL || acknowledged <= self->shares
               ? 0
               : acknowledged - self->shares;
}

static void on_there(struct daemon *d)
{
    d->custody.missing = shares_missing(d);
    if (d->custody.missing > 0) {
        log_put(&d->log, LOG_ERROR,
                "the custodian lacks %llu of the shares that it has "
                "acknowledged: put back into its store what backups have",
                (unsigned long long)d->custody.missing);
    }
    custody_answer(d, STEWARD_CUSTODY_THERE, OK, slice_of(NULL, 0));
}

static void on_change(void *arg, int status, const char *text)
{
    struct daemon *d = arg;
    struct daemon_custody *c = &d->custody;
    bool reachable = status == OK;

    if (c->since_s == 0 || reachable != c->reachable) {
        c->since_s = daemon_now_s();
    }
    c->reachable = reachable;
    (void)snprintf(c->text, sizeof(c->text), "%s", text);
    log_put(&d->log, reachable ? LOG_INFO : LOG_WARNING, "custodian: %s", text);
    if (reachable) {
        on_there(d);
    }
}

void daemon_custody_status(const struct daemon *d, struct admin_status *s)
{
    const struct daemon_custody *c = &d->custody;
    const struct custody_self *self =
        c->link != NULL ? custody_link_self(c->link) : NULL;

    s->custodian.configured = d->config->self->config.custodian[0] != '\0';
    s->custodian.reachable = self != NULL;
    s->custodian.shares = self != NULL ? self->shares : 0;
    s->custodian.missing = self != NULL ? c->missing : 0;
    s->custodian.since_s = c->since_s;
    (void)snprintf(s->custodian.text, sizeof(s->custodian.text), "%s",
                   c->text[0] != '\0' ? c->text : "not reached yet");
}

/* Without a custodian, every question ends as if it could not be reached. */
void daemon_custody_ask(void *arg, uint64_t id, struct slice bytes)
{
    struct daemon *d = arg;

    if (d->custody.link == NULL ||
        custody_link_ask(d->custody.link, id, bytes) != OK) {
        custody_answer(d, id, ERR_IO, slice_of(NULL, 0));
    }
}

int daemon_custody_start(struct daemon *d)
{
    const struct self *self = d->config->self;
    const struct custody_link_config config = {.loop = &d->loop,
                                               .path = self->config.custodian,
                                               .net = self->net,
                                               .charter_hash = d->charter->hash,
                                               .steward = self->id,
                                               .on_answer = on_answer,
                                               .on_change = on_change,
                                               .arg = d};
    int rv;

    if (self->config.custodian[0] == '\0') {
        log_put(&d->log, LOG_WARNING,
                "no custodian is configured: this node takes no key shares "
                "and releases nothing");
        return OK;
    }
    rv = custody_link_open(&d->custody.link, &config);
    if (rv == ERR_FULL) {
        errmsg_set(d->errmsg,
                   "'%s' is too long for a socket; give the custodian a "
                   "shorter path",
                   self->config.custodian);
    } else if (rv != OK) {
        errmsg_set(d->errmsg, "out of memory");
    }
    return rv;
}
