#include <stdlib.h>
#include <time.h>

#include "node/admin/admin_state.h"

/* A snapshot of what the machine knows goes to the pool, and an answer comes
 * back. Jobs that need the index take turns at it. */

struct admin_job {
    uv_work_t work;
    struct admin *admin;
    struct admin_request *request; /* NULL: nobody waits any longer. */
    struct admin_view view;
    struct admin_answer answer;
};

static void job_free(struct admin_job *j)
{
    free(j->view.status);
    free(j->view.deposits);
    free(j->view.releases);
    admin_answer_free(&j->answer);
    free(j);
}

/* --- On the pool --------------------------------------------------------- */

static void view_answer(const struct admin_view *v, struct admin_answer *a)
{
    switch (v->route) {
    case ADMIN_STATUS:
        admin_answer_status(v, a);
        break;
    case ADMIN_DEPOSITS:
        admin_answer_deposits(v, a);
        break;
    case ADMIN_DEPOSIT:
        admin_answer_deposit(v, a);
        break;
    case ADMIN_CERTIFICATE:
        admin_answer_certificate(v, a);
        break;
    case ADMIN_RELEASES:
        admin_answer_releases(v, a);
        break;
    case ADMIN_RELEASE:
        admin_answer_release(v, a);
        break;
    case ADMIN_REQUEST:
        admin_answer_request(v, a);
        break;
    case ADMIN_TICKET:
        admin_answer_ticket(v, a);
        break;
    case ADMIN_SUBMIT:
    case ADMIN_APPROVE:
    case ADMIN_DENY:
        assert(false); /* For the machine. */
    }
}

static void job_run(uv_work_t *work)
{
    struct admin_job *j = work->data;
    struct admin_view *v = &j->view;
    char errmsg[ERRMSG_SIZE];
    int rv = OK;

    /* What cannot be read is said to be unknown. */
    v->receipts_read = admin_receipts_look(v->receipts, errmsg) == OK;
    if (v->index != NULL) {
        rv = admin_index_look(v->index, v->deposits, v->deposits_len, errmsg);
    }
    if (rv == OK) {
        view_answer(v, &j->answer);
    } else {
        admin_answer_error(&j->answer, admin_code_of(rv), rv, errmsg);
    }
}

/* --- On the loop --------------------------------------------------------- */

/* Whoever waits longest for the index is next. */
static void index_next(struct admin *a)
{
    struct admin_request *r = a->waiting;

    while (r != NULL && (r->post || r->job != NULL)) {
        r = r->next;
    }
    if (r != NULL && !a->index_busy && !a->closing) {
        admin_get(r);
    }
}

static void job_done(uv_work_t *work, int status)
{
    struct admin_job *j = work->data;
    struct admin *a = j->admin;
    struct admin_request *r = j->request;

    assert(status == 0); /* Never cancelled. */
    (void)status;
    a->jobs--;
    if (j->view.index != NULL) {
        a->index_busy = false;
    }
    if (r != NULL) {
        r->job = NULL;
        admin_waiting_take(a, r);
        r->answer = j->answer;
        memset(&j->answer, 0, sizeof(j->answer));
        admin_http_answered(r);
    }
    job_free(j);
    index_next(a);
    admin_close_if_done(a);
}

static void *list_new(size_t len, size_t size)
{
    void *list = calloc(len > 0 ? len : 1, size);

    if (list == NULL) {
        abort();
    }
    return list;
}

static void view_take(const struct admin *a, struct admin_view *v)
{
    const struct admin_calls *calls = &a->config.calls;
    void *arg = a->config.arg;

    if (v->route == ADMIN_STATUS) {
        v->status = list_new(1, sizeof(*v->status));
        calls->on_status(arg, v->status);
        calls->on_count(arg, &v->counts);
    }
    v->deposits_len = calls->on_deposits(arg);
    v->deposits = list_new(v->deposits_len, sizeof(*v->deposits));
    for (size_t i = 0; i < v->deposits_len; i++) {
        calls->on_deposit(arg, i, &v->deposits[i]);
    }
    v->releases_len = calls->on_releases(arg);
    v->releases = list_new(v->releases_len, sizeof(*v->releases));
    for (size_t i = 0; i < v->releases_len; i++) {
        calls->on_release(arg, i, &v->releases[i]);
    }
}

void admin_get(struct admin_request *r)
{
    struct admin *a = r->admin;
    bool index = r->route != ADMIN_STATUS;
    time_t now = time(NULL);
    struct admin_job *j;

    if (!r->suspended) {
        admin_waiting_put(a, r);
    }
    if (index && a->index_busy) {
        return;
    }
    j = list_new(1, sizeof(*j));
    j->work.data = j;
    j->admin = a;
    j->request = r;
    j->view.config = &a->config;
    j->view.receipts = a->receipts;
    j->view.now_s = now > 0 ? (uint64_t)now : 0;
    j->view.route = r->route;
    j->view.id = r->id;
    j->view.has_after = r->has_after;
    if (index) {
        j->view.index = a->index;
        a->index_busy = true;
    }
    view_take(a, &j->view);
    r->job = j;
    a->jobs++;
    if (uv_queue_work(a->config.loop, &j->work, job_run, job_done) != 0) {
        abort(); /* Only for want of arguments. */
    }
}

void admin_get_abandon(struct admin_request *r)
{
    if (r->job != NULL) {
        r->job->request = NULL;
        r->job = NULL;
    }
}
