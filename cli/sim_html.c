/*
 * sim_html.c -- the page of sim_html.h.  Everything that is not ours is escaped.
 */
#include "sim_html.h"

#include <weir.h>

#include "sim_svg.h"
#include "sim_text.h"

static const char html_style[] =
    ":root{color-scheme:light dark}"
    "body{margin:0;background:#f5f6f8;color:#1c1e21;font:15px/1.5 system-ui,-apple-system,"
    "'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}"
    "main{max-width:960px;margin:0 auto;padding:32px 20px 56px}"
    "h1{font-size:26px;line-height:1.25;margin:0 0 6px}h2{font-size:18px;margin:36px 0 8px}"
    "p{margin:6px 0 12px}.lead,footer{color:#5f656d}"
    "figure{margin:16px 0}.plot{display:block;width:100%;height:auto;border-radius:8px}"
    ".scroll{overflow-x:auto}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13.5px;"
    "background:#fff;border-radius:8px;min-width:100%}"
    "th,td{padding:6px 10px;text-align:right;border-bottom:1px solid #e3e6ea;white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left}th{font-weight:600}"
    "tr:last-child td{border-bottom:0}"
    "code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}"
    "pre{overflow-x:auto;font-size:13px;line-height:1.45;margin:4px 0 20px}"
    "footer{margin-top:40px;font-size:13px}"
    "@media (prefers-color-scheme:dark){body{background:#0e1013;color:#e8eaed}"
    ".lead,footer{color:#a2a9b3}table{background:#16181c}th,td{border-color:#2c3036}}";

void sim_html_begin(FILE *to, const char *title, const char *lead)
{
    fputs("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
          to);
    sim_text_xml(to, title);
    fprintf(to, "</title>\n<style>%s\n", html_style);
    sim_plot_css(to);
    fputs("</style>\n<main>\n<h1>", to);
    sim_text_xml(to, title);
    fputs("</h1>\n<p class=\"lead\">", to);
    sim_text_xml(to, lead);
    fputs("</p>\n", to);
}

void sim_html_heading(FILE *to, const char *text)
{
    fputs("<h2>", to);
    sim_text_xml(to, text);
    fputs("</h2>\n", to);
}

void sim_html_paragraph(FILE *to, const char *text)
{
    fputs("<p>", to);
    sim_text_xml(to, text);
    fputs("</p>\n", to);
}

void sim_html_plot(FILE *to, const struct sim_plot *p)
{
    fputs("<figure>\n", to);
    sim_plot_svg(to, p, 1);
    fputs("</figure>\n", to);
}

static void html_cells(FILE *to, const char *tag, const char *const *cell, size_t n)
{
    fputs("<tr>", to);
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "<%s>", tag);
        sim_text_xml(to, cell[i]);
        fprintf(to, "</%s>", tag);
    }
    fputs("</tr>\n", to);
}

void sim_html_table(FILE *to, const char *const *head, size_t n)
{
    fputs("<div class=\"scroll\"><table>\n", to);
    html_cells(to, "th", head, n);
}

void sim_html_row(FILE *to, const char *const *cell, size_t n)
{
    html_cells(to, "td", cell, n);
}

void sim_html_table_end(FILE *to)
{
    fputs("</table></div>\n", to);
}

void sim_html_end(FILE *to, const char *command)
{
    fprintf(to, "<footer>weir %s. The same command gives the same numbers:<br><code>",
            weir_version());
    sim_text_xml(to, command);
    fputs("</code></footer>\n</main>\n</html>\n", to);
}
