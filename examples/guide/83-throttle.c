/*
 * 83-throttle.c -- the newest value, at most once a period (the guide's chapter
 * 8.3).
 *
 * Periods are measured from start to start, so they stay on a grid however long
 * the handler takes: 20 of them in two seconds, not 19.  The first value goes
 * at once, the newest of a period at its end; the others are counted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <weir.h>

/* A sensor that speaks every 7 ms for about two seconds. */
static int sensor(weir_generator *g, void *ctx)
{
    int r = 0;

    (void)ctx;
    for (int value = 0; value < 285 && r >= 0; value++)
        if ((r = weir_emit(g, &value)) >= 0)
            r = weir_sleep(weir_after(WEIR_MS(7)));
    return r < 0 ? r : 0;
}

static int app(void *arg)
{
    weir_stream *s = weir_generate(sensor, NULL, WEIR_TYPE(int));
    weir_time start = weir_now();
    struct weir_shape_stats stats;
    int value, r;

    (void)arg;
    s = weir_throttle(s, &(struct weir_throttle_opts){.period = WEIR_MS(100)});
    while ((r = weir_next(s, &value)) > 0) {
        printf("%5" PRId64 " ms: %d\n", (weir_now() - start) / WEIR_MS(1), value);
        if ((r = weir_sleep(weir_after(WEIR_MS(4)))) < 0) /* the handler's own time */
            break;
    }
    weir_shape_stats(s, &stats);
    printf("%" PRIu64 " in = %" PRIu64 " out + %" PRIu64 " replaced + %" PRIu64 " refused\n",
           stats.in, stats.out, stats.replaced, stats.refused);
    weir_stream_close(&s);
    return r;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "throttle: %s\n", weir_strerror(r));
    return r < 0;
}
