/*
 * test_topic.c -- a broadcast: who gets what, who waits for whom, what is
 * counted.
 */
#include "core/topic_world.h"

SIM_TEST(each_subscriber_gets_each_item_from_when_it_came)
{
    weir_topic *t = weir_topic_new(item_type());
    struct weir_topic_stats st;
    weir_sub *a, *b;
    live = 0;
    EQ(tell(t, 1, 0), 1); /* nobody */
    a = subscribe(t, 9, WEIR_BLOCK);
    EQ(tell(t, 2, 0), 1);
    b = subscribe(t, 9, WEIR_BLOCK);
    EQ(tell(t, 3, 0), 1);
    EQ(tell(t, 4, 0), 1);
    EQ(weir_topic_stats(t, &st), 0);
    EQ(st.sent, 4u);
    EQ(st.unheard, 1u);
    EQ(st.subscribers, 2u);
    EQ(hear_all(a), 234);
    EQ(weir_topic_close(t, 0), 0);
    EQ(weir_topic_close(t, 0), WEIR_ECLOSED);
    EQ(tell(t, 5, 0), WEIR_ECLOSED);
    EQ(hear_all(b), 34);
    EQ(weir_hear(b, &(int){0}, WEIR_NEVER), 0);
    weir_sub_free(&a);
    weir_topic_free(&t);
    EQ(weir_hear(b, &(int){0}, WEIR_NEVER), WEIR_ECLOSED);
    weir_sub_free(&b);
    EQ(live, 0);
    return 0;
}

SIM_TEST(each_overflow_is_its_subscribers_own_and_counted)
{
    static const enum weir_overflow how[] = {WEIR_DROP_NEWEST, WEIR_DROP_OLDEST, WEIR_LATEST};
    static const int heard[] = {123, 567, 7};
    static const uint64_t missed[] = {4, 4, 6};
    weir_topic *t = weir_topic_new(item_type());
    weir_sub *s[3];
    live = 0;
    for (int i = 0; i < 3; i++)
        s[i] = subscribe(t, 3, how[i]);
    for (int i = 1; i <= 7; i++)
        EQ(tell(t, i, 0), 1);
    for (int i = 0; i < 3; i++) {
        struct weir_sub_stats st;
        EQ(hear_all(s[i]), heard[i]);
        EQ(weir_sub_stats(s[i], &st), 0);
        EQ(st.missed, missed[i]);
        EQ(st.received + st.missed, 7u);
        EQ(st.high_water, 3u);
        EQ(st.length, 0u);
        EQ(st.capacity, 3u);
        weir_sub_free(&s[i]);
    }
    weir_topic_free(&t);
    EQ(live, 0);
    return 0;
}

SIM_TEST(a_gap_is_told_where_it_is)
{
    weir_topic *t = weir_topic_new(WEIR_TYPE(int));
    weir_sub *old = subscribe(t, 2, WEIR_DROP_OLDEST), *new = subscribe(t, 2, WEIR_DROP_NEWEST),
             *last = subscribe(t, 2, WEIR_LATEST);
    int v;
    for (int i = 1; i <= 5; i++)
        EQ(tell(t, i, 0), 1);
    EQ(weir_hear(old, &v, 0), 1);
    EQ(v, 4);
    EQ(weir_sub_gap(old), 3u);
    EQ(weir_hear(old, &v, 0), 1);
    EQ(weir_sub_gap(old), 0u);
    EQ(weir_hear(new, &v, 0), 1);
    EQ(v, 1);
    EQ(weir_sub_gap(new), 0u);
    EQ(tell(t, 6, 0), 1);
    EQ(weir_hear(new, &v, 0), 1);
    EQ(v, 2);
    EQ(weir_hear(new, &v, 0), 1);
    EQ(v, 6);
    EQ(weir_sub_gap(new), 3u);
    EQ(weir_hear(last, &v, 0), 1);
    EQ(v, 5);
    EQ(weir_sub_gap(last), 4u);
    EQ(weir_hear(last, &v, 0), 1);
    EQ(weir_sub_gap(last), 0u);
    EQ(weir_sub_gap(NULL), 0u);
    weir_topic_free(&t);
    weir_sub_free(&old);
    weir_sub_free(&new);
    weir_sub_free(&last);
    return 0;
}

/* --- waiting ------------------------------------------------------------------ */

struct speaker {
    weir_topic *t;
    int from, n, result;
    weir_time deadline;
};

static int speaker(void *arg)
{
    struct speaker *x = arg;
    for (int i = 0; i < x->n; i++)
        if ((x->result = tell(x->t, x->from + i, x->deadline)) < 0)
            return 0;
    return 0;
}

struct listener {
    weir_sub *s;
    int heard[64], n, result;
    weir_span pause;
};

