/*
 * chaos_server.c -- listening, outages, and a graceful end.
 *
 * Two fibers beside the connections: one accepts, one waits for a signal;
 * whichever ends first ends the other.  During an outage the port stays bound
 * but nobody listens, so connecting is refused and no other program can take
 * the port.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "chaos.h"

enum { CHAOS_BACKLOG = 1024 };

/* What answers may take after the signal. */
#define CHAOS_DRAIN WEIR_S(2)

int64_t chaos_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- outages ------------------------------------------------------------------------------- */

/* Bound to `address` and not listening: connecting is refused.  A descriptor or negative. */
static int chaos_server_hold(const struct sockaddr_storage *address, socklen_t size)
{
    int one = 1, e, fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)address, size) == 0)
        return fd;
    e = errno;
    close(fd);
    return -e;
}

static int chaos_server_deafen(struct chaos_server *s)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    int fd;

    if (getsockname(s->listener, (struct sockaddr *)&address, &size) < 0)
        return -errno;
    weir_close(s->listener);
    fd = chaos_server_hold(&address, size);
    s->listener = fd;
    s->listening = 0;
    return fd < 0 ? fd : 0;
}

/* Listens or does not, as it should now.  0 or negative. */
static int chaos_server_turn(struct chaos_server *s, int down)
{
    if (down && s->listening)
        return chaos_server_deafen(s);
    if (!down && !s->listening) {
        if (listen(s->listener, CHAOS_BACKLOG) < 0)
            return -errno;
        s->listening = 1;
    }
    return 0;
}

static weir_time chaos_server_change(const struct chaos_server *s)
{
    weir_span at = chaos_down_change(&s->opts, weir_now() - s->start);

    return at == WEIR_NEVER ? WEIR_NEVER : s->start + at;
}

/* --- accepting ----------------------------------------------------------------------------- */

static int chaos_accept_one(struct chaos_server *s)
{
    int one, r = weir_tcp_accept(s->listener, chaos_server_change(s));
    struct chaos_conn *c;

    if (r == -ETIMEDOUT || r == -ECONNABORTED || r == -EAGAIN)
        return 0;
    if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS)
        return weir_sleep(weir_after(WEIR_MS(20)));
    if (r < 0)
        return r;
    one = r;
    if (!(c = chaos_conn_new(s, one))) {
        weir_close(one);
        return weir_sleep(weir_after(WEIR_MS(20)));
    }
    if ((r = weir_go(s->scope, chaos_conn_run, c)) < 0) {
        chaos_conn_free(c);
        return r == -ENOMEM ? 0 : r;
    }
    return 0;
}

static int chaos_accept_run(void *arg)
{
    struct chaos_server *s = arg;
    int r = 0;

    weir_name("accept");
    while (r == 0) {
        int down = chaos_down_at(&s->opts, weir_now() - s->start);

        if ((r = chaos_server_turn(s, down)) < 0)
            break;
        r = down ? weir_sleep(chaos_server_change(s)) : chaos_accept_one(s);
    }
    return r;
}

static int chaos_signal_run(void *arg)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGUSR1, 0};
    int r;

    (void)arg;
    weir_name("signal");
    while ((r = weir_signal_wait(signals, WEIR_NEVER)) == SIGUSR1)
        weir_dump(STDERR_FILENO);
    return r < 0 ? r : -EINTR; /* a negative result ends the scope */
}

/* Until a signal, or accepting fails: 0 or negative. */
static int chaos_server_serve(struct chaos_server *s)
{
    weir_scope *side = weir_scope_open(&(struct weir_scope_opts){.name = "chaos"});
    int r = weir_go(side, chaos_signal_run, NULL), why;

    if (r == 0)
        r = weir_go(side, chaos_accept_run, s);
    if (r < 0)
        weir_scope_cancel(side, r);
    why = weir_scope_close(&side);
    return why == -EINTR ? 0 : why;
}

/* --- beginning and end --------------------------------------------------------------------- */

/* As many descriptors as may be had, and no more connections than that. */
static void chaos_server_limit(struct chaos_server *s)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 64 &&
        s->opts.max_connections > limit.rlim_cur - 32)
        s->opts.max_connections = limit.rlim_cur - 32;
}

static int chaos_server_listen(struct chaos_server *s)
{
    int r = weir_tcp_listen(s->opts.host, s->opts.port, CHAOS_BACKLOG);
    const char *ends = strchr(s->opts.host, ':') ? "[]" : NULL;

    if (r < 0) {
        fprintf(stderr, "weir chaos: cannot listen on %s port %u: %s\n", s->opts.host,
                (unsigned)s->opts.port, r == -EINVAL ? "not a numeric address" : weir_strerror(r));
        return r;
    }
    s->listener = r;
    s->listening = 1;
    s->port = weir_tcp_port(s->listener);
    printf("listening http://%.*s%s%.*s:%d\n", !!ends, ends ? ends : "", s->opts.host, !!ends,
           ends ? ends + 1 : "", s->port);
    if (fflush(stdout) == 0)
        return 0;
    fprintf(stderr, "weir chaos: cannot write to stdout: %s\n", strerror(errno));
    weir_close(s->listener);
    return -EIO;
}

/* Answers under way get CHAOS_DRAIN; those who wait for a request, or hang, end at once. */
static void chaos_server_stop(struct chaos_server *s)
{
    s->stopping = 1;
    weir_close(s->listener);
    chaos_conn_stop_all(s);
    (void)weir_scope_drain(s->scope, weir_after(CHAOS_DRAIN));
}

int chaos_server_run(struct chaos_server *s)
{
    int r;

    chaos_server_limit(s);
    if ((r = chaos_server_listen(s)) < 0)
        return r;
    s->start = weir_now();
    chaos_stats_reset(&s->stats, chaos_clock());
    s->scope = weir_scope_open(&(struct weir_scope_opts){
        .limit = (uint32_t)s->opts.max_connections, .on_error = WEIR_KEEP, .name = "connections"});
    r = chaos_server_serve(s);
    if (r < 0)
        fprintf(stderr, "weir chaos: accepting failed: %s\n", weir_strerror(r));
    chaos_server_stop(s);
    weir_scope_close(&s->scope);
    return r;
}
