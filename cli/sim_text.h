/*
 * sim_text.h -- numbers and strings as the outputs of `weir sim` write them.
 */
#ifndef WEIR_CLI_SIM_TEXT_H
#define WEIR_CLI_SIM_TEXT_H

#include <stddef.h>
#include <stdio.h>

#include <weir/base.h>

enum { SIM_TEXT = 32 };

/* "5ms", "1.5s", "2m", "250us": as args_parse_span reads it, to four digits.  Returns out. */
const char *sim_text_span(double ns, char out[SIM_TEXT]);

/* The same without loss: in the largest unit that says it as a whole number. */
const char *sim_text_exact(weir_span span, char out[SIM_TEXT]);

/* "5,042", "1,234,567": rounded. */
const char *sim_text_count(double n, char out[SIM_TEXT]);

/* "0.12", "12.3", "123": three digits. */
const char *sim_text_three(double n, char out[SIM_TEXT]);

/* One word of a shell: in single quotes. */
void sim_text_shell(const char *text, char *out, size_t size);

/* A JSON string, quotes and all. */
void sim_text_json(FILE *to, const char *text);

/* Text in SVG and HTML: < > & " ' are written as entities. */
void sim_text_xml(FILE *to, const char *text);

#endif
