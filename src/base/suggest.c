/* SPDX-License-Identifier: MIT */
#include "base/suggest.h"

#include <string.h>

enum { WORD_MAX = 64 };

static unsigned
min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment distance, three rows at a time. */
static unsigned
distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1];
	size_t i, j, la = strlen(a), lb = strlen(b);
	unsigned *old, *above, *row;

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (j = 0; j <= lb; j++)
		rows[0][j] = (unsigned)j;
	for (i = 1; i <= la; i++) {
		row = rows[i % 3];
		above = rows[(i - 1) % 3];
		old = rows[(i + 1) % 3];
		row[0] = (unsigned)i;
		for (j = 1; j <= lb; j++) {
			row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && old[j - 2] + 1 < row[j])
				row[j] = old[j - 2] + 1;
		}
	}
	return rows[la % 3][lb];
}

const char *
suggest(const char *word, const char *const *names, size_t n)
{
	unsigned d, best = (unsigned)(strlen(word) / 3 + 1);
	const char *found = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		d = distance(word, names[i]);
		if (d < best || (d == best && found == NULL)) {
			best = d;
			found = names[i];
		}
	}
	return found;
}
