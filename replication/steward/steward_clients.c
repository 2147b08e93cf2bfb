#include "replication/keys.h"
#include "replication/steward/steward_deposits.h"
#include "replication/steward/steward_feeds.h"
#include "replication/steward/steward_releases.h"
#include "replication/steward/steward_rows.h"
#include "replication/steward/steward_state.h"
#include "replication/steward/steward_votes.h"

/* What operators say through the admin API. What must be compared with rows
 * waits in a slot until they are read. */

static void reply(uint64_t id,
                  int status,
                  const char *text,
                  struct core_out *out)
{
    uint8_t bytes[STEWARD_REPLY_SIZE_MAX];
    struct steward_reply r = {.status = status};
    size_t size = strlen(text);
    int rv;

    assert(size <= MESSAGE_TEXT_MAX);
    memcpy(r.text, text, size + 1);
    rv = steward_reply_encode(&r, bytes, sizeof(bytes), &size);
    assert(rv == OK);
    core_act(out, ACT_REPLY, id, slice_of(bytes, size));
}

static const char *append_refusal(const struct steward *s, int *status)
{
    if (!steward_can_append(s)) {
        *status = ERR_ORDER;
        return "this steward's feed is halted, so that it signs nothing more; "
               "see 'cairn status'";
    }
    return NULL;
}

/* Take a slot, and read the row that it waits for. */
static void wait_for(struct steward *s,
                     uint64_t id,
                     const struct steward_client *c,
                     const struct digest *release,
                     const struct key *key,
                     struct core_out *out)
{
    struct steward_client_slot *slot = NULL;

    for (size_t i = 0; i < STEWARD_CLIENTS_MAX && slot == NULL; i++) {
        slot = s->clients[i].read == 0 ? &s->clients[i] : NULL;
    }
    if (slot == NULL) {
        reply(id, ERR_BUSY, "too many requests at once; try again", out);
        return;
    }
    slot->read = s->next_id++;
    slot->id = id;
    slot->type = c->type;
    slot->release = *release;
    slot->size = c->bytes.size;
    memcpy(slot->bytes, c->bytes.data, c->bytes.size);
    core_act(out, ACT_READ, slot->read, key_slice(key));
}

/* --- SUBMIT -------------------------------------------------------------- */

/* Why that request cannot become known, as far as it tells itself. */
static const char *request_refusal(const struct steward *s,
                                   const struct release_request *r,
                                   int *status)
{
    uint64_t now_s = s->wall_ms / 1000;

    *status = ERR_MISMATCH;
    if (!digest_equal(&r->net, &s->config.net)) {
        return "the request is for another network";
    }
    if (!digest_equal(&r->charter_hash, &s->config.charter->hash)) {
        return "the request names another charter than the present one; the "
               "recipient must make a new request from a present certificate";
    }
    *status = ERR_ORDER;
    if (now_s > r->not_after_s) {
        return "the time of the request is over; the recipient must make a "
               "new one";
    }
    if (r->time_s > now_s + STEWARD_DAY_S) {
        return "the request was made in the future: the clock of its maker, "
               "or of this steward, is wrong";
    }
    return NULL;
}

/* The same, of what is known of its deposit. */
static const char *place_refusal(const struct steward_deposit *d,
                                 const struct release_request *r,
                                 int *status)
{
    *status = ERR_NOTFOUND;
    if (d == NULL || !d->has_manifest) {
        return "no manifest of that deposit is known here: check the deposit "
               "id, or wait until this steward has caught up with the others";
    }
    *status = ERR_MISMATCH;
    return digest_equal(&d->manifest_hash, &r->manifest_hash)
               ? NULL
               : "the request names another manifest than the one of that "
                 "deposit";
}

static void on_submit(struct steward *s,
                      uint64_t id,
                      const struct steward_client *c,
                      struct core_out *out)
{
    const struct steward_deposit *d = NULL;
    struct release_request r;
    struct digest release;
    const char *wrong;
    uint32_t index;
    struct key key;
    int status = release_request_decode(&r, c->bytes);

