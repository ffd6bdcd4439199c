/*
 * sim_expr.c -- the grammar of sim_expr.h, its messages, and stacks from it.
 *
 * What an argument means is in sim_expr_args.c.  Every character of the input
 * is read at most twice, and no input of any length is a crash.
 */
#include "sim_expr.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "args.h"

const char sim_expr_help[] =
    "policies, outermost first, parted by '>'\n"
    "  retry(5, full, 100ms..30s)   attempts; law; first wait..longest.  Laws: none fixed linear\n"
    "                               exponential fibonacci (without jitter), full equal percent\n"
    "                               decorrelated, or GROWTH+JITTER such as linear+equal\n"
    "        attempts= (or inf) law= base= cap= factor= percent= min_attempt= retry_after_cap=\n"
    "        on=transient|throttled|server|client|fatal|refused  unsafe\n"
    "        budget=20% share:10% tokens cost, or outer: that of the retry outside\n"
    "        budget_min=N (a second)  budget_ttl=  budget_tokens=\n"
    "  breaker(5, 30s)              failures in a row; open time (or 30s..5m: growing).  Also\n"
    "                               5/20 of calls, 5/10s in a time, 50%/100, 50%/10s\n"
    "        failures= window= period= percent= min_calls= probes= jitter= slow= open= open_max=\n"
    "        lease=\n"
    "  rate(100/s:20)               a rate, and its burst.  burst= max_wait= nowait\n"
    "  bulkhead(64)                 at once.  limit= queue= max_wait= nowait; refusing heads of a\n"
    "                               queue that stands: target= interval= lifo\n"
    "  adaptive(gradient, 1..200)   at once, found out: aimd, gradient or vegas; least..most\n"
    "        initial= min= max= backoff= tolerance= samples= window= slow= queue= max_wait= "
    "nowait\n"
    "  shed(2)                      refuses all beyond K x what is accepted.  k= max= class= "
    "window=\n"
    "  hedge(95%)                   what is right of it a second time, when it takes longer than "
    "so\n"
    "                               many, or than a time: hedge(50ms)\n"
    "        percent= delay= hedges= samples= least= period= budget=5%, or outer\n"
    "  timeout(30s)                 of the whole call.  total= each=\n"
    "  observe(rate(100/s))         counts, but refuses nothing; off(...): is not there\n";

int sim_parse_fail(struct sim_parse *p, size_t column, const char *format, ...)
{
    va_list ap;

    p->error->column = column;
    va_start(ap, format);
    vsnprintf(p->error->text, sizeof p->error->text, format, ap);
    va_end(ap);
    return -EINVAL;
}

void sim_error_show(FILE *to, const char *command, const char *text, const struct sim_error *error)
{
    size_t length = strlen(text), from = 0, n;

    /* of a long line the part round the column */
    if (length > 90 && error->column > 60)
        from = error->column - 60;
    n = length - from > 90 ? 90 : length - from;
    fprintf(to, "%s: column %zu: %s\n  ", command, error->column, error->text);
    for (size_t i = from; i < from + n; i++)
        fputc((unsigned char)text[i] < ' ' || text[i] == 127 ? ' ' : text[i], to);
    fprintf(to, "\n  %*s^\n", (int)(error->column - 1 - from), "");
}

/* --- characters ---------------------------------------------------------------------------- */

static void parse_blanks(struct sim_parse *p)
{
    while (p->text[p->at] && strchr(" \t\r\n", p->text[p->at]))
        p->at++;
}

static char parse_peek(struct sim_parse *p)
{
    parse_blanks(p);
    return p->text[p->at];
}

static int parse_take(struct sim_parse *p, char c)
{
    if (parse_peek(p) != c)
        return 0;
    p->at++;
    return 1;
}

/* What stands at the cursor, for a message. */
static const char *parse_found(struct sim_parse *p, char *out, size_t size)
{
    unsigned char c = (unsigned char)parse_peek(p);

    if (!c)
        snprintf(out, size, "the end");
    else if (c < ' ' || c >= 127)
        snprintf(out, size, "byte 0x%02x", c);
    else
        snprintf(out, size, "'%c'", c);
    return out;
}

static int parse_is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* What a value is made of: no blanks, commas, brackets, '>' or '='. */
static int parse_is_value(char c)
{
    return parse_is_word(c) || (c && strchr(".:/%+|", c));
}

/* A run of characters of one kind into `out`; its column, or 0 when it is too long. */
static size_t parse_run(struct sim_parse *p, int (*is)(char), char *out, size_t size)
{
    size_t from, n = 0;

    parse_blanks(p);
    from = p->at;
    while (is(p->text[p->at])) {
        if (n + 1 < size)
            out[n] = p->text[p->at];
        n++;
        p->at++;
    }
    out[n < size ? n : size - 1] = '\0';
    return n < size ? from + 1 : 0;
}

/* --- layers -------------------------------------------------------------------------------- */

