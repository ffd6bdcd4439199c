/*
 * sim_plot.h -- line plots: one description, drawn as SVG or in a terminal.
 *
 * The scale is chosen from the data: ticks at 1, 2 or 5 times a power of ten,
 * from zero, or logarithmic where asked.  A series has a colour that people
 * with any colour vision can tell apart, a dash of its own, and its name
 * beside its end; there is no legend to look up.
 */
#ifndef WEIR_CLI_SIM_PLOT_H
#define WEIR_CLI_SIM_PLOT_H

#include <stdio.h>

enum { SIM_PLOT_SERIES = 24, SIM_PLOT_TICKS = 16 };

struct sim_series {
    const char *name;
    const double *x, *y; /* borrowed; NaN: a gap */
    size_t n;
    int colour; /* 0 .. 7 and on; the same in every plot of a report */
};

struct sim_plot {
    const char *title, *subtitle;  /* subtitle may be NULL */
    const char *x_label, *y_label; /* with their units */
    struct sim_series series[SIM_PLOT_SERIES];
    size_t n;
    int log_y;
    int points;                /* marks at the values: for few of them */
    double y_least;            /* the axis reaches at least to here, if > 0 */
    double band_from, band_to; /* shaded, if from < to */
    const char *band_name;
    double line; /* a dotted horizontal line at this y, if > 0 */
    const char *line_name;
};

/* A scale: from .. to, and its ticks. */
struct sim_scale {
    double from, to;
    int log;
    size_t ticks;
    double tick[SIM_PLOT_TICKS];
};

/* Covers low .. high with at most `most` ticks; log needs low > 0. */
struct sim_scale sim_scale_of(double low, double high, int log, size_t most);

/* Where a value lies, 0 .. 1 (outside of the scale: beyond). */
double sim_scale_at(const struct sim_scale *s, double value);

/* The scales of a plot. */
struct sim_scale sim_plot_x(const struct sim_plot *p);
struct sim_scale sim_plot_y(const struct sim_plot *p, size_t most);

/* "20k", "0.5", "1.5M". */
void sim_tick_text(double value, char out[32]);

/* An <svg> of its own: a file, or part of a page (then `inline_html`: no XML head). */
void sim_plot_svg(FILE *to, const struct sim_plot *p, int inline_html);

/* Text of `width` x `height` characters; colour: with ANSI escapes. */
void sim_plot_text(FILE *to, const struct sim_plot *p, int width, int height, int colour);

#endif
