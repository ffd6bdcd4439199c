/*
 * test_calls.c -- codes 13 and 14 of the guide, its anti-patterns 2 and 4 and
 * the answer to question 5: time limits, what may be tried again, and calls of
 * different kinds side by side.
 */
#include <stdatomic.h>
#include <unistd.h>

#include "stream/ints.h"

/* --- code 13: time limits -------------------------------------------------------------- */

static int sleep_for(void *arg)
{
    int r = weir_sleep(weir_after(*(weir_span *)arg));

    return r < 0 ? r : 7;
}

SIM_TEST(code_13_a_batch_out_of_time_keeps_what_is_done_slot_by_slot)
{
    weir_span takes[8] = {WEIR_MS(10), WEIR_S(9),  WEIR_MS(20), WEIR_S(9),
                          WEIR_MS(30), WEIR_MS(5), WEIR_S(9),   WEIR_MS(5)};
    static const int want[8] = {7, -ETIMEDOUT, 7, -ETIMEDOUT, 7, 7, -ETIMEDOUT, WEIR_ENOTRUN};
    struct weir_job jobs[8];

    for (int i = 0; i < 8; i++)
        jobs[i] = (struct weir_job){sleep_for, &takes[i], 0};
    EQ(weir_join_all(jobs, 8,
                     &(struct weir_join_opts){.limit = 3, .deadline = weir_after(WEIR_S(1))}),
       -ETIMEDOUT);
    EQ(world_age(), WEIR_S(1));
    for (int i = 0; i < 8; i++)
        EQ(jobs[i].result, want[i]);
    return 0;
}

static int header_and_body(void *arg)
{
    weir_span header = WEIR_S(9), body = WEIR_S(29);
    int r = weir_within(WEIR_S(10), sleep_for, &header);

    (void)arg;
    if (r >= 0)
        r = weir_within(WEIR_S(30), sleep_for, &body);
    return r;
}

SIM_TEST(code_13_one_deadline_covers_header_and_body)
{
    EQ(weir_within(WEIR_S(15), header_and_body, NULL), -ETIMEDOUT); /* not 40 s */
    EQ(world_age(), WEIR_S(15));
    EQ(weir_within(WEIR_S(40), header_and_body, NULL), 7);
    EQ(world_age(), WEIR_S(15 + 38));
    return 0;
}

/* Blocking work: it says that it runs, and goes on when told to. */
struct block {
    atomic_int entered, open, dropped;
};

static int block_thread(void *arg)
{
    struct block *b = arg;

    atomic_store(&b->entered, 1);
    while (!atomic_load(&b->open))
        usleep(200);
    return 0;
}

static void block_drop(void *arg)
{
    atomic_store(&((struct block *)arg)->dropped, 1);
}

static int block_owned(void *arg)
{
    return weir_offload_own(block_thread, arg, block_drop);
}

static int until(atomic_int *what)
{
    while (!atomic_load(what))
        EQ(weir_sleep(weir_after(WEIR_US(200))), 0);
    return 1;
}

/* A thread cannot be interrupted: it is left behind, and what it has is dropped when it is done. */
REAL_TEST(code_13_blocking_work_is_left_behind_by_a_cancel_not_torn)
{
    weir_scope *s = weir_scope_open(NULL);
    struct block b = {0};

    GO(s, block_owned, &b);
    until(&b.entered);
    EQ(weir_scope_cancel(s, -EINTR), 0);
    EQ(weir_scope_close(&s), -EINTR); /* while the thread still blocks */
    EQ(atomic_load(&b.dropped), 0);
    atomic_store(&b.open, 1);
    until(&b.dropped);
    return 0;
}

static enum weir_timeout_cause ended_by(weir_stream *s)
{
    struct weir_shape_stats stats;
    int64_t x;
    int r;

    while ((r = weir_next(s, &x)) > 0)
        ;
    EQ(r, -ETIMEDOUT);
    EQ(weir_shape_stats(s, &stats), 0);
    weir_stream_close(&s);
    return stats.cause;
}

static int tenth_stalls(void *ctx, void *in, void *out)
{
    weir_span *nap = ctx;
    int64_t n = *(int64_t *)in;

    *(int64_t *)out = n;
    return weir_sleep(weir_after(n == 10 ? nap[1] : nap[0])) < 0 ? -ECANCELED : 1;
}

static weir_stream *body(weir_span *nap)
{
    return weir_timeouts(
        weir_then(weir_range(0, 100), tenth_stalls, nap, INT),
        &(struct weir_timeouts_opts){.first = WEIR_S(2), .idle = WEIR_S(5), .total = WEIR_S(60)});
}

SIM_TEST(code_13_connect_idle_and_total_are_limits_of_their_own)
{
    weir_span late[] = {WEIR_S(3), WEIR_S(3)}, stalls[] = {WEIR_MS(1), WEIR_S(6)},
              slow[] = {WEIR_S(1), WEIR_S(1)};

    EQ(ended_by(body(late)), WEIR_TIMEOUT_FIRST);
    EQ(ended_by(body(stalls)), WEIR_TIMEOUT_IDLE);
    EQ(ended_by(body(slow)), WEIR_TIMEOUT_TOTAL);
    return 0;
}

/* --- code 14: what may be tried again --------------------------------------------------- */

struct service {
    int result, made;
    enum weir_class cls;
    weir_span retry_after;
};

static int ask(void *arg)
{
    struct service *w = arg;

    w->made++;
    if (w->cls)
        EQ(weir_try_hint(w->cls, w->retry_after), 0);
    return w->result;
}

