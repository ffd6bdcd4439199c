/*
 * sim_backoff.c -- `weir sim backoff`: laws of backoff against each other, as clients grow.
 */
#include "sim_backoff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

static const char backoff_help[] =
    "usage: weir sim backoff [FLAGS]\n"
    "\n"
    "Clients contend to write one row, and back off when they lose: the world of the AWS\n"
    "post \"Exponential Backoff And Jitter\".  Prints the calls they make, and the time until\n"
    "all and until half of them are done, for every law.\n"
    "\n"
    "  -l, --laws LIST      aws, weir, libs, all, or names (aws)\n"
    "  -n, --clients LIST   10,50,100 or 10..190/10 (10..190/10)\n"
    "      --base DUR       (5ms) the first level is twice that, as in the post\n"
    "      --cap DUR        (2s)\n"
    "      --trials N       runs that are averaged (100)\n"
    "      --seed N         (1)\n"
    "      --hop DUR        mean of a hop, and --hop-sd DUR its deviation (10ms, 2ms)\n"
    "\n"
    "a server with a limit\n"
    "      --service DUR    a request takes so long (0: no time, any number at once)\n"
    "      --servers N      requests served at a time (1)\n"
    "      --queue N        requests that may wait, more are refused (any number)\n"
    "      --timeout DUR    after which a client gives up waiting and backs off (none)\n"
    "\n"
    "output\n"
    "      --json, --csv    instead of the tables\n"
    "      --plot           plots below the tables, in the terminal\n"
    "      --svg PREFIX     PREFIX-calls.svg, PREFIX-time.svg, PREFIX-median.svg\n"
    "      --html FILE      a report: one file, light and dark, no scripts\n"
    "\n"
    "laws\n";

enum {
    OPT_BASE = 256,
    OPT_CAP,
    OPT_TRIALS,
    OPT_SEED,
    OPT_HOP,
    OPT_HOP_SD,
    OPT_SERVICE,
    OPT_SERVERS,
    OPT_QUEUE,
    OPT_TIMEOUT,
    OPT_JSON,
    OPT_CSV,
    OPT_PLOT,
    OPT_SVG,
    OPT_HTML
};

static const struct option backoff_longs[] = {{"laws", required_argument, NULL, 'l'},
                                              {"clients", required_argument, NULL, 'n'},
                                              {"base", required_argument, NULL, OPT_BASE},
                                              {"cap", required_argument, NULL, OPT_CAP},
                                              {"trials", required_argument, NULL, OPT_TRIALS},
                                              {"seed", required_argument, NULL, OPT_SEED},
                                              {"hop", required_argument, NULL, OPT_HOP},
                                              {"hop-sd", required_argument, NULL, OPT_HOP_SD},
                                              {"service", required_argument, NULL, OPT_SERVICE},
                                              {"servers", required_argument, NULL, OPT_SERVERS},
                                              {"queue", required_argument, NULL, OPT_QUEUE},
                                              {"timeout", required_argument, NULL, OPT_TIMEOUT},
                                              {"json", no_argument, NULL, OPT_JSON},
                                              {"csv", no_argument, NULL, OPT_CSV},
                                              {"plot", no_argument, NULL, OPT_PLOT},
                                              {"svg", required_argument, NULL, OPT_SVG},
                                              {"html", required_argument, NULL, OPT_HTML},
                                              {"help", no_argument, NULL, 'h'},
                                              {0}};

struct backoff_wants {
    int json, csv, plot, help;
    const char *svg, *html;
};

static int backoff_laws(const struct args *a, struct sim_backoff *b)
{
    const char *guess = NULL;
    char bad[32];
    int n = sim_law_list(a->value, b->law, bad, &guess);

    if (n < 0 && guess)
        return args_fail(a, "unknown law '%s'; did you mean '%s'?", bad, guess);
    if (n < 0)
        return args_fail(a, "unknown law '%s'; see %s --help", bad, a->command);
    b->laws = (size_t)n;
    return 0;
}

