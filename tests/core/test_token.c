/*
 * test_token.c -- cancels passed by hand, with reason and deadline.
 */
#include <weir.h>

#include "core/world.h"

struct work {
    struct weir_token *t;
    weir_span takes;
    weir_time deadline;
    int result, gives, why;
};

static int work(void *arg)
{
    struct work *w = arg;
    int r = weir_sleep(weir_after(w->takes));
    w->why = weir_cancel_why();
    return r < 0 ? r : w->gives;
}

static int run_work(void *arg)
{
    struct work *w = arg;
    w->result = weir_token_run(w->t, work, w);
    return 0;
}

static int wait_token(void *arg)
{
    struct work *w = arg;
    w->result = weir_token_wait(w->t, w->deadline);
    return 0;
}

SIM_TEST(a_cancel_reaches_all_below_with_its_reason)
{
    struct weir_token root, a, b, c, other;
    weir_scope *s = weir_scope_open(NULL);
    EQ(weir_token_init(&root, NULL, WEIR_NEVER), 0);
    EQ(weir_token_init(&a, &root, WEIR_NEVER), 0);
    EQ(weir_token_init(&b, &a, WEIR_NEVER), 0);
    EQ(weir_token_init(&c, &root, WEIR_NEVER), 0);
    EQ(weir_token_init(&other, NULL, WEIR_NEVER), 0);
    struct work w[4] = {{.t = &b, .deadline = WEIR_NEVER},
                        {.t = &c, .deadline = WEIR_NEVER},
                        {.t = &other, .deadline = weir_after(50)},
                        {.t = &a, .deadline = weir_after(1)}};
    for (int i = 0; i < 4; i++) {
        w[i].result = 9;
        GO(s, wait_token, &w[i]);
    }
    EQ(weir_sleep(weir_after(5)), 0);
    EQ(weir_token_cancel(&a, -EIO), 0);
    EQ(weir_token_why(&b), -EIO);
    EQ(weir_token_why(&root), 0);
    EQ(weir_token_why(&c), 0);
    EQ(weir_token_cancel(&root, -EPIPE), 0);
    EQ(weir_token_why(&c), -EPIPE);
    EQ(weir_token_why(&b), -EIO); /* the first stays */
    EQ(weir_token_cancel(&root, -ERANGE), 0);
    EQ(weir_token_why(&root), -EPIPE);
    EQ(weir_scope_close(&s), 0);
    EQ(w[0].result, 0);
    EQ(w[1].result, 0);
    EQ(w[2].result, -ETIMEDOUT);
    EQ(w[3].result, -ETIMEDOUT);
    EQ(weir_token_wait(&b, 0), 0);
    EQ(weir_token_wait(&other, 0), -EAGAIN);
    weir_token_fini(&root);
    weir_token_fini(&a);
    weir_token_fini(&b);
    weir_token_fini(&c);
    weir_token_fini(&other);
    return 0;
}

SIM_TEST(a_deadline_is_a_cancel_and_the_least_one_wins)
{
    struct weir_token root, a, late;
    EQ(weir_token_init(&root, NULL, weir_after(10)), 0);
    EQ(weir_token_init(&a, &root, weir_after(5)), 0);
    EQ(weir_token_init(&late, &root, weir_after(100)), 0);
    EQ(weir_token_wait(&a, WEIR_NEVER), 0); /* its reason is -ETIMEDOUT; the wait's result is not */
    EQ(world_age() % 100 % 10, 5);
    EQ(weir_token_why(&a), -ETIMEDOUT);
    EQ(weir_token_why(&root), 0);
    EQ(weir_token_wait(&late, WEIR_NEVER), 0);
    EQ(weir_token_why(&root), -ETIMEDOUT);
    weir_token_fini(&a);
    EQ(weir_token_init(&a, &root, WEIR_NEVER), 0);
    EQ(weir_token_why(&a), -ETIMEDOUT); /* from the start */
    weir_token_fini(&a);
    EQ(weir_token_init(&a, NULL, 0), 0);
    EQ(weir_token_why(&a), -ETIMEDOUT);
    weir_token_fini(&a);
    EQ(weir_token_init(&a, NULL, weir_now()), 0);
    EQ(weir_token_why(&a), -ETIMEDOUT);
    weir_token_fini(&a);
    weir_token_fini(&late);
    weir_token_fini(&root);
    return 0;
}

