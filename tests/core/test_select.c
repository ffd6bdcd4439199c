/*
 * test_select.c -- one of several: fair, all losers dequeued, nothing lost,
 * closed channels reported, stop.
 */
#include "core/world.h"

SIM_TEST(a_ready_case_goes_at_once)
{
    weir_chan *a = weir_chan_new(WEIR_TYPE(int), 1), *b = weir_chan_new(WEIR_TYPE(int), 1);
    int in = 7, out = 0, again = 9;
    struct weir_select c[] = {WEIR_ON_RECV(a, &out), WEIR_ON_SEND(b, &in)};
    EQ(weir_select(c, 2, WEIR_NEVER), 1);
    EQ(c[1].result, 1);
    EQ(weir_select(c, 2, 0), -EAGAIN);
    EQ(weir_select(c, 2, weir_after(WEIR_MS(3))), -ETIMEDOUT);
    EQ(world_age(), WEIR_MS(3));
    EQ(weir_send(a, &again, 0), 1);
    EQ(weir_select(c, 2, 0), 0);
    EQ(out, 9);
    EQ(weir_chan_length(b), 1u);
    weir_chan_free(&a);
    weir_chan_free(&b);
    return 0;
}

SIM_TEST(what_is_wrong_with_a_select_is_said)
{
    weir_chan *a = weir_chan_new(WEIR_TYPE(int), 1);
    int v = 0;
    long wide = 0;
    struct weir_select c[65] = {WEIR_ON_RECV(a, &v)};
    EQ(weir_select(NULL, 1, WEIR_NEVER), -EINVAL);
    EQ(weir_select(c, 0, WEIR_NEVER), -EINVAL);
    EQ(weir_select(c, 65, WEIR_NEVER), -EINVAL);
    EQ(weir_select(c, SIZE_MAX, WEIR_NEVER), -EINVAL);
    EQ(weir_select(c, 1, 5), -EINVAL);
    EQ(weir_select(c, 1, -5), -EINVAL);
    c[0].kind = 0;
    EQ(weir_select(c, 1, 0), -EINVAL);
    c[0].kind = 99;
    EQ(weir_select(c, 1, 0), -EINVAL);
    c[0] = (struct weir_select)WEIR_ON_RECV((weir_chan *)NULL, &v);
    EQ(weir_select(c, 1, 0), -EINVAL);
    c[0] = (struct weir_select)WEIR_ON_RECV(a, (int *)NULL);
    EQ(weir_select(c, 1, 0), -EINVAL);
    c[0] = (struct weir_select)WEIR_ON_SEND(a, &wide);
    EQ(weir_select(c, 1, 0), WEIR_ETYPE);
    EQ(weir_chan_length(a), 0u);
    weir_chan_free(&a);
    return 0;
}

SIM_TEST(sixty_four_cases_are_as_good_as_one)
{
    weir_chan *ch[64];
    struct weir_select c[64];
    int v = 0;
    for (int i = 0; i < 64; i++) {
        ch[i] = weir_chan_new(WEIR_TYPE(int), 1);
        c[i] = (struct weir_select)WEIR_ON_RECV(ch[i], &v);
    }
    EQ(weir_select(c, 64, weir_after(1)), -ETIMEDOUT);
    for (int i = 0; i < 64; i++) {
        EQ(weir_send(ch[i], &i, 0), 1);
        EQ(weir_select(c, 64, WEIR_NEVER), i);
        EQ(v, i);
    }
    for (int i = 0; i < 64; i++)
        weir_chan_free(&ch[i]);
    return 0;
}

SIM_TEST(ready_cases_are_chosen_fairly)
{
    weir_chan *ch[3];
    struct weir_select c[3];
    int hits[3] = {0}, v = 0;
    for (int i = 0; i < 3; i++) {
        ch[i] = weir_chan_new(WEIR_TYPE(int), 1);
        c[i] = (struct weir_select)WEIR_ON_RECV(ch[i], &v);
        EQ(weir_send(ch[i], &v, 0), 1);
    }
    for (int i = 0; i < 900; i++) {
        int k = weir_select(c, 3, WEIR_NEVER);
        hits[k]++;
        EQ(weir_send(ch[k], &v, 0), 1);
    }
    for (int i = 0; i < 3; i++) {
        LT(200, hits[i]);
        weir_chan_free(&ch[i]);
    }
    return 0;
}

