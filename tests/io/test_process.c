/*
 * test_process.c -- children: how they are started, how they end, and that none is left.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/process_world.h"

/* --- how it ended ------------------------------------------------------- */

static void ends_with(const char *script, int code, int signal)
{
    struct weir_exit e = {-7, -7};
    weir_process *p = weir_process_open(SH(script), NULL);
    EQ(weir_process_error(p), 0);
    LT(0, weir_process_pid(p));
    EQ(weir_process_wait(p, &e, WEIR_NEVER), 0);
    EQ(e.code, code);
    EQ(e.signal, signal);
    e = (struct weir_exit){-7, -7};
    EQ(weir_process_wait(p, &e, 0), 0); /* told again */
    EQ(e.code, code);
    EQ(weir_process_wait(p, NULL, 0), 0);
    EQ(weir_process_signal(p, 0), -ESRCH);
    LT(0, weir_process_pid(p));
    EQ(weir_process_close(&p), 0);
    OK(!p);
}

static int ends_main(void *arg)
{
    (void)arg;
    ends_with("exit 0", 0, 0);
    ends_with("exit 7", 7, 0);
    ends_with("exit 255", 255, 0);
    ends_with("kill -KILL $$", 0, SIGKILL);
    ends_with("kill -TERM $$", 0, SIGTERM);
    return 0;
}

TEST(an_exit_code_and_a_signal_are_told_apart)
{
    EQ(world_real(ends_main, NULL), 0);
    EQ(world_run(ends_main, NULL), 0);
}

REAL_TEST(a_wait_has_a_deadline_and_the_child_lives_on)
{
    struct weir_exit e = {-7, -7};
    weir_process *p = weir_process_open(cat, CHILD(.in = PIPE));
    EQ(weir_process_wait(p, &e, 0), -EAGAIN);
    EQ(weir_process_wait(p, &e, weir_after(WEIR_MS(3))), -ETIMEDOUT);
    EQ(weir_process_wait(p, &e, 5), -EINVAL);
    EQ(weir_process_wait(p, &e, -5), -EINVAL);
    EQ(e.code, -7);
    EQ(weir_process_signal(p, 0), 0);
    EQ(weir_process_shut(p, 0), 0);
    EQ(weir_process_wait(p, &e, WEIR_NEVER), 0);
    EQ(e.code, 0);
    EQ(weir_process_close(&p), 0);
    return 0;
}

static int wait_for_nine(void *arg)
{
    struct weir_exit e;
    EQ(weir_process_wait(arg, &e, WEIR_NEVER), 0);
    EQ(e.code, 9);
    return 0;
}

REAL_TEST(many_may_wait_for_one)
{
    weir_process *p = weir_process_open(SH("read x; exit 9"), CHILD(.in = PIPE));
    weir_scope *s = weir_scope_open(NULL);
    for (int i = 0; i < 5; i++)
        GO(s, wait_for_nine, p);
    world_settle();
    EQ(weir_process_shut(p, 0), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_process_close(&p), 0);
    return 0;
}

/* Whether there is such a process, dead or alive. */
static int exists(int pid)
{
    return kill(pid, 0) == 0;
}

REAL_TEST(one_that_nobody_waits_for_is_no_zombie)
{
    weir_process *p = weir_process_open(SH("exit 3"), NULL);
    struct weir_exit e;
    int pid = weir_process_pid(p);
    while (exists(pid)) /* it ends by the timeout of the test if that is never */
        EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(weir_process_wait(p, &e, 0), 0);
    EQ(e.code, 3);
    EQ(weir_process_close(&p), 0);
    return 0;
}

REAL_TEST(an_ignored_sigchld_swallows_how_it_ended)
{
    weir_process *p;
    struct weir_exit e = {-7, -7};
    signal(SIGCHLD, SIG_IGN);
    p = weir_process_open(SH("exit 3"), NULL);
    EQ(weir_process_error(p), 0);
    EQ(weir_process_wait(p, &e, WEIR_NEVER), -ECHILD);
    EQ(e.code, -7);
    EQ(weir_process_close(&p), 0);
    signal(SIGCHLD, SIG_DFL);
    return 0;
}

/* --- what is wrong ------------------------------------------------------ */

