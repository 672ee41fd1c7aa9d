/* SPDX-License-Identifier: MIT */
#include "monitor/rate.h"

#include <math.h>

/* A counter that went back wrapped if it was that near to 2^32 and is that near behind. */
#define NEAR_WRAP ((uint64_t)1 << 30)

double
rate_of(uint64_t before, uint64_t now, int64_t interval_ns)
{
	uint64_t difference = now - before;

	if (interval_ns <= 0)
		return NAN;
	if (now < before) {
		difference = (uint32_t)difference;
		if (before > UINT32_MAX || before < UINT32_MAX - NEAR_WRAP || difference > NEAR_WRAP)
			return NAN;
	}
	return (double)difference / ((double)interval_ns / 1e9);
}

double
rate_rounded(double rate, double parts)
{
	return floor(rate * parts + 0.5) / parts;
}