static int parse_fail_name(struct sim_parse *p, size_t column, const char *name)
{
    const char *words[16];
    const char *guess;
    size_t n = 0;

    for (; sim_policy_names[n]; n++)
        words[n] = sim_policy_names[n];
    words[n++] = "observe";
    words[n++] = "off";
    words[n] = NULL;
    if ((guess = args_suggest(name, words)))
        return sim_parse_fail(p, column, "unknown policy '%s'; did you mean '%s'?", name, guess);
    return sim_parse_fail(p, column,
                          "unknown policy '%s': one of retry, breaker, rate, bulkhead, timeout, "
                          "adaptive, shed, hedge, observe, off",
                          name);
}

static int parse_arg(struct sim_parse *p, uint32_t layer)
{
    struct sim_arg a = {.key = ""};
    char found[24];

    if (!parse_is_value(parse_peek(p)))
        return sim_parse_fail(p, p->at + 1, "expected an argument, found %s",
                              parse_found(p, found, sizeof found));
    if (!(a.value_at = parse_run(p, parse_is_value, a.value, sizeof a.value)))
        return sim_parse_fail(p, p->at, "'%s...' is too long for an argument", a.value);
    if (parse_take(p, '=')) {
        if (strlen(a.value) >= sizeof a.key)
            return sim_parse_fail(p, a.value_at, "'%s' is too long for an option", a.value);
        memcpy(a.key, a.value, sizeof a.key - 1);
        a.key_at = a.value_at;
        if (!parse_is_value(parse_peek(p)))
            return sim_parse_fail(p, p->at + 1, "expected the value of %s, found %s", a.key,
                                  parse_found(p, found, sizeof found));
        if (!(a.value_at = parse_run(p, parse_is_value, a.value, sizeof a.value)))
            return sim_parse_fail(p, p->at, "'%s...' is too long for a value", a.value);
    }
    return sim_layer_arg(p, layer, &a);
}

static int parse_args(struct sim_parse *p, uint32_t layer)
{
    char found[24];
    int r;

    if (!parse_take(p, '(') || parse_take(p, ')'))
        return 0;
    for (;;) {
        if ((r = parse_arg(p, layer)) < 0)
            return r;
        if (parse_take(p, ')'))
            return 0;
        if (!parse_take(p, ','))
            return sim_parse_fail(p, p->at + 1, "expected ',' or ')' after the argument, found %s",
                                  parse_found(p, found, sizeof found));
    }
}

/* A policy's name, with its column. */
static int parse_name(struct sim_parse *p, char *name, size_t size, size_t *out_column)
{
    char found[24];

    if (!parse_is_word(parse_peek(p)))
        return sim_parse_fail(p, p->at + 1, "expected a policy such as retry(3), found %s",
                              parse_found(p, found, sizeof found));
    *out_column = parse_run(p, parse_is_word, name, size);
    if (!*out_column)
        return sim_parse_fail(p, p->at, "'%s...' is no policy", name);
    return 0;
}

/* A hedge stands between layers. */
static int parse_hedge(struct sim_parse *p, size_t column, uint32_t mode)
{
    struct sim_expr *e = p->out;
    int r;

    if (e->hedge.there)
        return sim_parse_fail(p, column, "a second hedge: a stack has one at most");
    e->hedge.budget = SIM_NO_BUDGET;
    e->hedge.at = e->n;
    p->options = &e->hedge.opts;
    if ((r = parse_args(p, e->n)) < 0 || (r = sim_layer_check(p, e->n, column)) < 0)
        return r;
    e->hedge.there = 1;
    e->hedge.opts.mode = mode;
    return 0;
}

static int parse_policy(struct sim_parse *p, const char *name, size_t column, uint32_t mode)
{
    struct sim_expr *e = p->out;
    uint32_t kind;
    int r;

    p->given = 0;
    p->policy = sim_policy_find(name);
    if (!p->policy)
        return parse_fail_name(p, column, name);
    kind = sim_policy_kind(p->policy);
    if (kind == SIM_LAYER_HEDGE)
        return parse_hedge(p, column, mode);
    if (e->n == WEIR_POLICY_LAYERS)
        return sim_parse_fail(p, column, "more than %d policies in a stack", WEIR_POLICY_LAYERS);
    e->layer[e->n] = (struct weir_policy_layer){.kind = kind, .mode = mode};
    e->budget_of[e->n] = SIM_NO_BUDGET;
    p->options = &e->layer[e->n].u;
    if ((r = parse_args(p, e->n)) < 0 || (r = sim_layer_check(p, e->n, column)) < 0)
        return r;
    e->n++;
    return 0;
}

static int parse_layer(struct sim_parse *p)
{
    char name[24], found[24];
    size_t column = 0;
    uint32_t mode = WEIR_ENFORCE;
    int r;

    if ((r = parse_name(p, name, sizeof name, &column)) < 0)
        return r;
    if (strcmp(name, "observe") == 0)
        mode = WEIR_OBSERVE;
    else if (strcmp(name, "off") == 0)
        mode = WEIR_OFF;
    else
        return parse_policy(p, name, column, mode);
    if (!parse_take(p, '('))
        return sim_parse_fail(p, p->at + 1, "expected '(' and a policy after %s, found %s", name,
                              parse_found(p, found, sizeof found));
    if ((r = parse_name(p, name, sizeof name, &column)) < 0 ||
        (r = parse_policy(p, name, column, mode)) < 0)
        return r;
    if (!parse_take(p, ')'))
        return sim_parse_fail(p, p->at + 1, "expected ')' after the policy, found %s",
                              parse_found(p, found, sizeof found));
    return 0;
}

