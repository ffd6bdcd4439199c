/*
 * chaos.c -- `weir chaos`: the command line, the help, the summary.
 *
 * The result is 0 after SIGINT or SIGTERM, 1 if it could not serve, 2 for a
 * command line that makes no sense.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "chaos.h"

enum chaos_flag {
    CHAOS_FLAG_HELP = 'h',
    CHAOS_FLAG_PORT = 'p',
    CHAOS_FLAG_QUIET = 'q',
    CHAOS_FLAG_HOST = 256,
    CHAOS_FLAG_SEED,
    CHAOS_FLAG_FAIL,
    CHAOS_FLAG_FIRST,
    CHAOS_FLAG_RATE,
    CHAOS_FLAG_CAPACITY,
    CHAOS_FLAG_LATENCY,
    CHAOS_FLAG_DOWN,
    CHAOS_FLAG_HEADER,
    CHAOS_FLAG_IDLE,
    CHAOS_FLAG_BODY,
    CHAOS_FLAG_CONNS
};

static const struct option chaos_longs[] = {
    {"help", no_argument, NULL, CHAOS_FLAG_HELP},
    {"host", required_argument, NULL, CHAOS_FLAG_HOST},
    {"port", required_argument, NULL, CHAOS_FLAG_PORT},
    {"quiet", no_argument, NULL, CHAOS_FLAG_QUIET},
    {"seed", required_argument, NULL, CHAOS_FLAG_SEED},
    {"fail", required_argument, NULL, CHAOS_FLAG_FAIL},
    {"first-n-fail", required_argument, NULL, CHAOS_FLAG_FIRST},
    {"rate-limit", required_argument, NULL, CHAOS_FLAG_RATE},
    {"capacity", required_argument, NULL, CHAOS_FLAG_CAPACITY},
    {"latency", required_argument, NULL, CHAOS_FLAG_LATENCY},
    {"down", required_argument, NULL, CHAOS_FLAG_DOWN},
    {"header-timeout", required_argument, NULL, CHAOS_FLAG_HEADER},
    {"idle-timeout", required_argument, NULL, CHAOS_FLAG_IDLE},
    {"max-body", required_argument, NULL, CHAOS_FLAG_BODY},
    {"max-connections", required_argument, NULL, CHAOS_FLAG_CONNS},
    {0},
};

static const char chaos_help[] =
    "usage: weir chaos [FLAGS]\n"
    "\n"
    "An HTTP/1.1 server that misbehaves on purpose.  Its first line on stdout is\n"
    "`listening http://HOST:PORT`; SIGINT or SIGTERM ends it, with a summary on stderr;\n"
    "SIGUSR1 writes there what every fiber waits for.\n"
    "\n"
    "where\n"
    "      --host ADDRESS        numeric address to listen on (127.0.0.1)\n"
    "  -p, --port PORT           0 picks a free one (0)\n"
    "  -q, --quiet               no summary\n"
    "\n"
    "faults\n"
    "      --seed N              another seed, other faults (1)\n"
    "      --fail LIST           shares of the attempts, e.g.\n"
    "                            503:30%,429:5%:retry-after=2,reset:3%,truncate:1%,hang:1%:30s,\n"
    "                            slow:5%:2s,drip,bad-chunk,bad-length\n"
    "                            A share left out is 1%.  400 to 599 answer that status;\n"
    "                            reset: a TCP reset, no answer; truncate: part of the body, then "
    "a\n"
    "                            close; hang: silence (30s); slow: a good answer late (2s); drip: "
    "a\n"
    "                            good answer in small pieces over a time (1s); bad-chunk: a "
    "broken\n"
    "                            chunk; bad-length: the body under too large a Content-Length\n"
    "      --first-n-fail N      the first N attempts at each path answer 503\n"
    "      --latency LOW..HIGH   time before each answer (none)\n"
    "      --capacity N          more than N requests at once: latency (20ms if none) x load / N\n"
    "      --rate-limit R[:B]    at most R (100/s), B at once (a tenth of a second's, at least "
    "1);\n"
    "                            429 with Retry-After beyond that\n"
    "      --down FOR@AT[/EVERY] 10s@30s: connections are refused for 10 s from 30 s after the\n"
    "                            start on; /60s: and again each 60 s; may be given 8 times\n"
    "\n"
    "patience\n"
    "      --header-timeout T    a request's head must be complete in it, else 408 (10s)\n"
    "      --idle-timeout T      a connection without a request is closed (60s)\n"
    "      --max-body SIZE       of a request; more is 413 (1M)\n"
    "      --max-connections N   more wait to be accepted (4096)\n"
    "\n"
    "paths\n"
    "  /bytes/N        N bytes: yes 0123456789abcde | head -c N\n"
    "  /status/CODE    {\"status\":CODE}\n"
    "  /delay/MS       late by MS milliseconds\n"
    "  /items?page=N   pages 1 to 20 of 50 items, `next` link and cursor (?cursor=cN)\n"
    "  /__stats        counters as JSON; ?paths=1 adds attempts and successes of each path\n"
    "  /__reset        forgets counters, attempts and Retry-Afters\n"
    "  anything else   printf '{\"path\":\"%s\",\"n\":%d}\\n' \"$path\" \"${#path}\"\n"
    "\n"
    "Determinism: the fault, the latency and the point of truncation are a pure function of\n"
    "(seed, path with query, attempt number).  Attempts are counted for each path from 1; "
    "requests\n"
    "that the rate limit or an outage refuses are no attempts.  So two clients that fetch the "
    "same\n"
    "paths meet the same faults, in whatever order they ask.  --rate-limit, --capacity and --down\n"
    "depend on time.  weir-chaos(1) has the formula.\n"
    "\n"
    "exit: 0 after a signal, 1 could not serve, 2 usage\n";

/* --- options ------------------------------------------------------------------------------- */

