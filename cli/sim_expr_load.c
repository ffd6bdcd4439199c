/*
 * sim_expr_load.c -- the arguments of what keeps load in bounds or goes round
 * it: adaptive(...), shed(...), hedge(...).
 */
#include <errno.h>
#include <string.h>

#include "args.h"
#include "sim_expr_args.h"

/* --- adaptive ------------------------------------------------------------------------------ */

static const char *const load_laws[] = {"aimd", "gradient", "vegas", NULL};

static int adaptive_law(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    struct weir_adaptive_opts *o = p->options;

    for (int i = 0; load_laws[i]; i++)
        if (strcmp(load_laws[i], a->value) == 0) {
            o->law = (enum weir_adaptive_law)i;
            return 0;
        }
    return sim_option_unknown(p, layer, a->value, a->value_at, load_laws,
                              "a law: aimd, gradient or vegas");
}

static int adaptive_nowait(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    struct weir_adaptive_opts *o = p->options;

    (void)layer;
    (void)a;
    o->max_wait = WEIR_NOWAIT;
    return 0;
}

/* 110%: of the base, so more than all of it. */
static int adaptive_tolerance(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    struct weir_adaptive_opts *o = p->options;
    size_t n = strlen(a->value);
    char digits[sizeof a->value];
    uint64_t percent;

    (void)layer;
    memcpy(digits, a->value, sizeof digits);
    if (n && digits[n - 1] == '%')
        digits[n - 1] = '\0';
    if (n == 0 || digits[n - 1] || args_parse_uint(digits, &percent) < 0 || percent < 100 ||
        percent > 500)
        return sim_parse_fail(p, a->value_at,
                              "tolerance: '%s' is not a percentage from 100%% to 500%%", a->value);
    o->tolerance = (uint32_t)percent;
    return 0;
}

#define ADAPTIVE(field) offsetof(struct weir_adaptive_opts, field)

static const struct sim_option adaptive_options[] = {
    {"law", SIM_OWN, 0, 0, 0, adaptive_law},
    {"initial", SIM_COUNT, ADAPTIVE(initial), 1, 1u << 20, NULL},
    {"min", SIM_COUNT, ADAPTIVE(min), 1, 1u << 20, NULL},
    {"max", SIM_COUNT, ADAPTIVE(max), 1, 1u << 20, NULL},
    {"backoff", SIM_PERCENT, ADAPTIVE(backoff), 0, 0, NULL},
    {"tolerance", SIM_OWN, 0, 0, 0, adaptive_tolerance},
    {"samples", SIM_COUNT, ADAPTIVE(samples), 1, 1000000, NULL},
    {"window", SIM_SPAN, ADAPTIVE(window), 0, 0, NULL},
    {"slow", SIM_SPAN, ADAPTIVE(slow), 0, 0, NULL},
    {"queue", SIM_COUNT, ADAPTIVE(queue), 1, 1000000000, NULL},
    {"max_wait", SIM_SPAN, ADAPTIVE(max_wait), 0, 0, NULL},
    {"nowait", SIM_FLAG, 0, 0, 0, adaptive_nowait},
    {NULL, SIM_OWN, 0, 0, 0, NULL},
};

static int adaptive_bare(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    if (!sim_arg_is_number(a->value))
        return sim_option_set(p, layer, "law", a);
    if (strstr(a->value, ".."))
        return sim_option_set_range(p, layer, "min", "max", a);
    return sim_option_set(p, layer, "initial", a);
}

static int adaptive_check(struct sim_parse *p, uint32_t layer, size_t column)
{
    const struct weir_adaptive_opts *o = p->options;

    if (o->min > (o->max ? o->max : 1000))
        return sim_parse_fail(p, column, "adaptive: min is more than max%s",
                              o->max ? "" : ", which is 1000");
    if (o->backoff && (o->backoff < 50 || o->backoff > 99))
        return sim_parse_fail(p, column, "adaptive: backoff is what is left, from 50%% to 99%%");
    return sim_waits_check(p, layer, column, "adaptive");
}

const struct sim_policy sim_adaptive = {WEIR_LAYER_ADAPTIVE, adaptive_options, adaptive_bare,
                                        adaptive_check};

/* --- shed ---------------------------------------------------------------------------------- */

