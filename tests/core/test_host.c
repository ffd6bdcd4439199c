/*
 * A loop inside another's: one descriptor, one step.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>
#include <weir.h>

#include "core/world.h"

static struct weir_config host_config(void)
{
    return (struct weir_config){.alloc = test_alloc};
}

/* Polls for so many milliseconds at most; true if the descriptor is readable. */
static bool host_ready(const weir_loop *l, int ms)
{
    struct pollfd p = {.fd = weir_loop_fd(l), .events = POLLIN};

    return poll(&p, 1, ms) == 1;
}

/* The host that the header describes: sleeps in poll(2) alone.  How many steps it took. */
static int host_until_the_end(weir_loop *l)
{
    int steps = 1;

    OK(host_ready(l, 0)); /* the first fiber waits to run */
    while (weir_loop_step(l) > 0) {
        OK(host_ready(l, 10000));
        steps++;
    }
    return steps;
}

static int count_to(void *arg)
{
    int *n = arg;

    for (int i = 0; i < 1000; i++) {
        ++*n;
        (void)weir_yield();
    }
    return 7;
}

TEST(a_hosted_loop_runs_a_turn_a_step_and_returns_the_result)
{
    struct weir_config c = host_config();
    int n = 0;
    weir_loop *l = weir_loop_open(&c, count_to, &n);

    EQ(weir_loop_error(l), 0);
    EQ(n, 0);
    LT(3, host_until_the_end(l));
    EQ(n, 1000);
    EQ(weir_loop_step(l), 0);
    EQ(weir_loop_close(&l), 7);
    OK(!l);
}

static int sleeps_thrice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        if (weir_sleep(weir_after(WEIR_MS(5))) < 0)
            return -EIO;
    return 0;
}

TEST(timers_make_the_descriptor_readable_and_nothing_else_does)
{
    struct weir_config c = host_config();
    weir_loop *l = weir_loop_open(&c, sleeps_thrice, NULL);
    weir_time began = weir_now();
    int steps = host_until_the_end(l);

    LE(WEIR_MS(15), weir_now() - began);
    LE(steps, 8); /* no busy loop */
    EQ(weir_loop_close(&l), 0);
}

struct pipe_world {
    int fd[2];
    weir_chan *ch;
    char got;
};

static int reads_a_pipe(void *arg)
{
    struct pipe_world *w = arg;
    int r = weir_fd_wait(w->fd[0], WEIR_FD_READ, WEIR_NEVER);

    if (r > 0 && read(w->fd[0], &w->got, 1) != 1)
        r = -EIO;
    (void)weir_close(w->fd[0]);
    return r;
}

TEST(descriptors_that_fibers_wait_for_show_in_it)
{
    struct weir_config c = host_config();
    struct pipe_world w = {0};
    weir_loop *l;

    EQ(pipe2(w.fd, O_CLOEXEC | O_NONBLOCK), 0);
    l = weir_loop_open(&c, reads_a_pipe, &w);
    EQ(weir_loop_step(l), 1);
    while (host_ready(l, 0)) /* the pipe's own first edge */
        EQ(weir_loop_step(l), 1);
    EQ(write(w.fd[1], "x", 1), 1);
    OK(host_ready(l, 10000));
    while (weir_loop_step(l) > 0)
        OK(host_ready(l, 10000));
    EQ(weir_loop_close(&l), WEIR_FD_READ);
    EQ(w.got, 'x');
    close(w.fd[1]);
}

static int receives_three(void *arg)
{
    weir_chan *ch = arg;
    int sum = 0, x;

    for (int i = 0; i < 3; i++)
        if (weir_recv(ch, &x, WEIR_NEVER) > 0)
            sum += x;
    return sum;
}

TEST(the_host_wakes_fibers_between_steps)
{
    struct weir_config c = host_config();
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_loop *l = weir_loop_open(&c, receives_three, ch);

    EQ(weir_loop_step(l), 1);
    OK(!host_ready(l, 0)); /* stuck, yet no deadlock: there is the host */
    for (int i = 1; i <= 3; i++) {
        EQ(weir_send(ch, &i, 0), 1);
        OK(host_ready(l, 0));
        EQ(weir_loop_step(l), i < 3);
    }
    EQ(weir_loop_close(&l), 6);
    weir_chan_free(&ch);
}

