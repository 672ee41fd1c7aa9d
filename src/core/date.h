/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The proleptic Gregorian calendar, UTC.  Pure.  To print a time: print_time() of core/event.h. */
int64_t days_from_civil(int64_t year, unsigned month, unsigned day);	/* since 1970 */
void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

/*
 * A time as events and batches have it, "2026-11-21T05:00:00.123456Z", into microseconds since 1970; fewer digits of the
 * second, or none, are read too.  false: it is no such time.
 */
bool read_time(const char *text, size_t len, int64_t *us);