static int listener(void *arg)
{
    struct listener *x = arg;
    int v;
    while ((x->result = weir_hear(x->s, &v, WEIR_NEVER)) > 0) {
        x->heard[x->n++] = v;
        item_drop(&v);
        if (x->pause && weir_sleep(weir_after(x->pause)) < 0)
            break;
    }
    return 0;
}

SIM_TEST(the_slowest_that_blocks_sets_the_pace)
{
    weir_topic *t = weir_topic_new(item_type());
    struct listener x[2] = {{.s = subscribe(t, 1, WEIR_BLOCK), .pause = 10},
                            {.s = subscribe(t, 4, WEIR_BLOCK)}};
    struct speaker sp = {.t = t, .from = 1, .n = 20, .deadline = WEIR_NEVER};
    weir_scope *s = weir_scope_open(NULL), *q = weir_scope_open(NULL);
    live = 0;
    GO(s, listener, &x[0]);
    GO(s, listener, &x[1]);
    GO(q, speaker, &sp);
    weir_time began = weir_now();
    EQ(weir_scope_close(&q), 0);
    LE(WEIR_NS(180), weir_now() - began);
    EQ(weir_topic_close(t, -EIO), 0);
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < 2; i++) {
        EQ(x[i].n, 20);
        EQ(x[i].result, -EIO);
        for (int k = 0; k < 20; k++)
            EQ(x[i].heard[k], k + 1);
        weir_sub_free(&x[i].s);
    }
    weir_topic_free(&t);
    EQ(live, 0);
    return 0;
}

SIM_TEST(a_send_that_fails_reaches_nobody)
{
    weir_topic *t = weir_topic_new(item_type());
    weir_sub *wide = subscribe(t, 9, WEIR_DROP_OLDEST), *narrow = subscribe(t, 1, WEIR_FAIL),
             *block;
    live = 0;
    EQ(tell(t, 1, 0), 1);
    EQ(tell(t, 2, WEIR_NEVER), WEIR_EFULL);
    EQ(hear_all(wide), 1);
    EQ(hear_all(narrow), 1);
    weir_sub_free(&narrow);
    block = subscribe(t, 1, WEIR_BLOCK);
    EQ(tell(t, 3, 0), 1);
    EQ(tell(t, 4, 0), -EAGAIN);
    EQ(tell(t, 4, weir_after(5)), -ETIMEDOUT);
    EQ(hear_all(wide), 3);
    EQ(hear_all(block), 3);
    weir_topic_free(&t);
    weir_sub_free(&wide);
    weir_sub_free(&block);
    EQ(live, 0);
    return 0;
}

SIM_TEST(waiting_senders_go_on_in_order_when_the_full_one_leaves)
{
    weir_topic *t = weir_topic_new(item_type());
    weir_sub *block = subscribe(t, 1, WEIR_BLOCK), *all = subscribe(t, 9, WEIR_DROP_NEWEST);
    struct speaker x[3];
    weir_scope *s = weir_scope_open(NULL);
    live = 0;
    EQ(tell(t, 1, 0), 1);
    for (int i = 0; i < 3; i++) {
        x[i] = (struct speaker){.t = t, .from = 2 + i, .n = 1, .deadline = WEIR_NEVER};
        GO(s, speaker, &x[i]);
        world_settle();
    }
    EQ(tell(t, 9, 0), -EAGAIN); /* nor does a new one pass them */
    EQ(hear_all(all), 1);
    weir_sub_free(&block);
    EQ(weir_scope_close(&s), 0);
    EQ(hear_all(all), 234);
    weir_sub_free(&all);
    weir_topic_free(&t);
    EQ(live, 0);
    return 0;
}

SIM_TEST(a_topic_that_is_freed_frees_all_who_wait)
{
    weir_topic *t = weir_topic_new(item_type());
    struct listener x = {.s = subscribe(t, 1, WEIR_BLOCK)};
    weir_sub *full = subscribe(t, 1, WEIR_BLOCK);
    struct speaker y = {.t = t, .from = 1, .n = 3, .deadline = WEIR_NEVER};
    weir_scope *s = weir_scope_open(NULL);
    live = 0;
    GO(s, listener, &x);
    GO(s, speaker, &y);
    world_settle();
    weir_topic_free(&t);
    EQ(weir_scope_close(&s), 0);
    EQ(x.result, WEIR_ECLOSED);
    EQ(y.result, WEIR_ECLOSED);
    EQ(x.n, 1);
    weir_sub_free(&x.s);
    weir_sub_free(&full);
    EQ(live, 0);
    return 0;
}

