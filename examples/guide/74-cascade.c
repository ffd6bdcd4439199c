/*
 * 74-cascade.c -- a service that hangs takes its callers along, and the cure
 * (the guide's anti-pattern 4).
 *
 * A breaker sees failures, so a hanging service must be made to fail: each
 * attempt has a limit, and that is what trips the breaker.  There is one policy
 * a dependency; what the page can do without comes from a fallback.
 */
#include <inttypes.h>
#include <stdio.h>
#include <weir.h>

enum { REQUESTS = 200 };

/* Two stand-ins: the users' service answers in 10 ms, the profiles' hangs. */
struct services {
    weir_policy *users, *profiles;
    int hung, served, without;
    weir_span longest;
};

static int get_user(void *arg)
{
    (void)arg;
    return weir_sleep(weir_after(WEIR_MS(10)));
}

static int get_profile(void *arg)
{
    ((struct services *)arg)->hung++;
    return weir_sleep(weir_after(WEIR_S(60)));
}

/* NG: each request waits as long as the service does not answer. */
static int bad_handler(void *arg)
{
    struct services *s = arg;
    int r = get_user(s);

    if (r == 0)
        r = get_profile(s);
    s->served += r == 0;
    return r;
}

static int no_profile(void *arg, int code)
{
    (void)code; /* WEIR_EOPEN, or -ETIMEDOUT of one of the first */
    ((struct services *)arg)->without++;
    return 0;
}

static int good_handler(void *arg)
{
    struct services *s = arg;
    int r = weir_call(s->users, get_user, s);

    if (r == 0)
        r = weir_call_or(s->profiles, get_profile, s, no_profile, NULL);
    s->served += r == 0;
    return r;
}

struct request {
    int (*handler)(void *arg);
    struct services *services;
};

static int serve(void *arg)
{
    const struct request *q = arg;
    weir_time start = weir_now();
    int r = q->handler(q->services);

    if (weir_now() - start > q->services->longest)
        q->services->longest = weir_now() - start;
    return r;
}

/* A request each 20 ms. */
static int load(const char *what, int (*handler)(void *), struct services *services)
{
    struct request q = {handler, services};
    weir_scope *s = weir_scope_open(NULL);
    size_t open = 0;
    int r = 0, r_close;

    services->hung = services->served = services->without = 0;
    services->longest = 0;
    for (int i = 0; i < REQUESTS && r == 0; i++)
        if ((r = weir_go(s, serve, &q)) == 0)
            r = weir_sleep(weir_after(WEIR_MS(20)));
    open = weir_scope_running(s);
    r_close = weir_scope_close(&s);
    printf("%s: %d served, %d without a profile; the longest took %" PRId64
           " ms; %d calls hung; %zu still open in the end\n",
           what, services->served, services->without, services->longest / WEIR_MS(1),
           services->hung, open);
    return r < 0 ? r : r_close;
}

static int app(void *arg)
{
    struct services s = {
        .users = WEIR_POLICY(WEIR_TIMEOUT(.each = WEIR_MS(195))),
        .profiles = WEIR_POLICY(WEIR_BREAKER(.failures = 5, .open = WEIR_S(30), .probes = 1),
                                WEIR_TIMEOUT(.each = WEIR_MS(195))),
    };
    int r = load("bad", bad_handler, &s);

    (void)arg;
    if (r == 0)
        r = load("good", good_handler, &s);
    weir_policy_free(&s.users);
    weir_policy_free(&s.profiles);
    return r;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "cascade: %s\n", weir_strerror(r));
    return r < 0;
}
