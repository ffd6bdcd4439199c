/*
 * test_sim_plot.c -- scales, texts and drawings of `weir sim`.
 */
#include "harness/test.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "sim_backoff.h"
#include "sim_outage.h"
#include "sim_text.h"

static const double xs[] = {0, 1, 2, 3}, up[] = {1, 2, 3, 4}, gap[] = {1, NAN, 3, 4};

static struct sim_plot plot_of(const double *y)
{
    struct sim_plot p = {
        .title = "T", .subtitle = "S", .x_label = "x", .y_label = "y", .n = 1, .points = 1};

    p.series[0] = (struct sim_series){.name = "a", .x = xs, .y = y, .n = 4};
    return p;
}

static char *svg_of(const struct sim_plot *p, int inline_html)
{
    char *out = NULL;
    size_t size;
    FILE *f = open_memstream(&out, &size);

    sim_plot_svg(f, p, inline_html);
    fclose(f);
    return out;
}

static int count(const char *text, const char *word)
{
    int n = 0;

    for (; (text = strstr(text, word)); text += strlen(word))
        n++;
    return n;
}

/* --- scales -------------------------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten. */
static int is_round(double v)
{
    double m = v / pow(10, floor(log10(v) + 1e-9));

    return fabs(m - 1) < 1e-6 || fabs(m - 2) < 1e-6 || fabs(m - 5) < 1e-6 || fabs(m - 10) < 1e-6;
}

TEST(a_linear_scale_covers_its_values_with_few_round_steps)
{
    for (int round = 0; round < 3000; round++) {
        double low = test_random() % 2 ? 0 : (double)(test_random() % 1000);
        double high = low + pow(10, (double)(test_random() % 1200) / 100 - 4);
        size_t most = 2 + test_random() % 9;
        struct sim_scale s = sim_scale_of(low, high, 0, most);

        LE(s.from, low + (high - low) * 1e-6);
        LE(high - (high - low) * 1e-6, s.to);
        LE(2, s.ticks);
        LE(s.ticks, most + 3);
        OK(is_round(s.tick[1] - s.tick[0]));
        EQ(sim_scale_at(&s, s.from), 0);
        LT(fabs(sim_scale_at(&s, s.to) - 1), 1e-9);
    }
}

TEST(a_logarithmic_scale_does_too)
{
    for (int round = 0; round < 3000; round++) {
        double low = pow(10, (double)(test_random() % 600) / 100 - 3);
        double high = low * pow(10, (double)(test_random() % 600) / 100);
        struct sim_scale s = sim_scale_of(low, high, 1, 7);

        LE(s.from, low * 1.002);
        LE(high * 0.998, s.to);
        LE(2, s.ticks);
        for (size_t i = 1; i < s.ticks; i++)
            LT(s.tick[i - 1], s.tick[i]);
    }
}

TEST(a_scale_of_nothing_is_still_a_scale)
{
    struct sim_scale s = sim_scale_of(5, 5, 0, 7);
    struct sim_plot empty = {.title = "", .x_label = "", .y_label = "", .n = 0};

    LT(s.from, s.to);
    s = sim_plot_y(&empty, 7);
    LT(s.from, s.to);
    s = sim_plot_x(&empty);
    LT(s.from, s.to);
}

TEST(ticks_are_short)
{
    static const struct {
        double v;
        const char *text;
    } row[] = {{0, "0"},          {0.25, "0.25"},  {5, "5"},       {999, "999"},
               {1000, "1,000"},   {9050, "9,050"}, {10000, "10k"}, {125000, "125k"},
               {1500000, "1.5M"}, {2e9, "2G"}};
    char text[32];

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        sim_tick_text(row[i].v, text);
        STREQ(text, row[i].text);
    }
}

/* --- texts --------------------------------------------------------------------------------- */

TEST(spans_are_written_as_they_are_read)
{
    static const weir_span spans[] = {0,           1,
                                      999,         1500,
                                      WEIR_MS(5),  WEIR_US(2500),
                                      WEIR_S(1),   WEIR_MS(1500),
                                      WEIR_S(90),  WEIR_MIN(2),
                                      WEIR_MIN(90)};
    char text[SIM_TEXT];
    weir_span back;

    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        EQ(args_parse_span(sim_text_span((double)spans[i], text), &back), 0);
        EQ(back, spans[i]);
    }
}

TEST(an_exact_span_loses_nothing)
{
    char text[SIM_TEXT];
    weir_span back;

    for (int i = 0; i < 1000; i++) {
        weir_span span = (weir_span)(test_random() % 1000000000000000) / (i % 2 ? 1 : 1000000);
        EQ(args_parse_span(sim_text_exact(span, text), &back), 0);
        EQ(back, span);
    }
}

TEST(a_word_of_a_shell_is_in_quotes)
{
    char text[64];

    sim_text_shell("a b", text, sizeof text);
    STREQ(text, "'a b'");
    sim_text_shell("it's", text, sizeof text);
    STREQ(text, "'it'\\''s'");
    sim_text_shell("too long for it", text, 12);
    LT(strlen(text), 12);
}

TEST(counts_have_their_commas)
{
    char text[SIM_TEXT];

    STREQ(sim_text_count(0, text), "0");
    STREQ(sim_text_count(999.4, text), "999");
    STREQ(sim_text_count(1000, text), "1,000");
    STREQ(sim_text_count(1234567, text), "1,234,567");
    STREQ(sim_text_three(1.005, text), "1.00");
    STREQ(sim_text_three(12.34, text), "12.3");
    STREQ(sim_text_three(1234, text), "1,234");
}

