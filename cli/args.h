/*
 * args.h -- what the subcommands share in reading their command line.
 *
 * getopt_long does the splitting; this adds values with units, messages that
 * name the flag and the value, and a guess at what an unknown word meant.
 * A message goes to stderr as `weir CMD: FLAG: ...`, and the caller then
 * returns ARGS_EXIT_USAGE.  The args_parse_* functions are pure.
 *
 *     struct args a;
 *     args_init(&a, "weir fetch", "hj:", longs, argc, argv);
 *     while ((key = args_next(&a)) > 0)
 *         ...args_uint(&a, 1, 10000, &jobs)...
 *     if (key < 0)
 *         return ARGS_EXIT_USAGE;
 *     for (i = a.first; i < a.argc; i++)
 *         ...a.argv[i] is no option...
 */
#ifndef WEIR_CLI_ARGS_H
#define WEIR_CLI_ARGS_H

#include <getopt.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/base.h>

/* The subcommands; argv[0] is the subcommand's own name.  Each returns the exit code. */
int cmd_fetch(int argc, char **argv);
int cmd_chaos(int argc, char **argv);
int cmd_sim(int argc, char **argv);

enum { ARGS_EXIT_USAGE = 2 };

struct args {
    const char *command;        /* "weir fetch", for messages */
    const char *shorts;         /* as for getopt(3), without a leading '+', '-' or ':' */
    const struct option *longs; /* `flag` NULL, `val` the key (> 0); ends with zeros */
    int argc;
    char **argv;
    char flag[48];     /* the option at hand as a person writes it: "--rate", "-j" */
    const char *value; /* its value, or NULL */
    int first;         /* after args_next gave 0: index of the first argument that is no option */
};

/* Starts; borrows everything.  One command line at a time: getopt's state is the process's. */
void args_init(struct args *a, const char *command, const char *shorts, const struct option *longs,
               int argc, char **argv);

/* The next option's key, with `flag` and `value` set; 0 at the end; -EINVAL after a message. */
int args_next(struct args *a);

/* Prints `COMMAND: FLAG: text` (without FLAG: when no option is at hand).  Always -EINVAL. */
int args_fail(const struct args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- the option's value; 0, or -EINVAL after a message that names flag and value ------------ */

/* 250ms, 5s, 2m, 1.5h; a bare number is seconds.  At least `least`. */
int args_span(const struct args *a, weir_span least, weir_span *out);

/* 20ms..200ms, or one duration for both; first <= second. */
int args_span_range(const struct args *a, weir_span least, weir_span *out_low, weir_span *out_high);

/* 64K, 64M, 1.5G, with or without B or iB: powers of 1024.  Between min and max. */
int args_size(const struct args *a, uint64_t min, uint64_t max, uint64_t *out);

/* A whole number between min and max. */
int args_uint(const struct args *a, uint64_t min, uint64_t max, uint64_t *out);

/* 30%, 0.5%, 100%; the sign may be left out.  In millionths: 30% is 300000. */
int args_percent(const struct args *a, uint32_t *out_ppm);

/* 100/s, 600/m, 5/10s, 100/s:20; a bare number is per second. */
struct args_rate {
    uint64_t count; /* 1 .. 1e9 */
    weir_span per;  /* > 0 */
    uint32_t burst; /* 0: not given */
};
int args_rate(const struct args *a, struct args_rate *out);

/* One word of a NULL-ended list; *out is its index.  The message guesses. */
int args_choice(const struct args *a, const char *const *words, int *out);

/* --- the same on plain text, without messages: 0, -EINVAL (malformed), -ERANGE -------------- */

int args_parse_span(const char *text, weir_span *out);
int args_parse_span_range(const char *text, weir_span *out_low, weir_span *out_high);
int args_parse_size(const char *text, uint64_t *out);
int args_parse_uint(const char *text, uint64_t *out);
int args_parse_percent(const char *text, uint32_t *out_ppm);
int args_parse_rate(const char *text, struct args_rate *out);

/*
 * The word of the NULL-ended list that `text` was probably meant to be: at
 * most a third of its letters wrong, or the only one it begins.  NULL if none.
 */
const char *args_suggest(const char *text, const char *const *words);

#endif
