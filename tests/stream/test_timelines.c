/*
 * test_timelines.c -- every line of timelines.def, to the nanosecond: under
 * many seeds, on a source that is pulled directly and on one behind a callback.
 *
 * With WEIR_TIMELINES=FILE the last test writes there what has happened, drawn
 * as the manual shows it; tools/timelines.sh compares the two.
 */
#include "stream/marbles.h"

static bool mapped; /* the source is behind a callback */

#define IN (mapped ? marbles_mapped(in) : marbles(in))
#define DEBOUNCE(ms, ...)                                                                          \
    &(struct weir_debounce_opts)                                                                   \
    {                                                                                              \
        .quiet = WEIR_MS(ms), __VA_ARGS__                                                          \
    }
#define THROTTLE(ms, ...)                                                                          \
    &(struct weir_throttle_opts)                                                                   \
    {                                                                                              \
        .period = WEIR_MS(ms), __VA_ARGS__                                                         \
    }
#define PACE(ms, b, ...)                                                                           \
    &(struct weir_pace_opts)                                                                       \
    {                                                                                              \
        .rate = {.count = 1, .period = WEIR_MS(ms), .burst = (b)}, __VA_ARGS__                     \
    }
#define TIMEOUTS(...) (&(struct weir_timeouts_opts){__VA_ARGS__})
#define STAGE(how) (&(struct weir_stage_opts){.capacity = 3, .overflow = (how)})

/* --- what the lines of the table call ------------------------------------------------ */

static uint64_t letter(void *ctx, const void *item)
{
    (void)ctx;
    return (uint64_t)(((const struct mark *)item)->c - 'a' + 1);
}

static int tilde(void *ctx, void *in, void *out)
{
    (void)ctx;
    EQ((intptr_t)in, 0);
    mark_make(out, '~');
    return 1;
}

/* What stops the stream lives as long as the fiber of its line. */
static struct {
    struct weir_event event;
    weir_scope *scope;
    weir_time at;
} stop;

static int stop_setter(void *arg)
{
    (void)arg;
    EQ(weir_sleep(stop.at), 0);
    weir_event_set(&stop.event);
    return 0;
}

static int stop_drainer(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    stop.scope = s;
    EQ(weir_sleep(stop.at), 0);
    EQ(weir_scope_drain(s, WEIR_NEVER), 0);
    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    return weir_scope_close(&s);
}

static weir_scope *around; /* the line's own */

static weir_stream *until_event(weir_stream *s, weir_span after)
{
    weir_event_init(&stop.event);
    stop.at = weir_after(after);
    GO(around, stop_setter, NULL);
    return weir_take_until(s, &(struct weir_until_opts){.event = &stop.event});
}

static weir_stream *until_stop(weir_stream *s, weir_span after)
{
    stop.at = weir_after(after);
    stop.scope = NULL;
    GO(around, stop_drainer, NULL);
    while (!stop.scope)
        EQ(weir_yield(), 0);
    return weir_take_until(s, &(struct weir_until_opts){.stop = stop.scope});
}

static weir_stream *until_deadline(weir_stream *s, weir_span after)
{
    return weir_take_until(s, &(struct weir_until_opts){.deadline = weir_after(after)});
}

static weir_stream *ticks(uint32_t first_now, enum weir_missed missed)
{
    struct weir_interval_opts o = {WEIR_MS(30), first_now, missed, {0}};

    return until_deadline(weir_interval(&o), WEIR_MS(145));
}

/* --- the table ---------------------------------------------------------------------------- */

struct line {
    const char *title, *in;
    weir_stream *(*build)(const char *in);
    int busy; /* ms */
    const char *want;
};

#define SECTION(title)
#define TIMELINE(name, title, script, expression, busy, want)                                      \
    static weir_stream *build_##name(const char *in)                                               \
    {                                                                                              \
        (void)in;                                                                                  \
        return (expression);                                                                       \
    }
#include "stream/timelines.def"
#undef SECTION
#undef TIMELINE

