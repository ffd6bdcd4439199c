/*
 * test_loops_meet.c -- objects between loops: channels, select, semaphores, mutexes and
 * events, and when all loops stand still.
 */
#include <stdbool.h>
#include <weir.h>

#include "core/chan.h"
#include "core/group.h"
#include "core/loops_world.h"

enum { ITEMS = 2000 };

/* --- channels ---------------------------------------------------------- */

struct pair {
    weir_chan *ch;
    int64_t sum, n;
    bool many;
};

static int sends_all(void *arg)
{
    struct pair *p = arg;
    int r = 1;

    for (int i = 1; i <= ITEMS && r > 0; i++)
        r = weir_send(p->ch, &i, WEIR_NEVER);
    return r < 0 ? r : 0;
}

static int receives_all(void *arg)
{
    struct pair *p = arg;
    int x[16], r;
    size_t n;

    for (;;) {
        if (p->many) {
            r = (int)weir_chan_recv_n(p->ch, x, sizeof *x, 16, &n, WEIR_NEVER);
        } else {
            r = weir_recv(p->ch, x, WEIR_NEVER);
            n = r > 0;
        }
        if (r <= 0)
            return r;
        for (size_t i = 0; i < n; i++)
            __atomic_add_fetch(&p->sum, x[i], __ATOMIC_RELAXED);
        __atomic_add_fetch(&p->n, (int64_t)n, __ATOMIC_RELAXED);
    }
}

LOOPS_TEST(a_channel_carries_every_item_once_between_loops)
{
    static const size_t capacities[] = {0, 1, 32, 1024};

    for (size_t k = 0; k < 8; k++) {
        struct pair p = {.ch = weir_chan_new(WEIR_TYPE(int), capacities[k / 2]), .many = k % 2};
        weir_scope *s = weir_scope_open(NULL);

        for (int i = 0; i < LOOPS; i++) {
            EQ(weir_go_on(s, i, sends_all, &p, &(struct weir_go_opts){.feeds = p.ch}), 0);
            EQ(weir_go_on(s, i, receives_all, &p, &(struct weir_go_opts){.drains = p.ch}), 0);
        }
        EQ(weir_scope_close(&s), 0);
        EQ(p.n, LOOPS * ITEMS);
        EQ(p.sum, (int64_t)LOOPS * ITEMS * (ITEMS + 1) / 2);
        weir_chan_free(&p.ch);
    }
    return 0;
}

static int waits_to_receive(void *arg)
{
    int x;

    return weir_recv((weir_chan *)arg, &x, WEIR_NEVER) == WEIR_ECLOSED ? 1 : -EIO;
}

static int waits_to_send(void *arg)
{
    int x = 1;

    return weir_send((weir_chan *)arg, &x, WEIR_NEVER) == WEIR_ECLOSED ? 1 : -EIO;
}

static void until_all_stand(weir_chan *ch, uint32_t all)
{
    uint32_t n = 0;

    while (n < all) {
        struct weir__loop *g = weir__guard(&ch->lock);

        n = ch->standing;
        weir__unguard(g, &ch->lock);
        EQ(weir_sleep(weir_after(WEIR_US(50))), 0);
    }
}

LOOPS_TEST(freeing_a_channel_wakes_those_who_wait_on_all_loops)
{
    for (int k = 0; k < 40; k++) {
        weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 0);
        weir_scope *s = weir_scope_open(NULL);

        for (int i = 0; i < 2 * LOOPS; i++)
            GO_ON(s, i % LOOPS, k % 2 ? waits_to_receive : waits_to_send, ch);
        until_all_stand(ch, 2 * LOOPS);
        weir_chan_free(&ch);
        EQ(weir_scope_close(&s), 0);
    }
    return 0;
}

/* --- select ------------------------------------------------------------ */

struct both {
    weir_chan *a, *b;
    int64_t sent, got;
};

