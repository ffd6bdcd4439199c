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

int sim_explain(int argc, char **argv);

#endif
