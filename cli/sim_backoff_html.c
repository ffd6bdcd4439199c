/*
 * sim_backoff_html.c -- the report of `weir sim backoff`.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim_backoff.h"
#include "sim_html.h"
#include "sim_text.h"

static void backoff_page_table(FILE *to, const struct sim_backoff *b, enum sim_measure m)
{
    char text[SIM_LAWS_MAX + 1][SIM_TEXT];
    const char *cell[SIM_LAWS_MAX + 1] = {"clients"};

    for (size_t i = 0; i < b->laws; i++)
        cell[i + 1] = sim_law_name(b->law[i]);
    sim_html_table(to, cell, b->laws + 1);
    for (size_t k = 0; k < b->rows; k++) {
        cell[0] = sim_text_count(b->clients[k], text[0]);
        for (size_t i = 0; i < b->laws; i++) {
            const struct sim_aws_cell *c = &b->cell[i][k];
            double v = sim_backoff_value(c, m);
            cell[i + 1] = c->endless                     ? "never"
                          : m == SIM_CALLS && v < 999.95 ? sim_text_three(v, text[i + 1])
                                                         : sim_text_count(v, text[i + 1]);
        }
        sim_html_row(to, cell, b->laws + 1);
    }
    sim_html_table_end(to);
}

/* The flags that differ from the defaults do not matter: all are given. */
static void backoff_command(const struct sim_backoff *b, char *out, size_t size)
{
    char base[SIM_TEXT], cap[SIM_TEXT], hop[SIM_TEXT], sd[SIM_TEXT], more[SIM_TEXT];
    int n = snprintf(out, size, "weir sim backoff --laws ");

    for (size_t i = 0; i < b->laws; i++)
        n += snprintf(out + n, size - (size_t)n, "%s%s", i ? "," : "", sim_law_name(b->law[i]));
    n += snprintf(out + n, size - (size_t)n, " --clients ");
    for (size_t k = 0; k < b->rows; k++)
        n += snprintf(out + n, size - (size_t)n, "%s%" PRIu32, k ? "," : "", b->clients[k]);
    n +=
        snprintf(out + n, size - (size_t)n,
                 " --trials %" PRIu32 " --seed %" PRIu64 " --base %s --cap %s --hop %s --hop-sd %s",
                 b->trials, b->seed, sim_text_exact(b->base, base), sim_text_exact(b->cap, cap),
                 sim_text_exact(b->hop, hop), sim_text_exact(b->hop_sd, sd));
    if (b->service)
        n += snprintf(out + n, size - (size_t)n, " --service %s --servers %" PRIu32,
                      sim_text_exact(b->service, more), b->servers);
    if (b->queue)
        n += snprintf(out + n, size - (size_t)n, " --queue %" PRIu32, b->queue);
    if (b->timeout)
        snprintf(out + n, size - (size_t)n, " --timeout %s", sim_text_exact(b->timeout, more));
}

void sim_backoff_html(FILE *to, const struct sim_backoff *b)
{
    static const char *const headings[] = {"Calls", "Time until the last client is done",
                                           "Time until half of the clients are done"};
    struct sim_backoff_room *room = calloc(1, sizeof *room);
    char command[4096], world[240]; /* 200 numbers of clients take 1,400 */

    if (!room)
        return;
    sim_backoff_world(b, world, sizeof world);
    sim_html_begin(to, "Laws of backoff", world);
    sim_html_paragraph(to,
                       "Each client reads a row, writes it, and when another was faster waits for "
                       "its backoff and begins again, until it has written once. A good law makes "
                       "few calls and still ends soon.");
    for (int m = 0; m < SIM_MEASURES; m++) {
        struct sim_plot p = sim_backoff_plot(b, (enum sim_measure)m, room);
        sim_html_heading(to, headings[m]);
        if (m == SIM_TIME && sim_backoff_unlimited(b))
            sim_html_paragraph(to, "The server of this world answers any number at once, so who "
                                   "never waits wins in time; --service gives it a limit.");
        p.subtitle = NULL;
        sim_html_plot(to, &p);
        backoff_page_table(to, b, (enum sim_measure)m);
    }
    backoff_command(b, command, sizeof command);
    sim_html_end(to, command);
    free(room);
}
