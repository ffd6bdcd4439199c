/*
 * sim_outage.c -- `weir sim retry | breaker | limit`: the same world, other settings to begin with.
 */
#include "sim_outage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static const struct outage_kind {
    const char *name, *what;
    enum sim_fault fault;
    double factor;
    const char *settings[6];
} outage_kinds[] = {
    {"retry",
     "What retries do to a server that is down, and to it when it comes back.",
     SIM_DOWN,
     1,
     {"no retry: timeout(each=1s)", "at once: retry(5, none) > timeout(each=1s)",
      "exponential: retry(9, exponential, 100ms..10s) > timeout(each=1s)",
      "full jitter: retry(9, full, 100ms..10s) > timeout(each=1s)",
      "with a budget: retry(9, full, 100ms..10s, budget=20%) > timeout(each=1s)"}},
    {"breaker",
     "What breakers save while a server hangs, and what they cost when it answers again.",
     SIM_HANG,
     1,
     {"no breaker: timeout(5s) > retry(3, 100ms..5s) > timeout(each=1s)",
      "5 in a row: timeout(5s) > retry(3, 100ms..5s) > breaker(5, 5s) > timeout(each=1s)",
      "half in 10s: timeout(5s) > retry(3, 100ms..5s) > breaker(50%/10s, 5s) > timeout(each=1s)",
      "opens for 30s: timeout(5s) > retry(3, 100ms..5s) > breaker(5, 30s) > timeout(each=1s)",
      "no retry: breaker(5, 5s) > timeout(each=1s)"}},
    {"limit",
     "What limits do when three times as many calls come as usual.",
     SIM_SURGE,
     3,
     {"no limit: timeout(each=1s)", "retries: retry(3, full, 100ms..5s) > timeout(each=1s)",
      "bulkhead: bulkhead(5, max_wait=200ms) > timeout(each=1s)",
      "rate: rate(140/s:20, max_wait=200ms) > timeout(each=1s)",
      "rate, then retry: retry(3, full, 100ms..5s) > rate(140/s:20, nowait) > timeout(each=1s)"}},
};

static const char outage_help[] =
    "A setting is a stack of policies, with a name before ':' if it shall have one; without\n"
    "settings, some to begin with are compared.  Each is put through the same calls:\n"
    "\n"
    "  weir sim %s 'mine: timeout(10s) > retry(4) > breaker(5, 10s) > timeout(each=1s)'\n"
    "\n"
    "the calls\n"
    "      --rate N/s         arriving at random (2000/s)\n"
    "      --instances N      client processes, each with a stack of its own (20)\n"
    "      --duration DUR     calls begin until then (120s)\n"
    "\n"
    "the server\n"
    "      --servers N        requests served at a time (30)\n"
    "      --service DUR      mean time of one (10ms), so 3,000 a second\n"
    "      --queue N          requests that may wait; more get an error (1000)\n"
    "      --hop DUR          from client to server, and back (1ms)\n"
    "\n"
    "what goes wrong\n"
    "      --fault KIND[:X]   down (refused at once), error, hang, each with a share such as\n"
    "                         error:30%%; slow:X or surge:X times (%s)\n"
    "      --at DUR           from when on (30s)\n"
    "      --for DUR          for how long (30s)\n"
    "      --seed N           (1)\n"
    "\n"
    "output\n"
    "      --json, --csv      instead of the table; the CSV is a line a setting and 1/240 of\n"
    "                         the duration\n"
    "      --plot             plots below the table, in the terminal\n"
    "      --svg PREFIX       PREFIX-load.svg, PREFIX-success.svg, PREFIX-latency.svg\n"
    "      --html FILE        a report: one file, light and dark, no scripts\n"
    "\n";

enum {
    OPT_RATE = 256,
    OPT_INSTANCES,
    OPT_DURATION,
    OPT_SERVERS,
    OPT_SERVICE,
    OPT_QUEUE,
    OPT_HOP,
    OPT_FAULT,
    OPT_AT,
    OPT_FOR,
    OPT_SEED,
    OPT_JSON,
    OPT_CSV,
    OPT_PLOT,
    OPT_SVG,
    OPT_HTML
};

static const struct option outage_longs[] = {{"rate", required_argument, NULL, OPT_RATE},
                                             {"instances", required_argument, NULL, OPT_INSTANCES},
                                             {"duration", required_argument, NULL, OPT_DURATION},
                                             {"servers", required_argument, NULL, OPT_SERVERS},
                                             {"service", required_argument, NULL, OPT_SERVICE},
                                             {"queue", required_argument, NULL, OPT_QUEUE},
                                             {"hop", required_argument, NULL, OPT_HOP},
                                             {"fault", required_argument, NULL, OPT_FAULT},
                                             {"at", required_argument, NULL, OPT_AT},
                                             {"for", required_argument, NULL, OPT_FOR},
                                             {"seed", required_argument, NULL, OPT_SEED},
                                             {"json", no_argument, NULL, OPT_JSON},
                                             {"csv", no_argument, NULL, OPT_CSV},
                                             {"plot", no_argument, NULL, OPT_PLOT},
                                             {"svg", required_argument, NULL, OPT_SVG},
                                             {"html", required_argument, NULL, OPT_HTML},
                                             {"help", no_argument, NULL, 'h'},
                                             {0}};

