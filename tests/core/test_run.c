/*
 * test_run.c -- entering weir: results, refusals, configuration, and what is
 * left when the run ends.
 */
#include <stdlib.h>
#include <weir/door.h>

#include "core/core.h"
#include <weir/loop.h>

#include "core/world.h"
#include "sys/shadow.h"

static int run_seven(void *arg)
{
    (void)arg;
    return 7;
}

static int run_nested(void *arg)
{
    EQ(weir_run(NULL, run_seven, NULL), -EBUSY);
    EQ(weir_sim_run(1, NULL, run_seven, NULL), -EBUSY);
    return *(int *)arg;
}

TEST(the_result_is_the_functions)
{
    int negative = -EIO;
    EQ(weir_run(NULL, run_seven, NULL), 7);
    EQ(world_real(run_seven, NULL), 7);
    EQ(world_run(run_seven, NULL), 7);
    EQ(world_run(fiber_result, &negative), -EIO);
}

TEST(a_run_inside_a_run_is_busy_and_harms_nothing)
{
    int r = 3;
    EQ(world_run(run_nested, &r), 3);
    EQ(world_real(run_nested, &r), 3);
}

TEST(runs_can_follow_one_another)
{
    for (int i = 0; i < 50; i++)
        EQ(world_run(run_seven, NULL), 7);
}

TEST(a_run_without_a_function_is_refused)
{
    EQ(weir_run(NULL, NULL, NULL), -EINVAL);
    EQ(weir_sim_run(1, NULL, NULL, NULL), -EINVAL);
}

static int run_with(struct weir_config c)
{
    c.alloc = test_alloc;
    return weir_run(&c, run_seven, NULL);
}

TEST(a_configuration_out_of_range_is_refused)
{
    EQ(run_with((struct weir_config){.loops = 1}), 7);
    EQ(run_with((struct weir_config){.loops = 257}), -EINVAL);
    EQ(run_with((struct weir_config){.loops = UINT32_MAX}), -EINVAL);
    EQ(run_with((struct weir_config){.stack = (16 << 10) - 1}), -EINVAL);
    EQ(run_with((struct weir_config){.stack = (64 << 20) + 1}), -EINVAL);
    EQ(run_with((struct weir_config){.stack = UINT32_MAX}), -EINVAL);
    EQ(run_with((struct weir_config){.stack = 64 << 20}), 7);
    EQ(run_with((struct weir_config){.grace = -1}), -EINVAL);
    EQ(run_with((struct weir_config){.watchdog = -1}), -EINVAL);
    EQ(run_with((struct weir_config){.offload_threads = UINT32_MAX}), -EINVAL);
    EQ(run_with((struct weir_config){.catch_overflow = 2}), -EINVAL);
    EQ(run_with((struct weir_config){.stack_use = 2}), -EINVAL);
    struct weir_config c;
    for (size_t i = 0; i < sizeof c.reserved / sizeof *c.reserved; i++) {
        c = (struct weir_config){0};
        c.reserved[i] = 1;
        EQ(run_with(c), -EINVAL);
    }
}

