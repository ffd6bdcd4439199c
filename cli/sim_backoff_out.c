/*
 * sim_backoff_out.c -- the numbers of `weir sim backoff` as table, CSV, JSON and plots.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "args.h"
#include "sim_backoff.h"
#include "sim_text.h"

double sim_backoff_value(const struct sim_aws_cell *c, enum sim_measure m)
{
    return m == SIM_CALLS ? c->calls.mean : m == SIM_TIME ? c->time.mean : c->median.mean;
}

const char *sim_measure_name(enum sim_measure m)
{
    static const char *const names[] = {"calls", "time", "median"};

    return names[m];
}

int sim_backoff_unlimited(const struct sim_backoff *b)
{
    for (size_t i = 0; i < b->laws; i++)
        if (strcmp(sim_law_name(b->law[i]), "none") == 0)
            return b->service == 0;
    return 0;
}

/* --- which clients ------------------------------------------------------------------------- */

static int clients_number(const char *text, size_t n, uint64_t *out)
{
    char word[16];

    if (n == 0 || n >= sizeof word)
        return -EINVAL;
    memcpy(word, text, n);
    word[n] = '\0';
    if (args_parse_uint(word, out) < 0 || *out < 1 || *out > SIM_AWS_CLIENTS)
        return -EINVAL;
    return 0;
}

/* "N", "A..B" or "A..B/STEP": first, last and step. */
static int clients_range(const char *text, size_t n, uint64_t out[3])
{
    const char *dots = memchr(text, '.', n), *slash = memchr(text, '/', n);
    size_t end = slash ? (size_t)(slash - text) : n;
    int r;

    out[2] = 1;
    if (!dots) {
        r = slash ? -EINVAL : clients_number(text, n, &out[0]);
        out[1] = out[0];
        return r;
    }
    if ((size_t)(dots - text) + 2 > end || dots[1] != '.' ||
        clients_number(text, (size_t)(dots - text), &out[0]) < 0 ||
        clients_number(dots + 2, end - (size_t)(dots - text) - 2, &out[1]) < 0)
        return -EINVAL;
    return slash ? clients_number(slash + 1, n - end - 1, &out[2]) : 0;
}

int sim_clients_parse(const char *text, uint32_t out[SIM_ROWS])
{
    uint64_t range[3] = {0, 0, 0};
    int n = 0;

    for (;; text++) {
        size_t length = strcspn(text, ",");
        if (clients_range(text, length, range) < 0 || range[0] > range[1])
            return -EINVAL;
        for (uint64_t c = range[0]; c <= range[1]; c += range[2]) {
            if (n == SIM_ROWS || (n && out[n - 1] >= c))
                return -EINVAL;
            out[n++] = (uint32_t)c;
        }
        text += length;
        if (!*text)
            return n;
    }
}

/* --- text ---------------------------------------------------------------------------------- */

void sim_backoff_world(const struct sim_backoff *b, char *out, size_t size)
{
    char base[SIM_TEXT], cap[SIM_TEXT], hop[SIM_TEXT], sd[SIM_TEXT], service[SIM_TEXT];
    int n;

    n = snprintf(out, size, "base %s, cap %s, hops %s +- %s, ",
                 sim_text_span((double)b->base, base), sim_text_span((double)b->cap, cap),
                 sim_text_span((double)b->hop, hop), sim_text_span((double)b->hop_sd, sd));
    if (!b->service)
        n += snprintf(out + n, size - (size_t)n, "a server without limit");
    else
        n += snprintf(out + n, size - (size_t)n, "%" PRIu32 " server%s of %s a request", b->servers,
                      b->servers == 1 ? "" : "s", sim_text_span((double)b->service, service));
    if (b->queue)
        n += snprintf(out + n, size - (size_t)n, ", queue %" PRIu32, b->queue);
    if (b->timeout)
        n += snprintf(out + n, size - (size_t)n, ", timeout %s",
                      sim_text_span((double)b->timeout, service));
    snprintf(out + n, size - (size_t)n, "; %" PRIu32 " trial%s, seed %" PRIu64, b->trials,
             b->trials == 1 ? "" : "s", b->seed);
}

static int table_width(const struct sim_backoff *b, size_t law)
{
    int n = (int)strlen(sim_law_name(b->law[law]));

    return n < 9 ? 9 : n;
}

static void table_of(FILE *to, const struct sim_backoff *b, enum sim_measure m)
{
    static const char *const titles[] = {"calls: writes at the server",
                                         "time: ms until the last client is done",
                                         "median: ms until half of the clients are done"};
    char text[SIM_TEXT];

    fprintf(to, "\n%s\n%8s", titles[m], "clients");
    for (size_t i = 0; i < b->laws; i++)
        fprintf(to, "  %*s", table_width(b, i), sim_law_name(b->law[i]));
    fputc('\n', to);
    for (size_t k = 0; k < b->rows; k++) {
        fprintf(to, "%8" PRIu32, b->clients[k]);
        for (size_t i = 0; i < b->laws; i++) {
            const struct sim_aws_cell *c = &b->cell[i][k];
            double v = sim_backoff_value(c, m);
            if (c->endless)
                snprintf(text, sizeof text, "never");
            else if (m == SIM_CALLS && v < 999.95)
                snprintf(text, sizeof text, "%.1f", v);
            else
                sim_text_count(v, text);
            fprintf(to, "  %*s", table_width(b, i), text);
        }
        fputc('\n', to);
    }
}