int sim_expr_parse(const char *text, struct sim_expr *out, struct sim_error *error)
{
    struct sim_parse p = {.text = text, .out = out, .error = error};
    char found[24];
    int r;

    *error = (struct sim_error){.column = 0};
    *out = (struct sim_expr){.n = 0};
    do {
        r = parse_layer(&p);
    } while (r == 0 && parse_take(&p, '>'));
    if (r == 0 && parse_peek(&p))
        r = sim_parse_fail(&p, p.at + 1, "expected '>' or the end after a policy, found %s",
                           parse_found(&p, found, sizeof found));
    if (r < 0)
        *out = (struct sim_expr){.n = 0};
    return r;
}

/* --- stacks -------------------------------------------------------------------------------- */

/* The layers from..to as a policy; their budgets are those of the stack. */
static weir_policy *stack_policy(const struct sim_expr *e, struct sim_stack *s, uint32_t from,
                                 uint32_t to)
{
    struct weir_policy_layer layer[WEIR_POLICY_LAYERS];

    memcpy(layer, e->layer, sizeof layer);
    for (uint32_t i = from; i < to; i++)
        if (layer[i].kind == WEIR_LAYER_RETRY && e->budget_of[i] != SIM_NO_BUDGET)
            layer[i].u.retry.budget = &s->budget[e->budget_of[i]];
    return weir_policy_new(layer + from, to - from);
}

static int stack_budgets(const struct sim_expr *e, struct sim_stack *out)
{
    for (uint32_t i = 0; i < e->budgets; i++)
        if (weir_budget_init(&out->budget[i], &e->budget[i]) < 0)
            return -EINVAL;
    return 0;
}

int sim_stack_open(const struct sim_expr *e, struct sim_stack *out)
{
    struct weir_hedge_opts o = e->hedge.opts;
    int r = stack_budgets(e, out);

    out->policy = out->inner = NULL;
    if (r < 0)
        return r;
    out->policy = stack_policy(e, out, 0, e->hedge.there ? e->hedge.at : e->n);
    r = weir_policy_error(out->policy);
    if (r < 0 || !e->hedge.there)
        return r;
    out->inner = stack_policy(e, out, e->hedge.at, e->n);
    out->hedges = o.hedges ? o.hedges : 1;
    if (e->hedge.budget != SIM_NO_BUDGET)
        o.budget = &out->budget[e->hedge.budget];
    r = weir_hedge_init(&out->hedge, &o);
    return r < 0 ? r : weir_policy_error(out->inner);
}

void sim_stack_close(struct sim_stack *s)
{
    if (s->policy)
        weir_policy_free(&s->policy);
    if (s->inner)
        weir_policy_free(&s->inner);
}

/* --- in words ------------------------------------------------------------------------------ */

/* What a hedge adds to the words about the layers. */
static int stack_explain_hedge(const struct sim_hedge *h, char *text, size_t size)
{
    const struct weir_hedge_opts *o = &h->opts;
    uint32_t most = o->hedges ? o->hedges : 1;
    char where[48] = "round all of it", when[64];
    int n;

    if (o->mode == WEIR_OBSERVE)
        most = 0;
    if (h->at)
        snprintf(where, sizeof where, "inside the first %u of these", h->at);
    if (o->delay)
        snprintf(when, sizeof when, "lasts %.6g ms", (double)o->delay / 1e6);
    else
        snprintf(when, sizeof when, "lasts longer than %u%% of the calls",
                 o->percent ? o->percent : 95);
    if (o->mode == WEIR_OFF)
        n = snprintf(text, size, "hedge, %s: off\n", where);
    else
        n = snprintf(
            text, size,
            "hedge, %s: what is right of it is started again when it %s; %u at most, within a "
            "budget%s\n"
            "  so attempts and amplification are at worst %u times those above\n",
            where, when, o->hedges ? o->hedges : 1,
            o->mode == WEIR_OBSERVE ? "; observes only" : "", most + 1);
    return n < 0 || (size_t)n >= size ? -ENOSPC : 0;
}

/* The layers as if the hedge were not there: the worst case of one try of it. */
int sim_stack_explain(const struct sim_expr *e, char *text, size_t size, int *out_lint)
{
    struct sim_stack s = {.policy = NULL};
    int r = stack_budgets(e, &s), n;

    if (r < 0)
        return r;
    s.policy = stack_policy(e, &s, 0, e->n);
    n = weir_policy_explain(s.policy, text, size);
    r = n < 0 ? n : weir_policy_lint(s.policy);
    if (r >= 0 && out_lint)
        *out_lint = r;
    sim_stack_close(&s);
    if (r < 0)
        return r;
    if ((size_t)n >= size)
        return -ENOSPC;
    return e->hedge.there ? stack_explain_hedge(&e->hedge, text + n, size - (size_t)n) : 0;
}
