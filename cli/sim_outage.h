/*
 * sim_outage.h -- `weir sim retry | breaker | limit`: settings side by side through one outage.
 */
#ifndef WEIR_CLI_SIM_OUTAGE_H
#define WEIR_CLI_SIM_OUTAGE_H

#include <stdio.h>

#include "sim_plot.h"
#include "sim_service.h"

enum { SIM_SETTINGS = 8, SIM_SETTING_TEXT = 1000, SIM_SETTING_NAME = 48 };

struct sim_setting {
    char name[SIM_SETTING_NAME]; /* what stood before ':', or else the text itself, cut */
    const char *given;           /* all of it; borrowed, and so is */
    const char *text;            /* the stack */
    struct sim_expr stack;
    struct sim_service_sum sum;
};

struct sim_outage {
    const char *command; /* "retry" */
    struct sim_service_opts o;
    size_t n;
    struct sim_setting setting[SIM_SETTINGS];
};

/*
 * "name: stack" or "stack" into the next setting.  0; -E2BIG: there are
 * SIM_SETTINGS already, or it is
 * longer than SIM_SETTING_TEXT; -EINVAL with *error, its column counted from the
 * beginning of `text`.
 */
int sim_outage_add(struct sim_outage *s, const char *text, struct sim_error *error);

/* The world in one line; the fault in words ("down", "slow 3x"). */
void sim_outage_world(const struct sim_outage *s, char *out, size_t size);
void sim_outage_fault(const struct sim_outage *s, char *out, size_t size);

/* Requests a second that the server can serve. */
double sim_outage_capacity(const struct sim_outage *s);

/* --- the numbers of a setting, as texts ---------------------------------------------------- */

enum { SIM_COLUMNS = 11 };
const char *sim_outage_head(size_t column);
/* Returns out. */
const char *sim_outage_cell(const struct sim_outage *s, size_t setting, size_t column, char *out,
                            size_t size);

void sim_outage_table(FILE *to, const struct sim_outage *s);
void sim_outage_csv(FILE *to, const struct sim_outage *s);
void sim_outage_json(FILE *to, const struct sim_outage *s);
void sim_outage_html(FILE *to, const struct sim_outage *s);

enum sim_view { SIM_LOAD, SIM_SUCCESS, SIM_LATENCY, SIM_VIEWS };
const char *sim_view_name(enum sim_view v); /* "load", ... */

struct sim_outage_room {
    double x[SIM_BUCKETS], y[SIM_SETTINGS][SIM_BUCKETS];
    char subtitle[240], fault[80];
};
struct sim_plot sim_outage_plot(const struct sim_outage *s, enum sim_view v,
                                struct sim_outage_room *room);

#endif
