#include <stdlib.h>

#include "crypto/secret.h"
#include "node/daemon/daemon_state.h"

/* --- Up and down --------------------------------------------------------- */

struct link *daemon_link_of(void *arg, uint64_t number)
{
    const struct daemon *d = arg;
    const struct daemon_link *l = d->links;

    while (l != NULL && l->number != number) {
        l = l->next;
    }
    return l != NULL && number != 0 ? l->link : NULL;
}

static void link_pause(struct daemon_link *l, bool *cause, bool pause)
{
    bool before = l->core_pauses || l->jobs_pause;

    *cause = pause;
    if (l->number == 0 || before == (l->core_pauses || l->jobs_pause)) {
        return;
    }
    if (before) {
        link_read_resume(l->link);
    } else {
        link_read_pause(l->link);
    }
}

void daemon_pause_core(struct daemon *d, int why)
{
    d->core_trouble = why;
    if (why == OK && d->jobs != NULL) {
        shard_jobs_listen(d->jobs);
    }
    for (struct daemon_link *l = d->links; l != NULL; l = l->next) {
        link_pause(l, &l->core_pauses, why != OK);
    }
}

void daemon_pause_jobs(void *arg, uint64_t number, bool pause)
{
    struct link *l = daemon_link_of(arg, number);

    if (l != NULL) {
        struct daemon_link *user = link_user(l);

        link_pause(user, &user->jobs_pause, pause);
    }
}

static struct daemon_link *inbound_new(struct daemon *d, struct link *l)
{
    struct daemon_link *user = calloc(1, sizeof(*user));

    if (user == NULL) {
        return NULL;
    }
    user->daemon = d;
    user->link = l;
    if (!daemon_identify(d, user)) {
        free(user);
        return NULL;
    }
    user->next = d->links;
    d->links = user;
    link_set_user(l, user);
    return user;
}

/* Who it is, for the log. */
static const char *link_name(const struct daemon_link *user)
{
    return user->member == DAEMON_RECIPIENT
               ? "a recipient"
               : daemon_member_name(user->daemon, user->member);
}

/* Of two links between the same two stewards, the one that the smaller id
 * dialled stays: the larger closes its own, so that never both go. */
static void duplicate_close(const struct daemon *d,
                            const struct daemon_link *up)
{
    const struct digest *self = &d->config->self->id;
    const struct digest *other;
    const struct daemon_link *ours;

    if (up->member == DAEMON_RECIPIENT) {
        return;
    }
    other = &d->charter->members[up->member].card.id;
    ours = d->members[up->member].dialling;
    if (ours != NULL && ours->number != 0 && d->members[up->member].links > 1 &&
        memcmp(self->bytes, other->bytes, DIGEST_SIZE) > 0) {
        link_close(ours->link, FRAME_REASON_DONE);
    }
}

/* What EV_LINK brings: the certificate as it was shown. */
static int link_cert(const struct daemon *d,
                     const struct daemon_link *user,
                     uint8_t out[TRANSPORT_CERT_MAX],
                     size_t *size)
{
    if (user->member == DAEMON_RECIPIENT) {
        return daemon_recipient_cert(d, user, out, size);
    }
    memcpy(out, d->members[user->member].cert,
           d->members[user->member].cert_size);
    *size = d->members[user->member].cert_size;
    return OK;
}

static void link_number(struct daemon *d, struct daemon_link *user)
{
    user->number = ++d->links_numbered;
    user->up_ms = uv_now(&d->loop) + 1;
    if (user->member != DAEMON_RECIPIENT) {
        d->members[user->member].links++;
        d->members[user->member].told = false;
    }
    log_put(&d->log, LOG_INFO, "link %llu up, %s %s (%s)",
            (unsigned long long)user->number, user->dialled ? "to" : "from",
            link_name(user), link_address(user->link));
}

static void on_up(void *arg, struct link *l)
{
    struct daemon *d = arg;
    struct daemon_link *user = link_user(l);
    uint8_t cert[TRANSPORT_CERT_MAX];
    size_t size = 0;

    if (user == NULL) {
        user = inbound_new(d, l);
    }
    if (user == NULL || d->stopping) {
        link_close(l, FRAME_REASON_BUSY);
        return;
    }
    link_number(d, user);
    if (d->core_trouble != OK) {
        link_pause(user, &user->core_pauses, true);
    }
    if (link_cert(d, user, cert, &size) != OK ||
        daemon_feed(d, EV_LINK, user->number, OK, slice_of(cert, size)) != OK) {
        link_close(l, FRAME_REASON_BUSY);
        return;
    }
    duplicate_close(d, user);
}

static void link_forget(struct daemon *d, struct daemon_link *user)
{
    struct daemon_link **at = &d->links;

    while (*at != user) {
        at = &(*at)->next;
    }
    *at = user->next;
    free(user);
}

