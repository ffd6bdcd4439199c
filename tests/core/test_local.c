/*
 * Values that go with a fiber: inherited at the start, seen by nobody else,
 * dropped once, by the last who has them.
 */
#include <stdlib.h>
#include <weir.h>

#include "core/world.h"

static int drops;

static void count_drop(void *value)
{
    ++*(int *)value;
    drops++;
}

static struct weir_local plain = WEIR_LOCAL("plain", NULL);
static struct weir_local counted = WEIR_LOCAL("counted", count_drop);
static int one, two;

/* --- what is seen ------------------------------------------------------ */

static int sees(void *arg)
{
    void *want = arg;

    EQ(weir_local_get(&plain), want);
    (void)weir_yield();
    EQ(weir_local_get(&plain), want);
    return 0;
}

static int sets_its_own(void *arg)
{
    EQ(weir_local_get(&plain), &one);
    EQ(weir_local_set(&plain, arg), 0);
    (void)weir_yield();
    EQ(weir_local_get(&plain), arg);
    return 0;
}

static int has_grandchildren(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    GO(s, sees, arg);
    return weir_scope_close(&s);
}

SIM_TEST(a_fiber_inherits_what_was_set_when_it_was_started)
{
    weir_scope *s = weir_scope_open(NULL);

    EQ(weir_local_get(&plain), NULL);
    GO(s, sees, NULL);
    EQ(weir_local_set(&plain, &one), 0);
    GO(s, sees, &one);
    GO(s, has_grandchildren, &one);
    GO(s, sets_its_own, &two);
    EQ(weir_local_set(&plain, &two), 0); /* none of them sees that */
    EQ(weir_scope_close(&s), 0);
    EQ(weir_local_get(&plain), &two);
    EQ(weir_local_set(&plain, NULL), 0);
    EQ(weir_local_get(&plain), NULL);
    return 0;
}

static int pulls(void *ctx, void *in, void *out)
{
    EQ(weir_local_get(&plain), ctx);
    *(int64_t *)out = *(int64_t *)in;
    return 1;
}

SIM_TEST(the_fibers_of_a_stream_have_those_of_its_first_puller)
{
    weir_stream *s;
    uint64_t n;

    EQ(weir_local_set(&plain, &one), 0);
    s = weir_par_map(weir_range(0, 9), pulls, &one, WEIR_TYPE(int64_t),
                     &(struct weir_par_opts){.limit = 3});
    EQ(weir_count(&s, &n), 0);
    EQ(n, 9);
    return 0;
}

/* Fails once, so that a timer starts its second attempt; sets one that no other job sees. */
static int tries_twice(void *ctx, void *in, void *out)
{
    EQ(weir_local_get(&plain), ctx);
    EQ(weir_local_set(&plain, &two), 0);
    if (weir_try_info().attempt == 1)
        return WEIR_EPROTO;
    *(int64_t *)out = *(int64_t *)in;
    return 1;
}

static int pulls_the_rest(void *arg)
{
    weir_stream **s = arg;
    uint64_t n;

    EQ(weir_local_set(&plain, &two), 0);
    EQ(weir_count(s, &n), 0);
    EQ(n, 19);
    return 0;
}

static int jobs_of_two_pullers(void *arg)
{
    weir_policy *twice = WEIR_POLICY(WEIR_RETRY(.attempts = 2, .base = WEIR_US(10)));
    weir_scope *scope = weir_scope_open(NULL);
    weir_stream *s;
    int64_t x;

    EQ(weir_policy_error(twice), 0);
    EQ(weir_local_set(&plain, &one), 0);
    s = weir_par_map(
        weir_range(0, 20), tries_twice, &one, WEIR_TYPE(int64_t),
        &(struct weir_par_opts){
            .limit = 3, .window = 4, .policy = twice, .loops = (uint32_t)(intptr_t)arg});
    EQ(weir_next(s, &x), 1);
    GO(scope, pulls_the_rest, &s);
    EQ(weir_scope_close(&scope), 0);
    weir_policy_free(&twice);
    return 0;
}

SIM_TEST(a_job_has_those_of_the_first_puller_whoever_starts_it)
{
    return jobs_of_two_pullers(NULL);
}

TEST(a_job_on_another_loop_has_them_too)
{
    NEEDS_THREADS();
    EQ(weir_run(&(struct weir_config){.loops = 3}, jobs_of_two_pullers, (void *)3), 0);
}

/* --- who has none ------------------------------------------------------ */

static int loads_alone(void *ctx, const void *key, size_t len, void *out_value)
{
    (void)ctx;
    EQ(weir_local_get(&plain), NULL);
    EQ(weir_local_get(&counted), NULL);
    memcpy(out_value, key, len);
    return 0;
}

