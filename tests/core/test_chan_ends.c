/*
 * test_chan_ends.c -- how a channel ends, and what a cancel in the middle of it leaves:
 * an item is kept or delivered, and whoever waits is told why it goes on.
 */
#include "core/chan_world.h"

/* --- cancel and hand-over ----------------------------------------------- */

SIM_TEST(an_item_handed_over_before_the_cancel_is_kept)
{
    struct meet m = {.ch = weir_chan_new(WEIR_TYPE(int), 2)};
    weir_scope *s = weir_scope_open(NULL);
    int v = 9;
    GO(s, meet_recv, &m);
    world_settle();
    EQ(weir_send(m.ch, &v, 0), 1);
    EQ(weir_scope_cancel(s, -EPERM), 0); /* the receiver has not run yet */
    EQ(weir_scope_close(&s), -EPERM);
    EQ(m.results[0], 1);
    EQ(m.values[0], 9);
    weir_chan_free(&m.ch);
    return 0;
}

SIM_TEST(an_item_sent_after_the_cancel_stays_in_the_channel)
{
    struct meet m = {.ch = weir_chan_new(WEIR_TYPE(int), 2)};
    weir_scope *s = weir_scope_open(NULL);
    int v = 9;
    GO(s, meet_recv, &m);
    world_settle();
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_send(m.ch, &v, 0), 1);
    EQ(weir_scope_close(&s), -EPERM);
    EQ(m.results[0], -ECANCELED);
    EQ(m.values[0], -1);
    EQ(weir_chan_length(m.ch), 1u);
    weir_chan_free(&m.ch);
    return 0;
}

SIM_TEST(a_cancelled_sender_keeps_its_item)
{
    struct meet m = {.ch = weir_chan_new(WEIR_TYPE(int), 0)};
    weir_scope *s = weir_scope_open(NULL);
    int v = 9;
    GO(s, meet_send, &m);
    world_settle();
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_recv(m.ch, &v, 0), -EAGAIN);
    EQ(weir_scope_close(&s), -EPERM);
    EQ(m.results[0], -ECANCELED);
    EQ(v, 9);
    weir_chan_free(&m.ch);
    return 0;
}

SIM_TEST(in_a_cancelled_fiber_a_wait_ends_at_once_and_a_past_deadline_too)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_scope *s = weir_scope_open(NULL);
    int v = 1;
    EQ(weir_sleep(weir_after(10)), 0);
    EQ(weir_recv(ch, &v, WEIR_EPOCH + 1), -ETIMEDOUT);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_recv(ch, &v, WEIR_NEVER), -ECANCELED);
    EQ(weir_recv(ch, &v, 0), -EAGAIN);
    EQ(weir_chan_length(ch), 0u);
    EQ(weir_scope_close(&s), -EPERM);
    weir_chan_free(&ch);
    return 0;
}

/* --- closing ------------------------------------------------------------ */

SIM_TEST(close_wakes_everybody_with_its_reason)
{
    static const int why[] = {0, -EIO, -EAGAIN, -EINPROGRESS, -ECANCELED, WEIR_EABANDONED};
    for (size_t i = 0; i < sizeof why / sizeof *why; i++) {
        struct meet in = {.ch = weir_chan_new(WEIR_TYPE(int), 0)};
        struct meet out = {.ch = weir_chan_new(WEIR_TYPE(int), 0)};
        weir_scope *s = weir_scope_open(NULL);
        int v = 0;
        for (int k = 0; k < 3; k++) {
            GO(s, meet_recv, &in);
            GO(s, meet_send, &out);
        }
        world_settle();
        EQ(weir_chan_close(in.ch, why[i]), 0);
        EQ(weir_chan_close(out.ch, why[i]), 0);
        EQ(weir_chan_close(out.ch, -EBADF), WEIR_ECLOSED);
        EQ(weir_scope_close(&s), 0);
        for (int k = 0; k < 3; k++) {
            EQ(in.results[k], why[i]);
            EQ(out.results[k], why[i] ? why[i] : WEIR_ECLOSED);
        }
        /* and whoever comes later, with any deadline */
        EQ(weir_recv(in.ch, &v, WEIR_NEVER), why[i]);
        EQ(weir_recv(in.ch, &v, 0), why[i]);
        EQ(weir_send(in.ch, &v, WEIR_NEVER), why[i] ? why[i] : WEIR_ECLOSED);
        EQ(weir_chan_producer_add(in.ch), WEIR_ECLOSED);
        weir_chan_free(&in.ch);
        weir_chan_free(&out.ch);
    }
    return 0;
}

