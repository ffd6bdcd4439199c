/*
 * q5-dynamic.c -- jobs that lead to more jobs (the guide's question 5).
 *
 * What FuturesUnordered is elsewhere is a scope that keeps results: they come
 * as they are done, and whoever takes one may start another.  Where the list is
 * known, weir_buffer_unordered is shorter.
 */
#include <stdio.h>
#include <weir.h>

enum { JOBS = 16 };

/* A stand-in for work: n takes n ms, and its result is n. */
static int job(void *arg)
{
    int n = *(int *)arg, r = weir_sleep(weir_after(WEIR_MS(n)));

    return r < 0 ? r : n;
}

static int app(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.results = JOBS, .limit = 4});
    int number[JOBS] = {1, 2}, n = 0, r = 0, r_close;
    struct weir_done done;

    (void)arg;
    for (; n < 2 && r == 0; n++)
        r = weir_go(s, job, &number[n]);
    while (r == 0 && (r = weir_scope_next(s, &done, WEIR_NEVER)) > 0) {
        printf("done: %d\n", done.result);
        r = 0;
        if (done.result >= 0 && done.result < 5 && n < JOBS) {
            number[n] = done.result + 10;
            r = weir_go(s, job, &number[n++]);
        }
    }
    r_close = weir_scope_close(&s); /* nothing it started is left behind */
    return r < 0 ? r : r_close;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "dynamic: %s\n", weir_strerror(r));
    return r < 0;
}