SIM_TEST(a_closed_channel_is_reported_with_its_reason)
{
    weir_chan *a = weir_chan_new(WEIR_TYPE(int), 1), *b = weir_chan_new(WEIR_TYPE(int), 1);
    static const int why[] = {0, -EIO, -EAGAIN, -EINPROGRESS, WEIR_EABANDONED, -ECANCELED};
    int v = 3;
    weir_chan_free(&a);
    for (size_t i = 0; i < sizeof why / sizeof *why; i++) {
        a = weir_chan_new(WEIR_TYPE(int), 1);
        struct weir_select recv[] = {WEIR_ON_RECV(a, &v), WEIR_ON_RECV(b, &v)};
        struct weir_select send[] = {WEIR_ON_RECV(b, &v), WEIR_ON_SEND(a, &v)};
        EQ(weir_send(a, &v, 0), 1);
        EQ(weir_chan_close(a, why[i]), 0);
        EQ(weir_select(recv, 2, WEIR_NEVER), 0);
        EQ(recv[0].result, 1); /* what was queued comes first */
        EQ(weir_select(recv, 2, WEIR_NEVER), 0);
        EQ(recv[0].result, why[i]);
        EQ(weir_select(send, 2, WEIR_NEVER), 1);
        EQ(send[1].result, why[i] ? why[i] : WEIR_ECLOSED);
        weir_chan_free(&a);
    }
    weir_chan_free(&b);
    return 0;
}

SIM_TEST(a_poisoned_handle_is_reported_too)
{
    weir_chan *bad = weir_chan_new((struct weir_type){0}, 1);
    weir_scope *scope = weir_scope_open(&(struct weir_scope_opts){.deadline = 1});
    int v = 0;
    struct weir_select c[] = {WEIR_ON_RECV(bad, &v)}, d[] = {WEIR_ON_STOP(scope)};
    EQ(weir_select(c, 1, WEIR_NEVER), 0);
    EQ(c[0].result, -EINVAL);
    EQ(weir_select(d, 1, WEIR_NEVER), 0);
    EQ(d[0].result, -EINVAL);
    return 0;
}

/* --- waking a select that waits ----------------------------------------- */

struct pair {
    weir_chan *a, *b;
    weir_scope *scope;
    int got, result;
};

static int pair_select(void *arg)
{
    struct pair *p = arg;
    int v = 0, w = 100;
    struct weir_select c[] = {WEIR_ON_RECV(p->a, &v), WEIR_ON_SEND(p->b, &w)};
    p->got = weir_select(c, 2, WEIR_NEVER);
    p->result = p->got >= 0 ? c[p->got].result : 0;
    if (p->got == 0 && p->result == 1)
        EQ(v, 5);
    return 0;
}

SIM_TEST(whoever_comes_first_wakes_it_and_the_other_case_is_gone)
{
    struct pair p = {weir_chan_new(WEIR_TYPE(int), 0), weir_chan_new(WEIR_TYPE(int), 0), NULL, 0,
                     0};
    int v = 5, w = 0;
    weir_scope *s = weir_scope_open(NULL);
    GO(s, pair_select, &p);
    world_settle();
    EQ(weir_send(p.a, &v, 0), 1);
    EQ(weir_recv(p.b, &w, 0), -EAGAIN); /* dequeued the moment it was served */
    EQ(weir_scope_close(&s), 0);
    EQ(p.got, 0);
    EQ(p.result, 1);
    s = weir_scope_open(NULL);
    GO(s, pair_select, &p);
    world_settle();
    EQ(weir_recv(p.b, &w, 0), 1);
    EQ(w, 100);
    EQ(weir_send(p.a, &v, 0), -EAGAIN);
    EQ(weir_scope_close(&s), 0);
    EQ(p.got, 1);
    weir_chan_free(&p.a);
    weir_chan_free(&p.b);
    return 0;
}

