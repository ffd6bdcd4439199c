/*
 * test_fetch_sched.c -- which item of `weir fetch` runs next, on a clock that the test turns by
 * hand: waits, pauses, breakers, timeouts, windows, ends.
 */
#include "fetch_world.h"

#include <errno.h>
#include <stdio.h>

/* --- an item's life ------------------------------------------------- */

TEST(a_good_answer_ends_an_item_at_its_first_try)
{
    struct world w;
    struct fetch_policy p = plain();
    world_open(&w, &p);
    struct fetch_job *job = world_add(&w, " http://h/a \r");
    STREQ(job->url, "http://h/a");
    EQ(starts(&w), job);
    EQ(job->work->limit, WEIR_S(30));
    OK(fetch_sched_next(&w.s, w.now) == NULL);
    w.now += WEIR_MS(20);
    OK(done(&w, job, answer(200)));
    EQ(job->attempts, 1);
    EQ(job->outcome, FETCH_OK);
    world_deliver(&w, job);
    world_close(&w);
}

TEST(a_single_url_backs_off_by_doubling)
{
    static const int ms[] = {500, 1000, 2000, 4000, 8000};
    struct world w;
    struct fetch_policy p = plain();
    world_open(&w, &p);
    struct fetch_job *job = world_add(&w, "http://h/a");
    for (int i = 0; i < 5; i++) {
        EQ(starts(&w), job);
        OK(!done(&w, job, answer(503)));
        EQ(job->state, FETCH_WAITING);
        EQ(fetch_sched_wake(&w.s), w.now + WEIR_MS(ms[i]));
        w.now += WEIR_MS(ms[i]) - 1;
        OK(fetch_sched_next(&w.s, w.now) == NULL);
        w.now++;
    }
    EQ(starts(&w), job);
    OK(done(&w, job, answer(503)));
    EQ(job->attempts, 6);
    EQ(job->outcome, FETCH_HTTP);
    world_deliver(&w, job);
    world_close(&w);
}

TEST(an_unlucky_item_on_a_host_that_delivers_backs_off_by_the_root_of_two)
{
    struct world w;
    struct fetch_policy p = plain();
    world_open(&w, &p);
    struct fetch_job *job = world_add(&w, "http://h/a");
    weir_span was = 0;
    for (int i = 0; i < 5; i++) {
        EQ(starts(&w), job);
        struct fetch_job *other = world_add(&w, "http://h/b");
        OK(!done(&w, job, answer(503)));
        weir_span wait = fetch_job_try(job)->wait;
        if (i > 0) {
            LE(was * 140, wait * 100);
            LE(wait * 100, was * 142);
        }
        was = wait;
        EQ(starts(&w), other);
        OK(done(&w, other, answer(200)));
        world_deliver(&w, other);
        w.now += wait;
    }
    OK(done(&w, starts(&w), answer(200)));
    world_deliver(&w, job);
    world_close(&w);
}

TEST(a_waiting_retry_holds_no_slot)
{
    struct world w;
    struct fetch_policy p = plain();
    p.jobs = 1;
    world_open(&w, &p);
    struct fetch_job *a = world_add(&w, "http://h/a"), *b = world_add(&w, "http://h/b");
    EQ(starts(&w), a);
    OK(fetch_sched_next(&w.s, w.now) == NULL);
    OK(!done(&w, a, answer(503)));
    EQ(starts(&w), b);
    OK(done(&w, b, answer(200)));
    world_deliver(&w, b);
    w.now += WEIR_MS(500);
    EQ(starts(&w), a);
    OK(done(&w, a, answer(200)));
    world_deliver(&w, a);
    world_close(&w);
}

TEST(what_is_not_on_the_list_is_not_retried_and_post_only_when_asked)
{
    struct world w;
    struct fetch_policy p = plain();
    world_open(&w, &p);
    OK(world_add(&w, "http://h/a") != NULL);
    struct fetch_job *job = starts(&w);
    OK(done(&w, job, answer(404)));
    EQ(job->outcome, FETCH_HTTP);
    world_deliver(&w, job);
    w.s.policy.retry = false;
    OK(world_add(&w, "http://h/a") != NULL);
    job = starts(&w);
    OK(done(&w, job, broken(FETCH_RESET)));
    world_deliver(&w, job);
    world_close(&w);
}