#define SECTION(title) {title, NULL, NULL, 0, NULL},
#define TIMELINE(name, title, script, expression, busy, want)                                      \
    {title, script, build_##name, busy, want},
static const struct line lines[] = {
#include "stream/timelines.def"
};
#undef SECTION
#undef TIMELINE

static struct marbles_log happened;

static int line_fiber(void *arg)
{
    const struct line *l = arg;
    char got[MARBLES_TEXT];

    around = weir_scope_open(NULL);
    marbles_run(&happened, l->build(l->in), l->busy * WEIR_MS(1), 0);
    EQ(weir_scope_close(&around), 0);
    marbles_text(&happened, got);
    STREQ(got, l->want);
    return 0;
}

static void line_runs(const struct line *l)
{
    for (int twice = 0; twice < 2; twice++) {
        mapped = twice;
        for (uint64_t i = 0; i < WORLD_SEEDS; i++)
            EQ(world_seed(test_seed() + i, line_fiber, (void *)l), 0);
    }
}

#define SECTION(title)
#define TIMELINE(name, title, script, expression, busy, want)                                      \
    TEST(timeline_##name)                                                                          \
    {                                                                                              \
        line_runs(&(struct line){title, script, build_##name, busy, want});                        \
    }
#include "stream/timelines.def"
#undef SECTION
#undef TIMELINE

/* --- drawing --------------------------------------------------------------------------------- */

enum { IN_ROW, OUT_ROW, PULL_ROW, ROWS };

struct drawing {
    weir_time at[MARBLES_MOST]; /* of the columns */
    char cell[ROWS][MARBLES_MOST][32];
    size_t n;
};

static void draw_cell(struct drawing *d, int row, weir_time at, const char *text)
{
    size_t i = 0;

    while (i < d->n && d->at[i] < at)
        i++;
    if (i == d->n || d->at[i] != at) {
        LT(d->n, MARBLES_MOST);
        memmove(&d->at[i + 1], &d->at[i], (d->n - i) * sizeof d->at[0]);
        for (int r = 0; r < ROWS; r++) {
            memmove(&d->cell[r][i + 1], &d->cell[r][i], (d->n - i) * sizeof d->cell[r][0]);
            d->cell[r][i][0] = '\0';
        }
        d->at[i] = at;
        d->n++;
    }
    if (*text >= '0' && *text <= '9' && d->cell[row][i][0])
        strncat(d->cell[row][i], ",", 2);
    strncat(d->cell[row][i], text, sizeof d->cell[row][i] - 1 - strlen(d->cell[row][i]));
}

static void draw_script(struct drawing *d, const char *script)
{
    struct marbles m = {script, 0, false, NULL};

    for (char c = marbles_next(&m); c; c = marbles_next(&m)) {
        draw_cell(d, IN_ROW, m.now, (char[]){c, '\0'});
        m.at++;
        if (!m.group)
            m.now += WEIR_MS(MARBLES_STEP);
    }
}

static void draw_rows(FILE *f, const struct drawing *d, bool in, bool pulls)
{
    static const char *const names[] = {"in", "out", "pull"};
    int width[MARBLES_MOST];

    fprintf(f, "    ms  ");
    for (size_t i = 0; i < d->n; i++) {
        char ms[32];

        width[i] = snprintf(ms, sizeof ms, "%g", (double)d->at[i] / 1e6);
        for (int r = 0; r < ROWS; r++)
            if (width[i] < (int)strlen(d->cell[r][i]))
                width[i] = (int)strlen(d->cell[r][i]);
        fprintf(f, i + 1 < d->n ? " %-*s" : " %.*s", i + 1 < d->n ? width[i] : 31, ms);
    }
    for (int r = 0; r < ROWS; r++) {
        char text[MARBLES_TEXT] = "";
        size_t k = (size_t)snprintf(text, sizeof text, "    %-4s", names[r]);

        if ((r == IN_ROW && !in) || (r == PULL_ROW && !pulls))
            continue;
        for (size_t i = 0; i < d->n; i++)
            k += (size_t)snprintf(text + k, sizeof text - k, " %-*s", width[i], d->cell[r][i]);
        while (k && text[k - 1] == ' ')
            text[--k] = '\0';
        fprintf(f, "\n%s", text);
    }
    fprintf(f, "\n");
}

static void draw_line(FILE *f, const struct line *l)
{
    struct drawing *d = calloc(1, sizeof *d);

    OK(d != NULL);
    if (l->in)
        draw_script(d, l->in);
    for (size_t i = 0; i < happened.n; i++)
        draw_cell(d, OUT_ROW, happened.events[i].at, happened.events[i].text);
    for (size_t i = 0; l->busy && i < happened.pulls; i++)
        if (i == 0 || happened.pull[i] != happened.pull[i - 1])
            draw_cell(d, PULL_ROW, happened.pull[i], "^");
    fprintf(f, "\n%s\n", l->title);
    draw_rows(f, d, l->in, l->busy);
    free(d);
}

TEST(the_timelines_are_written_down)
{
    const char *path = getenv("WEIR_TIMELINES");
    FILE *f = path ? fopen(path, "w") : NULL;

    if (!path)
        SKIP("WEIR_TIMELINES is not set");
    OK(f != NULL);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (!lines[i].build) {
            fprintf(f, "== %s\n", lines[i].title);
            continue;
        }
        EQ(world_run(line_fiber, (void *)&lines[i]), 0);
        draw_line(f, &lines[i]);
    }
    EQ(fclose(f), 0);
}
