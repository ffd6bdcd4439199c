/*
 * 14-retry-some.c -- which failures are worth another try (the guide's code
 * example 14).
 *
 * What decides is a class, given by whoever knows what the answer means, never
 * a text that happens to contain a number.  weir_http_do gives the class and
 * the Retry-After of an answer to the stack by itself; here a stand-in does it
 * by hand.  What nobody knows is not tried again.
 */
#include <errno.h>
#include <stdio.h>
#include <weir.h>

struct answer {
    int result, status; /* status 0: there was no answer, only the code */
    const char *text;
    weir_span retry_after;
};

/* The answers of a service to one request, one after the other. */
struct script {
    struct answer answer[2];
    uint32_t attempts; /* what should become of it */
};

static const struct script scripts[] = {
    {{{-EIO, 503, "Service Unavailable", 0}, {0, 200, "OK", 0}}, 2},
    {{{-EIO, 404, "order 150377 not found", 0}}, 1},
    {{{-EIO, 400, "field timeout is missing", 0}}, 1},
    {{{-EIO, 429, "Too Many Requests", WEIR_S(2)}, {0, 200, "OK", 0}}, 2},
    {{{-ECONNREFUSED, 0, "connect to 10.0.0.1:4000 refused", 0}, {0, 200, "OK", 0}}, 2},
    {{{-EDOM, 0, "row 503: an error that nobody has heard of", 0}}, 1},
};

static enum weir_class class_of(int status)
{
    switch (status / 100) {
    case 2:
        return WEIR_CLASS_OK;
    case 4:
        return status == 429 ? WEIR_CLASS_THROTTLED : WEIR_CLASS_CLIENT;
    case 5:
        return WEIR_CLASS_SERVER;
    default:
        return WEIR_CLASS_AUTO; /* by the code */
    }
}

static int request(void *arg)
{
    const struct script *s = arg;
    const struct answer *a = &s->answer[weir_try_info().attempt - 1];

    printf("%3d %-42s", a->status, a->text);
    weir_try_hint(class_of(a->status), a->retry_after);
    return a->result;
}

static void log_retry(void *ctx, const struct weir_retry_event *e)
{
    (void)ctx;
    printf(" again in %s\n", e->wait >= WEIR_S(2) ? "2 s or a little more" : "a moment");
}

static int app(void *arg)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 2, .on_retry = log_retry));
    int r = 0;

    (void)arg;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts && r == 0; i++) {
        struct weir_call_report report;
        struct script s = scripts[i];
        int result = weir_call_run(p, request, &s, &report);

        printf(" %s\n", result < 0 ? "given up" : "done");
        if (report.attempts != s.attempts)
            r = -EIO;
    }
    weir_policy_free(&p);
    return r;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "retry-some: %s\n", weir_strerror(r));
    return r < 0;
}