SIM_TEST(a_subscription_that_is_freed_frees_who_waits_on_it)
{
    weir_topic *t = weir_topic_new(item_type());
    struct listener x = {.s = subscribe(t, 1, WEIR_BLOCK)};
    weir_sub *same = x.s;
    weir_scope *s = weir_scope_open(NULL);
    GO(s, listener, &x);
    world_settle();
    weir_sub_free(&same);
    EQ(weir_scope_close(&s), 0);
    EQ(x.result, WEIR_ECLOSED);
    weir_topic_free(&t);
    return 0;
}

static int hear_one(void *arg)
{
    struct listener *x = arg;
    x->result = weir_hear(x->s, x->heard, WEIR_NEVER);
    return 0;
}

SIM_TEST(an_item_is_not_lost_between_hand_over_and_cancel)
{
    for (int first = 0; first < 2; first++) {
        weir_topic *t = weir_topic_new(item_type());
        struct listener x = {.s = subscribe(t, 1, WEIR_BLOCK)};
        weir_scope *s = weir_scope_open(NULL);
        live = 0;
        GO(s, hear_one, &x);
        world_settle();
        if (first)
            EQ(weir_scope_cancel(s, -EPERM), 0);
        EQ(tell(t, 5, 0), 1);
        if (!first) {
            EQ(weir_scope_cancel(s, -EPERM), 0);
            weir_topic_free(&t);
        }
        EQ(weir_scope_close(&s), -EPERM);
        EQ(x.result, first ? -ECANCELED : 1);
        EQ(first ? hear_all(x.s) : x.heard[0], 5);
        item_drop(x.heard);
        weir_topic_free(&t);
        weir_sub_free(&x.s);
        EQ(live, 0);
    }
    return 0;
}

SIM_TEST(a_copy_that_fails_is_told_to_the_one_it_concerns_and_tried_again)
{
    weir_topic *t = weir_topic_new(item_type());
    weir_sub *a = subscribe(t, 2, WEIR_BLOCK);
    struct listener x = {.s = subscribe(t, 2, WEIR_BLOCK)};
    weir_scope *s = weir_scope_open(NULL);
    int v;
    live = 0;
    GO(s, hear_one, &x);
    world_settle();
    fail_clone = 1;
    EQ(tell(t, 5, 0), 1);
    EQ(weir_scope_close(&s), 0);
    EQ(x.result, -ENOMEM);
    fail_clone = 1;
    EQ(weir_hear(a, &v, 0), -ENOMEM);
    EQ(hear_all(a), 5);
    fail_clone = 1; /* the last one gets the item itself */
    EQ(hear_all(x.s), 5);
    EQ(fail_clone, 1);
    fail_clone = 0;
    weir_sub_free(&a);
    weir_sub_free(&x.s);
    weir_topic_free(&t);
    EQ(live, 0);
    return 0;
}

SIM_TEST(a_subscription_is_a_case_of_select)
{
    weir_topic *t = weir_topic_new(WEIR_TYPE(int)), *u = weir_topic_new(WEIR_TYPE(int));
    weir_sub *a = subscribe(t, 2, WEIR_BLOCK), *b = subscribe(u, 1, WEIR_BLOCK);
    struct speaker x = {.t = u, .from = 7, .n = 3, .deadline = WEIR_NEVER};
    weir_scope *s = weir_scope_open(NULL);
    int va = 0, vb = 0;
    struct weir_select cases[] = {WEIR_ON_SUB(a, &va), WEIR_ON_SUB(b, &vb)};
    EQ(weir_select(cases, 2, weir_after(3)), -ETIMEDOUT);
    GO(s, speaker, &x);
    for (int i = 7; i < 10; i++) {
        EQ(weir_select(cases, 2, WEIR_NEVER), 1);
        EQ(cases[1].result, 1);
        EQ(vb, i);
    }
    EQ(weir_scope_close(&s), 0);
    EQ(weir_topic_close(t, -EIO), 0);
    EQ(weir_select(cases, 2, WEIR_NEVER), 0);
    EQ(cases[0].result, -EIO);
    cases[0].size = 1;
    EQ(weir_select(cases, 2, 0), WEIR_ETYPE);
    cases[0].item = NULL;
    EQ(weir_select(cases, 2, 0), -EINVAL);
    weir_sub_free(&a);
    weir_sub_free(&b);
    weir_topic_free(&t);
    weir_topic_free(&u);
    return 0;
}

