/*
 * test_rate.c -- rate.h against a brute-force model: never more than
 * burst + rate * T in any window, never less for one who always asks.
 */
#include "harness/test.h"

#include <errno.h>
#include <stdlib.h>

#include <weir/rate.h>

#define T0 WEIR_EPOCH
#define RATE(...) rate_of((struct weir_rate_opts){__VA_ARGS__})

static struct weir_rate rate_of(struct weir_rate_opts o)
{
    struct weir_rate r;
    EQ(weir_rate_init(&r, &o), 0);
    return r;
}

struct step {
    int64_t at, wait; /* ms; the take's answer */
};

static void follow(struct weir_rate r, const struct step *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        EQ(weir_rate_take(&r, 1, T0 + WEIR_MS(s[i].at)), WEIR_MS(s[i].wait));
}

#define FOLLOW(r, ...)                                                                             \
    follow(r, (const struct step[]){__VA_ARGS__},                                                  \
           sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

TEST(a_burst_goes_at_once_and_then_the_rate_holds)
{
    FOLLOW(RATE(.per_sec = 10, .burst = 3), {0, 0}, {0, 0}, {0, 0}, {0, 100}, {99, 1}, {100, 0},
           {100, 100});
}

TEST(the_default_burst_is_one_and_idling_saves_no_more)
{
    FOLLOW(RATE(.per_sec = 10), {0, 0}, {0, 100}, {100, 0}, {100000, 0}, {100000, 100});
}

TEST(a_long_idle_gives_no_extra_cell)
{
    FOLLOW(RATE(.per_sec = 10, .burst = 2), {0, 0}, {86400000, 0}, {86400000, 0}, {86400000, 100});
}

/* Cells admitted in each window against burst + rate * (T + 1 ns), exactly. */
static void check_windows(const weir_time *at, size_t n, uint64_t count, uint64_t period,
                          uint64_t burst)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n && j < i + 200; j++) {
            unsigned __int128 over = (unsigned __int128)(j - i + 1 > burst ? j - i + 1 - burst : 0);
            OK(over * period <= (unsigned __int128)(uint64_t)(at[j] - at[i] + 1) * count);
        }
}

TEST(no_window_admits_more_than_burst_plus_rate)
{
    enum { N = 600 };
    weir_time at[N];

    for (int round = 0; round < 60; round++) {
        uint32_t count = 1 + (uint32_t)(test_random() % 5000000), burst = 1 + test_random() % 9;
        weir_span period = 1 + (weir_span)(test_random() % WEIR_S(3));
        struct weir_rate r = RATE(.count = count, .period = period, .burst = burst);
        weir_time now = round % 2 ? T0 : 0;
        size_t n = 0;

        while (n < N) {
            uint32_t k = 1 + test_random() % burst;
            int64_t wait = weir_rate_take(&r, k, now);
            OK(wait >= 0);
            for (uint32_t i = 0; wait == 0 && i < k && n < N; i++)
                at[n++] = now;
            if (wait > 0) {
                NE(weir_rate_take(&r, k, now + wait - 1), 0);
                now += test_random() % 3 ? wait : (weir_span)(test_random() % (3 * wait));
            }
        }
        check_windows(at, N, count, (uint64_t)period, burst);
    }
}

TEST(a_greedy_caller_gets_all_of_it_without_drift)
{
    static const struct {
        uint32_t count;
        weir_span period;
    } row[] = {{3, WEIR_S(1)},         {7, WEIR_MIN(1)},         {1000000000, WEIR_S(1)},
               {999999937, WEIR_S(1)}, {4000000000u, WEIR_S(1)}, {3, 1}};

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct weir_rate r = RATE(.count = row[i].count, .period = row[i].period);
        weir_time now = T0;
        uint64_t n = 0;

        while (n < 300000) {
            int64_t wait = weir_rate_take(&r, 1, now);
            n += wait == 0;
            now += wait;
        }
        /* n takes need exactly ceil((n - 1) * period / count) */
        EQ((uint64_t)(now - T0),
           (uint64_t)((((unsigned __int128)(n - 1)) * (uint64_t)row[i].period + row[i].count - 1) /
                      row[i].count));
    }
}

