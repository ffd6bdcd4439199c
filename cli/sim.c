/*
 * sim.c -- `weir sim`: finds the subcommand and hands over.
 */
#include "sim.h"

#include <string.h>

static const struct sim_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} sim_commands[] = {
    {"backoff", sim_backoff, "laws of backoff against each other, as clients grow"},
    {"retry", sim_retry, "settings of retries side by side, through an outage"},
    {"breaker", sim_breaker, "settings of breakers, while a server hangs"},
    {"limit", sim_limit, "rates and bulkheads, while too much comes"},
    {"explain", sim_explain, "what a stack can cost at worst, and what looks wrong with it"},
};

enum { SIM_COMMANDS = sizeof sim_commands / sizeof *sim_commands };

static void sim_help(FILE *to)
{
    fprintf(to,
            "usage: weir sim COMMAND [FLAGS] ...\n"
            "\n"
            "A discrete-event simulator that runs the library's own policies: what settings do,\n"
            "before anybody runs them.  The same seed gives the same numbers.\n"
            "\n");
    for (size_t i = 0; i < SIM_COMMANDS; i++)
        fprintf(to, "  %-8s %s\n", sim_commands[i].name, sim_commands[i].what);
    fprintf(to, "\n  weir sim COMMAND --help has the flags\n");
}

static int sim_unknown(const char *name)
{
    const char *names[SIM_COMMANDS + 2];
    const char *guess;
    size_t n = 0;

    for (; n < SIM_COMMANDS; n++)
        names[n] = sim_commands[n].name;
    names[n++] = "--help";
    names[n] = NULL;
    guess = args_suggest(name, names);
    fprintf(stderr, "weir sim: unknown %s '%s'", name[0] == '-' ? "flag" : "command", name);
    if (guess)
        fprintf(stderr, "; did you mean '%s'?\n", guess);
    else
        fprintf(stderr, "; see weir sim --help\n");
    return ARGS_EXIT_USAGE;
}

int cmd_sim(int argc, char **argv)
{
    if (argc < 2) {
        sim_help(stderr);
        return ARGS_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        sim_help(stdout);
        return 0;
    }
    for (size_t i = 0; i < SIM_COMMANDS; i++)
        if (strcmp(sim_commands[i].name, argv[1]) == 0)
            return sim_commands[i].run(argc - 1, argv + 1);
    return sim_unknown(argv[1]);
}
