/*
 * fetch.c -- `weir fetch`: URLs in, records out.
 * Promises: 2 for a command line that makes no sense, before anything is
 * opened; else the exit code that the counters give (fetch_counts.h).
 */
#include "fetch.h"

#include "args.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* A closed stdin or stderr must not become somebody's socket. */
static void fetch_descriptors(void)
{
    if (fcntl(STDIN_FILENO, F_GETFD) < 0)
        (void)!open("/dev/null", O_RDONLY);
    if (fcntl(STDERR_FILENO, F_GETFD) < 0 && fcntl(STDOUT_FILENO, F_GETFD) >= 0)
        (void)!open("/dev/null", O_WRONLY);
}

int cmd_fetch(int argc, char **argv)
{
    struct fetch_opts opts;
    fetch_descriptors();
    int r = fetch_opts_parse(&opts, argc, argv);
    if (r > 0 && opts.out == NULL && fcntl(STDOUT_FILENO, F_GETFD) < 0) {
        fputs("weir fetch: stdout is closed\n", stderr);
        fetch_opts_fini(&opts);
        return 4;
    }
    int code = r < 0 ? ARGS_EXIT_USAGE : r == 0 ? 0 : fetch_run(&opts);
    fetch_opts_fini(&opts);
    return code;
}
