/*
 * http_bench.h -- what bench-http-fetch and its floor share:
 *
 *     PROGRAM URL-PREFIX [N [J]]     N fetches of PREFIX0 .. PREFIX99, J at once
 *
 * and one JSON line: wall and CPU time (user and system, of this process) a fetch.
 */
#ifndef HTTP_BENCH_H
#define HTTP_BENCH_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { HTTP_BENCH_URL = 256 };

struct http_bench {
    const char *prefix;
    long total, next, failed;
    int jobs;
};

/* The next URL, if there is one left to fetch. */
static inline bool http_bench_next(struct http_bench *b, char url[HTTP_BENCH_URL])
{
    if (b->next >= b->total)
        return false;
    snprintf(url, HTTP_BENCH_URL, "%s%ld", b->prefix, b->next++ % 100);
    return true;
}

static inline double http_bench_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline double http_bench_cpu(const struct rusage *u)
{
    return ((double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e6 +
            (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec)) *
           1e3;
}

/* `run` does all of it; negative: it could not. */
static inline int http_bench_main(int argc, char **argv, struct http_bench *b, int (*run)(void))
{
    double start = http_bench_ns(), wall;
    struct rusage u;
    int r;

    b->total = argc > 2 ? atol(argv[2]) : 50000;
    b->jobs = argc > 3 ? atoi(argv[3]) : 64;
    if (argc < 2 || b->total < 1 || b->jobs < 1) {
        fprintf(stderr, "usage: %s URL-PREFIX [N [J]]\n", argv[0]);
        return 2;
    }
    b->prefix = argv[1];
    r = run();
    wall = http_bench_ns() - start;
    getrusage(RUSAGE_SELF, &u);
    printf("{\"name\":\"http_fetch\",\"n\":%ld,\"jobs\":%d,\"failed\":%ld,\"ns_op\":%.0f,"
           "\"cpu_ns_op\":%.0f,\"max_rss_kb\":%ld}\n",
           b->total, b->jobs, b->failed, wall / (double)b->total,
           http_bench_cpu(&u) / (double)b->total, u.ru_maxrss);
    return r < 0 || b->failed ? 1 : 0;
}

#endif
