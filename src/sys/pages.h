/*
 * pages.h -- stacks: address space reserved in slabs, a guard page below each.
 *
 * A guard is MADV_GUARD_INSTALL where the kernel has it (Linux 6.13), which
 * costs no mapping, else mprotect; a guard that cannot be made fails the call,
 * it is never left out.  Where the kernel knows names (Linux 5.17) the slabs
 * are "[anon:weir stacks]" in /proc/self/maps.
 */
#ifndef WEIR__PAGES_H
#define WEIR__PAGES_H

#include <stddef.h>

#define WEIR__PAGE 4096u

/*
 * Reserves `count` stacks of `size` bytes each (a multiple of the page size,
 * guard included), lowest address returned; NULL and errno on failure.
 */
void *weir__pages_slab(size_t size, size_t count);
void weir__pages_free(void *slab, size_t size, size_t count);

/*
 * Whole pages: gives them back, so that they read as zeros; the first that is resident,
 * or the end.
 */
void weir__pages_zero(void *at, size_t size);
const char *weir__pages_resident(const char *at, size_t size);

#endif
