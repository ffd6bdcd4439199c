/*
 * test_fetch.c -- the pure parts of `weir fetch`: words, URLs, histogram, heap, records, counters.
 */
#include "fetch_world.h"

#include <errno.h>
#include <stdio.h>

#include "fetch_counts.h"
#include "fetch_record.h"
#include "fetch_url.h"

/* --- words ---------------------------------------------------------- */

TEST(the_retry_on_list_is_read_and_its_last_word_wins)
{
    struct fetch_retry_on r;
    const char *bad = NULL;
    size_t len = 0;
    EQ(fetch_retry_on_parse(&r, FETCH_RETRY_ON_DEFAULT, &bad, &len), 0);
    OK(fetch_retry_on_has(&r, FETCH_HTTP, 503));
    OK(!fetch_retry_on_has(&r, FETCH_HTTP, 501));
    OK(fetch_retry_on_has(&r, FETCH_HTTP, 429));
    OK(!fetch_retry_on_has(&r, FETCH_HTTP, 404));
    OK(fetch_retry_on_has(&r, FETCH_IDLE, 0));
    OK(fetch_retry_on_has(&r, FETCH_TIMEOUT_CONNECT, 0));
    OK(!fetch_retry_on_has(&r, FETCH_TLS, 0));
    OK(!fetch_retry_on_has(&r, FETCH_OK, 200));
    EQ(fetch_retry_on_parse(&r, "!501,5xx", &bad, &len), 0);
    OK(fetch_retry_on_has(&r, FETCH_HTTP, 501));
    EQ(fetch_retry_on_parse(&r, "timeout,!idle", &bad, &len), 0);
    OK(!fetch_retry_on_has(&r, FETCH_IDLE, 0));
    EQ(fetch_retry_on_parse(&r, "none", &bad, &len), 0);
    OK(!fetch_retry_on_has(&r, FETCH_HTTP, 503));
}

TEST(a_bad_retry_on_word_is_named_and_changes_nothing)
{
    static const char *const words[] = {"",     "5xx,",      "600",       "5x",  "ok",
                                        "http", "cancelled", "429,bogus", "1e2", "-500"};
    struct fetch_retry_on r, was;
    memset(&r, 0x55, sizeof r);
    was = r;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *bad = NULL;
        size_t len = 99;
        EQ(fetch_retry_on_parse(&r, words[i], &bad, &len), -EINVAL);
        OK(bad != NULL && len < 20);
        MEMEQ(&r, &was, sizeof r);
    }
}

