/*
 * twenty.c -- 20 jobs, 4 at once, 3 tries with backoff, 500 ms in all, the
 * first error, ordered results.  Every job fails its first try.
 */
#include <errno.h>
#include <stdio.h>
#include <weir.h>

static int job(void *ctx, void *in, void *out)
{
    int r = weir_sleep(weir_after(WEIR_MS(5)));

    (void)ctx;
    if (r < 0)
        return r;
    if (weir_try_info().attempt == 1)
        return -ECONNRESET;
    *(int *)out = *(int *)in * 10;
    return 1;
}

/* clang-format off */
static int app(void *arg)
{
    int in[20], out[20]; size_t n = 0;
    for (int i = 0; i < 20; i++) in[i] = i;
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 3, .base = WEIR_MS(10), .jitter = WEIR_JITTER_FULL));
    weir_stream *s = weir_par_map(weir_array(in, 20, WEIR_TYPE(int)), job, NULL, WEIR_TYPE(int),
        &(struct weir_par_opts){ .limit = 4, .ordered = 1, .policy = p, .deadline = weir_after(WEIR_MS(500)) });
    int r = weir_collect(&s, out, 20, &n);   /* closes s; n results also on failure */
    weir_policy_free(&p);
    *(size_t *)arg = n;
    for (size_t i = 0; i < n; i++) printf("%d ", out[i]);
    return r;
}
/* clang-format on */

int main(void)
{
    size_t n = 0;
    int r = weir_run(NULL, app, &n);

    printf("\n%zu results: %s\n", n, weir_strerror(r));
    return r < 0;
}