SIM_TEST(what_runs_under_a_token_is_cut_and_its_reason_told)
{
    struct weir_token root, t;
    weir_scope *s = weir_scope_open(NULL);
    EQ(weir_token_init(&root, NULL, WEIR_NEVER), 0);
    EQ(weir_token_init(&t, &root, WEIR_NEVER), 0);
    struct work cut = {.t = &t, .takes = 100}, quick = {.t = &t, .takes = 5, .gives = 7},
                failed = {.t = &t, .takes = 5, .gives = -EIO},
                said = {.t = &t, .gives = -ECANCELED};
    GO(s, run_work, &cut);
    GO(s, run_work, &quick);
    GO(s, run_work, &failed);
    GO(s, run_work, &said);
    EQ(weir_sleep(weir_after(10)), 0);
    weir_time before = weir_now();
    EQ(weir_token_cancel(&root, -ERANGE), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_now(), before);
    EQ(cut.result, -ERANGE);
    EQ(cut.why, -ERANGE);
    EQ(quick.result, 7);
    EQ(failed.result, -EIO);
    EQ(said.result, -ECANCELED);
    EQ(run_work(&quick), 0);
    EQ(quick.result, -ERANGE); /* not started */
    weir_token_fini(&t);
    weir_token_fini(&root);
    return 0;
}

static int run_scope(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    GO(s, work, arg);
    return weir_scope_close(&s);
}

static int run_run_scope(void *arg)
{
    struct work *w = arg;
    w->result = weir_token_run(w->t, run_scope, w);
    return w->result;
}

SIM_TEST(a_scope_opened_under_a_token_is_cancelled_with_it)
{
    struct weir_token outer, inner;
    EQ(weir_token_init(&outer, NULL, weir_after(5)), 0);
    EQ(weir_token_init(&inner, NULL, WEIR_NEVER), 0);
    struct work w = {.t = &inner, .takes = 100};
    EQ(weir_token_run(&outer, run_run_scope, &w), -ETIMEDOUT); /* the owner says so */
    EQ(w.why, -ETIMEDOUT);
    EQ(w.result, -ECANCELED); /* and the one inside does not */
    EQ(weir_token_why(&inner), 0);
    weir_token_fini(&inner);
    weir_token_fini(&outer);
    return 0;
}

SIM_TEST(the_cancel_of_a_scope_is_not_taken_for_the_tokens)
{
    struct weir_token t;
    weir_scope *s = weir_scope_open(NULL);
    EQ(weir_token_init(&t, NULL, WEIR_NEVER), 0);
    struct work w = {.t = &t, .takes = 100}, x = {.t = &t, .deadline = WEIR_NEVER};
    GO(s, run_work, &w);
    GO(s, wait_token, &x);
    EQ(weir_sleep(weir_after(5)), 0);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_token_cancel(&t, -EIO), 0); /* later: those are on their way already */
    EQ(weir_scope_close(&s), -EPERM);
    EQ(w.result, -ECANCELED);
    EQ(x.result, -ECANCELED);
    weir_token_fini(&t);
    return 0;
}

