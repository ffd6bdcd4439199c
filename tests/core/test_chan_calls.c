/*
 * test_chan_calls.c -- what each call on a channel returns, takes and leaves: wrong
 * arguments, a rendezvous, the order of who waits, n at a time, the time blocked.
 */
#include "core/chan_world.h"

/* --- arguments ---------------------------------------------------------- */

SIM_TEST(a_channel_with_wrong_options_is_poisoned)
{
    struct weir_type good = WEIR_TYPE(int);
    struct weir_type bad[] = {
        {0, 1, NULL, NULL, "empty"},
        {(1 << 20) + 1, 1, NULL, NULL, "huge"},
        {4, 128, NULL, NULL, "align"},
        {4, 3, NULL, NULL, "no power of two"},
    };
    struct weir_chan_opts o[] = {
        {.capacity = SIZE_MAX},
        {.capacity = SIZE_MAX / 4},
        {.capacity = 1, .overflow = (enum weir_overflow)9},
        {.capacity = 0, .overflow = WEIR_DROP_NEWEST},
        {.capacity = 0, .overflow = WEIR_DROP_OLDEST},
        {.capacity = 0, .overflow = WEIR_LATEST},
        {.capacity = 1, .reserved = {0, 0, 0, 1}},
    };
    weir_chan *ch;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ch = weir_chan_new(bad[i], 1);
        EQ(weir_chan_error(ch), -EINVAL);
        weir_chan_free(&ch);
        OK(!ch);
    }
    for (size_t i = 0; i < sizeof o / sizeof *o; i++) {
        ch = weir_chan_with(good, &o[i]);
        EQ(weir_chan_error(ch), -EINVAL);
        weir_chan_free(&ch);
    }
    EQ(weir_chan_error(weir_chan_with(good, NULL)), -EINVAL);
    test_alloc_fail_at(1);
    ch = weir_chan_new(good, 5);
    EQ(weir_chan_error(ch), -ENOMEM);
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(every_call_on_a_poisoned_or_absent_channel_says_so)
{
    struct weir_chan_stats st;
    size_t done = 7;
    int v = 1;
    for (int i = 0; i < 2; i++) {
        weir_chan *ch = i ? NULL : weir_chan_new((struct weir_type){0}, 1);
        EQ(weir_send(ch, &v, WEIR_NEVER), -EINVAL);
        EQ(weir_recv(ch, &v, WEIR_NEVER), -EINVAL);
        EQ(weir_chan_send_n(ch, &v, sizeof v, 1, &done, WEIR_NEVER), -EINVAL);
        EQ(done, 0u);
        done = 7;
        EQ(weir_chan_recv_n(ch, &v, sizeof v, 1, &done, WEIR_NEVER), -EINVAL);
        EQ(done, 0u);
        EQ(weir_chan_close(ch, 0), -EINVAL);
        EQ(weir_chan_shut(ch), -EINVAL);
        EQ(weir_chan_producer_add(ch), -EINVAL);
        EQ(weir_chan_producer_done(ch, 0), -EINVAL);
        EQ(weir_chan_error(ch), -EINVAL);
        EQ(weir_chan_length(ch), 0u);
        EQ(weir_chan_stats(ch, &st), -EINVAL);
        EQ(weir_chan_type(ch).size, 0u);
        weir_chan_free(&ch);
        OK(!ch);
    }
    weir_chan_free(NULL);
    return 0;
}

SIM_TEST(wrong_arguments_take_and_write_nothing)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 2);
    static const weir_time bad[] = {1, -1, WEIR_EPOCH - 1, INT64_MIN};
    struct weir_chan_stats st;
    size_t done;
    int v = 8, w = 5;
    char small = 0;
    EQ(weir_send(ch, &v, 0), 1);
    for (int i = 0; i < 4; i++) {
        EQ(weir_send(ch, &v, bad[i]), -EINVAL);
        EQ(weir_recv(ch, &w, bad[i]), -EINVAL);
    }
    EQ(weir_send(ch, (int *)NULL, 0), -EINVAL);
    EQ(weir_recv(ch, (int *)NULL, 0), -EINVAL);
    EQ(weir_send(ch, &small, 0), WEIR_ETYPE);
    EQ(weir_recv(ch, &small, 0), WEIR_ETYPE);
    EQ(weir_chan_send_n(ch, &v, sizeof v, 1, NULL, 0), -EINVAL);
    EQ(weir_chan_recv_n(ch, &w, sizeof w, 1, NULL, 0), -EINVAL);
    EQ(weir_chan_recv_n(ch, &w, sizeof w, 0, &done, 0), -EINVAL);
    EQ(weir_chan_send_n(ch, &v, sizeof v, 0, &done, 0), 0);
    EQ(weir_chan_close(ch, 1), -EINVAL);
    EQ(weir_chan_stats(ch, NULL), -EINVAL);
    EQ(weir_chan_producer_done(ch, 0), -EINVAL); /* there is none */
    EQ(weir_chan_length(ch), 1u);
    EQ(w, 5);
    EQ(weir_chan_stats(ch, &st), 0);
    EQ(st.sent, 1u);
    EQ(weir_chan_type(ch).size, sizeof(int));
    weir_chan_free(&ch);
    return 0;
}