SIM_TEST(what_is_queued_comes_before_the_reason)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 3);
    int v[4] = {1, 2, 3, 4};
    size_t done;
    EQ(weir_chan_send_n(ch, v, sizeof *v, 3, &done, 0), 3);
    EQ(weir_chan_close(ch, -EIO), 0);
    EQ(weir_recv(ch, &v[3], WEIR_NEVER), 1);
    EQ(v[3], 1);
    EQ(weir_chan_recv_n(ch, v, sizeof *v, 4, &done, WEIR_NEVER), 2); /* the error comes next */
    EQ(v[0], 2);
    EQ(weir_chan_recv_n(ch, v, sizeof *v, 4, &done, WEIR_NEVER), -EIO);
    EQ(done, 0u);
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(free_wakes_everybody_and_nobody_looks_back)
{
    for (int how = 0; how < 3; how++) {
        struct meet m = {.ch = weir_chan_new(WEIR_TYPE(int), how == 2)};
        weir_scope *s = weir_scope_open(NULL);
        int v = 4;
        for (int k = 0; k < 4; k++)
            GO(s, how == 0 ? meet_send : meet_recv, &m);
        world_settle();
        if (how == 2)
            EQ(weir_send(m.ch, &v, 0), 1); /* one has its item but has not run */
        weir_chan_free(&m.ch);
        EQ(weir_scope_close(&s), 0);
        int ones = 0;
        for (int k = 0; k < 4; k++) {
            OK(m.results[k] == 1 || m.results[k] == WEIR_ECLOSED);
            ones += m.results[k] == 1;
        }
        EQ(ones, how == 2);
    }
    return 0;
}

struct timed {
    weir_chan *ch;
    int result;
};

static int timed_recv(void *arg)
{
    struct timed *t = arg;
    int v;
    t->result = weir_recv(t->ch, &v, weir_after(10));
    return 0;
}

static int timed_free(void *arg)
{
    struct timed *t = arg;
    EQ(weir_sleep(weir_after(10)), 0);
    weir_chan_free(&t->ch);
    return 0;
}

SIM_TEST(a_timeout_at_the_instant_of_the_free_is_safe)
{
    struct timed t = {weir_chan_new(WEIR_TYPE(int), 1), 0};
    weir_scope *s = weir_scope_open(NULL);
    GO(s, timed_recv, &t);
    GO(s, timed_free, &t);
    EQ(weir_scope_close(&s), 0);
    OK(t.result == -ETIMEDOUT || t.result == WEIR_ECLOSED);
    return 0;
}

static int last_send(void *arg)
{
    struct timed *t = arg;
    int v = 1;
    for (int i = 0; i < 127; i++) /* use up this fiber's share but one */
        EQ(weir_recv(t->ch, &v, 0), -EAGAIN);
    t->result = weir_send(t->ch, &v, WEIR_NEVER);
    return 0;
}

static int free_after_recv(void *arg)
{
    struct timed *t = arg;
    int v;
    EQ(weir_recv(t->ch, &v, WEIR_NEVER), 1);
    weir_chan_free(&t->ch);
    return 0;
}

SIM_TEST(a_sender_whose_share_is_used_up_may_find_the_channel_gone)
{
    struct timed t = {weir_chan_new(WEIR_TYPE(int), 1), 0};
    weir_scope *s = weir_scope_open(NULL);
    GO(s, last_send, &t);
    GO(s, free_after_recv, &t);
    EQ(weir_scope_close(&s), 0);
    EQ(t.result, 1);
    return 0;
}

/* --- producers and consumers -------------------------------------------- */

static int end_result(void *arg)
{
    EQ(weir_sleep(weir_after(1)), 0);
    return *(int *)arg;
}

SIM_TEST(the_last_producer_closes_with_the_first_failure)
{
    int v, zero = 0, one = 1, eio = -EIO, eagain = -EAGAIN;
    int *rows[][2] = {{&zero, &one}, {&eio, &zero}, {&zero, &eagain}};
    static const int want[] = {0, -EIO, -EAGAIN};
    for (int i = 0; i < 3; i++) {
        weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
        weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.on_error = WEIR_KEEP});
        for (int k = 0; k < 2; k++)
            EQ(weir_go_with(s, end_result, rows[i][k], &(struct weir_go_opts){.feeds = ch}), 0);
        EQ(weir_recv(ch, &v, WEIR_NEVER), want[i]);
        EQ(weir_scope_close(&s), want[i]);
        weir_chan_free(&ch);
    }
    return 0;
}

