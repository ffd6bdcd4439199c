/*
 * test_chaos.c -- the pure parts of `weir chaos`: faults, bodies, outages, counting, options.
 */
#include "harness/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "chaos.h"

static struct chaos_spec spec_of(const char *text)
{
    struct chaos_spec spec;
    char why[200] = "";

    if (chaos_spec_parse(text, &spec, why, sizeof why) < 0)
        FAIL("%s: %s", text, why);
    return spec;
}

static const struct chaos_fault *pick(const struct chaos_spec *spec, uint64_t seed,
                                      const char *path, uint32_t attempt)
{
    return chaos_fault_pick(spec, seed, path, strlen(path), attempt);
}

/* --- faults -------------------------------------------------------------------------------- */

/* From another program that follows the formula in chaos_faults.h. */
TEST(the_draw_is_the_documented_formula)
{
    EQ(chaos_path_hash("", 0), 14695981039346656037u);
    EQ(chaos_draw(1, chaos_path_hash("/a", 2), 1, CHAOS_USE_FAULT), 9529617020997353902u);
    EQ(chaos_draw(1, chaos_path_hash("/a", 2), 2, CHAOS_USE_FAULT), 16211998422818931791u);
    EQ(chaos_draw(42, chaos_path_hash("/items?page=3", 13), 1, CHAOS_USE_CUT),
       4473863417365652963u);
}

/* Each share within five standard deviations over 10,000 paths, for several seeds and attempts. */
TEST(the_shares_are_kept_over_ten_thousand_paths)
{
    struct chaos_spec spec = spec_of("503:30%,429:5%:retry-after=2,reset:3%,truncate:1%,hang:1%");

    for (uint64_t seed = 0; seed < 4; seed++)
        for (uint32_t attempt = 1; attempt <= 3; attempt++) {
            int count[CHAOS_FAULTS_MAX] = {0};
            char path[32];

            for (int i = 0; i < 10000; i++) {
                const struct chaos_fault *f;
                snprintf(path, sizeof path, "/u/%d", i);
                if ((f = pick(&spec, seed, path, attempt)))
                    count[f - spec.fault]++;
            }
            for (size_t i = 0; i < spec.n; i++) {
                double p = spec.fault[i].ppm / 1e6, off = count[i] - 10000 * p;
                LT(off * off, 25 * 10000 * p * (1 - p));
            }
        }
}

TEST(the_same_seed_path_and_attempt_meet_the_same_fault)
{
    struct chaos_spec spec = spec_of("503:30%,reset:30%");
    int differ_seed = 0, differ_attempt = 0;
    char path[32];

    for (int i = 0; i < 1000; i++) {
        const struct chaos_fault *f;
        snprintf(path, sizeof path, "/p?%d", i);
        f = pick(&spec, 7, path, 1);
        EQ(f, pick(&spec, 7, path, 1));
        differ_seed += f != pick(&spec, 8, path, 1);
        differ_attempt += f != pick(&spec, 7, path, 2);
    }
    LT(400, differ_seed);
    LT(400, differ_attempt);
}

/* So five thousand paths all get through in twelve attempts, as the main job needs. */
TEST(attempts_at_one_path_are_independent)
{
    struct chaos_spec spec = spec_of("503:30%,429:5%,reset:3%,truncate:1%,hang:1%");
    int run = 0, longest = 0;

    for (uint32_t attempt = 1; attempt <= 10000; attempt++) {
        run = pick(&spec, 1, "/x", attempt) ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    LE(5, longest);
    LT(longest, 20);
}

TEST(a_share_of_everything_or_nothing_is_exact)
{
    struct chaos_spec all = spec_of("reset:100%"), none = spec_of("reset:0%");
    char path[32];

    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof path, "/%d", i);
        OK(pick(&all, 1, path, 1) == &all.fault[0]);
        OK(pick(&none, 1, path, 1) == NULL);
    }
}

/* --- the list ------------------------------------------------------------------------------ */

