/*
 * sim_svg.c -- a plot as SVG, for light and dark, without a script or a font of its own.
 */
#include <math.h>
#include <string.h>

#include "sim_plot.h"
#include "sim_svg.h"
#include "sim_text.h"

enum {
    SVG_WIDTH = 780,
    SVG_HEIGHT = 430,
    SVG_TOP = 84,
    SVG_BOTTOM = 54,
    SVG_NAME = 30,
    SVG_LINE = 104
};

/* Okabe and Ito's colours, darkened or lightened to be read on the ground they stand on. */
static const char *const svg_light[8] = {"#0072b2", "#c44e00", "#00805d", "#a84d85",
                                         "#a87900", "#2f8fc4", "#5c5c5c", "#6a4fa3"};
static const char *const svg_dark[8] = {"#4fa8e0", "#ff8a4c", "#35c79b", "#e594c6",
                                        "#f0b73a", "#86cdf7", "#b4b4b4", "#b49be6"};

static void svg_colours(FILE *to, const char *const *colour)
{
    for (int i = 0; i < 8; i++)
        fprintf(to, ".plot .s%d{stroke:%s}.plot .p%d{fill:%s;stroke:%s}.plot .t%d{fill:%s}", i,
                colour[i], i, colour[i], colour[i], i, colour[i]);
}

static void svg_ground(FILE *to, const char *ground, const char *ink, const char *soft,
                       const char *grid, const char *band)
{
    fprintf(to,
            ".plot .ground{fill:%s}.plot text{fill:%s}.plot .soft{fill:%s}"
            ".plot .grid{stroke:%s}.plot .axis{stroke:%s}.plot .band{fill:%s}"
            ".plot .limit{stroke:%s}",
            ground, ink, soft, grid, soft, band, soft);
}

void sim_plot_css(FILE *to)
{
    fputs(".plot text{font:12.5px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',"
          "Arial,sans-serif;font-variant-numeric:tabular-nums}"
          ".plot .title{font-size:16px;font-weight:600}.plot .name{font-weight:600}"
          ".plot .line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}"
          ".plot .lead{fill:none;stroke-width:1;stroke-opacity:.6}"
          ".plot .d1{stroke-dasharray:7 4}.plot .d2{stroke-dasharray:2 4}"
          ".plot .grid{stroke-width:1}.plot .axis{stroke-width:1}"
          ".plot .limit{stroke-width:1;stroke-dasharray:2 3}",
          to);
    svg_ground(to, "#ffffff", "#1c1e21", "#5f656d", "#e3e6ea", "#f1e9dc");
    svg_colours(to, svg_light);
    fputs("@media (prefers-color-scheme:dark){", to);
    svg_ground(to, "#16181c", "#e8eaed", "#a2a9b3", "#2c3036", "#2e281d");
    svg_colours(to, svg_dark);
    fputs("}", to);
}

/* --- where things are ---------------------------------------------------------------------- */

struct svg_frame {
    const struct sim_plot *p;
    struct sim_scale x, y;
    size_t cut;                      /* where the subtitle's second line begins; 0: it has none */
    double left, right, top, bottom; /* of the data, in pixels */
};

static double svg_x(const struct svg_frame *f, double v)
{
    return f->left + (f->right - f->left) * sim_scale_at(&f->x, v);
}

static double svg_y(const struct svg_frame *f, double v)
{
    return f->bottom - (f->bottom - f->top) * fmin(fmax(sim_scale_at(&f->y, v), 0), 1);
}

/* A name of at most SVG_NAME characters; longer ones end in an ellipsis. */
static void svg_name(const char *name, char out[SVG_NAME + 8])
{
    size_t n = strlen(name);

    if (n <= SVG_NAME) {
        memcpy(out, name, n + 1);
        return;
    }
    n = SVG_NAME - 1;
    while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
        n--;
    memcpy(out, name, n);
    strcpy(out + n, "\xe2\x80\xa6");
}

/* A long subtitle is broken after a ';', a ',' or a blank; 0: it is short. */
static size_t svg_cut(const char *text)
{
    static const char breaks[] = ";, ";

    if (!text || strlen(text) <= SVG_LINE)
        return 0;
    for (const char *b = breaks; *b; b++)
        for (size_t n = SVG_LINE; n > SVG_LINE / 2; n--)
            if (text[n] == ' ' && (*b == ' ' || text[n - 1] == *b))
                return n + 1;
    return 0;
}

