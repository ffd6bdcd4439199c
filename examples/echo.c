/*
 * echo.c -- a TCP echo server that ends gracefully.
 *
 *     echo [PORT [SECONDS]]     port 0, or none, picks one; the first line says which
 *
 * SIGINT or SIGTERM drains it: nobody new is let in, what the clients have sent
 * until then is still echoed, and those who have not taken it within SECONDS
 * (5) are cut.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir.h>

struct client {
    weir_scope *scope;
    int fd;
};

struct server {
    int listener; /* -1 once it is draining */
    weir_scope *scope;
    uint16_t port;
    int seconds;
};

/* What has come; once the drain has begun, only what is there already, and then the end. */
static ssize_t client_read(struct client *c, char *buf, size_t size)
{
    struct weir_select on[] = {WEIR_ON_FD(c->fd, WEIR_FD_READ), WEIR_ON_STOP(c->scope)};
    int k = weir_select(on, 2, WEIR_NEVER);
    ssize_t n = k < 0 ? k : weir_read(c->fd, buf, size, 0);

    return n == -EAGAIN && k == 1 ? 0 : n;
}

static int client_echo(void *arg)
{
    struct client *c = arg;
    char buf[4096];
    ssize_t n;

    while ((n = client_read(c, buf, sizeof buf)) > 0)
        if ((n = weir_write_all(c->fd, buf, (size_t)n, NULL, WEIR_NEVER)) < 0)
            break;
    weir_close(c->fd);
    free(c);
    return 0; /* a client that breaks off is no failure of the server */
}

/* Takes the descriptor, whatever happens. */
static void server_admit(struct server *s, int fd)
{
    struct client *c = malloc(sizeof *c);

    if (c)
        *c = (struct client){s->scope, fd};
    if (!c || weir_go(s->scope, client_echo, c) < 0) { /* no memory, or draining by now */
        free(c);
        weir_close(fd);
    }
}

/* The next client, or the stop: 0. */
static int server_next(struct server *s)
{
    struct weir_select on[] = {WEIR_ON_FD(s->listener, WEIR_FD_READ), WEIR_ON_STOP(s->scope)};
    int k = weir_select(on, 2, WEIR_NEVER);
    int fd = k == 0 ? weir_tcp_accept(s->listener, 0) : k;

    if (k == 1)
        return 0;
    if (fd >= 0)
        server_admit(s, fd);
    else if (fd == -EMFILE || fd == -ENFILE) /* full: let somebody leave */
        (void)weir_sleep(weir_after(WEIR_MS(50)));
    else if (fd != -EAGAIN) /* else the client has left again */
        return fd;
    return 1;
}

static int server_accept(void *arg)
{
    struct server *s = arg;
    int r;

    printf("listening on 127.0.0.1:%d\n", weir_tcp_port(s->listener));
    fflush(stdout);
    while ((r = server_next(s)) > 0)
        ;
    weir_close(s->listener);
    s->listener = -1;
    return r; /* a failure fails the scope: the server ends */
}

static int server_run(struct server *s)
{
    static const int signals[] = {SIGINT, SIGTERM, 0};
    int r = weir_go(s->scope, server_accept, s);

    if (r == 0) /* -ECANCELED when accepting failed: this is its scope too */
        r = weir_signal_wait(signals, WEIR_NEVER);
    if (r > 0) {
        int cut = weir_scope_drain(s->scope, weir_after(WEIR_S(s->seconds)));

        fprintf(stderr, "stopped by signal %d; %d clients were cut\n", r, cut);
        r = cut < 0 ? cut : 0;
    }
    return r;
}

static int echo_main(void *arg)
{
    struct server *s = arg;
    int r, closed;

    s->listener = weir_tcp_listen(NULL, s->port, 0);
    if (s->listener < 0)
        return s->listener;
    s->scope = weir_scope_open(NULL);
    r = server_run(s);
    if (r < 0)
        (void)weir_scope_cancel(s->scope, r);
    closed = weir_scope_close(&s->scope);
    if (s->listener >= 0)
        weir_close(s->listener);
    return r < 0 ? closed : 0; /* after a drain it says -ETIMEDOUT for those that were cut */
}

/* A number from 0 to most, or -EINVAL. */
static long echo_number(const char *text, long most)
{
    char *end;
    long n = strtol(text, &end, 10);

    return *text && !*end && n >= 0 && n <= most ? n : -EINVAL;
}

int main(int argc, char **argv)
{
    long port = argc > 1 ? echo_number(argv[1], 65535) : 0;
    long seconds = argc > 2 ? echo_number(argv[2], 3600) : 5;
    struct server s = {.port = (uint16_t)port, .seconds = (int)seconds};
    int r;

    if (port < 0 || seconds < 0 || argc > 3) {
        fprintf(stderr, "usage: echo [PORT [SECONDS]]\n");
        return 2;
    }
    r = weir_run(NULL, echo_main, &s);
    if (r < 0)
        fprintf(stderr, "echo: %s\n", weir_strerror(r));
    return r < 0;
}
