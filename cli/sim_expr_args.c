/*
 * sim_expr_args.c -- what the arguments of each policy mean.
 *
 * A table of options a policy, each a field of its options struct with its
 * limits; values without a key are known by their form and then go the same
 * way.  An option given twice, or two that contradict each other, is an error.
 */
#include "sim_expr_args.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "args.h"

/* --- one option ---------------------------------------------------------------------------- */

static int option_index(const struct sim_policy *policy, const char *name)
{
    for (int i = 0; policy->options[i].name; i++)
        if (strcmp(policy->options[i].name, name) == 0)
            return i;
    return -ENOENT;
}

int sim_option_given(const struct sim_parse *p, uint32_t layer, const char *name)
{
    (void)layer;
    return p->given >> option_index(p->policy, name) & 1;
}

int sim_option_count(struct sim_parse *p, const struct sim_option *o, const struct sim_arg *a,
                     uint32_t *field)
{
    uint64_t n;
    int r = args_parse_uint(a->value, &n);

    if (r == -EINVAL)
        return sim_parse_fail(p, a->value_at, "%s: '%s' is not a whole number", o->name, a->value);
    if (r < 0 || n < o->min || n > o->max)
        return sim_parse_fail(p, a->value_at, "%s: '%s' is out of range: %u to %u", o->name,
                              a->value, o->min, o->max);
    *field = (uint32_t)n;
    return 0;
}

int sim_option_span(struct sim_parse *p, const struct sim_option *o, const struct sim_arg *a,
                    weir_span *field)
{
    weir_span span;
    int r = args_parse_span(a->value, &span);

    if (r == -EINVAL)
        return sim_parse_fail(p, a->value_at, "%s: '%s' is not a duration such as 250ms, 5s or 2m",
                              o->name, a->value);
    if (r < 0)
        return sim_parse_fail(p, a->value_at, "%s: '%s' is too long a time", o->name, a->value);
    if (span <= 0)
        return sim_parse_fail(p, a->value_at, "%s: '%s' must be more than 0", o->name, a->value);
    *field = span;
    return 0;
}

static int option_percent(struct sim_parse *p, const struct sim_option *o, const struct sim_arg *a,
                          uint32_t *field)
{
    uint32_t ppm;

    if (args_parse_percent(a->value, &ppm) < 0 || ppm % 10000 || ppm == 0)
        return sim_parse_fail(p, a->value_at, "%s: '%s' is not a percentage from 1%% to 100%%",
                              o->name, a->value);
    *field = ppm / 10000;
    return 0;
}

int sim_option_set(struct sim_parse *p, uint32_t layer, const char *name, const struct sim_arg *a)
{
    int i = option_index(p->policy, name);
    const struct sim_option *o = &p->policy->options[i < 0 ? 0 : i];
    char *base = p->options;

    if (i < 0)
        return sim_option_unknown(p, layer, name, a->value_at, NULL, "an option");
    if (p->given >> i & 1)
        return sim_parse_fail(p, a->key[0] ? a->key_at : a->value_at, "%s is given twice", name);
    p->given |= (uint64_t)1 << i;
    switch (o->type) {
    case SIM_COUNT:
        return sim_option_count(p, o, a, (uint32_t *)(void *)(base + o->offset));
    case SIM_SPAN:
        return sim_option_span(p, o, a, (weir_span *)(void *)(base + o->offset));
    case SIM_PERCENT:
        return option_percent(p, o, a, (uint32_t *)(void *)(base + o->offset));
    default:
        return o->own(p, layer, a);
    }
}

int sim_option_set_range(struct sim_parse *p, uint32_t layer, const char *low, const char *high,
                         const struct sim_arg *a)
{
    struct sim_arg first = *a, second = *a;
    size_t n = (size_t)(strstr(a->value, "..") - a->value);
    int r;

    first.value[n] = '\0';
    memmove(second.value, a->value + n + 2, strlen(a->value + n + 2) + 1);
    second.value_at += n + 2;
    if (!first.value[0] || !second.value[0])
        return sim_parse_fail(p, a->value_at, "'%s' is not a range such as 100ms..30s", a->value);
    if ((r = sim_option_set(p, layer, low, &first)) < 0)
        return r;
    return sim_option_set(p, layer, high, &second);
}

int sim_arg_is_number(const char *value)
{
    return value[0] >= '0' && value[0] <= '9';
}