SIM_TEST(closing_shutting_and_freeing_wake_it)
{
    for (int how = 0; how < 4; how++) {
        struct pair p = {weir_chan_new(WEIR_TYPE(int), 1), weir_chan_new(WEIR_TYPE(int), 0), NULL,
                         0, 0};
        weir_scope *s = weir_scope_open(NULL);
        GO(s, pair_select, &p);
        world_settle();
        if (how == 0)
            EQ(weir_chan_close(p.a, -EIO), 0);
        else if (how == 1)
            EQ(weir_chan_shut(p.b), 0);
        else
            weir_chan_free(how == 2 ? &p.a : &p.b);
        if (how == 2)
            weir_chan_free(&p.b); /* before the woken one has run */
        EQ(weir_scope_close(&s), 0);
        EQ(p.got, how & 1);
        EQ(p.result, how == 0 ? -EIO : how == 1 ? -EPIPE : WEIR_ECLOSED);
        weir_chan_free(&p.a);
        weir_chan_free(&p.b);
    }
    return 0;
}

static int pair_cancelled(void *arg)
{
    struct pair *p = arg;
    int v = 0;
    struct weir_select c[] = {WEIR_ON_RECV(p->a, &v), WEIR_ON_RECV(p->b, &v)};
    p->result = weir_select(c, 2, WEIR_NEVER);
    p->got = v;
    return p->result < 0 ? p->result : 0;
}

SIM_TEST(a_cancelled_select_takes_nothing_and_a_served_one_keeps_it)
{
    for (int first = 0; first < 2; first++) {
        struct pair p = {weir_chan_new(WEIR_TYPE(int), 1), weir_chan_new(WEIR_TYPE(int), 1), NULL,
                         0, 0};
        int v = 6;
        weir_scope *s = weir_scope_open(NULL);
        GO(s, pair_cancelled, &p);
        world_settle();
        if (first == 0)
            EQ(weir_scope_cancel(s, -EPERM), 0);
        EQ(weir_send(p.b, &v, 0), 1);
        if (first == 1)
            EQ(weir_scope_cancel(s, -EPERM), 0);
        EQ(weir_scope_close(&s), -EPERM);
        EQ(p.result, first ? 1 : -ECANCELED);
        EQ(p.got, first ? 6 : 0);
        EQ(weir_chan_length(p.b), first ? 0u : 1u);
        weir_chan_free(&p.a);
        weir_chan_free(&p.b);
    }
    return 0;
}

/* --- stop --------------------------------------------------------------- */

static int stop_waits(void *arg)
{
    struct pair *p = arg;
    int v = 0;
    struct weir_select c[] = {WEIR_ON_RECV(p->a, &v), WEIR_ON_STOP(p->scope)};
    p->got = weir_select(c, 2, WEIR_NEVER);
    return 0;
}

SIM_TEST(drain_fires_stop)
{
    struct pair p = {.a = weir_chan_new(WEIR_TYPE(int), 1), .got = -1};
    p.scope = weir_scope_open(NULL);
    GO(p.scope, stop_waits, &p);
    world_settle();
    EQ(weir_scope_drain(p.scope, WEIR_NEVER), 0);
    EQ(p.got, 1);
    struct weir_select c[] = {WEIR_ON_STOP(p.scope)};
    EQ(weir_select(c, 1, 0), 0); /* and stays so */
    EQ(c[0].result, 1);
    EQ(weir_scope_close(&p.scope), 0);
    weir_chan_free(&p.a);
    return 0;
}

static int stop_outside(void *arg)
{
    struct pair *p = arg;
    struct weir_select c[] = {WEIR_ON_STOP(p->scope)};
    p->got = weir_select(c, 1, WEIR_NEVER);
    return 0;
}

SIM_TEST(a_cancel_and_a_close_fire_stop_for_those_outside)
{
    for (int how = 0; how < 2; how++) {
        struct pair p = {.got = -1};
        weir_scope *out = weir_scope_open(NULL);
        p.scope = weir_scope_open(NULL);
        GO(out, stop_outside, &p);
        world_settle();
        if (how == 0)
            EQ(weir_scope_cancel(p.scope, -EPERM), 0);
        EQ(weir_scope_close(&p.scope), how == 0 ? -EPERM : 0);
        EQ(weir_scope_close(&out), 0);
        EQ(p.got, 0);
    }
    return 0;
}

/* --- nothing is lost ---------------------------------------------------- */

