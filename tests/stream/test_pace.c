/*
 * test_pace.c -- pace and delay: what timelines.def does not show.
 */
#include "stream/marbles.h"

/* --- pace: the rate is kept, and never passed ------------------------------------------ */

enum { PACED = 20000 };
static weir_time paced[PACED];

/* Items that are always there, at a rate; the puller is busy after each, or now and then. */
static void paced_run(uint32_t per_sec, uint32_t burst, weir_span busy, bool now_and_then)
{
    weir_stream *s =
        weir_pace(weir_range(0, INT64_MAX),
                  &(struct weir_pace_opts){.rate = {.per_sec = per_sec, .burst = burst}});
    int64_t x;

    for (int i = 0; i < PACED; i++) {
        EQ(weir_next(s, &x), 1);
        EQ(x, i);
        paced[i] = weir_now();
        if (busy && (!now_and_then || test_random() % 8 == 0))
            EQ(weir_sleep(weir_after(now_and_then ? test_random() % busy : busy)), 0);
    }
    weir_stream_close(&s);
}

/* For instants a <= b: what goes out in [a, b] <= burst + rate * (b - a + 1 ms). */
static void paced_law(uint32_t per_sec, uint32_t burst)
{
    double period = 1e9 / per_sec;

    for (int width = 1; width < PACED; width = width * 3 + 1)
        for (int i = 0; i + width < PACED; i++) {
            double most = burst + ((double)(paced[i + width] - paced[i]) + 1e6) / period;

            if (width + 1 > most + 1e-6)
                FAIL("%d in %lld ns at %u/s", width + 1, (long long)(paced[i + width] - paced[i]),
                     per_sec);
        }
}

/* The rate over all of it, without the burst, within one in 200. */
static void paced_rate(uint32_t per_sec, uint32_t burst)
{
    double got = (PACED - (double)burst) * 1e9 / (double)(paced[PACED - 1] - paced[0]);

    OK(got > per_sec * 0.995 && got < per_sec * 1.005);
}

static int rates(void *arg)
{
    static const uint32_t rate[] = {5, 1000, 5000, 20000, 100000};

    (void)arg;
    for (size_t i = 0; i < 5; i++) {
        paced_run(rate[i], 1, 0, false);
        paced_law(rate[i], 1);
        paced_rate(rate[i], 1);
        paced_run(rate[i], 3, WEIR_S(1) / rate[i] / 2, false);
        paced_law(rate[i], 3);
        paced_rate(rate[i], 3);
    }
    return 0;
}

TEST(a_rate_is_kept_and_never_passed)
{
    EQ(world_run(rates, NULL), 0);
}

static int late(void *arg)
{
    (void)arg;
    paced_run(1000, 1, WEIR_US(900), true); /* up to 0.9 of a period */
    paced_law(1000, 1);
    paced_rate(1000, 1);
    paced_run(5000, 1, WEIR_US(450), true); /* up to 2 periods and more */
    paced_law(5000, 1);
    paced_rate(5000, 1);
    return 0;
}

TEST(what_a_puller_is_late_by_less_than_a_millisecond_is_made_good)
{
    EQ(world_run(late, NULL), 0);
}

static int away(void *arg)
{
    weir_stream *s =
        weir_pace(weir_range(0, INT64_MAX), &(struct weir_pace_opts){.rate = {.per_sec = 100}});
    int64_t x;

    (void)arg;
    EQ(weir_next(s, &x), 1);
    EQ(weir_sleep(weir_after(WEIR_S(5))), 0);
    for (int i = 0; i < 5; i++) { /* 5 s away save up one burst, and no more */
        EQ(weir_next(s, &x), 1);
        EQ(world_age(), WEIR_S(5) + i * WEIR_MS(10));
    }
    weir_stream_close(&s);
    return 0;
}

TEST(a_puller_that_is_away_saves_nothing_up)
{
    EQ(world_run(away, NULL), 0);
}

static uint64_t cost(void *ctx, const void *item)
{
    (void)ctx;
    return (uint64_t)(((const struct mark *)item)->c - 'a');
}

SIM_TEST(an_item_dearer_than_the_burst_is_paid_in_parts)
{
    struct weir_pace_opts o = {.rate = {.count = 1, .period = WEIR_MS(10), .burst = 2},
                               .cost = cost};

    marbles_want(weir_pace(marbles("(ahaaca)|"), &o), 0, /* 0, 7, 0, 0, 2, 0 cells */
                 "0:a 50:h 50:a 50:a 70:c 70:a 70:|");
    return 0;
}

SIM_TEST(an_item_that_comes_too_early_is_counted_as_failed)
{
    struct marbles_log l;

    marbles_run(
        &l,
        weir_pace(marbles("ab|"), &(struct weir_pace_opts){.rate = {.per_sec = 10}, .enforce = 1}),
        0, 0);
    EQ(l.end, WEIR_ERATE);
    EQ(l.books.out, 1);
    EQ(l.books.failed, 1);
    return 0;
}

