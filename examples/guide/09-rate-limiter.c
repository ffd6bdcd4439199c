/*
 * 09-rate-limiter.c -- five requests a second (the guide's code example 9).
 *
 * No task refills anything: what has become free is computed from the clock
 * when somebody asks, so nothing drifts and nothing is left running.  Rate and
 * burst are two numbers: with a burst of 1 there are five in the first second
 * too, not ten.
 */
#include <inttypes.h>
#include <stdio.h>
#include <weir.h>

enum { REQUESTS = 15 };

struct client {
    weir_policy *policy;
    weir_time start;
    int sent, first_second;
};

static int request(void *arg)
{
    struct client *c = arg;
    weir_span at = weir_now() - c->start;

    printf("%4" PRId64 " ms  request %d\n", at / WEIR_MS(1), ++c->sent);
    c->first_second += at < WEIR_S(1);
    return 0;
}

static int limited_request(void *arg)
{
    return weir_call(((struct client *)arg)->policy, request, arg); /* waits for its turn */
}

static int send_all(struct client *c)
{
    weir_scope *s = weir_scope_open(NULL);
    int r = 0, r_close;

    for (int i = 0; i < REQUESTS && r == 0; i++)
        r = weir_go(s, limited_request, c);
    r_close = weir_scope_close(&s);
    return r < 0 ? r : r_close;
}

static int app(void *arg)
{
    struct client c = {.policy = WEIR_POLICY(WEIR_RATE(.per_sec = 5, .burst = 1)),
                       .start = weir_now()};
    int r = send_all(&c);

    (void)arg;
    printf("%d in the first second\n", c.first_second);
    weir_policy_free(&c.policy);
    return r;
}

/*
 * The limit itself is a few words of memory: no fiber, no clock, time is an
 * argument.  Asked every microsecond for a second it admits what it is set to:
 * nothing is rounded away.
 */
static int pure(uint32_t per_sec)
{
    struct weir_rate rate;
    int r = weir_rate_init(&rate, &(struct weir_rate_opts){.per_sec = per_sec, .burst = 1});
    int admitted = 0;

    for (weir_time t = WEIR_EPOCH; t < WEIR_EPOCH + WEIR_S(1) && r == 0; t += WEIR_US(1))
        admitted += weir_rate_take(&rate, 1, t) == 0;
    printf("%5" PRIu32 " a second: %d in one second\n", per_sec, admitted);
    return r;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0 || (r = pure(3)) < 0 || (r = pure(1000)) < 0 || (r = pure(20000)) < 0)
        fprintf(stderr, "rate-limiter: %s\n", weir_strerror(r));
    return r < 0;
}
