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
#include <sys/socket.h>
#include <weir.h>

struct client {
    struct client *next, **link; /* link: what points to it */
    int fd;
};

struct server {
    int listener; /* -1 once it is draining */
    weir_scope *scope;
    struct client *clients;
    uint16_t port;
    int seconds;
};

static int client_echo(void *arg)
{
    struct client *c = arg;
    char buf[4096];
    ssize_t n;

    while ((n = weir_read(c->fd, buf, sizeof buf, WEIR_NEVER)) > 0)
        if ((n = weir_write_all(c->fd, buf, (size_t)n, NULL, WEIR_NEVER)) < 0)
            break;
    weir_close(c->fd);
    if (c->next)
        c->next->link = c->link;
    *c->link = c->next;
    free(c);
    return 0; /* a client that breaks off is no failure of the server */
}

/* Takes the descriptor, whatever happens. */
static void server_admit(struct server *s, int fd)
{
    struct client *c = malloc(sizeof *c);

    if (!c || weir_go(s->scope, client_echo, c) < 0) { /* no memory, or draining by now */
        free(c);
        weir_close(fd);
        return;
    }
    *c = (struct client){s->clients, &s->clients, fd}; /* it runs when this one parks */
    if (c->next)
        c->next->link = &c->next;
    s->clients = c;
}

static int server_accept(void *arg)
{
    struct server *s = arg;

    printf("listening on 127.0.0.1:%d\n", weir_tcp_port(s->listener));
    fflush(stdout);
    while (s->listener >= 0) {
        int fd = weir_tcp_accept(s->listener, WEIR_NEVER);

        if (fd >= 0)
            server_admit(s, fd);
        else if (fd == -EMFILE || fd == -ENFILE) /* full: let somebody leave */
            (void)weir_sleep(weir_after(WEIR_MS(50)));
        else if (s->listener >= 0)
            return fd; /* fails the scope: the server ends */
    }
    return 0;
}

/* When the drain begins: no more clients, and an end of input for each that is there. */
static int server_stop(void *arg)
{
    struct server *s = arg;
    struct weir_select stop[] = {WEIR_ON_STOP(s->scope)};
    int r = weir_select(stop, 1, WEIR_NEVER);
    int listener = s->listener;

    if (r < 0)
        return r;
    s->listener = -1;
    weir_close(listener); /* wakes who accepts */
    for (struct client *c = s->clients; c; c = c->next)
        (void)shutdown(c->fd, SHUT_RD);
    return 0;
}

static int server_run(struct server *s)
{
    static const int signals[] = {SIGINT, SIGTERM, 0};
    int r = weir_go(s->scope, server_stop, s);

    if (r == 0)
        r = weir_go(s->scope, server_accept, s);
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
