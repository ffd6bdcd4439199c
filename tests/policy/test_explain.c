/*
 * test_explain.c -- what weir_policy_explain says, and that it is true.
 */
#include "harness/test.h"

#include <errno.h>

#include "policy/plan.h"

#define T0 WEIR_EPOCH

static const char *explain(weir_policy *p)
{
    static char text[4096];

    EQ(weir_policy_error(p), 0);
    LE(0, weir_policy_explain(p, text, sizeof text));
    weir_policy_free(&p);
    return text;
}

TEST(explain_prints_the_stack_and_its_worst_case)
{
    STREQ(explain(WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_S(30)),
                              WEIR_RETRY(.attempts = 5, .base = WEIR_MS(100), .cap = WEIR_S(1)),
                              WEIR_BREAKER(.failures = 5, .open = WEIR_S(30), .probes = 3),
                              WEIR_RATE(.per_sec = 100, .burst = 10, .max_wait = WEIR_S(1)),
                              WEIR_BULKHEAD(.limit = 64, .max_wait = WEIR_NOWAIT),
                              WEIR_TIMEOUT(.each = WEIR_S(2)))),
          "timeout: whole call 30 s\n"
          "  retry: up to 5 attempts, exponential backoff from 100 ms to at most 1 s, full "
          "jitter\n"
          "    breaker: opens after 5 failures in a row, for 30 s (growing to 5 min), then 3 "
          "probes\n"
          "      rate: 100 in 1 s, burst 10, waits for its turn up to 1 s\n"
          "        bulkhead: 64 at once, refuses at once beyond it\n"
          "          timeout: each attempt 2 s\n"
          "worst case: attempts 5, time 30 s, amplification 5x\n");
}

TEST(explain_warns_of_what_is_known_to_go_wrong)
{
    static const char *const words[] = {
        "no attempt timeout inside the retry",
        "a retry within a retry, without a budget",
        "bulkhead outside the retry is held during backoff",
        "rate limit outside the retry counts calls",
        "cannot fit its attempts: 10 of 5 s take 50 s",
        "breaker outside the retry",
    };
    char all[6][2048];

    strcpy(all[0], explain(WEIR_POLICY(WEIR_RETRY())));
    strcpy(all[1], explain(WEIR_POLICY(WEIR_RETRY(), WEIR_RETRY(), WEIR_TIMEOUT(.each = 1))));
    strcpy(all[2],
           explain(WEIR_POLICY(WEIR_BULKHEAD(.limit = 1), WEIR_RETRY(), WEIR_TIMEOUT(.each = 1))));
    strcpy(all[3],
           explain(WEIR_POLICY(WEIR_RATE(.per_sec = 1), WEIR_RETRY(), WEIR_TIMEOUT(.each = 1))));
    strcpy(all[4], explain(WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_S(30), .each = WEIR_S(5)),
                                       WEIR_RETRY(.attempts = 10))));
    strcpy(all[5], explain(WEIR_POLICY(WEIR_BREAKER(), WEIR_RETRY(), WEIR_TIMEOUT(.each = 1))));
    for (int stack = 0; stack < 6; stack++)
        for (int w = 0; w < 6; w++)
            EQ(strstr(all[stack], words[w]) != NULL, stack == w);
}

TEST(explain_writes_no_more_than_it_may_and_says_how_much_there_is)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(), WEIR_BREAKER(), WEIR_RATE(.per_sec = 7));
    char whole[2048], part[2048];
    int length = weir_policy_explain(p, whole, sizeof whole);

    EQ((size_t)length, strlen(whole));
    EQ(weir_policy_explain(p, NULL, 0), length);
    for (int n = 1; n <= length + 1; n++) {
        memset(part, 'x', sizeof part);
        EQ(weir_policy_explain(p, part, (size_t)n), length);
        EQ(strlen(part), (size_t)n - 1);
        MEMEQ(part, whole, (size_t)n - 1);
        EQ(part[n], 'x');
    }
    weir_policy_free(&p);
}

/* --- O2: each thing that looks wrong, and that what looks right is left alone ----------- */

static int lint(weir_policy *p)
{
    int bits;

    EQ(weir_policy_error(p), 0);
    bits = weir_policy_lint(p);
    weir_policy_free(&p);
    return bits;
}

