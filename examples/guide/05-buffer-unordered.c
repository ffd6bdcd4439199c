/*
 * 05-buffer-unordered.c -- twenty pages, five at a time (the guide's code
 * example 5), over HTTP from a server inside the program.
 *
 * Results come as they are done, so each one carries what it is a result of:
 * the page that failed can be named.
 */
#include "loopback.h"

#include <weir/http.h>

enum { PAGES = 20, LIMIT = 5 };

struct result {
    int page, status, error;
    size_t size;
};

struct site {
    int now, most; /* requests being served */
};

static int site_page(void *ctx, const char *path, int fd)
{
    struct site *site = ctx;
    char body[64];
    int r;

    site->most = ++site->now > site->most ? site->now : site->most;
    r = weir_sleep(weir_after(WEIR_MS(5)));
    site->now--;
    if (r < 0)
        return r;
    if (strcmp(path, "/page/13") == 0)
        return loopback_say(fd, "404 Not Found", "");
    snprintf(body, sizeof body, "Content of %s", path);
    return loopback_say(fd, "200 OK", body);
}

struct fetcher {
    weir_http *client;
    int port;
};

/* A page that cannot be had is a result too, not the end of the others. */
static int fetch(void *ctx, void *in, void *out)
{
    struct fetcher *f = ctx;
    struct result *result = out;
    struct weir_http_resp resp = {0};
    char url[64];

    result->page = (int)*(int64_t *)in;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/page/%d", f->port, result->page);
    result->error = weir_http_do(
        f->client, &(struct weir_http_req){.url = url, .total_timeout = WEIR_S(20)}, &resp);
    result->status = resp.status;
    result->size = resp.body_size;
    weir_http_close(&resp);
    return result->error == -ECANCELED ? -ECANCELED : 1;
}

static int fetch_all(int port)
{
    struct fetcher f = {weir_http_new(&(struct weir_http_opts){.proxy = ""}), port};
    weir_stream *s = weir_range(1, PAGES + 1);
    struct result result;
    size_t bytes = 0;
    int good = 0, r;

    s = weir_buffer_unordered(s, fetch, &f, WEIR_TYPE(struct result), LIMIT);
    while ((r = weir_next(s, &result)) > 0) {
        if (result.error == 0 && result.status == 200) {
            good++;
            bytes += result.size;
        } else {
            printf("page %d: %s, status %d\n", result.page, weir_strerror(result.error),
                   result.status);
        }
    }
    weir_stream_close(&s);
    weir_http_free(&f.client);
    printf("%d of %d pages, %zu bytes\n", good, PAGES, bytes);
    return r;
}

static int app(void *arg)
{
    struct site site = {0, 0};
    struct loopback server = {.page = site_page, .ctx = &site};
    int r = loopback_start(&server), r_stop;

    (void)arg;
    if (r == 0)
        r = fetch_all(server.port);
    r_stop = loopback_stop(&server);
    printf("never more than %d at once: %s\n", LIMIT, site.most <= LIMIT ? "yes" : "no");
    return r < 0 ? r : r_stop;
}

int main(void)
{
    int r = weir_run(NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "buffer-unordered: %s\n", weir_strerror(r));
    return r < 0;
}