static void refuses(const char *const *argv, const struct weir_process_opts *opts, int code)
{
    weir_process *p = weir_process_open(argv, opts);
    struct weir_exit e = {-7, -7};
    EQ(weir_process_error(p), code);
    EQ(weir_error(p), code);
    EQ(weir_process_wait(p, &e, WEIR_NEVER), code);
    EQ(weir_process_stop(p, &e), code);
    EQ(weir_process_signal(p, SIGTERM), code);
    EQ(weir_process_pid(p), code);
    EQ(weir_process_fd(p, 1), code);
    EQ(weir_process_take(p, 1), code);
    EQ(weir_process_shut(p, 0), code);
    EQ(e.code, -7);
    EQ(weir_process_close(&p), 0);
    OK(!p);
}

static int refuses_in_cancelled(void *arg)
{
    (void)arg;
    EQ(weir_sleep(WEIR_NEVER - 1), -ECANCELED);
    refuses(cat, NULL, -ECANCELED);
    return 0;
}

REAL_TEST(what_cannot_be_started_says_why)
{
    refuses((const char *const[]){"/nowhere/at/all", NULL}, NULL, -ENOENT);
    refuses((const char *const[]){"no-such-program-in-the-path", NULL}, NULL, -ENOENT);
    refuses((const char *const[]){"", NULL}, NULL, -ENOENT);
    refuses((const char *const[]){"/etc/passwd", NULL}, NULL, -EACCES);
    refuses(cat, CHILD(.cwd = "/nowhere/at/all"), -ENOENT);
    refuses(cat, CHILD(.cwd = "/etc/passwd"), -ENOTDIR);
    refuses(cat, CHILD(.file = ""), -ENOENT);
    refuses(cat, CHILD(.file = "/nowhere", .in = PIPE, .out = PIPE, .err = PIPE), -ENOENT);
    refuses(NULL, NULL, -EINVAL);
    refuses((const char *const[]){NULL}, NULL, -EINVAL);
    refuses(cat, CHILD(.flags = 4), -EINVAL);
    refuses(cat, CHILD(.grace = -1), -EINVAL);
    refuses(cat, CHILD(.grace = INT64_MAX), -EINVAL);
    refuses(cat, CHILD(.reserved = {0, 1}), -EINVAL);
    refuses(cat, CHILD(.in = {WEIR_FROM_OUT, 0}), -EINVAL);
    refuses(cat, CHILD(.out = {WEIR_FROM_OUT, 0}), -EINVAL);
    refuses(cat, CHILD(.err = {(enum weir_process_from)9, 0}), -EINVAL);
    refuses(cat, CHILD(.out = {WEIR_FROM_FD, -1}), -EBADF);
    refuses(cat, CHILD(.in = PIPE, .out = {WEIR_FROM_FD, 987}), -EBADF);
    weir_scope *s = weir_scope_open(NULL);
    GO(s, refuses_in_cancelled, NULL);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_close(&s), -EPERM);
    return 0;
}

TEST(off_a_fiber_nothing_is_started)
{
    weir_process *p = weir_process_open(cat, NULL), *none = NULL;
    EQ(weir_process_error(p), WEIR_ENOFIBER);
    EQ(weir_process_close(&p), 0);
    EQ(weir_process_error(NULL), -EINVAL);
    EQ(weir_process_wait(NULL, NULL, 0), -EINVAL);
    EQ(weir_process_close(NULL), 0);
    EQ(weir_process_close(&none), 0);
}

REAL_TEST(what_is_wrong_with_a_call_is_said)
{
    weir_process *p = weir_process_open(cat, CHILD(.in = PIPE));
    weir_stream *s = weir_range(0, 3), *lines;
    EQ(weir_process_signal(p, -1), -EINVAL);
    EQ(weir_process_signal(p, 65), -EINVAL);
    EQ(weir_process_fd(p, -1), -EBADF);
    EQ(weir_process_fd(p, 3), -EBADF);
    EQ(weir_process_fd(p, 1), -EBADF);
    EQ(weir_process_take(p, 2), -EBADF);
    EQ(weir_process_shut(p, INT_MAX), -EBADF);
    lines = weir_lines(weir_process_fd(p, 1), 0); /* and the stream says so */
    EQ(weir_stream_error(lines), -EBADF);
    lines = weir_bytes(weir_process_fd(p, 2), 0);
    EQ(weir_stream_error(lines), -EBADF);
    lines = weir_lines(-1, 0); /* by itself: no code of anybody */
    EQ(weir_stream_error(lines), -EINVAL);
    EQ(weir_process_feed(p, NULL), -EINVAL);
    EQ(weir_process_feed(p, &s), WEIR_ETYPE);
    OK(!s);
    s = weir_fail(WEIR_TYPE(struct weir_chunk), -EIO);
    EQ(weir_process_feed(p, &s), -EIO);
    s = weir_stream_new(NULL, NULL, WEIR_TYPE(int)); /* poisoned */
    EQ(weir_process_feed(p, &s), -EINVAL);
    OK(weir_process_fd(p, 0) >= 0); /* still open: these were no clean ends */
    s = weir_empty(WEIR_TYPE(struct weir_chunk));
    EQ(weir_process_feed(p, &s), 0);
    EQ(weir_process_fd(p, 0), -EBADF);
    s = weir_empty(WEIR_TYPE(struct weir_chunk));
    EQ(weir_process_feed(p, &s), -EBADF);
    OK(!s);
    EQ(weir_process_wait(p, NULL, WEIR_NEVER), 0);
    EQ(weir_process_close(&p), 0);
    return 0;
}

