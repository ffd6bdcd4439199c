/*
 * sim_outage_out.c -- settings side by side: table, CSV, JSON and plots.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "sim_outage.h"
#include "sim_text.h"

/* --- settings ------------------------------------------------------------------------------ */

/* Where the stack begins: after a ':' that stands before any bracket. */
static size_t outage_name_length(const char *text)
{
    size_t n = strcspn(text, ":(>");

    return text[n] == ':' ? n + 1 : 0;
}

static void outage_name(struct sim_setting *s, const char *text, size_t n)
{
    size_t from = 0, length = n ? n - 1 : strlen(text);

    while (from < length && text[from] == ' ')
        from++;
    while (length > from && text[length - 1] == ' ')
        length--;
    snprintf(s->name, sizeof s->name, "%.*s", (int)(length - from), text + from);
}

int sim_outage_add(struct sim_outage *s, const char *text, struct sim_error *error)
{
    struct sim_setting *to = &s->setting[s->n];
    size_t n = outage_name_length(text);
    int r;

    if (s->n == SIM_SETTINGS || strlen(text) > SIM_SETTING_TEXT)
        return -E2BIG;
    if ((r = sim_expr_parse(text + n, &to->stack, error)) < 0) {
        error->column += n;
        return r;
    }
    outage_name(to, text, n);
    to->given = text;
    to->text = text + n + strspn(text + n, " ");
    s->n++;
    return 0;
}

double sim_outage_capacity(const struct sim_outage *s)
{
    return s->o.servers * 1e9 / (double)s->o.service;
}

void sim_outage_fault(const struct sim_outage *s, char *out, size_t size)
{
    static const char *const words[] = {"down", "errors", "hanging", "slow", "surge"};

    if (s->o.fault == SIM_SLOW || s->o.fault == SIM_SURGE)
        snprintf(out, size, "%s x %.4g", words[s->o.fault], s->o.factor);
    else if (s->o.share < 1000000)
        snprintf(out, size, "%s, %.4g %%", words[s->o.fault], s->o.share / 1e4);
    else
        snprintf(out, size, "%s", words[s->o.fault]);
}

void sim_outage_world(const struct sim_outage *s, char *out, size_t size)
{
    char fault[80], from[SIM_TEXT], until[SIM_TEXT], service[SIM_TEXT], rate[SIM_TEXT],
        capacity[SIM_TEXT];

    sim_outage_fault(s, fault, sizeof fault);
    snprintf(out, size,
             "%s calls/s from %" PRIu32 " clients; server: %s/s, %s each, queue %" PRIu32
             "; %s from %s to %s; seed %" PRIu64,
             sim_text_three(sim_service_rate(&s->o), rate), s->o.instances,
             sim_text_count(sim_outage_capacity(s), capacity),
             sim_text_span((double)s->o.service, service), s->o.queue, fault,
             sim_text_span((double)s->o.fault_at, from),
             sim_text_span((double)(s->o.fault_at + s->o.fault_for), until), s->o.seed);
}

/* --- numbers ------------------------------------------------------------------------------- */

static const char *const outage_heads[SIM_COLUMNS] = {
    "ok",    "ok in it", "ok after", "attempts/call", "in it",  "peak after",
    "waves", "recovery", "p50",      "p99",           "in vain"};

const char *sim_outage_head(size_t column)
{
    return outage_heads[column];
}

static double outage_share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : NAN;
}

static void outage_percent(double share, char *out, size_t size)
{
    if (isnan(share))
        snprintf(out, size, "-");
    else if (share > 0 && share < 0.0001)
        snprintf(out, size, "<0.01%%");
    else if (share > 0.999 && share < 1)
        snprintf(out, size, "%.4g%%", floor(share * 1e4) / 100);
    else
        snprintf(out, size, share < 0.1 && share > 0 ? "%.2f%%" : "%.1f%%", share * 100);
}

static void outage_ms(double ms, char *out, size_t size)
{
    char text[SIM_TEXT];

    if (isnan(ms))
        snprintf(out, size, "-");
    else
        snprintf(out, size, "%s",
                 sim_text_span(ms >= 100 ? rint(ms) * 1e6 : rint(ms * 10) * 1e5, text));
}

static void outage_recovery(weir_span span, char *out, size_t size)
{
    char text[SIM_TEXT];

    if (span == WEIR_NEVER)
        snprintf(out, size, "never");
    else if (span == 0)
        snprintf(out, size, "at once");
    else
        snprintf(out, size, "%s", sim_text_span(rint((double)span / 1e8) * 1e8, text));
}

