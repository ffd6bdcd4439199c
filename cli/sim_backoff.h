/*
 * sim_backoff.h -- what `weir sim backoff` was asked for, and what came out.
 */
#ifndef WEIR_CLI_SIM_BACKOFF_H
#define WEIR_CLI_SIM_BACKOFF_H

#include <stdio.h>

#include "sim_aws.h"
#include "sim_plot.h"

enum { SIM_ROWS = 200 };

struct sim_backoff {
    size_t laws, law[SIM_LAWS_MAX];
    size_t rows;
    uint32_t clients[SIM_ROWS]; /* growing */
    uint32_t trials;
    uint64_t seed;
    weir_span base, cap, hop, hop_sd, service, timeout;
    uint32_t servers, queue;
    struct sim_aws_cell cell[SIM_LAWS_MAX][SIM_ROWS];
};

/* What is shown of a cell. */
enum sim_measure { SIM_CALLS, SIM_TIME, SIM_MEDIAN, SIM_MEASURES };
double sim_backoff_value(const struct sim_aws_cell *c, enum sim_measure m); /* times in ms */
const char *sim_measure_name(enum sim_measure m);                           /* "calls", ... */

/* "10,50,100", "10..190/10" or both, growing: how many went to out, or -EINVAL. */
int sim_clients_parse(const char *text, uint32_t out[SIM_ROWS]);

/* The base, the cap, the server and the seed: one line of text, without its end. */
void sim_backoff_world(const struct sim_backoff *b, char *out, size_t size);

/* Nonzero if not waiting at all wins in time because the server has no limit: to be told. */
int sim_backoff_unlimited(const struct sim_backoff *b);

void sim_backoff_table(FILE *to, const struct sim_backoff *b);
void sim_backoff_csv(FILE *to, const struct sim_backoff *b);
void sim_backoff_json(FILE *to, const struct sim_backoff *b);

/* A plot of one measure; `x` and `y` are room for its values, and must live as long as it. */
struct sim_backoff_room {
    double x[SIM_ROWS], y[SIM_LAWS_MAX][SIM_ROWS];
    char subtitle[200];
};
struct sim_plot sim_backoff_plot(const struct sim_backoff *b, enum sim_measure m,
                                 struct sim_backoff_room *room);

void sim_backoff_html(FILE *to, const struct sim_backoff *b);

#endif
