/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/*
 * How fast a counter goes.  Times are of CLOCK_BOOTTIME: it runs on while the machine is suspended and does not jump when
 * somebody sets the clock.  What cannot be known is NAN.  Pure.
 */

/*
 * From before to now, which is interval_ns later, each second.  A counter of 32 bits may have wrapped once; one that went back
 * otherwise was reset, and an interval that is none gives nothing.
 */
double rate_of(uint64_t before, uint64_t now, int64_t interval_ns);

/* For people and small frames: to a multiple of 1/parts. */
double rate_rounded(double rate, double parts);
