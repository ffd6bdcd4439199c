/*
 * test_sim_expr.c -- stacks as text: what they mean, and what is said of mistakes.
 */
#include "harness/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim_expr.h"

static struct sim_expr parsed(const char *text)
{
    struct sim_expr e;
    struct sim_error error;

    if (sim_expr_parse(text, &e, &error) < 0)
        FAIL("%s: column %zu: %s", text, error.column, error.text);
    return e;
}

/* The expression must fail at the column, with that in the message. */
static void wrong(const char *text, size_t column, const char *saying)
{
    struct sim_expr e;
    struct sim_error error;

    if (sim_expr_parse(text, &e, &error) != -EINVAL)
        FAIL("'%s' was understood", text);
    EQ(e.n, 0);
    if (error.column != column || !strstr(error.text, saying))
        FAIL("'%s': column %zu: %s; wanted column %zu: %s", text, error.column, error.text, column,
             saying);
}

/* --- what it means ------------------------------------------------------------------------- */

TEST(the_stack_of_the_manual_is_read_in_its_order)
{
    struct sim_expr e = parsed("retry(5,full,100ms..30s) > breaker(5,30s) > rate(100/s)");

    EQ(e.n, 3);
    EQ(e.layer[0].kind, WEIR_LAYER_RETRY);
    EQ(e.layer[0].u.retry.attempts, 5);
    EQ(e.layer[0].u.retry.jitter, WEIR_JITTER_FULL);
    EQ(e.layer[0].u.retry.base, WEIR_MS(100));
    EQ(e.layer[0].u.retry.cap, WEIR_S(30));
    EQ(e.layer[1].kind, WEIR_LAYER_BREAKER);
    EQ(e.layer[1].u.breaker.failures, 5);
    EQ(e.layer[1].u.breaker.open, WEIR_S(30));
    EQ(e.layer[2].kind, WEIR_LAYER_RATE);
    EQ(e.layer[2].u.rate.count, 100);
    EQ(e.layer[2].u.rate.period, WEIR_S(1));
}

TEST(blanks_and_the_order_of_arguments_mean_nothing)
{
    struct sim_expr a = parsed("retry(5,full,100ms..30s)>timeout(30s,each=5s)");
    struct sim_expr b = parsed("  retry ( cap = 30s , full,\tbase=100ms, attempts=5 )\n"
                               "> timeout(each=5s, total=30s)  ");

    MEMEQ(&a, &b, sizeof a);
}

TEST(brackets_may_be_left_out_and_then_all_is_default)
{
    struct sim_expr a = parsed("retry"), b = parsed("retry()"), c = parsed("retry > breaker");

    MEMEQ(&a, &b, sizeof a);
    EQ(a.layer[0].u.retry.attempts, 0);
    EQ(c.n, 2);
}

TEST(each_law_has_its_growth_and_its_jitter)
{
    static const struct {
        const char *text;
        uint32_t grow, jitter;
    } row[] = {{"retry(none)", WEIR_GROW_NONE, WEIR_JITTER_NONE},
               {"retry(fixed)", WEIR_GROW_FIXED, WEIR_JITTER_NONE},
               {"retry(linear)", WEIR_GROW_LINEAR, WEIR_JITTER_NONE},
               {"retry(exponential)", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_NONE},
               {"retry(exp)", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_NONE},
               {"retry(fibonacci)", WEIR_GROW_FIBONACCI, WEIR_JITTER_NONE},
               {"retry(full)", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_FULL},
               {"retry(equal)", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_EQUAL},
               {"retry(percent)", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_PERCENT},
               {"retry(percent=30)", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_PERCENT},
               {"retry(decorrelated)", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_DECORRELATED},
               {"retry(decorr)", WEIR_GROW_EXPONENTIAL, WEIR_JITTER_DECORRELATED},
               {"retry(linear+equal)", WEIR_GROW_LINEAR, WEIR_JITTER_EQUAL},
               {"retry(law=fib+full)", WEIR_GROW_FIBONACCI, WEIR_JITTER_FULL}};

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct sim_expr e = parsed(row[i].text);
        EQ(e.layer[0].u.retry.grow, row[i].grow);
        EQ(e.layer[0].u.retry.jitter, row[i].jitter);
    }
}

