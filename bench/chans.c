/*
 * chans.c -- 64-bit values through bounded channels, and round trips.
 *
 * _n: 256 at a time.  pingpong: a value there and back over two channels of
 * capacity 1, or 0.  oneshot: each request carries a new channel of capacity 1
 * for its answer.  _2t: across two loops; of four producers two are with the receiver.
 * _near_2t: both on one of two loops, as weir_go puts them, and as a scheduler that moves
 * tasks would.
 */
#include <weir.h>

#include "workloads.h"

enum { CHANS_BATCH = 256 };

struct chans_sender {
    weir_chan *ch;
    long n;
    bool batch;
};

static int chans_send(void *arg)
{
    struct chans_sender *p = arg;
    int r = 1;

    for (int64_t i = 0; i < p->n && r == 1; i++)
        r = weir_send(p->ch, &i, WEIR_NEVER);
    return r < 0 ? r : 0;
}

static int chans_send_batches(void *arg)
{
    struct chans_sender *p = arg;
    int64_t items[CHANS_BATCH], next = 0;
    ssize_t r = 1;

    while (next < p->n && r > 0) {
        size_t n = 0, done;

        while (n < CHANS_BATCH && next < p->n)
            items[n++] = next++;
        r = weir_chan_send_n(p->ch, items, sizeof *items, n, &done, WEIR_NEVER);
    }
    return r < 0 ? (int)r : 0;
}

static int64_t chans_receive(weir_chan *ch)
{
    int64_t x, sum = 0;
    int r;

    while ((r = weir_recv(ch, &x, WEIR_NEVER)) > 0)
        sum += x;
    bench_check(r == 0, "receiving failed");
    return sum;
}

static int64_t chans_receive_batches(weir_chan *ch)
{
    int64_t items[CHANS_BATCH], sum = 0;
    size_t done;
    ssize_t r;

    while ((r = weir_chan_recv_n(ch, items, sizeof *items, CHANS_BATCH, &done, WEIR_NEVER)) > 0)
        for (size_t i = 0; i < done; i++)
            sum += items[i];
    bench_check(r == 0, "receiving failed");
    return sum;
}

static bool chans_near; /* all on one of the two loops */

static long chans_run(long n, size_t capacity, int producers, bool batch)
{
    struct chans_sender p = {weir_chan_new(WEIR_TYPE(int64_t), capacity), n / producers, batch};
    struct weir_go_opts feeds = {.feeds = p.ch};
    weir_scope *s = weir_scope_open(NULL);
    int64_t sum;
    int r = 0;

    for (int i = 0; i < producers && r == 0; i++) /* the first of several loops receives */
        r = weir_go_on(s, chans_near ? 0 : (i + 1) % weir_loops(),
                       batch ? chans_send_batches : chans_send, &p, &feeds);
    sum = batch ? chans_receive_batches(p.ch) : chans_receive(p.ch);
    bench_check(r == 0 && weir_scope_close(&s) == 0, "sending failed");
    bench_check(sum == producers * bench_sum(p.n), "wrong sum");
    weir_chan_free(&p.ch);
    return p.n * producers;
}

static long chans_cap1(long n)
{
    return chans_run(n, 1, 1, false);
}

static long chans_cap32(long n)
{
    return chans_run(n, 32, 1, false);
}

static long chans_cap1024(long n)
{
    return chans_run(n, 1024, 1, false);
}

static long chans_cap1024_n(long n)
{
    return chans_run(n, 1024, 1, true);
}

static long chans_4p_cap1(long n)
{
    return chans_run(n, 1, 4, false);
}

static long chans_4p_cap32(long n)
{
    return chans_run(n, 32, 4, false);
}

static long chans_4p_cap1024(long n)
{
    return chans_run(n, 1024, 4, false);
}

static long chans_near_run(long n, size_t capacity, int producers)
{
    long items;

    chans_near = true;
    items = chans_run(n, capacity, producers, false);
    chans_near = false;
    return items;
}

static long chans_near_cap1(long n)
{
    return chans_near_run(n, 1, 1);
}

static long chans_near_cap32(long n)
{
    return chans_near_run(n, 32, 1);
}

static long chans_near_cap1024(long n)
{
    return chans_near_run(n, 1024, 1);
}

/* --- round trips ------------------------------------------------------------------ */

struct chans_pair {
    weir_chan *there, *back;
};

static int chans_answer(void *arg)
{
    struct chans_pair *p = arg;
    int64_t x;
    int r;

    while ((r = weir_recv(p->there, &x, WEIR_NEVER)) > 0) {
        x++;
        if ((r = weir_send(p->back, &x, WEIR_NEVER)) < 0)
            break;
    }
    return r;
}

