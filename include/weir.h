/*
 * weir.h -- all of libweir.
 */
#ifndef WEIR_H
#define WEIR_H

#include <weir/base.h>
#include <weir/run.h>
#include <weir/scope.h>
#include <weir/chan.h>
#include <weir/sync.h>
#include <weir/io.h>

#endif