static struct svg_frame svg_frame_of(const struct sim_plot *p)
{
    struct svg_frame f = {.p = p, .top = SVG_TOP, .bottom = SVG_HEIGHT - SVG_BOTTOM};
    size_t longest = 6;

    f.cut = svg_cut(p->subtitle);
    f.top += f.cut ? 17 : p->subtitle ? 0 : -18;
    f.x = sim_plot_x(p);
    f.y = sim_plot_y(p, 7);
    for (size_t i = 0; i < p->n; i++) {
        size_t n = strlen(p->series[i].name);
        longest = n > longest ? n : longest;
    }
    longest = longest > SVG_NAME ? SVG_NAME : longest;
    f.left = 62;
    f.right = SVG_WIDTH - 26 - 7.3 * (double)longest;
    return f;
}

/* --- the parts ----------------------------------------------------------------------------- */

static void svg_text(FILE *to, double x, double y, const char *attributes, const char *text)
{
    fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    sim_text_xml(to, text);
    fputs("</text>\n", to);
}

static void svg_head(FILE *to, const struct svg_frame *f)
{
    char line[SVG_LINE + 2];

    svg_text(to, 16, 26, "class=\"title\"", f->p->title);
    if (!f->p->subtitle)
        return;
    if (f->cut) {
        snprintf(line, sizeof line, "%.*s", (int)f->cut, f->p->subtitle);
        svg_text(to, 16, 46, "class=\"soft\"", line);
    }
    svg_text(to, 16, f->cut ? 63 : 46, "class=\"soft\"", f->p->subtitle + f->cut);
}

static void svg_band(FILE *to, const struct svg_frame *f)
{
    double from = fmax(f->p->band_from, f->x.from), until = fmin(f->p->band_to, f->x.to);

    if (!(from < until))
        return;
    from = svg_x(f, from);
    until = svg_x(f, until);
    fprintf(to, "<rect class=\"band\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
            from, f->top, until - from, f->bottom - f->top);
    if (f->p->band_name)
        svg_text(to, (from + until) / 2, f->top + 15, "class=\"soft\" text-anchor=\"middle\"",
                 f->p->band_name);
}