TEST(bad_options_and_impossible_takes_answer_at_once)
{
    static const struct weir_rate_opts bad[] = {
        {0},
        {.per_sec = 1, .count = 1, .period = 1},
        {.count = 1},
        {.period = 1},
        {.count = 1, .period = -1},
        {.per_sec = 1, .reserved = {1}},
        {.per_sec = 1, .max_wait = -2},
        {.count = 1, .period = INT64_MAX},
        {.per_sec = 1, .burst = UINT32_MAX},
    };
    struct weir_rate r;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(weir_rate_init(&r, &bad[i]), -EINVAL);
        EQ(weir_rate_take(&r, 1, T0), -EINVAL);
        EQ(weir_rate_take(&r, 0, T0), -EINVAL);
        EQ(weir_rate_left(&r, T0), 0);
    }
    EQ(weir_rate_init(&r, NULL), -EINVAL);
    r = RATE(.per_sec = 1000000, .burst = UINT32_MAX);
    EQ(weir_rate_take(&r, UINT32_MAX, T0), 0);
    for (uint32_t per_ns = 1; per_ns < 10; per_ns += 2) { /* faster than the clock */
        int admitted = 0;
        r = RATE(.count = per_ns, .period = 1, .burst = 3);
        for (int i = 0; i < 1000; i++)
            admitted += weir_rate_take(&r, 1, T0 + i / 100) == 0;
        LE(admitted, 3 + (int)per_ns * 10);
        LE((int)per_ns * 9, admitted);
    }
    r = RATE(.per_sec = 5, .burst = 4);
    EQ(weir_rate_take(&r, 5, T0), WEIR_ERATE);
    EQ(weir_rate_take(&r, 0, T0), 0);
    EQ(weir_rate_left(&r, T0), 4);
}

TEST(a_flood_of_refused_takes_leaves_the_state_untouched)
{
    struct weir_rate r = RATE(.per_sec = 3, .burst = 2), copy;
    struct weir_rate_ticket t;

    EQ(weir_rate_take(&r, 2, T0), 0);
    copy = r;
    for (int i = 0; i < 1000000; i++)
        NE(weir_rate_take(&r, 1, T0 + i), 0);
    EQ(weir_rate_reserve(&r, 1, T0, T0 + WEIR_MS(300), &t), WEIR_ERATE);
    EQ(weir_rate_reserve(&r, 9, T0, WEIR_NEVER, &t), WEIR_ERATE);
    EQ(weir_rate_cancel(&r, &t), 0);
    MEMEQ(&r, &copy, sizeof r);
}

TEST(time_that_steps_back_mints_nothing_and_waits_no_longer)
{
    static const weir_span back[] = {1, WEIR_S(1), WEIR_S(3600), WEIR_EPOCH};
    uint32_t left;

    for (int i = 0; i < 4; i++) {
        struct weir_rate r = RATE(.per_sec = 10, .burst = 5);
        EQ(weir_rate_take(&r, 5, T0), 0);
        left = weir_rate_left(&r, T0 - back[i]);
        EQ(left, 0);
        EQ(weir_rate_take(&r, 1, T0 - back[i]), WEIR_MS(100));
        EQ(weir_rate_take(&r, 1, T0 + WEIR_MS(100)), 0);
    }
}

TEST(any_instant_is_defined)
{
    static const weir_time at[] = {INT64_MIN, -1, 0, 1, WEIR_EPOCH, INT64_MAX - 1, INT64_MAX};

    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 7; j++) {
            struct weir_rate r = RATE(.per_sec = 1, .burst = 3);
            struct weir_rate_ticket t;
            EQ(weir_rate_take(&r, 3, at[i]), 0);
            LE(weir_rate_take(&r, 1, at[j]), WEIR_S(1));
            LE(0, weir_rate_reserve(&r, 1, at[j], WEIR_NEVER, &t));
            LE(0, weir_rate_ready(&r, &t, at[i]));
            weir_rate_pause(&r, at[j], at[i]);
            LE(weir_rate_left(&r, at[j]), 3);
        }
}

