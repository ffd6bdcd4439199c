/*
 * Built with -DWEIR_TRAP a caller's mistake ends the program where it is made;
 * what is no mistake does not.
 */
#include <signal.h>
#include <unistd.h>
#include <weir.h>

#include "core/world.h"

static void trapped(int sig)
{
    static const char text[] = "trapped\n";

    (void)sig;
    _exit(write(STDERR_FILENO, text, sizeof text - 1) > 0);
}

/* A trap is one of these, by the machine. */
__attribute__((constructor)) static void trap_is_told(void)
{
    (void)signal(SIGILL, trapped);
    (void)signal(SIGTRAP, trapped);
}

#define MISTAKE(NAME) TEST_MUST_FAIL(NAME, "trapped")

static int in_a_run(int (*fn)(void *))
{
    struct weir_config c = {.alloc = test_alloc};

    return weir_sim_run(test_seed(), &c, fn, NULL);
}

static int sleeps_until_a_span(void *arg)
{
    (void)arg;
    return weir_sleep(WEIR_S(1));
}

MISTAKE(a_span_for_an_instant_traps_in_sleep)
{
    (void)in_a_run(sleeps_until_a_span);
}

static int receives_until_a_span(void *arg)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    int x;

    (void)arg;
    return weir_recv(ch, &x, WEIR_MS(5));
}

MISTAKE(a_span_for_an_instant_traps_in_recv)
{
    (void)in_a_run(receives_until_a_span);
}

static int takes_until_a_span(void *arg)
{
    struct weir_sem s;

    (void)arg;
    (void)weir_sem_init(&s, 1);
    return weir_sem_take(&s, 1, -5);
}

MISTAKE(a_negative_instant_traps_in_take)
{
    (void)in_a_run(takes_until_a_span);
}

static int sends_another_type(void *arg)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    char x = 1;

    (void)arg;
    return weir_send(ch, &x, WEIR_NEVER);
}

MISTAKE(an_item_of_another_size_traps)
{
    (void)in_a_run(sends_another_type);
}

static int sends_to_nobody(void *arg)
{
    int x = 1;

    (void)arg;
    return weir_send((weir_chan *)NULL, &x, WEIR_NEVER);
}

MISTAKE(no_channel_traps)
{
    (void)in_a_run(sends_to_nobody);
}

MISTAKE(a_channel_of_a_size_that_cannot_be_traps)
{
    weir_chan *ch = weir_chan_new((struct weir_type){.size = 0}, 1);

    weir_chan_free(&ch);
}

static int goes_nowhere(void *arg)
{
    return weir_go((weir_scope *)arg, fiber_nothing, NULL);
}

MISTAKE(no_scope_traps)
{
    (void)in_a_run(goes_nowhere);
}

static int selects_nothing(void *arg)
{
    (void)arg;
    return weir_select(NULL, 0, WEIR_NEVER);
}

MISTAKE(a_select_of_nothing_traps)
{
    (void)in_a_run(selects_nothing);
}

MISTAKE(a_run_of_nothing_traps)
{
    (void)weir_run(NULL, NULL, NULL);
}

MISTAKE(a_configuration_with_a_reserved_word_traps)
{
    (void)weir_run(&(struct weir_config){.reserved = {1}}, fiber_nothing, NULL);
}

MISTAKE(an_operator_that_cannot_be_built_traps)
{
    weir_stream *s = weir_chunks(weir_range(0, 3), 0);

    weir_stream_close(&s);
}

MISTAKE(streams_of_two_types_in_one_trap)
{
    weir_stream *s = weir_chain(weir_range(0, 3), weir_empty(WEIR_TYPE(char)));

    weir_stream_close(&s);
}

MISTAKE(and_so_they_do_if_only_their_names_differ)
{
    struct weir_type other = WEIR_TYPE(int64_t);
    weir_stream *s;

    other.name = "metres";
    s = weir_chain(weir_range(0, 3), weir_empty(other));
    weir_stream_close(&s);
}

/* --- what is no mistake ------------------------------------------------- */

static int goes_well(void *arg)
{
    weir_chan *ch = weir_chan_with(WEIR_TYPE(int), &(struct weir_chan_opts){.capacity = 1});
    weir_stream *s = weir_chunks(weir_chain(weir_range(0, 3), weir_range(3, 6)), 2);
    int x = 1;
    uint64_t n;

    (void)arg;
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(weir_recv(ch, &x, 0), -EAGAIN);
    EQ(weir_send(ch, &x, WEIR_NEVER), 1);
    EQ(weir_send(ch, &x, weir_now() - 5), -ETIMEDOUT);
    EQ(weir_chan_close(ch, 0), 0);
    EQ(weir_send(ch, &x, WEIR_NEVER), WEIR_ECLOSED);
    EQ(weir_sleep(0), 0);
    EQ(weir_count(&s, &n), 0);
    EQ(n, 3);
    s = weir_fail(WEIR_TYPE(int), -EIO);
    EQ(weir_next(s, &x), -EIO);
    weir_stream_close(&s);
    weir_chan_free(&ch);
    return 0;
}

TEST(what_may_happen_does_not_trap)
{
    EQ(in_a_run(goes_well), 0);
}
