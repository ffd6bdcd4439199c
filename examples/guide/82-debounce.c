/*
 * 82-debounce.c -- the last event of a burst, once it is over (the guide's
 * chapter 8.2).
 *
 * No timer runs while nothing is pending, so an idle debounce is a parked fiber
 * and nothing else.  A burst that will not end is cut by max_wait, and when the
 * source has ended nobody waits for more: its last value comes at once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <weir.h>

struct event {
    int n;
};

/* A burst of `n` events, one each 50 ms. */
static int burst(weir_generator *g, int first, int n)
{
    int r = 0;

    for (struct event e = {first}; e.n < first + n && r >= 0; e.n++)
        if ((r = weir_emit(g, &e)) >= 0)
            r = weir_sleep(weir_after(WEIR_MS(50)));
    return r;
}

static int typing(weir_generator *g, void *ctx)
{
    int r;

    (void)ctx;
    if ((r = burst(g, 0, 10)) < 0 || (r = weir_sleep(weir_after(WEIR_S(60)))) < 0 ||
        (r = burst(g, 10, 30)) < 0 || (r = weir_sleep(weir_after(WEIR_S(60)))) < 0)
        return r;
    r = burst(g, 40, 3);
    return r < 0 ? r : 0; /* and it ends in the middle of a burst */
}

static int app(void *arg)
{
    weir_stream *s = weir_generate(typing, NULL, WEIR_TYPE(struct event));
    weir_time start = weir_now();
    struct weir_shape_stats stats;
    struct event e;
    int r;

    (void)arg;
    s = weir_debounce(
        s, &(struct weir_debounce_opts){.quiet = WEIR_MS(310), .max_wait = WEIR_MS(1020)});
    while ((r = weir_next(s, &e)) > 0)
        printf("%6" PRId64 " ms: event_%d\n", (weir_now() - start) / WEIR_MS(1), e.n);
    printf("%6" PRId64 " ms: the end\n", (weir_now() - start) / WEIR_MS(1));
    weir_shape_stats(s, &stats);
    printf("%" PRIu64 " events in, %" PRIu64 " out, %" PRIu64 " replaced by a newer one\n",
           stats.in, stats.out, stats.replaced);
    weir_stream_close(&s);
    return r;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "debounce: %s\n", weir_strerror(r));
    return r < 0;
}
