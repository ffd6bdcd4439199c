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
          "worst case: attempts 5, time 16.5 s, amplification 5x\n");
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

/* The stack run with everything failing and every wait at its longest. */
TEST(the_worst_case_is_what_the_worst_run_takes)
{
    for (int i = 0; i < 20; i++) {
        uint32_t a = 1 + test_random() % 4, b = 1 + test_random() % 4;
        weir_span each = 1 + (weir_span)(test_random() % 1000);
        weir_policy *p = WEIR_POLICY(
            WEIR_RETRY(.attempts = a, .base = 70, .cap = 200, .jitter = WEIR_JITTER_NONE),
            WEIR_RETRY(.attempts = b, .base = 10, .cap = 50, .jitter = WEIR_JITTER_NONE,
                       .grow = WEIR_GROW_LINEAR),
            WEIR_TIMEOUT(.each = each));
        struct weir__plan_run r;
        weir_time now = T0;
        int64_t wait;
        int out;

        weir__plan_begin(p, &r, now, WEIR_NEVER);
        do {
            EQ(weir__plan_admit(p, &r, now), 0);
            now = r.attempt_deadline;
            wait = weir__plan_done(p, &r, -ETIMEDOUT, now, &out);
            now += wait;
        } while (wait > 0);
        EQ(weir__plan_worst(p).attempts, r.attempt);
        EQ(weir__plan_worst(p).time, now - T0);
        weir_policy_free(&p);
    }
}
