/* SPDX-License-Identifier: MIT */
#include "base/strmap.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
static uint64_t
hash(const char *key)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *key != '\0'; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3u;
	return h;
}

/* The slot that holds key, or the free one where it would go. */
static size_t
find(const struct strmap *m, const char *key)
{
	size_t i = hash(key) & (m->cap - 1);

	while (m->slots[i].key != NULL && strcmp(m->slots[i].key, key) != 0)
		i = (i + 1) & (m->cap - 1);
	return i;
}

uint32_t
strmap_get(const struct strmap *m, const char *key)
{
	size_t i;

	if (m->cap == 0)
		return STRMAP_NONE;
	i = find(m, key);
	return m->slots[i].key ? m->slots[i].value : STRMAP_NONE;
}

static int
grow(struct strmap *m)
{
	struct strmap bigger = { .cap = m->cap ? m->cap * 2 : 16, .used = m->used };
	size_t i;

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return -1;
	for (i = 0; i < m->cap; i++)
		if (m->slots[i].key != NULL)
			bigger.slots[find(&bigger, m->slots[i].key)] = m->slots[i];
	free(m->slots);
	*m = bigger;
	return 0;
}

int
strmap_put(struct strmap *m, const char *key, uint32_t value)
{
	size_t i;

	if ((m->used + 1) * 3 > m->cap * 2 && grow(m) < 0)
		return -1;
	i = find(m, key);
	if (m->slots[i].key == NULL) {
		m->slots[i].key = key;
		m->used++;
	}
	m->slots[i].value = value;
	return 0;
}

/* Closes the gap by moving later members of the same run back (Knuth, 6.4, algorithm R). */
void
strmap_del(struct strmap *m, const char *key)
{
	size_t gap, i, home;

	if (m->cap == 0)
		return;
	gap = find(m, key);
	if (m->slots[gap].key == NULL)
		return;
	for (i = (gap + 1) & (m->cap - 1); m->slots[i].key != NULL; i = (i + 1) & (m->cap - 1)) {
		home = hash(m->slots[i].key) & (m->cap - 1);
		if (((i - home) & (m->cap - 1)) >= ((i - gap) & (m->cap - 1))) {
			m->slots[gap] = m->slots[i];
			gap = i;
		}
	}
	m->slots[gap].key = NULL;
	m->used--;
}

void
strmap_free(struct strmap *m)
{
	free(m->slots);
	*m = (struct strmap){ 0 };
}