TEST(a_body_that_failed_is_dropped)
{
    struct world w;
    struct fetch_policy p = plain();
    p.retries = 0;
    world_open(&w, &p);
    struct fetch_job *job = world_add(&w, "http://h/a");
    EQ(starts(&w), job);
    job->work->body = strdup("half");
    job->work->body_len = 4;
    OK(done(&w, job, broken(FETCH_TRUNCATED)));
    OK(job->work->body == NULL);
    EQ(job->work->body_len, 0);
    world_deliver(&w, job);
    world_close(&w);
}

TEST(a_line_that_is_no_url_is_an_item_that_is_invalid)
{
    struct world w;
    struct fetch_policy p = plain();
    world_open(&w, &p);
    world_add(&w, "not a url");
    struct fetch_job *job = fetch_sched_next(&w.s, w.now);
    OK(job != NULL);
    EQ(job->outcome, FETCH_INVALID);
    world_deliver(&w, job);
    world_close(&w);
}

/* --- Retry-After ---------------------------------------------------- */

TEST(retry_after_is_a_floor_and_jitter_comes_on_top)
{
    struct world w;
    struct fetch_policy p = plain();
    p.backoff.jitter = WEIR_JITTER_FULL;
    world_open(&w, &p);
    for (int i = 0; i < 50; i++) {
        struct fetch_job *job = world_add(&w, "http://h/a");
        EQ(starts(&w), job);
        OK(!done(&w, job, asked(429, WEIR_S(2))));
        LT(WEIR_S(2), fetch_job_try(job)->wait);
        LE(fetch_job_try(job)->wait, WEIR_MS(2500));
        w.now += WEIR_S(3);
        OK(done(&w, starts(&w), answer(200)));
        world_deliver(&w, job);
    }
    world_close(&w);
}

TEST(retry_after_can_be_capped_or_ignored)
{
    struct fetch_ra ra_of = {FETCH_RA_CAP, WEIR_S(1), FETCH_RA_AUTO};
    EQ(fetch_ra_wait(&ra_of, WEIR_S(60)), WEIR_S(1));
    EQ(fetch_ra_wait(&ra_of, WEIR_MS(1)), WEIR_MS(1));
    ra_of.mode = FETCH_RA_IGNORE;
    OK(fetch_ra_wait(&ra_of, WEIR_S(60)) < 0);
    ra_of.mode = FETCH_RA_HONOUR;
    EQ(fetch_ra_wait(&ra_of, WEIR_S(60)), WEIR_S(60));
}

/* Three items of one host and one of another: what the third 429 does. */
static void three_asked(struct world *w, struct fetch_job *jobs[5])
{
    for (int i = 0; i < 4; i++)
        jobs[i] = world_add(w, "http://h/a");
    for (int i = 0; i < 3; i++)
        EQ(starts(w), jobs[i]);
    for (int i = 0; i < 3; i++)
        OK(!done(w, jobs[i], asked(429, WEIR_S(2))));
    jobs[4] = world_add(w, "http://other/a");
}

static void finish_all(struct world *w)
{
    for (int i = 0; w->s.held > 0 && i < 1000; i++) {
        struct fetch_job *job = fetch_sched_next(&w->s, w->now);
        if (job == NULL) {
            OK(fetch_sched_wake(&w->s) < WEIR_NEVER);
            w->now = fetch_sched_wake(&w->s);
            continue;
        }
        if (job->state == FETCH_DONE || done(w, job, answer(200)))
            world_deliver(w, job);
    }
}

