/*
 * switch.h -- picks the machine's switch.
 */
#ifndef WEIR__SWITCH_PICK_H
#define WEIR__SWITCH_PICK_H

#if defined(__x86_64__)
#include "core/switch_x86_64.h"
#elif defined(__aarch64__)
#include "core/switch_aarch64.h"
#else
#error "weir runs on x86-64 and aarch64"
#endif

#endif
