/*
 * sim_term.c -- a plot as text: braille dots in colour, or a letter a series without.
 *
 * The names stand at the right, at the height where their series end.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim_plot.h"

enum { TERM_WIDTH = 160, TERM_HEIGHT = 60, TERM_LEFT = 8 };

struct term_cell {
    unsigned char dots; /* of the braille cell */
    char letter;        /* without colour */
    signed char colour; /* of the series on top; -1: none */
};

struct term_canvas {
    const struct sim_plot *p;
    struct sim_scale x, y;
    int width, height, colour; /* cells of the data */
    struct term_cell cell[TERM_HEIGHT][TERM_WIDTH];
};

static const int term_ansi[8] = {33, 208, 36, 169, 178, 75, 245, 141};

static void term_paint(FILE *to, const struct term_canvas *c, int colour)
{
    if (c->colour && colour >= 0)
        fprintf(to, "\033[38;5;%dm", term_ansi[colour % 8]);
    else if (c->colour)
        fputs("\033[0m", to);
}

/* --- drawing ------------------------------------------------------------------------------- */

/* One dot of the 2 x 4 in a cell; x and y count dots from the lower left. */
static void term_dot(struct term_canvas *c, int x, int y, size_t series)
{
    static const unsigned char bit[4][2] = {{0x40, 0x80}, {0x04, 0x20}, {0x02, 0x10}, {0x01, 0x08}};
    struct term_cell *cell;

    if (x < 0 || y < 0 || x >= 2 * c->width || y >= 4 * c->height)
        return;
    cell = &c->cell[c->height - 1 - y / 4][x / 2];
    cell->dots |= bit[y % 4][x % 2];
    cell->letter = (char)('a' + series);
    cell->colour = (signed char)c->p->series[series].colour;
}

static void term_line(struct term_canvas *c, size_t i, size_t k)
{
    const struct sim_series *s = &c->p->series[i];
    double x0 = sim_scale_at(&c->x, s->x[k - 1]), x1 = sim_scale_at(&c->x, s->x[k]);
    double y0 = sim_scale_at(&c->y, s->y[k - 1]), y1 = sim_scale_at(&c->y, s->y[k]);
    double dx = (x1 - x0) * (2 * c->width - 1), dy = (y1 - y0) * (4 * c->height - 1);
    int steps = 1 + (int)fmax(fabs(dx), fabs(dy));

    if (isnan(dx) || isnan(dy) || steps > 10000)
        return;
    for (int n = 0; n <= steps; n++) {
        double at = (double)n / steps;
        term_dot(c, (int)lround((x0 + (x1 - x0) * at) * (2 * c->width - 1)),
                 (int)lround((y0 + (y1 - y0) * at) * (4 * c->height - 1)), i);
    }
}

static void term_series(struct term_canvas *c, size_t i)
{
    const struct sim_series *s = &c->p->series[i];

    for (size_t k = 1; k < s->n; k++)
        term_line(c, i, k);
    if (s->n == 1 && !isnan(s->y[0]))
        term_dot(c, (int)(sim_scale_at(&c->x, s->x[0]) * 2 * c->width),
                 (int)(sim_scale_at(&c->y, s->y[0]) * 4 * c->height), i);
}

/* --- names and ticks ----------------------------------------------------------------------- */

/* The height of the last value of a series, 0 .. 1; negative: it has none. */
static double term_end(const struct term_canvas *c, size_t i)
{
    const struct sim_series *s = &c->p->series[i];
    size_t k = s->n;

    while (k > 0 && isnan(s->y[k - 1]))
        k--;
    return k ? fmin(fmax(sim_scale_at(&c->y, s->y[k - 1]), 0), 1) : NAN;
}

/* Which series' name stands in which row, -1: none.  From above, each in the row of its end. */
static void term_names(const struct term_canvas *c, int row_of[TERM_HEIGHT])
{
    size_t order[SIM_PLOT_SERIES], n = 0;
    int row[SIM_PLOT_SERIES], most = c->height - 1;

    for (size_t i = 0; i < c->p->n; i++) {
        if (isnan(term_end(c, i)))
            continue;
        order[n] = i;
        for (size_t k = n++; k > 0 && term_end(c, order[k]) > term_end(c, order[k - 1]); k--) {
            size_t swap = order[k];
            order[k] = order[k - 1];
            order[k - 1] = swap;
        }
    }
    for (size_t k = 0; k < n; k++) {
        row[k] = c->height - 1 - (int)(term_end(c, order[k]) * c->height * 0.9999);
        if (k && row[k] <= row[k - 1])
            row[k] = row[k - 1] + 1;
    }
    for (int r = 0; r < c->height; r++)
        row_of[r] = -1;
    for (size_t k = n; k-- > 0; most--) {
        most = row[k] < most ? row[k] : most;
        if (most >= 0)
            row_of[most] = (int)order[k];
    }
}

