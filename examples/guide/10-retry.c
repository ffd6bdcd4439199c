/*
 * 10-retry.c -- trying again, each time after twice as long (the guide's code
 * example 10).
 *
 * A retry is a line in a stack of policies.  It counts attempts, the first
 * included; every wait is capped, the first too; a wait that could not end
 * before the deadline is not begun; and what is not idempotent is only sent
 * again if it was surely never sent.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <weir.h>

/* A stand-in for a request: 20 ms, then the failure, until the attempt that works. */
struct service {
    int failure;
    uint32_t works_at; /* 0: never */
};

static int request(void *arg)
{
    const struct service *s = arg;
    int r = weir_sleep(weir_after(WEIR_MS(20)));

    return r < 0 ? r : weir_try_info().attempt == s->works_at ? 0 : s->failure;
}

static void log_retry(void *ctx, const struct weir_retry_event *e)
{
    (void)ctx;
    printf("  attempt %" PRIu32 ": %s; the next in %" PRId64 " ms\n", e->attempt,
           weir_strerror(e->result), e->wait / WEIR_MS(1));
}

static const char *reason(uint32_t giveup)
{
    switch (giveup) {
    case WEIR_GIVEUP_ATTEMPTS:
        return ", no attempt is left";
    case WEIR_GIVEUP_DEADLINE:
        return ", the next would come too late";
    case WEIR_GIVEUP_CLASS:
        return ", not to be tried again";
    default:
        return "";
    }
}

/* Without jitter, so that the doubling shows; 11-jitter.c says why it should be there. */
static int try_it(const char *what, struct service s, weir_span total, uint32_t unsafe)
{
    weir_policy *p =
        WEIR_POLICY(WEIR_TIMEOUT(.total = total),
                    WEIR_RETRY(.attempts = 5, .base = WEIR_MS(500), .cap = WEIR_S(3),
                               .unsafe = unsafe, .jitter = WEIR_JITTER_NONE, .on_retry = log_retry),
                    WEIR_TIMEOUT(.each = WEIR_S(5)));
    struct weir_call_report report;
    int r;

    printf("%s\n", what);
    r = weir_call_run(p, request, &s, &report);
    printf("  %s after %" PRIu32 " of 5 attempts and %" PRId64 " ms%s\n", weir_strerror(r),
           report.attempts, report.took / WEIR_MS(1), reason(report.giveup));
    weir_policy_free(&p);
    return r;
}

static int app(void *arg)
{
    (void)arg;
    if (try_it("a service that comes back", (struct service){-ECONNREFUSED, 3}, WEIR_S(30), 0) ||
        try_it("one that does not", (struct service){-ECONNRESET, 0}, WEIR_S(30), 0) !=
            -ECONNRESET ||
        try_it("the same with 2 s for everything", (struct service){-ECONNRESET, 0}, WEIR_S(2),
               0) != -ECONNRESET ||
        try_it("an order, which must not be sent twice", (struct service){-ECONNRESET, 2},
               WEIR_S(30), 1) != -ECONNRESET)
        return -EIO;
    return 0;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "retry: %s\n", weir_strerror(r));
    return r < 0;
}
