/*
 * sim_expr_retry.c -- the arguments of retry(...): laws, classes and budgets.
 *
 * A law is one word, or GROWTH+JITTER.  A budget belongs to the retry that
 * names it; `outer` is the one of the nearest retry to its left.
 */
#include <errno.h>
#include <string.h>

#include "args.h"
#include "sim_expr_args.h"

static const char *const retry_laws[] = {
    "none", "fixed", "linear",  "exponential",  "exp",    "fibonacci", "fib",
    "full", "equal", "percent", "decorrelated", "decorr", NULL};

static int retry_grow(const char *word, uint32_t *out)
{
    static const struct {
        const char *name;
        uint32_t grow;
    } table[] = {{"none", WEIR_GROW_NONE},       {"fixed", WEIR_GROW_FIXED},
                 {"linear", WEIR_GROW_LINEAR},   {"exponential", WEIR_GROW_EXPONENTIAL},
                 {"exp", WEIR_GROW_EXPONENTIAL}, {"fibonacci", WEIR_GROW_FIBONACCI},
                 {"fib", WEIR_GROW_FIBONACCI}};

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, word) == 0) {
            *out = table[i].grow;
            return 0;
        }
    return -ENOENT;
}

static int retry_jitter(const char *word, uint32_t *out)
{
    static const struct {
        const char *name;
        uint32_t jitter;
    } table[] = {{"full", WEIR_JITTER_FULL},
                 {"equal", WEIR_JITTER_EQUAL},
                 {"percent", WEIR_JITTER_PERCENT},
                 {"decorrelated", WEIR_JITTER_DECORRELATED},
                 {"decorr", WEIR_JITTER_DECORRELATED}};

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, word) == 0) {
            *out = table[i].jitter;
            return 0;
        }
    return -ENOENT;
}

static int retry_law(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    struct weir_retry_opts *o = &p->out->layer[layer].u.retry;
    const char *plus = strchr(a->value, '+');
    char grow[sizeof a->value];

    memcpy(grow, a->value, sizeof grow);
    if (plus) {
        grow[plus - a->value] = '\0';
        if (retry_grow(grow, &o->grow) < 0)
            return sim_option_unknown(p, layer, grow, a->value_at, retry_laws,
                                      "a growth such as linear");
        if (retry_jitter(plus + 1, &o->jitter) < 0)
            return sim_option_unknown(p, layer, plus + 1,
                                      a->value_at + (size_t)(plus - a->value) + 1, retry_laws,
                                      "a jitter: full, equal, percent or decorrelated");
        return 0;
    }
    if (retry_jitter(grow, &o->jitter) == 0)
        return 0;
    if (retry_grow(grow, &o->grow) < 0)
        return sim_option_unknown(p, layer, grow, a->value_at, retry_laws, "a law such as full");
    o->jitter = WEIR_JITTER_NONE;
    return 0;
}

static int retry_attempts(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    static const struct sim_option o = {"attempts", SIM_COUNT, 0, 1, 1000000, NULL};

    if (strcmp(a->value, "inf") == 0) {
        p->out->layer[layer].u.retry.attempts = UINT32_MAX;
        return 0;
    }
    return sim_option_count(p, &o, a, &p->out->layer[layer].u.retry.attempts);
}

static int retry_factor(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    uint64_t milli;

    if (sim_arg_milli(a->value, &milli) < 0 || milli < 1000 || milli > 1000000)
        return sim_parse_fail(p, a->value_at, "factor: '%s' is not a number from 1 to 1000",
                              a->value);
    p->out->layer[layer].u.retry.factor_milli = (uint32_t)milli;
    return 0;
}

static int retry_unsafe(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    (void)a;
    p->out->layer[layer].u.retry.unsafe = 1;
    return 0;
}

