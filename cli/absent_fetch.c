/*
 * absent_fetch.c -- stands in for `weir fetch` in a build without libcurl.
 */
#include <stdio.h>

#include "args.h"

int cmd_fetch(int argc, char **argv)
{
    (void)argc;
    fprintf(stderr, "weir %s: this weir was built without libcurl\n", argv[0]);
    return ARGS_EXIT_USAGE;
}