static long chans_pingpong(long n, size_t capacity)
{
    struct chans_pair p = {weir_chan_new(WEIR_TYPE(int64_t), capacity),
                           weir_chan_new(WEIR_TYPE(int64_t), capacity)};
    weir_scope *s = weir_scope_open(NULL);
    int r = weir_go_on(s, 1 % weir_loops(), chans_answer, &p, NULL);

    bench_check(r == 0, "spawning failed");
    for (int64_t i = 0; i < n; i++) {
        int64_t x = i;

        bench_check(weir_send(p.there, &x, WEIR_NEVER) == 1, "sending failed");
        bench_check(weir_recv(p.back, &x, WEIR_NEVER) == 1 && x == i + 1, "wrong answer");
    }
    weir_chan_close(p.there, 0);
    bench_check(weir_scope_close(&s) == 0, "answering failed");
    weir_chan_free(&p.there);
    weir_chan_free(&p.back);
    return n;
}

static long chans_pingpong_cap1(long n)
{
    return chans_pingpong(n, 1);
}

static long chans_pingpong_cap0(long n)
{
    return chans_pingpong(n, 0);
}

struct chans_request {
    int64_t value;
    weir_chan *answer;
};

static int chans_oneshot_answer(void *arg)
{
    struct chans_request q;
    int r;

    while ((r = weir_recv(arg, &q, WEIR_NEVER)) > 0) {
        q.value++;
        if ((r = weir_send(q.answer, &q.value, WEIR_NEVER)) < 0)
            break;
    }
    return r;
}

static long chans_oneshot_round_trip(long n)
{
    weir_chan *requests = weir_chan_new(WEIR_TYPE(struct chans_request), 1);
    weir_scope *s = weir_scope_open(NULL);
    int r = weir_go(s, chans_oneshot_answer, requests);

    bench_check(r == 0, "spawning failed");
    for (int64_t i = 0; i < n; i++) {
        struct chans_request q = {i, weir_chan_new(WEIR_TYPE(int64_t), 1)};
        int64_t x;

        bench_check(weir_send(requests, &q, WEIR_NEVER) == 1, "sending failed");
        bench_check(weir_recv(q.answer, &x, WEIR_NEVER) == 1 && x == i + 1, "wrong answer");
        weir_chan_free(&q.answer);
    }
    weir_chan_close(requests, 0);
    bench_check(weir_scope_close(&s) == 0, "answering failed");
    weir_chan_free(&requests);
    return n;
}

static long chans_oneshot_same_task(long n)
{
    int64_t sum = 0;

    for (int64_t i = 0; i < n; i++) {
        weir_chan *answer = weir_chan_new(WEIR_TYPE(int64_t), 1);
        int64_t x = 0;

        bench_check(weir_send(answer, &i, WEIR_NEVER) == 1, "sending failed");
        bench_check(weir_recv(answer, &x, WEIR_NEVER) == 1, "receiving failed");
        sum += x;
        weir_chan_free(&answer);
    }
    bench_check(sum == bench_sum(n), "wrong sum");
    return n;
}

const struct bench_case chans_cases[] = {
    {"chan_cap1_1t", 7, 1000000, chans_cap1},
    {"chan_cap32_1t", 7, 1000000, chans_cap32},
    {"chan_cap1024_1t", 7, 1000000, chans_cap1024},
    {"chan_cap1024_n_1t", 7, 1000000, chans_cap1024_n},
    {"chan4p_cap1_1t", 7, 1000000, chans_4p_cap1},
    {"chan4p_cap32_1t", 7, 1000000, chans_4p_cap32},
    {"chan4p_cap1024_1t", 7, 1000000, chans_4p_cap1024},
    {"oneshot_same_task", 7, 1000000, chans_oneshot_same_task},
    {"oneshot_round_trip_1t", 7, 300000, chans_oneshot_round_trip},
    {"pingpong_round_trip_1t", 7, 300000, chans_pingpong_cap1},
    {"pingpong_cap0_round_trip_1t", 7, 300000, chans_pingpong_cap0},
    {"chan_cap1_2t", 7, 1000000, chans_cap1, 2},
    {"chan_cap32_2t", 7, 1000000, chans_cap32, 2},
    {"chan_cap1024_2t", 7, 1000000, chans_cap1024, 2},
    {"chan_cap1024_n_2t", 7, 1000000, chans_cap1024_n, 2},
    {"chan_cap1_near_2t", 7, 1000000, chans_near_cap1, 2},
    {"chan_cap32_near_2t", 7, 1000000, chans_near_cap32, 2},
    {"chan_cap1024_near_2t", 7, 1000000, chans_near_cap1024, 2},
    {"chan4p_cap1_2t", 7, 1000000, chans_4p_cap1, 2},
    {"chan4p_cap32_2t", 7, 1000000, chans_4p_cap32, 2},
    {"chan4p_cap1024_2t", 7, 1000000, chans_4p_cap1024, 2},
    {"pingpong_round_trip_2t", 7, 100000, chans_pingpong_cap1, 2},
    {0},
};
