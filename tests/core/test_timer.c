/*
 * test_timer.c -- sleeping: when, in which order, and how a sleep ends early.
 */
#include "core/core.h"
#include "core/world.h"

SIM_TEST(a_sleep_lasts_until_its_instant)
{
    weir_time until = weir_after(WEIR_MS(250));
    EQ(weir_sleep(until), 0);
    EQ(weir_now(), until);
    return 0;
}

SIM_TEST(a_sleep_until_the_past_does_not_wait)
{
    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    EQ(weir_sleep(WEIR_EPOCH), 0);
    EQ(weir_sleep(0), 0);
    EQ(weir_sleep(weir_now()), 0);
    EQ(world_age(), WEIR_S(1));
    return 0;
}

SIM_TEST(a_span_taken_for_an_instant_is_refused)
{
    EQ(weir_sleep(WEIR_S(1)), -EINVAL);
    EQ(weir_sleep(-1), -EINVAL);
    EQ(weir_sleep(INT64_MIN), -EINVAL);
    EQ(weir_sleep(WEIR_EPOCH - 1), -EINVAL);
    EQ(world_age(), 0);
    return 0;
}

REAL_TEST(a_real_sleep_is_never_short)
{
    for (int i = 0; i < 5; i++) {
        weir_time until = weir_after(WEIR_US(700));
        EQ(weir_sleep(until), 0);
        LE(until, weir_now());
    }
    return 0;
}

static int timer_sleeper(void *arg)
{
    weir_time until = weir_after(*(weir_span *)arg);
    EQ(weir_sleep(until), 0);
    EQ(weir_now(), until);
    return 0;
}

static int timer_many(void *arg)
{
    enum { N = 1500 };
    static weir_span span[N];
    weir_scope *s = weir_scope_open(NULL);
    (void)arg;
    for (int i = 0; i < N; i++) {
        span[i] = (weir_span)(test_random() % (i % 3 ? 50 : 1000000));
        GO(s, timer_sleeper, &span[i]);
    }
    return weir_scope_close(&s);
}

TEST(many_sleepers_all_wake_at_their_instants)
{
    for (int i = 0; i < 5; i++)
        EQ(world_seed(test_seed() + (uint64_t)i, timer_many, NULL), 0);
}

/* --- the heap itself, against a model ----------------------------------- */

enum { HEAP_N = 300 };

struct heap_item {
    struct weir__timer timer; /* first */
    uint64_t armed;           /* when, in steps; 0: not armed */
};

static struct heap_item heap_items[HEAP_N];
static uint64_t heap_steps;
static int heap_fired;

/* What fires is the least of (instant, order of arming) among the armed. */
static void heap_fire(struct weir__timer *t)
{
    struct heap_item *me = (struct heap_item *)t;
    OK(me->armed);
    for (int i = 0; i < HEAP_N; i++) {
        const struct heap_item *o = &heap_items[i];
        if (o == me || !o->armed)
            continue;
        OK(t->at < o->timer.at || (t->at == o->timer.at && me->armed < o->armed));
    }
    me->armed = 0;
    heap_fired++;
}

static void heap_step(struct heap_item *h)
{
    if (test_random() % 3 == 0) {
        weir__timer_stop(&h->timer);
        h->armed = 0;
        EQ(h->timer.pos, 0u);
        return;
    }
    EQ(weir__timer_arm(&h->timer, weir_now() + 1 + (weir_time)(test_random() % 40)), 0);
    h->armed = ++heap_steps;
}

SIM_TEST(the_heap_agrees_with_a_model)
{
    heap_fired = 0;
    for (int i = 0; i < HEAP_N; i++)
        heap_items[i] = (struct heap_item){.timer.fire = heap_fire};
    for (int i = 0; i < 20000; i++) {
        heap_step(&heap_items[test_random() % HEAP_N]);
        if (i % 50 == 0)
            EQ(weir_sleep(weir_after(3)), 0);
    }
    EQ(weir_sleep(weir_after(100)), 0);
    for (int i = 0; i < HEAP_N; i++)
        OK(!heap_items[i].armed && !heap_items[i].timer.pos);
    LT(1000, heap_fired);
    return 0;
}

static int timer_rearms;

static void timer_again(struct weir__timer *t)
{
    if (++timer_rearms < 5)
        EQ(weir__timer_arm(t, weir_now()), 0);
}

SIM_TEST(a_timer_may_arm_itself_again_while_it_fires)
{
    struct weir__timer t = {.fire = timer_again};
    timer_rearms = 0;
    EQ(weir__timer_arm(&t, weir_after(5)), 0);
    EQ(weir_sleep(weir_after(100)), 0);
    EQ(timer_rearms, 5);
    EQ(weir__timer_arm(&t, WEIR_NEVER), 0); /* never: not armed at all */
    EQ(t.pos, 0u);
    weir__timer_stop(&t);
    return 0;
}

static int timer_growth(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    weir_span span = WEIR_S(1);
    int r = 0;
    (void)arg;
    for (int i = 0; i < 70 && r == 0; i++)
        r = weir_go(s, fiber_sleep, &span);
    int c = weir_scope_close(&s);
    return r < 0 ? r : c;
}

static void timer_growth_under_faults(void *arg)
{
    int r = world_run(timer_growth, arg);
    OK(test_fault_hit() ? r == -ENOMEM || r == -ECANCELED : r == 0);
}

TEST(a_heap_that_cannot_grow_is_an_error_of_the_sleeper)
{
    EVERY_POINT_OF(WEIR__FAULT_ALLOC, timer_growth_under_faults, NULL);
}

/* --- ending early ------------------------------------------------------- */

static int timer_cancelled(void *arg)
{
    (void)arg;
    EQ(weir_sleep(weir_after(WEIR_S(10))), -ECANCELED);
    EQ(world_age(), WEIR_S(1));
    return 0;
}

SIM_TEST(a_cancelled_sleep_ends_at_once_and_leaves_no_timer)
{
    weir_scope *s = weir_scope_open(NULL);
    GO(s, timer_cancelled, NULL);
    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    EQ(weir_scope_cancel(s, -EINTR), 0);
    EQ(weir_scope_close(&s), -EINTR);
    EQ(weir__loop_get()->heap_len, 0u);
    return 0;
}
