/*
 * 71-unbounded.c -- everything at once, and the cure (the guide's
 * anti-pattern 1).
 *
 * Each fetch needs a descriptor, and there are 200 of them.  A thousand at once
 * run out; fifty at once do not.  The limit stands where fibers are started, so
 * neither descriptors nor fibers pile up: waiting for a place costs nothing but
 * the place in the list.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weir.h>

enum { URLS = 1000, DESCRIPTORS = 200, AT_ONCE = 50 };

struct crawl {
    int now, most, failed;
};

/* A stand-in for a fetch: it opens something, and holds it for 100 ms. */
static int fetch(struct crawl *c)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), r;

    if (fd < 0)
        return -errno;
    c->most = ++c->now > c->most ? c->now : c->most;
    r = weir_sleep(weir_after(WEIR_MS(100)));
    c->now--;
    close(fd);
    return r;
}

static int fetch_fiber(void *arg)
{
    struct crawl *c = arg;

    c->failed += fetch(c) < 0;
    return 0;
}

static void report(const char *what, const struct crawl *c)
{
    if (c->failed > 0)
        printf("%s: out of descriptors\n", what);
    else
        printf("%s: all of %d, up to %d at once\n", what, URLS, c->most);
}

/* limit 0: NG.  Fibers are cheap, what they use is not. */
static int by_fibers(const char *what, uint32_t limit)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.limit = limit});
    struct crawl c = {0, 0, 0};
    int r = 0, r_close;

    for (int i = 0; i < URLS && r == 0; i++)
        r = weir_go(s, fetch_fiber, &c);
    r_close = weir_scope_close(&s);
    report(what, &c);
    return r < 0 ? r : r_close;
}

static int fetch_item(void *ctx, void *item, void *out)
{
    (void)item, (void)out;
    return fetch_fiber(ctx);
}

/* The same on a stream, which need not be an array: it is pulled as places become free. */
static int by_stream(const char *what)
{
    struct crawl c = {0, 0, 0};
    weir_stream *s = weir_range(0, URLS);
    int r = weir_for_each_concurrent(&s, fetch_item, &c, AT_ONCE);

    report(what, &c);
    return r;
}

static int app(void *arg)
{
    int r;

    (void)arg;
    if ((r = by_fibers("unbounded", 0)) < 0 || (r = by_fibers("a scope with a limit", AT_ONCE)) < 0)
        return r;
    return by_stream("a stream with a limit");
}

int main(void)
{
    struct rlimit few;
    int r;

    if (getrlimit(RLIMIT_NOFILE, &few) < 0)
        return 1;
    few.rlim_cur = DESCRIPTORS;
    r = setrlimit(RLIMIT_NOFILE, &few) < 0 ? -errno : weir_sim_run(1, NULL, app, NULL);
    if (r < 0)
        fprintf(stderr, "unbounded: %s\n", weir_strerror(r));
    return r < 0;
}
