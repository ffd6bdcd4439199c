/*
 * fetch_opts.c -- the command line of `weir fetch`.
 *
 * Every flag covers one field of fetch_opts or fetch_policy; whatever is
 * wrong with one is said in a line that names it.  Nothing is opened here but
 * the file of `--data @FILE`.
 */
#include "fetch.h"

#include "args.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weir/net.h>

enum {
    OPTS_PER_HOST = 256,
    OPTS_RATE,
    OPTS_PER_HOST_RATE,
    OPTS_RETRY,
    OPTS_RETRY_ON,
    OPTS_RETRY_POST,
    OPTS_BACKOFF,
    OPTS_JITTER,
    OPTS_RETRY_AFTER,
    OPTS_RA_SCOPE,
    OPTS_CONNECT,
    OPTS_TTFB,
    OPTS_TIMEOUT,
    OPTS_DEADLINE,
    OPTS_BREAKER,
    OPTS_BREAKER_OPEN,
    OPTS_BREAKER_ACTION,
    OPTS_BODY,
    OPTS_MAX_BODY,
    OPTS_COMPRESSED,
    OPTS_CACERT,
    OPTS_DNS,
    OPTS_HALT,
    OPTS_SEED,
    OPTS_QUIET,
    OPTS_BAR,
    OPTS_DRY_RUN,
    OPTS_KEEP_ORDER,
    OPTS_WINDOW,
    OPTS_HELP,
    OPTS_VERSION
};

static const struct option opts_long[] = {
    {"jobs", required_argument, NULL, 'j'},
    {"per-host", required_argument, NULL, OPTS_PER_HOST},
    {"rate", required_argument, NULL, OPTS_RATE},
    {"per-host-rate", required_argument, NULL, OPTS_PER_HOST_RATE},
    {"window", required_argument, NULL, OPTS_WINDOW},
    {"keep-order", no_argument, NULL, OPTS_KEEP_ORDER},
    {"retry", required_argument, NULL, OPTS_RETRY},
    {"retry-on", required_argument, NULL, OPTS_RETRY_ON},
    {"retry-post", no_argument, NULL, OPTS_RETRY_POST},
    {"backoff", required_argument, NULL, OPTS_BACKOFF},
    {"jitter", required_argument, NULL, OPTS_JITTER},
    {"retry-after", required_argument, NULL, OPTS_RETRY_AFTER},
    {"retry-after-scope", required_argument, NULL, OPTS_RA_SCOPE},
    {"max-time", required_argument, NULL, 'm'},
    {"connect-timeout", required_argument, NULL, OPTS_CONNECT},
    {"ttfb-timeout", required_argument, NULL, OPTS_TTFB},
    {"timeout", required_argument, NULL, OPTS_TIMEOUT},
    {"deadline", required_argument, NULL, OPTS_DEADLINE},
    {"breaker", required_argument, NULL, OPTS_BREAKER},
    {"breaker-open", required_argument, NULL, OPTS_BREAKER_OPEN},
    {"breaker-action", required_argument, NULL, OPTS_BREAKER_ACTION},
    {"output", required_argument, NULL, 'o'},
    {"body-dir", required_argument, NULL, 'O'},
    {"body", required_argument, NULL, OPTS_BODY},
    {"max-body", required_argument, NULL, OPTS_MAX_BODY},
    {"request", required_argument, NULL, 'X'},
    {"header", required_argument, NULL, 'H'},
    {"data", required_argument, NULL, 'd'},
    {"user-agent", required_argument, NULL, 'A'},
    {"location", no_argument, NULL, 'L'},
    {"insecure", no_argument, NULL, 'k'},
    {"compressed", no_argument, NULL, OPTS_COMPRESSED},
    {"cacert", required_argument, NULL, OPTS_CACERT},
    {"dns-servers", required_argument, NULL, OPTS_DNS},
    {"proxy", required_argument, NULL, 'x'},
    {"halt", required_argument, NULL, OPTS_HALT},
    {"seed", required_argument, NULL, OPTS_SEED},
    {"quiet", no_argument, NULL, OPTS_QUIET},
    {"bar", no_argument, NULL, OPTS_BAR},
    {"dry-run", no_argument, NULL, OPTS_DRY_RUN},
    {"help", no_argument, NULL, OPTS_HELP},
    {"version", no_argument, NULL, OPTS_VERSION},
    {NULL, 0, NULL, 0},
};

