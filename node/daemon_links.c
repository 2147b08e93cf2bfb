#include <stdlib.h>

#include "crypto/secret.h"
#include "node/daemon_state.h"

#define CERT_SECONDS ((uint64_t)7 * 86400) /* Renewed daily. */

const char *daemon_member_name(const struct daemon *d, uint32_t member)
{
    return d->charter->members[member].card.name;
}

int daemon_cert(const struct daemon *d,
                uint8_t out[TRANSPORT_CERT_MAX],
                size_t *size)
{
    const struct self *self = d->config->self;
    uint64_t now_s = daemon_now_s();
    struct transport_cert cert = {.type = TRANSPORT_MEMBER,
                                  .net = self->net,
                                  .id = self->id,
                                  .not_before_s = now_s,
                                  .not_after_s = now_s + CERT_SECONDS};

    memcpy(cert.transport_pk, self->keys->transport.pk, NOISE_KEY_SIZE);
    return transport_cert_encode(&cert, &self->keys->node, out,
                                 TRANSPORT_CERT_MAX, size);
}

/* --- Who that is --------------------------------------------------------- */

static size_t on_psk(void *arg,
                     const uint8_t psk_id[FRAME_PSK_ID_SIZE],
                     struct frame_psk *out,
                     size_t max)
{
    const struct daemon *d = arg;
    size_t len = 0;

    if (max > 0 && memcmp(psk_id, d->charter->psk_id, FRAME_PSK_ID_SIZE) == 0) {
        frame_psk_init(&out[len++], d->config->self->psk);
    }
    return len;
}

/* The place of a member in the charter, or CHARTER_MEMBERS_MAX. */
static uint32_t member_find(const struct daemon *d, const struct digest *id)
{
    uint32_t i = 0;

    while (i < d->charter->members_len &&
           !digest_equal(&d->charter->members[i].card.id, id)) {
        i++;
    }
    return i < d->charter->members_len ? i : CHARTER_MEMBERS_MAX;
}

/* Why it is not let in; NULL when it is, and then it is *member. */
static const char *identity_refusal(const struct daemon *d,
                                    const struct daemon_link *l,
                                    struct slice bytes,
                                    const uint8_t remote[NOISE_KEY_SIZE],
                                    uint32_t *member)
{
    struct transport_cert cert;
    const struct card *card;
    uint32_t i;

    if (bytes.size > TRANSPORT_CERT_MAX ||
        transport_cert_decode(&cert, bytes) != OK) {
        return "shows no certificate";
    }
    if (cert.type != TRANSPORT_MEMBER) {
        return "is no member";
    }
    if (!digest_equal(&cert.net, &d->config->self->net)) {
        return "is of another network";
    }
    if (memcmp(cert.transport_pk, remote, NOISE_KEY_SIZE) != 0) {
        return "shows a certificate of another key";
    }
    i = member_find(d, &cert.id);
    if (i == CHARTER_MEMBERS_MAX) {
        return "is not in the charter";
    }
    card = &d->charter->members[i].card;
    if (transport_cert_verify(bytes, card->node_pk) != OK) {
        return "shows a false certificate";
    }
    if (!transport_cert_is_current(&cert, daemon_now_s())) {
        return "shows a certificate of another time; compare the clocks";
    }
    if (i == d->self) {
        return "says that it is us";
    }
    if (l != NULL && l->member != i) {
        return "is another member than the one at that address";
    }
    *member = i;
    return NULL;
}

static int on_identity(void *arg,
                       struct link *l,
                       struct slice cert,
                       const uint8_t remote[NOISE_KEY_SIZE])
{
    struct daemon *d = arg;
    struct daemon_member *m;
    uint32_t member = 0;
    const char *why = identity_refusal(d, link_user(l), cert, remote, &member);

    if (why != NULL) {
        log_put(&d->log, LOG_WARNING, "%s %s", link_address(l), why);
        return ERR_DENIED;
    }
    m = &d->members[member];
    memcpy(m->transport_pk, remote, NOISE_KEY_SIZE);
    memcpy(m->cert, cert.data, cert.size);
    m->cert_size = cert.size;
    return OK;
}

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

