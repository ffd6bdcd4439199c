/*
 * sim_plot.c -- scales, ticks and their texts: what both drawings share.
 */
#include "sim_plot.h"

#include <math.h>
#include <string.h>

/* 1, 2 or 5 times a power of ten: the least that cuts `range` into at most `most` steps. */
static double plot_step(double range, size_t most)
{
    double step = pow(10, floor(log10(range / (double)most)));

    while (range / step > (double)most * 1.0000001)
        step *= range / (step * 2) <= (double)most * 1.0000001   ? 2
                : range / (step * 5) <= (double)most * 1.0000001 ? 5
                                                                 : 10;
    return step;
}

/* Ticks a decade: 1; 1 and 3; or 1, 2 and 5. */
static int scale_log_each(double from, double to)
{
    double decades = log10(to / from);

    return decades > 4 ? 1 : decades > 1.7 ? 2 : 3;
}

static void scale_log_ticks(struct sim_scale *s, int each)
{
    s->ticks = 0;
    for (double ten = pow(10, floor(log10(s->from) + 1e-9)); ten <= s->to * 1.0001; ten *= 10)
        for (int k = 0; k < each; k++) {
            double v = ten * (k == 0 ? 1 : k == each - 1 && each == 3 ? 5 : each == 2 ? 3 : 2);
            if (v >= s->from * 0.9999 && v <= s->to * 1.0001 && s->ticks < SIM_PLOT_TICKS)
                s->tick[s->ticks++] = v;
        }
}

/* The next tick of a logarithmic axis below or above a value. */
static double scale_round(double v, int each, int up)
{
    static const double all[3][4] = {{1, 1, 1, 10}, {1, 3, 3, 10}, {1, 2, 5, 10}};
    const double *steps = all[each - 1];
    double ten = pow(10, floor(log10(v)));
    double best = up ? 10 * ten : ten;

    for (int i = 0; i < 4; i++) {
        double c = steps[i] * ten;
        if (up && c >= v * 0.999 && c < best)
            best = c;
        if (!up && c <= v * 1.001 && c > best)
            best = c;
    }
    return best;
}

struct sim_scale sim_scale_of(double low, double high, int log, size_t most)
{
    struct sim_scale s = {.log = log};
    double step;
    int each;

    if (log) {
        high = high > low ? high : low * 2;
        each = scale_log_each(low, high);
        s.from = scale_round(low, each, 0);
        s.to = scale_round(high, each, 1);
        scale_log_ticks(&s, each);
        return s;
    }
    if (high <= low)
        high = low + 1;
    step = plot_step(high - low, most > SIM_PLOT_TICKS - 3 ? SIM_PLOT_TICKS - 3 : most);
    s.from = floor(low / step + 1e-9) * step;
    s.to = ceil(high / step - 1e-9) * step;
    for (double v = s.from; v <= s.to + step / 2 && s.ticks < SIM_PLOT_TICKS; v += step)
        s.tick[s.ticks++] = fabs(v) < step / 1e6 ? 0 : v;
    return s;
}

double sim_scale_at(const struct sim_scale *s, double value)
{
    if (s->log)
        return log10(fmax(value, 1e-300) / s->from) / log10(s->to / s->from);
    return (value - s->from) / (s->to - s->from);
}

struct sim_scale sim_plot_x(const struct sim_plot *p)
{
    double low = INFINITY, high = -INFINITY;
    struct sim_scale s;

    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->series[i].n; k++) {
            low = fmin(low, p->series[i].x[k]);
            high = fmax(high, p->series[i].x[k]);
        }
    if (!(low < INFINITY))
        low = high = 0;
    if (low > 0 && low < (high - low) / 3)
        low = 0;
    s = sim_scale_of(low, high, 0, 10);
    /* the lines end where the data ends, not at the next tick */
    if (high > low)
        s.to = high;
    while (s.ticks && s.tick[s.ticks - 1] > s.to * 1.000001)
        s.ticks--;
    return s;
}

struct sim_scale sim_plot_y(const struct sim_plot *p, size_t most)
{
    double low = INFINITY, high = p->y_least;

    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->series[i].n; k++) {
            double y = p->series[i].y[k];
            if (y > 0)
                low = fmin(low, y);
            high = fmax(high, y);
        }
    if (p->line > 0)
        high = fmax(high, p->line * 1.05);
    if (!(low < INFINITY) || high <= 0)
        low = high = 1;
    return sim_scale_of(p->log_y ? low : 0, high, p->log_y, most);
}

void sim_tick_text(double value, char out[32])
{
    double v = fabs(value);

    if (v >= 1e9)
        snprintf(out, 32, "%.4gG", value / 1e9);
    else if (v >= 1e6)
        snprintf(out, 32, "%.4gM", value / 1e6);
    else if (v >= 1e4)
        snprintf(out, 32, "%.4gk", value / 1e3);
    else if (v >= 1e3)
        snprintf(out, 32, "%d,%03d", (int)(value / 1e3), (int)fmod(v, 1e3));
    else
        snprintf(out, 32, "%.4g", value);
}