TEST(three_answers_with_retry_after_pause_the_host_for_everyone)
{
    struct world w;
    struct fetch_policy p = plain();
    struct fetch_job *jobs[5];
    world_open(&w, &p);
    three_asked(&w, jobs);
    EQ(starts(&w), jobs[4]); /* the other host goes on */
    OK(fetch_sched_next(&w.s, w.now) == NULL);
    EQ(fetch_sched_held_back(&w.s), 1);
    w.now += WEIR_S(2) - 1;
    OK(fetch_sched_next(&w.s, w.now) == NULL);
    w.now += 1;
    struct fetch_job *first = starts(&w); /* one probe, not a crowd */
    OK(fetch_sched_next(&w.s, w.now) == NULL);
    EQ(fetch_job_try(first)->due, T0 + WEIR_S(2));
    OK(done(&w, first, answer(200)));
    OK(fetch_sched_next(&w.s, w.now) == NULL); /* nor in a rush after it */
    LE(fetch_sched_wake(&w.s), T0 + WEIR_S(3));
    world_deliver(&w, first);
    OK(done(&w, jobs[4], answer(200)));
    world_deliver(&w, jobs[4]);
    finish_all(&w);
    EQ(w.by_outcome[FETCH_OK], 5);
    world_close(&w);
}

/* A server that allows 100 a second, and says Retry-After 1 to the others: seconds for 600. */
static double seconds_within(uint32_t burst)
{
    struct world w;
    struct fetch_policy p = plain();
    struct weir_rate limit;
    uint64_t refused = 0;
    p.window = 600;
    p.retries = 100;
    world_open(&w, &p);
    EQ(weir_rate_init(&limit, &(struct weir_rate_opts){.per_sec = 100, .burst = burst}), 0);
    for (int i = 0; i < 600; i++)
        world_add(&w, "http://h/a");
    while (w.s.held > 0) {
        struct fetch_job *job = fetch_sched_next(&w.s, w.now);
        if (job == NULL) {
            LT(w.now, fetch_sched_wake(&w.s));
            w.now = fetch_sched_wake(&w.s);
            continue;
        }
        w.now += WEIR_MS(1);
        bool good = weir_rate_take(&limit, 1, w.now) == 0;
        refused += !good;
        if (done(&w, job, good ? answer(200) : asked(429, WEIR_S(1))))
            world_deliver(&w, job);
    }
    double seconds = (double)(w.now - T0) / 1e9;
    test_note("burst %u: %.1f s, %u refused", burst, seconds, (unsigned)refused);
    LT(refused, 150);
    world_close(&w);
    return seconds;
}

TEST(the_pace_after_a_pause_settles_at_the_hosts_limit)
{
    OK(seconds_within(1) < 15);
    OK(seconds_within(10) < 15);
    OK(seconds_within(100) < 15);
}

TEST(a_success_between_them_keeps_the_host_open)
{
    struct world w;
    struct fetch_policy p = plain();
    world_open(&w, &p);
    for (int i = 0; i < 6; i++) {
        struct fetch_job *bad = world_add(&w, "http://h/a");
        EQ(starts(&w), bad);
        OK(!done(&w, bad, asked(503, WEIR_S(100))));
        if (i % 2 == 1) {
            struct fetch_job *good = world_add(&w, "http://h/b");
            EQ(starts(&w), good);
            OK(done(&w, good, answer(200)));
            world_deliver(&w, good);
        }
    }
    EQ(fetch_sched_held_back(&w.s), 0);
    finish_all(&w);
    world_close(&w);
}

TEST(the_scope_of_retry_after_can_be_chosen)
{
    struct world w;
    struct fetch_policy p = plain();
    struct fetch_job *jobs[5];
    p.ra.scope = FETCH_RA_URL;
    world_open(&w, &p);
    three_asked(&w, jobs);
    EQ(starts(&w), jobs[3]);
    EQ(starts(&w), jobs[4]);
    OK(done(&w, jobs[3], answer(200)) && done(&w, jobs[4], answer(200)));
    world_deliver(&w, jobs[3]);
    world_deliver(&w, jobs[4]);
    w.s.policy.ra.scope = FETCH_RA_HOST;
    finish_all(&w);
    struct fetch_job *a = world_add(&w, "http://h/a");
    EQ(starts(&w), a);
    world_add(&w, "http://h/b");
    OK(!done(&w, a, asked(503, WEIR_S(9))));
    OK(fetch_sched_next(&w.s, w.now) == NULL);
    finish_all(&w);
    world_close(&w);
}