static void opts_defaults(struct fetch_opts *o)
{
    const char *bad;
    size_t bad_len;
    struct timespec ts;
    memset(o, 0, sizeof *o);
    clock_gettime(CLOCK_REALTIME, &ts);
    struct fetch_policy *p = &o->policy;
    p->jobs = 50;
    p->per_host = 8;
    p->retries = 5;
    p->retry = true;
    (void)fetch_retry_on_parse(&p->retry_on, FETCH_RETRY_ON_DEFAULT, &bad, &bad_len);
    p->backoff.base = WEIR_MS(500);
    p->backoff.cap = WEIR_S(30);
    p->backoff.jitter = WEIR_JITTER_FULL;
    p->max_time = WEIR_S(30);
    p->deadline = WEIR_NEVER;
    p->has_breaker = true;
    p->breaker.period = WEIR_S(10);
    p->breaker.min_calls = 20;
    p->breaker.percent = 80;
    p->breaker.open = WEIR_S(30);
    p->seed = (uint64_t)ts.tv_nsec * 2654435761u + (uint64_t)ts.tv_sec + (uint64_t)getpid();
    o->max_body = 64u << 20;
}

static int opts_u32(const struct args *a, uint64_t min, uint64_t max, uint32_t *out)
{
    uint64_t n = 0;
    int r = args_uint(a, min, max, &n);
    if (r == 0)
        *out = (uint32_t)n;
    return r;
}

static int opts_rate(const struct args *a, struct weir_rate_opts *out, bool *has)
{
    struct args_rate rate = {0, 0, 0};
    struct weir_rate probe;
    int r = args_rate(a, &rate);
    if (r < 0)
        return r;
    *out = (struct weir_rate_opts){
        .count = (uint32_t)rate.count, .period = rate.per, .burst = rate.burst};
    *has = true;
    return weir_rate_init(&probe, out) == 0 ? 0 : args_fail(a, "'%s' is out of range", a->value);
}

static int opts_retry_on(const struct args *a, struct fetch_retry_on *out)
{
    const char *bad;
    size_t bad_len;
    if (fetch_retry_on_parse(out, a->value, &bad, &bad_len) == 0)
        return 0;
    return args_fail(a,
                     "'%.*s' is no status, 1xx to 5xx, or outcome that can be retried "
                     "(timeout, reset, refused, dns, tls, truncated, protocol, none)",
                     (int)(bad_len < 40 ? bad_len : 40), bad);
}

static int opts_jitter(const struct args *a, uint32_t *out)
{
    static const char *const words[] = {"full", "equal", "decorrelated", "none", NULL};
    static const uint32_t law[] = {WEIR_JITTER_FULL, WEIR_JITTER_EQUAL, WEIR_JITTER_DECORRELATED,
                                   WEIR_JITTER_NONE};
    int i = 0;
    int r = args_choice(a, words, &i);
    if (r == 0)
        *out = law[i];
    return r;
}

static int opts_retry_after(struct args *a, struct fetch_ra *out)
{
    static const char *const words[] = {"honour", "cap:DUR", "ignore", NULL};
    int i = 0;
    if (strncmp(a->value, "cap:", 4) == 0) {
        a->value += 4;
        out->mode = FETCH_RA_CAP;
        return args_span(a, 0, &out->cap);
    }
    if (strcmp(a->value, "honor") == 0)
        a->value = "honour";
    int r = args_choice(a, words, &i);
    if (r == 0)
        out->mode = i == 0 ? FETCH_RA_HONOUR : FETCH_RA_IGNORE;
    return r;
}

