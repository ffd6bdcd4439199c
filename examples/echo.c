/*
 * echo.c -- a TCP echo server that ends gracefully.
 *
 *     echo [PORT]      0 or nothing picks one; the first line says which
 *
 * SIGINT or SIGTERM stops accepting; those who are connected have five seconds
 * to finish, then they are cut.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir.h>

struct server {
    int listener;
    weir_scope *clients;
};

static int echo_client(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[4096];
    ssize_t n;

    while ((n = weir_read(fd, buf, sizeof buf, WEIR_NEVER)) > 0)
        if ((n = weir_write_all(fd, buf, (size_t)n, NULL, WEIR_NEVER)) < 0)
            break;
    weir_close(fd);
    return 0; /* a client that breaks off is no failure of the server */
}

static int echo_accept(void *arg)
{
    struct server *s = arg;

    for (;;) {
        int fd = weir_tcp_accept(s->listener, WEIR_NEVER);

        if (fd == -EMFILE || fd == -ENFILE) { /* full: let somebody leave */
            weir_sleep(weir_after(WEIR_MS(50)));
            continue;
        }
        if (fd < 0)
            return fd == -ECANCELED ? 0 : fd;
        if (weir_go(s->clients, echo_client, (void *)(intptr_t)fd) < 0)
            weir_close(fd);
    }
}

/* Waits for whichever comes first: a signal here, or the end of accepting. */
static int echo_signal(void *arg)
{
    static const int signals[] = {SIGINT, SIGTERM, 0};
    int r = weir_signal_wait(signals, WEIR_NEVER);

    (void)arg;
    return r < 0 ? r : -EINTR; /* fails its scope, which cancels the accepting */
}

static int echo_serve(struct server *s)
{
    weir_scope *serving = weir_scope_open(NULL);
    int r = weir_go(serving, echo_accept, s);

    if (r == 0)
        r = weir_go(serving, echo_signal, NULL);
    if (r < 0)
        (void)weir_scope_cancel(serving, r);
    r = weir_scope_close(&serving);
    return r == -EINTR ? 0 : r;
}

static int echo_main(void *arg)
{
    struct server s = {.listener = weir_tcp_listen(NULL, *(uint16_t *)arg, 0)};
    int r, cut;

    if (s.listener < 0)
        return s.listener;
    printf("listening on 127.0.0.1:%d\n", weir_tcp_port(s.listener));
    fflush(stdout);
    s.clients = weir_scope_open(&(struct weir_scope_opts){.on_error = WEIR_KEEP});
    r = echo_serve(&s);
    weir_close(s.listener);
    cut = weir_scope_drain(s.clients, weir_after(WEIR_S(5)));
    fprintf(stderr, "stopped; %d clients were cut\n", cut);
    (void)weir_scope_close(&s.clients); /* its -ETIMEDOUT is what `cut` has said */
    return r;
}

int main(int argc, char **argv)
{
    uint16_t port = argc > 1 ? (uint16_t)atoi(argv[1]) : 0;
    int r = weir_run(NULL, echo_main, &port);

    if (r < 0)
        fprintf(stderr, "echo: %s\n", weir_strerror(r));
    return r < 0;
}