TEST(the_list_reads_shares_times_and_retry_after)
{
    struct chaos_spec s = spec_of("503:30%,429:0.5%:retry-after=2,hang:1%:500ms,slow:5%,drip,"
                                  "bad-chunk,bad-length:2%");

    EQ(s.n, 7);
    EQ(s.fault[0].status, 503);
    EQ(s.fault[0].ppm, 300000);
    EQ(s.fault[1].ppm, 5000);
    EQ(s.fault[1].retry_after, 2);
    EQ(s.fault[2].kind, CHAOS_HANG);
    EQ(s.fault[2].span, WEIR_MS(500));
    EQ(s.fault[3].span, WEIR_S(2));
    EQ(s.fault[4].ppm, 10000);
    EQ(s.fault[4].span, WEIR_S(1));
    STREQ(s.fault[5].name, "bad-chunk");
}

static void refuse(const char *text, const char *saying)
{
    struct chaos_spec s = {.n = 77};
    char why[200] = "";

    EQ(chaos_spec_parse(text, &s, why, sizeof why), -EINVAL);
    if (!strstr(why, saying))
        FAIL("'%s' says '%s', not '%s'", text, why, saying);
    EQ(s.n, 77);
}

TEST(a_bad_list_is_refused_and_says_which_entry)
{
    refuse("", "an entry is empty");
    refuse("503:30%,,reset", "an entry is empty");
    refuse("trunkate:1%", "did you mean 'truncate'?");
    refuse("200:5%", "'200' is not a failing status");
    refuse("503:101%", "503:101%: a share is 0% to 100%");
    refuse("503:x%", "503:x%");
    refuse("503:60%,reset:41%", "more than 100% at 'reset'");
    refuse("503:1%,503:2%", "'503' is there twice");
    refuse("reset:1%:2s", "only hang, slow and drip take a time");
    refuse("reset:5", "only hang, slow and drip take a time");
    refuse("reset:retry-after=2", "'reset' takes no retry-after");
    refuse("429:retry-after=0", "whole seconds");
    refuse("429:retry-after=1.5", "whole seconds");
    refuse("hang:0s", "hang:0s");
}

/* --- outages ------------------------------------------------------------------------------- */

TEST(an_outage_begins_and_ends_on_time_and_may_repeat)
{
    struct chaos_options o = {.downs = 2};

    EQ(chaos_down_parse("10s@30s", &o.down[0]), 0);
    EQ(chaos_down_parse("1s@100s/60s", &o.down[1]), 0);
    OK(!chaos_down_at(&o, WEIR_S(30) - 1));
    OK(chaos_down_at(&o, WEIR_S(30)));
    OK(chaos_down_at(&o, WEIR_S(40) - 1));
    OK(!chaos_down_at(&o, WEIR_S(40)));
    OK(chaos_down_at(&o, WEIR_S(100)));
    OK(chaos_down_at(&o, WEIR_S(160)));
    OK(!chaos_down_at(&o, WEIR_S(161)));
    EQ(chaos_down_change(&o, 0), WEIR_S(30));
    EQ(chaos_down_change(&o, WEIR_S(30)), WEIR_S(40));
    EQ(chaos_down_change(&o, WEIR_S(40)), WEIR_S(100));
    EQ(chaos_down_change(&o, WEIR_S(101)), WEIR_S(160));
    o.downs = 1;
    EQ(chaos_down_change(&o, WEIR_S(40)), WEIR_NEVER);
}

TEST(a_bad_outage_is_refused)
{
    static const char *const bad[] = {"", "10s", "10s@", "@5s", "0s@5s", "10s@5s/10s", "x@y"};
    struct chaos_down d;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EQ(chaos_down_parse(bad[i], &d), -EINVAL);
}

/* --- bodies -------------------------------------------------------------------------------- */

static char body_text[CHAOS_TEXT_MAX];

static struct chaos_body body_of(const char *path)
{
    struct chaos_body b;

    chaos_body_make(path, strlen(path), body_text, &b);
    if (b.page == CHAOS_PAGE_JSON)
        body_text[b.size] = '\0';
    return b;
}

TEST(a_document_is_a_function_of_its_path)
{
    EQ(body_of("/a/b?c=1").status, 200);
    STREQ(body_text, "{\"path\":\"/a/b?c=1\",\"n\":8}\n");
    body_of("/\"\\\x01\xff");
    STREQ(body_text, "{\"path\":\"/\\\"\\\\\\u0001\\u00ff\",\"n\":5}\n");
}