SIM_TEST(a_token_that_ends_leaves_its_children_to_its_parent)
{
    struct weir_token root, mid, leaf, lone;
    weir_scope *s = weir_scope_open(NULL);
    EQ(weir_token_init(&root, NULL, WEIR_NEVER), 0);
    EQ(weir_token_init(&mid, &root, weir_after(50)), 0);
    EQ(weir_token_init(&leaf, &mid, WEIR_NEVER), 0);
    struct work w = {.t = &mid, .deadline = WEIR_NEVER},
                cut = {.t = &mid, .takes = 100, .gives = 3};
    GO(s, wait_token, &w);
    GO(s, run_work, &cut);
    world_settle();
    weir_token_fini(&mid);
    EQ(weir_token_why(&leaf), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(w.result, WEIR_ECLOSED);
    EQ(cut.result, 3); /* goes on without it */
    EQ(weir_token_init(&lone, &leaf, WEIR_NEVER), 0);
    EQ(weir_token_cancel(&root, -EIO), 0);
    EQ(weir_token_why(&leaf), -EIO);
    EQ(weir_token_why(&lone), -EIO);
    weir_token_fini(&root);
    weir_token_fini(&leaf);
    weir_token_fini(&lone);
    weir_token_fini(&lone);
    return 0;
}

SIM_TEST(a_token_is_a_case_of_select)
{
    struct weir_token t;
    EQ(weir_token_init(&t, NULL, weir_after(5)), 0);
    struct weir_select c = WEIR_ON_TOKEN(&t);
    EQ(weir_select(&c, 1, 0), -EAGAIN);
    EQ(weir_select(&c, 1, weir_after(2)), -ETIMEDOUT);
    EQ(weir_select(&c, 1, WEIR_NEVER), 0);
    EQ(c.result, -ETIMEDOUT);
    EQ(weir_select(&c, 1, 0), 0);
    weir_token_fini(&t);
    return 0;
}

SIM_TEST(wrong_arguments_to_a_token_are_told)
{
    struct weir_token t;
    EQ(weir_token_init(NULL, NULL, WEIR_NEVER), -EINVAL);
    EQ(weir_token_init(&t, NULL, 5), -EINVAL);
    weir_token_fini(&t);
    EQ(weir_token_init(&t, NULL, WEIR_NEVER), 0);
    EQ(weir_token_cancel(&t, 0), -EINVAL);
    EQ(weir_token_cancel(&t, 1), -EINVAL);
    EQ(weir_token_cancel(NULL, -EIO), -EINVAL);
    EQ(weir_token_why(NULL), -EINVAL);
    EQ(weir_token_wait(NULL, 0), -EINVAL);
    EQ(weir_token_wait(&t, 5), -EINVAL);
    EQ(weir_token_run(NULL, work, NULL), -EINVAL);
    EQ(weir_token_run(&t, NULL, NULL), -EINVAL);
    weir_token_fini(NULL);
    weir_token_fini(&t);
    return 0;
}

TEST(off_a_fiber_a_token_without_a_deadline_works)
{
    struct weir_token t, c;
    EQ(weir_token_init(&t, NULL, WEIR_EPOCH + 5), WEIR_ENOFIBER);
    EQ(weir_token_init(&t, NULL, WEIR_NEVER), 0);
    EQ(weir_token_init(&c, &t, WEIR_NEVER), 0);
    EQ(weir_token_wait(&c, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_token_run(&c, work, NULL), WEIR_ENOFIBER);
    EQ(weir_token_cancel(&t, -EIO), 0);
    EQ(weir_token_wait(&c, WEIR_NEVER), 0);
    weir_token_fini(&c);
    weir_token_fini(&t);
}

/* A random tree: who is cancelled is exactly who lies below a cancelled one. */
SIM_TEST(a_tree_of_tokens_does_what_the_plainest_model_does)
{
    enum { N = 40 };
    struct weir_token t[N];
    int parent[N], why[N];
    for (int i = 0; i < N; i++) {
        parent[i] = i ? (int)(test_random() % (unsigned)i) : -1;
        why[i] = 0;
        EQ(weir_token_init(&t[i], i ? &t[parent[i]] : NULL, WEIR_NEVER), 0);
    }
    for (int k = 1; k <= 6; k++) {
        int at = (int)(test_random() % N);
        EQ(weir_token_cancel(&t[at], -k), 0);
        why[at] = why[at] ? why[at] : -k;
        for (int i = 1; i < N; i++) /* parents come first */
            why[i] = why[i] ? why[i] : why[parent[i]];
        for (int i = 0; i < N; i++)
            EQ(weir_token_why(&t[i]), why[i]);
    }
    for (int i = 0; i < N; i++)
        weir_token_fini(&t[i]);
    return 0;
}

static int flow(void *arg)
{
    struct weir_token t, c;
    weir_scope *s = weir_scope_open(NULL);
    int r = weir_token_init(&t, NULL, weir_after(10)), q = weir_token_init(&c, &t, WEIR_NEVER), e;
    struct work w[2] = {{.t = &c, .takes = 100}, {.t = &c, .deadline = WEIR_NEVER}};
    (void)arg;
    if (r == 0)
        r = weir_go(s, run_work, &w[0]);
    if (r == 0)
        r = weir_go(s, wait_token, &w[1]);
    if (r < 0)
        (void)weir_token_cancel(&t, r);
    e = weir_scope_close(&s);
    weir_token_fini(&t);
    weir_token_fini(&c);
    return r < 0 ? r : q < 0 ? q : e < 0 ? e : w[0].result;
}

static void flow_under_faults(void *arg)
{
    int r = world_run(flow, arg);
    OK(r == -ETIMEDOUT || (test_fault_hit() && (r == -ENOMEM || r == -ECANCELED || r == -EINVAL)));
}

TEST(tokens_hold_whatever_fails)
{
    EVERY_POINT(flow_under_faults, NULL);
}
