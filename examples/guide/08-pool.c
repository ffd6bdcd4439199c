/*
 * 08-pool.c -- eight tasks, three connections (the guide's code example 8).
 *
 * A pool keeps the connections themselves: one that comes back is used again,
 * the one used last first.  Each has a number of its own for ever; a connection
 * that broke is destroyed, and the next one made has a new number.  The
 * connections are stand-ins that park; weir_tcp_connect makes real ones.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir.h>

enum { TASKS = 8, CONNECTIONS = 3, UNLUCKY = 4 };

struct conn {
    int queries;
};

struct task {
    int id;
    weir_pool *pool;
    weir_time start;
};

static int conn_open(void *ctx, void **object)
{
    int r = weir_sleep(weir_after(WEIR_MS(30))); /* the handshake */

    (void)ctx;
    if (r < 0)
        return r;
    *object = calloc(1, sizeof(struct conn));
    return *object ? 0 : -ENOMEM;
}

static void conn_close(void *ctx, void *object, int why)
{
    (void)ctx, (void)why;
    free(object);
}

static int query(struct task *t, struct conn *c)
{
    int r = weir_sleep(weir_after(WEIR_MS(200 + t->id)));

    c->queries++;
    return r < 0 ? r : t->id == UNLUCKY ? -ECONNRESET : 0;
}

static int work(void *arg)
{
    struct task *t = arg;
    struct weir_lease lease;
    int r = weir_sleep(weir_after(WEIR_MS(t->id))); /* one arrives after the other */

    if (r == 0)
        r = weir_pool_get(t->pool, &lease, weir_after(WEIR_S(5)));
    if (r < 0)
        return r; /* what the handshake said, or -ETIMEDOUT */
    printf("%3d ms  task %d has connection #%d, use %d of it\n",
           (int)((weir_now() - t->start) / WEIR_MS(1)), t->id, (int)lease.id, (int)lease.uses);
    r = query(t, lease.object);
    if (r < 0)
        printf("%3d ms  task %d: %s\n", (int)((weir_now() - t->start) / WEIR_MS(1)), t->id,
               weir_strerror(r));
    weir_pool_put(&lease, r); /* it is back, or destroyed, before anybody is told so */
    return r == -ECONNRESET ? 0 : r;
}

static int app(void *arg)
{
    weir_pool *pool = weir_pool_new(&(struct weir_pool_opts){
        .create = conn_open, .destroy = conn_close, .max = CONNECTIONS, .idle = WEIR_S(60)});
    weir_scope *s = weir_scope_open(NULL);
    struct weir_pool_stats stats;
    struct task task[TASKS];
    int r = 0, r_close;

    (void)arg;
    for (int i = 0; i < TASKS && r == 0; i++) {
        task[i] = (struct task){i, pool, weir_now()};
        r = weir_go(s, work, &task[i]);
    }
    r_close = weir_scope_close(&s);
    weir_pool_stats(pool, &stats);
    printf("%d made, %d broke, %d idle, %d in use\n", (int)stats.created, (int)stats.broken,
           (int)stats.idle, (int)stats.used);
    weir_pool_free(&pool);
    return r < 0 ? r : r_close;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "pool: %s\n", weir_strerror(r));
    return r < 0;
}