TEST(the_longest_path_fits)
{
    char path[CHAOS_PATH_MAX + 1];

    memset(path, '\x80', CHAOS_PATH_MAX);
    path[CHAOS_PATH_MAX] = '\0';
    path[0] = '/';
    LE(body_of(path).size, CHAOS_TEXT_MAX);
}

TEST(the_special_paths_do_what_they_say)
{
    EQ(body_of("/bytes/1000000").size, 1000000);
    EQ(body_of("/bytes/0").size, 0);
    EQ(body_of("/bytes/x").status, 404);
    EQ(body_of("/bytes/99999999999999999999999").status, 404);
    EQ(body_of("/status/418").status, 418);
    EQ(body_of("/status/204").size, 0);
    EQ(body_of("/status/100").status, 404);
    EQ(body_of("/delay/250").delay, WEIR_MS(250));
    EQ(body_of("/__stats?paths=1").page, CHAOS_PAGE_STATS);
    EQ(body_of("/__other").page, CHAOS_PAGE_UNKNOWN);
    MEMEQ(chaos_body_pattern(), "0123456789abcde\n0123456789abcde\n", 32);
}

TEST(pages_link_to_the_next_until_the_last)
{
    struct chaos_body b = body_of("/items");

    STREQ(b.link, "</items?page=2>; rel=\"next\"");
    OK(strstr(body_text, "{\"page\":1,\"pages\":20,\"items\":[{\"id\":1,\"name\":\"item-1\"},"));
    OK(strstr(body_text, "\"next\":\"/items?page=2\",\"cursor\":\"c2\"}\n"));
    b = body_of("/items?x=y&cursor=c20");
    OK(strstr(body_text, "\"id\":1000,\"name\":\"item-1000\"}],\"next\":null,\"cursor\":null}\n"));
    STREQ(b.link, "");
    EQ(body_of("/items?page=21").status, 404);
    EQ(body_of("/items?page=0").status, 404);
}

/* --- counting ------------------------------------------------------------------------------ */

static struct chaos_stats stats;

static uint32_t attempt_at(const char *path, int64_t now)
{
    struct chaos_path *p = chaos_stats_arrive(&stats, path, strlen(path), now);

    return chaos_stats_attempt(&stats, path, strlen(path), p);
}

TEST(attempts_are_counted_for_each_path)
{
    char path[32];

    chaos_stats_reset(&stats, 0);
    for (int round = 1; round <= 3; round++)
        for (int i = 0; i < 5000; i++) {
            snprintf(path, sizeof path, "/u/%d", i);
            EQ(attempt_at(path, 0), round);
        }
    EQ(stats.paths, 5000);
    EQ(stats.attempts, 15000);
    chaos_stats_reset(&stats, 0);
    EQ(attempt_at("/u/1", 0), 1);
    chaos_stats_free(&stats);
}

TEST(a_request_before_its_paths_retry_after_is_a_violation)
{
    chaos_stats_reset(&stats, 0);
    attempt_at("/a", 0);
    chaos_stats_retry_after(&stats, "/a", 2, 2, 0);
    attempt_at("/b", WEIR_S(1));
    EQ(stats.early_path, 0);
    attempt_at("/a", WEIR_S(2) - 1);
    EQ(stats.early_path, 1);
    attempt_at("/a", WEIR_S(2));
    EQ(stats.early_path, 1);
    chaos_stats_free(&stats);
}

TEST(the_third_retry_after_in_a_row_pauses_the_client)
{
    chaos_stats_reset(&stats, 0);
    chaos_stats_retry_after(&stats, "/a", 2, 1, 0);
    chaos_stats_retry_after(&stats, "/b", 2, 1, 0);
    attempt_at("/c", WEIR_MS(500));
    EQ(stats.early_client, 0);
    chaos_stats_success(&stats, "/c", 2);
    chaos_stats_retry_after(&stats, "/a", 2, 1, WEIR_S(2));
    chaos_stats_retry_after(&stats, "/b", 2, 1, WEIR_S(2));
    chaos_stats_retry_after(&stats, "/c", 2, 1, WEIR_S(2));
    attempt_at("/d", WEIR_S(2) + CHAOS_GRACE); /* was on its way */
    EQ(stats.early_client, 0);
    attempt_at("/e", WEIR_S(2) + CHAOS_GRACE + 1);
    EQ(stats.early_client, 1);
    attempt_at("/f", WEIR_S(3));
    EQ(stats.early_client, 1);
    chaos_stats_free(&stats);
}