struct outage_wants {
    int json, csv, plot, help;
    const char *svg, *html;
};

/* --- options ------------------------------------------------------------------------------- */

/* 1.5, 3: a factor from 1 to 1000 with at most four decimals. */
static int outage_factor(const struct args *a, const char *text, double *out)
{
    char *end;
    double v = strspn(text, "0123456789.") == strlen(text) ? strtod(text, &end) : 0;

    if (!(v >= 1 && v <= 1000) || *end)
        return args_fail(a, "'%s': '%s' is not a factor from 1 to 1000", a->value, text);
    *out = v;
    return 0;
}

static int outage_fault(struct args *a, struct sim_service_opts *o)
{
    static const char *const kinds[] = {"down", "error", "hang", "slow", "surge", NULL};
    const char *whole = a->value, *colon = strchr(whole, ':');
    char word[32];
    int kind, r;

    snprintf(word, sizeof word, "%.*s", (int)(colon ? colon - whole : 31), whole);
    a->value = word;
    r = args_choice(a, kinds, &kind);
    a->value = whole;
    if (r < 0)
        return r;
    o->fault = (uint32_t)kind;
    o->share = 1000000;
    o->factor = 3;
    if (!colon)
        return 0;
    if (kind == SIM_SLOW || kind == SIM_SURGE)
        return outage_factor(a, colon + 1, &o->factor);
    if (args_parse_percent(colon + 1, &o->share) < 0)
        return args_fail(a, "'%s': '%s' is not a percentage from 0%% to 100%%", whole, colon + 1);
    return 0;
}

static int outage_rate(const struct args *a, struct sim_service_opts *o)
{
    struct args_rate rate;
    int r = args_rate(a, &rate);

    if (r < 0)
        return r;
    if (rate.burst)
        return args_fail(a, "'%s': calls arrive at random, there is no burst", a->value);
    o->rate_count = (uint32_t)rate.count;
    o->rate_per = rate.per;
    return 0;
}

static int outage_u32(const struct args *a, uint64_t min, uint64_t max, uint32_t *out)
{
    uint64_t n;
    int r = args_uint(a, min, max, &n);

    if (r == 0)
        *out = (uint32_t)n;
    return r;
}

static int outage_output(struct outage_wants *w, int key, const struct args *a)
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

static int outage_option(struct sim_service_opts *o, struct outage_wants *w, int key,
                         struct args *a)
{
    switch (key) {
    case OPT_RATE:
        return outage_rate(a, o);
    case OPT_INSTANCES:
        return outage_u32(a, 1, 10000, &o->instances);
    case OPT_DURATION:
        return args_span(a, WEIR_S(1), &o->duration);
    case OPT_SERVERS:
        return outage_u32(a, 1, 1000000, &o->servers);
    case OPT_SERVICE:
        return args_span(a, WEIR_US(1), &o->service);
    case OPT_QUEUE:
        return outage_u32(a, 0, 10000000, &o->queue);
    case OPT_HOP:
        return args_span(a, 0, &o->hop);
    case OPT_FAULT:
        return outage_fault(a, o);
    case OPT_AT:
        return args_span(a, 0, &o->fault_at);
    case OPT_FOR:
        return args_span(a, 0, &o->fault_for);
    case OPT_SEED:
        return args_uint(a, 0, UINT64_MAX, &o->seed);
    default:
        return outage_output(w, key, a);
    }
}

static int outage_check(struct args *a, const struct sim_service_opts *o)
{
    double factor = o->fault == SIM_SURGE ? o->factor : 1;

    a->flag[0] = '\0';
    if (o->duration > WEIR_MIN(1440))
        return args_fail(a, "--duration: at most a day");
    if (o->fault_at > o->duration || o->fault_for > o->duration - o->fault_at)
        return args_fail(a, "--at and --for reach beyond --duration");
    if (sim_service_rate(o) * factor * (double)o->duration / 1e9 > SIM_SERVICE_CALLS)
        return args_fail(a, "--rate and --duration make more than %d calls", SIM_SERVICE_CALLS);
    return 0;
}

/* --- settings ------------------------------------------------------------------------------ */

static int outage_settings(struct args *a, const struct outage_kind *kind, struct sim_outage *s)
{
    struct sim_error error;
    int r = 0;

    for (size_t i = 0; a->first == a->argc && i < 6 && kind->settings[i]; i++)
        if ((r = sim_outage_add(s, kind->settings[i], &error)) < 0)
            return r;
    for (int i = a->first; i < a->argc; i++) {
        r = sim_outage_add(s, a->argv[i], &error);
        if (r == -E2BIG)
            return args_fail(a, "more than %d settings, or one of more than %d characters",
                             SIM_SETTINGS, SIM_SETTING_TEXT);
        if (r < 0) {
            sim_error_show(stderr, a->command, a->argv[i], &error);
            return r;
        }
    }
    return 0;
}