int sim_arg_milli(const char *value, uint64_t *out)
{
    const char *v = value;
    uint64_t milli = 0, scale = 1000;

    for (; sim_arg_is_number(v) && milli < 10000000; v++)
        milli = milli * 10 + (uint64_t)(*v - '0') * 1000;
    if (*v == '.' && v > value)
        for (v++; sim_arg_is_number(v) && (scale /= 10); v++)
            milli += (uint64_t)(*v - '0') * scale;
    *out = milli;
    return *v || v == value ? -EINVAL : 0;
}

int sim_option_unknown(struct sim_parse *p, uint32_t layer, const char *word, size_t column,
                       const char *const *more, const char *expected)
{
    const struct sim_option *o = p->policy->options;
    const char *words[64];
    const char *guess;
    size_t n = 0;

    (void)layer;
    for (; more && more[n]; n++)
        words[n] = more[n];
    for (; o->name && n < 63; o++)
        words[n++] = o->name;
    words[n] = NULL;
    if ((guess = args_suggest(word, words)))
        return sim_parse_fail(p, column, "unknown '%s'; did you mean '%s'?", word, guess);
    return sim_parse_fail(p, column, "unknown '%s': expected %s", word, expected);
}

/* --- breaker ------------------------------------------------------------------------------- */

#define BREAKER(field) offsetof(struct weir_breaker_opts, field)

static const struct sim_option breaker_options[] = {
    {"failures", SIM_COUNT, BREAKER(failures), 1, 1000000, NULL},
    {"window", SIM_COUNT, BREAKER(window), 1, WEIR_BREAKER_WINDOW, NULL},
    {"period", SIM_SPAN, BREAKER(period), 0, 0, NULL},
    {"percent", SIM_PERCENT, BREAKER(percent), 0, 0, NULL},
    {"min_calls", SIM_COUNT, BREAKER(min_calls), 1, 1000000, NULL},
    {"probes", SIM_COUNT, BREAKER(probes), 1, WEIR_BREAKER_PROBES, NULL},
    {"jitter", SIM_PERCENT, BREAKER(jitter), 0, 0, NULL},
    {"slow", SIM_SPAN, BREAKER(slow), 0, 0, NULL},
    {"open", SIM_SPAN, BREAKER(open), 0, 0, NULL},
    {"open_max", SIM_SPAN, BREAKER(open_max), 0, 0, NULL},
    {"lease", SIM_SPAN, BREAKER(lease), 0, 0, NULL},
    {NULL, SIM_OWN, 0, 0, 0, NULL},
};

/* 5/20, 5/10s, 50%/100, 50%/10s */
static int breaker_of(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    struct sim_arg what = *a, of = *a;
    const char *slash = strchr(a->value, '/');
    size_t n = slash ? (size_t)(slash - a->value) : strlen(a->value);
    uint64_t count;
    int r;

    what.value[n] = '\0';
    r = sim_option_set(p, layer, strchr(what.value, '%') ? "percent" : "failures", &what);
    if (r < 0 || !slash)
        return r;
    memmove(of.value, slash + 1, strlen(slash));
    of.value_at += n + 1;
    r = args_parse_uint(of.value, &count);
    return sim_option_set(p, layer, r == -EINVAL ? "period" : "window", &of);
}

static int breaker_bare(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    uint64_t n;

    if (!sim_arg_is_number(a->value))
        return sim_option_unknown(
            p, layer, a->value, a->value_at, NULL,
            "failures such as 5, 5/20 or 50%/10s, or an open time such as 30s");
    if (strchr(a->value, '/') || strchr(a->value, '%') || args_parse_uint(a->value, &n) != -EINVAL)
        return breaker_of(p, layer, a);
    if (strstr(a->value, ".."))
        return sim_option_set_range(p, layer, "open", "open_max", a);
    return sim_option_set(p, layer, "open", a);
}

static int breaker_check(struct sim_parse *p, uint32_t layer, size_t column)
{
    const struct weir_breaker_opts *o = &p->out->layer[layer].u.breaker;

    if (o->failures && o->percent)
        return sim_parse_fail(p, column, "breaker: failures and percent exclude each other");
    if (o->window && o->period)
        return sim_parse_fail(p, column, "breaker: window and period exclude each other");
    if (o->percent && !o->window && !o->period)
        return sim_parse_fail(p, column, "breaker: %u%% of what? write %u%%/100 or %u%%/10s",
                              o->percent, o->percent, o->percent);
    if (o->min_calls && !o->percent)
        return sim_parse_fail(p, column, "breaker: min_calls goes with a percentage");
    if (o->window && !o->percent && o->window < (o->failures ? o->failures : 5))
        return sim_parse_fail(p, column, "breaker: more failures than calls in the window");
    if (o->open_max && o->open_max < (o->open ? o->open : WEIR_S(30)))
        return sim_parse_fail(p, column, "breaker: open_max is shorter than the open time");
    return 0;
}

