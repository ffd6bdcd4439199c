/*
 * http_fetch.c -- what a fetch costs; http_bench.h has its command line and its result.
 */
#include <weir/http.h>
#include <weir/run.h>
#include <weir/scope.h>

#include "http_bench.h"

static struct {
    struct http_bench job;
    weir_http *client;
} bench;

static int bench_worker(void *arg)
{
    struct weir_http_resp resp = {0};
    char url[HTTP_BENCH_URL];

    (void)arg;
    while (http_bench_next(&bench.job, url)) {
        struct weir_http_req req = {.url = url};

        if (weir_http_do(bench.client, &req, &resp) < 0 || resp.status != 200)
            bench.job.failed++;
    }
    weir_http_close(&resp);
    return 0;
}

static int bench_all(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    int r = 0;

    (void)arg;
    bench.client = weir_http_new(NULL);
    for (int i = 0; i < bench.job.jobs && r == 0; i++)
        r = weir_go(s, bench_worker, NULL);
    r = r < 0 ? (void)weir_scope_close(&s), r : weir_scope_close(&s);
    weir_http_free(&bench.client);
    return r;
}

static int bench_run(void)
{
    return weir_run(NULL, bench_all, NULL);
}

int main(int argc, char **argv)
{
    return http_bench_main(argc, argv, &bench.job, bench_run);
}
