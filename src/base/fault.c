/*
 * fault.c -- counts fault points and fails one of them; the model is in fault.h.
 */
#include "base/fault.h"

_Thread_local struct weir__fault weir__fault;

int weir__fault_step(int kind)
{
    if (weir__fault.kinds != 0 && !(weir__fault.kinds & kind))
        return 0;
    if (++weir__fault.seen != weir__fault.at)
        return 0;
    weir__fault.hit = kind;
    return 1;
}

void weir__fault_arm(int64_t at, int kinds)
{
    weir__fault = (struct weir__fault){.at = at, .kinds = kinds};
}