TEST(a_breaker_counts_in_a_row_in_calls_or_in_a_time)
{
    struct weir_breaker_opts o = parsed("breaker(5/20)").layer[0].u.breaker;

    EQ(o.failures, 5);
    EQ(o.window, 20);
    o = parsed("breaker(5/10s, 1s..1m)").layer[0].u.breaker;
    EQ(o.failures, 5);
    EQ(o.period, WEIR_S(10));
    EQ(o.open, WEIR_S(1));
    EQ(o.open_max, WEIR_MIN(1));
    o = parsed("breaker(50%/100, min_calls=10)").layer[0].u.breaker;
    EQ(o.percent, 50);
    EQ(o.window, 100);
    EQ(o.min_calls, 10);
    o = parsed("breaker(50%/10s, 5s, probes=1)").layer[0].u.breaker;
    EQ(o.percent, 50);
    EQ(o.period, WEIR_S(10));
    EQ(o.open, WEIR_S(5));
    EQ(o.probes, 1);
}

TEST(a_budget_has_four_forms_and_may_be_the_outer_one)
{
    struct sim_expr e = parsed("retry(budget=20%, budget_min=0) > retry(budget=outer)");

    EQ(e.budgets, 1);
    EQ(e.budget[0].form, WEIR_BUDGET_RATIO);
    EQ(e.budget[0].ratio_milli, 200);
    EQ(e.budget[0].min_per_sec, WEIR_BUDGET_NONE);
    EQ(e.budget_of[0], 0);
    EQ(e.budget_of[1], 0);
    EQ(parsed("retry(budget=share:10%)").budget[0].form, WEIR_BUDGET_SHARE);
    EQ(parsed("retry(budget=tokens)").budget[0].form, WEIR_BUDGET_TOKENS);
    EQ(parsed("retry(budget=cost,budget_tokens=50)").budget[0].tokens, 50);
    EQ(parsed("retry").budgets, 0);
}

TEST(the_others_and_the_modes)
{
    struct sim_expr e = parsed("observe(rate(600/m:20, nowait)) > off(bulkhead(64, queue=10))");

    EQ(e.layer[0].mode, WEIR_OBSERVE);
    EQ(e.layer[0].u.rate.count, 600);
    EQ(e.layer[0].u.rate.period, WEIR_MIN(1));
    EQ(e.layer[0].u.rate.burst, 20);
    EQ(e.layer[0].u.rate.max_wait, WEIR_NOWAIT);
    EQ(e.layer[1].mode, WEIR_OFF);
    EQ(e.layer[1].u.bulkhead.limit, 64);
    EQ(e.layer[1].u.bulkhead.queue, 10);
    EQ(parsed("retry(inf)").layer[0].u.retry.attempts, UINT32_MAX);
    EQ(parsed("retry(factor=1.5)").layer[0].u.retry.factor_milli, 1500);
    EQ(parsed("retry(unsafe)").layer[0].u.retry.unsafe, 1);
    EQ(parsed("retry(on=server|throttled)").layer[0].u.retry.retry_on,
       WEIR_CLASS_BIT(WEIR_CLASS_SERVER) | WEIR_CLASS_BIT(WEIR_CLASS_THROTTLED));
}

TEST(an_adaptive_limit_has_a_law_and_ends)
{
    struct weir_adaptive_opts o = parsed("adaptive(gradient, 4..200)").layer[0].u.adaptive;

    EQ(o.law, WEIR_ADAPTIVE_GRADIENT);
    EQ(o.min, 4);
    EQ(o.max, 200);
    o = parsed("adaptive(50, vegas, nowait, window=1s, samples=30)").layer[0].u.adaptive;
    EQ(o.law, WEIR_ADAPTIVE_VEGAS);
    EQ(o.initial, 50);
    EQ(o.max_wait, WEIR_NOWAIT);
    EQ(o.window, WEIR_S(1));
    EQ(o.samples, 30);
    o = parsed("adaptive(slow=1s,backoff=80%,tolerance=150%,queue=9,max_wait=2s)")
            .layer[0]
            .u.adaptive;
    EQ(o.law, WEIR_ADAPTIVE_AIMD);
    EQ(o.slow, WEIR_S(1));
    EQ(o.backoff, 80);
    EQ(o.tolerance, 150);
    EQ(o.queue, 9);
    EQ(o.max_wait, WEIR_S(2));
}

TEST(a_throttle_and_a_row_that_is_kept_short)
{
    struct weir_shed_opts o = parsed("shed(1.5, 30s, max=80%, class=2)").layer[0].u.shed;
    struct weir_bulkhead_opts b =
        parsed("bulkhead(8, target=5ms, interval=200ms, lifo)").layer[0].u.bulkhead;

    EQ(o.k_milli, 1500);
    EQ(o.window, WEIR_S(30));
    EQ(o.max_percent, 80);
    EQ(o.cls, 2);
    EQ(parsed("shed(95%)").layer[0].u.shed.max_percent, 95);
    EQ(parsed("shed").layer[0].u.shed.k_milli, 0);
    EQ(b.target, WEIR_MS(5));
    EQ(b.interval, WEIR_MS(200));
    EQ(b.lifo, 1);
}

