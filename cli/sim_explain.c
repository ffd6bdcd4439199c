/*
 * sim_explain.c -- `weir sim explain`: what a stack can cost at worst, and
 * what looks wrong with it, in the words of weir_policy_explain.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "sim_expr.h"
#include "sim_text.h"

static const char explain_help[] =
    "usage: weir sim explain [FLAGS] STACK ...\n"
    "\n"
    "Says what a stack of policies does, what it can cost at worst (attempts, time,\n"
    "amplification), and what looks wrong with its order and numbers.\n"
    "\n"
    "  weir sim explain 'retry(5, full, 100ms..30s) > breaker(5, 30s) > rate(100/s)'\n"
    "\n"
    "      --strict       exit 3 if there is a warning: for a check before a commit\n"
    "      --json         one object a stack: text, warnings\n"
    "\n";

enum { OPT_STRICT = 256, OPT_JSON };

static const struct option explain_longs[] = {{"strict", no_argument, NULL, OPT_STRICT},
                                              {"json", no_argument, NULL, OPT_JSON},
                                              {"help", no_argument, NULL, 'h'},
                                              {0}};

static void explain_json(const char *stack, const char *text, int lint)
{
    char line[256];
    const char *at = text, *end;
    int first = 1;

    printf("{\"stack\":");
    sim_text_json(stdout, stack);
    printf(",\"text\":");
    sim_text_json(stdout, text);
    printf(",\"lint\":%d,\"warnings\":[", lint);
    for (; (end = strchr(at, '\n')); at = end + 1)
        if (strncmp(at, "warning: ", 9) == 0) {
            snprintf(line, sizeof line, "%.*s", (int)(end - at - 9), at + 9);
            printf("%s", first ? "" : ",");
            sim_text_json(stdout, line);
            first = 0;
        }
    printf("]}\n");
}

/* The lint bits, or negative after a message. */
static int explain_one(const char *text, int json)
{
    struct sim_expr e;
    struct sim_error error;
    char words[8192];
    int r = sim_expr_parse(text, &e, &error), lint = 0;

    if (r < 0) {
        sim_error_show(stderr, "weir sim explain", text, &error);
        return r;
    }
    r = sim_stack_explain(&e, words, sizeof words, &lint);
    if (r < 0)
        fprintf(stderr, "weir sim explain: %s: %s\n", text, weir_strerror(r));
    else if (json)
        explain_json(text, words, lint);
    else
        fputs(words, stdout);
    return r < 0 ? r : lint;
}

int sim_explain(int argc, char **argv)
{
    int key, strict = 0, json = 0, lint = 0, r;
    struct args a;

    args_init(&a, "weir sim explain", "h", explain_longs, argc, argv);
    while ((key = args_next(&a)) > 0) {
        strict |= key == OPT_STRICT;
        json |= key == OPT_JSON;
        if (key == 'h') {
            printf("%s%s", explain_help, sim_expr_help);
            return 0;
        }
    }
    if (key < 0)
        return ARGS_EXIT_USAGE;
    if (a.first == argc) {
        args_fail(&a, "no stack given, such as 'retry(3) > timeout(each=1s)'");
        return ARGS_EXIT_USAGE;
    }
    for (int i = a.first; i < argc; i++) {
        if (i > a.first && !json)
            printf("\n");
        if (a.argc - a.first > 1 && !json)
            printf("# %s\n", a.argv[i]);
        if ((r = explain_one(a.argv[i], json)) < 0)
            return ARGS_EXIT_USAGE;
        lint |= r;
    }
    return strict && lint ? SIM_EXIT_WARNED : 0;
}