/* CALLS/PERIOD:PERCENT, or off. */
static int opts_breaker(const struct args *a, struct fetch_policy *p)
{
    char period[32];
    const char *slash = strchr(a->value, '/'), *colon = strrchr(a->value, ':');
    char *end;
    if (strcmp(a->value, "off") == 0) {
        p->has_breaker = false;
        return 0;
    }
    if (slash == NULL || colon == NULL || colon < slash || (size_t)(colon - slash) > sizeof period)
        return args_fail(a, "'%s' is not CALLS/PERIOD:PERCENT such as 20/10s:80%%, or off",
                         a->value);
    memcpy(period, slash + 1, (size_t)(colon - slash - 1));
    period[colon - slash - 1] = 0;
    uint32_t ppm = 0;
    unsigned long calls = strtoul(a->value, &end, 10);
    weir_span span = 0;
    if (!isdigit((unsigned char)a->value[0]) || end != slash || calls == 0 || calls > 1000000 ||
        args_parse_span(period, &span) < 0 || span < WEIR_MS(1) ||
        args_parse_percent(colon + 1, &ppm) < 0 || ppm < 10000)
        return args_fail(a, "'%s' is not CALLS/PERIOD:PERCENT such as 20/10s:80%%, or off",
                         a->value);
    p->has_breaker = true;
    p->breaker.min_calls = (uint32_t)calls;
    p->breaker.period = span;
    p->breaker.percent = ppm / 10000;
    return 0;
}

static int opts_data_file(const struct args *a, struct fetch_opts *o)
{
    FILE *f = fopen(a->value + 1, "re");
    struct fetch_buf b = {NULL, 0, 0, false};
    if (f == NULL)
        return args_fail(a, "cannot read %s: %s", a->value + 1, strerror(errno));
    for (size_t n = 1; n > 0 && fetch_buf_room(&b, 65536) != NULL && b.n < 64u << 20; b.n += n)
        n = fread(b.p + b.n, 1, 65536, f);
    bool bad = ferror(f) != 0 || b.failed || b.n >= 64u << 20;
    (void)fclose(f);
    if (bad) {
        fetch_buf_fini(&b);
        return args_fail(a, "cannot read %s, or it is larger than 64M", a->value + 1);
    }
    o->data = b.p;
    o->data_len = b.n;
    return 0;
}

static int opts_data(const struct args *a, struct fetch_opts *o)
{
    free(o->data);
    o->data = NULL;
    o->has_data = true;
    if (a->value[0] == '@')
        return opts_data_file(a, o);
    o->data = strdup(a->value);
    o->data_len = strlen(a->value);
    return o->data != NULL ? 0 : args_fail(a, "no memory");
}

static int opts_header(const struct args *a, struct fetch_opts *o)
{
    size_t name = strcspn(a->value, ":; ");
    if (name == 0 || a->value[name] == ' ' || a->value[name] == 0 ||
        strpbrk(a->value, "\r\n") != NULL)
        return args_fail(a, "'%s' is not a header such as 'Accept: text/html'", a->value);
    const char **more = realloc(o->headers, (o->header_count + 1) * sizeof *more);
    if (more == NULL)
        return args_fail(a, "no memory");
    o->headers = more;
    o->headers[o->header_count++] = a->value;
    return 0;
}

static int opts_method(const struct args *a, struct fetch_opts *o)
{
    for (const char *p = a->value; *p != 0; p++)
        if (!isalpha((unsigned char)*p) && *p != '-' && *p != '_')
            return args_fail(a, "'%s' is not a method such as GET or PUT", a->value);
    if (a->value[0] == 0)
        return args_fail(a, "is empty");
    o->method = a->value;
    return 0;
}

/* Addresses of servers, each with a port or without. */
static int opts_dns(struct args *a)
{
    const char *at = a->value;
    struct weir_addr addr;
    char one[128];
    do {
        size_t n = strcspn(at, ",");
        snprintf(one, sizeof one, "%.*s", (int)n, at);
        if (n >= sizeof one ||
            (weir_addr_host(one, 53, &addr) < 0 && weir_addr_parse(one, &addr) < 0))
            return args_fail(a, "is not ADDRESS[:PORT],...");
        at += n + (at[n] == ',');
    } while (*at != 0);
    return 0;
}

