/*
 * q3-backpressure.c -- is there backpressure? (the guide's question 3)
 *
 * How full a queue is at some instant says little: one that is always full and
 * one in which nobody ever waits look alike.  What counts is how long senders
 * have been parked, and receivers: the side that waits is the faster one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <weir.h>

enum { ITEMS = 100 };

struct run {
    weir_chan *ch;
    weir_span produce, consume;
};

static int producer(void *arg)
{
    struct run *run = arg;
    int r = 1;

    for (int i = 0; i < ITEMS && r > 0; i++)
        if ((r = weir_sleep(weir_after(run->produce))) == 0)
            r = weir_send(run->ch, &i, WEIR_NEVER);
    return r < 0 ? r : 0;
}

static int consumer(void *arg)
{
    struct run *run = arg;
    int item, r;

    while ((r = weir_recv(run->ch, &item, WEIR_NEVER)) > 0)
        if ((r = weir_sleep(weir_after(run->consume))) < 0)
            break;
    return r;
}

static int64_t percent(weir_span part, weir_span whole)
{
    return whole > 0 ? part * 100 / whole : 0;
}

static int measure(const char *what, weir_span produce, weir_span consume)
{
    struct run run = {weir_chan_new(WEIR_TYPE(int), 32), produce, consume};
    weir_scope *s = weir_scope_open(NULL);
    weir_time start = weir_now();
    struct weir_chan_stats stats;
    int r, r_close;

    if ((r = weir_go_with(s, consumer, &run, &(struct weir_go_opts){.drains = run.ch})) < 0 ||
        (r = weir_go_with(s, producer, &run, &(struct weir_go_opts){.feeds = run.ch})) < 0)
        weir_scope_cancel(s, r);
    r_close = weir_scope_close(&s);
    weir_chan_stats(run.ch, &stats);
    printf("%s: senders waited %" PRId64 " %% of the time, receivers %" PRId64
           " %%; at most %zu of %zu queued\n",
           what, percent(stats.blocked_send, weir_now() - start),
           percent(stats.blocked_recv, weir_now() - start), stats.high_water, stats.capacity);
    weir_chan_free(&run.ch);
    return r < 0 ? r : r_close;
}

static int app(void *arg)
{
    int r;

    (void)arg;
    if ((r = measure("a slow consumer", WEIR_MS(2), WEIR_MS(11))) < 0)
        return r;
    return measure("a slow producer", WEIR_MS(11), WEIR_MS(2));
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "backpressure: %s\n", weir_strerror(r));
    return r < 0;
}
