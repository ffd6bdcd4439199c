/*
 * 17-fan-out.c -- one list, several workers, one list of results (the guide's
 * code example 17).
 *
 * Nobody gets a fixed share: who is free takes the next item, so a slow one
 * holds up one worker and no item behind it.  weir_par_map is all it takes;
 * weir_balance and weir_merge are for workers with something of their own.  A
 * worker that fails is a failure of the whole, not a gap in the results.
 */
#include <stdio.h>
#include <weir.h>

enum { WORKERS = 4, SLOW = 1 };

struct result {
    int64_t item;
    int worker;
};

static int process(int64_t item)
{
    return weir_sleep(weir_after(item == SLOW ? WEIR_S(1) : WEIR_MS(50))); /* one takes longer */
}

static int job(void *ctx, void *in, void *out)
{
    struct result *result = out;
    int r;

    (void)ctx;
    *result = (struct result){*(int64_t *)in, 0};
    r = process(result->item);
    return r < 0 ? r : 1;
}

/* Runs it, and counts the items, each of which has to be there once. */
static int gather(const char *what, weir_stream *s, int n)
{
    weir_time start = weir_now();
    int seen = 0, done[WORKERS] = {0}, slow = 0, r;
    struct result result;
    int64_t sum = 0;

    while ((r = weir_next(s, &result)) > 0) {
        seen++;
        sum += result.item;
        done[result.worker]++;
        if (result.item == SLOW)
            slow = result.worker;
    }
    weir_stream_close(&s);
    printf("%s: %d results in %d ms, %s\n", what, seen, (int)((weir_now() - start) / WEIR_MS(1)),
           sum == (int64_t)n * (n + 1) / 2 ? "none is missing" : "some are missing");
    if (done[slow] > 0 && done[slow] < seen / WORKERS)
        puts("  the one with the slow item did fewer than the others");
    return r;
}

static int by_par_map(int n)
{
    weir_stream *s =
        weir_buffer_unordered(weir_range(1, n + 1), job, NULL, WEIR_TYPE(struct result), WORKERS);

    return gather("par_map", s, n);
}

/* A worker is a stage of its own on its branch, and signs its results. */
static int worker_job(void *ctx, void *in, void *out)
{
    int r = job(NULL, in, out);

    ((struct result *)out)->worker = *(int *)ctx;
    return r;
}

static int by_workers(int n)
{
    weir_stream *branch[WORKERS];
    int id[WORKERS];

    weir_balance(weir_range(1, n + 1), WORKERS, 0, branch); /* a failure is in the branches */
    for (int i = 0; i < WORKERS; i++) {
        id[i] = i;
        branch[i] = weir_then(branch[i], worker_job, &id[i], WEIR_TYPE(struct result));
    }
    return gather("workers", weir_merge(branch, WORKERS, NULL), n);
}

static int app(void *arg)
{
    static const int sizes[] = {100, 5, 0};
    int r = 0;

    (void)arg;
    for (int i = 0; i < 3 && r == 0; i++)
        if ((r = by_par_map(sizes[i])) == 0)
            r = by_workers(sizes[i]);
    return r;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "fan-out: %s\n", weir_strerror(r));
    return r < 0;
}