static int selects_sends(void *arg)
{
    struct both *w = arg;

    for (int i = 1; i <= ITEMS / 2; i++) {
        int x = i;
        struct weir_select c[] = {WEIR_ON_SEND(w->a, &x), WEIR_ON_SEND(w->b, &x)};
        int k = weir_select(c, 2, WEIR_NEVER);

        if (k < 0)
            return k;
        EQ(c[k].result, 1);
        __atomic_add_fetch(&w->sent, x, __ATOMIC_RELAXED);
    }
    return 0;
}

static int selects_receives(void *arg)
{
    struct both *w = arg;

    for (;;) {
        int x, y;
        struct weir_select c[] = {WEIR_ON_RECV(w->a, &x), WEIR_ON_RECV(w->b, &y)};
        int k = weir_select(c, 2, WEIR_NEVER);

        if (k < 0)
            return k;
        if (c[k].result != 1)
            return c[k].result;
        __atomic_add_fetch(&w->got, k ? y : x, __ATOMIC_RELAXED);
    }
}

LOOPS_TEST(select_moves_exactly_the_item_of_the_case_that_fired)
{
    for (size_t cap = 0; cap < 2; cap++) {
        struct both w = {weir_chan_new(WEIR_TYPE(int), cap), weir_chan_new(WEIR_TYPE(int), cap), 0,
                         0};
        weir_scope *in = weir_scope_open(NULL), *out = weir_scope_open(NULL);
        int x;

        for (int i = 0; i < LOOPS; i++)
            GO_ON(in, i, selects_receives, &w);
        for (int i = 0; i < LOOPS; i++)
            GO_ON(out, i, selects_sends, &w);
        EQ(weir_scope_close(&out), 0);
        while (weir_chan_length(w.a) || weir_chan_length(w.b))
            EQ(weir_sleep(weir_after(WEIR_US(100))), 0);
        EQ(weir_chan_close(w.a, 0), 0);
        EQ(weir_chan_close(w.b, 0), 0);
        EQ(weir_scope_close(&in), 0);
        while (weir_recv(w.a, &x, 0) > 0 || weir_recv(w.b, &x, 0) > 0)
            w.got += x;
        EQ(w.got, w.sent);
        EQ(w.sent, (int64_t)LOOPS * (ITEMS / 2) * (ITEMS / 2 + 1) / 2);
        weir_chan_free(&w.a);
        weir_chan_free(&w.b);
    }
    return 0;
}

/* --- semaphore, mutex, event ------------------------------------------- */

struct shared {
    struct weir_sem sem;
    struct weir_mutex mutex;
    struct weir_event event;
    int inside, plain, cancelled;
    uint64_t seed;
};

static uint64_t shared_random(uint64_t *x)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return *x >> 33;
}

/* Takes 1 to 3 of 4 permits, with a deadline now and then: none may be lost or be had twice. */
static int takes(void *arg)
{
    struct shared *w = arg;
    uint64_t x = __atomic_add_fetch(&w->seed, 77, __ATOMIC_RELAXED);

    if (weir_event_wait(&w->event, WEIR_NEVER) < 0)
        return -ECANCELED;
    for (int i = 0; i < 400; i++) {
        uint64_t n = 1 + shared_random(&x) % 3;
        bool hurried = shared_random(&x) % 4 == 0;
        int r = weir_sem_take(&w->sem, n, hurried ? weir_after(WEIR_US(20)) : WEIR_NEVER);

        if (r == -ETIMEDOUT || r == -EAGAIN)
            continue;
        if (r < 0)
            return r;
        LE(__atomic_add_fetch(&w->inside, (int)n, __ATOMIC_RELAXED), 4);
        if (shared_random(&x) % 8 == 0)
            (void)weir_yield();
        __atomic_sub_fetch(&w->inside, (int)n, __ATOMIC_RELAXED);
        EQ(weir_sem_give(&w->sem, n), 0);
    }
    return 0;
}

static int locks(void *arg)
{
    struct shared *w = arg;

    for (int i = 0; i < 400; i++) {
        EQ(weir_mutex_lock(&w->mutex, WEIR_NEVER), 0);
        EQ(weir_mutex_lock(&w->mutex, WEIR_NEVER), -EDEADLK);
        w->plain++; /* no atomic: the mutex holds, or TSan tells */
        EQ(weir_mutex_unlock(&w->mutex), 0);
        EQ(weir_mutex_unlock(&w->mutex), -EPERM);
    }
    return 0;
}

