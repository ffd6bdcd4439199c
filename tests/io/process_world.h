/*
 * process_world.h -- what the tests of children share: a shell script as a child,
 * and what it says.
 */
#ifndef TESTS_IO_PROCESS_WORLD_H
#define TESTS_IO_PROCESS_WORLD_H

#include <weir.h>

#include "core/world.h"

#define SH(script)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        "/bin/sh", "-c", script, NULL                                                              \
    }

#define CHILD(...) (&(struct weir_process_opts){__VA_ARGS__})
#define PIPE                                                                                       \
    {                                                                                              \
        WEIR_FROM_PIPE, 0                                                                          \
    }

static const char *const cat[] = {"cat", NULL};
static const char *const sleeper[] = {"sleep", "1000", NULL};

/* What a shell script writes to its output, with these options. */
static inline const char *says_with(const char *script, const struct weir_process_opts *opts)
{
    static char text[4096];
    struct weir_process_io io = {.out = text, .out_size = sizeof text - 1};
    EQ(weir_process_run(SH(script), opts, &io), 0);
    EQ(io.exit.signal, 0);
    text[io.out_len] = '\0';
    return text;
}

static inline const char *says(const char *script)
{
    return says_with(script, NULL);
}

#endif
