/*
 * test_pool_redis.c -- a pool of real connections to a real Redis server: what
 * its users see when connections break, when the server lets nobody in, hangs
 * or is away.  Real time, so nothing here is asserted of how long things take.
 *
 * The server is a child on a UNIX socket in a directory of its own; it is
 * stopped by its pid, and the kernel stops it when the test dies.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../examples/resp.h"
#include "core/world.h"

#define SOON weir_after(WEIR_S(10))

static struct redis {
    char dir[32], path[64];
    struct weir_addr at;
    pid_t pid;
} redis;

/* --- the server --------------------------------------------------------------- */

static void redis_exec(void)
{
    int null = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", redis.path, "--save", "",
           "--appendonly", "no", "--dir", redis.dir, (char *)NULL);
    _exit(127);
}

/* Does somebody listen there?  Asked with a plain socket, outside of any run. */
static int redis_is_up(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    memcpy(un.sun_path, redis.path, sizeof redis.path);
    r = connect(fd, (struct sockaddr *)&un, sizeof un);
    close(fd);
    return r == 0;
}

static void redis_start(void)
{
    int status = 0;

    redis.pid = fork();
    if (redis.pid == 0)
        redis_exec();
    for (int i = 0; i < 1000 && !redis_is_up(); i++) {
        usleep(10000);
        if (waitpid(redis.pid, &status, WNOHANG) != redis.pid)
            continue;
        (void)rmdir(redis.dir);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
            SKIP("redis-server is not installed (Debian: redis-server)");
        FAIL("redis-server ended at once: status %d", status);
    }
    OK(redis_is_up());
}

static void redis_kill(void)
{
    EQ(kill(redis.pid, SIGKILL), 0);
    EQ(waitpid(redis.pid, NULL, 0), redis.pid);
    (void)unlink(redis.path);
}

static void redis_test(int (*fn)(void *))
{
    strcpy(redis.dir, "/tmp/weir-redis-XXXXXX");
    OK(mkdtemp(redis.dir) != NULL);
    snprintf(redis.path, sizeof redis.path, "%s/sock", redis.dir);
    EQ(weir_addr_parse(redis.path, &redis.at), 0);
    redis_start();
    EQ(world_real(fn, NULL), 0);
    redis_kill();
    EQ(rmdir(redis.dir), 0);
}

