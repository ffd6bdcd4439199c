/*
 * main.c -- the tool: finds the subcommand and hands over.
 *
 * The exit code is the subcommand's; 2 if there is none of that name.
 */
#include <stdio.h>
#include <string.h>
#include <weir.h>

#include "args.h"

static const struct main_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} main_commands[] = {
    {"fetch", cmd_fetch, "fetch URLs: limits, retries, breakers; one JSON record each"},
    {"chaos", cmd_chaos, "an HTTP server that misbehaves on purpose, to try it all on"},
    {"sim", cmd_sim, "what settings of retries, breakers and limits do, before they run"},
};

enum { MAIN_COMMANDS = sizeof main_commands / sizeof *main_commands };

static void main_help(FILE *to)
{
    fprintf(to, "usage: weir COMMAND [FLAGS] ...\n\n");
    for (size_t i = 0; i < MAIN_COMMANDS; i++)
        fprintf(to, "  %-8s %s\n", main_commands[i].name, main_commands[i].what);
    fprintf(to, "\n"
                "  --help [COMMAND]   this, or the command's own help\n"
                "  --version          the version\n");
}

static const struct main_command *main_find(const char *name)
{
    for (size_t i = 0; i < MAIN_COMMANDS; i++)
        if (strcmp(main_commands[i].name, name) == 0)
            return &main_commands[i];
    return NULL;
}

static int main_unknown(const char *name)
{
    const char *names[MAIN_COMMANDS + 3];
    const char *guess;
    size_t n = 0;

    for (; n < MAIN_COMMANDS; n++)
        names[n] = main_commands[n].name;
    names[n++] = "--help";
    names[n++] = "--version";
    names[n] = NULL;
    guess = args_suggest(name, names);
    fprintf(stderr, "weir: unknown %s '%s'", name[0] == '-' ? "flag" : "command", name);
    if (guess)
        fprintf(stderr, "; did you mean '%s'?\n", guess);
    else
        fprintf(stderr, "; see weir --help\n");
    return ARGS_EXIT_USAGE;
}

/* weir help fetch is weir fetch --help */
static int main_help_for(const char *name)
{
    char command[16], help[] = "--help", *argv[] = {command, help, NULL};
    const struct main_command *c;

    if (!name) {
        main_help(stdout);
        return 0;
    }
    if (!(c = main_find(name)))
        return main_unknown(name);
    snprintf(command, sizeof command, "%s", name);
    return c->run(2, argv);
}

int main(int argc, char **argv)
{
    const struct main_command *c;

    if (argc < 2) {
        main_help(stderr);
        return ARGS_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return main_help_for(argv[2]);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("weir %s\n", weir_version());
        return 0;
    }
    if (!(c = main_find(argv[1])))
        return main_unknown(argv[1]);
    return c->run(argc - 1, argv + 1);
}
