#include <stdlib.h>

#include "node/daemon/daemon_state.h"

static void on_status(void *arg, struct admin_status *s)
{
    struct daemon *d = arg;

    s->up_ms = uv_now(&d->loop) - d->begun_ms;
    s->begun_s = d->begun_s;
    memcpy(s->listen, d->bound, sizeof(s->listen));
    s->listen_len = d->bound_len;
    for (const struct daemon_link *l = d->links;
         l != NULL && s->links_len < STEWARD_LINKS_MAX; l = l->next) {
        struct admin_link *to = &s->links[s->links_len];

        if (l->number == 0) {
            continue;
        }
        s->links_len++;
        to->card = l->member != DAEMON_RECIPIENT
                       ? &d->charter->members[l->member].card
                       : NULL;
        to->release_id = l->release_id;
        to->dialled = l->dialled;
        to->up_ms = uv_now(&d->loop) + 1 - l->up_ms;
        (void)snprintf(to->address, sizeof(to->address), "%s",
                       link_address(l->link));
    }
    for (size_t i = 0; i < d->charter->members_len; i++) {
        uint64_t down_ms = d->members[i].down_ms;

        steward_member_info(d->steward, i, &s->members[i]);
        s->away[i].since_link = down_ms != 0;
        s->away[i].for_ms =
            uv_now(&d->loop) - (down_ms != 0 ? down_ms : d->begun_ms);
    }
    daemon_custody_status(d, s);
    s->database_ok = d->core_trouble == OK;
    if (d->core_trouble != OK) {
        const char *text = store_error(d->store);

        (void)snprintf(s->database_text, sizeof(s->database_text), "%s",
                       text[0] != '\0' ? text : "the disk does not keep up");
    }
}

static void on_count(void *arg, struct steward_counts *counts)
{
    const struct daemon *d = arg;

    steward_count(d->steward, counts);
}

static size_t on_deposits(void *arg)
{
    const struct daemon *d = arg;

    return steward_deposits(d->steward);
}

static void on_deposit(void *arg, size_t i, struct steward_deposit_info *info)
{
    const struct daemon *d = arg;

    steward_deposit_info(d->steward, i, info);
}

static size_t on_releases(void *arg)
{
    const struct daemon *d = arg;

    return steward_releases(d->steward);
}

static void on_release(void *arg, size_t i, struct steward_release_info *info)
{
    const struct daemon *d = arg;

    steward_release_info(d->steward, i, info);
}

static int on_client(void *arg, uint64_t id, struct slice bytes)
{
    return daemon_feed(arg, EV_CLIENT, id, OK, bytes);
}

static void on_note(void *arg, const char *text)
{
    const struct daemon *d = arg;

    log_put(&d->log, LOG_DEBUG, "admin API: %s", text);
}

int daemon_admin_start(struct daemon *d)
{
    const struct self *self = d->config->self;
    char *charter = self_path(self->home, "charter");
    char *path = self_path(self->home, ADMIN_SOCKET);
    struct admin_config config = {.loop = &d->loop,
                                  .path = path,
                                  .store = d->store,
                                  .volume = &d->volume,
                                  .charter = d->charter,
                                  .net = self->net,
                                  .self = self->id,
                                  .psk = self->psk,
                                  .capacity = self->config.capacity,
                                  .idle_s = ADMIN_IDLE_S,
                                  .life_ms = ADMIN_LIFE_MS,
                                  .calls = {.on_status = on_status,
                                            .on_count = on_count,
                                            .on_deposits = on_deposits,
                                            .on_deposit = on_deposit,
                                            .on_releases = on_releases,
                                            .on_release = on_release,
                                            .on_client = on_client,
                                            .on_note = on_note},
                                  .arg = d};
    size_t size = 0;
    int rv = file_read(charter, CHARTER_CHAIN_MAX, &d->chain, &size, d->errmsg);

    if (rv == OK) {
        config.chain = slice_of(d->chain, size);
        rv = admin_open(&d->admin, &config, d->errmsg);
    }
    free(path);
    free(charter);
    return rv;
}
