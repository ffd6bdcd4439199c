/*
 * 12-breaker.c -- no calls to a service that is down (the guide's code example
 * 12).
 *
 * Admission hands out a token, so half open lets exactly `probes` calls
 * through, whoever comes, and a late answer from before says nothing about the
 * state after.  A wrong request (404) is the client's fault, and no failure.
 */
#include <errno.h>
#include <stdio.h>
#include <weir.h>

enum { CALLERS = 1000 };

/* A stand-in for a service: 50 ms, then what it is told to say. */
struct service {
    weir_policy *policy;
    int says, reached, refused;
};

static int request(void *arg)
{
    struct service *s = arg;
    int r = weir_sleep(weir_after(WEIR_MS(50)));

    s->reached++;
    if (s->says == -ENOENT)
        weir_try_hint(WEIR_CLASS_CLIENT, 0); /* weir_http_do does this by itself */
    return r < 0 ? r : s->says;
}

static int call(void *arg)
{
    struct service *s = arg;
    int r = weir_call(s->policy, request, s);

    s->refused += r == WEIR_EOPEN;
    return r == WEIR_EOPEN || r == s->says ? 0 : r; /* anything else is a failure of ours */
}

/* So many callers at the same time. */
static int calls(struct service *s, const char *what, int says, int callers)
{
    weir_scope *scope = weir_scope_open(NULL);
    int r = 0, r_close;

    s->says = says;
    s->reached = s->refused = 0;
    for (int i = 0; i < callers && r == 0; i++)
        r = weir_go(scope, call, s);
    r_close = weir_scope_close(&scope);
    printf("%s: %d reached the service, %d were refused\n", what, s->reached, s->refused);
    return r < 0 ? r : r_close;
}

static void log_change(void *ctx, const struct weir_breaker_event *e)
{
    static const char *const name[] = {"closed", "open", "half open"};

    (void)ctx;
    printf("  [%s -> %s]\n", name[e->from], name[e->to]);
}

static int story(struct service *s)
{
    int r;

    if ((r = calls(s, "all is well", 0, 20)) < 0 ||
        (r = calls(s, "twenty wrong requests", -ENOENT, 20)) < 0 ||
        (r = calls(s, "the service is down", -ECONNREFUSED, 5)) < 0 ||
        (r = calls(s, "a moment later", -ECONNREFUSED, CALLERS)) < 0 ||
        (r = weir_sleep(weir_after(WEIR_S(30)))) < 0 ||
        (r = calls(s, "30 s later, still down", -ECONNREFUSED, CALLERS)) < 0 ||
        (r = weir_sleep(weir_after(WEIR_S(60)))) < 0 ||
        (r = calls(s, "60 s later, up again", 0, CALLERS)) < 0)
        return r;
    return calls(s, "and then", 0, CALLERS);
}

static int app(void *arg)
{
    struct service s = {.policy = WEIR_POLICY(WEIR_BREAKER(.failures = 5, .open = WEIR_S(30),
                                                           .probes = 3, .on_change = log_change))};
    int r = story(&s);

    (void)arg;
    weir_policy_free(&s.policy);
    return r;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "breaker: %s\n", weir_strerror(r));
    return r < 0;
}
