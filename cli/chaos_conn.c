/*
 * chaos_conn.c -- one connection: requests one after the other, then its end.
 *
 * However it ends, the descriptor is closed, the connection is off the
 * server's list and its memory is free when the fiber returns.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "chaos.h"

struct chaos_conn *chaos_conn_new(struct chaos_server *s, int fd)
{
    struct chaos_conn *c = malloc(sizeof *c);

    if (!c)
        return NULL;
    memset(c, 0,
           offsetof(struct chaos_conn, req)); /* the rest is buffers, or set for each request */
    c->server = s;
    c->fd = fd;
    chaos_request_init(c);
    c->back = &s->conns;
    if ((c->next = s->conns))
        c->next->back = &c->next;
    s->conns = c;
    s->stats.connections++;
    if (++s->stats.open > s->stats.open_max)
        s->stats.open_max = s->stats.open;
    return c;
}

void chaos_conn_free(struct chaos_conn *c)
{
    *c->back = c->next;
    if (c->next)
        c->next->back = c->back;
    c->server->stats.open--;
    weir_close(c->fd);
    free(c);
}

void chaos_conn_stop_all(struct chaos_server *s)
{
    for (struct chaos_conn *c = s->conns; c; c = c->next)
        shutdown(c->fd, SHUT_RD);
}

/*
 * Says that no more will come, then reads what the client still sends, for a
 * second at most: to close with bytes unread would reset the connection and
 * could take the answer with it.
 */
static void chaos_conn_linger(struct chaos_conn *c)
{
    weir_time until = weir_after(WEIR_S(1));
    size_t left = (size_t)1 << 20;
    ssize_t n = 1;

    if (shutdown(c->fd, SHUT_WR) < 0)
        return;
    while (n > 0 && left >= sizeof c->in) {
        n = weir_read(c->fd, c->in, sizeof c->in, until);
        left -= sizeof c->in;
    }
}

/* The close that follows sends a reset. */
static void chaos_conn_abort(struct chaos_conn *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

int chaos_conn_run(void *arg)
{
    struct chaos_conn *c = arg;
    enum chaos_next next = CHAOS_KEEP;

    while (next == CHAOS_KEEP) {
        if (chaos_request_read(c) <= 0)
            break;
        next = chaos_answer(c);
    }
    if (next == CHAOS_CLOSE)
        chaos_conn_linger(c);
    else if (next == CHAOS_RST)
        chaos_conn_abort(c);
    chaos_conn_free(c);
    return 0;
}
