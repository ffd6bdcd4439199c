/*
 * ends_more.c -- sums, and a stream that runs by itself in a scope.
 */
#include <string.h>

#include "stream/items.h"

/* --- sums ---------------------------------------------------------------------- */

static int ends_add(void *ctx, void *in, void *acc)
{
    int64_t *sum = acc;

    (void)ctx;
    return __builtin_add_overflow(*sum, *(int64_t *)in, sum) ? -ERANGE : 1;
}

/* Neumaier's: what an addition loses is kept beside the sum. */
static int ends_add_double(void *ctx, void *in, void *acc)
{
    double *sum = acc, x = *(double *)in, t = sum[0] + x;
    double big = sum[0], small = x;

    (void)ctx;
    if (__builtin_fabs(x) > __builtin_fabs(sum[0])) {
        big = x;
        small = sum[0];
    }
    if (__builtin_isfinite(t))
        sum[1] += (big - t) + small;
    sum[0] = t;
    return 1;
}

static int ends_sum(weir_stream **s, size_t size, weir_fn *fn, void *acc, const void *out)
{
    int r = s ? weir_stream_error(*s) : -EINVAL;

    if (r == 0 && !out)
        r = -EINVAL;
    if (r == 0 && (*s)->type.size != size)
        r = WEIR_ETYPE;
    if (r < 0 && s)
        weir_stream_close(s);
    return r < 0 ? r : weir_fold(s, fn, NULL, acc);
}

int weir_sum(weir_stream **s, int64_t *sum)
{
    int64_t acc = 0;
    int r = ends_sum(s, sizeof acc, ends_add, &acc, sum);

    if (r == 0)
        *sum = acc;
    return r;
}

int weir_sum_double(weir_stream **s, double *sum)
{
    double acc[2] = {0, 0};
    int r = ends_sum(s, sizeof *acc, ends_add_double, acc, sum);

    if (r == 0)
        *sum = acc[0] + acc[1];
    return r;
}

/* --- in the background ------------------------------------------------------------- */

struct ends_runner {
    weir_stream *s;
    weir_fn *fn;
    void *ctx;
};

static int ends_run(void *arg)
{
    struct ends_runner run = *(struct ends_runner *)arg;

    weir__free(arg, sizeof run);
    return run.fn ? weir_for_each(&run.s, run.fn, run.ctx) : weir_drain(&run.s);
}

int weir_go_for_each(weir_scope *scope, weir_stream *s, weir_fn *fn, void *ctx)
{
    struct ends_runner init = {s, fn, ctx}, *run = NULL;
    int r = weir_stream_error(s);

    if (r == 0)
        run = weir__self_new(&init, sizeof init);
    if (r == 0)
        r = run ? weir_go_with(scope, ends_run, run, &(struct weir_go_opts){.name = "for_each"})
                : -ENOMEM;
    if (r < 0) {
        if (run)
            weir__free(run, sizeof *run);
        weir_stream_close(&s);
    }
    return r;
}