static int retry_on(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    static const struct {
        const char *name;
        uint32_t cls;
    } table[] = {{"transient", WEIR_CLASS_TRANSIENT}, {"throttled", WEIR_CLASS_THROTTLED},
                 {"server", WEIR_CLASS_SERVER},       {"client", WEIR_CLASS_CLIENT},
                 {"fatal", WEIR_CLASS_FATAL},         {"refused", WEIR_CLASS_REJECTED_LOCAL}};
    static const char *const names[] = {"transient", "throttled", "server", "client",
                                        "fatal",     "refused",   NULL};
    char word[sizeof a->value];
    size_t at = 0, n, i;

    for (;; at += n + 1) {
        n = strcspn(a->value + at, "|");
        memcpy(word, a->value + at, n);
        word[n] = '\0';
        for (i = 0; i < sizeof table / sizeof *table && strcmp(table[i].name, word) != 0; i++)
            ;
        if (i == sizeof table / sizeof *table)
            return sim_option_unknown(p, layer, word, a->value_at + at, names,
                                      "transient, throttled, server, client, fatal or refused");
        p->out->layer[layer].u.retry.retry_on |= WEIR_CLASS_BIT(table[i].cls);
        if (!a->value[at + n])
            return 0;
    }
}

uint32_t sim_budget_new(struct sim_parse *p)
{
    struct sim_expr *e = p->out;

    e->budget[e->budgets] = (struct weir_budget_opts){.form = WEIR_BUDGET_RATIO};
    return e->budgets++;
}

/* The budget of the retry at `layer`, made when it is first spoken of. */
static struct weir_budget_opts *retry_own_budget(struct sim_parse *p, uint32_t layer)
{
    struct sim_expr *e = p->out;

    if (e->budget_of[layer] == SIM_NO_BUDGET)
        e->budget_of[layer] = sim_budget_new(p);
    return &e->budget[e->budget_of[layer]];
}

/* 20%, 0.5% or a fraction of 1 in thousandths; 0 when it is none of them. */
uint32_t sim_budget_ratio(const char *text, uint32_t most)
{
    uint32_t ppm;

    if (args_parse_percent(text, &ppm) < 0 || !strchr(text, '%') || ppm < 1000 || ppm % 1000 ||
        ppm / 1000 > most)
        return 0;
    return ppm / 1000;
}

uint32_t sim_budget_outer(const struct sim_parse *p, uint32_t layer)
{
    const struct sim_expr *e = p->out;

    for (uint32_t i = layer; i-- > 0;) {
        if (e->hedge.there && e->hedge.at == i + 1 && e->hedge.budget != SIM_NO_BUDGET)
            return e->hedge.budget;
        if (e->budget_of[i] != SIM_NO_BUDGET)
            return e->budget_of[i];
    }
    return e->hedge.there && e->hedge.at == 0 ? e->hedge.budget : SIM_NO_BUDGET;
}

static int retry_budget_outer(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    uint32_t outer = sim_budget_outer(p, layer);

    if (outer == SIM_NO_BUDGET)
        return sim_parse_fail(p, a->value_at,
                              "budget: no retry or hedge outside this one has a budget");
    p->out->budget_of[layer] = outer;
    return 0;
}

static int retry_budget(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    struct weir_budget_opts *b;
    int share = strncmp(a->value, "share:", 6) == 0;

    if (strcmp(a->value, "outer") == 0) {
        if (p->out->budget_of[layer] != SIM_NO_BUDGET)
            return sim_parse_fail(p, a->value_at, "budget: outer has its options already");
        return retry_budget_outer(p, layer, a);
    }
    b = retry_own_budget(p, layer);
    if (strcmp(a->value, "tokens") == 0)
        b->form = WEIR_BUDGET_TOKENS;
    else if (strcmp(a->value, "cost") == 0)
        b->form = WEIR_BUDGET_COST;
    else if (!sim_arg_is_number(a->value + (share ? 6 : 0)))
        return sim_parse_fail(p, a->value_at,
                              "budget: '%s' is not a share such as 20%%, share:10%%, tokens, cost "
                              "or outer",
                              a->value);
    else {
        b->form = share ? WEIR_BUDGET_SHARE : WEIR_BUDGET_RATIO;
        b->ratio_milli = sim_budget_ratio(a->value + (share ? 6 : 0), share ? 999 : 1000);
        if (!b->ratio_milli)
            return sim_parse_fail(p, a->value_at,
                                  "budget: '%s' is not a percentage from 0.1%% to %s", a->value,
                                  share ? "99.9%" : "100%");
    }
    return 0;
}

