/*
 * absent_chaos.c -- stands in for `weir chaos` in a build without llhttp.
 */
#include <stdio.h>

#include "args.h"

int cmd_chaos(int argc, char **argv)
{
    (void)argc;
    fprintf(stderr, "weir %s: this weir was built without llhttp, its parser\n", argv[0]);
    return ARGS_EXIT_USAGE;
}