enum { SEL_CHANS = 3, SEL_ITEMS = 150, SEL_FIBERS = 4 };

struct sel_flow {
    weir_chan *ch[SEL_CHANS];
    long sent, got;
    int senders;
};

static int sel_send(void *arg)
{
    struct sel_flow *f = arg;
    for (long i = 1; i <= SEL_ITEMS; i++) {
        struct weir_select c[SEL_CHANS];
        for (int k = 0; k < SEL_CHANS; k++)
            c[k] = (struct weir_select)WEIR_ON_SEND(f->ch[k], &i);
        int r = weir_select(c, SEL_CHANS, weir_after((weir_span)(test_random() % 3)));
        if (r >= 0 && c[r].result == 1)
            f->sent += i;
        else
            EQ(r, -ETIMEDOUT);
        if (test_random() % 4 == 0)
            EQ(weir_sleep(weir_after((weir_span)(test_random() % 3))), 0);
    }
    if (--f->senders == 0)
        for (int k = 0; k < SEL_CHANS; k++)
            EQ(weir_chan_close(f->ch[k], 0), 0);
    return 0;
}

static int sel_recv(void *arg)
{
    struct sel_flow *f = arg;
    for (;;) {
        long v[SEL_CHANS] = {0};
        struct weir_select c[SEL_CHANS];
        for (int k = 0; k < SEL_CHANS; k++)
            c[k] = (struct weir_select)WEIR_ON_RECV(f->ch[k], &v[k]);
        int r = weir_select(c, SEL_CHANS, weir_after((weir_span)(test_random() % 3)));
        if (r == -ETIMEDOUT)
            continue;
        if (c[r].result == 1)
            f->got += v[r];
        else
            break;
    }
    for (int k = 0; k < SEL_CHANS; k++) { /* what the others still hold */
        long v;
        while (weir_recv(f->ch[k], &v, WEIR_NEVER) == 1)
            f->got += v;
    }
    return 0;
}

static int sel_flows(void *arg)
{
    (void)arg;
    for (size_t cap = 0; cap < 3; cap++) {
        struct sel_flow f = {.senders = SEL_FIBERS};
        weir_scope *s = weir_scope_open(NULL);
        for (int k = 0; k < SEL_CHANS; k++)
            f.ch[k] = weir_chan_new(WEIR_TYPE(long), cap);
        for (int i = 0; i < SEL_FIBERS; i++) {
            GO(s, sel_send, &f);
            GO(s, sel_recv, &f);
        }
        EQ(weir_scope_close(&s), 0);
        EQ(f.sent, f.got);
        LT(0, f.got);
        for (int k = 0; k < SEL_CHANS; k++)
            weir_chan_free(&f.ch[k]);
    }
    return 0;
}

TEST(selects_that_keep_timing_out_lose_and_double_nothing)
{
    world_seeds(sel_flows);
}

static int sel_small(void *arg)
{
    struct sel_flow f = {.senders = 1};
    weir_scope *s = weir_scope_open(NULL);
    long v = 4, w = 0;
    (void)arg;
    f.ch[0] = weir_chan_new(WEIR_TYPE(long), 0);
    f.ch[1] = weir_chan_new(WEIR_TYPE(long), 1);
    struct weir_select c[] = {WEIR_ON_RECV(f.ch[0], &v), WEIR_ON_SEND(f.ch[1], &v)};
    int r = weir_select(c, 2, WEIR_NEVER);
    if (r >= 0)
        r = c[r].result;
    if (r == 1)
        r = weir_recv(f.ch[1], &w, WEIR_NEVER);
    struct weir_select d[] = {WEIR_ON_RECV(f.ch[0], &v), WEIR_ON_RECV(f.ch[1], &v)};
    if (r >= 0)
        r = weir_select(d, 2, weir_after(1));
    weir_chan_free(&f.ch[0]);
    weir_chan_free(&f.ch[1]);
    int z = weir_scope_close(&s);
    return r == -ETIMEDOUT ? z : r;
}

static void sel_under_faults(void *arg)
{
    int r = world_run(sel_small, arg);
    OK(test_fault_hit() ? r <= 0 : r == 0);
}

TEST(selects_hold_whatever_fails)
{
    EVERY_POINT(sel_under_faults, NULL);
}
