/*
 * proxy.c -- a TCP proxy that keeps half-closed connections half-closed.
 *
 *     proxy PORT HOST TARGET_PORT     port 0 picks one; the first line says which
 *
 * SIGINT or SIGTERM ends it.  Two fibers a client copy one direction each; the end of
 * input of the one side is told to the other, which may still answer.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir.h>

struct proxy {
    uint16_t port, target_port;
    const char *target;
    weir_scope *clients;
};

struct flow {
    int from, to;
};

static int flow_copy(void *arg)
{
    struct flow *f = arg;
    char buf[16384];
    ssize_t n;

    while ((n = weir_read(f->from, buf, sizeof buf, WEIR_NEVER)) > 0)
        if ((n = weir_write_all(f->to, buf, (size_t)n, NULL, WEIR_NEVER)) < 0)
            break;
    if (n == 0)
        (void)weir_shutdown(f->to, WEIR_FD_WRITE);
    return (int)n; /* a failure cancels the other direction */
}

struct client {
    struct proxy *proxy;
    int fd;
};

static int client_serve(struct client *c)
{
    int target = weir_dial(c->proxy->target, c->proxy->target_port, NULL, weir_after(WEIR_S(10)));
    struct flow there = {c->fd, target}, back = {target, c->fd};
    weir_scope *s;
    int r;

    if (target < 0)
        return target;
    s = weir_scope_open(NULL);
    r = weir_go(s, flow_copy, &there);
    if (r == 0)
        r = weir_go(s, flow_copy, &back);
    if (r < 0)
        (void)weir_scope_cancel(s, r);
    r = weir_scope_close(&s);
    weir_close(target);
    return r;
}

static int client_run(void *arg)
{
    struct client *c = arg;
    int r = client_serve(c);

    if (r < 0)
        fprintf(stderr, "proxy: a connection ended: %s\n", weir_strerror(r));
    weir_close(c->fd);
    free(c);
    return 0; /* one client's failure is not the proxy's */
}

/* Takes the descriptor, whatever happens. */
static void proxy_admit(struct proxy *p, int fd)
{
    struct client *c = malloc(sizeof *c);

    if (!c || weir_go(p->clients, client_run, c) < 0) {
        free(c);
        weir_close(fd);
        return;
    }
    *c = (struct client){p, fd}; /* it runs when this one parks */
}

static int proxy_accept(void *arg)
{
    struct proxy *p = arg;
    int listener = weir_tcp_listen(NULL, p->port, 0), fd;

    if (listener < 0)
        return listener;
    printf("listening on 127.0.0.1:%d\n", weir_tcp_port(listener));
    fflush(stdout);
    while ((fd = weir_accept(listener, NULL, WEIR_NEVER)) >= 0)
        proxy_admit(p, fd);
    weir_close(listener);
    return fd;
}

static int proxy_main(void *arg)
{
    static const int signals[] = {SIGINT, SIGTERM, 0};
    struct proxy *p = arg;
    int r, closed;

    p->clients = weir_scope_open(NULL);
    r = weir_go(p->clients, proxy_accept, p);
    if (r == 0)
        r = weir_signal_wait(signals, WEIR_NEVER);
    (void)weir_scope_cancel(p->clients, r > 0 ? -ECANCELED : r);
    closed = weir_scope_close(&p->clients);
    return r > 0 ? 0 : closed; /* why accepting failed */
}

/* A port, or -EINVAL. */
static int proxy_port(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);

    return *text && !*end && n >= 0 && n <= 65535 ? (int)n : -EINVAL;
}

int main(int argc, char **argv)
{
    int port = argc == 4 ? proxy_port(argv[1]) : -EINVAL;
    int target_port = argc == 4 ? proxy_port(argv[3]) : -EINVAL, r;
    struct proxy p = {(uint16_t)port, (uint16_t)target_port, argc == 4 ? argv[2] : "", NULL};

    if (port < 0 || target_port <= 0) {
        fprintf(stderr, "usage: proxy PORT HOST TARGET_PORT\n");
        return 2;
    }
    r = weir_run(NULL, proxy_main, &p);
    if (r < 0)
        fprintf(stderr, "proxy: %s\n", weir_strerror(r));
    return r < 0;
}
