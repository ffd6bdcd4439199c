/*
 * sim_aws.h -- the world of "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
 *
 * N clients each commit one write to one row under optimistic locking, and
 * stop.  A hop takes |Normal(hop, hop_sd)| ms.  A client reads the version,
 * writes with it, and if the version has moved on waits out its backoff and
 * reads again.  calls are writes at the server, time is when the last success
 * was delivered.  The post's server answers everything at once: who never
 * waits then wins in time.  With `service` it does not: `servers` at a time
 * each take that long for a read or a write, `queue` requests may wait and
 * more are refused at once, and a client that has waited `timeout` for an
 * answer backs off -- its request is served nevertheless.
 *
 * One seed, law, number of clients and trial is one run, whatever else is run.
 */
#ifndef WEIR_CLI_SIM_AWS_H
#define WEIR_CLI_SIM_AWS_H

#include "sim_laws.h"

struct sim_aws_opts {
    uint32_t clients;    /* 1 .. SIM_AWS_CLIENTS */
    double hop, hop_sd;  /* ms */
    double service;      /* ms a request; 0: no time, and any number at once */
    uint32_t servers;    /* with service: 1 or more */
    uint32_t queue;      /* with service: requests that may wait; 0: any number */
    double timeout;      /* ms; 0: none */
    uint64_t most_calls; /* a run that makes more is given up; 0: 100 million */
};

#define SIM_AWS_CLIENTS 100000

struct sim_aws_run {
    double time;            /* ms: the last client's success */
    double median;          /* ms: the median client's */
    uint64_t calls;         /* writes at the server */
    uint64_t lost;          /* of them, those whose version had moved on */
    uint64_t requests;      /* reads and writes at the server */
    uint64_t refused, late; /* by a full queue; given up by the client */
    int endless;            /* it was given up */
};

/* Room for runs of up to so many clients; NULL: no memory. */
struct sim_aws;
struct sim_aws *sim_aws_new(uint32_t clients);
void sim_aws_free(struct sim_aws **w);

/* One run; `clients` of the options is at most that of sim_aws_new.  0, or -ENOMEM. */
int sim_aws_run(struct sim_aws *w, const struct sim_rule *rule, const struct sim_aws_opts *o,
                uint64_t seed, uint32_t trial, struct sim_aws_run *out);

/* --- many runs ----------------------------------------------------------------------------- */

struct sim_stat {
    double mean, sd; /* sd of one run; 0 with a single one */
};

struct sim_aws_cell {
    uint32_t clients, trials;
    struct sim_stat calls, time, median;
    double requests, refused, late; /* means */
    int endless;                    /* at least one run was given up */
};

/* Trials 0 .. trials - 1.  0, or -ENOMEM. */
int sim_aws_cell(struct sim_aws *w, const struct sim_rule *rule, const struct sim_aws_opts *o,
                 uint64_t seed, uint32_t trials, struct sim_aws_cell *out);

#endif
