/*
 * sim_text.c -- the formats of sim_text.h.  No locale: the program never sets one.
 */
#include "sim_text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

const char *sim_text_span(double ns, char out[SIM_TEXT])
{
    static const struct {
        double ns;
        const char *unit;
    } units[] = {{6e10, "m"}, {1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
    size_t i = 0;

    if (ns == 0)
        return strcpy(out, "0s");
    /* 90 s stays 90 s; whole minutes from two on are minutes */
    if (ns < 1.2e11 || fmod(ns, 6e10) != 0)
        i = 1;
    while (i < 4 && ns < units[i].ns)
        i++;
    snprintf(out, SIM_TEXT, "%.4g%s", ns / units[i].ns, units[i].unit);
    return out;
}

const char *sim_text_exact(weir_span span, char out[SIM_TEXT])
{
    static const struct {
        weir_span ns;
        const char *unit;
    } units[] = {{WEIR_MIN(1), "m"}, {WEIR_S(1), "s"}, {WEIR_MS(1), "ms"}, {WEIR_US(1), "us"}};

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (span % units[i].ns == 0) {
            snprintf(out, SIM_TEXT, "%" PRId64 "%s", span / units[i].ns, units[i].unit);
            return out;
        }
    snprintf(out, SIM_TEXT, "%" PRId64 "ns", span);
    return out;
}

void sim_text_shell(const char *text, char *out, size_t size)
{
    size_t n = 0;

    for (out[n++] = '\''; *text && n + 6 < size; text++)
        if (*text == '\'')
            n += (size_t)snprintf(out + n, size - n, "'\\''");
        else
            out[n++] = *text;
    out[n++] = '\'';
    out[n] = '\0';
}

const char *sim_text_count(double n, char out[SIM_TEXT])
{
    char digits[SIM_TEXT];
    size_t length, k = 0;

    snprintf(digits, sizeof digits, "%.0f", fmin(fabs(n), 1e15));
    length = strlen(digits);
    if (n < 0)
        out[k++] = '-';
    for (size_t i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            out[k++] = ',';
        out[k++] = digits[i];
    }
    out[k] = '\0';
    return out;
}

const char *sim_text_three(double n, char out[SIM_TEXT])
{
    if (fabs(n) >= 1000)
        return sim_text_count(n, out);
    snprintf(out, SIM_TEXT, fabs(n) >= 100 ? "%.0f" : fabs(n) >= 10 ? "%.1f" : "%.2f", n);
    return out;
}

void sim_text_json(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", to);
        else if ((unsigned char)*text < ' ')
            fprintf(to, "\\u%04x", (unsigned)*text);
        else if (*text == '"' || *text == '\\')
            fprintf(to, "\\%c", *text);
        else
            fputc(*text, to);
    }
    fputc('"', to);
}

void sim_text_xml(FILE *to, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '&':
            fputs("&amp;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        default:
            fputc(*text, to);
        }
}
