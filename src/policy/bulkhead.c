/*
 * bulkhead.c -- counted permits.  Invariant: used <= limit, but after the
 * limit was lowered, when used only falls until it is so again.
 */
#include <weir/bulkhead.h>

#include <errno.h>

#define BULKHEAD_MAX ((uint32_t)1 << 31)

int weir_bulkhead_init(struct weir_bulkhead *b, const struct weir_bulkhead_opts *opts)
{
    b->limit = b->used = 0;
    if (!opts || opts->limit == 0 || opts->limit > BULKHEAD_MAX || opts->max_wait < -1)
        return -EINVAL;
    if (opts->reserved)
        return -EINVAL;
    b->limit = opts->limit;
    return 0;
}

int weir_bulkhead_take(struct weir_bulkhead *b, uint32_t n)
{
    if (n == 0 || n > b->limit)
        return -EINVAL;
    if (b->used > b->limit || n > b->limit - b->used)
        return WEIR_EFULL;
    b->used += n;
    return 0;
}

int weir_bulkhead_give(struct weir_bulkhead *b, uint32_t n)
{
    if (n > b->used)
        return -EINVAL;
    b->used -= n;
    return 0;
}

int weir_bulkhead_set(struct weir_bulkhead *b, uint32_t limit)
{
    if (limit == 0 || limit > BULKHEAD_MAX)
        return -EINVAL;
    b->limit = limit;
    return 0;
}

uint32_t weir_bulkhead_used(const struct weir_bulkhead *b)
{
    return b->used;
}