TEST(strings_are_escaped_for_json_and_for_xml)
{
    char *out = NULL;
    size_t size;
    FILE *f = open_memstream(&out, &size);

    sim_text_json(f, "a\"b\\c\n\x01");
    sim_text_xml(f, "<a href=\"b\">&");
    fclose(f);
    STREQ(out, "\"a\\\"b\\\\c\\n\\u0001\"&lt;a href=&quot;b&quot;&gt;&amp;");
    free(out);
}

/* --- drawings ------------------------------------------------------------------------------ */

TEST(a_plot_has_its_title_axes_units_and_names)
{
    struct sim_plot p = plot_of(up);
    char *svg = svg_of(&p, 0);

    OK(strstr(svg, "<?xml"));
    OK(strstr(svg, ">T</text>"));
    OK(strstr(svg, ">S</text>"));
    OK(strstr(svg, ">x</text>"));
    OK(strstr(svg, ">y</text>"));
    OK(strstr(svg, "class=\"name t0\""));
    OK(strstr(svg, "prefers-color-scheme:dark"));
    EQ(count(svg, "<circle"), 4);
    EQ(count(svg, "</svg>"), 1);
    free(svg);
    svg = svg_of(&p, 1);
    OK(!strstr(svg, "<?xml") && !strstr(svg, "<style"));
    free(svg);
}

TEST(a_gap_lifts_the_pen_and_is_no_number)
{
    struct sim_plot p = plot_of(gap);
    char *svg = svg_of(&p, 1);

    OK(!strstr(svg, "nan"));
    EQ(count(svg, "<circle"), 3);
    free(svg);
}

TEST(names_that_are_markup_stay_names)
{
    struct sim_plot p = plot_of(up);
    char *svg;

    p.series[0].name = "<script>alert(1)</script>";
    svg = svg_of(&p, 1);
    OK(!strstr(svg, "<script"));
    OK(strstr(svg, "&lt;script&gt;"));
    free(svg);
}

/* Twenty-four names that all end at one point: a line apart, inside the picture. */
TEST(names_beside_the_ends_do_not_cover_each_other)
{
    static char name[SIM_PLOT_SERIES][24];
    struct sim_plot p = plot_of(up);
    double last = -1, y;
    char *svg, *at;

    p.n = SIM_PLOT_SERIES;
    for (size_t i = 0; i < p.n; i++) {
        snprintf(name[i], sizeof name[i], "n%d", (int)(i % 1000));
        p.series[i] = p.series[0];
        p.series[i].name = name[i];
        p.series[i].colour = (int)i;
    }
    at = svg = svg_of(&p, 1);
    while ((at = strstr(at, " class=\"name"))) {
        char *from = at;
        while (strncmp(from, "y=\"", 3) != 0)
            from--;
        y = atof(from + 3);
        LE(last + 11, y);
        LT(60, y);
        LT(y, 420);
        last = y;
        at++;
    }
    LT(0, last);
    free(svg);
}

TEST(a_terminal_plot_keeps_to_its_width)
{
    struct sim_plot p = plot_of(up);
    char *out = NULL, *line, *end;
    size_t size;
    FILE *f = open_memstream(&out, &size);
    int letters = 0;

    sim_plot_text(f, &p, 60, 10, 0);
    fclose(f);
    for (line = out; (end = strchr(line, '\n')); line = end + 1) {
        LE(end - line, 60);
        if (line > strchr(out, '\n'))
            for (char *c = line; c < end; c++)
                letters += *c == 'a';
    }
    LT(30, letters);
    OK(!strchr(out, '\033'));
    free(out);
}

/* --- lists and settings -------------------------------------------------------------------- */

TEST(lists_of_clients)
{
    uint32_t n[SIM_ROWS];

    EQ(sim_clients_parse("10,50,100", n), 3);
    EQ(n[2], 100);
    EQ(sim_clients_parse("10..190/10", n), 19);
    EQ(n[18], 190);
    EQ(sim_clients_parse("1..3,10..20/5", n), 6);
    EQ(n[3], 10);
    EQ(sim_clients_parse("7", n), 1);
    EQ(sim_clients_parse("1..200", n), 200);
    EQ(sim_clients_parse("1..201", n), -EINVAL);
    EQ(sim_clients_parse("", n), -EINVAL);
    EQ(sim_clients_parse("10,", n), -EINVAL);
    EQ(sim_clients_parse("10..", n), -EINVAL);
    EQ(sim_clients_parse("..10", n), -EINVAL);
    EQ(sim_clients_parse("10.20", n), -EINVAL);
    EQ(sim_clients_parse("10/2", n), -EINVAL);
    EQ(sim_clients_parse("100001", n), -EINVAL);
}

TEST(a_setting_may_have_a_name)
{
    struct sim_outage *s = calloc(1, sizeof *s);
    struct sim_error error;

    EQ(sim_outage_add(s, "mine: rate(100/s:20)", &error), 0);
    STREQ(s->setting[0].name, "mine");
    STREQ(s->setting[0].text, "rate(100/s:20)");
    EQ(sim_outage_add(s, " rate(100/s:20)", &error), 0);
    STREQ(s->setting[1].name, "rate(100/s:20)");
    EQ(sim_outage_add(s, "x: rte(1/s)", &error), -EINVAL);
    EQ(error.column, 4);
    EQ(s->n, 2);
    while (s->n < SIM_SETTINGS)
        EQ(sim_outage_add(s, "retry", &error), 0);
    EQ(sim_outage_add(s, "retry", &error), -E2BIG);
    free(s);
}
