/*
 * test_permit.c -- a semaphore that is resized, closed, passed by small takes,
 * and whose permits are values.
 */
#include <weir.h>

#include "core/world.h"

static struct weir_sem sem;

struct taker {
    uint64_t n;
    weir_span after, hold;
    weir_time deadline;
    int result, order;
};

static int n_taken;

static int taker(void *arg)
{
    struct taker *t = arg;
    EQ(weir_sleep(weir_after(t->after)), 0);
    t->result = weir_sem_take(&sem, t->n, t->deadline);
    if (t->result < 0)
        return 0;
    t->order = ++n_taken;
    (void)weir_sleep(weir_after(t->hold));
    EQ(weir_sem_give(&sem, t->n), 0);
    return 0;
}

#define TAKER(n, after, hold) ((struct taker){n, after, hold, WEIR_NEVER, 99, 0})

SIM_TEST(a_sem_that_is_made_larger_serves_who_waits)
{
    struct taker t[3] = {TAKER(3, 1, 10), TAKER(1, 2, 10), TAKER(4, 3, 10)};
    weir_scope *s = weir_scope_open(NULL);
    n_taken = 0;
    EQ(weir_sem_init(&sem, 4), 0);
    EQ(weir_sem_take(&sem, 4, 0), 0);
    for (int i = 0; i < 3; i++)
        GO(s, taker, &t[i]);
    EQ(weir_sleep(weir_after(5)), 0);
    EQ(weir_sem_resize(&sem, 8), 0);
    EQ(sem.permits, 0u);
    EQ(weir_sem_taken(&sem), 8u);
    world_settle();
    EQ(t[0].order + t[1].order, 3);
    EQ(t[2].result, 99);
    EQ(weir_scope_close(&s), 0);
    EQ(t[2].order, 3);
    EQ(weir_sem_taken(&sem), 4u);
    EQ(weir_sem_give(&sem, 4), 0);
    EQ(sem.permits, 8u);
    EQ(weir_sem_give(&sem, 1), -EINVAL);
    return 0;
}

