/*
 * shadow.c -- see shadow.h.
 */
#include "sys/shadow.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)

enum { SHADOW_STATUS = 0x5005 }; /* ARCH_SHSTK_STATUS */

static int shadow_ask_kernel(unsigned long *out_bits)
{
    return (int)syscall(SYS_arch_prctl, SHADOW_STATUS, out_bits);
}

#else

enum { SHADOW_STATUS = 74 }; /* PR_GET_SHADOW_STACK_STATUS */

static int shadow_ask_kernel(unsigned long *out_bits)
{
    return prctl(SHADOW_STATUS, out_bits, 0, 0, 0);
}

#endif

int (*weir__shadow_ask)(unsigned long *out_bits) = shadow_ask_kernel;

/* Bit 0 is "on" on both; an older kernel does not know the question. */
bool weir__shadow_on(void)
{
    unsigned long bits = 0;

    return weir__shadow_ask(&bits) == 0 && (bits & 1);
}
