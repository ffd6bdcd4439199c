/*
 * switch_aarch64.h -- one stack to another, inline.  The compiler saves what
 * it needs; the frame pointer and the link register are saved here.
 */
#ifndef WEIR__SWITCH_H
#define WEIR__SWITCH_H

static inline __attribute__((always_inline)) void weir__switch(void **from, void *to)
{
    register void **save __asm__("x0") = from;
    register void *load __asm__("x1") = to;

    __asm__ volatile("stp x29, x30, [sp, #-32]!\n\t"
                     "adr x9, 1f\n\t"
                     "str x9, [sp, #16]\n\t"
                     "mov x9, sp\n\t"
                     "str x9, [%0]\n\t"
                     "mov sp, %1\n\t"
                     "ldr x9, [sp, #16]\n\t"
                     "ldp x29, x30, [sp], #32\n\t"
                     "br x9\n"
                     "1:\n\t"
                     : "+r"(save), "+r"(load)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                       "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24",
                       "x25", "x26", "x27", "x28", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",
                       "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18",
                       "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",
                       "v30", "v31", "memory", "cc");
}

/* Lays out a fresh stack so that the first switch to it enters `entry`. */
static inline void *weir__switch_prepare(void *top, void (*entry)(void))
{
    void **sp = (void **)top - 4;

    sp[0] = sp[1] = sp[3] = NULL;
    sp[2] = (void *)entry;
    return sp;
}

#endif