#define EACH WEIR_TIMEOUT(.each = WEIR_S(1))
#define TOTAL WEIR_TIMEOUT(.total = WEIR_S(30))

TEST(O2_the_recommended_stack_has_nothing_wrong)
{
    EQ(lint(WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_S(30)),
                        WEIR_RETRY(.attempts = 5, .base = WEIR_MS(100)),
                        WEIR_BREAKER(.failures = 5), WEIR_RATE(.per_sec = 100, .burst = 10),
                        WEIR_BULKHEAD(.limit = 64), WEIR_TIMEOUT(.each = WEIR_S(5)))),
       0);
    EQ(lint(weir_policy_new(NULL, 0)), 0);
    EQ(lint(WEIR_POLICY(WEIR_BREAKER(), WEIR_BULKHEAD(.limit = 1))), 0); /* without a retry */
    EQ(weir_policy_lint(NULL), -EINVAL);
    EQ(weir_policy_lint(weir_policy_new(NULL, 1)), -EINVAL);
}

TEST(O2_each_known_mistake_is_found_alone)
{
    EQ(lint(WEIR_POLICY(WEIR_RETRY())), WEIR_LINT_NO_EACH);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(), WEIR_RETRY(), EACH)), WEIR_LINT_NESTED_RETRIES);
    EQ(lint(WEIR_POLICY(WEIR_BULKHEAD(.limit = 1), WEIR_RETRY(), EACH)), WEIR_LINT_BULKHEAD_HELD);
    EQ(lint(WEIR_POLICY(WEIR_RATE(.per_sec = 1), WEIR_RETRY(), EACH)), WEIR_LINT_RATE_OUTSIDE);
    EQ(lint(WEIR_POLICY(WEIR_BREAKER(), WEIR_RETRY(), EACH)), WEIR_LINT_BREAKER_OUTSIDE);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(.attempts = UINT32_MAX), EACH)), WEIR_LINT_NEVER_ENDS);
    EQ(lint(WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_S(2)), WEIR_RETRY(), EACH)),
       WEIR_LINT_TOTAL_SHORT);
    EQ(lint(WEIR_POLICY(EACH, WEIR_RETRY())), WEIR_LINT_EACH_OUTSIDE);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(.jitter = WEIR_JITTER_NONE), EACH)), WEIR_LINT_NO_JITTER);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(.grow = WEIR_GROW_NONE), EACH)), WEIR_LINT_NO_BACKOFF);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(.min_attempt = WEIR_S(1) + 1), EACH)), WEIR_LINT_MIN_ATTEMPT);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(.retry_on = WEIR_CLASS_BIT(WEIR_CLASS_REJECTED_LOCAL)),
                        WEIR_BULKHEAD(.limit = 1), EACH)),
       WEIR_LINT_RETRIES_FULL);
    EQ(lint(WEIR_POLICY(TOTAL, WEIR_RETRY(), WEIR_BREAKER(.lease = WEIR_MS(999)), EACH)),
       WEIR_LINT_LEASE);
    EQ(lint(WEIR_POLICY(TOTAL, WEIR_RETRY(), WEIR_BREAKER(.slow = WEIR_S(1) + 1), EACH)),
       WEIR_LINT_SLOW);
    EQ(lint(WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_S(9)), WEIR_RETRY(),
                        WEIR_RATE(.per_sec = 1, .max_wait = WEIR_S(9)), EACH)),
       WEIR_LINT_ROW);
}

