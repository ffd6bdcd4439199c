/*
 * switch_ucontext.h -- one stack to another by libc, for a machine that has no
 * switch of its own, and to hold ours against (-Dswitch=ucontext).  Each costs
 * a system call for the signal mask.  What is saved lies on the stack that is
 * left.
 */
#ifndef WEIR__SWITCH_H
#define WEIR__SWITCH_H

#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "base/check.h"

enum { WEIR__SWITCH_ROOM = 4096 };

static inline void weir__switch(void **from, void *to)
{
    ucontext_t here;

    *from = &here;
    weir__check(swapcontext(&here, to) == 0);
}

/* Lays out a fresh stack so that the first switch to it enters `entry`. */
static inline void *weir__switch_prepare(void *top, void (*entry)(void))
{
    ucontext_t *c = (void *)(((uintptr_t)top - sizeof *c) & ~(uintptr_t)63);

    weir__check(getcontext(c) == 0);
    c->uc_stack.ss_size = WEIR__SWITCH_ROOM; /* only where it ends counts */
    c->uc_stack.ss_sp = (char *)c - WEIR__SWITCH_ROOM;
    c->uc_link = NULL;
    makecontext(c, entry, 0);
    return c;
}

#endif
