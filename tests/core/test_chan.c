/*
 * test_chan.c -- capacity, order, ends, overflow, select, and that no item is
 * lost or dropped twice whatever is cancelled.
 */
#include <stdlib.h>
#include <weir.h>

#include "core/world.h"

static void run(int (*fn)(void *))
{
    struct weir_config c = {.alloc = test_alloc};

    EQ(weir_sim_run(test_seed(), &c, fn, NULL), 0);
}

static int exact(void *arg)
{
    for (size_t cap = 1; cap <= 5; cap++) {
        weir_chan *ch = weir_chan_new(WEIR_TYPE(int), cap);
        int x = 0, y;

        for (size_t i = 0; i < cap; i++, x++)
            EQ(weir_send(ch, &x, 0), 1);
        EQ(weir_send(ch, &x, 0), -EAGAIN);
        EQ(weir_chan_length(ch), cap);
        EQ(weir_recv(ch, &y, 0), 1);
        EQ(y, 0);
        EQ(weir_send(ch, &x, 0), 1);
        EQ(weir_send(ch, &x, weir_after(WEIR_MS(3))), -ETIMEDOUT);
        weir_chan_free(&ch);
    }
    (void)arg;
    return 0;
}

TEST(capacity_is_exact)
{
    run(exact);
}

enum { PRODUCERS = 4, CONSUMERS = 3, EACH = 200 };

struct flow {
    weir_chan *ch;
    int got, ids;
};

struct flow_item {
    int from, n;
};

static int produce(void *arg)
{
    struct flow *f = arg;
    struct flow_item it = {f->ids++, 0};

    for (; it.n < EACH; it.n++) {
        int r = weir_send(f->ch, &it, WEIR_NEVER);

        if (r < 0)
            return r;
    }
    return 0;
}

static int consume(void *arg)
{
    struct flow *f = arg;
    struct flow_item it;
    int r, next[PRODUCERS] = {0};

    while ((r = weir_recv(f->ch, &it, WEIR_NEVER)) > 0) {
        LE(next[it.from], it.n); /* in the order of its producer */
        next[it.from] = it.n + 1;
        f->got++;
        if (it.n % 7 == 0)
            weir_yield();
    }
    return r;
}

static int flows(void *arg)
{
    static const size_t caps[] = {0, 1, 2, 7, 1000};

    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++) {
        struct flow f = {.ch = weir_chan_new(WEIR_TYPE(struct flow_item), caps[i])};
        weir_scope *s = weir_scope_open(NULL);
        struct weir_chan_stats st;

        for (int k = 0; k < CONSUMERS; k++)
            EQ(weir_go_with(s, consume, &f, &(struct weir_go_opts){.drains = f.ch}), 0);
        for (int k = 0; k < PRODUCERS; k++)
            EQ(weir_go_with(s, produce, &f, &(struct weir_go_opts){.feeds = f.ch}), 0);
        EQ(weir_scope_close(&s), 0);
        EQ(f.got, PRODUCERS * EACH);
        EQ(weir_chan_stats(f.ch, &st), 0);
        EQ(st.sent, st.received);
        EQ(st.received, PRODUCERS * EACH);
        LE(st.high_water, caps[i]);
        weir_chan_free(&f.ch);
    }
    (void)arg;
    return 0;
}

TEST(everything_arrives_once_and_in_order_at_any_capacity)
{
    run(flows);
}

static int dies(void *arg)
{
    int x = 1;

    EQ(weir_send(*(weir_chan **)arg, &x, WEIR_NEVER), 1);
    return -EIO;
}

static int ends(void *arg)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 4);
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.on_error = WEIR_KEEP});
    int x;

    (void)arg;
    EQ(weir_go_with(s, dies, &ch, &(struct weir_go_opts){.feeds = ch}), 0);
    EQ(weir_scope_close(&s), -EIO);
    EQ(weir_recv(ch, &x, 0), 1); /* what was queued comes first */
    EQ(weir_recv(ch, &x, 0), -EIO);
    EQ(weir_send(ch, &x, 0), -EIO);
    EQ(weir_chan_close(ch, 0), WEIR_ECLOSED);
    weir_chan_free(&ch);
    ch = weir_chan_new(WEIR_TYPE(int), 4);
    EQ(weir_send(ch, &x, 0), 1);
    EQ(weir_chan_shut(ch), 0);
    EQ(weir_send(ch, &x, 0), -EPIPE);
    weir_chan_free(&ch);
    return 0;
}

TEST(a_producer_that_dies_is_no_clean_end)
{
    run(ends);
}

static int drops;

static void count_drop(void *p)
{
    drops += *(int *)p != 0;
}