/* --- rate and bulkhead --------------------------------------------------------------------- */

static int rate_rate(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    struct weir_rate_opts *o = &p->out->layer[layer].u.rate;
    struct args_rate rate;
    int r = args_parse_rate(a->value, &rate);

    if (r == -ERANGE)
        return sim_parse_fail(p, a->value_at,
                              "rate: '%s' is out of range: 1 to 1000000000 in at most a day",
                              a->value);
    if (r < 0)
        return sim_parse_fail(p, a->value_at, "rate: '%s' is not a rate such as 100/s or 600/m:20",
                              a->value);
    if (rate.burst && o->burst)
        return sim_parse_fail(p, a->value_at, "burst is given twice");
    o->count = (uint32_t)rate.count;
    o->period = rate.per;
    if (rate.burst)
        o->burst = rate.burst;
    return 0;
}

static int rate_nowait(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    (void)a;
    p->out->layer[layer].u.rate.max_wait = WEIR_NOWAIT;
    return 0;
}

static const struct sim_option rate_options[] = {
    {"rate", SIM_OWN, 0, 0, 0, rate_rate},
    {"burst", SIM_COUNT, offsetof(struct weir_rate_opts, burst), 1, 1000000000, NULL},
    {"max_wait", SIM_SPAN, offsetof(struct weir_rate_opts, max_wait), 0, 0, NULL},
    {"nowait", SIM_FLAG, 0, 0, 0, rate_nowait},
    {NULL, SIM_OWN, 0, 0, 0, NULL},
};

static int rate_bare(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    if (!sim_arg_is_number(a->value))
        return sim_option_unknown(p, layer, a->value, a->value_at, NULL, "a rate such as 100/s");
    return sim_option_set(p, layer, "rate", a);
}

int sim_waits_check(struct sim_parse *p, uint32_t layer, size_t column, const char *name)
{
    if (sim_option_given(p, layer, "nowait") && sim_option_given(p, layer, "max_wait"))
        return sim_parse_fail(p, column, "%s: nowait and max_wait exclude each other", name);
    return 0;
}

static int rate_check(struct sim_parse *p, uint32_t layer, size_t column)
{
    if (!p->out->layer[layer].u.rate.count)
        return sim_parse_fail(p, column, "rate: it needs a rate, such as rate(100/s)");
    return sim_waits_check(p, layer, column, "rate");
}

static int bulkhead_nowait(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    (void)a;
    p->out->layer[layer].u.bulkhead.max_wait = WEIR_NOWAIT;
    return 0;
}

static int bulkhead_lifo(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    (void)a;
    p->out->layer[layer].u.bulkhead.lifo = 1;
    return 0;
}

static const struct sim_option bulkhead_options[] = {
    {"limit", SIM_COUNT, offsetof(struct weir_bulkhead_opts, limit), 1, 1u << 31, NULL},
    {"queue", SIM_COUNT, offsetof(struct weir_bulkhead_opts, queue), 1, 1000000000, NULL},
    {"max_wait", SIM_SPAN, offsetof(struct weir_bulkhead_opts, max_wait), 0, 0, NULL},
    {"nowait", SIM_FLAG, 0, 0, 0, bulkhead_nowait},
    {"target", SIM_SPAN, offsetof(struct weir_bulkhead_opts, target), 0, 0, NULL},
    {"interval", SIM_SPAN, offsetof(struct weir_bulkhead_opts, interval), 0, 0, NULL},
    {"lifo", SIM_FLAG, 0, 0, 0, bulkhead_lifo},
    {NULL, SIM_OWN, 0, 0, 0, NULL},
};

static int bulkhead_bare(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    if (!sim_arg_is_number(a->value))
        return sim_option_unknown(p, layer, a->value, a->value_at, NULL, "a limit such as 64");
    return sim_option_set(p, layer, "limit", a);
}

static int bulkhead_check(struct sim_parse *p, uint32_t layer, size_t column)
{
    const struct weir_bulkhead_opts *o = &p->out->layer[layer].u.bulkhead;

    if (!o->limit)
        return sim_parse_fail(p, column, "bulkhead: it needs a limit, such as bulkhead(64)");
    if ((o->interval || o->lifo) && !o->target)
        return sim_parse_fail(p, column, "bulkhead: interval and lifo go with a target");
    if (o->target && o->target > (o->interval ? o->interval : WEIR_MS(100)))
        return sim_parse_fail(p, column, "bulkhead: the target is longer than the interval%s",
                              o->interval ? "" : ", which is 100ms");
    return sim_waits_check(p, layer, column, "bulkhead");
}