/* --- its end ------------------------------------------------------------ */

REAL_TEST(a_close_asks_and_then_kills)
{
    weir_process *p = weir_process_open(sleeper, NULL);
    int pid = weir_process_pid(p);
    char c;
    EQ(weir_process_close(&p), 1);
    OK(!exists(pid));
    p = weir_process_open(SH("trap '' TERM; echo; while :; do sleep 1000; done"),
                          CHILD(.out = PIPE, .grace = WEIR_MS(5), .flags = WEIR_PROCESS_GROUP));
    EQ(weir_read(weir_process_fd(p, 1), &c, 1, WEIR_NEVER), 1); /* it is deaf from here on */
    pid = weir_process_pid(p);
    EQ(weir_process_close(&p), 2);
    OK(!exists(pid));
    p = weir_process_open(sleeper, CHILD(.flags = WEIR_PROCESS_KILL));
    struct weir_exit e;
    EQ(weir_process_stop(p, &e), 0);
    EQ(e.signal, SIGKILL);
    EQ(weir_process_close(&p), 1);
    return 0;
}

REAL_TEST(a_stop_tells_how_it_ended)
{
    struct weir_exit e;
    char c;
    weir_process *p = weir_process_open(
        SH("trap 'exit 6' TERM; echo; while :; do sleep 0.01; done"), CHILD(.out = PIPE));
    EQ(weir_read(weir_process_fd(p, 1), &c, 1, WEIR_NEVER), 1);
    EQ(weir_process_stop(p, &e), 0);
    EQ(e.code, 6);
    EQ(weir_process_stop(p, &e), 0);
    EQ(weir_process_close(&p), 1);
    p = weir_process_open(sleeper, NULL);
    EQ(weir_process_signal(p, SIGUSR1), 0);
    EQ(weir_process_wait(p, &e, WEIR_NEVER), 0);
    EQ(e.signal, SIGUSR1);
    EQ(weir_process_close(&p), 0); /* no signal of ours was needed */
    return 0;
}

/* The write end is the group's alone: it is at its end when all of them are gone. */
static void group_ends(const char *script)
{
    int p[2];
    char c;
    EQ(pipe2(p, O_CLOEXEC), 0);
    weir_process *g =
        weir_process_open(SH(script), CHILD(.out = {WEIR_FROM_FD, p[1]},
                                            .flags = WEIR_PROCESS_GROUP, .grace = WEIR_MS(20)));
    EQ(weir_process_error(g), 0);
    EQ(close(p[1]), 0);
    EQ(read(p[0], &c, 1), 1);
    LE(1, weir_process_close(&g));
    EQ(read(p[0], &c, 1), 0);
    EQ(close(p[0]), 0);
}

REAL_TEST(a_group_ends_as_one)
{
    group_ends("sleep 1000 & sleep 1000 & printf x; wait");
    group_ends(
        "(trap '' TERM; printf x; sleep 1000; sleep 1000) & wait"); /* a leader that goes at once */
    group_ends("trap '' TERM; printf x; sleep 1000; sleep 1000");
    return 0;
}

static int child_pid;

static int opens_and_waits(void *arg)
{
    weir_process *p = weir_process_open(sleeper, NULL);
    (void)arg;
    EQ(weir_process_error(p), 0);
    child_pid = weir_process_pid(p);
    int r = weir_process_wait(p, NULL, WEIR_NEVER);
    EQ(weir_process_close(&p), 1);
    return r;
}