TEST(a_jump_of_a_century_gives_a_burst_and_no_more)
{
    struct weir_rate r = RATE(.per_sec = 10, .burst = 5);

    EQ(weir_rate_take(&r, 5, T0), 0);
    EQ(weir_rate_left(&r, T0 + WEIR_S(86400) * 36500), 5);
    EQ(weir_rate_take(&r, 5, T0 + WEIR_S(86400) * 36500), 0);
    EQ(weir_rate_take(&r, 1, T0 + WEIR_S(86400) * 36500), WEIR_MS(100));
}

TEST(left_is_what_can_be_taken)
{
    for (int i = 0; i < 3000; i++) {
        uint32_t burst = 1 + test_random() % 40, left;
        struct weir_rate r = RATE(.count = 1 + test_random() % 1000000, .burst = burst,
                                  .period = 1 + (weir_span)(test_random() % WEIR_S(2)));
        struct weir_rate copy;
        weir_time now = T0 + (weir_span)(test_random() % 1000);

        (void)!weir_rate_take(&r, 1 + test_random() % burst, T0);
        (void)!weir_rate_take(&r, 1 + test_random() % burst, now);
        left = weir_rate_left(&r, now);
        copy = r;
        EQ(left ? weir_rate_take(&copy, left, now) : 0, 0);
        NE(left < burst ? weir_rate_take(&r, left + 1, now) : 1, 0);
    }
}

TEST(reservations_stand_in_a_row_and_a_hopeless_one_is_refused_at_once)
{
    struct weir_rate r = RATE(.per_sec = 10);
    struct weir_rate_ticket t[4];

    for (int i = 0; i < 3; i++)
        EQ(weir_rate_reserve(&r, 1, T0, WEIR_NEVER, &t[i]), WEIR_MS(100) * i);
    EQ(weir_rate_ready(&r, &t[2], T0 + WEIR_MS(30)), WEIR_MS(170));
    EQ(weir_rate_reserve(&r, 1, T0, T0 + WEIR_MS(300), &t[3]), WEIR_ERATE);
    EQ(weir_rate_peek(&r, 1, T0), WEIR_MS(300));
    EQ(weir_rate_reserve(&r, 1, T0, T0 + WEIR_MS(300) + 1, &t[3]), WEIR_MS(300));
    r = RATE(.per_sec = 10, .max_wait = WEIR_MS(150));
    EQ(weir_rate_reserve(&r, 1, T0, WEIR_NEVER, &t[0]), 0);
    EQ(weir_rate_reserve(&r, 1, T0, WEIR_NEVER, &t[1]), WEIR_MS(100));
    EQ(weir_rate_reserve(&r, 1, T0, WEIR_NEVER, &t[2]), WEIR_ERATE);
    r = RATE(.per_sec = 10, .max_wait = WEIR_NOWAIT);
    EQ(weir_rate_reserve(&r, 1, T0, WEIR_NEVER, &t[0]), 0);
    EQ(weir_rate_reserve(&r, 1, T0, WEIR_NEVER, &t[1]), WEIR_ERATE);
}

