/*
 * check.h -- checks in three strengths.  WEIR_ARG: the caller's mistake, traps
 * in place if built with -DWEIR_TRAP (-Dtrap, what a program under development
 * wants) and is a code otherwise.  weir__check: ours, cheap, always on.
 * weir__audit: ours, costly, debug builds only.
 */
#ifndef WEIR__CHECK_H
#define WEIR__CHECK_H

#include <errno.h>

#define WEIR__LIKELY(x) __builtin_expect(!!(x), 1)
#define WEIR__UNLIKELY(x) __builtin_expect(!!(x), 0)

#define weir__check(x) (WEIR__LIKELY(x) ? (void)0 : __builtin_trap())

/* 0 if it holds, or what the caller is told. */
#define WEIR_ARG(x) WEIR_ARG_OR(x, -EINVAL)
#ifdef WEIR_TRAP
#define WEIR_ARG_OR(x, code) (WEIR__LIKELY(x) ? 0 : (__builtin_trap(), (code)))
#else
#define WEIR_ARG_OR(x, code) (WEIR__LIKELY(x) ? 0 : (code))
#endif

#ifdef WEIR_DEBUG
#define WEIR__DEBUG 1
#define weir__audit(x) weir__check(x)
#else
#define WEIR__DEBUG 0
#define weir__audit(x) ((void)sizeof(x))
#endif

#endif