/* --- limits --------------------------------------------------------- */

TEST(jobs_and_per_host_bound_what_runs_and_hosts_take_turns)
{
    struct world w;
    struct fetch_policy p = plain();
    p.jobs = 5;
    p.per_host = 3;
    world_open(&w, &p);
    for (int i = 0; i < 10; i++)
        world_add(&w, "http://big/a");
    for (int i = 0; i < 3; i++)
        world_add(&w, "http://small/a");
    struct fetch_job *ran[5];
    static const char *const turns[] = {"big", "small", "big", "small", "big"};
    for (int i = 0; i < 5; i++) {
        ran[i] = starts(&w);
        MEMEQ(ran[i]->url + 7, turns[i], strlen(turns[i]));
    }
    OK(fetch_sched_next(&w.s, w.now) == NULL);
    EQ(w.s.running, 5);
    OK(done(&w, ran[1], answer(200)));
    struct fetch_job *next = starts(&w); /* big is at its limit */
    MEMEQ(next->url + 7, "small", 5);
    ran[1] = (world_deliver(&w, ran[1]), next);
    for (int i = 0; i < 5; i++) {
        OK(done(&w, ran[i], answer(200)));
        world_deliver(&w, ran[i]);
    }
    finish_all(&w);
    EQ(w.delivered, 13);
    world_close(&w);
}

TEST(rates_hold_in_all_and_for_a_host)
{
    struct world w;
    struct fetch_policy p = plain();
    p.has_rate = p.has_host_rate = true;
    p.rate = (struct weir_rate_opts){.per_sec = 10, .burst = 2};
    p.host_rate = (struct weir_rate_opts){.per_sec = 2};
    world_open(&w, &p);
    weir_time started[8];
    for (int i = 0; i < 8; i++)
        world_add(&w, i % 2 == 0 ? "http://a/" : "http://b/");
    for (int i = 0; i < 8;) {
        struct fetch_job *job = fetch_sched_next(&w.s, w.now);
        if (job == NULL) {
            LT(w.now, fetch_sched_wake(&w.s));
            w.now = fetch_sched_wake(&w.s);
            continue;
        }
        started[i++] = w.now;
        OK(done(&w, job, answer(200)));
        world_deliver(&w, job);
    }
    EQ(started[1], T0);
    EQ(started[7] - started[0], WEIR_MS(1500)); /* four a host at two a second */
    world_close(&w);
}

TEST(an_open_breaker_defers_work_and_lets_probes_through)
{
    struct world w;
    struct fetch_policy p = plain();
    p.has_breaker = true;
    p.breaker = (struct weir_breaker_opts){
        .period = WEIR_S(10), .min_calls = 4, .percent = 80, .open = WEIR_S(5), .probes = 1};
    world_open(&w, &p);
    for (int i = 0; i < 6; i++)
        world_add(&w, "http://h/a");
    struct fetch_job *jobs[4];
    for (int i = 0; i < 4; i++)
        jobs[i] = starts(&w);
    for (int i = 0; i < 4; i++)
        OK(!done(&w, jobs[i], answer(503)));
    OK(fetch_sched_next(&w.s, w.now) == NULL);
    EQ(fetch_sched_held_back(&w.s), 2);
    weir_time opened = w.now;
    while (fetch_sched_next(&w.s, w.now) == NULL)
        w.now = fetch_sched_wake(&w.s);
    LE(opened + WEIR_S(5) / 10 * 9, w.now);
    EQ(w.s.running, 1);
    OK(fetch_sched_next(&w.s, w.now) == NULL);
    struct fetch_job *probe = NULL;
    for (int i = 0; i < 4; i++)
        probe = jobs[i]->state == FETCH_RUNNING ? jobs[i] : probe;
    OK(probe != NULL); /* tried before: it goes first */
    OK(done(&w, probe, answer(200)));
    world_deliver(&w, probe);
    weir_time closed = w.now;
    finish_all(&w);
    EQ(w.now, closed); /* at once, not when the probe's lease would end */
    EQ(w.by_outcome[FETCH_OK], 6);
    world_close(&w);
}

