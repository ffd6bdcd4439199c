/*
 * test_streams.c -- section 1 of the guide and its codes 1 to 4 as scenarios:
 * a test for each fault that the guide's own code has, named after its row.
 */
#include <stdio.h>
#include "stream/ints.h"

/* --- 1.1 the table of methods ------------------------------------------------------ */

static int slowly_even(void *ctx, void *in, void *out)
{
    int r = weir_sleep(weir_after(WEIR_MS(10)));

    (void)ctx;
    if (r == 0 && out)
        *(int64_t *)out = *(int64_t *)in;
    return r < 0 ? r : *(int64_t *)in % 2 == 0;
}

static weir_stream *slowly_twice(void *ctx, void *item)
{
    int64_t n = *(int64_t *)item;
    int r = weir_sleep(weir_after(WEIR_MS(10)));

    (void)ctx;
    return r < 0 ? weir_fail(INT, r) : weir_range(n, n + 2);
}

SIM_TEST(guide_1_1_a_predicate_and_a_flat_map_may_wait)
{
    EXPECT(weir_then(weir_range(0, 6), slowly_even, NULL, INT), 0, 0, 2, 4);
    EQ(world_age(), WEIR_MS(60));
    EXPECT(weir_flat_map(INTS(10, 20), slowly_twice, NULL, INT), 0, 10, 11, 20, 21);
    return 0;
}

static int add(void *ctx, void *const in[], size_t n, void *out)
{
    (void)ctx;
    EQ(n, 2u);
    *(int64_t *)out = *(int64_t *)in[0] + *(int64_t *)in[1];
    return 1;
}

static int64_t unpaired;

static void take_unpaired(void *ctx, size_t source, void *item)
{
    (void)ctx;
    EQ(source, 0u);
    unpaired = *(int64_t *)item;
}

SIM_TEST(guide_1_1_zip_gives_back_the_head_that_has_no_partner)
{
    weir_stream *s = weir_zip(WEIR_STREAMS(INTS(1, 2, 3), INTS(10, 20)), add, NULL, INT,
                              &(struct weir_heads_opts){.on_drop = take_unpaired});
    int64_t x;

    unpaired = 0;
    EQ(weir_next(s, &x), 1);
    EQ(weir_next(s, &x), 1);
    EQ(x, 22);
    EQ(weir_next(s, &x), 0);
    EQ(unpaired, 3);
    EQ(weir_stream_dropped(s), 1u);
    weir_stream_close(&s);
    return 0;
}

/* --- code 1: ticks, scan ----------------------------------------------------------- */

static weir_stream *ticker(uint32_t first_now)
{
    return weir_interval(&(struct weir_interval_opts){
        .period = WEIR_MS(100), .first_now = first_now, .missed = WEIR_SKIP});
}

SIM_TEST(code_1_a_tick_has_its_number_its_instant_and_when_it_came)
{
    weir_stream *s = ticker(0);
    struct weir_tick t;

    EQ(weir_sleep(weir_after(WEIR_MS(30))), 0);
    EQ(weir_next(s, &t), 1); /* the first pull starts the clock */
    EQ(t.seq, 0u);
    EQ(t.due - WEIR_EPOCH, WEIR_MS(130));
    EQ(weir_sleep(weir_after(WEIR_MS(150))), 0);
    EQ(weir_next(s, &t), 1);
    EQ(t.seq, 1u);
    EQ(t.due - WEIR_EPOCH, WEIR_MS(230));
    EQ(t.now - WEIR_EPOCH, WEIR_MS(280)); /* late, and says so */
    weir_stream_close(&s);
    return 0;
}

static weir_span five_ticks(uint32_t first_now)
{
    weir_stream *s = ticker(first_now);
    weir_time began = weir_now();
    weir_span took;
    struct weir_tick t;

    for (int i = 0; i < 5; i++)
        EQ(weir_next(s, &t), 1);
    took = weir_now() - began;
    EQ(weir_next(s, &t), 1); /* it is still there to be used */
    weir_stream_close(&s);
    return took;
}

SIM_TEST(code_1_five_ticks_take_five_periods_unless_the_first_is_now)
{
    EQ(five_ticks(0), WEIR_MS(500));
    EQ(five_ticks(1), WEIR_MS(400));
    return 0;
}

static int running_sum(void *ctx, void *in, void *out)
{
    int64_t *sum = ctx, x = *(int64_t *)in;

    *sum += x;
    if (weir_sleep(weir_after(WEIR_MS(x))) < 0)
        return -ECANCELED;
    *(int64_t *)out = *sum;
    return 1;
}

SIM_TEST(code_1_the_state_of_a_scan_lives_across_a_wait)
{
    int64_t sum = 0;

    EXPECT(weir_then(INTS(1, 2, 3, 4), running_sum, &sum, INT), 0, 1, 3, 6, 10);
    return 0;
}

/* --- code 2: primes ------------------------------------------------------------------- */

/* The next number, without end and without ever parking. */
static int count_up(void *ctx, void *in, void *out)
{
    (void)in;
    *(int64_t *)out = ++*(int64_t *)ctx;
    return 1;
}

