/*
 * pool.c -- eight tasks, three connections: a pool of things that are dear to
 * make.  Connections here are numbers; examples of real ones: weir_tcp_connect,
 * a database's handle made through weir_offload.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir.h>

struct conn {
    int served;
};

static int conn_open(void *ctx, void **object)
{
    struct conn *c;
    int r = weir_sleep(weir_after(WEIR_MS(30))); /* the handshake */

    (void)ctx;
    if (r < 0)
        return r;
    c = calloc(1, sizeof *c);
    *object = c;
    return c ? 0 : -ENOMEM;
}

static int conn_ping(void *ctx, void *object)
{
    (void)ctx;
    return ((struct conn *)object)->served < 3 ? 0 : -EPIPE; /* the server hangs up after three */
}

static void conn_close(void *ctx, void *object, int why)
{
    (void)ctx;
    (void)why;
    free(object);
}

static int task(void *arg)
{
    weir_pool *pool = arg;
    struct weir_lease lease;
    struct conn *c;
    int r = weir_pool_get(pool, &lease, weir_after(WEIR_S(5)));

    if (r < 0)
        return r; /* what the connect itself said, or -ETIMEDOUT */
    c = lease.object;
    c->served++;
    r = weir_sleep(weir_after(WEIR_MS(50)));
    weir_pool_put(&lease, r); /* a task that was cut leaves its connection broken */
    return r;
}

static int app(void *arg)
{
    weir_pool *pool = weir_pool_new(&(struct weir_pool_opts){.create = conn_open,
                                                             .check = conn_ping,
                                                             .destroy = conn_close,
                                                             .max = 3,
                                                             .idle = WEIR_S(60),
                                                             .lifetime = WEIR_S(1800)});
    weir_scope *s = weir_scope_open(NULL);
    struct weir_pool_stats stats;
    int r = 0;

    (void)arg;
    for (int i = 0; i < 12 && r == 0; i++)
        r = weir_go(s, task, pool);
    r = weir_scope_close(&s);
    if (r == 0)
        r = weir_pool_drain(pool, weir_after(WEIR_S(1)));
    weir_pool_stats(pool, &stats);
    printf("%llu gets, %llu connections, %u left\n", (unsigned long long)stats.gets,
           (unsigned long long)stats.created, stats.total);
    weir_pool_free(&pool);
    return r;
}

int main(void)
{
    int r = weir_run(NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "pool: %s\n", weir_strerror(r));
    return r < 0;
}