struct scope_world {
    weir_scope *s;
    int ran;
};

static int opens_a_scope(void *arg)
{
    struct scope_world *w = arg;
    weir_scope *s = w->s = weir_scope_open(NULL);

    EQ(weir_sleep(WEIR_NEVER - 1), -ECANCELED);
    return weir_scope_close(&s);
}

static int runs(void *arg)
{
    ++*(int *)arg;
    return 0;
}

TEST(the_host_starts_fibers_and_cancels)
{
    struct weir_config c = host_config();
    struct scope_world w = {0};
    weir_loop *l = weir_loop_open(&c, opens_a_scope, &w);

    EQ(weir_loop_step(l), 1);
    EQ(weir_go(w.s, runs, &w.ran), 0);
    OK(host_ready(l, 0));
    EQ(weir_loop_step(l), 1);
    EQ(w.ran, 1);
    EQ(weir_scope_cancel(w.s, -EINTR), 0);
    OK(host_ready(l, 0));
    EQ(weir_loop_step(l), 0);
    EQ(weir_loop_close(&l), -EINTR);
}

static int works(void *arg)
{
    return *(int *)arg * 2;
}

static int offloads(void *arg)
{
    return weir_offload(works, arg);
}

TEST(offload_comes_back_through_it)
{
    struct weir_config c = host_config();
    int x = 21;
    weir_loop *l = weir_loop_open(&c, offloads, &x);

    host_until_the_end(l);
    EQ(weir_loop_close(&l), 42);
}

TEST(closing_early_cancels_and_waits)
{
    struct weir_config c = host_config();
    weir_loop *l = weir_loop_open(&c, fiber_forever, NULL);

    EQ(weir_loop_step(l), 1);
    EQ(weir_loop_close(&l), -ECANCELED);
    l = weir_loop_open(&c, fiber_forever, NULL); /* and one that was never stepped */
    EQ(weir_loop_close(&l), -ECANCELED);
}

static int nested(void *arg)
{
    weir_loop **l = arg;

    EQ(weir_loop_step(*l), -EBUSY);
    EQ(weir_loop_close(l), -EBUSY);
    return 0;
}

static void *stranger(void *arg)
{
    weir_loop *l = arg;

    EQ(weir_loop_step(l), -EXDEV);
    EQ(weir_loop_close(&l), -EXDEV);
    return NULL;
}

TEST(what_is_wrong_is_said)
{
    struct weir_config c = host_config(), many = {.loops = 2, .alloc = test_alloc};
    weir_loop *l, *bad;
    pthread_t t;

    EQ(weir_loop_error(weir_loop_open(&c, NULL, NULL)), -EINVAL);
    EQ(weir_loop_error(weir_loop_open(&many, nested, NULL)), -ENOTSUP);
    EQ(weir_loop_error(NULL), -EINVAL);
    EQ(weir_loop_fd(NULL), -EINVAL);
    EQ(weir_loop_step(NULL), -EINVAL);
    EQ(weir_loop_close(NULL), -EINVAL);
    l = weir_loop_open(&c, nested, &l);
    bad = weir_loop_open(&c, nested, NULL);
    EQ(weir_error(bad), -EBUSY);
    EQ(weir_loop_fd(bad), -EBUSY);
    EQ(weir_loop_step(bad), -EBUSY);
    EQ(weir_loop_close(&bad), -EBUSY);
    OK(!bad);
    EQ(weir_run(&c, nested, NULL), -EBUSY);
    EQ(pthread_create(&t, NULL, stranger, l), 0);
    EQ(pthread_join(t, NULL), 0);
    host_until_the_end(l);
    EQ(weir_loop_close(&l), 0);
}

static void every_point(void *arg)
{
    struct weir_config c = host_config();
    weir_loop *l = weir_loop_open(&c, sleeps_thrice, arg);
    int r = weir_loop_error(l);

    if (r == 0) {
        while (weir_loop_step(l) > 0)
            OK(host_ready(l, 10000));
        r = weir_loop_close(&l);
    }
    OK(r == 0 || test_fault_hit());
}

TEST(a_hosted_loop_survives_every_fault)
{
    EVERY_POINT(every_point, NULL);
}