static int is_prime(void *ctx, void *in, void *out)
{
    int64_t n = *(int64_t *)in;

    (void)ctx;
    (void)out;
    for (int64_t i = 2; i <= n / i; i++)
        if (n % i == 0)
            return 0;
    return n > 1;
}

/* Counts its turns, then cancels the one who computes. */
static int stop_it(void *arg)
{
    for (int i = 0; i < 100; i++)
        EQ(weir_yield(), 0);
    return weir_scope_cancel(arg, -EINTR);
}

static int compute(void *arg)
{
    int64_t n = 0;
    weir_stream *s = weir_filter(weir_unfold(count_up, &n, INT), is_prime, NULL);

    *(int *)arg = weir_drain(&s);
    OK(n > 0);
    return 0;
}

SIM_TEST(code_2_a_source_that_never_waits_starves_nobody_and_can_be_cancelled)
{
    weir_scope *s = weir_scope_open(NULL);
    int r = 0;

    GO(s, compute, &r);
    GO(s, stop_it, s);
    EQ(weir_scope_close(&s), -EINTR);
    EQ(r, -ECANCELED);
    return 0;
}

SIM_TEST(code_2_the_largest_number_is_reached_and_passed_by_nobody)
{
    struct numbered {
        uint64_t index;
        int64_t item;
    } last = {0};
    weir_stream *s = weir_range(INT64_MAX - 3, INT64_MAX);

    EXPECT(s, 0, INT64_MAX - 3, INT64_MAX - 2, INT64_MAX - 1);
    EXPECT(weir_filter(INTS(25, INT64_C(2147483647), INT64_MAX), is_prime, NULL), 0, 2147483647);
    s = weir_enumerate(INTS(7, 8), UINT64_MAX, WEIR_TYPE(struct numbered));
    EQ(weir_last(&s, &last), 1);
    EQ(last.index, 0u); /* modulo 2^64, and said so */
    return 0;
}

/* --- code 3: pages ---------------------------------------------------------------------- */

static struct list {
    int64_t rows[16]; /* ascending ids; 0: none */
    int fetched, fail_at, same_cursor, endless;
    weir_span takes;
} list;

/* Two rows a page, behind the id that the cursor names. */
static int fetch_rows(void *ctx, weir_page *page)
{
    const char *cursor = weir_page_cursor(page, NULL);
    int64_t after = cursor ? strtoll(cursor, NULL, 10) : 0;
    char next[24];
    int n = 0, r;

    (void)ctx;
    if (list.takes && (r = weir_sleep(weir_after(list.takes))) < 0)
        return r;
    if (++list.fetched == list.fail_at)
        return -ECONNRESET;
    for (int i = 0; i < 16 && n < 2; i++) {
        if (list.rows[i] <= after)
            continue;
        after = list.rows[i];
        EQ(weir_page_add(page, &after, 1), 0);
        n++;
    }
    if (list.same_cursor)
        after = 7;
    snprintf(next, sizeof next, "%lld", (long long)after);
    r = list.endless || n == 2 ? weir_page_next(page, next, strlen(next)) : 0;
    return r < 0 ? r : list.endless || n == 2;
}

static weir_stream *pages(uint32_t limit, uint32_t prefetch)
{
    return weir_pages(
        &(struct weir_pages_opts){.fetch = fetch_rows, .limit = limit, .prefetch = prefetch}, NULL,
        INT);
}

static void list_of(int n)
{
    memset(&list, 0, sizeof list);
    for (int i = 0; i < n; i++)
        list.rows[i] = (i + 1) * 10;
}

/* The stub of the guide, whose pages are always full. */
static int fetch_for_ever(void *ctx, weir_page *page)
{
    int64_t x = (int64_t)weir_page_number(page);

    ++*(int *)ctx;
    return weir_page_add(page, &x, 1) < 0 ? -ENOMEM : 1;
}

SIM_TEST(code_3_pages_without_end_end_at_their_limit)
{
    int fetched = 0;
    weir_stream *s =
        weir_pages(&(struct weir_pages_opts){.fetch = fetch_for_ever, .limit = 14}, &fetched, INT);
    uint64_t n;

    EQ(weir_count(&s, &n), WEIR_ETOOLARGE);
    EQ(n, 14u);
    EQ(fetched, 14);
    return 0;
}

SIM_TEST(code_3_the_same_cursor_twice_is_an_error)
{
    list_of(6);
    list.same_cursor = list.endless = 1;
    EXPECT(pages(0, 0), WEIR_EPROTO, 10, 20, 10, 20);
    return 0;
}

SIM_TEST(code_3_an_error_of_the_transport_is_the_end_of_the_stream)
{
    list_of(6);
    list.fail_at = 3;
    EXPECT(pages(0, 0), -ECONNRESET, 10, 20, 30, 40);
    return 0;
}

SIM_TEST(code_3_an_empty_page_and_the_last_page_are_the_end)
{
    list_of(4);
    EXPECT(pages(0, 0), 0, 10, 20, 30, 40);
    EQ(list.fetched, 3); /* the third was empty */
    list_of(3);
    EXPECT(pages(0, 0), 0, 10, 20, 30);
    EQ(list.fetched, 2);
    return 0;
}