void daemon_pause_core(struct daemon *d, bool pause)
{
    d->core_pauses = pause;
    for (struct daemon_link *l = d->links; l != NULL; l = l->next) {
        link_pause(l, &l->core_pauses, pause);
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

/* The member that this inbound link showed to be, by its key. */
static uint32_t member_of(const struct daemon *d, const struct link *l)
{
    uint32_t i = 0;

    while (i < d->charter->members_len &&
           (d->members[i].cert_size == 0 ||
            memcmp(d->members[i].transport_pk, link_remote(l),
                   NOISE_KEY_SIZE) != 0)) {
        i++;
    }
    return i < d->charter->members_len ? i : CHARTER_MEMBERS_MAX;
}

static struct daemon_link *inbound_new(struct daemon *d, struct link *l)
{
    uint32_t member = member_of(d, l);
    struct daemon_link *user;

    if (member == CHARTER_MEMBERS_MAX) {
        return NULL;
    }
    user = calloc(1, sizeof(*user));
    if (user == NULL) {
        return NULL;
    }
    user->daemon = d;
    user->link = l;
    user->member = member;
    user->next = d->links;
    d->links = user;
    link_set_user(l, user);
    return user;
}

/* Of two links between the same two stewards, the one that the smaller id
 * dialled stays: the larger closes its own, so that never both go. */
static void duplicate_close(const struct daemon *d,
                            const struct daemon_link *up)
{
    const struct digest *self = &d->config->self->id;
    const struct digest *other = &d->charter->members[up->member].card.id;
    const struct daemon_link *ours = d->members[up->member].dialling;

    if (ours != NULL && ours->number != 0 && d->members[up->member].links > 1 &&
        memcmp(self->bytes, other->bytes, DIGEST_SIZE) > 0) {
        link_close(ours->link, FRAME_REASON_DONE);
    }
}

static void on_up(void *arg, struct link *l)
{
    struct daemon *d = arg;
    struct daemon_link *user = link_user(l);
    struct daemon_member *m;

    if (user == NULL) {
        user = inbound_new(d, l);
    }
    if (user == NULL || d->stopping) {
        link_close(l, FRAME_REASON_BUSY);
        return;
    }
    m = &d->members[user->member];
    user->number = ++d->links_numbered;
    m->links++;
    user->up_ms = uv_now(&d->loop) + 1;
    m->told = false;
    log_put(&d->log, LOG_INFO, "link %llu up, %s %s (%s)",
            (unsigned long long)user->number, user->dialled ? "to" : "from",
            daemon_member_name(d, user->member), link_address(l));
    if (d->core_pauses) {
        link_pause(user, &user->core_pauses, true);
    }
    if (daemon_feed(d, EV_LINK, user->number, OK,
                    slice_of(m->cert, m->cert_size)) != OK) {
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
        d->members[user->member].links--;
        log_put(&d->log, LOG_INFO, "link %llu down, %s: %s",
                (unsigned long long)number, daemon_member_name(d, user->member),
                text);
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
        .calls = {.on_psk = on_psk,
                  .on_identity = on_identity,
                  .on_up = on_up,
                  .on_message = on_message,
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
    char bound[LINK_LISTEN_MAX][LINK_ADDRESS_SIZE];
    int rv = host_new(d);

    for (size_t i = 0; i < c->listen_len && rv == OK; i++) {
        rv = link_host_listen(d->host, c->listen[i], bound[i], d->errmsg);
    }
    if (rv != OK) {
        return rv;
    }
    d->config->on_ready(d->config->arg, bound, c->listen_len);
    daemon_dial_start(d);
    return OK;
}