SIM_TEST(wrong_arguments_to_a_topic_are_told)
{
    struct weir_type odd[] = {{.size = 0, .align = 1},
                              {.size = 8, .align = 3},
                              {.size = 4, .align = 4, .drop = item_drop}};
    struct weir_sub_opts bad[] = {{.capacity = 0},
                                  {.capacity = SIZE_MAX},
                                  {.capacity = SIZE_MAX / 64},
                                  {.capacity = 1, .overflow = 5},
                                  {.capacity = 1, .reserved = {0, 0, 0, 1}}};
    struct weir_topic_stats ts;
    struct weir_sub_stats ss;
    weir_topic *t, *none = NULL;
    weir_sub *s, *nobody = NULL;
    int v = 0;
    char c = 0;
    for (int i = 0; i < 3; i++) {
        t = weir_topic_new(odd[i]);
        EQ(weir_error(t), -EINVAL);
        EQ(weir_tell(t, &v, 0), -EINVAL);
        EQ(weir_topic_close(t, 0), -EINVAL);
        EQ(weir_topic_stats(t, &ts), -EINVAL);
        s = subscribe(t, 1, WEIR_BLOCK);
        EQ(weir_error(s), -EINVAL);
        EQ(weir_hear(s, &v, WEIR_NEVER), -EINVAL);
        EQ(weir_sub_stats(s, &ss), -EINVAL);
        weir_sub_free(&s);
        weir_topic_free(&t);
    }
    t = weir_topic_new(WEIR_TYPE(int));
    for (int i = 0; i < 5; i++)
        EQ(weir_sub_error(weir_topic_subscribe(t, &bad[i])), -EINVAL);
    EQ(weir_sub_error(weir_topic_subscribe(t, NULL)), -EINVAL);
    EQ(weir_sub_error(weir_topic_subscribe(NULL, &bad[0])), -EINVAL);
    s = subscribe(t, 1, WEIR_BLOCK);
    EQ(weir_tell(t, &c, 0), WEIR_ETYPE);
    EQ(weir_hear(s, &c, 0), WEIR_ETYPE);
    EQ(weir_tell(t, &v, 5), -EINVAL);
    EQ(weir_hear(s, &v, 5), -EINVAL);
    EQ(weir_topic_send(NULL, &v, 4, 0), -EINVAL);
    EQ(weir_topic_send(t, NULL, 4, 0), -EINVAL);
    EQ(weir_sub_recv(NULL, &v, 4, 0), -EINVAL);
    EQ(weir_sub_recv(s, NULL, 4, 0), -EINVAL);
    EQ(weir_topic_close(t, 1), -EINVAL);
    EQ(weir_topic_close(NULL, 0), -EINVAL);
    EQ(weir_topic_stats(NULL, &ts), -EINVAL);
    EQ(weir_topic_stats(t, NULL), -EINVAL);
    EQ(weir_sub_stats(s, NULL), -EINVAL);
    EQ(weir_sub_stats(NULL, &ss), -EINVAL);
    EQ(weir_topic_error(NULL), -EINVAL);
    EQ(weir_sub_error(NULL), -EINVAL);
    weir_topic_free(NULL);
    weir_topic_free(&none);
    weir_sub_free(NULL);
    weir_sub_free(&nobody);
    weir_sub_free(&s);
    weir_topic_free(&t);
    return 0;
}

TEST(off_a_fiber_a_topic_works_as_far_as_nobody_waits)
{
    weir_topic *t = weir_topic_new(WEIR_TYPE(int));
    weir_sub *s = subscribe(t, 1, WEIR_BLOCK);
    int v = 4;
    EQ(weir_hear(s, &v, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_tell(t, &v, WEIR_NEVER), 1);
    EQ(weir_tell(t, &v, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(hear_all(s), 4);
    weir_sub_free(&s);
    weir_topic_free(&t);
}

static int flow(void *arg)
{
    weir_topic *t = weir_topic_new(item_type());
    struct listener x[2] = {{.s = subscribe(t, 1, WEIR_BLOCK)},
                            {.s = subscribe(t, 2, WEIR_DROP_OLDEST), .pause = 2}};
    weir_scope *s = weir_scope_open(NULL);
    int r = weir_error(t), c;
    (void)arg;
    live = 0;
    for (int i = 0; i < 2 && r == 0; i++)
        if ((r = weir_error(x[i].s)) == 0)
            r = weir_go(s, listener, &x[i]);
    for (int i = 1; i < 5 && r >= 0; i++)
        r = tell(t, i, WEIR_NEVER);
    (void)weir_topic_close(t, 0);
    c = weir_scope_close(&s);
    weir_topic_free(&t);
    for (int i = 0; i < 2; i++)
        weir_sub_free(&x[i].s);
    EQ(live, 0);
    return r < 0 ? r : c;
}

static void flow_under_faults(void *arg)
{
    int r = world_run(flow, arg);
    OK(r == 0 || (test_fault_hit() && (r == -ENOMEM || r == -ECANCELED || r == -EINVAL)));
}

TEST(a_topic_holds_whatever_fails)
{
    EVERY_POINT(flow_under_faults, NULL);
}
