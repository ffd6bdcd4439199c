/*
 * test_rwlock.c -- many readers or one writer, and nobody starves.
 */
#include <weir.h>

#include "core/world.h"

static struct weir_rwlock lock;
static int reading, writing, most_readers, n_order, order[64];

struct user {
    int id, write, result;
    weir_span after, hold;
    weir_time deadline;
};

static int user(void *arg)
{
    struct user *u = arg;
    if ((u->result = weir_sleep(weir_after(u->after))) < 0)
        return 0;
    u->result =
        u->write ? weir_rwlock_write(&lock, u->deadline) : weir_rwlock_read(&lock, u->deadline);
    if (u->result < 0)
        return 0;
    order[n_order++] = u->id;
    *(u->write ? &writing : &reading) += 1;
    OK(writing ? writing == 1 && !reading : 1);
    if (reading > most_readers)
        most_readers = reading;
    (void)weir_sleep(weir_after(u->hold));
    *(u->write ? &writing : &reading) -= 1;
    EQ(weir_rwlock_unlock(&lock), 0);
    return 0;
}

static void reset(void)
{
    weir_rwlock_init(&lock);
    reading = writing = most_readers = n_order = 0;
}

static void all_free(void)
{
    OK(!lock.writer);
    EQ(lock.readers, 0u);
}

SIM_TEST(readers_are_together_and_a_writer_alone)
{
    struct user u[] = {{.id = 0, .after = 1, .hold = 10},
                       {.id = 1, .after = 2, .hold = 10},
                       {.id = 2, .write = 1, .after = 3, .hold = 10},
                       {.id = 3, .after = 4, .hold = 10},
                       {.id = 4, .after = 5, .hold = 10},
                       {.id = 5, .write = 1, .after = 6, .hold = 1}};
    weir_scope *s = weir_scope_open(NULL);
    reset();
    for (int i = 0; i < 6; i++) {
        u[i].deadline = WEIR_NEVER;
        GO(s, user, &u[i]);
    }
    EQ(weir_sleep(weir_after(8)), 0);
    EQ(lock.readers, 2u);
    EQ(weir_rwlock_read(&lock, 0), -EAGAIN); /* a writer waits: it is not overtaken */
    EQ(weir_scope_close(&s), 0);
    EQ(most_readers, 2);
    EQ(order[2], 2);
    EQ(order[3] + order[4], 7); /* the readers behind it go before the next writer */
    EQ(order[5], 5);
    all_free();
    return 0;
}

SIM_TEST(a_writer_that_gives_up_lets_the_readers_behind_it_pass)
{
    struct user w = {.id = 1, .write = 1, .after = 1, .deadline = weir_after(5)},
                r = {.id = 2, .after = 2, .deadline = WEIR_NEVER};
    weir_scope *s = weir_scope_open(NULL);
    reset();
    EQ(weir_rwlock_read(&lock, 0), 0);
    GO(s, user, &w);
    GO(s, user, &r);
    EQ(weir_sleep(weir_after(4)), 0);
    EQ(n_order, 0);
    EQ(weir_sleep(weir_after(4)), 0);
    EQ(w.result, -ETIMEDOUT);
    EQ(n_order, 1);
    EQ(weir_rwlock_unlock(&lock), 0);
    EQ(weir_scope_close(&s), 0);
    all_free();
    return 0;
}