TEST(an_open_breaker_can_fail_work_instead_and_429_never_opens_it)
{
    struct world w;
    struct fetch_policy p = plain();
    p.has_breaker = true;
    p.breaker_fail = true;
    p.retries = 0;
    p.ra.mode = FETCH_RA_IGNORE;
    p.breaker = (struct weir_breaker_opts){.period = WEIR_S(10), .min_calls = 4, .percent = 80};
    world_open(&w, &p);
    for (int i = 0; i < 20; i++) {
        struct fetch_job *job = world_add(&w, "http://h/a");
        EQ(starts(&w), job);
        OK(done(&w, job, answer(429)));
        world_deliver(&w, job);
    }
    for (int i = 0; i < 4; i++) {
        struct fetch_job *job = world_add(&w, "http://h/a");
        EQ(starts(&w), job);
        OK(done(&w, job, answer(500)));
        world_deliver(&w, job);
    }
    struct fetch_job *job = world_add(&w, "http://h/a");
    EQ(fetch_sched_next(&w.s, w.now), job);
    EQ(job->outcome, FETCH_BREAKER_OPEN);
    EQ(job->attempts, 0);
    world_deliver(&w, job);
    world_close(&w);
}

TEST(the_adaptive_timeout_is_ten_times_p99_between_its_floor_and_max_time)
{
    struct world w;
    struct fetch_policy p = plain();
    p.timeout_auto = true;
    p.max_time = WEIR_S(5);
    world_open(&w, &p);
    for (int i = 0; i < 40; i++) {
        struct fetch_job *job = world_add(&w, "http://h/a");
        EQ(starts(&w), job);
        if (i < FETCH_AUTO_SAMPLES)
            EQ(job->work->limit, WEIR_S(5));
        else
            EQ(job->work->limit, FETCH_AUTO_FLOOR);
        w.now += WEIR_MS(10);
        OK(done(&w, job, answer(200)));
        world_deliver(&w, job);
    }
    struct fetch_job *job = world_add(&w, "http://h/a");
    for (int i = 0; i < 5; i++) { /* an item that needs longer gets it */
        EQ(starts(&w), job);
        weir_span want = FETCH_AUTO_FLOOR << i;
        EQ(job->work->limit, want < WEIR_S(5) ? want : WEIR_S(5));
        w.now += job->work->limit;
        OK(!done(&w, job, broken(FETCH_TIMEOUT_TOTAL)));
        w.now += fetch_job_try(job)->wait;
    }
    finish_all(&w);
    world_close(&w);
}

/* --- ends ----------------------------------------------------------- */

TEST(a_stop_ends_what_waits_and_lets_what_flies_land)
{
    struct world w;
    struct fetch_policy p = plain();
    p.jobs = 2;
    world_open(&w, &p);
    struct fetch_job *jobs[5];
    for (int i = 0; i < 4; i++)
        jobs[i] = world_add(&w, "http://h/a");
    EQ(starts(&w), jobs[0]);
    EQ(starts(&w), jobs[1]);
    OK(!done(&w, jobs[0], answer(503)));
    EQ(starts(&w), jobs[2]);
    fetch_sched_stop(&w.s, FETCH_CANCELLED, w.now);
    fetch_sched_stop(&w.s, FETCH_HALTED, w.now);
    jobs[4] = world_add(&w, "http://h/late");
    for (int i = 0; i < 3; i++) {
        struct fetch_job *job = fetch_sched_next(&w.s, w.now);
        OK(job != NULL);
        EQ(job->outcome, FETCH_CANCELLED);
        world_deliver(&w, job);
    }
    OK(fetch_sched_next(&w.s, w.now) == NULL);
    OK(done(&w, jobs[1], answer(200)));
    EQ(jobs[1]->outcome, FETCH_OK);
    OK(done(&w, jobs[2], answer(503))); /* would have been retried: it is left */
    EQ(jobs[2]->outcome, FETCH_CANCELLED);
    world_deliver(&w, jobs[1]);
    world_deliver(&w, jobs[2]);
    world_close(&w);
}