static int made(int result, enum weir_class cls, weir_span retry_after)
{
    struct service w = {result, 0, cls, retry_after};
    weir_policy *p =
        WEIR_POLICY(WEIR_RETRY(.attempts = 3, .base = WEIR_MS(10), .jitter = WEIR_JITTER_NONE));

    EQ(weir_call(p, ask, &w), result);
    weir_policy_free(&p);
    return w.made;
}

/* The guide looks for "400" and "503" in the text of the error. */
SIM_TEST(code_14_classes_come_from_codes_never_from_texts)
{
    EQ(made(-ECONNREFUSED, 0, 0), 3);               /* "connect to 10.0.0.1:4000 refused" */
    EQ(made(-EINVAL, 0, 0), 1);                     /* "HTTP 400 ... field timeout missing" */
    EQ(made(-ENOENT, WEIR_CLASS_CLIENT, 0), 1);     /* "order 150377 not found" */
    EQ(made(-EDEADLK, WEIR_CLASS_TRANSIENT, 0), 3); /* "row 404: deadlock detected, try again" */
    EQ(weir_classify(-ETIMEDOUT), WEIR_CLASS_TRANSIENT);
    EQ(weir_classify(WEIR_EPROTO), WEIR_CLASS_SERVER);
    return 0;
}

SIM_TEST(code_14_an_unknown_error_is_not_tried_again)
{
    EQ(weir_classify(-4095), WEIR_CLASS_FATAL);
    EQ(made(-4095, 0, 0), 1);
    return 0;
}

SIM_TEST(code_14_too_many_requests_waits_as_long_as_it_is_told)
{
    EQ(made(-EBUSY, WEIR_CLASS_THROTTLED, WEIR_S(20)), 3);
    LE(WEIR_S(40), world_age()); /* a floor, and up to a quarter of it on top */
    LE(world_age(), WEIR_S(50));
    return 0;
}

/* --- anti-pattern 2: a timeout and an error of one's own ------------------------------------- */

static int within_30(void *arg)
{
    return weir_within(WEIR_S(30), sleep_for, arg);
}

static int refused(void *arg)
{
    (void)arg;
    return -ECONNREFUSED;
}

SIM_TEST(anti_pattern_2_a_timeout_and_a_failure_are_two_codes_of_one_kind)
{
    weir_span hangs = WEIR_S(60);

    EQ(within_30(&hangs), -ETIMEDOUT);
    EQ(weir_within(WEIR_S(30), refused, NULL), -ECONNREFUSED);
    return 0;
}

/* --- anti-pattern 4: a slow dependency ------------------------------------------------------- */

static weir_span answer_time;

static int answers_in_time(void *arg)
{
    (void)arg;
    return weir_sleep(weir_after(answer_time));
}

SIM_TEST(anti_pattern_4_a_service_that_is_only_slow_opens_its_own_circuit_and_no_other)
{
    weir_policy *slow = WEIR_POLICY(WEIR_BREAKER(.failures = 5, .slow = WEIR_S(2)));
    weir_policy *cut = WEIR_POLICY(WEIR_BREAKER(.failures = 5), WEIR_TIMEOUT(.each = WEIR_S(2)));
    weir_policy *other = WEIR_POLICY(WEIR_BREAKER(.failures = 5));

    answer_time = WEIR_S(3);
    for (int i = 0; i < 5; i++) {
        EQ(weir_call(slow, answers_in_time, NULL), 0);
        EQ(weir_call(cut, answers_in_time, NULL), -ETIMEDOUT);
    }
    EQ(weir_call(slow, answers_in_time, NULL), WEIR_EOPEN);
    EQ(weir_call(cut, answers_in_time, NULL), WEIR_EOPEN);
    EQ(weir_call(other, answers_in_time, NULL), 0);
    weir_policy_free(&slow);
    weir_policy_free(&cut);
    weir_policy_free(&other);
    return 0;
}

/* --- question 5: a set of different kinds, of which one can be taken out --------------------- */

SIM_TEST(q5_jobs_of_different_kinds_stand_in_one_set)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.results = 4, .on_error = WEIR_KEEP});
    weir_span fast = WEIR_MS(1);
    struct weir_done d;

    GO(s, sleep_for, &fast);
    GO(s, refused, NULL);
    EQ(weir_scope_next(s, &d, WEIR_NEVER), 1);
    EQ(d.result, -ECONNREFUSED);
    GO(s, fiber_nothing, NULL); /* more of them while results are read */
    EQ(weir_scope_next(s, &d, WEIR_NEVER), 1);
    EQ(d.result, 0);
    EQ(weir_scope_next(s, &d, WEIR_NEVER), 1);
    EQ(d.result, 7);
    EQ(weir_scope_next(s, &d, WEIR_NEVER), 0);
    EQ(weir_scope_close(&s), -ECONNREFUSED);
    return 0;
}

static void note_close(void *ctx, int why)
{
    *(int *)ctx = why;
}

SIM_TEST(q5_one_of_a_set_can_be_taken_out_by_its_key)
{
    weir_stream *m = weir_stream_map(INT, NULL);
    int closed = 1;

    EQ(weir_stream_map_insert(m, 1, weir_never(INT)), 0);
    EQ(weir_stream_map_insert(m, 2, weir_finally(weir_never(INT), note_close, &closed)), 0);
    EQ(weir_stream_map_count(m), 2u);
    EQ(weir_stream_map_remove(m, 2), 0);
    EQ(closed, -ECANCELED); /* and waited for */
    EQ(weir_stream_map_remove(m, 2), -ENOENT);
    EQ(weir_stream_map_count(m), 1u);
    weir_stream_close(&m);
    return 0;
}