static int opts_request(struct args *a, int key, struct fetch_opts *o)
{
    switch (key) {
    case 'X':
        return opts_method(a, o);
    case 'H':
        return opts_header(a, o);
    case 'd':
        return opts_data(a, o);
    case 'A':
        o->agent = a->value;
        return strpbrk(a->value, "\r\n") == NULL ? 0 : args_fail(a, "has a line break in it");
    case 'L':
        o->follow = true;
        return 0;
    case 'k':
        o->insecure = true;
        return 0;
    case 'x':
        o->proxy = a->value;
        return 0;
    case OPTS_CACERT:
        o->ca_file = a->value;
        return access(a->value, R_OK) == 0 ? 0 : args_fail(a, "cannot be read");
    case OPTS_DNS:
        o->dns_servers = a->value;
        return opts_dns(a);
    default:
        o->compressed = true;
        return 0;
    }
}

static int opts_policy(struct args *a, int key, struct fetch_policy *p)
{
    static const char *const scopes[] = {"auto", "url", "host", NULL};
    static const char *const actions[] = {"defer", "fail", NULL};
    int i = 0, r;
    switch (key) {
    case 'j':
        return opts_u32(a, 1, 100000, &p->jobs);
    case OPTS_PER_HOST:
        return opts_u32(a, 1, 100000, &p->per_host);
    case OPTS_WINDOW:
        return opts_u32(a, 1, 10000000, &p->window);
    case OPTS_RATE:
        return opts_rate(a, &p->rate, &p->has_rate);
    case OPTS_PER_HOST_RATE:
        return opts_rate(a, &p->host_rate, &p->has_host_rate);
    case OPTS_RETRY:
        return opts_u32(a, 0, 1000, &p->retries);
    case OPTS_RETRY_ON:
        return opts_retry_on(a, &p->retry_on);
    case OPTS_BACKOFF:
        return args_span_range(a, 1, &p->backoff.base, &p->backoff.cap);
    case OPTS_JITTER:
        return opts_jitter(a, &p->backoff.jitter);
    case OPTS_RETRY_AFTER:
        return opts_retry_after(a, &p->ra);
    case OPTS_RA_SCOPE:
        if ((r = args_choice(a, scopes, &i)) == 0)
            p->ra.scope = (enum fetch_ra_scope)i;
        return r;
    case OPTS_BREAKER:
        return opts_breaker(a, p);
    case OPTS_BREAKER_OPEN:
        return args_span(a, WEIR_MS(1), &p->breaker.open);
    case OPTS_BREAKER_ACTION:
        if ((r = args_choice(a, actions, &i)) == 0)
            p->breaker_fail = i == 1;
        return r;
    default:
        return args_uint(a, 0, UINT64_MAX, &p->seed);
    }
}

static int opts_times(struct args *a, int key, struct fetch_opts *o)
{
    static const char *const words[] = {"auto", "off", NULL};
    int i = 0, r;
    switch (key) {
    case 'm':
        return args_span(a, WEIR_MS(1), &o->policy.max_time);
    case OPTS_CONNECT:
        return args_span(a, WEIR_MS(1), &o->connect_timeout);
    case OPTS_TTFB:
        return args_span(a, WEIR_MS(1), &o->ttfb_timeout);
    case OPTS_DEADLINE:
        return args_span(a, WEIR_MS(1), &o->deadline);
    default:
        if ((r = args_choice(a, words, &i)) == 0)
            o->policy.timeout_auto = i == 0;
        return r;
    }
}