void sim_backoff_table(FILE *to, const struct sim_backoff *b)
{
    char world[240];

    sim_backoff_world(b, world, sizeof world);
    fprintf(to, "%s\n", world);
    for (int m = 0; m < SIM_MEASURES; m++)
        table_of(to, b, (enum sim_measure)m);
    if (sim_backoff_unlimited(b))
        fprintf(to, "\nThis server answers any number at once, so who never waits wins in time; "
                    "--service 2ms gives it a limit.\n");
}

void sim_backoff_csv(FILE *to, const struct sim_backoff *b)
{
    fprintf(to, "law,clients,trials,seed,calls,calls_sd,time_ms,time_ms_sd,median_ms,median_ms_sd,"
                "requests,refused,late,endless\n");
    for (size_t i = 0; i < b->laws; i++)
        for (size_t k = 0; k < b->rows; k++) {
            const struct sim_aws_cell *c = &b->cell[i][k];
            fprintf(to,
                    "%s,%" PRIu32 ",%" PRIu32 ",%" PRIu64
                    ",%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%.2f,%d\n",
                    sim_law_name(b->law[i]), c->clients, c->trials, b->seed, c->calls.mean,
                    c->calls.sd, c->time.mean, c->time.sd, c->median.mean, c->median.sd,
                    c->requests, c->refused, c->late, c->endless);
        }
}

static void json_stat(FILE *to, const char *name, const struct sim_stat *s)
{
    fprintf(to, ",\"%s\":{\"mean\":%.3f,\"sd\":%.3f}", name, s->mean, s->sd);
}

void sim_backoff_json(FILE *to, const struct sim_backoff *b)
{
    fprintf(to,
            "{\"seed\":%" PRIu64 ",\"trials\":%" PRIu32
            ",\"base_ms\":%.6g,\"cap_ms\":%.6g,\"hop_ms\":%.6g,\"hop_sd_ms\":%.6g,"
            "\"service_ms\":%.6g,\"servers\":%" PRIu32 ",\"queue\":%" PRIu32
            ",\"timeout_ms\":%.6g,\"rows\":[",
            b->seed, b->trials, (double)b->base / 1e6, (double)b->cap / 1e6, (double)b->hop / 1e6,
            (double)b->hop_sd / 1e6, (double)b->service / 1e6, b->servers, b->queue,
            (double)b->timeout / 1e6);
    for (size_t i = 0; i < b->laws; i++)
        for (size_t k = 0; k < b->rows; k++) {
            const struct sim_aws_cell *c = &b->cell[i][k];
            fprintf(to, "%s\n{\"law\":\"%s\",\"clients\":%" PRIu32, i + k ? "," : "",
                    sim_law_name(b->law[i]), c->clients);
            json_stat(to, "calls", &c->calls);
            json_stat(to, "time_ms", &c->time);
            json_stat(to, "median_ms", &c->median);
            fprintf(to, ",\"requests\":%.3f,\"refused\":%.3f,\"late\":%.3f,\"endless\":%s}",
                    c->requests, c->refused, c->late, c->endless ? "true" : "false");
        }
    fprintf(to, "\n]}\n");
}

/* --- plots --------------------------------------------------------------------------------- */

/* Laws that are much above the rest would press the others flat: then the axis is logarithmic. */
static int plot_wants_log(const struct sim_plot *p)
{
    double end[SIM_LAWS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++) {
        double y = p->series[i].y[p->series[i].n - 1];
        if (isnan(y) || y <= 0)
            continue;
        end[n] = y;
        for (size_t k = n++; k > 0 && end[k] < end[k - 1]; k--) {
            double swap = end[k];
            end[k] = end[k - 1];
            end[k - 1] = swap;
        }
    }
    return n > 1 && end[n - 1] > 6 * end[n / 2];
}

struct sim_plot sim_backoff_plot(const struct sim_backoff *b, enum sim_measure m,
                                 struct sim_backoff_room *room)
{
    static const char *const titles[] = {"Calls at the server", "Time until all clients are done",
                                         "Time until half of the clients are done"};
    static const char *const units[] = {"calls", "seconds", "seconds"};
    static const char *const log_units[] = {"calls, logarithmic", "seconds, logarithmic",
                                            "seconds, logarithmic"};
    static const int colour[] = {6, 1, 4, 0, 2, 3, 5, 7};
    struct sim_plot p = {.title = titles[m],
                         .subtitle = room->subtitle,
                         .x_label = "clients that want to write the same row",
                         .points = b->rows <= 25,
                         .n = b->laws};

    sim_backoff_world(b, room->subtitle, sizeof room->subtitle);
    for (size_t k = 0; k < b->rows; k++)
        room->x[k] = b->clients[k];
    for (size_t i = 0; i < b->laws; i++) {
        for (size_t k = 0; k < b->rows; k++)
            room->y[i][k] = b->cell[i][k].endless
                                ? NAN
                                : sim_backoff_value(&b->cell[i][k], m) / (m == SIM_CALLS ? 1 : 1e3);
        p.series[i] =
            (struct sim_series){.name = sim_law_name(b->law[i]),
                                .x = room->x,
                                .y = room->y[i],
                                .n = b->rows,
                                .colour = (int)(b->law[i] / 8 * 8) + colour[b->law[i] % 8]};
    }
    p.log_y = plot_wants_log(&p);
    p.y_label = p.log_y ? log_units[m] : units[m];
    return p;
}
