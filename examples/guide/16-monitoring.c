/*
 * 16-monitoring.c -- a pipeline that says where it waits (the guide's code
 * example 16).
 *
 * A full queue is no sign of trouble; waiting is.  Every channel sums up how
 * long its senders and receivers were parked, so backpressure is a time, not a
 * guess from the length at some instant.  The monitor ends with the pipeline.
 */
#include <errno.h>
#include <stdio.h>
#include <weir.h>

enum { ITEMS = 300 };

struct pipeline {
    weir_chan *raw, *cooked;
    struct weir_event done;
    weir_time start;
    int made, transformed, used;
};

static int produce(void *arg) /* as fast as it may */
{
    struct pipeline *p = arg;
    int r = 1;

    for (; p->made < ITEMS && r > 0; p->made += r > 0)
        r = weir_send(p->raw, &p->made, WEIR_NEVER);
    return r < 0 ? r : 0;
}

static int transform(void *arg) /* 5 ms an item */
{
    struct pipeline *p = arg;
    int item, r;

    while ((r = weir_recv(p->raw, &item, WEIR_NEVER)) > 0) {
        if ((r = weir_sleep(weir_after(WEIR_MS(5)))) < 0 ||
            (r = weir_send(p->cooked, &item, WEIR_NEVER)) < 0)
            break;
        p->transformed++;
    }
    return r;
}

static int use(void *arg) /* 10 ms an item: this is the slowest */
{
    struct pipeline *p = arg;
    int item, r;

    while ((r = weir_recv(p->cooked, &item, WEIR_NEVER)) > 0) {
        if ((r = weir_sleep(weir_after(WEIR_MS(10)))) < 0)
            break;
        p->used++;
    }
    weir_event_set(&p->done);
    return r;
}

static void report(const struct pipeline *p)
{
    struct weir_chan_stats raw, cooked;

    weir_chan_stats(p->raw, &raw);
    weir_chan_stats(p->cooked, &cooked);
    printf("%4d ms: made %d, transformed %d, used %d; waited to send: %d ms, %d ms\n",
           (int)((weir_now() - p->start) / WEIR_MS(1)), p->made, p->transformed, p->used,
           (int)(raw.blocked_send / WEIR_MS(1)), (int)(cooked.blocked_send / WEIR_MS(1)));
}

/* Every 999 ms, which is no instant at which anything else happens. */
static int monitor(void *arg)
{
    struct pipeline *p = arg;
    int r;

    while ((r = weir_event_wait(&p->done, weir_after(WEIR_MS(999)))) == -ETIMEDOUT)
        report(p);
    return r;
}

/* Who feeds and who drains a channel is said at the start: so its ends are known. */
static int run(struct pipeline *p)
{
    weir_scope *s = weir_scope_open(NULL);
    int r, r_close;

    if ((r = weir_go_with(s, use, p, &(struct weir_go_opts){.drains = p->cooked})) < 0 ||
        (r = weir_go_with(s, transform, p,
                          &(struct weir_go_opts){.drains = p->raw, .feeds = p->cooked})) < 0 ||
        (r = weir_go_with(s, produce, p, &(struct weir_go_opts){.feeds = p->raw})) < 0 ||
        (r = weir_go(s, monitor, p)) < 0)
        weir_scope_cancel(s, r);
    r_close = weir_scope_close(&s);
    report(p);
    return r < 0 ? r : r_close;
}

static int app(void *arg)
{
    struct pipeline p = {.raw = weir_chan_new(WEIR_TYPE(int), 32),
                         .cooked = weir_chan_new(WEIR_TYPE(int), 16),
                         .start = weir_now()};
    int r;

    (void)arg;
    weir_event_init(&p.done);
    r = run(&p);
    weir_chan_free(&p.cooked);
    weir_chan_free(&p.raw);
    return r;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "monitoring: %s\n", weir_strerror(r));
    return r < 0;
}
