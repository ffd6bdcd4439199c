/*
 * sim_service.h -- a service, its clients' policy stacks, and something that goes wrong.
 *
 * Calls arrive at random (Poisson) at a rate, each at one of `instances`
 * client processes.  Each instance has a stack of its own; calls go through it
 * by weir_pass, the same code that serves real calls, on a simulated clock.
 * An attempt takes a hop to the server, which serves `servers` at a time for
 * an exponential time of mean `service`, in the order of arrival; `queue`
 * requests wait, more get an error at once; the answer takes a hop.  A client
 * that has given up does not tell the server: the request is served in vain.
 * A hedge in the stack is weir_hedged: its tries are calls of their own through
 * what stands right of it, by the library's own delay and budget; the first
 * success is the answer, the others are given up.
 *
 * From fault_at on, for fault_for, the fault hits `share` of what it touches:
 *
 *     DOWN    an attempt is refused (-ECONNREFUSED) when it arrives
 *     ERROR   it gets an error of the server's (class SERVER) when it arrives
 *     HANG    it is taken and never answered
 *     SLOW    serving takes `factor` times as long
 *     SURGE   calls arrive `factor` times as often (share is of no use)
 *
 * The same options and seed give the same calls at the same times to every stack.
 */
#ifndef WEIR_CLI_SIM_SERVICE_H
#define WEIR_CLI_SIM_SERVICE_H

#include "sim_expr.h"

enum sim_fault { SIM_DOWN, SIM_ERROR, SIM_HANG, SIM_SLOW, SIM_SURGE };

struct sim_service_opts {
    uint32_t rate_count; /* so many calls */
    weir_span rate_per;  /* in this time, on average */
    weir_span duration;  /* calls begin until then; the world runs on until they end */
    uint32_t instances, servers, queue;
    weir_span hop, service;
    uint32_t fault; /* enum sim_fault */
    uint32_t share; /* ppm */
    double factor;  /* of SLOW and SURGE */
    weir_span fault_at, fault_for;
    uint64_t seed;
};

#define SIM_SERVICE_CALLS 5000000 /* rate x duration at most */
#define SIM_GRACE WEIR_MIN(10)    /* a call that takes longer has no end */

enum { SIM_BUCKETS = 240 };

/* A span of time, 1/SIM_BUCKETS of the duration: what happened in it. */
struct sim_bucket {
    uint64_t sent;        /* attempts that arrived at the server */
    uint64_t calls, good; /* that began in it; of them, those that succeeded */
    double p50, p99;      /* ms from begin to end, of those; NaN: there are none */
};

struct sim_service_sum {
    uint64_t calls, good;             /* that began before the duration was over */
    uint64_t fault_calls, fault_good; /* of them, during the fault */
    uint64_t after_calls, after_good; /* after it */
    uint64_t sent, fault_sent;        /* attempts at the server, those during the fault */
    uint64_t local;                   /* calls that failed by a refusal of their own stack */
    uint64_t endless;                 /* calls that had no end */
    uint64_t served, vain;            /* requests served; those nobody waited for any more */
    double p50, p99, longest;         /* ms, of the calls that succeeded; NaN: none did */
    double peak, peak_after;          /* greatest load of a bucket, a second; after the fault */
    uint32_t waves;                   /* times the load passed 1.25 x rate after the fault */
    weir_span recovery;               /* see sim_service.c; WEIR_NEVER: it did not */
    struct sim_bucket bucket[SIM_BUCKETS];
};

/* Calls a second. */
double sim_service_rate(const struct sim_service_opts *o);

/* One stack in this world.  0; -ENOMEM; or the failure of the stack. */
int sim_service_run(const struct sim_service_opts *o, const struct sim_expr *stack,
                    struct sim_service_sum *out);

/* --- between sim_service.c and sim_service_sum.c --------------------------------------------- */

/* A call that is over. */
struct sim_record {
    weir_span begin, took; /* took: WEIR_NEVER without an end */
    uint8_t good, local;
};

/*
 * Fills what the records tell; sent, served and vain are there already.
 * Recovered: from then on at least 99 % of the calls of each bucket succeed,
 * and half of them within twice the median of the time before the fault.
 */
int sim_service_sum(const struct sim_service_opts *o, struct sim_record *record, size_t n,
                    struct sim_service_sum *out);

#endif