    if (status != OK) {
        reply(id, status, "these bytes are no request for a release", out);
        return;
    }
    release_id(&release, c->bytes);
    if (steward_release_find(s, &release) != NULL) {
        reply(id, OK, "", out);
        return;
    }
    index = steward_deposit_find(s, &r.deposit_id);
    d = index != STEWARD_NONE ? &s->deposits[index] : NULL;
    wrong = request_refusal(s, &r, &status);
    if (wrong == NULL) {
        wrong = append_refusal(s, &status);
    }
    if (wrong == NULL) {
        wrong = place_refusal(d, &r, &status);
    }
    if (wrong != NULL || d == NULL) {
        reply(id, status, wrong, out);
        return;
    }
    key = key_entry(&d->lab, d->incarnation, d->seq);
    wait_for(s, id, c, &release, &key, out);
}

/* The manifest is in s->manifest. */
static const char *manifest_refusal(const struct steward *s,
                                    const struct release_request *r)
{
    if (strcmp(s->manifest.label, r->label) != 0) {
        return "the request calls that deposit by another label than its "
               "manifest does";
    }
    return s->manifest.share_epoch == r->share_epoch
               ? NULL
               : "the request names another epoch of the key shares than the "
                 "manifest";
}

static void submit(struct steward *s,
                   const struct steward_client_slot *slot,
                   struct slice row,
                   struct core_out *out)
{
    struct slice request = slice_of(slot->bytes, slot->size);
    struct release_request r;
    struct feed_entry e;
    const char *wrong;
    int status = OK;
    int rv = release_request_decode(&r, request);

    assert(rv == OK);
    rv = feed_entry_decode(&e, row);
    assert(rv == OK);
    rv = manifest_decode(&s->manifest, &e.header.author, e.payload);
    assert(rv == OK);
    if (steward_release_find(s, &slot->release) != NULL) {
        reply(slot->id, OK, "", out);
        return;
    }
    wrong = append_refusal(s, &status);
    if (wrong == NULL) {
        status = ERR_MISMATCH;
        wrong = manifest_refusal(s, &r);
    }
    if (wrong == NULL && steward_release_add(s, s->self_member, &slot->release,
                                             &r, request, out) == NULL) {
        status = ERR_FULL;
        wrong = "as many requests as this steward may have submitted are "
                "still under way; wait until one is over, or submit at "
                "another steward";
    }
    if (wrong != NULL) {
        reply(slot->id, status, wrong, out);
        return;
    }
    steward_append(s, FEED_REQUEST, request, out);
    reply(slot->id, OK, "", out);
}

/* --- APPROVE, DENY ------------------------------------------------------- */

static void on_approve(struct steward *s,
                       uint64_t id,
                       const struct steward_client *c,
                       struct steward_release *r,
                       struct core_out *out)
{
    struct key key = key_request(&r->id);
    int status = OK;
    const char *wrong = append_refusal(s, &status);

    if (steward_release_is_over(s, r)) {
        reply(id, ERR_ORDER, "the time of that request is over", out);
    } else if (r->denied) {
        reply(id, ERR_DENIED,
              "this steward has denied that request, which is not taken back; "
              "the recipient may make a new one",
              out);
    } else if (wrong != NULL) {
        reply(id, status, wrong, out);
    } else {
        wait_for(s, id, c, &r->id, &key, out);
    }
}

/* Approving again has the custodian asked again, and nothing else. */
static void approve(struct steward *s,
                    const struct steward_client_slot *slot,
                    struct slice request,
                    struct core_out *out)
{
    uint64_t bit = (uint64_t)1 << s->self_member;
    struct release_approval a = {.release_id = slot->release,
                                 .sshsig = slice_of(slot->bytes, slot->size)};
    struct steward_release *r = steward_release_find(s, &slot->release);
    struct key key = key_approval(&slot->release, &s->config.self);
    uint8_t payload[RELEASE_PAYLOAD_MAX];
    size_t size = 0;
    int rv;

