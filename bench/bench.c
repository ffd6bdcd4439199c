/*
 * bench.c -- runs a workload and prints its line; bench.h says what is in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench.h"

enum { BENCH_REPEATS_MOST = 101, BENCH_ITEMS_LEAST = 64 };

volatile int64_t bench_sink;

struct bench_job {
    const struct bench_case *workload;
    double scale;
    int repeats;
};

void bench_check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

uint64_t bench_random(uint64_t *state, uint64_t n)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return ((x * 0x2545f4914f6cdd1d) >> 11) % n;
}

int64_t bench_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* --- what the kernel counts ----------------------------------------------- */

static double bench_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU seconds of everything on the machine, in steps of 10 ms; 0 if it cannot be read. */
static double bench_machine_cpu(void)
{
    double v[8] = {0};
    FILE *f = fopen("/proc/stat", "r");
    int n = f ? fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", v, v + 1, v + 2, v + 3, v + 4,
                       v + 5, v + 6, v + 7)
              : 0;

    if (f)
        fclose(f);
    return n == 8 ? (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / 100 : 0;
}

static long bench_status_kb(const char *key)
{
    char line[256];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            kb = atol(line + strlen(key));
    if (f)
        fclose(f);
    return kb;
}

/* --- one workload ---------------------------------------------------------- */

static int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double bench_median(const double *v, int n)
{
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static int bench_run(void *arg)
{
    struct bench_job *job = arg;
    const struct bench_case *w = job->workload;
    double wall[BENCH_REPEATS_MOST], cpu[BENCH_REPEATS_MOST], machine, own, others;
    long n = (long)((double)w->items * job->scale), items = 1, before, peak;
    int repeats = job->repeats ? job->repeats : w->repeats;
    int64_t start;

    n = n < BENCH_ITEMS_LEAST ? BENCH_ITEMS_LEAST : n;
    before = bench_status_kb("VmRSS:");
    w->run(n);
    peak = bench_status_kb("VmHWM:");
    start = bench_clock();
    machine = bench_machine_cpu();
    own = bench_cpu();
    for (int i = 0; i < repeats; i++) {
        double c0 = bench_cpu();
        int64_t t0 = bench_clock();

        items = w->run(n);
        wall[i] = (double)(bench_clock() - t0) / (double)items;
        cpu[i] = (bench_cpu() - c0) * 1e9 / (double)items;
    }
    others = bench_machine_cpu() - machine - (bench_cpu() - own);
    others = others * 1e11 / (double)(bench_clock() - start);
    qsort(wall, (size_t)repeats, sizeof *wall, bench_compare);
    qsort(cpu, (size_t)repeats, sizeof *cpu, bench_compare);
    printf("%s\t%.3f\t%ld\t%.3f\t%.3f\t%.3f\t%ld\t%.1f\t%d\t%.0f\n", w->name, wall[0], items,
           bench_median(wall, repeats), cpu[0], bench_median(cpu, repeats), peak,
           (double)(peak - before) * 1024 / (double)items, repeats, others > 0 ? others : 0);
    return 0;
}

/* --- the command line ------------------------------------------------------- */

static int bench_usage(const char *program)
{
    fprintf(stderr, "usage: %s list | run [--scale F] [--reps N] NAME ...\n", program);
    return 2;
}

static void bench_list(const struct bench_case *const *tables)
{
    for (; *tables; tables++)
        for (const struct bench_case *w = *tables; w->name; w++)
            puts(w->name);
}

static const struct bench_case *bench_find(const struct bench_case *const *tables, const char *name)
{
    for (; *tables; tables++)
        for (const struct bench_case *w = *tables; w->name; w++)
            if (strcmp(w->name, name) == 0)
                return w;
    return NULL;
}

int bench_main(int argc, char **argv, const struct bench_case *const *tables,
               int (*enter)(uint32_t loops, int (*fn)(void *), void *arg))
{
    struct bench_job job = {.scale = 1};
    int i = 2, r;

    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        bench_list(tables);
        return 0;
    }
    if (argc < 3 || strcmp(argv[1], "run") != 0)
        return bench_usage(argv[0]);
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--scale") == 0 && atof(argv[i + 1]) > 0)
            job.scale = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--reps") == 0 && atoi(argv[i + 1]) > 0 &&
                 atoi(argv[i + 1]) <= BENCH_REPEATS_MOST)
            job.repeats = atoi(argv[i + 1]);
        else
            return bench_usage(argv[0]);
    }
    for (; i < argc; i++) {
        job.workload = bench_find(tables, argv[i]);
        if (!job.workload) {
            fprintf(stderr, "%s: no workload %s; see `%s list`\n", argv[0], argv[i], argv[0]);
            return 2;
        }
        r = enter(job.workload->loops, bench_run, &job);
        bench_check(r == 0, "the workload's runtime failed");
    }
    return 0;
}