TEST(a_hedge_parts_a_stack_in_two)
{
    struct sim_expr e = parsed("retry(3) > hedge(90%, hedges=2) > breaker > timeout(each=1s)");
    struct sim_stack s;
    char text[2000];
    int lint;

    EQ(e.n, 3);
    EQ(e.hedge.there, 1);
    EQ(e.hedge.at, 1);
    EQ(e.hedge.opts.percent, 90);
    EQ(e.hedge.opts.hedges, 2);
    EQ(e.hedge.budget, SIM_NO_BUDGET);
    EQ(sim_stack_open(&e, &s), 0);
    OK(s.inner != NULL);
    EQ(s.hedges, 2);
    sim_stack_close(&s);
    EQ(sim_stack_explain(&e, text, sizeof text, &lint), 0);
    EQ(lint, WEIR_LINT_HERD);
    EQ(strstr(text, "inside the first 1 of these: what is right of it is started again when it "
                    "lasts longer than 90% of the calls; 2 at most") != NULL,
       1);
    EQ(strstr(text, "at worst 3 times those above\n") != NULL, 1);
    EQ(sim_stack_explain(&e, text, 300, &lint), -ENOSPC);
    EQ(parsed("hedge(50ms)").hedge.opts.delay, WEIR_MS(50));
    EQ(parsed("hedge(50ms)").n, 0);
    EQ(parsed("off(hedge) > breaker").hedge.opts.mode, WEIR_OFF);
    EQ(parsed("observe(hedge(90%))").hedge.opts.mode, WEIR_OBSERVE);
}

TEST(a_hedge_has_a_budget_of_its_own_or_one_of_a_retry)
{
    struct sim_expr e = parsed("retry(budget=20%) > hedge(budget=outer) > retry(budget=outer)");

    EQ(e.budgets, 1);
    EQ(e.hedge.budget, 0);
    EQ(e.budget_of[1], 0);
    e = parsed("retry > hedge(budget=5%) > retry(budget=outer)");
    EQ(e.budgets, 1);
    EQ(e.budget[0].ratio_milli, 50);
    EQ(e.budget[0].min_per_sec, WEIR_BUDGET_NONE);
    EQ(e.budget_of[0], SIM_NO_BUDGET);
    EQ(e.budget_of[1], 0);
    e = parsed("hedge(budget=5%) > retry(budget=outer)");
    EQ(e.budget_of[0], 0);
}

TEST(a_stack_that_was_understood_can_be_opened_with_budgets_of_its_own)
{
    struct sim_expr e = parsed("retry(3, budget=20%) > breaker > timeout(each=1s)");
    struct sim_stack a, b;
    char text[2000];

    EQ(sim_stack_open(&e, &a), 0);
    EQ(sim_stack_open(&e, &b), 0);
    LT(0, weir_policy_explain(a.policy, text, sizeof text));
    OK(strstr(text, "within a budget"));
    sim_stack_close(&a);
    sim_stack_close(&b);
    sim_stack_close(&b);
}

/* --- what is said of mistakes -------------------------------------------------------------- */

TEST(an_unknown_word_is_guessed)
{
    wrong("rety(5)", 1, "unknown policy 'rety'; did you mean 'retry'?");
    wrong("retry(3) > braker(5)", 12, "unknown policy 'braker'; did you mean 'breaker'?");
    wrong("retry(5,ful)", 9, "unknown 'ful'; did you mean 'full'?");
    wrong("retry(5,linear+eqal)", 16, "did you mean 'equal'?");
    wrong("retry(atempts=5)", 7, "unknown 'atempts'; did you mean 'attempts'?");
    wrong("retry(on=servr)", 10, "did you mean 'server'?");
    wrong("retry(on=server|clint)", 17, "did you mean 'client'?");
    wrong("observ(retry)", 1, "did you mean 'observe'?");
    wrong("hystrix(5)", 1, "unknown policy 'hystrix': one of retry, breaker");
}