static void on_down(void *arg, struct link *l, int status, const char *text)
{
    struct daemon *d = arg;
    struct daemon_link *user = link_user(l);
    uint64_t number = user != NULL ? user->number : 0;

    if (number != 0) {
        user->number = 0; /* From here on there is no such link. */
        if (user->member != DAEMON_RECIPIENT) {
            d->members[user->member].links--;
            d->members[user->member].down_ms = uv_now(&d->loop);
        }
        log_put(&d->log, LOG_INFO, "link %llu down, %s: %s",
                (unsigned long long)number, link_name(user), text);
        shard_jobs_link_down(d->jobs, number);
        if (daemon_feed(d, EV_LINK, number,
                        status == OK ? ERR_CANCELED : status,
                        slice_of(NULL, 0)) != OK) {
            log_put(&d->log, LOG_DEBUG, "the machine has stopped");
        }
    }
    if (user != NULL) {
        if (user->dialled) {
            daemon_dial_down(d, user, status, text);
        }
        link_forget(d, user);
        daemon_dial_turn(d);
    }
}

/* --- What they say ------------------------------------------------------- */

static int on_message(void *arg, struct link *l, struct slice bytes)
{
    struct daemon *d = arg;
    const struct daemon_link *user = link_user(l);
    int status = OK;
    int rv = message_decode(&d->message, bytes);

    if (rv != OK && rv != ERR_UNSUPPORTED) {
        return rv;
    }
    if (user == NULL || user->number == 0 || d->stopping) {
        return OK; /* It is ending. */
    }
    if (rv == OK &&
        shard_jobs_message(d->jobs, user->number, &d->message, &status)) {
        return status;
    }
    rv = daemon_feed(d, EV_MSG, user->number, OK, bytes);
    if (rv != OK) {
        log_put(&d->log, LOG_WARNING, "link %llu: too much is waiting",
                (unsigned long long)user->number);
        link_close(l, FRAME_REASON_BUSY);
    }
    return OK;
}

static uint8_t *on_room(void *arg, struct link *l, size_t size)
{
    struct daemon *d = arg;
    const struct daemon_link *user = link_user(l);

    if (user == NULL || user->number == 0 || d->stopping) {
        return NULL;
    }
    return shard_jobs_room(d->jobs, user->number, size);
}

static int on_data(void *arg,
                   struct link *l,
                   uint32_t stream,
                   struct slice bytes,
                   bool end)
{
    struct daemon *d = arg;
    const struct daemon_link *user = link_user(l);

    if (user == NULL || user->number == 0 || d->stopping) {
        return OK;
    }
    return shard_jobs_data(d->jobs, user->number, stream, bytes, end);
}

static void on_writable(void *arg, struct link *l)
{
    struct daemon *d = arg;
    const struct daemon_link *user = link_user(l);

    if (user != NULL && user->number != 0 && !d->stopping) {
        shard_jobs_writable(d->jobs, user->number);
    }
}

/* --- The host ------------------------------------------------------------ */

static int host_new(struct daemon *d)
{
    const struct self *self = d->config->self;
    uint8_t cert[TRANSPORT_CERT_MAX];
    struct link_config config = {
        .loop = &d->loop,
        .rng = &d->rng,
        .net = self->net,
        .key = self->keys->transport,
        .calls = {.on_psk = daemon_on_psk,
                  .on_identity = daemon_on_identity,
                  .on_up = on_up,
                  .on_message = on_message,
                  .on_room = on_room,
                  .on_data = on_data,
                  .on_writable = on_writable,
                  .on_down = on_down},
        .arg = d,
    };
    size_t size = 0;
    int rv = daemon_cert(d, cert, &size);

    if (rv == OK) {
        config.cert = slice_of(cert, size);
        link_limits_default(&config.limits);
        config.limits.dialled_max = d->charter->stewards;
        config.limits.inbound_max = STEWARD_LINKS_MAX - d->charter->stewards;
        rv = link_host_new(&d->host, &config);
    }
    secret_wipe(&config.key, sizeof(config.key));
    if (rv != OK) {
        errmsg_set(d->errmsg, "no memory for links; keys need 'ulimit -l'");
    }
    return rv;
}

int daemon_host_start(struct daemon *d)
{
    const struct config *c = &d->config->self->config;
    int rv = host_new(d);

    for (size_t i = 0; i < c->listen_len && rv == OK; i++) {
        rv = link_host_listen(d->host, c->listen[i], d->bound[i], d->errmsg);
    }
    if (rv != OK) {
        return rv;
    }
    d->bound_len = c->listen_len;
    d->config->on_ready(d->config->arg, d->bound, d->bound_len);
    daemon_notify("READY=1");
    daemon_dial_start(d);
    return OK;
}