/* Half a millisecond between two is enough, though the law's slack is a whole one. */
SIM_TEST(enforced_is_the_time_at_which_an_item_comes)
{
    weir_stream *s = weir_pace(weir_range(0, 100),
                               &(struct weir_pace_opts){.rate = {.per_sec = 2500}, .enforce = 1});
    int64_t x;

    for (int i = 0; i < 20; i++) {
        EQ(weir_next(s, &x), 1);
        EQ(weir_sleep(weir_after(WEIR_US(500))), 0);
    }
    EQ(weir_next(s, &x), 1);
    EQ(weir_next(s, &x), WEIR_ERATE);
    weir_stream_close(&s);
    return 0;
}

static struct weir__timer hog;

/* The loop was held up: everything that comes due now comes late by 0.3 ms. */
static void hog_fire(struct weir__timer *t)
{
    weir__loop_get()->now += WEIR_US(300);
    EQ(weir__timer_arm(t, t->at + WEIR_MS(1)), 0);
}

SIM_TEST(wake_ups_that_come_late_cost_nothing_of_the_rate)
{
    weir_stream *s =
        weir_pace(weir_range(0, INT64_MAX), &(struct weir_pace_opts){.rate = {.per_sec = 1000}});
    int64_t x;

    hog.fire = hog_fire;
    EQ(weir__timer_arm(&hog, weir_now() + WEIR_MS(1) - 1), 0);
    for (int i = 0; i <= 500; i++) {
        EQ(weir_next(s, &x), 1);
        if (i)
            EQ(world_age(), i * WEIR_MS(1) + WEIR_US(300) - 1); /* each is late, and no later */
    }
    weir__timer_stop(&hog);
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(a_pull_that_gives_up_keeps_the_item_and_its_turn)
{
    weir_stream *s =
        weir_pace(marbles("(abc)|"), &(struct weir_pace_opts){.rate = {.per_sec = 10}});
    struct mark m;

    for (int i = 0; i < 3; i++) {
        struct weir_limit l;

        for (int k = 0; i && k < 4; k++) {
            EQ(weir_limit_init(&l, weir_after(WEIR_MS(20))), 0);
            EQ(weir_limit_fini(&l, weir_next(s, &m)), -ETIMEDOUT);
        }
        EQ(weir_next(s, &m), 1);
        EQ(m.c, 'a' + i);
        EQ(world_age(), i * WEIR_MS(100));
        mark_drop(&m);
    }
    weir_stream_close(&s);
    return 0;
}

/* --- delay ----------------------------------------------------------------------------- */

SIM_TEST(a_delay_keeps_the_gaps)
{
    marbles_want(weir_delay(marbles("ab-(cd)--e---f|"), WEIR_MS(55), 9), 0,
                 "55:a 65:b 85:c 85:d 115:e 155:f 155:|");
    return 0;
}

SIM_TEST(a_delay_takes_no_more_than_it_states)
{
    int closed = 0;
    uint64_t before = marks_made;
    weir_stream *s = weir_delay(marbles_counted("(abcdefgh)|", &closed), WEIR_MS(50), 3);
    struct weir_shape_stats b;
    struct mark m;

    EQ(weir_next(s, &m), 1);
    EQ(world_age(), WEIR_MS(50));
    mark_drop(&m);
    world_settle();
    EQ(marks_made - before, 4); /* one gone, three held */
    EQ(weir_shape_stats(s, &b), 0);
    EQ(b.held, 3);
    EQ(b.most, 3);
    weir_stream_close(&s);
    EQ(closed, 1);
    EQ(marks_live, 0);
    return 0;
}

SIM_TEST(many_at_a_time_are_those_that_are_due)
{
    weir_stream *s = weir_delay(marbles("abcdef|"), WEIR_MS(100), 9);
    struct mark m[9];

    EQ(weir_pull(s, m, 9), 1); /* a, at 100 */
    EQ(weir_sleep(WEIR_EPOCH + WEIR_MS(125)), 0);
    EQ(weir_pull(s, &m[1], 8), 2); /* b and c; d is due at 130 */
    EQ(world_age(), WEIR_MS(125));
    EQ(weir_pull(s, &m[3], 6), 1);
    EQ(world_age(), WEIR_MS(130));
    for (int i = 0; i < 4; i++) {
        EQ(m[i].c, 'a' + i);
        mark_drop(&m[i]);
    }
    weir_stream_close(&s);
    EQ(marks_live, 0);
    return 0;
}

SIM_TEST(a_failure_comes_after_what_is_delayed)
{
    marbles_want(weir_delay(marbles("a-b!"), WEIR_MS(55), 9), 0, "55:a 75:b 75:!");
    return 0;
}

SIM_TEST(a_slow_puller_finds_what_is_due)
{
    marbles_want(weir_delay(marbles("abcd|"), WEIR_MS(20), 9), WEIR_MS(100),
                 "20:a 120:b 220:c 320:d 420:|");
    return 0;
}