static int backoff_clients(const struct args *a, struct sim_backoff *b)
{
    int n = sim_clients_parse(a->value, b->clients);

    if (n < 0)
        return args_fail(a,
                         "'%s' is not a growing list such as 10,50,100 or 10..190/10, of at most "
                         "%d numbers from 1 to %d",
                         a->value, SIM_ROWS, SIM_AWS_CLIENTS);
    b->rows = (size_t)n;
    return 0;
}

static int backoff_u32(const struct args *a, uint64_t max, uint32_t *out)
{
    uint64_t n;
    int r = args_uint(a, 1, max, &n);

    if (r == 0)
        *out = (uint32_t)n;
    return r;
}

static int backoff_output(struct backoff_wants *w, int key, const struct args *a)
{
    w->json |= key == OPT_JSON;
    w->csv |= key == OPT_CSV;
    w->plot |= key == OPT_PLOT;
    w->help |= key == 'h';
    if (key == OPT_SVG)
        w->svg = a->value;
    if (key == OPT_HTML)
        w->html = a->value;
    return 0;
}

static int backoff_option(struct sim_backoff *b, struct backoff_wants *w, int key,
                          const struct args *a)
{
    switch (key) {
    case 'l':
        return backoff_laws(a, b);
    case 'n':
        return backoff_clients(a, b);
    case OPT_BASE:
        return args_span(a, 1, &b->base);
    case OPT_CAP:
        return args_span(a, 1, &b->cap);
    case OPT_TRIALS:
        return backoff_u32(a, 1000000, &b->trials);
    case OPT_SEED:
        return args_uint(a, 0, UINT64_MAX, &b->seed);
    case OPT_HOP:
        return args_span(a, 0, &b->hop);
    case OPT_HOP_SD:
        return args_span(a, 0, &b->hop_sd);
    case OPT_SERVICE:
        return args_span(a, 0, &b->service);
    case OPT_SERVERS:
        return backoff_u32(a, 1000000, &b->servers);
    case OPT_QUEUE:
        return backoff_u32(a, 1000000000, &b->queue);
    case OPT_TIMEOUT:
        return args_span(a, 1, &b->timeout);
    default:
        return backoff_output(w, key, a);
    }
}

static int backoff_check(struct args *a, const struct sim_backoff *b)
{
    struct sim_rule rule;

    a->flag[0] = '\0';
    if (a->first < a->argc)
        return args_fail(a, "unexpected '%s': laws are given with --laws", a->argv[a->first]);
    if (b->base > b->cap)
        return args_fail(a, "--base is longer than --cap");
    for (size_t i = 0; i < b->laws; i++)
        if (sim_rule_init(&rule, b->law[i], b->base, b->cap) < 0)
            return args_fail(a, "--cap must be at most a day");
    if (!b->service && b->queue)
        return args_fail(a, "--queue needs --service");
    if (!b->hop && !b->hop_sd && !b->service)
        return args_fail(a, "--hop 0 needs --hop-sd or --service: nothing would take time");
    return 0;
}

/* --- running ------------------------------------------------------------------------------- */

static struct sim_aws_opts backoff_server(const struct sim_backoff *b)
{
    return (struct sim_aws_opts){.hop = (double)b->hop / 1e6,
                                 .hop_sd = (double)b->hop_sd / 1e6,
                                 .service = (double)b->service / 1e6,
                                 .servers = b->servers,
                                 .queue = b->queue,
                                 .timeout = (double)b->timeout / 1e6,
                                 .most_calls = 5000000};
}

static int backoff_run(struct sim_backoff *b)
{
    struct sim_aws *w = sim_aws_new(b->clients[b->rows - 1]);
    struct sim_aws_opts o = backoff_server(b);
    struct sim_rule rule;
    int r = w ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < b->laws; i++) {
        r = sim_rule_init(&rule, b->law[i], b->base, b->cap);
        for (size_t k = 0; r == 0 && k < b->rows; k++) {
            o.clients = b->clients[k];
            r = sim_aws_cell(w, &rule, &o, b->seed, b->trials, &b->cell[i][k]);
        }
    }
    sim_aws_free(&w);
    return r;
}

