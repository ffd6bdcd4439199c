/*
 * test_threads.c -- one stack, many threads: what plan.h says may be shared is.
 */
#include "harness/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "policy/plan.h"

enum { THREADS = 6, CALLS = 20000, LIMIT = 3 };

static weir_policy *policy, *other;
static struct weir_budget budget;
static atomic_int inside, most;

static void *hammer(void *arg)
{
    weir_time now = WEIR_EPOCH;
    struct weir__plan_run r;
    weir_policy *p = (uintptr_t)arg % 2 ? policy : other;

    for (int i = 0; i < CALLS; i++) {
        int64_t wait = 0;
        int out, seen;

        weir__plan_begin(p, &r, now, WEIR_NEVER);
        while ((wait = weir__plan_admit(p, &r, now)) >= 0) {
            if (wait > 0) {
                if (i % 3 == 0)
                    break;
                now += wait == WEIR__PLAN_PARK ? 1 : wait;
                continue;
            }
            seen = p == policy ? atomic_fetch_add(&inside, 1) + 1 : 0;
            if (seen > atomic_load(&most))
                atomic_store(&most, seen);
            if (p == policy)
                atomic_fetch_sub(&inside, 1);
            if (weir__plan_done(p, &r, i % 4 ? 0 : -EIO, now, &out) == 0)
                break;
        }
        weir__plan_abandon(p, &r, now);
    }
    return NULL;
}

TEST_WITH(a_stack_and_a_budget_may_be_used_from_many_threads, .timeout = 60)
{
    pthread_t thread[THREADS];

    EQ(weir_budget_init(&budget, NULL), 0);
    policy = WEIR_POLICY(WEIR_RETRY(.base = 5, .budget = &budget),
                         WEIR_BREAKER(.failures = 50, .open = 9),
                         WEIR_RATE(.count = 1, .period = 2), WEIR_BULKHEAD(.limit = LIMIT));
    other = WEIR_POLICY(WEIR_RETRY(.base = 5, .budget = &budget));
    EQ(weir_policy_error(policy), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        EQ(pthread_create(&thread[i], NULL, hammer, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        EQ(pthread_join(thread[i], NULL), 0);
    EQ(weir_bulkhead_used(&policy->layer[3].u.bulkhead), 0);
    LE(atomic_load(&most), LIMIT);
    OK(weir__list_empty(&policy->layer[2].row) && weir__list_empty(&policy->layer[3].row));
    weir_policy_free(&policy);
    weir_policy_free(&other);
}