TEST_WITH(the_map_is_bounded_and_attempts_still_go_up_beyond, .timeout = 60)
{
    char path[64];

    chaos_stats_reset(&stats, 0);
    for (int i = 0; i < CHAOS_PATHS_MAX + 1000; i++) {
        snprintf(path, sizeof path, "/%d", i);
        chaos_stats_arrive(&stats, path, strlen(path), 0);
    }
    EQ(stats.paths, CHAOS_PATHS_MAX);
    EQ(stats.untracked, 1000);
    EQ(attempt_at("/new", 0), 1);
    EQ(attempt_at("/new", 0), 2);
    LE(stats.names_room, CHAOS_PATHS_BYTES);
    chaos_stats_free(&stats);
}

/* --- options ------------------------------------------------------------------------------- */

static int64_t span_of(const char *text)
{
    weir_span s = -77;
    int r = args_parse_span(text, &s);

    return r < 0 ? r : s;
}

static int64_t size_of(const char *text)
{
    uint64_t n = 0;
    int r = args_parse_size(text, &n);

    return r < 0 ? r : (int64_t)n;
}

TEST(durations_are_read_exactly)
{
    EQ(span_of("250ms"), WEIR_MS(250));
    EQ(span_of("5"), WEIR_S(5));
    EQ(span_of("1.5s"), WEIR_MS(1500));
    EQ(span_of("2m"), WEIR_S(120));
    EQ(span_of("0.1ms"), 100000);
    EQ(span_of("7us"), 7000);
    EQ(span_of("-5s"), -EINVAL);
    EQ(span_of(""), -EINVAL);
    EQ(span_of("5x"), -EINVAL);
    EQ(span_of("1.23456s"), -EINVAL);
    EQ(span_of("99999999999999999999s"), -ERANGE);
    EQ(span_of("9999999999s"), -ERANGE);
}

TEST(sizes_are_powers_of_1024)
{
    EQ(size_of("64K"), 65536);
    EQ(size_of("64k"), 65536);
    EQ(size_of("1.5MiB"), 1572864);
    EQ(size_of("2GB"), (int64_t)2 << 30);
    EQ(size_of("10"), 10);
    EQ(size_of("1.5"), -EINVAL);
    EQ(size_of("1KB/s"), -EINVAL);
    EQ(size_of("-1"), -EINVAL);
    EQ(size_of("99999999999T"), -ERANGE);
}

TEST(rates_and_percentages_and_ranges_are_read)
{
    struct args_rate r;
    uint32_t ppm;
    weir_span low, high;

    EQ(args_parse_rate("100/s:20", &r), 0);
    EQ(r.count, 100);
    EQ(r.burst, 20);
    EQ(r.per, WEIR_S(1));
    EQ(args_parse_rate("5/10s", &r), 0);
    EQ(r.per, WEIR_S(10));
    EQ(args_parse_rate("600/m", &r), 0);
    EQ(r.per, WEIR_S(60));
    EQ(args_parse_rate("0/s", &r), -ERANGE);
    EQ(args_parse_rate("5/", &r), -EINVAL);
    EQ(args_parse_rate("5/s:0", &r), -ERANGE);
    EQ(args_parse_rate("x", &r), -EINVAL);
    EQ(args_parse_percent("0.5%", &ppm), 0);
    EQ(ppm, 5000);
    EQ(args_parse_percent("100.1", &ppm), -ERANGE);
    EQ(args_parse_span_range("20ms..200ms", &low, &high), 0);
    EQ(low, WEIR_MS(20));
    EQ(high, WEIR_MS(200));
    EQ(args_parse_span_range("2s..1s", &low, &high), -EINVAL);
    EQ(args_parse_span_range("..1s", &low, &high), -EINVAL);
}

TEST(a_near_word_is_suggested_and_a_far_one_is_not)
{
    static const char *const words[] = {"retry", "rate", "retry-on", "per-host", NULL};

    STREQ(args_suggest("rety", words), "retry");
    STREQ(args_suggest("retyr", words), "retry");
    STREQ(args_suggest("per_host", words), "per-host");
    STREQ(args_suggest("per", words), "per-host");
    OK(args_suggest("concurrency", words) == NULL);
    OK(args_suggest("", words) == NULL);
}
