/*
 * fetch_counts.c -- exit code, --halt and the words on stderr.
 * Promises: pure functions of their arguments; no output of their own.
 */
#include "fetch_counts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fetch_counts_add(struct fetch_counts *c, enum fetch_outcome o, uint32_t attempts,
                      uint64_t bytes)
{
    c->outcomes[o]++;
    c->attempts += attempts;
    c->bytes += bytes;
    if (o == FETCH_OK)
        c->ok++;
    else if (fetch_outcome_is_left(o))
        c->left++;
    else
        c->failed++;
}

bool fetch_counts_hold(const struct fetch_counts *c)
{
    return c->in == c->ok + c->failed + c->left;
}

int fetch_counts_exit(const struct fetch_counts *c)
{
    if (c->input_errors > 0)
        return 3;
    if (c->output_error != 0)
        return 4;
    if (c->signal != 0)
        return 128 + c->signal;
    if (c->stopped)
        return 5;
    return c->failed > 0 || c->left > 0 ? 1 : 0;
}

static bool counts_word(const char **text, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*text, word, n) != 0)
        return false;
    *text += n;
    return true;
}

int fetch_halt_parse(struct fetch_halt *h, const char *text)
{
    struct fetch_halt made = {FETCH_HALT_NEVER, false, false, 0};
    char *end;
    if (strcmp(text, "never") == 0) {
        *h = made;
        return 0;
    }
    if (counts_word(&text, "now,"))
        made.now = true;
    else
        (void)counts_word(&text, "soon,");
    made.what = counts_word(&text, "fail=")      ? FETCH_HALT_FAIL
                : counts_word(&text, "success=") ? FETCH_HALT_SUCCESS
                : counts_word(&text, "done=")    ? FETCH_HALT_DONE
                                                 : FETCH_HALT_NEVER;
    if (made.what == FETCH_HALT_NEVER || text[0] < '0' || text[0] > '9')
        return -EINVAL;
    errno = 0;
    made.n = strtoull(text, &end, 10);
    made.percent = *end == '%' && made.what != FETCH_HALT_DONE;
    if (errno != 0 || made.n == 0 || end[made.percent] != 0 || (made.percent && made.n > 100))
        return -EINVAL;
    *h = made;
    return 0;
}

bool fetch_halt_hit(const struct fetch_halt *h, const struct fetch_counts *c)
{
    uint64_t done = c->ok + c->failed;
    uint64_t n = h->what == FETCH_HALT_FAIL      ? c->failed
                 : h->what == FETCH_HALT_SUCCESS ? c->ok
                                                 : done;
    if (h->what == FETCH_HALT_NEVER)
        return false;
    if (h->percent)
        return done >= 3 && n * 100 >= h->n * done;
    return n >= h->n;
}

struct counts_text {
    char *p;
    size_t n, size;
};

__attribute__((format(printf, 2, 3))) static void counts_say(struct counts_text *t,
                                                             const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(t->p + t->n, t->size - t->n, format, ap);
    va_end(ap);
    if (n > 0)
        t->n = t->n + (size_t)n < t->size ? t->n + (size_t)n : t->size - 1;
}

static void counts_say_time(struct counts_text *t, double seconds)
{
    unsigned long s = seconds > 1e9 ? 1000000000ul : (unsigned long)(seconds + 0.5);
    if (s >= 3600)
        counts_say(t, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        counts_say(t, "%lu:%02lu", s / 60, s % 60);
}

static void counts_say_bar(struct counts_text *t, uint64_t done, uint64_t total)
{
    unsigned filled = total > 0 ? (unsigned)(done * 20 / total) : 0;
    counts_say(t, "[");
    for (unsigned i = 0; i < 20; i++)
        counts_say(t, "%c", i < filled ? '#' : '-');
    counts_say(t, "] ");
}

void fetch_view_line(const struct fetch_view *v, char *out, size_t size)
{
    const struct fetch_counts *c = v->counts;
    struct counts_text t = {out, 0, size};
    uint64_t done = c->ok + c->failed + c->left;
    out[0] = 0;
    if (v->bar && v->total_known)
        counts_say_bar(&t, done, c->in);
    counts_say(&t, "%llu", (unsigned long long)done);
    if (v->total_known)
        counts_say(&t, " / %llu", (unsigned long long)c->in);
    counts_say(&t, " done, %.0f/s, ok %llu, ", v->rate, (unsigned long long)c->ok);
    const char *red = v->colour && c->failed > 0 ? "\033[31m" : "";
    counts_say(&t, "%sfailed %llu%s", red, (unsigned long long)c->failed, *red ? "\033[0m" : "");
    counts_say(&t, ", retrying %llu, in flight %llu, hung %llu", (unsigned long long)v->waiting,
               (unsigned long long)v->running, (unsigned long long)v->hung);
    if (v->held_back > 0)
        counts_say(&t, ", paused %llu", (unsigned long long)v->held_back);
    if (v->draining)
        counts_say(&t, ", draining");
    if (v->window_full)
        counts_say(&t, ", window full: input waits");
    if (v->total_known && v->rate > 0 && done < c->in) {
        counts_say(&t, ", ETA ");
        counts_say_time(&t, (double)(c->in - done) / v->rate);
    }
    unsigned invisible = *red ? 9 : 0;
    if (v->width > 0 && t.n > v->width + invisible)
        out[v->width + invisible] = 0;
}

void fetch_view_summary(const struct fetch_view *v, char *out, size_t size)
{
    const struct fetch_counts *c = v->counts;
    struct counts_text t = {out, 0, size};
    out[0] = 0;
    counts_say(&t, "in %llu = ok %llu + failed %llu + left %llu%s\n", (unsigned long long)c->in,
               (unsigned long long)c->ok, (unsigned long long)c->failed,
               (unsigned long long)c->left,
               fetch_counts_hold(c) ? "" : "  MISMATCH: please report this as a bug");
    counts_say(&t, "%llu attempts, %llu bytes, %.3f s, %.0f items/s\n",
               (unsigned long long)c->attempts, (unsigned long long)c->bytes, v->elapsed,
               v->elapsed > 0 ? (double)(c->ok + c->failed) / v->elapsed : 0.0);
    const char *lead = "not ok:";
    for (int o = FETCH_HTTP; o < FETCH_OUTCOMES; o++) {
        if (c->outcomes[o] == 0)
            continue;
        counts_say(&t, "%s %s %llu", lead, fetch_outcome_name(o),
                   (unsigned long long)c->outcomes[o]);
        lead = ",";
    }
    if (lead[0] == ',')
        counts_say(&t, "\n");
}