TEST(urls_are_told_from_other_lines)
{
    static const char *const good[] = {"http://a",         "https://a.b:8443/x?y#z", "HTTP://A/",
                                       "http://[::1]:80/", "http://u:p@h/",          "http://h:/"};
    static const char *const bad[] = {"",
                                      "a.b/c",
                                      "ftp://a/",
                                      "http://",
                                      "http:///x",
                                      "http://a b/",
                                      "http://a:0/",
                                      "http://a:70000/",
                                      "http://a:b/",
                                      "http://[::1/",
                                      "http://a\x01/",
                                      "file:///e"};
    struct fetch_url u;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        OK(fetch_url_check(good[i], strlen(good[i]), &u) == NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        OK(fetch_url_check(bad[i], strlen(bad[i]), &u) != NULL);
    const char *whole = "http://u:p@h:81/x#frag";
    OK(fetch_url_check(whole, strlen(whole), &u) == NULL);
    EQ(u.host_len, 4);
    MEMEQ(whole + u.host_at, "h:81", 4);
    EQ(u.end, strlen("http://u:p@h:81/x"));
}

TEST(file_names_stay_in_their_directory)
{
    char name[128];
    fetch_url_name("http://a/b/c.tar.gz?x=/../y", name, sizeof name);
    STREQ(name, "c.tar.gz");
    fetch_url_name("http://a/b/..", name, sizeof name);
    STREQ(name, "_.");
    fetch_url_name("http://a/b/", name, sizeof name);
    STREQ(name, "index");
    fetch_url_name("http://a", name, sizeof name);
    STREQ(name, "index");
    fetch_url_name("http://a/%2e%2e%2fetc", name, sizeof name);
    STREQ(name, "_2e_2e_2fetc");
}

/* --- histogram and heap --------------------------------------------- */

TEST(a_quantile_is_never_below_the_true_one_and_at_most_an_eighth_above)
{
    struct fetch_hist h;
    memset(&h, 0, sizeof h);
    EQ(fetch_hist_quantile(&h, 990), 0);
    for (int i = 1; i <= 1000; i++)
        fetch_hist_add(&h, WEIR_US(i * 37));
    weir_span p99 = fetch_hist_quantile(&h, 990);
    LE(WEIR_US(990 * 37), p99);
    LE(p99, WEIR_US(990 * 37) / 8 * 9 + WEIR_US(1));
    fetch_hist_add(&h, -5);
    fetch_hist_add(&h, INT64_MAX);
    OK(fetch_hist_quantile(&h, 1000) > 0);
}

TEST(old_samples_fade)
{
    struct fetch_hist h;
    memset(&h, 0, sizeof h);
    for (int i = 0; i < FETCH_HIST_FULL; i++)
        fetch_hist_add(&h, WEIR_S(1));
    for (int i = 0; i < 100 * FETCH_HIST_FULL; i++)
        fetch_hist_add(&h, WEIR_MS(1));
    LE(fetch_hist_quantile(&h, 990), WEIR_MS(2));
    LE(h.total, FETCH_HIST_FULL);
}

TEST(the_heap_gives_the_earliest_and_the_first_of_equals)
{
    enum { N = 500 };
    struct fetch_heap h = {NULL, 0, 0, 0};
    struct fetch_node nodes[N];
    memset(nodes, 0, sizeof nodes);
    for (int i = 0; i < N; i++)
        EQ(fetch_heap_push(&h, &nodes[i], T0 + (weir_time)(test_random() % 50)), 0);
    for (int i = 0; i < N; i += 3)
        fetch_heap_remove(&h, &nodes[i]);
    fetch_heap_remove(&h, &nodes[0]);
    struct fetch_node *last = NULL, *node;
    int n = 0;
    while ((node = fetch_heap_pop(&h, WEIR_NEVER)) != NULL) {
        if (last != NULL) {
            LE(last->at, node->at);
            OK(last->at < node->at || last < node);
        }
        last = node;
        n++;
    }
    EQ(n, N - (N + 2) / 3);
    EQ(fetch_heap_next(&h), WEIR_NEVER);
    fetch_heap_fini(&h);
}

/* --- records -------------------------------------------------------- */

static void buf_is(struct fetch_buf *b, const char *text)
{
    fetch_buf_put(b, "", 1);
    STREQ(b->p, text);
    fetch_buf_fini(b);
}

TEST(json_strings_are_escaped_whatever_they_hold)
{
    struct fetch_buf b = {NULL, 0, 0, false};
    fetch_buf_json(&b, "a\"\\\n\x01\x7f\xc3\xa9\xff\xed\xa0\x80\0z", 14);
    buf_is(&b,
           "\"a\\\"\\\\\\n\\u0001\\u007f\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
           "\\u0000z\"");
}

TEST(base64_is_padded)
{
    struct fetch_buf b = {NULL, 0, 0, false};
    fetch_buf_base64(&b, "f", 1);
    fetch_buf_base64(&b, "fo", 2);
    fetch_buf_base64(&b, "foo", 3);
    fetch_buf_base64(&b, "\xff\xfe\xfd", 3);
    buf_is(&b, "Zg==Zm8=Zm9v//79");
}

TEST(numbers_are_decimal)
{
    struct fetch_buf b = {NULL, 0, 0, false};
    fetch_buf_u64(&b, UINT64_MAX);
    fetch_buf_text(&b, " ");
    fetch_buf_seconds(&b, 1234567890);
    fetch_buf_text(&b, " ");
    fetch_buf_millis(&b, 1000);
    fetch_buf_text(&b, " ");
    fetch_buf_millis(&b, -1500000);
    buf_is(&b, "18446744073709551615 1.234567 0.001 -1.500");
}

TEST(utf8_is_told_from_other_bytes)
{
    OK(fetch_utf8_is("", 0));
    OK(fetch_utf8_is("\xf0\x9f\x98\x80", 4));
    OK(!fetch_utf8_is("\xf0\x9f\x98", 3));
    OK(!fetch_utf8_is("\xc0\x80", 2));
    OK(!fetch_utf8_is("\xf4\x90\x80\x80", 4));
    OK(!fetch_utf8_is("\xed\xbf\xbf", 3));
}

TEST(a_record_has_its_fields_in_order)
{
    struct world w;
    struct fetch_policy p = plain();
    struct fetch_buf b = {NULL, 0, 0, false};
    world_open(&w, &p);
    struct fetch_job *job = world_add(&w, "http://h:81/a#b");
    EQ(starts(&w), job);
    w.now += WEIR_MS(10);
    OK(!done(&w, job, asked(503, WEIR_S(1))));
    w.now += WEIR_S(1);
    EQ(starts(&w), job);
    w.now += WEIR_MS(5);
    struct fetch_result r = answer(200);
    r.ttfb = WEIR_MS(4);
    OK(done(&w, job, r));
    job->work->body = strdup("{\"x\":1}");
    job->work->body_len = 7;
    fetch_record_put(&b, job, FETCH_BODY_INLINE, -T0 + WEIR_S(100));
    world_deliver(&w, job);
    buf_is(&b,
           "{\"v\":1,\"seq\":0,\"in\":\"http://h:81/a#b\",\"url\":\"http://h:81/a\",\"ok\":true,"
           "\"outcome\":\"ok\",\"status\":200,\"attempts\":2,\"bytes\":10,\"t\":101.015000,"
           "\"ms\":{\"total\":1015.000,\"wait\":1000.000,\"ttfb\":4.000},\"host\":\"h:81\","
           "\"tries\":[{\"due\":100.000000,\"t\":100.000000,\"ms\":10.000,\"outcome\":\"http\","
           "\"status\":503,\"retry_after_ms\":1000.000,\"wait_ms\":1000.000},{\"due\":101.010000,"
           "\"t\":101.010000,\"ms\":5.000,\"outcome\":\"ok\",\"status\":200}],"
           "\"body\":\"{\\\"x\\\":1}\"}\n");
    world_close(&w);
}

/* Most of what --window holds has made no attempt yet: there may be 20 x jobs of them. */
TEST(an_item_that_waits_for_its_first_attempt_is_small)
{
    struct world w;
    struct fetch_policy p = plain();
    world_open(&w, &p);
    LE(sizeof(struct fetch_job), 112u);
    struct fetch_job *plainly = world_add(&w, "http://h/a"), *cut = world_add(&w, "http://h/a#b");
    EQ(plainly->url, plainly->in); /* not twice */
    STREQ(cut->url, "http://h/a");
    STREQ(cut->in, "http://h/a#b");
    EQ(plainly->work, cut->work); /* nobody's */
    EQ(starts(&w), plainly);
    OK(plainly->work != cut->work);
    OK(done(&w, plainly, answer(200)));
    world_deliver(&w, plainly);
    fetch_sched_stop(&w.s, FETCH_HALTED, w.now);
    EQ(fetch_sched_next(&w.s, w.now), cut);
    EQ(cut->work->last.status, 0);
    world_deliver(&w, cut);
    world_close(&w);
}

TEST(a_record_of_a_failure_has_an_error_and_no_body)
{
    struct fetch_buf b = {NULL, 0, 0, false};
    struct fetch_job *job = fetch_job_new("bad \xff line", 10, 7, T0);
    fetch_record_put(&b, job, FETCH_BODY_INLINE, -T0);
    fetch_job_free(&job);
    buf_is(&b,
           "{\"v\":1,\"seq\":7,\"in\":\"bad \xef\xbf\xbd line\",\"in_b64\":\"YmFkIP8gbGluZQ==\","
           "\"url\":null,\"ok\":false,\"outcome\":\"invalid\",\"status\":null,\"attempts\":0,"
           "\"bytes\":0,\"t\":0.000000,\"ms\":{\"total\":0.000,\"wait\":0.000},\"host\":null,"
           "\"tries\":[],\"error\":\"has a space in it\"}\n");
}

/* --- counters ------------------------------------------------------- */

TEST(the_exit_code_is_the_first_that_holds)
{
    struct fetch_counts c;
    memset(&c, 0, sizeof c);
    EQ(fetch_counts_exit(&c), 0);
    c.failed = 1;
    EQ(fetch_counts_exit(&c), 1);
    c.stopped = true;
    EQ(fetch_counts_exit(&c), 5);
    c.signal = 15;
    EQ(fetch_counts_exit(&c), 143);
    c.signal = 2;
    EQ(fetch_counts_exit(&c), 130);
    c.output_error = -ENOSPC;
    EQ(fetch_counts_exit(&c), 4);
    c.input_errors = 1;
    EQ(fetch_counts_exit(&c), 3);
}

TEST(halt_is_read_and_hit)
{
    struct fetch_halt h;
    struct fetch_counts c;
    memset(&c, 0, sizeof c);
    EQ(fetch_halt_parse(&h, "never"), 0);
    OK(!fetch_halt_hit(&h, &c));
    EQ(fetch_halt_parse(&h, "now,fail=2"), 0);
    OK(h.now);
    c.failed = 1;
    OK(!fetch_halt_hit(&h, &c));
    c.failed = 2;
    OK(fetch_halt_hit(&h, &c));
    EQ(fetch_halt_parse(&h, "fail=50%"), 0);
    OK(!fetch_halt_hit(&h, &c)); /* of two: too few to say */
    c.ok = 2;
    OK(fetch_halt_hit(&h, &c));
    EQ(fetch_halt_parse(&h, "soon,done=4"), 0);
    OK(fetch_halt_hit(&h, &c));
    static const char *const bad[] = {
        "",          "now",          "fail",    "fail=",   "fail=0",  "fail=-1",
        "fail=101%", "later,fail=1", "fail=1x", "done=5%", "fail=1%%"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EQ(fetch_halt_parse(&h, bad[i]), -EINVAL);
}

TEST(the_progress_line_says_what_is_going_on_and_fits)
{
    char line[512];
    struct fetch_counts c;
    struct fetch_view v;
    memset(&c, 0, sizeof c);
    memset(&v, 0, sizeof v);
    c.in = 100;
    c.ok = 40;
    c.failed = 10;
    v.counts = &c;
    v.rate = 25;
    v.waiting = 3;
    v.running = 8;
    v.hung = 1;
    fetch_view_line(&v, line, sizeof line);
    STREQ(line, "50 done, 25/s, ok 40, failed 10, retrying 3, in flight 8, hung 1");
    v.total_known = true;
    v.window_full = true;
    fetch_view_line(&v, line, sizeof line);
    STREQ(line, "50 / 100 done, 25/s, ok 40, failed 10, retrying 3, in flight 8, hung 1, "
                "window full: input waits, ETA 0:02");
    v.width = 20;
    fetch_view_line(&v, line, sizeof line);
    EQ(strlen(line), 20);
}

TEST(the_summary_checks_its_sum)
{
    char text[512];
    struct fetch_counts c;
    struct fetch_view v;
    memset(&c, 0, sizeof c);
    memset(&v, 0, sizeof v);
    v.counts = &c;
    c.in = 3;
    fetch_counts_add(&c, FETCH_OK, 1, 10);
    fetch_counts_add(&c, FETCH_HTTP, 2, 10);
    fetch_counts_add(&c, FETCH_HALTED, 0, 0);
    OK(fetch_counts_hold(&c));
    v.elapsed = 1;
    fetch_view_summary(&v, text, sizeof text);
    STREQ(text, "in 3 = ok 1 + failed 1 + left 1\n3 attempts, 20 bytes, 1.000 s, 2 items/s\n"
                "not ok: http 1, halted 1\n");
    c.in = 4;
    fetch_view_summary(&v, text, sizeof text);
    OK(strstr(text, "MISMATCH") != NULL);
}