TEST(a_cancelled_reservation_leaves_no_trace)
{
    for (int i = 0; i < 2000; i++) {
        uint32_t burst = 1 + test_random() % 5;
        struct weir_rate r = RATE(.count = 1 + test_random() % 1000, .burst = burst,
                                  .period = 1 + (weir_span)(test_random() % WEIR_S(2)));
        struct weir_rate copy[3];
        struct weir_rate_ticket t[3];
        weir_time now = T0;

        (void)!weir_rate_take(&r, 1, now);
        for (int k = 0; k < 3; k++) {
            copy[k] = r;
            now += (weir_span)(test_random() % WEIR_MS(1));
            LE(0, weir_rate_reserve(&r, 1 + test_random() % burst, now, WEIR_NEVER, &t[k]));
        }
        for (int k = 2; k >= 0; k--) { /* last first: each is exact */
            EQ(weir_rate_cancel(&r, &t[k]), 1);
            MEMEQ(&r, &copy[k], sizeof r);
            EQ(weir_rate_cancel(&r, &t[k]), 0);
            MEMEQ(&r, &copy[k], sizeof r);
        }
    }
}

TEST(a_used_ticket_cannot_be_cancelled)
{
    struct weir_rate r = RATE(.per_sec = 10), copy;
    struct weir_rate_ticket t;

    EQ(weir_rate_reserve(&r, 1, T0, WEIR_NEVER, &t), 0);
    copy = r;
    weir_rate_use(&t);
    EQ(weir_rate_cancel(&r, &t), 0);
    MEMEQ(&r, &copy, sizeof r);
}

/* Random reservations and cancels, with and without hand-over: the used ones obey the law. */
static void cancel_at_random(int hand_over)
{
    enum { N = 150 };
    struct weir_rate r = RATE(.count = 7, .period = WEIR_MS(90), .burst = 2);
    struct weir_rate_ticket t[N];
    weir_time ready[N], at[N];
    size_t n = 0;

    for (int i = 0; i < N; i++) {
        weir_time now = T0 + WEIR_MS(5) * i;
        int64_t wait = weir_rate_reserve(&r, 1, now, WEIR_NEVER, &t[i]);
        ready[i] = now + wait;
        if (wait == 0)
            weir_rate_use(&t[i]);
        int k = (int)(test_random() % (unsigned)(i + 1));
        if (t[k].n == 0 || weir_rate_ready(&r, &t[k], now) == 0)
            continue;
        for (int j = k + 1; hand_over && j <= i; j++)
            if (t[j].n && weir_rate_swap(&t[k], &t[j]) == 0)
                ready[j] = now + weir_rate_ready(&r, &t[j], now);
        if (hand_over)
            EQ(weir_rate_cancel(&r, &t[k]), 1);
        else
            weir_rate_cancel(&r, &t[k]);
        ready[k] = 0;
    }
    for (int i = 0; i < N; i++)
        if (ready[i])
            at[n++] = ready[i];
    for (size_t i = 1; i < n; i++) /* insertion sort */
        for (size_t j = i; j > 0 && at[j - 1] > at[j]; j--) {
            weir_time x = at[j];
            at[j] = at[j - 1];
            at[j - 1] = x;
        }
    check_windows(at, n, 7, WEIR_MS(90), 2);
}

TEST(cancelling_in_the_middle_of_the_row_never_over_admits)
{
    for (int i = 0; i < 200; i++)
        cancel_at_random(i % 2);
}

TEST(a_pause_stops_the_clock_of_the_limit_and_only_extends)
{
    struct weir_rate r = RATE(.per_sec = 10, .burst = 2);
    struct weir_rate_ticket t;

    EQ(weir_rate_take(&r, 2, T0), 0);
    EQ(weir_rate_reserve(&r, 1, T0, WEIR_NEVER, &t), WEIR_MS(100));
    weir_rate_pause(&r, T0 + WEIR_S(5), T0 + WEIR_MS(40));
    weir_rate_pause(&r, T0 + WEIR_S(2), T0 + WEIR_MS(40));
    EQ(weir_rate_ready(&r, &t, T0 + WEIR_MS(40)), WEIR_MS(5020));
    EQ(weir_rate_take(&r, 1, T0 + WEIR_MS(40)), WEIR_MS(5120));
    EQ(weir_rate_left(&r, T0 + WEIR_S(4)), 0);
    EQ(weir_rate_ready(&r, &t, T0 + WEIR_S(5)), WEIR_MS(60));
    weir_rate_pause(&r, T0 + WEIR_S(6), T0 + WEIR_S(5));
    EQ(weir_rate_take(&r, 1, T0 + WEIR_S(6)), WEIR_MS(160));
    EQ(weir_rate_take(&r, 1, T0 + WEIR_MS(6160)), 0);
}