/* --- rendezvous --------------------------------------------------------- */

SIM_TEST(a_rendezvous_keeps_nothing)
{
    struct meet m = {.ch = weir_chan_new(WEIR_TYPE(int), 0)};
    struct weir_chan_stats st;
    weir_scope *s = weir_scope_open(NULL);
    int v = 1;
    EQ(weir_send(m.ch, &v, 0), -EAGAIN);
    EQ(weir_send(m.ch, &v, weir_after(5)), -ETIMEDOUT);
    EQ(weir_recv(m.ch, &v, 0), -EAGAIN);
    GO(s, meet_send, &m);
    GO(s, meet_send, &m);
    world_settle();
    EQ(m.n, 0); /* both wait */
    EQ(weir_chan_length(m.ch), 0u);
    EQ(weir_recv(m.ch, &v, 0), 1);
    EQ(v, 0);
    EQ(weir_recv(m.ch, &v, 0), 1);
    EQ(v, 1);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_chan_stats(m.ch, &st), 0);
    EQ(st.high_water, 0u);
    EQ(st.received, 2u);
    weir_chan_free(&m.ch);
    return 0;
}

SIM_TEST(a_rendezvous_that_must_not_block_fails_when_nobody_waits)
{
    struct weir_chan_opts o = {.capacity = 0, .overflow = WEIR_FAIL};
    struct meet m = {.ch = weir_chan_with(WEIR_TYPE(int), &o)};
    weir_scope *s = weir_scope_open(NULL);
    int v = 3;
    EQ(weir_send(m.ch, &v, WEIR_NEVER), WEIR_EFULL);
    GO(s, meet_recv, &m);
    world_settle();
    EQ(weir_send(m.ch, &v, WEIR_NEVER), 1);
    EQ(weir_scope_close(&s), 0);
    EQ(m.values[0], 3);
    weir_chan_free(&m.ch);
    return 0;
}

/* --- order -------------------------------------------------------------- */

SIM_TEST(waiting_receivers_and_senders_are_served_first_come_first_served)
{
    struct meet m = {.ch = weir_chan_new(WEIR_TYPE(int), 1)};
    weir_scope *s = weir_scope_open(NULL);
    int v;
    for (int i = 0; i < 10; i++) {
        GO(s, meet_send, &m); /* the first fills the ring, nine wait */
        world_settle();
    }
    EQ(m.n, 1);
    for (int i = 0; i < 10; i++) {
        EQ(weir_recv(m.ch, &v, 0), 1);
        EQ(v, i);
        EQ(weir_chan_length(m.ch), i < 9 ? 1u : 0u); /* the next one moves up at once */
        EQ(weir_send(m.ch, &v, 0), i < 9 ? -EAGAIN : 1);
    }
    EQ(weir_scope_close(&s), 0);
    weir_chan_free(&m.ch);
    return 0;
}

struct turn {
    struct meet *m;
    int id, got;
};

static int turn_recv(void *arg)
{
    struct turn *t = arg;
    return weir_recv(t->m->ch, &t->got, WEIR_NEVER) == 1 ? 0 : -EIO;
}

SIM_TEST(the_receiver_that_came_first_gets_the_first_item)
{
    struct meet m = {.ch = weir_chan_new(WEIR_TYPE(int), 4)};
    struct turn t[10];
    weir_scope *s = weir_scope_open(NULL);
    for (int i = 0; i < 10; i++) {
        t[i] = (struct turn){&m, i, -1};
        GO(s, turn_recv, &t[i]);
        world_settle();
    }
    for (int i = 0; i < 10; i++)
        EQ(weir_send(m.ch, &i, 0), 1);
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < 10; i++)
        EQ(t[i].got, i);
    weir_chan_free(&m.ch);
    return 0;
}

/* --- counted calls ------------------------------------------------------ */

static int many_send(void *arg)
{
    struct meet *m = arg;
    int v[100];
    size_t done;
    for (int i = 0; i < 100; i++)
        v[i] = i;
    EQ(weir_chan_send_n(m->ch, v, sizeof *v, 100, &done, WEIR_NEVER), 100);
    EQ(done, 100u);
    return 0;
}

SIM_TEST(n_at_a_time_arrive_in_order_and_counted)
{
    for (size_t cap = 0; cap < 8; cap++) {
        struct meet m = {.ch = weir_chan_new(WEIR_TYPE(int), cap)};
        weir_scope *s = weir_scope_open(NULL);
        int v[7], next = 0;
        size_t done;
        ssize_t n;
        EQ(weir_go_with(s, many_send, &m, &(struct weir_go_opts){.feeds = m.ch}), 0);
        while ((n = weir_chan_recv_n(m.ch, v, sizeof *v, 7, &done, WEIR_NEVER)) > 0) {
            EQ((size_t)n, done);
            for (ssize_t i = 0; i < n; i++)
                EQ(v[i], next++);
        }
        EQ(n, 0);
        EQ(next, 100);
        EQ(weir_scope_close(&s), 0);
        weir_chan_free(&m.ch);
    }
    return 0;
}

