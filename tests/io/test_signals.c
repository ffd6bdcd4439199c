/*
 * test_signals.c -- streams of signals: each gets each, merged as said, and the
 * mask is what it was when they are closed.
 */
#include <signal.h>
#include <unistd.h>
#include <weir.h>

#include "core/world.h"

static const int one[] = {SIGUSR1, 0};
static const int two[] = {SIGUSR1, SIGUSR2, 0};

static void pull_is(weir_stream *s, int number, uint32_t count)
{
    struct weir_signal g = {0};
    EQ(weir_next(s, &g), 1);
    EQ(g.number, number);
    EQ(g.count, count);
    EQ(g.code, SI_USER);
    EQ(g.pid, getpid());
    EQ(g.uid, getuid());
}

static void nothing_is_there(weir_stream *s)
{
    struct weir_limit l;
    struct weir_signal g;
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(1))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &g)), -ETIMEDOUT);
}

static int is_blocked(int signal)
{
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    return sigismember(&now, signal);
}

static int come_main(void *arg)
{
    weir_stream *s = weir_signals(two);
    (void)arg;
    EQ(weir_error(s), 0);
    EQ(weir_stream_type(s).size, sizeof(struct weir_signal));
    nothing_is_there(s);
    EQ(kill(getpid(), SIGUSR1), 0);
    pull_is(s, SIGUSR1, 1);
    EQ(kill(getpid(), SIGUSR2), 0);
    pull_is(s, SIGUSR2, 1);
    nothing_is_there(s);
    weir_stream_close(&s);
    return 0;
}

TEST(signals_come_one_by_one)
{
    EQ(world_real(come_main, NULL), 0);
    EQ(world_run(come_main, NULL), 0);
}

static int kills(void *arg)
{
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    return kill(getpid(), *(int *)arg) == 0 ? 0 : -errno;
}

REAL_TEST(a_signal_wakes_who_pulls)
{
    int usr1 = SIGUSR1;
    weir_stream *s = weir_signals(one);
    weir_scope *scope = weir_scope_open(NULL);
    GO(scope, kills, &usr1);
    pull_is(s, SIGUSR1, 1);
    EQ(weir_scope_close(&scope), 0);
    weir_stream_close(&s);
    return 0;
}

REAL_TEST(each_stream_gets_each_and_those_that_wait_are_one_item)
{
    weir_stream *slow = weir_signals(two), *quick = weir_signals(two), *other = weir_signals(one);
    struct weir_signal both[8];
    for (int i = 0; i < 3; i++) {
        EQ(kill(getpid(), SIGUSR2), 0);
        pull_is(quick, SIGUSR2, 1);
    }
    EQ(kill(getpid(), SIGUSR1), 0);
    pull_is(quick, SIGUSR1, 1);
    EQ(weir_pull(slow, both, 8), 2); /* in the order in which they came */
    EQ(both[0].number, SIGUSR2);
    EQ(both[0].count, 3u);
    EQ(both[1].number, SIGUSR1);
    EQ(both[1].count, 1u);
    pull_is(other, SIGUSR1, 1);
    nothing_is_there(slow);
    nothing_is_there(other);
    weir_stream_close(&quick);
    EQ(kill(getpid(), SIGUSR2), 0); /* the others go on */
    pull_is(slow, SIGUSR2, 1);
    EQ(kill(getpid(), SIGUSR1), 0);
    pull_is(slow, SIGUSR1, 1);
    pull_is(other, SIGUSR1, 1);
    weir_stream_close(&other);
    weir_stream_close(&slow);
    return 0;
}

REAL_TEST(the_system_merges_plain_signals_and_counts_real_time_ones)
{
    int rt = SIGRTMIN + 3;
    weir_stream *s = weir_signals((const int[]){SIGUSR1, rt, 0});
    struct weir_signal g;
    for (int i = 0; i < 5; i++) {
        EQ(kill(getpid(), SIGUSR1), 0);
        EQ(kill(getpid(), rt), 0);
    }
    pull_is(s, SIGUSR1, 1);
    EQ(weir_next(s, &g), 1);
    EQ(g.number, rt);
    EQ(g.count, 5u);
    weir_stream_close(&s);
    return 0;
}

REAL_TEST(one_item_is_taken_at_a_time_if_asked_for)
{
    weir_stream *s = weir_signals(two);
    EQ(kill(getpid(), SIGUSR1), 0);
    EQ(kill(getpid(), SIGUSR2), 0);
    pull_is(s, SIGUSR1, 1);
    pull_is(s, SIGUSR2, 1);
    nothing_is_there(s);
    weir_stream_close(&s);
    return 0;
}

/* --- the mask ------------------------------------------------------------- */

REAL_TEST(the_mask_is_what_it_was_after_the_last_close)
{
    sigset_t set;
    for (int order = 0; order < 6; order++) {
        weir_stream *s[3] = {weir_signals(one), weir_signals(two), weir_signals(one)};
        static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        for (int i = 0; i < 3; i++) {
            OK(is_blocked(SIGUSR1));
            EQ(is_blocked(SIGUSR2), s[1] != NULL);
            weir_stream_close(&s[orders[order][i]]);
        }
        OK(!is_blocked(SIGUSR1));
    }
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    weir_stream *s = weir_signals(two);
    weir_stream_close(&s);
    OK(is_blocked(SIGUSR1)); /* the program's own */
    OK(!is_blocked(SIGUSR2));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return 0;
}