LOOPS_TEST(semaphore_mutex_and_event_hold_between_loops)
{
    struct shared w = {.seed = test_seed()};
    weir_scope *s = weir_scope_open(NULL);

    EQ(weir_sem_init(&w.sem, 4), 0);
    weir_mutex_init(&w.mutex);
    weir_event_init(&w.event);
    for (int i = 0; i < 3 * LOOPS; i++)
        GO_ON(s, i % LOOPS, takes, &w);
    for (int i = 0; i < 2 * LOOPS; i++)
        GO_ON(s, i % LOOPS, locks, &w);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    weir_event_set(&w.event);
    EQ(weir_scope_close(&s), 0);
    EQ(w.sem.permits, 4);
    EQ(w.plain, 2 * LOOPS * 400);
    return 0;
}

/* Cancel races with hand-over: scopes die while their fibers take and give. */
LOOPS_TEST(cancel_and_hand_over_race_and_no_permit_is_lost)
{
    struct shared w = {.seed = test_seed()};
    uint64_t x = test_seed();

    EQ(weir_sem_init(&w.sem, 4), 0);
    weir_event_init(&w.event);
    weir_event_set(&w.event);
    for (int k = 0; k < 60; k++) {
        weir_scope *s = weir_scope_open(NULL);

        for (int i = 0; i < 2 * LOOPS; i++)
            GO_ON(s, i % LOOPS, takes, &w);
        EQ(weir_sleep(weir_after((weir_span)(shared_random(&x) % 300) * 1000)), 0);
        EQ(weir_scope_cancel(s, -EINTR), 0);
        EQ(weir_scope_close(&s), -EINTR);
        EQ(w.sem.permits, 4);
        EQ(w.inside, 0);
    }
    return 0;
}

/* --- stillness --------------------------------------------------------- */

static int receives_one(void *arg)
{
    int x;
    int r = weir_recv((weir_chan *)arg, &x, WEIR_NEVER);

    return r < 0 ? r : 0;
}

LOOPS_TEST(stillness_of_all_loops_is_a_deadlock)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 0);

    for (int k = 0; k < 20; k++) {
        weir_scope *s = weir_scope_open(NULL);

        for (int i = k % 2; i < LOOPS; i++)
            GO_ON(s, i, receives_one, ch);
        EQ(weir_scope_close(&s), WEIR_EDEADLOCK);
    }
    weir_chan_free(&ch);
    return 0;
}

static int nested_receive(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.name = "inner"});

    GO(s, receives_one, arg);
    return weir_scope_close(&s) == WEIR_EDEADLOCK ? 0 : -EIO;
}

LOOPS_TEST(the_smallest_scope_is_cut_wherever_it_is)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 0);
    weir_scope *s = weir_scope_open(NULL);

    GO_ON(s, 2, nested_receive, ch);
    EQ(weir_scope_close(&s), 0);
    weir_chan_free(&ch);
    return 0;
}

static int sleeps_then_sends(void *arg)
{
    int x = 3;

    EQ(weir_sleep(weir_after(WEIR_MS(10))), 0);
    return weir_send((weir_chan *)arg, &x, WEIR_NEVER) == 1 ? 0 : -EIO;
}

LOOPS_TEST(a_timer_on_another_loop_is_no_deadlock)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 0);
    weir_scope *s = weir_scope_open(NULL);

    GO_ON(s, 1, receives_one, ch);
    GO_ON(s, 2, sleeps_then_sends, ch);
    EQ(weir_scope_close(&s), 0);
    weir_chan_free(&ch);
    return 0;
}

static int main_stuck(void *arg)
{
    return receives_one(arg);
}

TEST(a_first_fiber_that_is_stuck_gives_the_deadlock)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 0);

    EQ(loops_run(LOOPS, main_stuck, ch), WEIR_EDEADLOCK);
    weir_chan_free(&ch);
}