static int made_with, made_without;

static int makes(void *ctx, void **object)
{
    *(weir_local_get(&plain) ? &made_with : &made_without) += 1;
    *object = ctx;
    return 0;
}

static void unmakes(void *ctx, void *object, int why)
{
    EQ(object, ctx);
    EQ(why, 0);
}

/* They may outlive the caller, and what it lent to its own. */
SIM_TEST(a_load_and_what_a_pool_makes_ahead_have_none)
{
    weir_flights *f =
        weir_flights_new(&(struct weir_flights_opts){.type = WEIR_TYPE(int), .load = loads_alone});
    weir_pool *p = weir_pool_new(&(struct weir_pool_opts){
        .create = makes, .destroy = unmakes, .ctx = &two, .max = 2, .min = 2});
    struct weir_lease lease;
    int key = 3, value = 0;

    made_with = made_without = 0;
    EQ(weir_local_set(&plain, &one), 0);
    EQ(weir_local_set(&counted, &drops), 0);
    EQ(weir_flights_run(f, &key, sizeof key, &value, sizeof value), 0);
    EQ(value, 3);
    EQ(weir_local_get(&plain), &one);
    EQ(weir_pool_get(p, &lease, WEIR_NEVER), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(made_with, 1); /* by the one who asked */
    EQ(made_without, 1);
    EQ(weir_pool_put(&lease, 0), 0);
    EQ(weir_local_set(&counted, NULL), 0);
    weir_pool_free(&p);
    weir_flights_free(&f);
    return 0;
}

/* --- dropping ---------------------------------------------------------- */

static int stays(void *arg)
{
    EQ(weir_sleep(weir_after(*(weir_span *)arg)), 0);
    EQ(drops, 0);
    return 0;
}

static int spawns_and_goes(void *arg)
{
    static weir_span spans[] = {WEIR_MS(3), WEIR_MS(9), WEIR_MS(5)};

    EQ(weir_local_set(&counted, &one), 0);
    for (int i = 0; i < 3; i++)
        GO(arg, stays, &spans[i]);
    return 0;
}

SIM_TEST(the_last_of_those_who_have_it_drops_it)
{
    weir_scope *s = weir_scope_open(NULL);

    one = drops = 0;
    GO(s, spawns_and_goes, s);
    EQ(weir_scope_close(&s), 0);
    EQ(drops, 1);
    EQ(one, 1);
    return 0;
}

static int sets_many(void *arg)
{
    int *values = arg;

    for (int i = 0; i < 5; i++) {
        EQ(weir_local_set(&counted, &values[i]), 0);
        EQ(weir_local_set(&plain, &values[i]), 0); /* moves to a new table, drops nothing */
        EQ(drops, i);
        EQ(weir_local_get(&counted), &values[i]);
    }
    EQ(weir_local_set(&counted, NULL), 0);
    EQ(drops, 5);
    EQ(weir_local_set(&counted, &values[5]), 0);
    return 0;
}

SIM_TEST(a_set_drops_what_was_there)
{
    weir_scope *s = weir_scope_open(NULL);
    int values[6] = {0};

    drops = 0;
    GO(s, sets_many, values);
    EQ(weir_scope_close(&s), 0); /* the last value is gone by now */
    for (int i = 0; i < 6; i++)
        EQ(values[i], 1);
    return 0;
}

static void looks(void *value)
{
    (void)value;
    drops++;
    EQ(weir_local_get(&plain), NULL);
}

static struct weir_local looking = WEIR_LOCAL("looking", looks);

static int ends_with_both(void *arg)
{
    (void)arg;
    EQ(weir_local_set(&plain, &one), 0);
    EQ(weir_local_set(&looking, &one), 0);
    return 0;
}

SIM_TEST(a_drop_at_the_end_of_a_fiber_finds_no_values)
{
    weir_scope *s = weir_scope_open(NULL);

    drops = 0;
    GO(s, ends_with_both, NULL);
    EQ(weir_scope_close(&s), 0);
    EQ(drops, 1);
    return 0;
}

static int inside(void *arg)
{
    EQ(weir_local_get(&counted), &two);
    EQ(weir_local_set(&plain, &two), 0);
    return *(int *)arg;
}

SIM_TEST(with_sets_it_for_a_call_and_puts_everything_back)
{
    int result = 7;

    one = two = drops = 0;
    EQ(weir_local_set(&plain, &one), 0);
    EQ(weir_local_set(&counted, &one), 0);
    EQ(weir_local_with(&counted, &two, inside, &result), 7);
    EQ(two, 1);
    EQ(one, 0);
    EQ(weir_local_get(&counted), &one);
    EQ(weir_local_get(&plain), &one);
    result = -EIO;
    EQ(weir_local_with(&counted, &two, inside, &result), -EIO);
    EQ(two, 2);
    EQ(weir_local_set(&counted, NULL), 0);
    EQ(one, 1);
    EQ(weir_local_with(&counted, NULL, fiber_nothing, NULL), 0);
    EQ(drops, 3);
    return 0;
}

/* --- what is refused --------------------------------------------------- */

TEST(off_a_fiber_there_are_none)
{
    drops = 0;
    EQ(weir_local_get(&counted), NULL);
    EQ(weir_local_set(&counted, &one), WEIR_ENOFIBER);
    EQ(weir_local_with(&counted, &one, fiber_nothing, NULL), WEIR_ENOFIBER);
    EQ(drops, 0);
}

SIM_TEST(a_key_is_needed_and_a_function)
{
    struct weir_local odd = {.reserved = 1};

    EQ(weir_local_get(NULL), NULL);
    EQ(weir_local_set(NULL, &one), -EINVAL);
    EQ(weir_local_set(&odd, &one), -EINVAL);
    EQ(weir_local_with(NULL, &one, fiber_nothing, NULL), -EINVAL);
    EQ(weir_local_with(&plain, &one, NULL, NULL), -EINVAL);
    return 0;
}

static int fill_up(void *arg)
{
    static struct weir_local keys[WEIR_LOCALS_MOST + 3];
    static int values[WEIR_LOCALS_MOST + 3];
    int n = 0, r;

    (void)arg;
    while ((r = weir_local_set(&keys[n], &values[n])) == 0)
        n++;
    EQ(r, WEIR_EFULL);
    EQ(n, WEIR_LOCALS_MOST);
    for (int i = 0; i < n; i++)
        EQ(weir_local_get(&keys[i]), &values[i]);
    EQ(weir_local_get(&keys[n]), NULL);
    EQ(weir_local_set(&keys[n + 1], &one), WEIR_EFULL);
    EQ(weir_local_set(&keys[0], &one), 0); /* those that have a number go on */
    return 0;
}

TEST(there_is_an_end_to_keys)
{
    EQ(world_run(fill_up, NULL), 0);
}

static int life(void *arg)
{
    int r = weir_local_set(&counted, &one);
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    if (r == 0)
        EQ(weir_local_get(&counted), &one);
    else
        EQ(r, -ENOMEM);
    if (weir_go(s, sees, NULL) < 0)
        EQ(test_fault_hit(), 1);
    (void)weir_local_with(&plain, &two, fiber_nothing, NULL);
    EQ(weir_local_get(&plain), NULL);
    (void)weir_scope_close(&s);
    r = weir_local_set(&counted, &two);
    if (r < 0)
        EQ(two, 0);
    return 0;
}

static void life_run(void *arg)
{
    one = two = 0;
    (void)world_run(life, arg);
    LE(one, 1);
    LE(two, 1);
    if (!test_fault_k)
        EQ(one + two, 2);
}

TEST(whatever_fails_values_are_dropped_once)
{
    life_run(NULL);
    EVERY_POINT(life_run, NULL);
}

/* --- many loops -------------------------------------------------------- */

static int far_drops;

static void far_drop(void *value)
{
    __atomic_add_fetch(&far_drops, 1, __ATOMIC_RELAXED);
    free(value);
}

static struct weir_local far_key = WEIR_LOCAL("far", far_drop), far_other = WEIR_LOCAL("o", NULL);

static int far_child(void *arg)
{
    for (int i = 0; i < 20; i++) {
        EQ(*(int *)weir_local_get(&far_key), 42);
        EQ(weir_local_set(&far_other, arg), 0);
        (void)weir_yield();
        EQ(weir_local_get(&far_other), arg);
    }
    return 0;
}

static int far_parent(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    int marks[12];

    (void)arg;
    for (int i = 0; i < 12; i++) {
        int *value = malloc(sizeof *value);

        *value = 42;
        EQ(weir_local_set(&far_key, value), 0);
        EQ(weir_go_on(s, i % 3, far_child, &marks[i], NULL), 0);
        EQ(weir_go_on(s, (i + 1) % 3, far_child, &marks[i], NULL), 0);
    }
    EQ(weir_local_set(&far_key, NULL), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(far_drops, 12);
    return 0;
}

TEST(members_on_other_loops_inherit_too)
{
    NEEDS_THREADS();
    struct weir_config c = {.loops = 3};

    EQ(weir_run(&c, far_parent, NULL), 0);
}