TEST(a_retry_past_the_deadline_is_given_up_at_once)
{
    struct world w;
    struct fetch_policy p = plain();
    p.deadline = T0 + WEIR_S(10);
    world_open(&w, &p);
    struct fetch_job *job = world_add(&w, "http://h/a");
    EQ(starts(&w), job);
    OK(done(&w, job, asked(503, WEIR_S(60))));
    EQ(job->outcome, FETCH_DEADLINE);
    EQ(job->work->last.status, 503);
    world_deliver(&w, job);
    world_close(&w);
}

TEST(a_hundred_thousand_hosts_leave_a_thousand_behind)
{
    struct world w;
    struct fetch_policy p = plain();
    char url[64];
    world_open(&w, &p);
    for (int i = 0; i < 100000; i++) {
        snprintf(url, sizeof url, "http://h%d/", i);
        struct fetch_job *job = world_add(&w, url);
        EQ(starts(&w), job);
        OK(done(&w, job, answer(200)));
        world_deliver(&w, job);
    }
    LE(w.s.hosts, FETCH_HOSTS_KEPT);
    world_close(&w);
}

/* Any order of answers: nothing is lost, no limit is passed, nothing waits for ever. */
TEST(random_worlds_deliver_every_item_within_the_limits)
{
    for (int round = 0; round < 40; round++) {
        struct world w;
        struct fetch_policy p = plain();
        struct fetch_job *flying[64];
        uint32_t n = 0, added = 0;
        char url[64];
        p.jobs = 1 + (uint32_t)(test_random() % 20);
        p.per_host = 1 + (uint32_t)(test_random() % 4);
        p.window = p.jobs + (uint32_t)(test_random() % 50);
        p.backoff.jitter = WEIR_JITTER_FULL;
        p.timeout_auto = test_random() % 2;
        p.has_breaker = test_random() % 2;
        p.breaker_fail = test_random() % 2;
        p.breaker = (struct weir_breaker_opts){.period = WEIR_S(10), .percent = 80};
        world_open(&w, &p);
        for (int step = 0; w.delivered < 300; step++) {
            LT(step, 200000);
            while (added < 300 && fetch_sched_room(&w.s) > 0) {
                snprintf(url, sizeof url, "http://h%d/", (int)(test_random() % 5));
                world_add(&w, url);
                added++;
            }
            struct fetch_job *job = fetch_sched_next(&w.s, w.now);
            if (job != NULL && job->state == FETCH_DONE) {
                world_deliver(&w, job);
            } else if (job != NULL) {
                flying[n++] = job;
                LE(n, p.jobs);
                LE(job->host->running, p.per_host);
            } else if (n > 0) {
                uint32_t k = (uint32_t)(test_random() % n);
                int dice = (int)(test_random() % 10);
                job = flying[k];
                flying[k] = flying[--n];
                w.now += (weir_span)(test_random() % 50000000);
                if (done(&w, job,
                         dice < 5   ? answer(200)
                         : dice < 7 ? asked(429, WEIR_S(1))
                         : dice < 9 ? answer(503)
                                    : broken(FETCH_TIMEOUT_TOTAL)))
                    world_deliver(&w, job);
            } else {
                LT(w.now, fetch_sched_wake(&w.s));
                OK(fetch_sched_wake(&w.s) < WEIR_NEVER);
                w.now = fetch_sched_wake(&w.s);
            }
            EQ(w.s.held, w.s.queued + w.s.running + w.s.waiting);
        }
        world_close(&w);
    }
}
