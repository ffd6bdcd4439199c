/*
 * test_deadlock.c -- told when nothing can wake anybody, and never before.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <weir/io.h>

#include "core/core.h"
#include "core/world.h"

static int dead_recv(void *arg)
{
    int v;
    return weir_recv(*(weir_chan **)arg, &v, WEIR_NEVER);
}

SIM_TEST(a_channel_nobody_feeds_ends_its_scope_only)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_scope *out = weir_scope_open(NULL), *in = weir_scope_open(NULL);
    GO(in, dead_recv, &ch);
    GO(in, dead_recv, &ch);
    EQ(weir_scope_close(&in), WEIR_EDEADLOCK);
    EQ(weir_scope_why(out), 0);
    EQ(weir_yield(), 0);
    EQ(weir_scope_close(&out), 0);
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(one_who_waits_in_the_body_of_its_own_scope_ends_that_scope)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_scope *out = weir_scope_open(NULL), *in = weir_scope_open(NULL);
    EQ(dead_recv(&ch), -ECANCELED);
    EQ(weir_cancel_why(), WEIR_EDEADLOCK);
    EQ(weir_scope_close(&in), WEIR_EDEADLOCK);
    EQ(weir_cancel_why(), 0);
    EQ(weir_scope_close(&out), 0);
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(a_limit_without_an_end_does_not_hide_it)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_scope *s = weir_scope_open(NULL);
    struct weir_limit l;
    EQ(weir_limit_init(&l, WEIR_NEVER), 0);
    EQ(weir_limit_fini(&l, dead_recv(&ch)), -ECANCELED);
    EQ(weir_scope_close(&s), WEIR_EDEADLOCK);
    EQ(weir_cancel_why(), 0);
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(a_shield_without_an_end_does_not_hide_it)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_scope *s = weir_scope_open(NULL);
    struct weir_limit l;
    EQ(weir_shield_init(&l, INT64_MAX), 0);
    EQ(dead_recv(&ch), -ECANCELED);
    EQ(weir_limit_fini(&l, 0), 0);
    (void)weir_scope_close(&s);
    weir_chan_free(&ch);
    return 0;
}

static int dead_main(void *arg)
{
    (void)arg;
    return weir_sleep(WEIR_NEVER);
}

TEST(a_whole_program_that_is_stuck_returns_and_says_why)
{
    EQ(world_run(dead_main, NULL), WEIR_EDEADLOCK);
    EQ(world_real(dead_main, NULL), WEIR_EDEADLOCK);
}

/* --- two mutexes -------------------------------------------------------- */

struct philosophers {
    struct weir_mutex m[2];
    int ended;
};

struct philosopher {
    struct philosophers *table;
    int first;
};

static int philosopher_eat(void *arg)
{
    struct philosopher *p = arg;
    struct weir_mutex *a = &p->table->m[p->first], *b = &p->table->m[!p->first];
    int r = weir_mutex_lock(a, WEIR_NEVER);
    if (r < 0)
        return r;
    for (int i = 0; i < 3; i++)
        (void)weir_yield();
    (void)weir_sleep(weir_after(1));
    r = weir_mutex_lock(b, WEIR_NEVER);
    if (r == 0)
        EQ(weir_mutex_unlock(b), 0);
    EQ(weir_mutex_unlock(a), 0);
    p->table->ended++;
    return r;
}

SIM_TEST(two_who_hold_what_the_other_wants_are_found)
{
    struct philosophers t = {.ended = 0};
    struct philosopher p[2] = {{&t, 0}, {&t, 1}};
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.name = "table"});
    weir_mutex_init(&t.m[0]);
    weir_mutex_init(&t.m[1]);
    GO(s, philosopher_eat, &p[0]);
    GO(s, philosopher_eat, &p[1]);
    EQ(weir_scope_close(&s), WEIR_EDEADLOCK);
    EQ(t.ended, 2);
    return 0;
}

/* --- one part stuck, the rest not --------------------------------------- */

static int dead_inner(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    GO(s, dead_recv, arg);
    int r = weir_scope_close(&s);
    EQ(r, WEIR_EDEADLOCK);
    return 0;
}

SIM_TEST(the_others_are_not_touched)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_span span = WEIR_MS(5);
    weir_scope *s = weir_scope_open(NULL);
    GO(s, dead_inner, &ch);
    GO(s, fiber_sleep, &span);
    GO(s, dead_inner, &ch);
    EQ(weir_scope_close(&s), 0);
    EQ(world_age(), WEIR_MS(5)); /* not while a timer may still change something */
    weir_chan_free(&ch);
    return 0;
}

struct dead_log {
    int count;
    char text[8 << 10];
};

static void dead_log(void *ctx, int level, const char *text)
{
    struct dead_log *l = ctx;
    if (level != WEIR_LOG_ERROR)
        return;
    l->count++;
    snprintf(l->text + strlen(l->text), sizeof l->text - strlen(l->text), "%s\n", text);
}

static int dead_named(void *arg)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.name = "pipeline"});
    (void)arg;
    GO(s, dead_recv, &ch);
    EQ(weir_scope_close(&s), WEIR_EDEADLOCK);
    weir_chan_free(&ch);
    return 0;
}

static void dead_log_has(const struct dead_log *log, const char *what)
{
    if (!strstr(log->text, what))
        FAIL("no \"%s\" in:\n%s", what, log->text);
}