REAL_TEST(what_nobody_pulled_does_not_strike_at_the_close)
{
    weir_stream *s = weir_signals(two), *t = weir_signals(one);
    EQ(kill(getpid(), SIGUSR1), 0);
    EQ(kill(getpid(), SIGUSR2), 0);
    weir_stream_close(&s);
    pull_is(t, SIGUSR1, 1); /* the other one still wants it */
    EQ(kill(getpid(), SIGUSR1), 0);
    weir_stream_close(&t);
    return 0;
}

REAL_TEST(ignored_signals_come_too)
{
    weir_stream *s;
    signal(SIGUSR1, SIG_IGN);
    s = weir_signals(one);
    EQ(kill(getpid(), SIGUSR1), 0);
    pull_is(s, SIGUSR1, 1);
    weir_stream_close(&s);
    signal(SIGUSR1, SIG_DFL);
    return 0;
}

/* --- what is wrong ---------------------------------------------------------- */

static void refuses(const int *signals, int code)
{
    weir_stream *s = weir_signals(signals);
    EQ(weir_error(s), code);
    weir_stream_close(&s);
}

REAL_TEST(what_cannot_be_waited_for_is_refused)
{
    static const int bad[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
                              SIGILL,  65,      9999,    -1,     INT32_MIN};
    refuses(NULL, -EINVAL);
    refuses((const int[]){0}, -EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuses((const int[]){SIGUSR1, bad[i], 0}, -EINVAL);
    OK(!is_blocked(SIGUSR1));
    return 0;
}

static int pulls_later(void *arg)
{
    weir_stream *s = arg;
    OK(!is_blocked(SIGUSR1));
    nothing_is_there(s);
    OK(is_blocked(SIGUSR1));
    EQ(kill(getpid(), SIGUSR1), 0);
    pull_is(s, SIGUSR1, 1);
    weir_stream_close(&s);
    OK(!is_blocked(SIGUSR1));
    return 0;
}

TEST(built_off_a_loop_it_is_opened_by_its_first_pull)
{
    weir_stream *s = weir_signals(one);
    struct weir_signal g;
    EQ(weir_next(s, &g), WEIR_ENOFIBER);
    OK(!is_blocked(SIGUSR1));
    EQ(weir_run(NULL, pulls_later, s), 0); /* the same allocator as outside */
    s = weir_signals(one);
    weir_stream_close(&s);
}

static int pulls_until_cancelled(void *arg)
{
    struct weir_signal g;
    EQ(weir_next((weir_stream *)arg, &g), -ECANCELED);
    return 0;
}

REAL_TEST(a_cancelled_pull_has_lost_nothing)
{
    weir_stream *s = weir_signals(one);
    weir_scope *scope = weir_scope_open(NULL);
    GO(scope, pulls_until_cancelled, s);
    world_settle();
    EQ(kill(getpid(), SIGUSR1), 0);
    EQ(weir_scope_cancel(scope, -EPERM), 0);
    EQ(weir_scope_close(&scope), -EPERM);
    pull_is(s, SIGUSR1, 1);
    weir_stream_close(&s);
    return 0;
}

/* --- many loops ---------------------------------------------------------------- */

static int loops_kill(void *arg)
{
    (void)arg;
    EQ(weir_loop_index(), 0);
    OK(is_blocked(SIGUSR2)); /* what the other loop asked for has come before us */
    return kill(getpid(), SIGUSR2) == 0 ? 0 : -errno;
}

static int loops_far(void *arg)
{
    weir_stream *s = weir_signals(two);
    weir_scope *scope = weir_scope_open(NULL);
    (void)arg;
    EQ(weir_error(s), 0);
    EQ(weir_go_on(scope, 0, loops_kill, NULL, NULL), 0);
    pull_is(s, SIGUSR2, 1);
    EQ(weir_scope_close(&scope), 0);
    weir_stream_close(&s);
    return 0;
}

static int loops_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        weir_stream *s = weir_signals(two);
        weir_scope *scope = weir_scope_open(NULL);
        EQ(weir_go_on(scope, 1, loops_far, NULL, NULL), 0);
        pull_is(s, SIGUSR2, 1);
        if (i % 2)
            weir_stream_close(&s);
        EQ(weir_scope_close(&scope), 0);
        weir_stream_close(&s);
        OK(!is_blocked(SIGUSR1));
        OK(!is_blocked(SIGUSR2));
        scope = weir_scope_open(NULL);
        EQ(weir_go_on(scope, 1, loops_far, NULL, NULL), 0); /* alone */
        EQ(weir_scope_close(&scope), 0);
        OK(!is_blocked(SIGUSR2));
    }
    return 0;
}

TEST(loops_have_their_streams_and_the_first_has_the_mask)
{
    NEEDS_THREADS();
    struct weir_config c = {.alloc = test_alloc, .loops = 2};
    EQ(weir_run(&c, loops_main, NULL), 0);
}

/* --- every point ----------------------------------------------------------------- */

static int point_main(void *arg)
{
    struct weir_signal g;
    weir_stream *s = weir_signals(two), *t = weir_signals(one);
    int r = weir_error(s) < 0 ? weir_error(s) : weir_error(t);
    (void)arg;
    EQ(is_blocked(SIGUSR1), weir_error(s) == 0 || weir_error(t) == 0);
    if (r == 0) {
        EQ(kill(getpid(), SIGUSR1), 0);
        r = weir_next(s, &g);
        if (r > 0)
            r = weir_next(t, &g);
    }
    weir_stream_close(&s);
    weir_stream_close(&t);
    OK(!is_blocked(SIGUSR1));
    return r < 0 ? r : 0;
}

static void point_run(void *arg)
{
    int r = world_real(point_main, arg);
    OK(test_fault_hit() ? r <= 0 : r == 0);
}

TEST(signals_hold_whatever_fails)
{
    EVERY_POINT(point_run, NULL);
}
