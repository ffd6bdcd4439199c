/*
 * http_fetch.c -- what a fetch costs: N requests for small files, J at once.
 *
 *     http_fetch URL-PREFIX [N [J]]     fetches PREFIX0 .. PREFIX99, again and again
 *
 * Prints one JSON line: wall and CPU time (user and system, of this process) a fetch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <weir/http.h>
#include <weir/run.h>
#include <weir/scope.h>

static struct {
    const char *prefix;
    long total, next, failed;
    int jobs;
    weir_http *client;
} bench;

static int bench_worker(void *arg)
{
    struct weir_http_resp resp = {0};
    char url[256];

    (void)arg;
    while (bench.next < bench.total) {
        struct weir_http_req req = {.url = url};

        snprintf(url, sizeof url, "%s%ld", bench.prefix, bench.next++ % 100);
        if (weir_http_do(bench.client, &req, &resp) < 0 || resp.status != 200)
            bench.failed++;
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
    for (int i = 0; i < bench.jobs && r == 0; i++)
        r = weir_go(s, bench_worker, NULL);
    r = r < 0 ? (void)weir_scope_close(&s), r : weir_scope_close(&s);
    weir_http_free(&bench.client);
    return r;
}

static double bench_seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    struct rusage u;
    weir_time start = weir_now();
    double wall, cpu;
    int r;

    if (argc < 2) {
        fputs("usage: http_fetch URL-PREFIX [N [J]]\n", stderr);
        return 2;
    }
    bench.prefix = argv[1];
    bench.total = argc > 2 ? atol(argv[2]) : 50000;
    bench.jobs = argc > 3 ? atoi(argv[3]) : 64;
    r = weir_run(NULL, bench_all, NULL);
    wall = (double)(weir_now() - start);
    getrusage(RUSAGE_SELF, &u);
    cpu = (bench_seconds(u.ru_utime) + bench_seconds(u.ru_stime)) * 1e9;
    printf("{\"name\":\"http_fetch\",\"n\":%ld,\"jobs\":%d,\"failed\":%ld,\"ns_op\":%.0f,"
           "\"cpu_ns_op\":%.0f,\"max_rss_kb\":%ld}\n",
           bench.total, bench.jobs, bench.failed, wall / (double)bench.total,
           cpu / (double)bench.total, u.ru_maxrss);
    return r < 0 || bench.failed ? 1 : 0;
}