static int retry_budget_min(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    static const struct sim_option o = {"budget_min", SIM_COUNT, 0, 0, 1000000, NULL};
    struct weir_budget_opts *b = retry_own_budget(p, layer);
    int r = sim_option_count(p, &o, a, &b->min_per_sec);

    if (r == 0 && b->min_per_sec == 0)
        b->min_per_sec = WEIR_BUDGET_NONE;
    return r;
}

static int retry_budget_ttl(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    static const struct sim_option o = {"budget_ttl", SIM_SPAN, 0, 0, 0, NULL};

    return sim_option_span(p, &o, a, &retry_own_budget(p, layer)->ttl);
}

static int retry_budget_tokens(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    static const struct sim_option o = {"budget_tokens", SIM_COUNT, 0, 1, 1000000, NULL};

    return sim_option_count(p, &o, a, &retry_own_budget(p, layer)->tokens);
}

#define RETRY(field) offsetof(struct weir_retry_opts, field)

const struct sim_option sim_retry_options[] = {
    {"attempts", SIM_OWN, 0, 0, 0, retry_attempts},
    {"law", SIM_OWN, 0, 0, 0, retry_law},
    {"base", SIM_SPAN, RETRY(base), 0, 0, NULL},
    {"cap", SIM_SPAN, RETRY(cap), 0, 0, NULL},
    {"factor", SIM_OWN, 0, 0, 0, retry_factor},
    {"percent", SIM_PERCENT, RETRY(percent), 0, 0, NULL},
    {"min_attempt", SIM_SPAN, RETRY(min_attempt), 0, 0, NULL},
    {"retry_after_cap", SIM_SPAN, RETRY(retry_after_cap), 0, 0, NULL},
    {"on", SIM_OWN, 0, 0, 0, retry_on},
    {"unsafe", SIM_FLAG, 0, 0, 0, retry_unsafe},
    {"budget", SIM_OWN, 0, 0, 0, retry_budget},
    {"budget_min", SIM_OWN, 0, 0, 0, retry_budget_min},
    {"budget_ttl", SIM_OWN, 0, 0, 0, retry_budget_ttl},
    {"budget_tokens", SIM_OWN, 0, 0, 0, retry_budget_tokens},
    {NULL, SIM_OWN, 0, 0, 0, NULL},
};

int sim_retry_bare(struct sim_parse *p, uint32_t layer, const struct sim_arg *a)
{
    uint64_t n;

    if (strcmp(a->value, "inf") == 0 || args_parse_uint(a->value, &n) != -EINVAL)
        return sim_option_set(p, layer, "attempts", a);
    if (strstr(a->value, ".."))
        return sim_option_set_range(p, layer, "base", "cap", a);
    if (!sim_arg_is_number(a->value))
        return sim_option_set(p, layer, "law", a);
    if (args_parse_span(a->value, &(weir_span){0}) == 0)
        return sim_option_set(p, layer, "base", a);
    return sim_parse_fail(p, a->value_at,
                          "'%s' is neither attempts such as 5 nor a wait such as 100ms..30s",
                          a->value);
}

int sim_retry_check(struct sim_parse *p, uint32_t layer, size_t column)
{
    struct weir_retry_opts *o = &p->out->layer[layer].u.retry;
    const struct weir_budget_opts *b = NULL;

    if (o->cap && o->cap < (o->base ? o->base : WEIR_MS(100)))
        return sim_parse_fail(p, column, "retry: the cap is shorter than the base%s",
                              o->base ? "" : ", which is 100ms");
    if (sim_option_given(p, layer, "percent")) {
        if (sim_option_given(p, layer, "law") && o->jitter != WEIR_JITTER_PERCENT)
            return sim_parse_fail(p, column, "retry: percent= goes with the law percent");
        o->jitter = WEIR_JITTER_PERCENT;
    }
    if (p->out->budget_of[layer] != SIM_NO_BUDGET)
        b = &p->out->budget[p->out->budget_of[layer]];
    if (b && weir_budget_init(&(struct weir_budget){{0}}, b) < 0)
        return sim_parse_fail(p, column, "retry: these budget options do not go together");
    return 0;
}
