/*
 * 06-ordered-or-not.c -- results in the order of the input, or as they are done
 * (the guide's code example 6).
 *
 * Order costs time only where the window is no larger than the limit: then a
 * result that waits for its turn holds a place in which another job could run.
 * weir_buffered has a window of four times the limit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <weir.h>

enum { JOBS = 6, LIMIT = 3 };

/* Odd ones take about 50 ms, even ones about 200 ms; no two end at the same instant. */
static int variable_delay(void *ctx, void *in, void *out)
{
    int64_t id = *(int64_t *)in;
    int r = weir_sleep(weir_after(WEIR_MS((id % 2 == 0 ? 200 : 50) + id)));

    (void)ctx;
    *(int64_t *)out = id;
    return r < 0 ? r : 1;
}

/* Runs a stream to its end; each of them with a clock of its own. */
static int measure(const char *name, weir_stream *s)
{
    weir_time start = weir_now();
    int64_t id;
    int r;

    printf("%-24s", name);
    while ((r = weir_next(s, &id)) > 0)
        printf(" %" PRId64 "@%03" PRId64, id, (weir_now() - start) / WEIR_MS(1));
    printf("  in %" PRId64 " ms\n", (weir_now() - start) / WEIR_MS(1));
    weir_stream_close(&s);
    return r;
}

static weir_stream *jobs(void)
{
    return weir_range(1, JOBS + 1);
}

static int app(void *arg)
{
    struct weir_type id = WEIR_TYPE(int64_t);
    struct weir_par_opts narrow = {.limit = LIMIT, .window = LIMIT, .ordered = 1};
    int r;

    (void)arg;
    r = measure("ordered, window 3", weir_par_map(jobs(), variable_delay, NULL, id, &narrow));
    if (r == 0)
        r = measure("ordered (buffered)", weir_buffered(jobs(), variable_delay, NULL, id, LIMIT));
    if (r == 0)
        r = measure("as done (unordered)",
                    weir_buffer_unordered(jobs(), variable_delay, NULL, id, LIMIT));
    return r;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "ordered-or-not: %s\n", weir_strerror(r));
    return r < 0;
}