static int chaos_set_fail(const struct args *a, struct chaos_options *o)
{
    char why[200];

    if (chaos_spec_parse(a->value, &o->spec, why, sizeof why) < 0)
        return args_fail(a, "%s", why);
    return 0;
}

static int chaos_set_rate(const struct args *a, struct chaos_options *o)
{
    struct args_rate rate;
    int r = args_rate(a, &rate);
    uint64_t tenth;
    struct weir_rate try;

    if (r < 0)
        return r;
    tenth = (uint64_t)((double)rate.count * 1e8 / (double)rate.per);
    o->rate = (struct weir_rate_opts){
        .count = (uint32_t)rate.count,
        .period = rate.per,
        .burst = rate.burst ? rate.burst
                 : tenth    ? (uint32_t)tenth
                            : 1,
    };
    if (weir_rate_init(&try, &o->rate) < 0)
        return args_fail(a, "'%s': the burst takes too long to refill", a->value);
    return 0;
}

static int chaos_set_down(const struct args *a, struct chaos_options *o)
{
    if (o->downs == CHAOS_DOWNS_MAX)
        return args_fail(a, "'%s': at most %d of these", a->value, CHAOS_DOWNS_MAX);
    if (chaos_down_parse(a->value, &o->down[o->downs]) < 0)
        return args_fail(a,
                         "'%s' is not of the form 10s@30s or 10s@30s/60s, repeating after "
                         "more than it lasts",
                         a->value);
    o->downs++;
    return 0;
}

static int chaos_set_port(const struct args *a, struct chaos_options *o)
{
    uint64_t port;
    int r = args_uint(a, 0, 65535, &port);

    if (r == 0)
        o->port = (uint16_t)port;
    return r;
}

/* A number, or localhost: a name would have to be looked up. */
static int chaos_set_host(const struct args *a, struct chaos_options *o)
{
    struct in6_addr address;
    const char *host = strcmp(a->value, "localhost") == 0 ? "127.0.0.1" : a->value;

    if (inet_pton(AF_INET, host, &address) != 1 && inet_pton(AF_INET6, host, &address) != 1)
        return args_fail(a, "'%s' is not a numeric address such as 127.0.0.1 or ::1", host);
    o->host = host;
    return 0;
}

