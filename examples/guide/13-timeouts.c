/*
 * 13-timeouts.c -- timeouts of one request, and of a batch of them (the guide's
 * code example 13), over HTTP from a server inside the program.
 *
 * Each phase of a request has its own limit, and the outcome says which one it
 * was.  When the time of the batch is over, what was done is kept: each request
 * has a slot that says done, cut, or never started.
 */
#include "loopback.h"

#include <weir/http.h>

struct fetch {
    const char *path;
    weir_http *client;
    int port, status;
    enum weir_http_outcome outcome;
};

/* /mute never answers; /half sends half of its answer. */
static int page(void *ctx, const char *path, int fd)
{
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf";
    ssize_t r = 0;

    (void)ctx;
    if (strcmp(path, "/half") == 0)
        r = weir_write_all(fd, half, sizeof half - 1, NULL, WEIR_NEVER);
    if (r > 0 || strcmp(path, "/mute") == 0)
        r = weir_sleep(WEIR_NEVER);
    return r < 0 ? (int)r : loopback_say(fd, "200 OK", path);
}

static int fetch(void *arg)
{
    struct fetch *f = arg;
    struct weir_http_resp resp = {0};
    char url[64];
    int r;

    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", f->port, f->path);
    r = weir_http_do(f->client,
                     &(struct weir_http_req){.url = url,
                                             .ttfb_timeout = WEIR_MS(400),
                                             .idle_timeout = WEIR_S(30),
                                             .total_timeout = WEIR_S(40)},
                     &resp);
    f->status = resp.status;
    f->outcome = resp.outcome;
    weir_http_close(&resp);
    return r;
}

/* What the slot says, and for a request that was started, what the client says. */
static void say(const struct fetch *f, int result)
{
    if (result == WEIR_ENOTRUN)
        printf("%-6s never started\n", f->path);
    else
        printf("%-6s %-9s  %s, status %d\n", f->path,
               result == 0            ? "done"
               : result == -ETIMEDOUT ? "timed out"
                                      : "failed",
               weir_http_outcome_name(f->outcome), f->status);
}

/* Two at a time, 1.5 s for all: 0, or -ETIMEDOUT with what was done until then. */
static int batch(weir_http *client, int port)
{
    static const char *const path[] = {"/a", "/b", "/mute", "/c", "/half", "/half", "/d", "/e"};
    enum { N = sizeof path / sizeof *path };
    struct fetch f[N];
    struct weir_job job[N];
    int r;

    for (int i = 0; i < N; i++) {
        f[i] = (struct fetch){path[i], client, port, 0, WEIR_HTTP_OK};
        job[i] = (struct weir_job){fetch, &f[i], 0};
    }
    r = weir_join_all(job, N,
                      &(struct weir_join_opts){.limit = 2,
                                               .on_error = WEIR_KEEP,
                                               .deadline = weir_after(WEIR_MS(1500))});
    for (int i = 0; i < N; i++)
        say(&f[i], job[i].result);
    return r;
}

static int app(void *arg)
{
    struct loopback server = {.page = page};
    int r = loopback_start(&server), r_stop;

    (void)arg;
    if (r == 0) {
        weir_http *client = weir_http_new(&(struct weir_http_opts){.proxy = ""});

        r = batch(client, server.port);
        printf("the batch: %s\n", weir_strerror(r));
        weir_http_free(&client);
    }
    r_stop = loopback_stop(&server);
    return r != -ETIMEDOUT ? r : r_stop;
}

int main(void)
{
    int r = weir_run(NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "timeouts: %s\n", weir_strerror(r));
    return r < 0;
}
