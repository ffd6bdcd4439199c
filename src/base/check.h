/*
 * check.h -- checks in three strengths.  WEIR_ARG: the caller's mistake, traps
 * in a debug build and answers -EINVAL in a release.  weir__check: ours,
 * cheap, always on.  weir__audit: ours, costly, debug builds only.
 */
#ifndef WEIR__CHECK_H
#define WEIR__CHECK_H

#include <errno.h>

#define WEIR__LIKELY(x) __builtin_expect(!!(x), 1)
#define WEIR__UNLIKELY(x) __builtin_expect(!!(x), 0)

#define weir__check(x) (WEIR__LIKELY(x) ? (void)0 : __builtin_trap())

#ifdef WEIR_DEBUG
#define weir__audit(x) weir__check(x)
#else
#define weir__audit(x) ((void)sizeof(x))
#endif

#endif
