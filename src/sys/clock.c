/*
 * clock.c -- CLOCK_MONOTONIC: never set back, stands still in suspend.
 */
#include "sys/clock.h"

#include <time.h>

weir_time weir__clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return WEIR_EPOCH + (weir_time)t.tv_sec * 1000000000 + t.tv_nsec;
}

void weir__clock_sleep(weir_span span)
{
    struct timespec t = {.tv_sec = span / 1000000000, .tv_nsec = span % 1000000000};

    if (span > 0)
        nanosleep(&t, NULL);
}