const char *sim_outage_cell(const struct sim_outage *s, size_t setting, size_t column, char *out,
                            size_t size)
{
    const struct sim_service_sum *m = &s->setting[setting].sum;
    char text[SIM_TEXT];

    switch (column) {
    case 0:
        outage_percent(outage_share(m->good, m->calls), out, size);
        break;
    case 1:
        outage_percent(outage_share(m->fault_good, m->fault_calls), out, size);
        break;
    case 2:
        outage_percent(outage_share(m->after_good, m->after_calls), out, size);
        break;
    case 3:
        snprintf(out, size, "%s", sim_text_three(outage_share(m->sent, m->calls), text));
        break;
    case 4:
        snprintf(out, size, "%s",
                 sim_text_three(outage_share(m->fault_sent, m->fault_calls), text));
        break;
    case 5:
        snprintf(out, size, "%s/s", sim_text_count(m->peak_after, text));
        break;
    case 6:
        snprintf(out, size, "%" PRIu32, m->waves);
        break;
    case 7:
        outage_recovery(m->recovery, out, size);
        break;
    case 8:
        outage_ms(m->p50, out, size);
        break;
    case 9:
        outage_ms(m->p99, out, size);
        break;
    default:
        outage_percent(outage_share(m->vain, m->served), out, size);
    }
    return out;
}

void sim_outage_table(FILE *to, const struct sim_outage *s)
{
    char text[400];
    int width = 8;

    sim_outage_world(s, text, sizeof text);
    fprintf(to, "%s\n\n", text);
    for (size_t i = 0; i < s->n; i++)
        width = (int)strlen(s->setting[i].name) > width ? (int)strlen(s->setting[i].name) : width;
    fprintf(to, "%-*s", width, "");
    for (size_t c = 0; c < SIM_COLUMNS; c++)
        fprintf(to, "  %*s", (int)strlen(outage_heads[c]) < 8 ? 8 : (int)strlen(outage_heads[c]),
                outage_heads[c]);
    fputc('\n', to);
    for (size_t i = 0; i < s->n; i++) {
        fprintf(to, "%-*s", width, s->setting[i].name);
        for (size_t c = 0; c < SIM_COLUMNS; c++)
            fprintf(to, "  %*s",
                    (int)strlen(outage_heads[c]) < 8 ? 8 : (int)strlen(outage_heads[c]),
                    sim_outage_cell(s, i, c, text, sizeof text));
        fputc('\n', to);
    }
    fputc('\n', to);
    for (size_t i = 0; i < s->n; i++) {
        fprintf(to, "%-*s  %s\n", width, s->setting[i].name, s->setting[i].text);
        if (s->setting[i].sum.endless)
            fprintf(to, "%-*s  %" PRIu64 " of its calls never end: it has no timeout\n", width, "",
                    s->setting[i].sum.endless);
    }
    fprintf(to, "\nok: share of calls that succeed, of those begun in the outage, after it.  "
                "attempts/call: at the server, on\naverage, and in the outage.  peak after: load "
                "after it; waves: how often that passed 1.25 x normal.  recovery:\nuntil 99%% "
                "succeed in twice the usual time, for good.  p50, p99: of what succeeded.  in "
                "vain: served, but\nnobody waited any more.\n");
}

/* --- for programs -------------------------------------------------------------------------- */

static double outage_bucket_s(const struct sim_outage *s)
{
    weir_span width = (s->o.duration + SIM_BUCKETS - 1) / SIM_BUCKETS;

    return (double)width / 1e9;
}

void sim_outage_csv(FILE *to, const struct sim_outage *s)
{
    double width = outage_bucket_s(s);

    fprintf(to, "setting,from_s,sent_per_s,calls,good,p50_ms,p99_ms\n");
    for (size_t i = 0; i < s->n; i++)
        for (int b = 0; b < SIM_BUCKETS; b++) {
            const struct sim_bucket *k = &s->setting[i].sum.bucket[b];
            fputc('"', to);
            for (const char *c = s->setting[i].name; *c; c++)
                fprintf(to, *c == '"' ? "\"\"" : "%c", *c);
            fprintf(to, "\",%.3f,%.1f,%" PRIu64 ",%" PRIu64 ",", b * width, (double)k->sent / width,
                    k->calls, k->good);
            if (k->calls)
                fprintf(to, "%.3f,%.3f\n", k->p50, k->p99);
            else
                fprintf(to, ",\n");
        }
}

static void json_number(FILE *to, const char *name, double value)
{
    if (isnan(value))
        fprintf(to, ",\"%s\":null", name);
    else
        fprintf(to, ",\"%s\":%.10g", name, value);
}

static void json_series(FILE *to, const char *name, const struct sim_service_sum *m, double width,
                        enum sim_view v)
{
    fprintf(to, ",\"%s\":[", name);
    for (int b = 0; b < SIM_BUCKETS; b++) {
        const struct sim_bucket *k = &m->bucket[b];
        double y = v == SIM_LOAD      ? (double)k->sent / width
                   : v == SIM_SUCCESS ? outage_share(k->good, k->calls)
                                      : k->p99;
        if (isnan(y))
            fprintf(to, "%snull", b ? "," : "");
        else
            fprintf(to, "%s%.5g", b ? "," : "", y);
    }
    fputc(']', to);
}