/* cli/test_sim_service.c has what it leads to. */
TEST(O2_a_retry_that_waits_out_a_breaker_without_an_end_is_told)
{
    EQ(lint(WEIR_POLICY(WEIR_RETRY(), WEIR_BREAKER(), EACH)), WEIR_LINT_HERD);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(), WEIR_RATE(.per_sec = 1), WEIR_BREAKER(), EACH)),
       WEIR_LINT_HERD);
    EQ(lint(WEIR_POLICY(TOTAL, WEIR_RETRY(), WEIR_BREAKER(), EACH)), 0);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(), WEIR_BREAKER(), TOTAL, EACH)), 0); /* it is the call's */
    EQ(lint(WEIR_POLICY(WEIR_OBSERVED(TIMEOUT(.total = WEIR_S(30))), WEIR_RETRY(), WEIR_BREAKER(),
                        EACH)),
       WEIR_LINT_HERD);
    /* Nobody waits it out: one attempt, an observed breaker, an own backoff instead. */
    EQ(lint(WEIR_POLICY(WEIR_RETRY(.attempts = 1), WEIR_BREAKER(), EACH)), 0);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(), WEIR_OBSERVED(BREAKER()), EACH)), 0);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(.retry_after_cap = WEIR_RETRY_AFTER_IGNORE), WEIR_BREAKER(),
                        EACH)),
       0);
    EQ(lint(WEIR_POLICY(WEIR_BREAKER(), WEIR_RETRY(), EACH)), WEIR_LINT_BREAKER_OUTSIDE);
}

TEST(O2_one_budget_makes_nested_retries_right_and_two_do_not)
{
    struct weir_budget a, b;

    EQ(weir_budget_init(&a, NULL), 0);
    EQ(weir_budget_init(&b, NULL), 0);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(.budget = &a), WEIR_RETRY(.budget = &a), EACH)), 0);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(.budget = &a), WEIR_RETRY(.budget = &b), EACH)),
       WEIR_LINT_BUDGETS_DIFFER);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(.budget = &a), WEIR_RETRY(), EACH)), WEIR_LINT_BUDGETS_DIFFER);
    EQ(lint(WEIR_POLICY(WEIR_RETRY(), WEIR_RETRY(.attempts = 1), EACH)),
       0); /* multiplies nothing */
    EQ(lint(WEIR_POLICY(WEIR_RETRY(), WEIR_OBSERVED(RETRY()), EACH)), 0);
}

TEST(O2_every_warning_has_its_line)
{
    weir_policy *p = WEIR_POLICY(
        WEIR_TIMEOUT(.total = WEIR_S(2)), WEIR_BULKHEAD(.limit = 1, .max_wait = WEIR_S(3)),
        WEIR_RATE(.per_sec = 1), WEIR_BREAKER(.lease = 1, .slow = WEIR_S(2)), EACH,
        WEIR_RETRY(.jitter = WEIR_JITTER_NONE, .min_attempt = WEIR_S(3),
                   .retry_on = WEIR_CLASS_BIT(WEIR_CLASS_REJECTED_LOCAL)),
        WEIR_BULKHEAD(.limit = 1), WEIR_RETRY(.grow = WEIR_GROW_NONE));
    int bits = weir_policy_lint(p), lines = 0;
    const char *text = explain(p);

    for (const char *at = text; (at = strstr(at, "warning: ")) != NULL; at++)
        lines++;
    EQ(lines, __builtin_popcount((unsigned)bits));
    EQ(lines, 13);
}

TEST(explain_tells_modes_and_what_a_budget_does_in_the_long_run)
{
    struct weir_budget b, share;
    const char *text;

    EQ(weir_budget_init(&b, &(struct weir_budget_opts){.ratio_milli = 100}), 0);
    EQ(weir_budget_init(&share, &(struct weir_budget_opts){.form = WEIR_BUDGET_SHARE}), 0);
    text = explain(WEIR_POLICY(WEIR_RETRY(.budget = &b), WEIR_OBSERVED(RATE(.per_sec = 5)),
                               WEIR_SWITCHED_OFF(BULKHEAD(.limit = 2)),
                               WEIR_BREAKER(.mode = WEIR_BREAKER_OBSERVE), WEIR_RETRY(.budget = &b),
                               EACH));
    OK(strstr(text, "rate: 5 in 1 s, burst 1, waits for its turn; observes only\n") != NULL);
    OK(strstr(text, "bulkhead: 2 at once, waits for its turn; off\n") != NULL);
    OK(strstr(text, "then 3 probes; observes only\n") != NULL);
    OK(strstr(text, "amplification 9x\n") != NULL);
    OK(strstr(text, "in the long run: amplification 1.1x, by the budget\n") != NULL);
    text = explain(WEIR_POLICY(WEIR_RETRY(.budget = &share, .attempts = 9), EACH));
    OK(strstr(text, "in the long run: amplification 1.111x, by the budget\n") != NULL);
}