static int overflow(void *arg)
{
    static const struct {
        enum weir_overflow how;
        int drops, first, length, result;
    } rows[] = {{WEIR_DROP_NEWEST, 3, 1, 2, 1},
                {WEIR_DROP_OLDEST, 3, 4, 2, 1},
                {WEIR_LATEST, 4, 5, 1, 1},
                {WEIR_FAIL, 0, 1, 2, WEIR_EFULL}};
    struct weir_type t = WEIR_TYPE(int);

    (void)arg;
    t.drop = count_drop;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weir_chan_opts o = {.capacity = 2, .overflow = rows[i].how};
        weir_chan *ch = weir_chan_with(t, &o);
        struct weir_chan_stats st;
        int r = 0, y;

        drops = 0;
        for (int x = 1; x <= 5; x++)
            r = weir_send(ch, &x, 0);
        EQ(r, rows[i].result);
        EQ(drops, rows[i].drops);
        EQ(weir_chan_length(ch), (size_t)rows[i].length);
        EQ(weir_recv(ch, &y, 0), 1);
        EQ(y, rows[i].first);
        EQ(weir_chan_stats(ch, &st), 0);
        EQ(st.sent, st.received + st.dropped + st.length);
        weir_chan_free(&ch);
        EQ(drops, rows[i].drops + rows[i].length - 1);
    }
    return 0;
}

TEST(overflow_drops_what_it_says_and_counts_it)
{
    run(overflow);
}

/* Receivers that keep giving up, senders that keep giving up: sums must agree. */
struct churn {
    weir_chan *ch;
    long sent, got;
    int senders;
};

static int churn_send(void *arg)
{
    struct churn *c = arg;

    for (int i = 1; i <= 300; i++) {
        int r = weir_send(c->ch, &i, weir_after(WEIR_US(i % 5)));

        if (r == 1)
            c->sent += i;
        else
            EQ(r, -ETIMEDOUT);
        weir_sleep(weir_after(WEIR_US(i % 3)));
    }
    return 0;
}

static int churn_recv(void *arg)
{
    struct churn *c = arg;
    int x, r;

    while ((r = weir_recv(c->ch, &x, weir_after(WEIR_US(2)))) != 0) {
        if (r == 1)
            c->got += x;
        else
            EQ(r, -ETIMEDOUT);
    }
    return 0;
}

static int churns(void *arg)
{
    for (size_t cap = 0; cap < 3; cap++) {
        struct churn c = {.ch = weir_chan_new(WEIR_TYPE(int), cap)};
        weir_scope *s = weir_scope_open(NULL);

        for (int k = 0; k < 3; k++) {
            EQ(weir_go_with(s, churn_send, &c, &(struct weir_go_opts){.feeds = c.ch}), 0);
            EQ(weir_go(s, churn_recv, &c), 0);
        }
        EQ(weir_scope_close(&s), 0);
        EQ(c.sent, c.got);
        LT(0, c.got);
        weir_chan_free(&c.ch);
    }
    (void)arg;
    return 0;
}

TEST(a_timeout_on_either_side_loses_nothing)
{
    run(churns);
}

static int selects(void *arg)
{
    weir_chan *a = weir_chan_new(WEIR_TYPE(int), 100), *b = weir_chan_new(WEIR_TYPE(int), 100);
    int hits[2] = {0, 0}, x, y;
    struct weir_select both[] = {WEIR_ON_RECV(a, &x), WEIR_ON_RECV(b, &y)};

    (void)arg;
    for (int i = 0; i < 100; i++) {
        EQ(weir_send(a, &i, 0), 1);
        EQ(weir_send(b, &i, 0), 1);
    }
    for (int i = 0; i < 60; i++)
        hits[weir_select(both, 2, WEIR_NEVER)]++;
    OK(hits[0] > 10 && hits[1] > 10); /* fair */
    while (weir_select(both, 2, 0) >= 0)
        ;
    EQ(weir_select(both, 2, weir_after(WEIR_MS(1))), -ETIMEDOUT);
    EQ(weir_chan_close(b, -EIO), 0);
    EQ(weir_select(both, 2, WEIR_NEVER), 1); /* reported, not disabled */
    EQ(both[1].result, -EIO);
    EQ(weir_select(both, 0, WEIR_NEVER), -EINVAL);
    weir_chan_free(&a);
    weir_chan_free(&b);
    return 0;
}

TEST(select_is_fair_and_reports_a_closed_channel)
{
    run(selects);
}

static int hangs(void *arg)
{
    int x;

    return weir_recv(*(weir_chan **)arg, &x, WEIR_NEVER);
}

static int deadlock(void *arg)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_scope *outer = weir_scope_open(NULL), *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_go(s, hangs, &ch), 0);
    EQ(weir_scope_close(&s), WEIR_EDEADLOCK);
    EQ(weir_scope_close(&outer), 0);
    weir_chan_free(&ch);
    return 0;
}