TEST(the_log_names_the_scope_and_has_its_dump)
{
    struct dead_log log = {.count = 0};
    struct weir_config c = {.alloc = test_alloc, .log = dead_log, .log_ctx = &log};
    EQ(weir_sim_run(test_seed(), &c, dead_named, NULL), 0);
    EQ(log.count, 5); /* what it is, then both scopes and who is in them */
    dead_log_has(&log, "deadlock: nothing can wake scope pipeline\n");
    dead_log_has(&log, "main: parked in scope_close");
    dead_log_has(&log, "pipeline: 1 running, opened by");
    dead_log_has(&log, "parked in recv");
}

static struct weir_mutex dead_mutex[2];

static int dead_locks(void *arg)
{
    int first = *(int *)arg;
    EQ(weir_mutex_lock(&dead_mutex[first], WEIR_NEVER), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    int r = weir_mutex_lock(&dead_mutex[!first], WEIR_NEVER);
    EQ(weir_mutex_unlock(&dead_mutex[first]), 0);
    return r;
}

static int dead_crossed(void *arg)
{
    int first = 0, second = 1;
    weir_scope *s = weir_scope_open(NULL);
    (void)arg;
    EQ(weir_go_with(s, dead_locks, &first, &(struct weir_go_opts){.name = "left"}), 0);
    EQ(weir_go_with(s, dead_locks, &second, &(struct weir_go_opts){.name = "right"}), 0);
    EQ(weir_scope_close(&s), WEIR_EDEADLOCK);
    return 0;
}

TEST(the_dump_of_a_cycle_says_who_holds_what_whom_waits_for)
{
    struct dead_log log = {.count = 0};
    struct weir_config c = {.alloc = test_alloc, .log = dead_log, .log_ctx = &log};
    weir_mutex_init(&dead_mutex[0]);
    weir_mutex_init(&dead_mutex[1]);
    EQ(weir_sim_run(test_seed(), &c, dead_crossed, NULL), 0);
    const char *left = strstr(log.text, " left: parked in mutex_lock"),
               *right = strstr(log.text, " right: parked in mutex_lock");
    OK(left && right);
    OK(strstr(left, "held by") && strstr(strstr(left, "held by"), " right,"));
    OK(strstr(right, "held by") && strstr(strstr(right, "held by"), " left,"));
}

static int dead_crowd(void *arg)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_scope *s = weir_scope_open(NULL);
    (void)arg;
    for (int i = 0; i < 500; i++)
        GO(s, dead_recv, &ch);
    EQ(weir_scope_close(&s), WEIR_EDEADLOCK);
    weir_chan_free(&ch);
    return 0;
}

TEST(the_dump_of_a_crowd_ends_with_and_so_on)
{
    struct dead_log log = {.count = 0};
    struct weir_config c = {.alloc = test_alloc, .log = dead_log, .log_ctx = &log};
    EQ(weir_sim_run(test_seed(), &c, dead_crowd, NULL), 0);
    EQ(log.count, 61);
    dead_log_has(&log, "and so on\n");
}

static int dead_drain_own(void *arg)
{
    EQ(weir_scope_drain(arg, WEIR_NEVER), -EDEADLK);
    return 0;
}

static int dead_drain_outer(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    GO(s, dead_drain_own, arg);
    return weir_scope_close(&s);
}

SIM_TEST(a_fiber_cannot_drain_the_scope_it_is_in)
{
    weir_scope *s = weir_scope_open(NULL);
    GO(s, dead_drain_own, s);
    GO(s, dead_drain_outer, s);
    EQ(weir_scope_close(&s), 0);
    return 0;
}

/* --- no false alarm ----------------------------------------------------- */

static int dead_slow(void *arg)
{
    usleep(20000);
    return *(int *)arg;
}

static int dead_offload(void *arg)
{
    int seven = 7;
    (void)arg;
    EQ(weir_offload(dead_slow, &seven), 7);
    return 0;
}

TEST(running_work_is_no_deadlock)
{
    EQ(world_run(dead_offload, NULL), 0);
    EQ(world_real(dead_offload, NULL), 0);
}

static int dead_pipe_write(void *arg)
{
    usleep(20000);
    return write(*(int *)arg, "x", 1) == 1 ? 0 : -EIO;
}

struct dead_pipe {
    int fd[2];
};

static void *dead_pipe_thread(void *arg)
{
    (void)dead_pipe_write(arg);
    return NULL;
}

static int dead_fd(void *arg)
{
    struct dead_pipe *p = arg;
    pthread_t t;
    char c;
    EQ(pthread_create(&t, NULL, dead_pipe_thread, &p->fd[1]), 0);
    EQ(weir_read(p->fd[0], &c, 1, WEIR_NEVER), 1); /* somebody outside may write */
    pthread_join(t, NULL);
    weir_fd_forget(p->fd[0]);
    return 0;
}

TEST(a_descriptor_that_is_waited_for_is_no_deadlock)
{
    struct dead_pipe p;
    EQ(pipe2(p.fd, O_NONBLOCK | O_CLOEXEC), 0);
    EQ(world_real(dead_fd, &p), 0);
    EQ(world_run(dead_fd, &p), 0);
    close(p.fd[0]);
    close(p.fd[1]);
}

SIM_TEST(a_deadline_that_will_come_is_no_deadlock)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    int v;
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(WEIR_S(9))});
    GO(s, dead_recv, &ch);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    EQ(weir_recv(ch, &v, weir_after(WEIR_S(1))), -ETIMEDOUT);
    weir_chan_free(&ch);
    return 0;
}
