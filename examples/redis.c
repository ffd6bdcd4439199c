/*
 * redis.c -- eight tasks share three connections to a Redis server.
 *
 *     redis ADDRESS      such as 127.0.0.1:6379, or the path of a UNIX socket
 *
 * In the middle the server hangs up on all that are idle: the pool finds out
 * by a PING before it gives one away, and makes others.
 */
#include "resp.h"

enum { TASKS = 8, ROUNDS = 10 };

static const char *const key = "weir:example:visits";

/* One command on a connection of the pool; what broke it is told to the pool. */
static int redis_do(weir_pool *pool, const char *const *words, char *text, size_t size)
{
    struct weir_lease lease;
    int r = weir_pool_get(pool, &lease, weir_after(WEIR_S(5)));

    if (r < 0)
        return r; /* what the connect itself said, or -ETIMEDOUT */
    r = resp_do(lease.object, words, text, size, weir_after(WEIR_S(2)));
    weir_pool_put(&lease, r < 0 && r != RESP_REFUSED ? r : 0);
    if (r == RESP_REFUSED)
        fprintf(stderr, "redis: the server says: %s\n", text);
    return r;
}

static int visitor(void *arg)
{
    char text[64];
    int r = 0;

    for (int i = 0; i < ROUNDS && r >= 0; i++)
        r = redis_do(arg, RESP("INCR", key), text, sizeof text);
    return r < 0 ? r : 0;
}

static int visitors(weir_pool *pool)
{
    weir_scope *s = weir_scope_open(NULL);
    int r = 0;

    for (int i = 0; i < TASKS && r == 0; i++)
        r = weir_go(s, visitor, pool);
    if (r < 0)
        (void)weir_scope_cancel(s, r);
    return weir_scope_close(&s);
}

static int visit(weir_pool *pool)
{
    struct weir_pool_stats stats;
    char text[64], total[64] = "";
    int r = redis_do(pool, RESP("DEL", key), text, sizeof text);

    if (r >= 0)
        r = visitors(pool);
    if (r >= 0) /* but for the connection that asks */
        r = redis_do(pool, RESP("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"), text,
                     sizeof text);
    if (r >= 0)
        r = visitors(pool);
    if (r >= 0)
        r = redis_do(pool, RESP("GET", key), total, sizeof total);
    if (r >= 0)
        r = redis_do(pool, RESP("DEL", key), text, sizeof text);
    weir_pool_stats(pool, &stats);
    if (r >= 0)
        printf("%s visits over %llu connections, %llu of them found broken\n", total,
               (unsigned long long)stats.created, (unsigned long long)stats.broken);
    return r < 0 ? r : 0;
}

static int app(void *arg)
{
    weir_pool *pool = weir_pool_new(&(struct weir_pool_opts){.create = resp_create,
                                                             .check = resp_check,
                                                             .destroy = resp_destroy,
                                                             .ctx = arg,
                                                             .max = 3,
                                                             .create_timeout = WEIR_S(2),
                                                             .idle = WEIR_S(60),
                                                             .lifetime = WEIR_S(1800)});
    int r = visit(pool), drained = weir_pool_drain(pool, weir_after(WEIR_S(1)));

    weir_pool_free(&pool);
    return r < 0 ? r : drained;
}

int main(int argc, char **argv)
{
    struct weir_addr server;
    int r;

    if (argc != 2 || weir_addr_parse(argv[1], &server) < 0) {
        fprintf(stderr, "usage: redis ADDRESS\n");
        return 2;
    }
    r = weir_run(NULL, app, &server);
    if (r < 0)
        fprintf(stderr, "redis: %s\n", weir_strerror(r));
    return r < 0;
}