TEST(a_deadlock_is_told_not_suffered)
{
    run(deadlock);
}

TEST(what_is_wrong_with_a_channel_is_said)
{
    weir_chan *ch = weir_chan_new((struct weir_type){0}, 1), *none = NULL;
    long wide = 0;
    int x = 0;

    EQ(weir_error(ch), -EINVAL);
    EQ(weir_send(ch, &x, 0), -EINVAL);
    weir_chan_free(&ch);
    EQ(weir_send(none, &x, 0), -EINVAL);
    ch = weir_chan_with(WEIR_TYPE(int), &(struct weir_chan_opts){.overflow = WEIR_LATEST});
    EQ(weir_error(ch), -EINVAL); /* nothing to keep the latest in */
    ch = weir_chan_new(WEIR_TYPE(int), 1);
    EQ(weir_send(ch, &wide, 0), WEIR_ETYPE);
    EQ(weir_send(ch, &x, WEIR_S(1)), -EINVAL);
    EQ(weir_send(ch, &x, WEIR_NEVER), 1);
    EQ(weir_send(ch, &x, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_send(ch, &x, 0), -EAGAIN);
    weir_chan_free(&ch);
    weir_chan_free(&ch);
}

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

struct meet {
    weir_chan *ch;
    int from, n, results[40], values[40];
};

static int meet_send(void *arg)
{
    struct meet *m = arg;
    int v = m->from++;
    int r = weir_send(m->ch, &v, WEIR_NEVER);
    m->results[m->n++] = r;
    return 0;
}

static int meet_recv(void *arg)
{
    struct meet *m = arg;
    int v = -1, r = weir_recv(m->ch, &v, WEIR_NEVER), at = m->n++;
    m->results[at] = r;
    m->values[at] = v;
    return 0;
}

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

/* --- overflow and drops ------------------------------------------------- */

struct owned {
    _Alignas(64) char *text;
};

static int owned_drops;

static void owned_drop(void *item)
{
    struct owned *o = item;
    EQ((uintptr_t)o % 64, 0u);
    if (o->text)
        owned_drops++;
    o->text = NULL;
}

/* Memory that is aligned as malloc's is, and no better. */
static void *skew_realloc(void *ctx, void *p, size_t old, size_t size)
{
    char *base = p ? (char *)p - 16 : NULL;
    (void)ctx;
    (void)old;
    if (!size) {
        free(base);
        return NULL;
    }
    char *fresh = aligned_alloc(64, (size + 16 + 63) & ~(size_t)63);
    OK(fresh);
    if (base) {
        memcpy(fresh + 16, p, old < size ? old : size);
        free(base);
    }
    return fresh + 16;
}

static int owned_run(void *arg)
{
    struct weir_type t = WEIR_TYPE(struct owned);
    static const enum weir_overflow how[] = {WEIR_DROP_NEWEST, WEIR_DROP_OLDEST, WEIR_LATEST};
    (void)arg;
    t.drop = owned_drop;
    for (int i = 0; i < 3; i++) {
        struct weir_chan_opts o = {.capacity = 3, .overflow = how[i]};
        weir_chan *ch = weir_chan_with(t, &o);
        struct weir_chan_stats st;
        owned_drops = 0;
        for (int k = 0; k < 10; k++) {
            struct owned v = {.text = (char *)"x"};
            EQ(weir_send(ch, &v, WEIR_NEVER), 1); /* never parks */
        }
        EQ(weir_chan_stats(ch, &st), 0);
        EQ(st.dropped, (uint64_t)owned_drops);
        EQ(st.dropped + st.length, 10u);
        EQ(st.sent, 10u);
        EQ(weir_chan_shut(ch), 0); /* the rest is dropped, once */
        EQ(owned_drops, 10);
        weir_chan_free(&ch);
        EQ(owned_drops, 10);
    }
    return 0;
}

TEST(drop_sees_each_item_once_and_aligned)
{
    struct weir_config c = {.alloc = {skew_realloc, NULL}};
    EQ(weir_sim_run(test_seed(), &c, owned_run, NULL), 0);
}

static int drop_counted;

static void drop_megabyte(void *item)
{
    drop_counted += *(char *)item;
}

SIM_TEST(an_item_of_a_megabyte_fits_no_stack_and_needs_none)
{
    struct weir_type t = {1 << 20, 1, drop_megabyte, NULL, "megabyte"};
    weir_chan *ch =
        weir_chan_with(t, &(struct weir_chan_opts){.capacity = 1, .overflow = WEIR_DROP_NEWEST});
    static char big[1 << 20];
    drop_counted = 0;
    big[0] = 1;
    EQ(weir_send(ch, &big, 0), 1);
    EQ(weir_send(ch, &big, 0), 1);
    EQ(drop_counted, 1);
    weir_chan_free(&ch);
    EQ(drop_counted, 2);
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
