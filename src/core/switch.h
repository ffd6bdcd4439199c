/*
 * switch.h -- picks the machine's switch, or libc's where it has none or is asked for.
 */
#ifndef WEIR__SWITCH_PICK_H
#define WEIR__SWITCH_PICK_H

#if defined(WEIR_SWITCH_UCONTEXT)
#include "core/switch_ucontext.h"
#elif defined(__x86_64__)
#include "core/switch_x86_64.h"
#elif defined(__aarch64__)
#include "core/switch_aarch64.h"
#else
#include "core/switch_ucontext.h"
#endif

#endif