static int chaos_set(const struct args *a, int key, struct chaos_options *o)
{
    switch (key) {
    case CHAOS_FLAG_HOST:
        return chaos_set_host(a, o);
    case CHAOS_FLAG_PORT:
        return chaos_set_port(a, o);
    case CHAOS_FLAG_QUIET:
        o->quiet = 1;
        return 0;
    case CHAOS_FLAG_SEED:
        return args_uint(a, 0, UINT64_MAX, &o->seed);
    case CHAOS_FLAG_FAIL:
        return chaos_set_fail(a, o);
    case CHAOS_FLAG_FIRST:
        return args_uint(a, 0, UINT32_MAX, &o->first_n);
    case CHAOS_FLAG_RATE:
        return chaos_set_rate(a, o);
    case CHAOS_FLAG_CAPACITY:
        return args_uint(a, 1, 1000000, &o->capacity);
    case CHAOS_FLAG_LATENCY:
        return args_span_range(a, 0, &o->latency_low, &o->latency_high);
    case CHAOS_FLAG_DOWN:
        return chaos_set_down(a, o);
    case CHAOS_FLAG_HEADER:
        return args_span(a, 1, &o->header_timeout);
    case CHAOS_FLAG_IDLE:
        return args_span(a, 1, &o->idle_timeout);
    case CHAOS_FLAG_BODY:
        return args_size(a, 0, (uint64_t)1 << 40, &o->max_body);
    case CHAOS_FLAG_CONNS:
        return args_uint(a, 1, 1000000, &o->max_connections);
    default:
        return -EINVAL;
    }
}

/* 1: go on; 0: the help was wanted; negative: a message was printed. */
static int chaos_options_read(struct chaos_options *o, int argc, char **argv)
{
    struct args a;
    int key, r;

    args_init(&a, "weir chaos", "hp:q", chaos_longs, argc, argv);
    while ((key = args_next(&a)) > 0) {
        if (key == CHAOS_FLAG_HELP) {
            fputs(chaos_help, stdout);
            return 0;
        }
        if ((r = chaos_set(&a, key, o)) < 0)
            return r;
    }
    if (key < 0)
        return key;
    if (a.first < a.argc)
        return args_fail(&a, "unexpected '%s': it takes flags only; see weir chaos --help",
                         a.argv[a.first]);
    return 1;
}

/* --- running ------------------------------------------------------------------------------- */

static void chaos_summary(const struct chaos_server *s)
{
    const struct chaos_stats *t = &s->stats;
    const struct chaos_spec *spec = &s->opts.spec;

    fprintf(stderr,
            "weir chaos: %llu requests, %llu attempts, %llu answered well; %llu connections\n",
            (unsigned long long)t->requests, (unsigned long long)t->attempts,
            (unsigned long long)t->successes, (unsigned long long)t->connections);
    fprintf(stderr, "weir chaos: faults: first-n %llu, rate-limit %llu, down %llu",
            (unsigned long long)t->by_cause[CHAOS_BY_FIRST],
            (unsigned long long)t->by_cause[CHAOS_BY_RATE],
            (unsigned long long)t->by_cause[CHAOS_BY_DOWN]);
    for (size_t i = 0; i < spec->n; i++)
        fprintf(stderr, ", %s %llu", spec->fault[i].name, (unsigned long long)t->by_fault[i]);
    fprintf(stderr,
            "; bad requests %llu\nweir chaos: Retry-After violations: %llu of a path, "
            "%llu client-wide\n",
            (unsigned long long)t->bad_requests, (unsigned long long)t->early_path,
            (unsigned long long)t->early_client);
}

static void chaos_log(void *ctx, int level, const char *text)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "weir chaos: %s\n", text);
}

static int chaos_main(void *arg)
{
    return chaos_server_run(arg);
}

static int chaos_run(struct chaos_server *s)
{
    struct weir_config config = {.log = chaos_log, .catch_overflow = 1};
    sigset_t set;
    int r;

    /* From here on a signal waits for the fiber that asks for it. */
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    r = weir_run(&config, chaos_main, s);
    if (r == 0 && !s->opts.quiet)
        chaos_summary(s);
    chaos_stats_free(&s->stats);
    return r < 0 ? 1 : 0;
}

int cmd_chaos(int argc, char **argv)
{
    struct chaos_server *s = calloc(1, sizeof *s);
    int r;

    if (!s) {
        fprintf(stderr, "weir chaos: no memory\n");
        return 1;
    }
    s->opts = (struct chaos_options){
        .seed = 1,
        .host = "127.0.0.1",
        .header_timeout = WEIR_S(10),
        .idle_timeout = WEIR_S(60),
        .max_body = 1 << 20,
        .max_connections = 4096,
    };
    r = chaos_options_read(&s->opts, argc, argv);
    if (r > 0 && s->opts.rate.count)
        r = weir_rate_init(&s->rate, &s->opts.rate) < 0 ? -EINVAL : 1;
    if (r > 0)
        r = chaos_run(s);
    else if (r < 0)
        r = ARGS_EXIT_USAGE;
    free(s);
    return r;
}
