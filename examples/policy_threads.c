/*
 * policy_threads.c -- a policy stack shared by plain threads, without weir's
 * fibers: each thread waits on a condition of its own.
 *
 * Eight threads make ten calls each to a service that fails every third
 * attempt and stands no more than three at once.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <weir/pass.h>

enum { THREADS = 8, CALLS = 10, AT_ONCE = 3 };

struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int woken;
};

static weir_policy *policy;
static atomic_int served, inside, most, attempts;

/* --- the service ------------------------------------------------------------ */

static int service(void)
{
    int now = atomic_fetch_add(&inside, 1) + 1, seen = atomic_load(&most);
    int n = atomic_fetch_add(&attempts, 1);

    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
        continue;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    atomic_fetch_sub(&inside, 1);
    return n % 3 == 0 ? -ECONNRESET : 0;
}

/* --- waiting ------------------------------------------------------------------ */

/* Another thread has given us its permit.  The policy is locked: only a flag and a signal. */
static void wake(void *ctx)
{
    struct waiter *w = ctx;

    pthread_mutex_lock(&w->mutex);
    w->woken = 1;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);
}

/* Until woken, or for `span`.  The mutex is not held while the policy is asked. */
static void waiter_wait(struct waiter *w, weir_span span)
{
    struct timespec until;
    int r = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    if (span > WEIR_S(3600))
        span = WEIR_S(3600); /* asking too early does no harm */
    until.tv_sec += span / WEIR_S(1);
    until.tv_nsec += span % WEIR_S(1);
    if (until.tv_nsec >= WEIR_S(1)) {
        until.tv_sec++;
        until.tv_nsec -= WEIR_S(1);
    }
    pthread_mutex_lock(&w->mutex);
    while (!w->woken && r == 0)
        r = pthread_cond_timedwait(&w->cond, &w->mutex, &until);
    w->woken = 0;
    pthread_mutex_unlock(&w->mutex);
}

/* --- a call -------------------------------------------------------------------- */

static int call(struct waiter *w)
{
    struct weir_pass c;
    int result = 0;

    weir_pass_begin(&c, policy, weir_now(), WEIR_NEVER, wake, w);
    for (;;) {
        struct weir_retry_outcome outcome = {0};
        int64_t wait;

        while ((wait = weir_pass_enter(&c, weir_now())) > 0)
            waiter_wait(w, wait);
        if (wait < 0)
            return (int)wait;
        outcome.result = service();
        wait = weir_pass_done(&c, weir_pass_attempt(&c), &outcome, weir_now(), &result);
        if (wait <= 0)
            return wait < 0 ? (int)wait : result;
        waiter_wait(w, wait);
    }
}

static void *caller(void *arg)
{
    struct waiter w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .woken = 0};
    pthread_condattr_t attr;

    (void)arg;
    if (pthread_condattr_init(&attr) != 0)
        return NULL;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (pthread_cond_init(&w.cond, &attr) == 0) {
        for (int i = 0; i < CALLS; i++)
            if (call(&w) == 0)
                atomic_fetch_add(&served, 1);
        pthread_cond_destroy(&w.cond);
    }
    pthread_condattr_destroy(&attr);
    return NULL;
}

int main(void)
{
    pthread_t thread[THREADS];
    int n = 0;

    policy = WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_S(30)),
                         WEIR_RETRY(.attempts = 20, .base = WEIR_MS(1), .cap = WEIR_MS(10)),
                         WEIR_BREAKER(.failures = 50), WEIR_BULKHEAD(.limit = AT_ONCE));
    if (weir_policy_error(policy) < 0)
        return 1;
    while (n < THREADS && pthread_create(&thread[n], NULL, caller, NULL) == 0)
        n++;
    for (int i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
    printf("%d threads: %d of %d calls served, never more than %d at once, %s\n", n,
           atomic_load(&served), n * CALLS, AT_ONCE,
           atomic_load(&most) <= AT_ONCE && atomic_load(&attempts) > n * CALLS ? "with retries"
                                                                               : "or not");
    weir_policy_free(&policy);
    return atomic_load(&served) != n * CALLS;
}