#define REDIS_TEST(NAME)                                                                           \
    static int NAME##__fiber(void *arg);                                                           \
    TEST_WITH(NAME, .timeout = 60)                                                                 \
    {                                                                                              \
        redis_test(NAME##__fiber);                                                                 \
    }                                                                                              \
    static int NAME##__fiber(void *arg __attribute__((unused)))

static weir_pool *pool_of(uint32_t max)
{
    return weir_pool_new(&(struct weir_pool_opts){.create = resp_create,
                                                  .check = resp_check,
                                                  .destroy = resp_destroy,
                                                  .ctx = &redis.at,
                                                  .max = max,
                                                  .create_timeout = WEIR_S(1)});
}

/* A command outside of every pool. */
static int aside(const char *const *words, char *text, size_t size)
{
    void *c;
    int r = resp_create(&redis.at, &c);

    if (r < 0)
        return r;
    r = resp_do(c, words, text, size, SOON);
    resp_destroy(NULL, c, 0);
    return r;
}

static void id_of(const struct weir_lease *l, char *text, size_t size)
{
    EQ(resp_do(l->object, RESP("CLIENT", "ID"), text, size, SOON), 1);
}

/* The server hangs up on a connection, by its number there. */
static void hang_up(const char *id)
{
    char text[64];

    EQ(aside(RESP("CLIENT", "KILL", "ID", id), text, sizeof text), 1);
    STREQ(text, "1");
}

static struct weir_pool_stats look(weir_pool *p)
{
    struct weir_pool_stats s;

    EQ(weir_pool_stats(p, &s), 0);
    return s;
}

/* --- many users, few connections ------------------------------------------------- */

enum { USERS = 20, ROUNDS = 25 };

static int user(void *arg)
{
    struct weir_lease l;
    char text[64];

    for (int i = 0; i < ROUNDS; i++) {
        EQ(weir_pool_get(arg, &l, SOON), 0);
        EQ(resp_do(l.object, RESP("INCR", "n"), text, sizeof text, SOON), 1);
        EQ(weir_pool_put(&l, 0), 0);
    }
    return 0;
}

REDIS_TEST(twenty_users_share_three_connections)
{
    weir_pool *p = pool_of(3);
    weir_scope *s = weir_scope_open(NULL);
    char text[1024];

    for (int i = 0; i < USERS; i++)
        GO(s, user, p);
    EQ(weir_scope_close(&s), 0);
    EQ(aside(RESP("GET", "n"), text, sizeof text), 1);
    EQ(atoi(text), USERS * ROUNDS);
    EQ(look(p).created, 3);
    EQ(look(p).gets, USERS * ROUNDS);
    EQ(aside(RESP("INFO", "clients"), text, sizeof text), 1); /* the server has counted too */
    OK(strstr(text, "connected_clients:4\r\n") != NULL);      /* the three, and who asks */
    EQ(weir_pool_drain(p, SOON), 0);
    EQ(look(p).total, 0);
    weir_pool_free(&p);
    return 0;
}

/* --- connections that break ----------------------------------------------------------- */

REDIS_TEST(a_connection_that_is_cut_while_idle_is_never_given_out)
{
    weir_pool *p = pool_of(2);
    struct weir_lease a, b;
    char id[64], text[64];

    EQ(weir_pool_get(p, &a, SOON), 0);
    EQ(a.id, 1);
    id_of(&a, id, sizeof id);
    EQ(weir_pool_put(&a, 0), 0);
    hang_up(id);
    EQ(weir_pool_get(p, &b, SOON), 0);
    EQ(b.id, 2); /* the PING found it dead */
    EQ(resp_do(b.object, RESP("PING"), text, sizeof text, SOON), 1);
    EQ(look(p).broken, 1);
    EQ(look(p).total, 1);
    EQ(weir_pool_put(&b, 0), 0);
    weir_pool_free(&p);
    return 0;
}

REDIS_TEST(a_connection_that_is_cut_in_use_is_marked_and_replaced)
{
    weir_pool *p = pool_of(1);
    struct weir_lease l;
    char id[64], text[64];
    int r;

    EQ(weir_pool_get(p, &l, SOON), 0);
    id_of(&l, id, sizeof id);
    hang_up(id);
    r = resp_do(l.object, RESP("GET", "n"), text, sizeof text, SOON);
    OK(r == WEIR_ETRUNCATED || r == -ECONNRESET || r == -EPIPE);
    EQ(weir_pool_put(&l, r), 0);
    EQ(look(p).total, 0);
    EQ(look(p).broken, 1);
    EQ(weir_pool_get(p, &l, SOON), 0);
    EQ(l.id, 2);
    EQ(resp_do(l.object, RESP("GET", "n"), text, sizeof text, SOON), 0); /* nil */
    /* What the server refuses is no broken connection. */
    EQ(resp_do(l.object, RESP("NOSUCH"), text, sizeof text, SOON), RESP_REFUSED);
    OK(strstr(text, "unknown command") != NULL);
    EQ(weir_pool_put(&l, 0), 0);
    EQ(weir_pool_get(p, &l, SOON), 0);
    EQ(l.id, 2);
    EQ(weir_pool_put(&l, 0), 0);
    weir_pool_free(&p);
    return 0;
}

/* Half a reply is on its way when the user is cut: whoever gets the connection must not see it. */
REDIS_TEST(a_user_that_was_cut_in_a_command_leaves_no_answer_behind)
{
    weir_pool *p = pool_of(1);
    struct weir_lease l;
    char text[64];
    int r;

    EQ(weir_pool_get(p, &l, SOON), 0);
    r = resp_do(l.object, RESP("BLPOP", "empty", "5"), text, sizeof text, weir_after(WEIR_MS(50)));
    EQ(r, -ETIMEDOUT);
    EQ(weir_pool_put(&l, r), 0);
    EQ(weir_pool_get(p, &l, SOON), 0);
    EQ(l.id, 2);
    EQ(resp_do(l.object, RESP("ECHO", "mine"), text, sizeof text, SOON), 1);
    STREQ(text, "mine");
    EQ(weir_pool_put(&l, 0), 0);
    weir_pool_free(&p);
    return 0;
}

/* --- real errors --------------------------------------------------------------------------- */

REDIS_TEST(what_the_server_says_to_a_new_connection_is_what_the_user_gets)
{
    weir_pool *p = pool_of(5);
    struct weir_lease l[3];
    char text[1024];

    EQ(weir_pool_get(p, &l[0], SOON), 0);
    EQ(weir_pool_get(p, &l[1], SOON), 0);
    do /* until those that asked whether it is up are gone */
        EQ(resp_do(l[0].object, RESP("INFO", "clients"), text, sizeof text, SOON), 1);
    while (!strstr(text, "connected_clients:2\r\n"));
    EQ(resp_do(l[0].object, RESP("CONFIG", "SET", "maxclients", "2"), text, sizeof text, SOON), 1);
    EQ(weir_pool_get(p, &l[2], SOON), RESP_REFUSED); /* max number of clients reached */
    EQ(look(p).last_error, RESP_REFUSED);
    EQ(look(p).total, 2); /* and its place is free */
    EQ(weir_pool_put(&l[1], 0), 0);
    EQ(weir_pool_get(p, &l[2], SOON), 0);
    EQ(weir_pool_put(&l[2], 0), 0);
    EQ(weir_pool_put(&l[0], 0), 0);
    weir_pool_free(&p);
    return 0;
}

REDIS_TEST(a_server_that_goes_and_comes_back_is_noticed_both_times)
{
    weir_pool *p = pool_of(2);
    struct weir_lease l;
    char text[64];

    EQ(weir_pool_get(p, &l, SOON), 0);
    EQ(weir_pool_put(&l, 0), 0);
    redis_kill();
    EQ(weir_pool_get(p, &l, SOON), -ENOENT); /* not at the deadline, and not -ETIMEDOUT */
    EQ(look(p).broken, 1);
    EQ(look(p).total, 0);
    redis_start();
    EQ(weir_pool_get(p, &l, SOON), 0);
    EQ(resp_do(l.object, RESP("PING"), text, sizeof text, SOON), 1);
    EQ(weir_pool_put(&l, 0), 0);
    weir_pool_free(&p);
    return 0;
}

/* It takes connections and says nothing: the check and the create have ends of their own. */
REDIS_TEST(a_server_that_hangs_is_a_timeout_of_the_create)
{
    weir_pool *p = pool_of(1);
    struct weir_lease l;

    EQ(weir_pool_get(p, &l, SOON), 0);
    EQ(weir_pool_put(&l, 0), 0);
    EQ(kill(redis.pid, SIGSTOP), 0);
    EQ(weir_pool_get(p, &l, SOON), -ETIMEDOUT);
    EQ(look(p).last_error, -ETIMEDOUT);
    EQ(look(p).broken, 1);
    EQ(look(p).total, 0);
    EQ(kill(redis.pid, SIGCONT), 0);
    EQ(weir_pool_get(p, &l, SOON), 0);
    EQ(weir_pool_put(&l, 0), 0);
    weir_pool_free(&p);
    return 0;
}

/* --- waiting and draining -------------------------------------------------------------------- */

static struct line {
    weir_pool *p;
    int order[8], n;
} line;

static int stand(void *arg)
{
    struct weir_lease l;
    char text[64];

    EQ(weir_pool_get(line.p, &l, SOON), 0);
    line.order[line.n++] = *(int *)arg;
    EQ(resp_do(l.object, RESP("PING"), text, sizeof text, SOON), 1);
    EQ(weir_pool_put(&l, 0), 0);
    return 0;
}

REDIS_TEST(who_came_first_gets_the_connection_first)
{
    weir_scope *s = weir_scope_open(NULL);
    struct weir_lease l;
    int who[8];

    line.p = pool_of(1);
    line.n = 0;
    EQ(weir_pool_get(line.p, &l, SOON), 0);
    for (int i = 0; i < 8; i++) {
        who[i] = i;
        GO(s, stand, &who[i]);
    }
    while (look(line.p).waiting < 8)
        EQ(weir_yield(), 0);
    EQ(weir_pool_put(&l, 0), 0);
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < 8; i++)
        EQ(line.order[i], i);
    EQ(look(line.p).created, 1);
    weir_pool_free(&line.p);
    return 0;
}

static int blocked(void *arg)
{
    struct weir_lease l;
    char text[64];

    EQ(weir_pool_get(arg, &l, SOON), 0);
    EQ(resp_do(l.object, RESP("BLPOP", "later", "9"), text, sizeof text, SOON), WEIR_EPROTO);
    EQ(weir_pool_put(&l, -EPROTO), 0); /* a list: resp.h does not read it */
    return 0;
}

REDIS_TEST(a_drain_waits_for_commands_under_way)
{
    weir_pool *p = pool_of(2);
    weir_scope *s = weir_scope_open(NULL);
    struct weir_lease l;
    char text[64];

    GO(s, blocked, p);
    while (look(p).used < 1)
        EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(weir_pool_drain(p, weir_after(WEIR_MS(50))), -ETIMEDOUT);
    EQ(weir_pool_get(p, &l, SOON), WEIR_ECLOSED);
    EQ(look(p).used, 1);
    EQ(aside(RESP("RPUSH", "later", "x"), text, sizeof text), 1);
    EQ(weir_pool_drain(p, SOON), 0);
    EQ(look(p).total, 0);
    EQ(weir_scope_close(&s), 0);
    weir_pool_free(&p);
    return 0;
}