TEST(what_was_expected_is_said_with_its_column)
{
    wrong("", 1, "expected a policy such as retry(3), found the end");
    wrong("  ", 3, "found the end");
    wrong("> retry", 1, "found '>'");
    wrong("retry >", 8, "expected a policy such as retry(3), found the end");
    wrong("retry > > rate", 9, "found '>'");
    wrong("retry(5", 8, "expected ',' or ')' after the argument, found the end");
    wrong("retry(5,", 9, "expected an argument, found the end");
    wrong("retry(,5)", 7, "expected an argument, found ','");
    wrong("retry(5 6)", 9, "expected ',' or ')' after the argument, found '6'");
    wrong("retry(5)) > rate(1/s)", 9, "expected '>' or the end after a policy, found ')'");
    wrong("retry(5), rate(1/s)", 9, "found ','");
    wrong("retry(5) rate(1/s)", 10, "found 'r'");
    wrong("retry(base=)", 12, "expected the value of base, found ')'");
    wrong("retry(base)", 7, "base needs a value: base=...");
    wrong("rate(1/s, nowait=1)", 11, "nowait takes no value");
    wrong("observe rate(1/s)", 9, "expected '(' and a policy after observe");
    wrong("off(retry", 10, "expected ')' after the policy, found the end");
    wrong("off(off(retry))", 5, "unknown policy 'off'");
    wrong("retry(\x01)", 7, "found byte 0x01");
}

TEST(numbers_say_their_unit_and_range)
{
    wrong("retry(0)", 7, "attempts: '0' is out of range: 1 to 1000000");
    wrong("retry(99999999999999999999)", 7, "out of range");
    wrong("retry(5x)", 7, "'5x' is neither attempts such as 5 nor a wait");
    wrong("retry(100ms..)", 7, "is not a range");
    wrong("retry(100ms..5q)", 14, "cap: '5q' is not a duration");
    wrong("retry(5s..100ms)", 1, "the cap is shorter than the base");
    wrong("retry(cap=50ms)", 1, "shorter than the base, which is 100ms");
    wrong("retry(factor=0.5)", 14, "is not a number from 1 to 1000");
    wrong("retry(base=0s)", 12, "base: '0s' must be more than 0");
    wrong("retry(budget=0%)", 14, "is not a percentage from 0.1% to 100%");
    wrong("retry(budget=lots)", 14, "is not a share such as 20%");
    wrong("breaker(0)", 9, "failures: '0' is out of range");
    wrong("breaker(5/2000)", 11, "window: '2000' is out of range: 1 to 1024");
    wrong("breaker(150%/10s)", 9, "is not a percentage from 1% to 100%");
    wrong("rate(fast)", 6, "expected a rate such as 100/s");
    wrong("rate(0/s)", 6, "out of range");
    wrong("bulkhead(0)", 10, "limit: '0' is out of range");
    wrong("adaptive(gradent)", 10, "did you mean 'gradient'?");
    wrong("adaptive(0..5)", 10, "min: '0' is out of range");
    wrong("adaptive(backoff=40%)", 1, "from 50% to 99%");
    wrong("adaptive(tolerance=99%)", 20, "from 100% to 500%");
    wrong("adaptive(tolerance=150)", 20, "from 100% to 500%");
    wrong("shed(0.5)", 6, "k: '0.5' is not a number from 1 to 100");
    wrong("shed(class=4)", 12, "class: '4' is out of range: 0 to 3");
    wrong("shed(gently)", 6, "expected K such as 2");
    wrong("shed(1s..2s)", 6, "window: '1s..2s' is not a duration");
    wrong("hedge(20%)", 1, "from 50% to 99%");
    wrong("hedge(soon)", 7, "a percentage such as 95%");
    wrong("hedge(hedges=9)", 14, "hedges: '9' is out of range: 1 to 8");
    wrong("hedge(budget=0%)", 14, "is not a percentage from 0.1% to 100%, or outer");
    wrong("timeout(soon)", 9, "expected a duration such as 30s");
}