SIM_TEST(code_3_a_cursor_skips_and_doubles_nothing_while_rows_go)
{
    weir_stream *s;
    int64_t x;

    list_of(6);
    s = pages(0, 0);
    EQ(weir_next(s, &x), 1);
    EQ(weir_next(s, &x), 1);
    EQ(x, 20);
    list.rows[0] = list.rows[1] = 0; /* by number, page 2 would now begin at 50 */
    EXPECT(s, 0, 30, 40, 50, 60);
    return 0;
}

static int look_at_it(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)in;
    (void)out;
    return weir_sleep(weir_after(WEIR_MS(50)));
}

SIM_TEST(code_3_pages_keep_a_pace_of_their_own_whatever_the_consumer_takes)
{
    weir_stream *s;

    list_of(10);
    list.takes = WEIR_MS(10);
    s = weir_pace(pages(0, 1), &(struct weir_pace_opts){.rate = {.per_sec = 10}});
    EQ(weir_for_each(&s, look_at_it, NULL), 0);
    EQ(world_age(), WEIR_MS(10 + 9 * 100 + 50)); /* not 10 times fetch + consume + 100 */
    return 0;
}

SIM_TEST(code_3_who_has_enough_waits_for_no_pause_and_no_page)
{
    weir_stream *s;

    list_of(10);
    list.takes = WEIR_MS(10);
    s = weir_take(weir_pace(pages(0, 0), &(struct weir_pace_opts){.rate = {.per_sec = 10}}), 3);
    EQ(weir_drain(&s), 0);
    EQ(world_age(), WEIR_MS(210));
    EQ(list.fetched, 2);
    return 0;
}

SIM_TEST(code_3_one_page_is_fetched_ahead_while_one_is_used)
{
    weir_stream *s;
    int64_t x;

    list_of(10);
    list.takes = WEIR_MS(10);
    s = pages(0, 1);
    EQ(weir_next(s, &x), 1);
    EQ(weir_sleep(weir_after(WEIR_MS(100))), 0);
    EQ(list.fetched, 2);
    weir_stream_close(&s);
    return 0;
}

/* --- code 4: a channel as a stream ------------------------------------------------------- */

struct producer {
    weir_chan *ch;
    int64_t sent;
    int result, fails;
};

static int produce(void *arg)
{
    struct producer *p = arg;
    int64_t i;

    for (i = 0; i < 20; i++) {
        p->result = weir_send(p->ch, &i, WEIR_NEVER);
        if (p->result < 0)
            return 0; /* nobody listens: that is no failure of ours */
        p->sent = i;
        if (p->fails && i == p->fails)
            return -EIO;
        if (weir_sleep(weir_after(WEIR_MS(50))) < 0)
            return -ECANCELED;
    }
    return 0;
}

static int third(void *ctx, void *in, void *out)
{
    *(int64_t *)out = *(int64_t *)in * 10;
    (void)ctx;
    return *(int64_t *)in % 3 == 0;
}

SIM_TEST(code_4_a_producer_hears_that_its_consumer_has_what_it_wanted)
{
    weir_scope *scope = weir_scope_open(NULL);
    struct producer p = {weir_chan_new(INT, 32), 0, 0, 0};

    GO(scope, produce, &p);
    EXPECT(weir_take(weir_filter_map(weir_consume(p.ch), third, NULL, INT), 4), 0, 0, 30, 60, 90);
    EQ(weir_scope_close(&scope), 0);
    EQ(p.result, -EPIPE);
    EQ(p.sent, 9);
    EQ(world_age(), WEIR_MS(500)); /* not the 950 it would take to send them all */
    weir_chan_free(&p.ch);
    return 0;
}

SIM_TEST(code_4_a_producer_that_fails_is_joined_and_its_error_arrives)
{
    weir_scope *scope = weir_scope_open(&(struct weir_scope_opts){.on_error = WEIR_KEEP});
    struct producer p = {weir_chan_new(INT, 32), 0, 0, 2};

    EQ(weir_go_with(scope, produce, &p, &(struct weir_go_opts){.feeds = p.ch}), 0);
    EXPECT(weir_from_chan(p.ch), -EIO, 0, 1, 2);
    EQ(weir_scope_close(&scope), -EIO);
    weir_chan_free(&p.ch);
    return 0;
}

static void note_close(void *ctx, int why)
{
    (void)why;
    *(weir_time *)ctx = weir_now();
}

SIM_TEST(code_4_take_closes_what_is_above_it_with_the_last_item)
{
    weir_time closed = 0;
    weir_stream *s = weir_take(weir_finally(ticker(0), note_close, &closed), 4);
    struct weir_tick t;

    for (int i = 0; i < 4; i++)
        EQ(weir_next(s, &t), 1);
    EQ(closed, weir_now());
    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    EQ(weir_next(s, &t), 0);
    weir_stream_close(&s);
    return 0;
}
