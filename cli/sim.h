/*
 * sim.h -- `weir sim`: what settings do, before anybody runs them.
 *
 * Each subcommand returns the exit code: 0; 1 when a file cannot be written;
 * 2 for a mistake on the command line; `explain --strict` 3 for a warning.
 */
#ifndef WEIR_CLI_SIM_H
#define WEIR_CLI_SIM_H

#include <stdio.h>

#include "args.h"

enum { SIM_EXIT_FILE = 1, SIM_EXIT_WARNED = 3 };

int sim_backoff(int argc, char **argv);
int sim_breaker(int argc, char **argv);
int sim_explain(int argc, char **argv);
int sim_limit(int argc, char **argv);
int sim_retry(int argc, char **argv);

/* A file to write, or NULL after a message. */
FILE *sim_open(const char *name);

/* 0, or negative after a message: something was not written. */
int sim_close(FILE *to, const char *name);

/* Colours and box drawing on stdout?  How many columns it has, 100 when that is not known. */
int sim_term_colour(void);
int sim_term_width(void);

#endif
