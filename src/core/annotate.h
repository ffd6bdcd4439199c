/*
 * annotate.h -- ASan, TSan and valgrind are told of each switch, MSan of what
 * the kernel writes, unwinders of the end of a stack; without them all of this
 * is nothing.
 */
#ifndef WEIR__ANNOTATE_H
#define WEIR__ANNOTATE_H

#include <stddef.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define WEIR__ASAN 1
#define WEIR__ASAN_LEAVE(fake, bottom, size) __sanitizer_start_switch_fiber(fake, bottom, size)
#define WEIR__ASAN_ENTER(fake, bottom, size) __sanitizer_finish_switch_fiber(fake, bottom, size)
/* A stack that is used again still carries the poison of the frames before it. */
#define WEIR__ASAN_CLEAR(p, size) __asan_unpoison_memory_region(p, size)
#else
#define WEIR__ASAN 0
#define WEIR__ASAN_LEAVE(fake, bottom, size) ((void)(fake), (void)(bottom), (void)(size))
#define WEIR__ASAN_ENTER(fake, bottom, size) ((void)(fake))
#define WEIR__ASAN_CLEAR(p, size) ((void)(p))
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define WEIR__TSAN 1
#define WEIR__TSAN_SELF() __tsan_get_current_fiber()
#define WEIR__TSAN_NEW() __tsan_create_fiber(0)
#define WEIR__TSAN_FREE(f) __tsan_destroy_fiber(f)
#define WEIR__TSAN_SWITCH(f) __tsan_switch_to_fiber(f, 0)
#else
#define WEIR__TSAN 0
#define WEIR__TSAN_SELF() NULL
#define WEIR__TSAN_NEW() NULL
#define WEIR__TSAN_FREE(f) ((void)(f))
#define WEIR__TSAN_SWITCH(f) ((void)(f))
#endif

#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
/* By a system call that MSan does not know. */
#define WEIR__MSAN 1
#define WEIR__MSAN_WRITTEN(p, size) __msan_unpoison(p, size)
#else
#define WEIR__MSAN 0
#define WEIR__MSAN_WRITTEN(p, size) ((void)(p), (void)(size))
#endif

/* In the first function of a stack: here unwinding ends. */
#if defined(__GCC_HAVE_DWARF2_CFI_ASM) && defined(__x86_64__)
#define WEIR__OUTERMOST() __asm__ volatile(".cfi_undefined rip")
#elif defined(__GCC_HAVE_DWARF2_CFI_ASM) && defined(__aarch64__)
#define WEIR__OUTERMOST() __asm__ volatile(".cfi_undefined x30")
#else
#define WEIR__OUTERMOST() ((void)0)
#endif

#ifdef WEIR_HAVE_VALGRIND
#include <valgrind/valgrind.h>
#define WEIR__VG_REGISTER(lo, hi) VALGRIND_STACK_REGISTER(lo, hi)
#define WEIR__VG_DEREGISTER(id) VALGRIND_STACK_DEREGISTER(id)
#define WEIR__VALGRIND RUNNING_ON_VALGRIND
/* Around reads of what nobody has written. */
#define WEIR__VG_QUIET() VALGRIND_DISABLE_ERROR_REPORTING
#define WEIR__VG_LOUD() VALGRIND_ENABLE_ERROR_REPORTING
#else
#define WEIR__VG_REGISTER(lo, hi) ((void)(lo), (void)(hi), 0u)
#define WEIR__VG_DEREGISTER(id) ((void)(id))
#define WEIR__VALGRIND 0
#define WEIR__VG_QUIET() ((void)0)
#define WEIR__VG_LOUD() ((void)0)
#endif

#endif
