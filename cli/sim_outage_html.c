/*
 * sim_outage_html.c -- the report of `weir sim retry | breaker | limit`.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim_html.h"
#include "sim_outage.h"
#include "sim_text.h"

static void outage_page_table(FILE *to, const struct sim_outage *s)
{
    char text[SIM_COLUMNS][48];
    const char *cell[SIM_COLUMNS + 1] = {"setting"};

    for (size_t c = 0; c < SIM_COLUMNS; c++)
        cell[c + 1] = sim_outage_head(c);
    sim_html_table(to, cell, SIM_COLUMNS + 1);
    for (size_t i = 0; i < s->n; i++) {
        cell[0] = s->setting[i].name;
        for (size_t c = 0; c < SIM_COLUMNS; c++)
            cell[c + 1] = sim_outage_cell(s, i, c, text[c], sizeof text[c]);
        sim_html_row(to, cell, SIM_COLUMNS + 1);
    }
    sim_html_table_end(to);
}

/* What each setting can cost at worst, by weir_policy_explain. */
static void outage_page_stacks(FILE *to, const struct sim_outage *s)
{
    char words[8192];

    sim_html_heading(to, "The settings");
    for (size_t i = 0; i < s->n; i++) {
        fputs("<p><b>", to);
        sim_text_xml(to, s->setting[i].name);
        fputs("</b><br><code>", to);
        sim_text_xml(to, s->setting[i].text);
        fputs("</code></p>\n", to);
        if (sim_stack_explain(&s->setting[i].stack, words, sizeof words, NULL) == 0) {
            fputs("<pre>", to);
            sim_text_xml(to, words);
            fputs("</pre>\n", to);
        }
    }
}

static void outage_command(const struct sim_outage *s, char *out, size_t size)
{
    static const char *const faults[] = {"down", "error", "hang", "slow", "surge"};
    char service[SIM_TEXT], hop[SIM_TEXT], at[SIM_TEXT], lasts[SIM_TEXT], duration[SIM_TEXT];
    size_t n;

    snprintf(out, size, "weir sim %s --seed %" PRIu64 " --rate %" PRIu32 "/%s", s->command,
             s->o.seed, s->o.rate_count, sim_text_exact(s->o.rate_per, at));
    n = strlen(out);
    snprintf(out + n, size - n,
             " --instances %" PRIu32 " --servers %" PRIu32 " --service %s --queue %" PRIu32
             " --hop %s --duration %s --at %s --for %s --fault %s",
             s->o.instances, s->o.servers, sim_text_exact(s->o.service, service), s->o.queue,
             sim_text_exact(s->o.hop, hop), sim_text_exact(s->o.duration, duration),
             sim_text_exact(s->o.fault_at, at), sim_text_exact(s->o.fault_for, lasts),
             faults[s->o.fault]);
    n = strlen(out);
    if (s->o.fault == SIM_SLOW || s->o.fault == SIM_SURGE)
        snprintf(out + n, size - n, ":%.10g", s->o.factor);
    else if (s->o.share < 1000000)
        snprintf(out + n, size - n, ":%.6g%%", s->o.share / 1e4);
    for (size_t i = 0; i < s->n; i++) {
        n = strlen(out);
        out[n++] = ' ';
        sim_text_shell(s->setting[i].given, out + n, size - n);
    }
}

void sim_outage_html(FILE *to, const struct sim_outage *s)
{
    struct sim_outage_room *room = calloc(1, sizeof *room);
    char text[400], command[16384], title[160], fault[80];

    if (!room)
        return;
    sim_outage_world(s, text, sizeof text);
    sim_outage_fault(s, fault, sizeof fault);
    snprintf(title, sizeof title, "Settings through an outage (%s)", fault);
    sim_html_begin(to, title, text);
    outage_page_table(to, s);
    sim_html_paragraph(
        to, "ok: share of the calls that succeed, in all, of those begun in the outage, and after "
            "it. attempts/call: at the server, on average, and in the outage. peak after: the "
            "greatest load after it; waves: how often that passed 1.25 times the normal. recovery: "
            "until 99 % succeed within twice the usual time, for good. p50, p99: of what "
            "succeeded. in vain: served, but nobody waited any more.");
    for (int v = 0; v < SIM_VIEWS; v++) {
        struct sim_plot p = sim_outage_plot(s, (enum sim_view)v, room);
        p.subtitle = NULL;
        sim_html_plot(to, &p);
    }
    outage_page_stacks(to, s);
    outage_command(s, command, sizeof command);
    sim_html_end(to, command);
    free(room);
}
