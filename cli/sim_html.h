/*
 * sim_html.h -- a report: one HTML file that needs nothing else, light and dark, no scripts.
 */
#ifndef WEIR_CLI_SIM_HTML_H
#define WEIR_CLI_SIM_HTML_H

#include <stdio.h>

#include "sim_plot.h"

void sim_html_begin(FILE *to, const char *title, const char *lead);
void sim_html_heading(FILE *to, const char *text);
void sim_html_paragraph(FILE *to, const char *text);
void sim_html_plot(FILE *to, const struct sim_plot *p);

/* A table: head, then rows of cells, then end.  The first cell of a row is its name. */
void sim_html_table(FILE *to, const char *const *head, size_t n);
void sim_html_row(FILE *to, const char *const *cell, size_t n);
void sim_html_table_end(FILE *to);

/* The command that makes it again, and the end of the page. */
void sim_html_end(FILE *to, const char *command);

#endif
