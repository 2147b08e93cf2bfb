#include "sim/queue.h"

#include <stdlib.h>

const char *sim_type_name(enum sim_type type)
{
    static const char *const names[SIM_TYPES] = {
        [SIM_BOOT] = "boot",       [SIM_DURABLE] = "durable",
        [SIM_WAKE] = "wake",       [SIM_CHECKED] = "checked",
        [SIM_ROWS] = "rows",       [SIM_JOB] = "job",
        [SIM_CUSTODY] = "custody", [SIM_CLIENT] = "client",
        [SIM_UP] = "up",           [SIM_DOWN] = "down",
        [SIM_MSG] = "message",     [SIM_DATA] = "data",
        [SIM_SEEK] = "seek",       [SIM_ASK] = "ask",
        [SIM_DISK] = "disk",       [SIM_MOVER] = "mover",
        [SIM_STORY] = "story",     [SIM_LOSS] = "loss",
    };

    return names[type];
}

static bool comes_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->seq < b->seq;
}

static void swap(struct sim_event **a, struct sim_event **b)
{
    struct sim_event *t = *a;

    *a = *b;
    *b = t;
}

void sim_queue_push(struct sim_queue *q, struct sim_event *e)
{
    size_t at = q->len;

    if (q->len == q->max) {
        q->max = q->max == 0 ? 256 : 2 * q->max;
        q->events = realloc(q->events, q->max * sizeof(struct sim_event *));
        if (q->events == NULL) {
            abort();
        }
    }
    q->events[q->len++] = e;
    while (at > 0 && comes_before(q->events[at], q->events[(at - 1) / 2])) {
        swap(&q->events[at], &q->events[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

struct sim_event *sim_queue_pop(struct sim_queue *q)
{
    struct sim_event *first;
    size_t at = 0;

    if (q->len == 0) {
        return NULL;
    }
    first = q->events[0];
    q->events[0] = q->events[--q->len];
    for (;;) {
        size_t least = at;

        for (size_t i = 2 * at + 1; i <= 2 * at + 2 && i < q->len; i++) {
            least = comes_before(q->events[i], q->events[least]) ? i : least;
        }
        if (least == at) {
            return first;
        }
        swap(&q->events[at], &q->events[least]);
        at = least;
    }
}

void sim_queue_free(struct sim_queue *q)
{
    while (q->len > 0) {
        free(q->events[--q->len]);
    }
    free(q->events);
}