SIM_TEST(a_sem_made_smaller_than_what_is_out_waits_for_it)
{
    struct taker t[3] = {TAKER(1, 1, 10), TAKER(5, 2, 10), TAKER(2, 3, 10)};
    weir_scope *s = weir_scope_open(NULL);
    n_taken = 0;
    EQ(weir_sem_init(&sem, 6), 0);
    EQ(weir_sem_take(&sem, 6, 0), 0);
    for (int i = 0; i < 3; i++)
        GO(s, taker, &t[i]);
    EQ(weir_sleep(weir_after(5)), 0);
    EQ(weir_sem_resize(&sem, 2), 0);
    world_settle();
    EQ(t[1].result, -EINVAL); /* 5 of 2 would wait for ever */
    EQ(weir_sem_take(&sem, 3, WEIR_NEVER), -EINVAL);
    EQ(weir_sem_taken(&sem), 6u);
    EQ(sem.owed, 4u);
    EQ(weir_sem_give(&sem, 4), 0);
    world_settle();
    EQ(n_taken, 0); /* what came back was owed */
    EQ(weir_sem_give(&sem, 1), 0);
    world_settle();
    EQ(n_taken, 1);
    EQ(weir_sem_give(&sem, 1), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(t[2].order, 2);
    EQ(sem.permits, 2u);
    EQ(sem.owed, 0u);
    return 0;
}

SIM_TEST(one_refused_by_a_resize_no_longer_holds_up_those_behind)
{
    struct taker t[2] = {TAKER(5, 1, 0), TAKER(1, 2, 0)};
    weir_scope *s = weir_scope_open(NULL);
    n_taken = 0;
    EQ(weir_sem_init(&sem, 5), 0);
    EQ(weir_sem_take(&sem, 1, 0), 0);
    GO(s, taker, &t[0]);
    GO(s, taker, &t[1]);
    EQ(weir_sleep(weir_after(5)), 0);
    EQ(t[1].result, 99);
    EQ(weir_sem_resize(&sem, 4), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(t[0].result, -EINVAL);
    EQ(t[1].result, 0);
    EQ(sem.permits, 3u);
    return 0;
}

SIM_TEST(what_is_forgotten_is_gone_for_good)
{
    EQ(weir_sem_init(&sem, 5), 0);
    EQ(weir_sem_take(&sem, 3, 0), 0);
    EQ(weir_sem_forget(&sem, 4), -EINVAL);
    EQ(weir_sem_forget(&sem, 0), -EINVAL);
    EQ(weir_sem_forget(NULL, 1), -EINVAL);
    EQ(weir_sem_forget(&sem, 2), 0);
    EQ(sem.limit, 3u);
    EQ(sem.permits, 2u);
    EQ(weir_sem_taken(&sem), 1u);
    EQ(weir_sem_take(&sem, 2, 0), 0);
    EQ(weir_sem_forget(&sem, 3), -EINVAL); /* nothing would be left */
    EQ(weir_sem_resize(&sem, 2), 0);
    EQ(weir_sem_forget(&sem, 2), 0); /* one of them was owed */
    EQ(sem.owed, 0u);
    EQ(sem.limit, 1u);
    EQ(weir_sem_taken(&sem), 1u);
    EQ(weir_sem_give(&sem, 1), 0);
    EQ(sem.permits, 1u);
    return 0;
}

SIM_TEST(small_takes_pass_a_large_one_where_that_was_asked_for)
{
    struct taker t[3] = {TAKER(4, 1, 0), TAKER(1, 2, 5), TAKER(2, 3, 5)};
    weir_scope *s = weir_scope_open(NULL);
    n_taken = 0;
    EQ(weir_sem_init_with(&sem, &(struct weir_sem_opts){.permits = 4, .overtake = 1}), 0);
    EQ(weir_sem_take(&sem, 3, 0), 0);
    for (int i = 0; i < 3; i++)
        GO(s, taker, &t[i]);
    EQ(weir_sleep(weir_after(4)), 0);
    EQ(t[1].order, 1);
    EQ(weir_sem_take(&sem, 1, 0), -EAGAIN);
    EQ(weir_sem_give(&sem, 2), 0); /* the second in the queue fits */
    world_settle();
    EQ(t[2].order, 2);
    EQ(t[0].result, 99);
    EQ(weir_sem_give(&sem, 1), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(t[0].order, 3);
    EQ(sem.permits, 4u);
    return 0;
}

/* --- permits -------------------------------------------------------------- */

static int permit_worker(void *arg)
{
    weir_chan *ch = arg;
    struct weir_permit p;
    int r;
    while ((r = weir_recv(ch, &p, WEIR_NEVER)) > 0) {
        EQ(p.n, 1u);
        (void)weir_yield();
        EQ(weir_permit_give(&p), 0);
        EQ(weir_permit_give(&p), -EINVAL); /* twice */
    }
    return r;
}

SIM_TEST(a_permit_is_taken_here_and_given_there)
{
    weir_chan *ch = weir_chan_new(weir_permit_type(), 2);
    weir_scope *s = weir_scope_open(NULL);
    struct weir_permit p;
    EQ(weir_sem_init(&sem, 3), 0);
    GO(s, permit_worker, ch);
    for (int i = 0; i < 50; i++) {
        EQ(weir_permit_take(&sem, 1, WEIR_NEVER, &p), 0);
        EQ(weir_send(ch, &p, WEIR_NEVER), 1);
        LE(weir_sem_taken(&sem), 3u);
    }
    EQ(weir_chan_close(ch, 0), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(sem.permits, 3u);
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(a_permit_lost_in_a_channel_comes_back)
{
    weir_chan *ch = weir_chan_new(weir_permit_type(), 4);
    struct weir_permit p;
    EQ(weir_sem_init(&sem, 3), 0);
    for (int i = 0; i < 3; i++) {
        EQ(weir_permit_take(&sem, 1, 0, &p), 0);
        EQ(weir_send(ch, &p, 0), 1);
    }
    EQ(weir_permit_take(&sem, 1, 0, &p), -EAGAIN);
    weir_chan_free(&ch);
    EQ(sem.permits, 3u);
    return 0;
}

SIM_TEST(permits_are_split_and_merged)
{
    struct weir_sem other;
    struct weir_permit a, b = {0}, c = {0};
    EQ(weir_sem_init(&sem, 9), 0);
    EQ(weir_sem_init(&other, 9), 0);
    EQ(weir_permit_take(&sem, 7, 0, &a), 0);
    EQ(weir_permit_split(&a, 7, &b), -EINVAL);
    EQ(weir_permit_split(&a, 0, &b), -EINVAL);
    EQ(weir_permit_split(&b, 1, &c), -EINVAL);
    EQ(weir_permit_split(&a, 1, &a), -EINVAL);
    EQ(weir_permit_split(&a, 1, NULL), -EINVAL);
    EQ(weir_permit_split(NULL, 1, &b), -EINVAL);
    EQ(weir_permit_split(&a, 3, &b), 0);
    EQ(a.n, 4u);
    EQ(weir_permit_give(&a), 0);
    EQ(sem.permits, 6u);
    EQ(weir_permit_take(&other, 1, 0, &c), 0);
    EQ(weir_permit_merge(&b, &c), -EINVAL);
    EQ(weir_permit_merge(&b, &a), -EINVAL);
    EQ(weir_permit_merge(&b, &b), -EINVAL);
    EQ(weir_permit_merge(NULL, &b), -EINVAL);
    EQ(weir_permit_merge(&b, NULL), -EINVAL);
    EQ(weir_permit_take(&sem, 2, 0, &a), 0);
    EQ(weir_permit_merge(&b, &a), 0);
    EQ(a.n, 0u);
    EQ(b.n, 5u);
    EQ(weir_permit_forget(&b), 0);
    EQ(weir_permit_forget(&b), -EINVAL);
    EQ(sem.limit, 4u);
    EQ(sem.permits, 4u);
    EQ(weir_permit_give(&c), 0);
    return 0;
}

SIM_TEST(wrong_arguments_to_permits_and_limits_are_told)
{
    struct weir_sem_opts o = {.permits = 1};
    struct weir_permit p = {0};
    EQ(weir_sem_init_with(NULL, &o), -EINVAL);
    EQ(weir_sem_init_with(&sem, NULL), -EINVAL);
    o.permits = 0;
    EQ(weir_sem_init_with(&sem, &o), -EINVAL);
    o = (struct weir_sem_opts){.permits = 1, .overtake = 2};
    EQ(weir_sem_init_with(&sem, &o), -EINVAL);
    for (int i = 0; i < 3; i++) {
        o = (struct weir_sem_opts){.permits = 1};
        o.reserved[i] = 1;
        EQ(weir_sem_init_with(&sem, &o), -EINVAL);
    }
    EQ(weir_sem_init(&sem, 2), 0);
    EQ(weir_sem_resize(&sem, 0), -EINVAL);
    EQ(weir_sem_resize(NULL, 1), -EINVAL);
    EQ(weir_sem_taken(NULL), 0u);
    EQ(weir_permit_take(NULL, 1, 0, &p), -EINVAL);
    EQ(weir_permit_take(&sem, 1, 0, NULL), -EINVAL);
    EQ(weir_permit_take(&sem, 3, 0, &p), -EINVAL);
    EQ(weir_permit_give(NULL), -EINVAL);
    EQ(weir_permit_forget(NULL), -EINVAL);
    EQ(sem.permits, 2u);
    weir_sem_close(NULL);
    weir_sem_close(&sem);
    EQ(weir_permit_take(&sem, 1, 0, &p), WEIR_ECLOSED);
    OK(!p.sem);
    return 0;
}

SIM_TEST(a_limit_of_all_numbers_overflows_nothing)
{
    EQ(weir_sem_init(&sem, UINT64_MAX), 0);
    EQ(weir_sem_take(&sem, UINT64_MAX, 0), 0);
    EQ(weir_sem_resize(&sem, 1), 0);
    EQ(weir_sem_taken(&sem), UINT64_MAX);
    EQ(weir_sem_resize(&sem, UINT64_MAX), 0);
    EQ(weir_sem_give(&sem, UINT64_MAX), 0);
    EQ(sem.permits, UINT64_MAX);
    EQ(weir_sem_give(&sem, 1), -EINVAL);
    return 0;
}

/* --- books ------------------------------------------------------------------ */

static uint64_t out;

static int churn(void *arg)
{
    (void)arg;
    for (int i = 0; i < 60; i++) {
        struct weir_permit p = {0};
        int r = weir_permit_take(&sem, 1 + test_random() % 5,
                                 weir_after((weir_span)(test_random() % 4)), &p);
        if (r == -EINVAL || r == -ETIMEDOUT)
            continue;
        if (r < 0)
            return r;
        out += p.n;
        LE(out, weir_sem_taken(&sem)); /* some may be on their way to one who has not run yet */
        (void)weir_sleep(weir_after((weir_span)(test_random() % 3)));
        if (test_random() % 4 == 0)
            EQ(weir_sem_resize(&sem, 1 + test_random() % 8), 0);
        out -= p.n;
        if (test_random() % 8 || weir_permit_forget(&p) < 0)
            EQ(weir_permit_give(&p), 0);
        LE(out, weir_sem_taken(&sem));
        EQ(sem.limit, sem.permits - sem.owed + weir_sem_taken(&sem));
        OK(!sem.permits || !sem.owed);
    }
    return 0;
}

static int churned(uint32_t overtake)
{
    weir_scope *s[5];
    out = 0;
    EQ(weir_sem_init_with(&sem, &(struct weir_sem_opts){.permits = 4, .overtake = overtake}), 0);
    for (int i = 0; i < 5; i++)
        s[i] = weir_scope_open(NULL);
    for (int i = 0; i < 5; i++)
        GO(s[i], churn, NULL);
    for (int i = 5; i--;) {
        EQ(weir_sleep(weir_after((weir_span)(test_random() % 40))), 0);
        if (i % 2)
            EQ(weir_scope_cancel(s[i], -EPERM), 0);
        (void)weir_scope_close(&s[i]);
    }
    EQ(out, 0u);
    EQ(sem.owed, 0u);
    EQ(sem.permits, sem.limit);
    return 0;
}

SIM_TEST(the_books_balance_through_resizes_cancels_and_forgotten_permits)
{
    return churned(0);
}

SIM_TEST(the_books_balance_where_small_takes_pass_large_ones)
{
    return churned(1);
}

static int flow(void *arg)
{
    struct weir_permit p[2] = {{0}, {0}};
    weir_scope *s = weir_scope_open(NULL);
    struct taker t = TAKER(2, 1, 1);
    int r, c;
    (void)arg;
    EQ(weir_sem_init(&sem, 2), 0);
    r = weir_permit_take(&sem, 2, WEIR_NEVER, &p[0]);
    if (r == 0)
        r = weir_go(s, fiber_nothing, &t);
    if (r == 0)
        r = weir_permit_take(&sem, 1, weir_after(5), &p[1]);
    if (p[0].sem)
        EQ(weir_permit_give(&p[0]), 0);
    if (p[1].sem)
        EQ(weir_permit_give(&p[1]), 0);
    EQ(sem.permits, 2u);
    c = weir_scope_close(&s);
    return r < 0 ? r : c;
}

static void flow_under_faults(void *arg)
{
    int r = world_run(flow, arg);
    OK(r == -ETIMEDOUT || (test_fault_hit() && (r == -ENOMEM || r == -ECANCELED || r == -EINVAL)));
}

TEST(permits_hold_whatever_fails)
{
    EVERY_POINT(flow_under_faults, NULL);
}
