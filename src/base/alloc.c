/*
 * alloc.c -- one door to memory, so that a test can count and fail each call.
 */
#include "base/alloc.h"
#include "base/fault.h"

#include <stdlib.h>
#include <string.h>

/* From here on calloc, which knows what is zero already: that is not touched before its use. */
enum { ALLOC_LARGE = 4096 };

static __thread struct weir_alloc alloc_current;

static void *alloc_call(void *p, size_t old_size, size_t size)
{
    if (alloc_current.realloc)
        return alloc_current.realloc(alloc_current.ctx, p, old_size, size);
    if (size)
        return realloc(p, size);
    free(p);
    return NULL;
}

void *weir__alloc(size_t size)
{
    void *p;

    if (weir__fault_point(WEIR__FAULT_ALLOC))
        return NULL;
    if (size >= ALLOC_LARGE && !alloc_current.realloc)
        return calloc(1, size);
    p = alloc_call(NULL, 0, size);
    return p ? memset(p, 0, size) : NULL;
}

void weir__free(void *p, size_t size)
{
    if (p)
        alloc_call(p, size, 0);
}

void *weir__realloc(void *p, size_t old_size, size_t size)
{
    if (weir__fault_point(WEIR__FAULT_ALLOC))
        return NULL;
    return alloc_call(p, old_size, size);
}

struct weir_alloc weir__alloc_use(const struct weir_alloc *a)
{
    struct weir_alloc before = alloc_current;

    alloc_current = a ? *a : (struct weir_alloc){0};
    return before;
}
