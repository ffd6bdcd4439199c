/*
 * shadow.h -- whether the processor keeps a second stack of return addresses.
 *
 * A switch moves the stack pointer and not the shadow stack's, so the first
 * return of the other fiber would kill the program.  Linux turns
 * shadow stacks on for a program that asks (x86-64: CET, since 6.6; aarch64:
 * GCS, since 6.13).
 */
#ifndef WEIR__SHADOW_H
#define WEIR__SHADOW_H

#include <stdbool.h>

bool weir__shadow_on(void);

/* What the kernel says: 0 and its bits, or an error.  Tests put another in its place. */
extern int (*weir__shadow_ask)(unsigned long *out_bits);

#endif
