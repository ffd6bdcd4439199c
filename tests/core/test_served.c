/*
 * Whoever is always ready, a timer that is due and a descriptor that is ready
 * are served within the bound that run.h states, counted in switches and
 * operations, on the real clock.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>
#include <weir/io.h>

#include "core/world.h"

enum { SPINNERS = 3, BOUND = 2 * WEIR_TURN };

static struct world {
    long switches, operations; /* of the spinners */
    long asked, served;        /* switches when it was due, and when it was known */
    long asked_operations, served_operations;
    bool due, done;
    int pipe[2];
    weir_chan *ch;
} w;

static void ask(void)
{
    w.asked = w.switches;
    w.asked_operations = w.operations;
    w.due = true;
}

static void serve(void)
{
    w.served = w.switches;
    w.served_operations = w.operations;
    w.done = true;
}

/* Counts how often it is switched to. */
static int spins_on_yield(void *arg)
{
    (void)arg;
    while (!w.done) {
        EQ(weir_yield(), 0);
        w.switches++;
    }
    return 0;
}

/* Never parks: only its share ends its stretch. */
static int spins_on_channel(void *arg)
{
    long x = 0;

    (void)arg;
    while (!w.done) {
        EQ(weir_send(w.ch, &x, WEIR_NEVER), 1);
        EQ(weir_recv(w.ch, &x, WEIR_NEVER), 1);
        w.operations += 2;
    }
    return 0;
}

static int reads(void *arg)
{
    char c;

    (void)arg;
    EQ(weir_read(w.pipe[0], &c, 1, WEIR_NEVER), 1);
    serve();
    return 0;
}

/* It is written some turns later, when the reader has parked. */
static int writes(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(write(w.pipe[1], "x", 1), 1);
    ask();
    return 0;
}

/* Due a nanosecond after the loop's idea of now: at the first look at the clock. */
static int sleeps(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        ask();
        EQ(weir_sleep(weir_now() + 1), 0);
        LE(w.switches - w.asked, BOUND);
    }
    serve();
    return 0;
}

static int with_spinners(int (*spin)(void *), int (*one)(void *), int (*other)(void *))
{
    weir_scope *s = weir_scope_open(NULL);

    w = (struct world){.ch = weir_chan_new(WEIR_TYPE(long), 4 * SPINNERS)};
    EQ(pipe2(w.pipe, O_CLOEXEC | O_NONBLOCK), 0);
    for (int i = 0; i < SPINNERS; i++)
        GO(s, spin, NULL);
    GO(s, one, NULL);
    if (other)
        GO(s, other, NULL);
    EQ(weir_scope_close(&s), 0);
    weir_chan_free(&w.ch);
    EQ(weir_close(w.pipe[0]), 0);
    EQ(weir_close(w.pipe[1]), 0);
    OK(w.due && w.done);
    return 0;
}

REAL_TEST(a_descriptor_is_served_within_two_turns_of_those_who_yield)
{
    EQ(with_spinners(spins_on_yield, reads, writes), 0);
    LE(w.served - w.asked, BOUND);
    return 0;
}

REAL_TEST(a_descriptor_is_served_within_two_turns_of_those_who_never_park)
{
    EQ(with_spinners(spins_on_channel, reads, writes), 0);
    LE(w.served_operations - w.asked_operations, BOUND * WEIR_TURN);
    return 0;
}

REAL_TEST(a_timer_is_served_within_two_turns_of_those_who_yield)
{
    return with_spinners(spins_on_yield, sleeps, NULL);
}

REAL_TEST(a_timer_is_served_within_two_turns_of_those_who_never_park)
{
    EQ(with_spinners(spins_on_channel, sleeps, NULL), 0);
    LE(w.served_operations - w.asked_operations, BOUND * WEIR_TURN);
    return 0;
}