static void svg_axes(FILE *to, const struct svg_frame *f)
{
    char text[32];

    for (size_t i = 0; i < f->y.ticks; i++) {
        double y = svg_y(f, f->y.tick[i]);
        fprintf(to, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>\n", f->left, y, f->right);
        sim_tick_text(f->y.tick[i], text);
        svg_text(to, f->left - 8, y + 4, "class=\"soft\" text-anchor=\"end\"", text);
    }
    fprintf(to, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", f->left, f->bottom, f->right);
    for (size_t i = 0; i < f->x.ticks; i++) {
        double x = svg_x(f, f->x.tick[i]);
        fprintf(to, "<path class=\"axis\" d=\"M%.1f %.1fv5\"/>\n", x, f->bottom);
        sim_tick_text(f->x.tick[i], text);
        svg_text(to, x, f->bottom + 20, "class=\"soft\" text-anchor=\"middle\"", text);
    }
    svg_text(to, 16, f->top - 14, "class=\"soft\"", f->p->y_label);
    svg_text(to, (f->left + f->right) / 2, f->bottom + 42, "class=\"soft\" text-anchor=\"middle\"",
             f->p->x_label);
}

static void svg_limit(FILE *to, const struct svg_frame *f)
{
    double y = svg_y(f, f->p->line);

    if (!(f->p->line > 0))
        return;
    fprintf(to, "<path class=\"limit\" d=\"M%.1f %.1fH%.1f\"/>\n", f->left, y, f->right);
    if (f->p->line_name)
        svg_text(to, f->right - 4, y - 6, "class=\"soft\" text-anchor=\"end\"", f->p->line_name);
}

/* The points of a series as one path; a NaN lifts the pen. */
static void svg_path(FILE *to, const struct svg_frame *f, const struct sim_series *s,
                     const char *classes)
{
    int down = 0;

    fprintf(to, "<path class=\"%s\" d=\"", classes);
    for (size_t k = 0; k < s->n; k++) {
        if (isnan(s->y[k])) {
            down = 0;
            continue;
        }
        fprintf(to, "%c%.1f %.1f", down ? 'L' : 'M', svg_x(f, s->x[k]), svg_y(f, s->y[k]));
        down = 1;
    }
    fputs("\"><title>", to);
    sim_text_xml(to, s->name);
    fputs("</title></path>\n", to);
}

static void svg_series(FILE *to, const struct svg_frame *f, const struct sim_series *s)
{
    char classes[32];

    snprintf(classes, sizeof classes, "line s%d d%d", s->colour % 8, s->colour / 8 % 3);
    svg_path(to, f, s, classes);
    for (size_t k = 0; f->p->points && k < s->n; k++)
        if (!isnan(s->y[k]))
            fprintf(to, "<circle class=\"p%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.2\"/>\n",
                    s->colour % 8, svg_x(f, s->x[k]), svg_y(f, s->y[k]));
}

/* --- names beside the ends ----------------------------------------------------------------- */

struct svg_end {
    size_t series;
    double x, y, at; /* where the line ends; where its name stands */
};

/* The last value of a series; 0 if it has none. */
static int svg_end_of(const struct svg_frame *f, size_t i, struct svg_end *out)
{
    const struct sim_series *s = &f->p->series[i];
    size_t k = s->n;

    while (k > 0 && isnan(s->y[k - 1]))
        k--;
    if (!k)
        return 0;
    *out = (struct svg_end){i, svg_x(f, s->x[k - 1]), svg_y(f, s->y[k - 1]), 0};
    out->at = out->y;
    return 1;
}

/* Names keep their order and stand at least a line apart, inside the picture. */
static void svg_spread(const struct svg_frame *f, struct svg_end *end, size_t n)
{
    double gap = n > 1 ? fmin(16, (f->bottom - f->top + 16) / (double)n) : 16;
    double least = f->top - 8, most = f->bottom + 8;

    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && end[k].y < end[k - 1].y; k--) {
            struct svg_end swap = end[k];
            end[k] = end[k - 1];
            end[k - 1] = swap;
        }
    for (int round = 0; round < 200; round++)
        for (size_t i = 1; i < n; i++) {
            double close = gap - (end[i].at - end[i - 1].at);
            if (close > 0) {
                end[i].at += close / 2;
                end[i - 1].at -= close / 2;
            }
        }
    for (size_t i = 0; i < n; i++) {
        end[i].at = fmax(end[i].at, least);
        least = end[i].at + gap;
    }
    for (size_t i = n; i-- > 0;) {
        end[i].at = fmin(end[i].at, most);
        most = end[i].at - gap;
    }
}

static void svg_names(FILE *to, const struct svg_frame *f)
{
    struct svg_end end[SIM_PLOT_SERIES];
    char name[SVG_NAME + 8], attributes[64];
    size_t n = 0;

    for (size_t i = 0; i < f->p->n; i++)
        n += (size_t)svg_end_of(f, i, &end[n]);
    svg_spread(f, end, n);
    for (size_t i = 0; i < n; i++) {
        const struct sim_series *s = &f->p->series[end[i].series];
        fprintf(to, "<path class=\"lead s%d\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", s->colour % 8,
                end[i].x + 3, end[i].y, f->right + 11, end[i].at);
        svg_name(s->name, name);
        snprintf(attributes, sizeof attributes, "class=\"name t%d\"", s->colour % 8);
        svg_text(to, f->right + 14, end[i].at + 4, attributes, name);
    }
}

void sim_plot_svg(FILE *to, const struct sim_plot *p, int inline_html)
{
    struct svg_frame f = svg_frame_of(p);

    if (!inline_html)
        fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", to);
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 %d %d\" "
            "role=\"img\"",
            SVG_WIDTH, SVG_HEIGHT);
    if (!inline_html)
        fprintf(to, " width=\"%d\" height=\"%d\"", SVG_WIDTH, SVG_HEIGHT);
    fputs(" aria-label=\"", to);
    sim_text_xml(to, p->title);
    fputs("\">\n", to);
    if (!inline_html) {
        fputs("<style>", to);
        sim_plot_css(to);
        fputs("</style>\n", to);
    }
    fprintf(to, "<rect class=\"ground\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", SVG_WIDTH,
            SVG_HEIGHT);
    svg_head(to, &f);
    svg_band(to, &f);
    svg_axes(to, &f);
    svg_limit(to, &f);
    for (size_t i = 0; i < p->n; i++)
        svg_series(to, &f, &p->series[i]);
    svg_names(to, &f);
    fputs("</svg>\n", to);
}
