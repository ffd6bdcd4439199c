/*
 * alloc.h -- the runtime's allocator: weir_config.alloc while a loop runs on
 * this thread, malloc otherwise.  Every block is freed with the size it was
 * asked for, through the allocator that made it.
 */
#ifndef WEIR__ALLOC_H
#define WEIR__ALLOC_H

#include <weir/base.h>

/* Zeroed; NULL when there is none. */
WEIR_API void *weir__alloc(size_t size);
WEIR_API void weir__free(void *p, size_t size);

/* Grows or shrinks; the new part is not zeroed.  NULL leaves `p` as it was. */
WEIR_API void *weir__realloc(void *p, size_t old_size, size_t size);

/* Installs an allocator for this thread; NULL or all zero: malloc.  Returns the one before. */
struct weir_alloc weir__alloc_use(const struct weir_alloc *a);

#endif
