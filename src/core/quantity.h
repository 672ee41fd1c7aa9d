/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Times and sizes as people write them, in the configuration and in settings.
 */

/* "90s", "100ms", "1.5h", "2": seconds; false: no such time. */
bool quantity_seconds(const char *text, double *s);
/* Seconds as whole milliseconds, never less than was said. */
int64_t quantity_ms(double s);
/* "1024", "64M", "4G", "unlimited" (UINT64_MAX): bytes; false: no such size. */
bool quantity_size(const char *text, uint64_t *n);
