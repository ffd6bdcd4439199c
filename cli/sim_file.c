/*
 * sim_file.c -- where `weir sim` writes: files whose failures are told, and terminals.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sim.h"

static int file_fail(const char *name)
{
    int r = errno ? -errno : -EIO;

    fprintf(stderr, "weir sim: %s: %s\n", name, strerror(-r));
    return r;
}

FILE *sim_open(const char *name)
{
    FILE *to = fopen(name, "w");

    if (!to)
        file_fail(name);
    return to;
}

int sim_close(FILE *to, const char *name)
{
    int bad = ferror(to);

    errno = 0;
    return fclose(to) != 0 || bad ? file_fail(name) : 0;
}

int sim_term_colour(void)
{
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term && strcmp(term, "dumb") != 0;
}

int sim_term_width(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
        return size.ws_col > 160 ? 160 : size.ws_col;
    return 100;
}
