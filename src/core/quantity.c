/* SPDX-License-Identifier: MIT */
#include "core/quantity.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

bool
quantity_seconds(const char *text, double *s)
{
	static const struct { const char *name; double seconds; } units[] = {
		{ "", 1 }, { "ms", 0.001 }, { "s", 1 }, { "m", 60 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 },
	};
	char *end;
	size_t i;

	if (!isdigit((unsigned char)*text) || strpbrk(text, "xXnNpP") != NULL)
		return false;
	*s = strtod(text, &end);
	while (*end == ' ')
		end++;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].name) == 0) {
			*s *= units[i].seconds;
			return true;
		}
	return false;
}

int64_t
quantity_ms(double s)
{
	return (int64_t)ceil(s * 1000 - 1e-6);
}

bool
quantity_size(const char *text, uint64_t *n)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned shift = 0;
	char *end;

	if (strcmp(text, "unlimited") == 0 || strcmp(text, "infinity") == 0) {
		*n = UINT64_MAX;
		return true;
	}
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*n = strtoull(text, &end, 10);
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit != NULL) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (errno != 0 || *end != '\0' || *n > (uint64_t)INT64_MAX >> shift)
		return false;
	*n <<= shift;
	return true;
}