/* --- output -------------------------------------------------------------------------------- */

static int backoff_svg(const struct sim_backoff *b, const char *prefix,
                       struct sim_backoff_room *room)
{
    char name[4096];

    for (int m = 0; m < SIM_MEASURES; m++) {
        struct sim_plot p = sim_backoff_plot(b, (enum sim_measure)m, room);
        FILE *to;
        snprintf(name, sizeof name, "%s-%s.svg", prefix, sim_measure_name((enum sim_measure)m));
        if (!(to = sim_open(name)))
            return SIM_EXIT_FILE;
        sim_plot_svg(to, &p, 0);
        if (sim_close(to, name) < 0)
            return SIM_EXIT_FILE;
    }
    return 0;
}

static int backoff_html(const struct sim_backoff *b, const char *name)
{
    FILE *to = sim_open(name);

    if (!to)
        return SIM_EXIT_FILE;
    sim_backoff_html(to, b);
    return sim_close(to, name) < 0 ? SIM_EXIT_FILE : 0;
}

static int backoff_show(const struct sim_backoff *b, const struct backoff_wants *w)
{
    struct sim_backoff_room *room = calloc(1, sizeof *room);
    int code = 0;

    if (!room)
        return SIM_EXIT_FILE;
    if (w->json)
        sim_backoff_json(stdout, b);
    else if (w->csv)
        sim_backoff_csv(stdout, b);
    else
        sim_backoff_table(stdout, b);
    for (int m = 0; w->plot && m < SIM_MEASURES; m++) {
        struct sim_plot p = sim_backoff_plot(b, (enum sim_measure)m, room);
        printf("\n");
        sim_plot_text(stdout, &p, sim_term_width(), 18, sim_term_colour());
    }
    if (w->svg)
        code = backoff_svg(b, w->svg, room);
    if (w->html && code == 0)
        code = backoff_html(b, w->html);
    free(room);
    return code;
}

static void backoff_defaults(struct sim_backoff *b)
{
    const char *guess;
    char bad[32];

    b->laws = (size_t)sim_law_list("aws", b->law, bad, &guess);
    b->rows = (size_t)sim_clients_parse("10..190/10", b->clients);
    b->base = WEIR_MS(5);
    b->cap = WEIR_S(2);
    b->hop = WEIR_MS(10);
    b->hop_sd = WEIR_MS(2);
    b->trials = 100;
    b->servers = 1;
    b->seed = 1;
}

static void backoff_print_help(void)
{
    printf("%s", backoff_help);
    for (size_t i = 0; sim_law_name(i); i++)
        printf("  %-15s %s\n", sim_law_name(i), sim_law_what(i));
}

int sim_backoff(int argc, char **argv)
{
    struct sim_backoff *b = calloc(1, sizeof *b);
    struct backoff_wants wants = {.svg = NULL};
    struct args a;
    int key, code = ARGS_EXIT_USAGE;

    if (!b)
        return SIM_EXIT_FILE;
    backoff_defaults(b);
    args_init(&a, "weir sim backoff", "hl:n:", backoff_longs, argc, argv);
    while ((key = args_next(&a)) > 0)
        if ((key = backoff_option(b, &wants, key, &a)) < 0)
            break;
    if (key == 0 && wants.help) {
        backoff_print_help();
        code = 0;
    } else if (key == 0 && backoff_check(&a, b) == 0) {
        if (backoff_run(b) == 0) {
            code = backoff_show(b, &wants);
        } else {
            fprintf(stderr, "weir sim backoff: out of memory\n");
            code = SIM_EXIT_FILE;
        }
    }
    free(b);
    return code;
}