static int outage_run(struct sim_outage *s)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < s->n; i++)
        r = sim_service_run(&s->o, &s->setting[i].stack, &s->setting[i].sum);
    if (r < 0)
        fprintf(stderr, "weir sim %s: %s\n", s->command, weir_strerror(r));
    return r;
}

/* --- output -------------------------------------------------------------------------------- */

static int outage_svg(const struct sim_outage *s, const char *prefix, struct sim_outage_room *room)
{
    char name[4096];

    for (int v = 0; v < SIM_VIEWS; v++) {
        struct sim_plot p = sim_outage_plot(s, (enum sim_view)v, room);
        FILE *to;
        snprintf(name, sizeof name, "%s-%s.svg", prefix, sim_view_name((enum sim_view)v));
        if (!(to = sim_open(name)))
            return SIM_EXIT_FILE;
        sim_plot_svg(to, &p, 0);
        if (sim_close(to, name) < 0)
            return SIM_EXIT_FILE;
    }
    return 0;
}

static int outage_html(const struct sim_outage *s, const char *name)
{
    FILE *to = sim_open(name);

    if (!to)
        return SIM_EXIT_FILE;
    sim_outage_html(to, s);
    return sim_close(to, name) < 0 ? SIM_EXIT_FILE : 0;
}

static int outage_show(const struct sim_outage *s, const struct outage_wants *w)
{
    struct sim_outage_room *room = calloc(1, sizeof *room);
    int code = 0;

    if (!room)
        return SIM_EXIT_FILE;
    if (w->json)
        sim_outage_json(stdout, s);
    else if (w->csv)
        sim_outage_csv(stdout, s);
    else
        sim_outage_table(stdout, s);
    for (int v = 0; w->plot && v < SIM_VIEWS; v++) {
        struct sim_plot p = sim_outage_plot(s, (enum sim_view)v, room);
        printf("\n");
        sim_plot_text(stdout, &p, sim_term_width(), 16, sim_term_colour());
    }
    if (w->svg)
        code = outage_svg(s, w->svg, room);
    if (w->html && code == 0)
        code = outage_html(s, w->html);
    free(room);
    return code;
}

static void outage_print_help(const struct outage_kind *kind)
{
    char fault[32] = "down";

    if (kind->fault == SIM_SURGE)
        snprintf(fault, sizeof fault, "surge:%g", kind->factor);
    if (kind->fault == SIM_HANG)
        snprintf(fault, sizeof fault, "hang");
    printf("usage: weir sim %s [FLAGS] [SETTING ...]\n\n%s\n\n", kind->name, kind->what);
    printf(outage_help, kind->name, fault);
    printf("%s", sim_expr_help);
}

static int outage_main(const struct outage_kind *kind, struct sim_outage *s, int argc, char **argv)
{
    struct outage_wants wants = {.svg = NULL};
    char command[32];
    struct args a;
    int key;

    snprintf(command, sizeof command, "weir sim %s", kind->name);
    args_init(&a, command, "h", outage_longs, argc, argv);
    while ((key = args_next(&a)) > 0)
        if ((key = outage_option(&s->o, &wants, key, &a)) < 0)
            break;
    if (key < 0)
        return ARGS_EXIT_USAGE;
    if (wants.help) {
        outage_print_help(kind);
        return 0;
    }
    if (outage_check(&a, &s->o) < 0 || outage_settings(&a, kind, s) < 0)
        return ARGS_EXIT_USAGE;
    return outage_run(s) < 0 ? SIM_EXIT_FILE : outage_show(s, &wants);
}

static int outage_of(const struct outage_kind *kind, int argc, char **argv)
{
    struct sim_outage *s = calloc(1, sizeof *s);
    int code;

    if (!s)
        return SIM_EXIT_FILE;
    s->command = kind->name;
    s->o = (struct sim_service_opts){.rate_count = 2000,
                                     .rate_per = WEIR_S(1),
                                     .duration = WEIR_S(120),
                                     .instances = 20,
                                     .servers = 30,
                                     .queue = 1000,
                                     .hop = WEIR_MS(1),
                                     .service = WEIR_MS(10),
                                     .fault = kind->fault,
                                     .share = 1000000,
                                     .factor = kind->factor,
                                     .fault_at = WEIR_S(30),
                                     .fault_for = WEIR_S(30),
                                     .seed = 1};
    code = outage_main(kind, s, argc, argv);
    free(s);
    return code;
}

int sim_retry(int argc, char **argv)
{
    return outage_of(&outage_kinds[0], argc, argv);
}

int sim_breaker(int argc, char **argv)
{
    return outage_of(&outage_kinds[1], argc, argv);
}

int sim_limit(int argc, char **argv)
{
    return outage_of(&outage_kinds[2], argc, argv);
}