/* --- timeout ------------------------------------------------------------------------------- */

static const struct sim_option timeout_options[] = {
    {"total", SIM_SPAN, offsetof(struct weir_timeout_opts, total), 0, 0, NULL},
    {"each", SIM_SPAN, offsetof(struct weir_timeout_opts, each), 0, 0, NULL},
    {NULL, SIM_OWN, 0, 0, 0, NULL},
};

static int timeout_bare(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    if (!sim_arg_is_number(a->value))
        return sim_option_unknown(p, layer, a->value, a->value_at, NULL, "a duration such as 30s");
    if (sim_option_given(p, layer, "total"))
        return sim_parse_fail(p, a->value_at,
                              "total is given twice; for each attempt write each=%s", a->value);
    return sim_option_set(p, layer, "total", a);
}

static int timeout_check(struct sim_parse *p, uint32_t layer, size_t column)
{
    const struct weir_timeout_opts *o = &p->out->layer[layer].u.timeout;

    if (!o->total && !o->each)
        return sim_parse_fail(p, column,
                              "timeout: it needs a time: timeout(30s) or timeout(each=5s)");
    return 0;
}

/* --- all of them --------------------------------------------------------------------------- */

const char *const sim_policy_names[] = {"retry",    "breaker", "rate",  "bulkhead", "timeout",
                                        "adaptive", "shed",    "hedge", NULL};

static const struct sim_policy sim_retry = {WEIR_LAYER_RETRY, sim_retry_options, sim_retry_bare,
                                            sim_retry_check};
static const struct sim_policy sim_breaker = {WEIR_LAYER_BREAKER, breaker_options, breaker_bare,
                                              breaker_check};
static const struct sim_policy sim_rate = {WEIR_LAYER_RATE, rate_options, rate_bare, rate_check};
static const struct sim_policy sim_bulkhead = {WEIR_LAYER_BULKHEAD, bulkhead_options, bulkhead_bare,
                                               bulkhead_check};
static const struct sim_policy sim_timeout = {WEIR_LAYER_TIMEOUT, timeout_options, timeout_bare,
                                              timeout_check};

/* In the order of the names. */
static const struct sim_policy *const sim_policies[] = {&sim_retry,    &sim_breaker, &sim_rate,
                                                        &sim_bulkhead, &sim_timeout, &sim_adaptive,
                                                        &sim_shed,     &sim_hedge};

const struct sim_policy *sim_policy_find(const char *name)
{
    for (size_t i = 0; sim_policy_names[i]; i++)
        if (strcmp(sim_policy_names[i], name) == 0)
            return sim_policies[i];
    return NULL;
}

uint32_t sim_policy_kind(const struct sim_policy *policy)
{
    return policy->kind;
}

int sim_layer_arg(struct sim_parse *p, uint32_t layer, const struct sim_arg *arg)
{
    const struct sim_policy *policy = p->policy;
    int i = option_index(policy, arg->key[0] ? arg->key : arg->value);

    if (!arg->key[0] && i >= 0 && policy->options[i].type == SIM_FLAG)
        return sim_option_set(p, layer, arg->value, arg);
    if (!arg->key[0] && i >= 0 && strcmp(arg->value, "percent") != 0)
        return sim_parse_fail(p, arg->value_at, "%s needs a value: %s=...", arg->value, arg->value);
    if (!arg->key[0])
        return policy->bare(p, layer, arg);
    if (i < 0)
        return sim_option_unknown(p, layer, arg->key, arg->key_at, NULL, "an option; see --help");
    if (policy->options[i].type == SIM_FLAG)
        return sim_parse_fail(p, arg->key_at, "%s takes no value", arg->key);
    return sim_option_set(p, layer, arg->key, arg);
}

int sim_layer_check(struct sim_parse *p, uint32_t layer, size_t column)
{
    char why[160];
    int r = p->policy->check(p, layer, column);

    if (r < 0 || p->policy->kind == SIM_LAYER_HEDGE)
        return r;
    r = weir_policy_check(&p->out->layer[layer], 1, why, sizeof why);
    return r < 0 ? sim_parse_fail(p, column, "these options do not go together: %s", why) : 0;
}