static void json_setting(FILE *to, const struct sim_setting *s, double width)
{
    const struct sim_service_sum *m = &s->sum;

    fprintf(to, "{\"name\":");
    sim_text_json(to, s->name);
    fprintf(to, ",\"stack\":");
    sim_text_json(to, s->text);
    json_number(to, "calls", (double)m->calls);
    json_number(to, "good", (double)m->good);
    json_number(to, "fault_calls", (double)m->fault_calls);
    json_number(to, "fault_good", (double)m->fault_good);
    json_number(to, "after_calls", (double)m->after_calls);
    json_number(to, "after_good", (double)m->after_good);
    json_number(to, "attempts", (double)m->sent);
    json_number(to, "fault_attempts", (double)m->fault_sent);
    json_number(to, "refused_locally", (double)m->local);
    json_number(to, "endless", (double)m->endless);
    json_number(to, "served", (double)m->served);
    json_number(to, "served_in_vain", (double)m->vain);
    json_number(to, "p50_ms", m->p50);
    json_number(to, "p99_ms", m->p99);
    json_number(to, "longest_ms", m->longest);
    json_number(to, "peak_per_s", m->peak);
    json_number(to, "peak_after_per_s", m->peak_after);
    json_number(to, "waves", m->waves);
    json_number(to, "recovery_s", m->recovery == WEIR_NEVER ? NAN : (double)m->recovery / 1e9);
    json_series(to, "load_per_s", m, width, SIM_LOAD);
    json_series(to, "success", m, width, SIM_SUCCESS);
    json_series(to, "latency_p99_ms", m, width, SIM_LATENCY);
    fputc('}', to);
}

void sim_outage_json(FILE *to, const struct sim_outage *s)
{
    char text[400];

    fprintf(to, "{\"seed\":%" PRIu64 ",\"world\":", s->o.seed);
    sim_outage_world(s, text, sizeof text);
    sim_text_json(to, text);
    json_number(to, "rate_per_s", sim_service_rate(&s->o));
    json_number(to, "capacity_per_s", sim_outage_capacity(s));
    json_number(to, "fault_at_s", (double)s->o.fault_at / 1e9);
    json_number(to, "fault_for_s", (double)s->o.fault_for / 1e9);
    json_number(to, "bucket_s", outage_bucket_s(s));
    fprintf(to, ",\"settings\":[");
    for (size_t i = 0; i < s->n; i++) {
        fprintf(to, "%s\n", i ? "," : "");
        json_setting(to, &s->setting[i], outage_bucket_s(s));
    }
    fprintf(to, "\n]}\n");
}

/* --- plots --------------------------------------------------------------------------------- */

const char *sim_view_name(enum sim_view v)
{
    static const char *const names[] = {"load", "success", "latency"};

    return names[v];
}

static double outage_value(const struct sim_bucket *k, enum sim_view v, double width)
{
    if (v == SIM_LOAD)
        return (double)k->sent / width;
    if (v == SIM_SUCCESS)
        return 100 * outage_share(k->good, k->calls);
    return k->p99;
}

struct sim_plot sim_outage_plot(const struct sim_outage *s, enum sim_view v,
                                struct sim_outage_room *room)
{
    static const char *const titles[] = {"Load on the server", "Calls that succeed",
                                         "How long calls take"};
    static const char *const units[] = {"attempts a second",
                                        "percent of the calls that begin at that time",
                                        "99th percentile of all calls, milliseconds, logarithmic"};
    static const int colour[SIM_SETTINGS] = {6, 1, 0, 2, 3, 4, 7, 5};
    double width = outage_bucket_s(s);
    struct sim_plot p = {.title = titles[v],
                         .subtitle = room->subtitle,
                         .x_label = "seconds",
                         .y_label = units[v],
                         .n = s->n,
                         .log_y = v == SIM_LATENCY,
                         .y_least = v == SIM_SUCCESS ? 100 : 0,
                         .band_from = (double)s->o.fault_at / 1e9,
                         .band_to = (double)(s->o.fault_at + s->o.fault_for) / 1e9,
                         .band_name = room->fault};

    if (v == SIM_LOAD) {
        p.line = sim_outage_capacity(s);
        p.line_name = "what the server can do";
    }
    sim_outage_world(s, room->subtitle, sizeof room->subtitle);
    sim_outage_fault(s, room->fault, sizeof room->fault);
    for (int b = 0; b < SIM_BUCKETS; b++)
        room->x[b] = (b + 0.5) * width;
    for (size_t i = 0; i < s->n; i++) {
        for (int b = 0; b < SIM_BUCKETS; b++)
            room->y[i][b] = outage_value(&s->setting[i].sum.bucket[b], v, width);
        p.series[i] = (struct sim_series){.name = s->setting[i].name,
                                          .x = room->x,
                                          .y = room->y[i],
                                          .n = SIM_BUCKETS,
                                          .colour = colour[i]};
    }
    return p;
}