TEST(off_a_run_what_must_park_says_so)
{
    struct weir_limit l;
    weir_scope *s = weir_scope_open(NULL);
    OK(s);
    EQ(weir_scope_why(s), WEIR_ENOFIBER);
    EQ(weir_scope_close(&s), WEIR_ENOFIBER);
    OK(!s);
    EQ(weir_yield(), WEIR_ENOFIBER);
    EQ(weir_checkpoint(), WEIR_ENOFIBER);
    EQ(weir_sleep(weir_after(1)), WEIR_ENOFIBER);
    EQ(weir_limit_init(&l, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_limit_fini(&l, -EIO), -EIO);
    EQ(weir_shield_init(&l, 1), WEIR_ENOFIBER);
    EQ(weir_limit_fini(&l, 5), 5);
    EQ(weir_within(1, run_seven, NULL), WEIR_ENOFIBER);
    EQ(weir_offload(run_seven, NULL), WEIR_ENOFIBER);
    EQ(weir_offload_own(run_seven, NULL, NULL), WEIR_ENOFIBER);
    EQ(weir_loop_call(run_seven, NULL), WEIR_ENOFIBER);
    EQ(weir_dump(1), WEIR_ENOFIBER);
    EQ(weir_cancel_why(), 0);
    weir_name("nobody");
}

TEST(off_a_run_time_goes_on_and_is_past_the_epoch)
{
    weir_time a = weir_now(), b = weir_now();
    LE(WEIR_EPOCH, a);
    LE(a, b);
}

SIM_TEST(a_simulation_starts_at_the_epoch)
{
    EQ(weir_now(), WEIR_EPOCH);
    return 0;
}

SIM_TEST(after_saturates_and_never_lies_in_the_past)
{
    EQ(weir_after(0), weir_now());
    EQ(weir_after(-5), weir_now());
    EQ(weir_after(INT64_MIN), weir_now());
    EQ(weir_after(7), weir_now() + 7);
    EQ(weir_after(INT64_MAX), WEIR_NEVER);
    EQ(weir_after(WEIR_NEVER - weir_now()), WEIR_NEVER);
    EQ(weir_after(WEIR_NEVER - weir_now() - 1), WEIR_NEVER - 1);
    return 0;
}

static int run_hours(void *arg)
{
    (void)arg;
    EQ(weir_sleep(weir_after(WEIR_MIN(60 * 24 * 365))), 0);
    EQ(world_age(), WEIR_MIN(60 * 24 * 365));
    return 0;
}

TEST_WITH(a_year_of_virtual_time_takes_no_time, .timeout = 5)
{
    EQ(world_run(run_hours, NULL), 0);
}

/* --- memory ------------------------------------------------------------- */

static int run_some_work(void *arg)
{
    weir_span span = WEIR_MS(3);
    weir_scope *s;
    int r = 0;
    (void)arg;
    s = weir_scope_open(&(struct weir_scope_opts){.results = 4});
    for (int i = 0; i < 3 && r == 0; i++)
        r = weir_go(s, fiber_sleep, &span);
    if (r < 0)
        (void)weir_scope_cancel(s, r);
    int c = weir_scope_close(&s);
    OK(!s);
    return c < 0 ? c : r;
}

static void run_under_faults(void *arg)
{
    int r = world_run(run_some_work, arg);
    if (!test_fault_hit())
        EQ(r, 0);
    else
        OK(r == -ENOMEM || r == -ECANCELED || r == 0);
}

TEST(every_failure_on_the_way_is_reported_and_leaves_nothing)
{
    EVERY_POINT(run_under_faults, NULL);
}

TEST(the_allocator_of_the_configuration_is_the_only_one)
{
    uint64_t before = test_alloc_calls();
    EQ(world_run(run_some_work, NULL), 0);
    LT(before, test_alloc_calls());
    EQ(test_alloc_live(), 0u);
    for (uint64_t k = 1; k < 12; k++) {
        test_alloc_fail_at(k);
        int r = world_run(run_some_work, NULL);
        OK(r == 0 || r == -ENOMEM);
        EQ(test_alloc_live(), 0u);
    }
}

/* --- the loop's own stack ----------------------------------------------- */

static int run_on_loop(void *arg)
{
    char big[100 << 10];
    volatile char *p = big;
    for (size_t i = 0; i < sizeof big; i += 512)
        p[i] = 1;
    EQ(weir_yield(), WEIR_ENOFIBER);
    EQ(weir_sleep(weir_after(1)), WEIR_ENOFIBER);
    EQ(weir_loop_call(run_seven, NULL), 7); /* already there */
    return *(int *)arg;
}

SIM_TEST(a_loop_call_runs_on_a_big_stack_and_cannot_park)
{
    int r = -EIO;
    EQ(weir_loop_call(run_on_loop, &r), -EIO);
    EQ(weir_loop_call(NULL, NULL), -EINVAL);
    for (int i = 0; i < 1000; i++)
        EQ(weir_loop_call(run_seven, NULL), 7);
    return 0;
}

static int run_send_from_loop(void *arg)
{
    weir_chan *ch = arg;
    int v = 5;
    EQ(weir_send(ch, &v, WEIR_NEVER), 1);
    EQ(weir_send(ch, &v, 0), -EAGAIN);
    EQ(weir_send(ch, &v, WEIR_NEVER), WEIR_ENOFIBER);
    return 0;
}

SIM_TEST(a_loop_call_may_use_what_does_not_park)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    int v = 0;
    EQ(weir_loop_call(run_send_from_loop, ch), 0);
    EQ(weir_recv(ch, &v, 0), 1);
    EQ(v, 5);
    weir_chan_free(&ch);
    return 0;
}

