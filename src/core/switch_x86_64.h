/*
 * switch_x86_64.h -- one stack to another, inline.
 *
 * The compiler saves what it needs: every register it may hold something in
 * is a clobber.  Ending in pop + jmp instead of ret spares a mispredicted
 * return.  mxcsr and the x87 control word are not switched (3 ns): a fiber
 * that changes a rounding mode changes it for its thread.
 */
#ifndef WEIR__SWITCH_H
#define WEIR__SWITCH_H

static inline __attribute__((always_inline)) void weir__switch(void **from, void *to)
{
    register void **save __asm__("rdi") = from;
    register void *load __asm__("rsi") = to;

    __asm__ volatile("sub $128, %%rsp\n\t" /* the red zone of the function this is inlined in */
                     "push %%rbp\n\t"
                     "push %%rbx\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "mov %%rsp, (%0)\n\t"
                     "mov %1, %%rsp\n\t"
                     "pop %%rcx\n\t"
                     "jmp *%%rcx\n"
                     "1:\n\t"
                     "pop %%rbx\n\t"
                     "pop %%rbp\n\t"
                     "add $128, %%rsp\n\t"
                     : "+r"(save), "+r"(load)
                     :
                     : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15");
}

/* Lays out a fresh stack so that the first switch to it enters `entry`. */
static inline void *weir__switch_prepare(void *top, void (*entry)(void))
{
    void **sp = top; /* 16-byte aligned: the ABI wants 8 less at a function's entry */

    *--sp = NULL;
    *--sp = (void *)entry;
    return sp;
}

#endif
