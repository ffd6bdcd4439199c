/*
 * sim_svg.h -- the style of the plots, for a page that holds several.
 */
#ifndef WEIR_CLI_SIM_SVG_H
#define WEIR_CLI_SIM_SVG_H

#include <stdio.h>

/* CSS for `.plot`, light and dark; a plot that is a file of its own has it inside. */
void sim_plot_css(FILE *to);

#endif