/* What sending nothing gives, which writes *done and reads no item. */
static ssize_t send_none(weir_chan *ch, size_t size, weir_time deadline)
{
    size_t done = 7;
    ssize_t r = weir_chan_send_n(ch, NULL, size, 0, &done, deadline);

    EQ(done, 0);
    return r;
}

static int send_none_ends(void *arg)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    int v = 1;
    (void)arg;
    EQ(send_none(ch, sizeof v, WEIR_NEVER), 0);
    EQ(weir_send(ch, &v, 0), 1);
    EQ(send_none(ch, sizeof v, WEIR_NEVER), 0); /* there is no room, and none is needed */
    EQ(send_none(ch, 1, 0), WEIR_ETYPE);
    EQ(send_none(ch, sizeof v, 5), -EINVAL);
    EQ(weir_chan_close(ch, 0), 0);
    EQ(send_none(ch, sizeof v, 0), WEIR_ECLOSED);
    weir_chan_free(&ch);
    ch = weir_chan_new(WEIR_TYPE(int), 1);
    EQ(weir_chan_close(ch, -EIO), 0);
    EQ(send_none(ch, sizeof v, 0), -EIO);
    weir_chan_free(&ch);
    ch = weir_chan_new(WEIR_TYPE(int), 1);
    EQ(weir_chan_shut(ch), 0);
    EQ(send_none(ch, sizeof v, 0), -EPIPE);
    weir_chan_free(&ch);
    ch = weir_chan_with(WEIR_TYPE(int), &(struct weir_chan_opts){.overflow = WEIR_DROP_OLDEST});
    EQ(send_none(ch, sizeof v, 0), -EINVAL); /* the code of the poisoned handle */
    weir_chan_free(&ch);
    ch = weir_chan_new(WEIR_TYPE(int), SIZE_MAX);
    EQ(send_none(ch, sizeof v, 0), weir_chan_error(ch));
    LT(weir_chan_error(ch), 0);
    weir_chan_free(&ch);
    EQ(send_none(NULL, sizeof v, 0), -EINVAL);
    return 0;
}

TEST(sending_nothing_asks_whether_sends_are_taken)
{
    world_seeds(send_none_ends);
}

TEST(sending_nothing_asks_the_same_on_one_of_many_loops)
{
    NEEDS_THREADS();
    EQ(weir_run(&(struct weir_config){.loops = 2, .alloc = test_alloc}, send_none_ends, NULL), 0);
}

SIM_TEST(a_partial_send_tells_how_many_went)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 3);
    int v[5] = {1, 2, 3, 4, 5};
    size_t done = 99;
    EQ(weir_chan_send_n(ch, v, sizeof *v, 5, &done, 0), -EAGAIN);
    EQ(done, 3u);
    EQ(weir_chan_send_n(ch, v, sizeof *v, 5, &done, weir_after(4)), -ETIMEDOUT);
    EQ(done, 0u);
    EQ(weir_chan_recv_n(ch, v, sizeof *v, 2, &done, 0), 2);
    EQ(weir_chan_send_n(ch, v, sizeof *v, 5, &done, weir_after(4)), -ETIMEDOUT);
    EQ(done, 2u);
    EQ(weir_chan_close(ch, -EIO), 0);
    EQ(weir_chan_send_n(ch, v, sizeof *v, 5, &done, WEIR_NEVER), -EIO);
    EQ(done, 0u);
    weir_chan_free(&ch);
    return 0;
}

/* --- time blocked ------------------------------------------------------- */

SIM_TEST(time_blocked_is_counted_on_both_sides)
{
    struct meet m = {.ch = weir_chan_new(WEIR_TYPE(int), 0)};
    struct weir_chan_stats st;
    weir_scope *s = weir_scope_open(NULL);
    int v = 1;
    GO(s, meet_send, &m);
    GO(s, meet_send, &m);
    EQ(weir_sleep(weir_after(WEIR_MS(3))), 0);
    EQ(weir_recv(m.ch, &v, 0), 1);
    EQ(weir_recv(m.ch, &v, 0), 1);
    GO(s, meet_recv, &m);
    EQ(weir_sleep(weir_after(WEIR_MS(4))), 0);
    EQ(weir_send(m.ch, &v, 0), 1);
    EQ(weir_recv(m.ch, &v, weir_after(WEIR_MS(5))), -ETIMEDOUT);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_chan_stats(m.ch, &st), 0);
    EQ(st.blocked_send, WEIR_MS(6));
    EQ(st.blocked_recv, WEIR_MS(9));
    weir_chan_free(&m.ch);
    return 0;
}