SIM_TEST(a_writer_becomes_a_reader_without_a_gap)
{
    struct user r = {.id = 1, .after = 1, .hold = 20, .deadline = WEIR_NEVER},
                w = {.id = 2, .write = 1, .after = 2, .deadline = WEIR_NEVER};
    weir_scope *s = weir_scope_open(NULL);
    reset();
    EQ(weir_rwlock_write(&lock, 0), 0);
    EQ(weir_rwlock_write(&lock, WEIR_NEVER), -EDEADLK);
    EQ(weir_rwlock_read(&lock, WEIR_NEVER), -EDEADLK);
    GO(s, user, &r);
    GO(s, user, &w);
    EQ(weir_sleep(weir_after(5)), 0);
    EQ(n_order, 0);
    EQ(weir_rwlock_downgrade(&lock), 0);
    EQ(weir_rwlock_downgrade(&lock), -EPERM);
    EQ(weir_sleep(weir_after(1)), 0);
    EQ(n_order, 1);
    EQ(weir_rwlock_unlock(&lock), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(order[1], 2);
    EQ(weir_rwlock_unlock(&lock), -EPERM);
    all_free();
    return 0;
}

SIM_TEST(a_lock_handed_over_before_the_cancel_is_held_and_given_back)
{
    for (int write = 0; write < 2; write++)
        for (int first = 0; first < 2; first++) {
            struct user u = {.id = 1, .write = write, .after = 1, .deadline = WEIR_NEVER};
            weir_scope *s = weir_scope_open(NULL);
            reset();
            EQ(weir_rwlock_write(&lock, 0), 0);
            GO(s, user, &u);
            EQ(weir_sleep(weir_after(5)), 0);
            if (first)
                EQ(weir_scope_cancel(s, -EPERM), 0);
            EQ(weir_rwlock_unlock(&lock), 0);
            if (!first)
                EQ(weir_scope_cancel(s, -EPERM), 0);
            EQ(weir_scope_close(&s), -EPERM);
            EQ(u.result, first ? -ECANCELED : 0);
            all_free();
        }
    return 0;
}

SIM_TEST(wrong_arguments_to_a_rwlock_are_told)
{
    reset();
    EQ(weir_rwlock_read(NULL, 0), -EINVAL);
    EQ(weir_rwlock_write(NULL, 0), -EINVAL);
    EQ(weir_rwlock_read(&lock, 5), -EINVAL);
    EQ(weir_rwlock_write(&lock, -5), -EINVAL);
    EQ(weir_rwlock_unlock(NULL), -EINVAL);
    EQ(weir_rwlock_unlock(&lock), -EPERM);
    EQ(weir_rwlock_downgrade(NULL), -EINVAL);
    EQ(weir_rwlock_downgrade(&lock), -EPERM);
    all_free();
    return 0;
}

TEST(off_a_fiber_a_rwlock_says_so)
{
    reset();
    EQ(weir_rwlock_read(&lock, 0), WEIR_ENOFIBER);
    EQ(weir_rwlock_write(&lock, 0), WEIR_ENOFIBER);
    EQ(weir_rwlock_unlock(&lock), -EPERM);
    EQ(weir_rwlock_downgrade(&lock), -EPERM);
}

static int churn(void *arg)
{
    (void)arg;
    for (int i = 0; i < 60; i++) {
        struct user u = {.write = test_random() % 3 == 0,
                         .hold = (weir_span)(test_random() % 3),
                         .deadline = weir_after(1 + (weir_span)(test_random() % 5))};
        n_order = 0;
        if (user(&u) < 0 || u.result == -ECANCELED)
            return 0;
        if (weir_sleep(weir_after((weir_span)(test_random() % 3))) < 0)
            return 0;
    }
    return 0;
}

SIM_TEST(readers_and_writers_keep_apart_through_timeouts_and_cancels)
{
    weir_scope *s[6];
    reset();
    for (int i = 0; i < 6; i++)
        s[i] = weir_scope_open(NULL);
    for (int i = 0; i < 6; i++)
        GO(s[i], churn, NULL);
    for (int i = 6; i--;) {
        EQ(weir_sleep(weir_after((weir_span)(test_random() % 60))), 0);
        if (i % 2)
            EQ(weir_scope_cancel(s[i], -EPERM), 0);
        (void)weir_scope_close(&s[i]);
    }
    all_free();
    EQ(weir_rwlock_write(&lock, 0), 0);
    EQ(weir_rwlock_unlock(&lock), 0);
    return 0;
}

static int flow(void *arg)
{
    struct user u[3] = {{.write = 1, .hold = 1}, {.hold = 1}, {.write = 1, .hold = 1}};
    weir_scope *s = weir_scope_open(NULL);
    int r = 0, c;
    (void)arg;
    reset();
    for (int i = 0; i < 3 && r == 0; i++) {
        u[i].deadline = weir_after(5);
        r = weir_go(s, churn, &u[i]);
    }
    c = weir_scope_close(&s);
    all_free();
    return r < 0 ? r : c;
}

static void flow_under_faults(void *arg)
{
    int r = world_run(flow, arg);
    OK(r == 0 || (test_fault_hit() && (r == -ENOMEM || r == -ECANCELED || r == -EINVAL)));
}

TEST(a_rwlock_holds_whatever_fails)
{
    EVERY_POINT(flow_under_faults, NULL);
}