    if (r == NULL || r->denied || !steward_can_append(s)) {
        reply(slot->id, ERR_ORDER, "something else came first; look again",
              out);
        return;
    }
    if (!steward_approval_holds(s, request, a.sshsig, s->self_member)) {
        reply(slot->id, ERR_DENIED,
              "that is no signature over this request, in the namespace "
              "cairn-approval@v1, by an operator on this steward's card",
              out);
        return;
    }
    r->due = true;
    r->stuck = false;
    if ((r->approvals & bit) == 0) {
        rv = release_approval_encode(&a, payload, sizeof(payload), &size);
        assert(rv == OK);
        r->approvals |= bit;
        core_put(out, key_slice(&key), a.sshsig);
        steward_release_put(s, r, out);
        steward_append(s, FEED_APPROVAL, slice_of(payload, size), out);
    }
    reply(slot->id, OK, "", out);
}

static void deny(struct steward *s,
                 uint64_t id,
                 struct steward_release *r,
                 struct core_out *out)
{
    if (!r->denied) {
        r->denied = true;
        steward_release_put(s, r, out);
    }
    reply(id, OK, "", out);
}

/* --- Events -------------------------------------------------------------- */

void steward_on_client(struct steward *s,
                       const struct core_event *ev,
                       struct core_out *out)
{
    struct steward_client c;
    struct steward_release *r;
    int rv = steward_client_decode(&c, ev->bytes);

    if (rv != OK) {
        reply(ev->id, rv, "this steward does not understand that", out);
        return;
    }
    if (c.type == STEWARD_CLIENT_SUBMIT) {
        on_submit(s, ev->id, &c, out);
        return;
    }
    r = steward_release_find(s, &c.release_id);
    if (r == NULL) {
        reply(ev->id, ERR_NOTFOUND,
              "no such request is known here; it may not have arrived yet",
              out);
    } else if (c.type == STEWARD_CLIENT_APPROVE) {
        on_approve(s, ev->id, &c, r, out);
    } else {
        deny(s, ev->id, r, out);
    }
}

/* The row that a slot waits for. */
static const struct core_row *row_of(const struct steward *s,
                                     const struct steward_client_slot *slot,
                                     const struct core_event *ev)
{
    struct release_request r;
    struct key key = key_request(&slot->release);
    uint32_t index;

    if (slot->type == STEWARD_CLIENT_SUBMIT) {
        int rv = release_request_decode(&r, slice_of(slot->bytes, slot->size));

        assert(rv == OK);
        index = steward_deposit_find(s, &r.deposit_id);
        assert(index != STEWARD_NONE);
        key = key_entry(&s->deposits[index].lab, s->deposits[index].incarnation,
                        s->deposits[index].seq);
    }
    return steward_row_find(ev, &key);
}

bool steward_on_client_rows(struct steward *s,
                            const struct core_event *ev,
                            struct core_out *out)
{
    struct steward_client_slot *slot = NULL;
    const struct core_row *row;

    for (size_t i = 0; i < STEWARD_CLIENTS_MAX && slot == NULL; i++) {
        slot = s->clients[i].read == ev->id ? &s->clients[i] : NULL;
    }
    if (slot == NULL || ev->id == 0) {
        return false;
    }
    row = row_of(s, slot, ev);
    if (row == NULL && ev->status != 1) {
        return true;
    }
    slot->read = 0;
    if (row == NULL) {
        reply(slot->id, ERR_NOTFOUND, "that request is over and forgotten",
              out);
    } else if (slot->type == STEWARD_CLIENT_SUBMIT) {
        submit(s, slot, row->value, out);
    } else {
        approve(s, slot, row->value, out);
    }
    return true;
}