static int shed_k(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    struct weir_shed_opts *o = p->options;
    uint64_t milli;

    (void)layer;
    if (sim_arg_milli(a->value, &milli) < 0 || milli < 1000 || milli > 100000)
        return sim_parse_fail(p, a->value_at, "k: '%s' is not a number from 1 to 100", a->value);
    o->k_milli = (uint32_t)milli;
    return 0;
}

static const struct sim_option shed_options[] = {
    {"k", SIM_OWN, 0, 0, 0, shed_k},
    {"max", SIM_PERCENT, offsetof(struct weir_shed_opts, max_percent), 0, 0, NULL},
    {"class", SIM_COUNT, offsetof(struct weir_shed_opts, cls), 0, WEIR_SHED_CLASSES - 1, NULL},
    {"window", SIM_SPAN, offsetof(struct weir_shed_opts, window), 0, 0, NULL},
    {NULL, SIM_OWN, 0, 0, 0, NULL},
};

static int shed_bare(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    uint64_t milli;

    if (!sim_arg_is_number(a->value))
        return sim_option_unknown(p, layer, a->value, a->value_at, NULL,
                                  "K such as 2, a most such as 95%, or a window such as 30s");
    if (strchr(a->value, '%'))
        return sim_option_set(p, layer, "max", a);
    return sim_option_set(p, layer, sim_arg_milli(a->value, &milli) == 0 ? "k" : "window", a);
}

static int shed_check(struct sim_parse *p, uint32_t layer, size_t column)
{
    const struct weir_shed_opts *o = p->options;

    (void)layer;
    if (o->window && (o->window < WEIR_SHED_BUCKETS || o->window > WEIR_S(86400) * 366))
        return sim_parse_fail(p, column, "shed: the window is not from 16ns to 366 days");
    return 0;
}

const struct sim_policy sim_shed = {WEIR_LAYER_SHED, shed_options, shed_bare, shed_check};

/* --- hedge --------------------------------------------------------------------------------- */

static int hedge_budget(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    struct sim_hedge *h = &p->out->hedge;
    uint32_t ratio = sim_budget_ratio(a->value, 1000);

    if (strcmp(a->value, "outer") == 0) {
        h->budget = sim_budget_outer(p, layer);
        if (h->budget == SIM_NO_BUDGET)
            return sim_parse_fail(p, a->value_at, "budget: no retry outside has a budget");
        return 0;
    }
    if (!ratio)
        return sim_parse_fail(p, a->value_at,
                              "budget: '%s' is not a percentage from 0.1%% to 100%%, or outer",
                              a->value);
    h->budget = sim_budget_new(p);
    p->out->budget[h->budget].ratio_milli = ratio;
    p->out->budget[h->budget].min_per_sec = WEIR_BUDGET_NONE;
    return 0;
}

#define HEDGE(field) offsetof(struct weir_hedge_opts, field)

static const struct sim_option hedge_options[] = {
    {"percent", SIM_PERCENT, HEDGE(percent), 0, 0, NULL},
    {"samples", SIM_COUNT, HEDGE(samples), 1, 1000000, NULL},
    {"hedges", SIM_COUNT, HEDGE(hedges), 1, 8, NULL},
    {"delay", SIM_SPAN, HEDGE(delay), 0, 0, NULL},
    {"least", SIM_SPAN, HEDGE(least), 0, 0, NULL},
    {"period", SIM_SPAN, HEDGE(period), 0, 0, NULL},
    {"budget", SIM_OWN, 0, 0, 0, hedge_budget},
    {NULL, SIM_OWN, 0, 0, 0, NULL},
};

static int hedge_bare(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    if (!sim_arg_is_number(a->value))
        return sim_option_unknown(p, layer, a->value, a->value_at, NULL,
                                  "a percentage such as 95%, or a delay such as 50ms");
    return sim_option_set(p, layer, strchr(a->value, '%') ? "percent" : "delay", a);
}

static int hedge_check(struct sim_parse *p, uint32_t layer, size_t column)
{
    const struct weir_hedge_opts *o = p->options;

    if (o->percent && (o->percent < 50 || o->percent > 99))
        return sim_parse_fail(p, column, "hedge: the percentage is from 50%% to 99%%");
    if (sim_option_given(p, layer, "percent") && o->delay)
        return sim_parse_fail(p, column, "hedge: percent and delay exclude each other");
    return 0;
}

const struct sim_policy sim_hedge = {SIM_LAYER_HEDGE, hedge_options, hedge_bare, hedge_check};