TEST(another_rate_keeps_what_was_used)
{
    struct weir_rate r = RATE(.per_sec = 1000, .burst = 10);
    struct weir_rate_opts slow = {.per_sec = 1, .burst = 10}, tiny = {.per_sec = 1, .burst = 1};
    struct weir_rate_opts bad = {.per_sec = 0}, fast = {.per_sec = 1000, .burst = 1};
    struct weir_rate copy;

    EQ(weir_rate_take(&r, 10, T0), 0);
    EQ(weir_rate_set(&r, &slow, T0), 0);
    EQ(weir_rate_left(&r, T0), 0); /* ten were used: none is there at the new rate either */
    EQ(weir_rate_take(&r, 1, T0), WEIR_S(1));
    EQ(weir_rate_set(&r, &tiny, T0), 0);
    EQ(weir_rate_take(&r, 1, T0), WEIR_S(1)); /* never below empty */
    copy = r;
    EQ(weir_rate_set(&r, &bad, T0), -EINVAL);
    MEMEQ(&r, &copy, sizeof r);
    EQ(weir_rate_set(&r, &fast, T0), 0);
    LE(weir_rate_take(&r, 1, T0), WEIR_MS(1));
    for (uint32_t used = 0; used < 4; used++) { /* exactly as many */
        r = RATE(.per_sec = 7, .burst = 4);
        EQ(weir_rate_take(&r, used, T0), 0);
        EQ(weir_rate_set(&r, &(struct weir_rate_opts){.per_sec = 3, .burst = 4}, T0), 0);
        LE(3 - used, weir_rate_left(&r, T0));
        LE(weir_rate_left(&r, T0), 4 - used);
    }
    r = RATE(.per_sec = 10, .burst = 4);
    EQ(weir_rate_take(&r, 1, T0), 0);
    EQ(weir_rate_set(&r, &slow, T0), 0);
    EQ(weir_rate_left(&r, T0), 9);
}

TEST(another_rate_keeps_reservations_and_does_not_admit_among_them)
{
    struct weir_rate r = RATE(.per_sec = 10);
    struct weir_rate_opts fast = {.per_sec = 100};
    struct weir_rate_ticket t[3], u;

    for (int i = 0; i < 3; i++)
        EQ(weir_rate_reserve(&r, 1, T0, WEIR_NEVER, &t[i]), WEIR_MS(100) * i);
    EQ(weir_rate_set(&r, &fast, T0), 0);
    EQ(weir_rate_ready(&r, &t[2], T0), WEIR_MS(200));
    EQ(weir_rate_reserve(&r, 1, T0, WEIR_NEVER, &u), WEIR_MS(210));
    EQ(weir_rate_cancel(&r, &t[2]), 0);
}

TEST(after_a_change_of_rate_a_reservation_cannot_be_given_back)
{
    struct weir_rate r = RATE(.per_sec = 10);
    struct weir_rate_opts same = {.per_sec = 10};
    struct weir_rate_ticket t[2];

    for (int i = 0; i < 2; i++)
        EQ(weir_rate_reserve(&r, 1, T0, WEIR_NEVER, &t[i]), WEIR_MS(100) * i);
    EQ(weir_rate_set(&r, &same, T0), 0);
    EQ(weir_rate_cancel(&r, &t[1]), 0);
    EQ(weir_rate_take(&r, 1, T0), WEIR_MS(200));
}

TEST(the_struct_does_not_grow_unnoticed)
{
    EQ(sizeof(struct weir_rate), 88);
    EQ(sizeof(struct weir_rate_ticket), 48);
}
