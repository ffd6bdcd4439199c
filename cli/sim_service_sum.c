/*
 * sim_service_sum.c -- what the calls of a world tell, in numbers.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim_service.h"

double sim_service_rate(const struct sim_service_opts *o)
{
    return (double)o->rate_count * 1e9 / (double)o->rate_per;
}

static int sum_less(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int sum_by_begin(const void *a, const void *b)
{
    const struct sim_record *x = a, *y = b;

    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Of sorted values; NaN: there are none. */
static double sum_quantile(const double *value, size_t n, double q)
{
    return n ? value[(size_t)((double)(n - 1) * q + 0.5)] : NAN;
}

/* A call without an end counts as one that took as long as the world would have waited. */
static double sum_ms(const struct sim_record *r)
{
    return (double)(r->took == WEIR_NEVER ? SIM_GRACE : r->took) / 1e6;
}

static void sum_counts(const struct sim_service_opts *o, const struct sim_record *record, size_t n,
                       struct sim_service_sum *out)
{
    weir_span end = o->fault_at + o->fault_for;

    for (size_t i = 0; i < n; i++) {
        const struct sim_record *r = &record[i];
        int in = r->begin >= o->fault_at && r->begin < end, after = r->begin >= end;
        out->calls++;
        out->good += r->good;
        out->fault_calls += (uint64_t)in;
        out->fault_good += (uint64_t)(in && r->good);
        out->after_calls += (uint64_t)after;
        out->after_good += (uint64_t)(after && r->good);
        out->local += r->local;
        out->endless += r->took == WEIR_NEVER;
    }
}

/* The records of each bucket stand together: its numbers, with `room` for a bucket's times. */
static void sum_buckets(const struct sim_record *record, size_t n, weir_span width, double *room,
                        struct sim_service_sum *out)
{
    size_t i = 0;

    for (size_t b = 0; b < SIM_BUCKETS; b++) {
        struct sim_bucket *k = &out->bucket[b];
        size_t m = 0;
        for (; i < n && (size_t)(record[i].begin / width) == b; i++) {
            k->calls++;
            k->good += record[i].good;
            room[m++] = sum_ms(&record[i]);
        }
        qsort(room, m, sizeof *room, sum_less);
        k->p50 = sum_quantile(room, m, 0.5);
        k->p99 = sum_quantile(room, m, 0.99);
    }
}

static void sum_times(const struct sim_record *record, size_t n, double *room,
                      struct sim_service_sum *out)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++)
        if (record[i].good)
            room[m++] = sum_ms(&record[i]);
    qsort(room, m, sizeof *room, sum_less);
    out->p50 = sum_quantile(room, m, 0.5);
    out->p99 = sum_quantile(room, m, 0.99);
    out->longest = sum_quantile(room, m, 1);
}

static void sum_load(const struct sim_service_opts *o, weir_span width, struct sim_service_sum *out)
{
    double rate = sim_service_rate(o);
    weir_span end = o->fault_at + o->fault_for;
    int above = 0;

    for (size_t b = 0; b < SIM_BUCKETS; b++) {
        double load = (double)out->bucket[b].sent * 1e9 / (double)width;
        /* what is chance in a short bucket is no wave: four standard deviations */
        double much = rate * 1.25 + 4 * sqrt(rate * 1e9 / (double)width);
        out->peak = fmax(out->peak, load);
        if ((weir_span)b * width < end)
            continue;
        out->peak_after = fmax(out->peak_after, load);
        out->waves += load > much && !above;
        above = load > much;
    }
}

/* The median before the fault, ms; NaN: nothing was before it. */
static double sum_median_before(const struct sim_record *record, size_t n, weir_span at,
                                double *room)
{
    size_t m = 0;

    for (; m < n && record[m].begin < at; m++)
        room[m] = sum_ms(&record[m]);
    qsort(room, m, sizeof *room, sum_less);
    return sum_quantile(room, m, 0.5);
}

/* How many buckets tell enough: some two hundred calls. */
static size_t sum_group(const struct sim_service_opts *o, weir_span width)
{
    double n = ceil(200 * 1e9 / (sim_service_rate(o) * (double)width));
    size_t most = SIM_BUCKETS / 8;

    return n < 1 ? 1 : n > (double)most ? most : (size_t)n;
}

/* Is all well in the n buckets from b on?  `before`: the usual median. */
static int sum_well(const struct sim_service_sum *s, size_t b, size_t n, double before)
{
    double calls = 0, good = 0, median = 0;

    for (size_t i = b; i < b + n && i < SIM_BUCKETS; i++) {
        const struct sim_bucket *k = &s->bucket[i];
        calls += (double)k->calls;
        good += (double)k->good;
        median += k->calls ? k->p50 * (double)k->calls : 0;
    }
    /* without a time before there is nothing to compare with */
    return good >= 0.99 * calls && !(median > 2 * before * calls);
}

static weir_span sum_recovery(const struct sim_service_opts *o, weir_span width, double before,
                              const struct sim_service_sum *s)
{
    weir_span end = o->fault_at + o->fault_for;
    size_t group = sum_group(o, width);

    for (size_t b = SIM_BUCKETS - group + 1; b-- > 0;) {
        if ((weir_span)b * width < end)
            return 0;
        if (!sum_well(s, b, group, before))
            return b == SIM_BUCKETS - group ? WEIR_NEVER : (weir_span)(b + 1) * width - end;
    }
    return 0;
}

int sim_service_sum(const struct sim_service_opts *o, struct sim_record *record, size_t n,
                    struct sim_service_sum *out)
{
    weir_span width = (o->duration + SIM_BUCKETS - 1) / SIM_BUCKETS;
    double *room = malloc((n ? n : 1) * sizeof *room);

    if (!room)
        return -ENOMEM;
    if (n)
        qsort(record, n, sizeof *record, sum_by_begin);
    sum_counts(o, record, n, out);
    sum_buckets(record, n, width, room, out);
    sum_times(record, n, room, out);
    sum_load(o, width, out);
    out->recovery = sum_recovery(o, width, sum_median_before(record, n, o->fault_at, room), out);
    free(room);
    return 0;
}