/* The tick of a row, or an empty text. */
static void term_tick(const struct term_canvas *c, int row, char out[32])
{
    out[0] = '\0';
    for (size_t i = 0; i < c->y.ticks; i++) {
        double at = sim_scale_at(&c->y, c->y.tick[i]) * c->height * 0.9999;
        if (c->height - 1 - (int)at == row)
            sim_tick_text(c->y.tick[i], out);
    }
}

static void term_cell_out(FILE *to, const struct term_canvas *c, const struct term_cell *cell,
                          int *painted)
{
    int colour = cell->dots ? cell->colour : -1;

    if (c->colour && colour != *painted) {
        term_paint(to, c, colour);
        *painted = colour;
    }
    if (!cell->dots)
        fputc(' ', to);
    else if (c->colour)
        fprintf(to, "\xe2%c%c", 0xa0 + (cell->dots >> 6), 0x80 + (cell->dots & 0x3f));
    else
        fputc(cell->letter, to);
}

static void term_row(FILE *to, const struct term_canvas *c, int row, int name)
{
    int painted = -1, last = c->width;
    char tick[32];

    term_tick(c, row, tick);
    fprintf(to, "%*s %s", TERM_LEFT - 2, tick, c->colour ? "\xe2\x94\x82" : "|");
    while (name < 0 && last > 0 && !c->cell[row][last - 1].dots)
        last--;
    for (int x = 0; x < last; x++)
        term_cell_out(to, c, &c->cell[row][x], &painted);
    if (painted >= 0)
        term_paint(to, c, -1);
    if (name >= 0) {
        fputc(' ', to);
        term_paint(to, c, c->p->series[name].colour);
        if (!c->colour)
            fprintf(to, "%c ", 'a' + name);
        fputs(c->p->series[name].name, to);
        term_paint(to, c, -1);
    }
    fputc('\n', to);
}

static void term_x_axis(FILE *to, const struct term_canvas *c)
{
    char line[TERM_WIDTH + 40], text[32];
    int used = 0, at, n;

    fprintf(to, "%*s", TERM_LEFT - 1, "");
    for (int x = 0; x <= c->width; x++)
        fputs(c->colour ? x ? "\xe2\x94\x80" : "\xe2\x94\x94" : x ? "-" : "+", to);
    memset(line, ' ', sizeof line);
    for (size_t i = 0; i < c->x.ticks; i++) {
        sim_tick_text(c->x.tick[i], text);
        n = (int)strlen(text);
        at = (int)(sim_scale_at(&c->x, c->x.tick[i]) * (c->width - 1)) - n / 2 + 1;
        at = at < 0 ? 0 : at;
        if (at < used || at + n > TERM_WIDTH)
            continue;
        memcpy(line + at, text, (size_t)n);
        used = at + n + 1;
    }
    line[used > 0 ? used - 1 : 0] = '\0';
    fprintf(to, "\n%*s%s\n", TERM_LEFT - 1, "", line);
    fprintf(to, "%*s%s\n", TERM_LEFT, "", c->p->x_label);
}

void sim_plot_text(FILE *to, const struct sim_plot *p, int width, int height, int colour)
{
    struct term_canvas *c = calloc(1, sizeof *c);
    int row_of[TERM_HEIGHT];
    size_t longest = 0;

    if (!c)
        return;
    for (size_t i = 0; i < p->n; i++)
        longest = strlen(p->series[i].name) > longest ? strlen(p->series[i].name) : longest;
    c->p = p;
    c->colour = colour;
    c->width = width - TERM_LEFT - 4 - (int)longest;
    c->width = c->width < 20 ? 20 : c->width > TERM_WIDTH ? TERM_WIDTH : c->width;
    c->height = height < 5 ? 5 : height > TERM_HEIGHT ? TERM_HEIGHT : height;
    c->x = sim_plot_x(p);
    c->y = sim_plot_y(p, (size_t)c->height / 3 + 1);
    for (size_t i = 0; i < p->n; i++)
        term_series(c, i);
    term_names(c, row_of);
    fprintf(to, "%s\n%*s%s\n", p->title, TERM_LEFT, "", p->y_label);
    for (int r = 0; r < c->height; r++)
        term_row(to, c, r, row_of[r]);
    term_x_axis(to, c);
    free(c);
}