TEST(what_contradicts_itself_is_refused)
{
    wrong("retry(5,3)", 9, "attempts is given twice");
    wrong("retry(attempts=5,attempts=5)", 18, "attempts is given twice");
    wrong("retry(full,equal)", 12, "law is given twice");
    wrong("retry(budget=outer)", 14, "no retry or hedge outside this one has a budget");
    wrong("retry(full,percent=20)", 1, "percent= goes with the law percent");
    wrong("retry(budget=cost,budget_ttl=0s)", 30, "must be more than 0");
    wrong("breaker(50%)", 1, "50% of what? write 50%/100 or 50%/10s");
    wrong("breaker(failures=5,percent=50,window=10)", 1, "exclude each other");
    wrong("breaker(30/20)", 1, "more failures than calls in the window");
    wrong("breaker(5,30s..10s)", 1, "open_max is shorter");
    wrong("rate", 1, "it needs a rate");
    wrong("bulkhead", 1, "it needs a limit");
    wrong("timeout", 1, "it needs a time");
    wrong("timeout(30s,5s)", 13, "for each attempt write each=5s");
    wrong("rate(1/s,nowait,max_wait=1s)", 1, "exclude each other");
    wrong("adaptive(9..3)", 1, "min is more than max");
    wrong("adaptive(min=2000)", 1, "more than max, which is 1000");
    wrong("adaptive(nowait,max_wait=1s)", 1, "exclude each other");
    wrong("adaptive(vegas,aimd)", 16, "law is given twice");
    wrong("bulkhead(4,lifo)", 1, "go with a target");
    wrong("bulkhead(4,target=1s)", 1, "longer than the interval, which is 100ms");
    wrong("hedge(95%,delay=5ms)", 1, "exclude each other");
    wrong("hedge > retry > hedge", 17, "a second hedge");
    wrong("hedge(budget=outer)", 14, "no retry outside has a budget");
    wrong("retry>retry>retry>retry>retry>retry>retry>retry>retry>retry>retry", 61,
          "more than 10 policies");
}

/* The caret stands below the column, in a long line too. */
TEST(the_caret_is_below_the_column)
{
    struct sim_expr e;
    struct sim_error error;
    char *out = NULL, text[400], *line, *caret;
    size_t size;
    FILE *f;

    memset(text, ' ', sizeof text);
    memcpy(text, "retry(3) >", 10);
    memcpy(text + 300, "bogus(1)", 9);
    EQ(sim_expr_parse(text, &e, &error), -EINVAL);
    EQ(error.column, 301);
    f = open_memstream(&out, &size);
    sim_error_show(f, "weir", text, &error);
    fclose(f);
    line = strchr(out, '\n') + 1;
    caret = strchr(line, '\n') + 1;
    EQ(strchr(caret, '^') - caret, strstr(line, "bogus") - line);
    LT(strchr(line, '\n') - line, 100);
    free(out);
}

/* --- anything at all ----------------------------------------------------------------------- */

static const char *const piece[] = {
    "retry",      "breaker",
    "rate",       "bulkhead",
    "timeout",    "observe",
    "off",        "(",
    ")",          "(",
    ")",          ",",
    ">",          "=",
    " ",          "5",
    "100ms",      "30s",
    "100ms..30s", "100/s",
    "50%",        "50%/10s",
    "full",       "linear+equal",
    "budget=20%", "budget=outer",
    "attempts=",  "inf",
    "..",         "|",
    "/",          ":20",
    "on=server|", "99999999999999999999",
    "adaptive",   "gradient",
    "shed",       "hedge",
    "95%",        "budget=5%",
    "lifo",       "target=5ms",
    "0",          "-1",
    "each=5s",    "nowait",
    "percent",    "\x80",
    "\n",         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "."};
static const char *const seed[] = {"shed(2,30s)>hedge(95%,budget=5%)>adaptive(vegas,1..20)",
                                   "retry(5,full,100ms..30s)>breaker(5,30s)>rate(100/s)",
                                   "observe(timeout(30s,each=5s))>retry(on=server,budget=20%)",
                                   "bulkhead(64,nowait)>retry(inf,percent=20,law=percent)", ""};

/* Pieces of expressions and noise, put together at random: an answer, and a column inside. */
TEST(no_input_is_a_crash_and_every_error_has_its_column)
{
    char text[2048];
    struct sim_expr e;
    struct sim_error error;
    int understood = 0;

    for (int round = 0; round < 30000; round++) {
        size_t pieces = test_random() % 12;
        size_t n = (size_t)snprintf(text, sizeof text, "%s", seed[test_random() % 5]);

        if (n)
            pieces /= 8;
        for (size_t i = 0; i < pieces; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s",
                                  piece[test_random() % (sizeof piece / sizeof *piece)]);
        if (n && test_random() % 3 == 0)
            text[test_random() % n] = (char)(1 + test_random() % 255);
        if (sim_expr_parse(text, &e, &error) < 0) {
            LT(0, error.column);
            LE(error.column, strlen(text) + 1);
            OK(error.text[0]);
            EQ(e.n, 0);
        } else {
            struct sim_stack s;
            EQ(sim_stack_open(&e, &s), 0);
            sim_stack_close(&s);
            understood++;
        }
    }
    LT(100, understood);
}