SIM_TEST(producers_by_hand_are_counted_the_same)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    int v = 0;
    for (int i = 0; i < 3; i++)
        EQ(weir_chan_producer_add(ch), 0);
    EQ(weir_chan_producer_done(ch, -EXDEV), 0);
    EQ(weir_chan_producer_done(ch, -EIO), 0);
    EQ(weir_recv(ch, &v, 0), -EAGAIN);
    EQ(weir_chan_producer_done(ch, 0), 0);
    EQ(weir_recv(ch, &v, 0), -EXDEV);
    EQ(weir_chan_producer_done(ch, 0), -EINVAL);
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(when_the_last_consumer_leaves_senders_get_a_broken_pipe)
{
    struct meet m = {.ch = weir_chan_new(WEIR_TYPE(int), 0)};
    int zero = 0, v = 1;
    weir_scope *s = weir_scope_open(NULL);
    EQ(weir_go_with(s, end_result, &zero, &(struct weir_go_opts){.drains = m.ch}), 0);
    EQ(weir_go_with(s, end_result, &zero, &(struct weir_go_opts){.drains = m.ch}), 0);
    for (int i = 0; i < 3; i++)
        GO(s, meet_send, &m);
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < 3; i++)
        EQ(m.results[i], -EPIPE);
    EQ(weir_send(m.ch, &v, 0), -EPIPE);
    EQ(weir_recv(m.ch, &v, 0), 0);
    weir_chan_free(&m.ch);
    return 0;
}

/* --- nothing lost, whatever is cancelled --------------------------------- */

enum { STORM_FIBERS = 12 };

struct storm {
    weir_chan *ch;
    long sent, got;
};

static int storm_send(void *arg)
{
    struct storm *f = arg;
    for (long i = 1; i < 200; i++) {
        int r = weir_send(f->ch, &i, test_random() % 2 ? WEIR_NEVER : weir_after(2));
        if (r == 1)
            f->sent += i;
        else if (r != -ETIMEDOUT)
            return r;
    }
    return 0;
}

static int storm_recv(void *arg)
{
    struct storm *f = arg;
    for (;;) {
        long v = 0;
        int r = weir_recv(f->ch, &v, test_random() % 2 ? WEIR_NEVER : weir_after(2));
        if (r == 1)
            f->got += v;
        else if (r != -ETIMEDOUT)
            return r;
        if (test_random() % 8 == 0 && weir_sleep(weir_after(1)) < 0)
            return -ECANCELED;
    }
}

SIM_TEST(a_cancel_in_the_middle_loses_nothing)
{
    struct storm f = {weir_chan_new(WEIR_TYPE(long), (size_t)(test_random() % 4)), 0, 0};
    weir_scope *s[STORM_FIBERS];
    long v;
    for (int i = 0; i < STORM_FIBERS; i++)
        s[i] = weir_scope_open(NULL);
    for (int i = 0; i < STORM_FIBERS; i++)
        GO(s[i], i % 2 ? storm_send : storm_recv, &f);
    for (int i = STORM_FIBERS; i--;) {
        EQ(weir_sleep(weir_after((weir_span)(test_random() % 20))), 0);
        EQ(weir_scope_cancel(s[i], -EPERM), 0);
        EQ(weir_scope_close(&s[i]), -EPERM);
    }
    while (weir_recv(f.ch, &v, 0) == 1)
        f.got += v;
    EQ(f.sent, f.got);
    weir_chan_free(&f.ch);
    return 0;
}

static int small_feed(void *arg)
{
    weir_chan *ch = arg;
    int r = 0;
    for (int i = 1; i <= 3 && r >= 0; i++)
        r = weir_send(ch, &i, WEIR_NEVER);
    return r < 0 ? r : 0;
}

/* An end of 0 means that all has come, whatever failed on the way. */
static int small_flow(void *arg)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_scope *s = weir_scope_open(NULL);
    int v, sum = 0, r = weir_go_with(s, small_feed, ch, &(struct weir_go_opts){.feeds = ch});
    (void)arg;
    if (r == 0) {
        while ((r = weir_recv(ch, &v, WEIR_NEVER)) > 0)
            sum += v;
        if (r == 0)
            EQ(sum, 6);
    }
    int c = weir_scope_close(&s);
    weir_chan_free(&ch);
    return r < 0 ? r : c;
}

static void small_under_faults(void *arg)
{
    int r = world_run(small_flow, arg);
    OK(test_fault_hit() ? r < 0 : r == 0);
}

TEST(an_end_is_never_told_for_what_was_cut_short)
{
    EVERY_POINT(small_under_faults, NULL);
}
