/*
 * clock.h -- the only reader of the machine's clock.
 */
#ifndef WEIR__CLOCK_H
#define WEIR__CLOCK_H

#include <weir/base.h>

/* CLOCK_MONOTONIC, from WEIR_EPOCH on. */
weir_time weir__clock_now(void);

/* Blocks the thread; a signal may end it early. */
void weir__clock_sleep(weir_span span);

#endif
