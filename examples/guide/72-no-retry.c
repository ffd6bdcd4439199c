/*
 * 72-no-retry.c -- one attempt, and the cure (the guide's anti-pattern 2), over
 * HTTP from a server inside the program.
 *
 * The server cuts the connection, then is busy, then does not answer at all, and
 * then is well.  The cure is a policy: a limit for an attempt, some attempts, a
 * limit for all of them, and a log.
 */
#include "loopback.h"

#include <inttypes.h>
#include <weir/http.h>

struct request {
    weir_http *client;
    int port, status;
};

/* Each request finds the server in another mood. */
static int moody(void *ctx, const char *path, int fd)
{
    int *served = ctx;

    (void)path;
    switch ((*served)++) {
    case 0:
        return -ECONNRESET;
    case 1:
        return loopback_say(fd, "503 Service Unavailable", "");
    case 2:
        return weir_sleep(WEIR_NEVER);
    default:
        return loopback_say(fd, "200 OK", "data");
    }
}

/* The client tells the policies what an answer means: 503 is worth another try. */
static int get(void *arg)
{
    struct request *q = arg;
    struct weir_http_resp resp = {0};
    char url[64];
    int r;

    snprintf(url, sizeof url, "http://127.0.0.1:%d/data", q->port);
    r = weir_http_do(q->client, &(struct weir_http_req){.url = url}, &resp);
    q->status = resp.status;
    weir_http_close(&resp);
    return r;
}

static void log_retry(void *ctx, const struct weir_retry_event *e)
{
    struct request *q = ctx;

    if (e->result < 0)
        printf("  attempt %" PRIu32 ": %s\n", e->attempt, weir_strerror(e->result));
    else
        printf("  attempt %" PRIu32 ": status %d\n", e->attempt, q->status);
}

static void try_once(struct request *q)
{
    int r = get(q);

    printf("once: %s\n", weir_strerror(r));
}

static int try_well(struct request *q)
{
    weir_policy *p =
        WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_S(30)),
                    WEIR_RETRY(.attempts = 5, .base = WEIR_MS(20), .on_retry = log_retry, .ctx = q),
                    WEIR_TIMEOUT(.each = WEIR_S(1)));
    int r;

    puts("with retries:");
    r = weir_call(p, get, q);
    printf("  %s, status %d\n", weir_strerror(r), q->status);
    weir_policy_free(&p);
    return r;
}

static int app(void *arg)
{
    int served = 0, r, r_stop;
    struct loopback server = {.page = moody, .ctx = &served};

    (void)arg;
    if ((r = loopback_start(&server)) == 0) {
        struct request q = {weir_http_new(&(struct weir_http_opts){.proxy = ""}), server.port, 0};

        try_once(&q);
        served = 0;
        r = try_well(&q);
        weir_http_free(&q.client);
    }
    r_stop = loopback_stop(&server);
    return r < 0 ? r : r_stop;
}

int main(void)
{
    int r = weir_run(NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "no-retry: %s\n", weir_strerror(r));
    return r < 0;
}