/* --- replay ------------------------------------------------------------- */

enum { RUN_TRACE = 600 };

struct run_trace {
    char text[RUN_TRACE];
    size_t n;
};

struct run_tracer {
    struct run_trace *trace;
    char name;
};

static int run_trace_step(void *arg)
{
    struct run_tracer *t = arg;
    for (int i = 0; i < 20; i++) {
        t->trace->text[t->trace->n++] = t->name;
        (void)weir_yield();
    }
    return 0;
}

static int run_traced(void *arg)
{
    struct run_tracer t[20];
    weir_scope *s = weir_scope_open(NULL);
    for (int i = 0; i < 20; i++) {
        t[i] = (struct run_tracer){arg, (char)('a' + i)};
        GO(s, run_trace_step, &t[i]);
    }
    return weir_scope_close(&s);
}

TEST(a_seed_replays_its_run_and_another_is_another_order)
{
    struct run_trace a = {.n = 0}, b = {.n = 0}, c = {.n = 0};
    EQ(world_seed(1, run_traced, &a), 0);
    EQ(world_seed(1, run_traced, &b), 0);
    EQ(world_seed(2, run_traced, &c), 0);
    EQ(a.n, 400u);
    MEMEQ(a.text, b.text, sizeof a.text);
    NE(memcmp(a.text, c.text, sizeof a.text), 0);
}

TEST(the_record_of_a_fiber_has_not_grown)
{
    LE(sizeof(struct weir__fiber), 280u);
    LE(sizeof(struct weir__node), 80u);
    LE(sizeof(struct weir__waiter), 48u);
}

/* --- shadow stacks ------------------------------------------------------ */

static int run_shadow_on(unsigned long *out_bits)
{
    *out_bits = 3; /* SHSTK and WRSS */
    return 0;
}

static int run_shadow_off(unsigned long *out_bits)
{
    *out_bits = 2;
    return 0;
}

static int run_shadow_unknown(unsigned long *out_bits)
{
    *out_bits = 1;
    return -1;
}

static void run_shadow_log(void *ctx, int level, const char *text)
{
    EQ(level, WEIR_LOG_ERROR);
    OK(strstr(text, "shadow stacks") != NULL);
    ++*(int *)ctx;
}

TEST(shadow_stacks_are_refused_by_a_clear_error_and_not_met)
{
    int told = 0;
    struct weir_config c = {.alloc = test_alloc, .log = run_shadow_log, .log_ctx = &told};
    weir_loop *l;

    weir__shadow_ask = run_shadow_on;
    EQ(weir_run(&c, fiber_nothing, NULL), -ENOTSUP);
    EQ(told, 1);
    EQ(weir_sim_run(1, &c, fiber_nothing, NULL), -ENOTSUP);
    l = weir_loop_open(&c, fiber_nothing, NULL);
    EQ(weir_loop_error(l), -ENOTSUP);
    c = (struct weir_config){.loops = 2};
    EQ(weir_run(&c, fiber_nothing, NULL), -ENOTSUP);
    weir__shadow_ask = run_shadow_off;
    EQ(weir_run(NULL, fiber_nothing, NULL), 0);
    weir__shadow_ask = run_shadow_unknown;
    EQ(weir_run(NULL, fiber_nothing, NULL), 0);
}

/* --- a build without `threads` -------------------------------------------- */

static int door_error(void *arg)
{
    weir_door *d = weir_door_open();
    int r = weir_door_error(d);
    (void)arg;
    EQ(weir_door_close(&d), r);
    return r;
}

TEST(several_loops_and_doors_are_there_or_refused)
{
    struct weir_config two = {.loops = 2};
    EQ(weir_run(&two, run_seven, NULL), WEIR_THREADS ? 7 : -ENOTSUP);
    EQ(weir_run(NULL, door_error, NULL), WEIR_THREADS ? 0 : -ENOTSUP);
}
