/*
 * test_null.c -- NULL options are options of zero, for each policy and for each way to
 * give them: the defaults where zero is one, -EINVAL where something has to be given.
 */
#include "harness/test.h"

#include <errno.h>

#include <weir/adaptive.h>
#include <weir/codel.h>
#include <weir/hedge.h>
#include <weir/keyed.h>
#include <weir/pass.h>
#include <weir/shed.h>

#define T0 WEIR_EPOCH

/* One initialised with NULL is, to the byte, one initialised with zeros. */
#define INIT(NOUN)                                                                                 \
    do {                                                                                           \
        struct weir_##NOUN none, zero;                                                             \
        memset(&none, 0, sizeof none);                                                             \
        memset(&zero, 0, sizeof zero);                                                             \
        EQ(weir_##NOUN##_init(&none, NULL), 0);                                                    \
        EQ(weir_##NOUN##_init(&zero, &(struct weir_##NOUN##_opts){0}), 0);                         \
        MEMEQ(&none, &zero, sizeof none);                                                          \
    } while (0)

TEST(a_policy_made_with_NULL_is_that_of_the_defaults)
{
    INIT(backoff);
    INIT(retry);
    INIT(budget);
    INIT(breaker);
    INIT(adaptive);
    INIT(codel);
    INIT(shed);
    INIT(hedge);
}

TEST(where_zero_is_no_option_NULL_is_none)
{
    struct weir_keyed_slot slots[8];
    struct weir_rate r;
    struct weir_bulkhead b;
    struct weir_keyed_rate k;

    EQ(weir_rate_init(&r, NULL), -EINVAL);
    EQ(weir_rate_init(&r, &(struct weir_rate_opts){0}), -EINVAL);
    EQ(weir_rate_take(&r, 1, T0), -EINVAL);
    EQ(weir_bulkhead_init(&b, NULL), -EINVAL);
    EQ(weir_bulkhead_init(&b, &(struct weir_bulkhead_opts){0}), -EINVAL);
    EQ(weir_bulkhead_take(&b, 1), -EINVAL);
    EQ(weir_keyed_init(&k, NULL, slots, 8, 1), -EINVAL);
    EQ(weir_keyed_init(&k, &(struct weir_rate_opts){0}, slots, 8, 1), -EINVAL);
    EQ(weir_keyed_take(&k, 1, 1, T0), -EINVAL);
}

/* One that had these options and is given NULL is one that is given zeros. */
#define CHANGE(NOUN, VERB, FIELD, value, ...)                                                      \
    do {                                                                                           \
        struct weir_##NOUN##_opts o = {.FIELD = value};                                            \
        struct weir_##NOUN none, zero, before;                                                     \
        memset(&before, 0, sizeof before);                                                         \
        EQ(weir_##NOUN##_init(&before, &o), 0);                                                    \
        none = zero = before;                                                                      \
        EQ(weir_##NOUN##_##VERB(&none, NULL __VA_ARGS__), 0);                                      \
        EQ(weir_##NOUN##_##VERB(&zero, &(struct weir_##NOUN##_opts){0} __VA_ARGS__), 0);           \
        OK(memcmp(&none, &before, sizeof none) != 0);                                              \
        MEMEQ(&none, &zero, sizeof none);                                                          \
    } while (0)
#define AT_T0 , T0

TEST(a_policy_that_is_given_NULL_has_the_defaults_from_then_on)
{
    CHANGE(retry, reconfigure, attempts, 7);
    CHANGE(budget, reconfigure, ratio_milli, 300, AT_T0);
    CHANGE(breaker, reconfigure, probes, 5, AT_T0);
    CHANGE(adaptive, set, max, 9);
    CHANGE(hedge, set, percent, 60);
}

TEST(a_limit_that_is_given_NULL_stays_what_it_was)
{
    struct weir_rate_opts o = {.per_sec = 10, .burst = 2};
    struct weir_keyed_slot slots[8];
    struct weir_keyed_rate k;
    struct weir_rate r;

    EQ(weir_rate_init(&r, &o), 0);
    EQ(weir_rate_set(&r, NULL, T0), -EINVAL);
    EQ(weir_rate_left(&r, T0), 2);
    EQ(weir_keyed_init(&k, &o, slots, 8, 1), 0);
    EQ(weir_keyed_set(&k, NULL, T0), -EINVAL);
    EQ(weir_keyed_take(&k, 1, 2, T0), 0);
}