REAL_TEST(a_cancel_ends_it)
{
    weir_scope *s = weir_scope_open(NULL);
    GO(s, opens_and_waits, NULL);
    EQ(weir_sleep(weir_after(WEIR_MS(2))), 0);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_close(&s), -EPERM);
    OK(!exists(child_pid));
    return 0;
}

REAL_TEST(a_scope_that_closes_ends_it_and_the_handle_knows)
{
    weir_scope *s = weir_scope_open(NULL);
    weir_process *p = weir_process_open(sleeper, CHILD(.in = PIPE));
    struct weir_exit e;
    int pid = weir_process_pid(p);
    EQ(weir_process_wait(p, &e, weir_after(WEIR_MS(1))), -ETIMEDOUT);
    EQ(weir_scope_close(&s), 0);
    OK(!exists(pid));
    EQ(weir_process_wait(p, &e, WEIR_NEVER), 0);
    EQ(e.signal, SIGTERM);
    EQ(weir_process_close(&p), 1);
    return 0;
}

REAL_TEST(a_deadline_of_a_few_lines_ends_only_the_wait)
{
    weir_process *p = weir_process_open(sleeper, NULL);
    struct weir_limit l;
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(2))), 0);
    EQ(weir_limit_fini(&l, weir_process_wait(p, NULL, WEIR_NEVER)), -ETIMEDOUT);
    EQ(weir_process_signal(p, 0), 0);
    EQ(weir_process_close(&p), 1);
    return 0;
}

/* --- many loops --------------------------------------------------------- */

static int elsewhere(void *arg)
{
    weir_process *p = arg, *q = weir_process_open(SH("exit 8"), NULL);
    struct weir_exit e;
    EQ(weir_loop_index(), 1);
    EQ(weir_process_wait(p, NULL, WEIR_NEVER), -EXDEV);
    EQ(weir_process_signal(p, SIGTERM), -EXDEV);
    EQ(weir_process_stop(p, NULL), -EXDEV);
    EQ(weir_process_fd(p, 0), -EXDEV);
    EQ(weir_process_close(&p), -EXDEV);
    OK(p);
    EQ(weir_process_wait(q, &e, WEIR_NEVER), 0);
    EQ(e.code, 8);
    EQ(weir_process_close(&q), 0);
    EQ(weir_error(q = weir_process_open(sleeper, NULL)), 0);
    EQ(weir_process_close(&q), 1);
    return 0;
}

static int loops_main(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    weir_process *p = weir_process_open(sleeper, CHILD(.in = PIPE));
    (void)arg;
    EQ(weir_go_on(s, 1, elsewhere, p, NULL), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_process_close(&p), 1);
    return 0;
}

TEST(each_loop_has_its_own_children)
{
    NEEDS_THREADS();
    struct weir_config c = {.alloc = test_alloc, .loops = 2};
    EQ(weir_run(&c, loops_main, NULL), 0);
}

/* --- every point -------------------------------------------------------- */

static int point_main(void *arg)
{
    char out[8] = "", err[8] = "";
    struct weir_process_io io = {
        .in = "ab\n", .in_size = 3, .out = out, .out_size = 8, .err = err, .err_size = 8};
    struct weir_process_opts o = {.flags = WEIR_PROCESS_GROUP, .grace = WEIR_MS(50)};
    (void)arg;
    int r = weir_process_run(SH("read x; echo $x; echo $x >&2"), &o, &io);
    if (r == 0 && io.exit.signal == 0) {
        EQ(io.out_len, 3u);
        EQ(io.err_len, 3u);
        EQ(io.exit.code, 0);
    }
    if (!test_fault_hit())
        EQ(io.exit.signal, 0);
    weir_process *p = weir_process_open(sleeper, &o);
    if (r == 0 && weir_error(p) == 0)
        r = weir_process_wait(p, NULL, weir_after(WEIR_MS(1)));
    if (r == 0 && weir_error(p) < 0)
        r = weir_error(p);
    (void)weir_process_close(&p);
    return r;
}

static void point_run(void *arg)
{
    int r = world_real(point_main, arg);
    OK(test_fault_hit() ? r <= 0 : r == -ETIMEDOUT);
}

TEST_WITH(children_hold_whatever_fails, .timeout = 90)
{
    EVERY_POINT(point_run, NULL);
}
