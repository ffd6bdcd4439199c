/*
 * fetch_main.c -- weir-fetch, which `weir fetch` becomes; by itself it takes the same flags.
 */
#include "args.h"

int main(int argc, char **argv)
{
    return cmd_fetch(argc, argv);
}
