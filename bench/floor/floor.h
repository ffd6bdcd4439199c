/*
 * floor.h -- the floor's tables: with fibers, without, between two threads, and epoll by hand.
 */
#ifndef FLOOR_H
#define FLOOR_H

#include "../bench.h"

extern const struct bench_case plain_cases[], ring_cases[], epoll_cases[];

#endif
