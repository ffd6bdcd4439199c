/*
 * pages.c -- see pages.h.
 */
#include "sys/pages.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static bool pages_guard(char *at)
{
    return madvise(at, WEIR__PAGE, MADV_GUARD_INSTALL) == 0 ||
           mprotect(at, WEIR__PAGE, PROT_NONE) == 0;
}

void *weir__pages_slab(size_t size, size_t count)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    char *slab = mmap(NULL, size * count, PROT_READ | PROT_WRITE, flags, -1, 0);

    if (slab == MAP_FAILED)
        return NULL;
    /* A huge page would make every idle stack cost 64 KiB; without THP in the kernel this fails. */
    (void)madvise(slab, size * count, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < count; i++)
        if (!pages_guard(slab + i * size)) {
            weir__pages_free(slab, size, count);
            errno = ENOMEM;
            return NULL;
        }
    return slab;
}

void weir__pages_free(void *slab, size_t size, size_t count)
{
    munmap(slab, size * count);
}