static int opts_output(struct args *a, int key, struct fetch_opts *o, int *body)
{
    static const char *const bodies[] = {"inline", "file", "none", NULL};
    switch (key) {
    case 'o':
        o->out = strcmp(a->value, "-") == 0 ? NULL : a->value;
        return a->value[0] != 0 ? 0 : args_fail(a, "is empty");
    case 'O':
        o->body_dir = a->value;
        return a->value[0] != 0 ? 0 : args_fail(a, "is empty");
    case OPTS_BODY:
        return args_choice(a, bodies, body);
    case OPTS_MAX_BODY:
        return args_size(a, 1, UINT64_C(1) << 40, &o->max_body);
    case OPTS_HALT:
        if (fetch_halt_parse(&o->halt, a->value) == 0)
            return 0;
        return args_fail(a, "'%s' is not never or [now,|soon,](fail|success|done)=N[%%]", a->value);
    case OPTS_QUIET:
        o->quiet = true;
        return 0;
    case OPTS_BAR:
        o->bar = true;
        return 0;
    case OPTS_DRY_RUN:
        o->dry_run = true;
        return 0;
    default:
        o->keep_order = true;
        return 0;
    }
}

static bool opts_repeatable(const char *method)
{
    static const char *const safe[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", NULL};
    for (int i = 0; safe[i] != NULL; i++)
        if (strcmp(method, safe[i]) == 0)
            return true;
    return false;
}

/* What the flags mean together. */
static int opts_settle(struct args *a, struct fetch_opts *o, int body, bool retry_post)
{
    a->flag[0] = 0;
    if (o->method == NULL)
        o->method = o->has_data ? "POST" : "GET";
    if (body < 0)
        body = o->body_dir != NULL ? FETCH_BODY_FILE : FETCH_BODY_INLINE;
    o->body = (enum fetch_body)body;
    if (o->body == FETCH_BODY_FILE && o->body_dir == NULL)
        return args_fail(a, "--body file needs a directory: -O DIR");
    if (o->body != FETCH_BODY_FILE && o->body_dir != NULL)
        return args_fail(a, "-O and --body other than file exclude each other");
    if (o->body == FETCH_BODY_INLINE && o->max_body > UINT64_C(1) << 30)
        return args_fail(a, "--max-body above 1G needs --body file or none");
    o->policy.retry = opts_repeatable(o->method) || retry_post;
    if (o->policy.window == 0)
        o->policy.window = 20 * o->policy.jobs;
    o->inputs = a->argv + a->first;
    o->input_count = a->argc - a->first;
    return 1;
}

int fetch_opts_parse(struct fetch_opts *o, int argc, char **argv)
{
    struct args a;
    int key, r = 0, body = -1;
    bool retry_post = false;
    opts_defaults(o);
    args_init(&a, "weir fetch", "j:m:o:O:X:H:d:A:Lkx:", opts_long, argc, argv);
    while (r == 0 && (key = args_next(&a)) > 0) {
        if (key == OPTS_HELP || key == OPTS_VERSION) {
            if (key == OPTS_HELP)
                fetch_help();
            else
                printf("weir %s\n", weir_version());
            return 0;
        }
        if (key == OPTS_RETRY_POST)
            retry_post = true;
        else if ((key < 256 && strchr("XHdALkx", key) != NULL) || key == OPTS_COMPRESSED ||
                 key == OPTS_CACERT || key == OPTS_DNS)
            r = opts_request(&a, key, o);
        else if (key == 'm' || (key >= OPTS_CONNECT && key <= OPTS_DEADLINE))
            r = opts_times(&a, key, o);
        else if (key == 'o' || key == 'O' || key == OPTS_BODY || key == OPTS_MAX_BODY ||
                 key == OPTS_HALT || (key >= OPTS_QUIET && key <= OPTS_KEEP_ORDER))
            r = opts_output(&a, key, o, &body);
        else
            r = opts_policy(&a, key, &o->policy);
    }
    if (r < 0 || key < 0)
        return r < 0 ? r : key;
    return opts_settle(&a, o, body, retry_post);
}

void fetch_opts_fini(struct fetch_opts *o)
{
    free(o->headers);
    free(o->data);
    o->headers = NULL;
    o->data = NULL;
}
