/*
 * pages.c -- see pages.h.
 */
#include "sys/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

enum pages_method { PAGES_UNKNOWN, PAGES_INSTALL, PAGES_PROTECT };

/* Whether the byte is unreadable; a system call is asked, for it tells and does not kill. */
static bool pages_faults(const char *at)
{
    bool faults = false;
    int p[2];

    if (pipe2(p, O_CLOEXEC) < 0)
        return false;
    faults = write(p[1], at, 1) < 0 && errno == EFAULT;
    close(p[0]);
    close(p[1]);
    return faults;
}

/* Emulators answer 0 to advice they do not know: the first guard is tried before it is believed. */
static enum pages_method pages_choose(char *at)
{
    bool installs = madvise(at, WEIR__PAGE, MADV_GUARD_INSTALL) == 0 && pages_faults(at);

    return installs ? PAGES_INSTALL : PAGES_PROTECT;
}

static bool pages_guard(char *at)
{
    static int chosen = PAGES_UNKNOWN; /* the same for all threads */
    int method = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

    if (method == PAGES_UNKNOWN) {
        method = pages_choose(at);
        __atomic_store_n(&chosen, method, __ATOMIC_RELAXED);
    }
    return (method == PAGES_INSTALL && madvise(at, WEIR__PAGE, MADV_GUARD_INSTALL) == 0) ||
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
    /* Before the guards: those of mprotect are mappings of their own, and keep the name. */
    (void)prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, slab, size * count, "weir stacks");
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

void weir__pages_zero(void *at, size_t size)
{
    if (madvise(at, size, MADV_DONTNEED) < 0)
        memset(at, 0, size); /* locked memory */
}

const char *weir__pages_resident(const char *at, size_t size)
{
    unsigned char in[64];

    for (size_t done = 0; done < size;) {
        size_t run = size - done < sizeof in * WEIR__PAGE ? size - done : sizeof in * WEIR__PAGE;

        if (mincore((void *)(uintptr_t)(at + done), run, in) < 0)
            return at + done; /* not to be told: as if it were */
        for (size_t i = 0; i < run / WEIR__PAGE; i++)
            if (in[i] & 1)
                return at + done + i * WEIR__PAGE;
        done += run;
    }
    return at + size;
}
