/* SPDX-License-Identifier: MIT */
#include "base/u64map.h"

#include <stdlib.h>

/* Fibonacci hashing (Knuth, 6.4): keys that count up spread over the table. */
static size_t
home(const struct u64map *m, uint64_t key)
{
	return (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (m->cap - 1);
}

static size_t
find(const struct u64map *m, uint64_t key)
{
	size_t i = home(m, key);

	while (m->slots[i].key != 0 && m->slots[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

void *
u64map_get(const struct u64map *m, uint64_t key)
{
	size_t i;

	if (m->cap == 0 || key == 0)
		return NULL;
	i = find(m, key);
	return m->slots[i].key ? m->slots[i].value : NULL;
}

static int
grow(struct u64map *m)
{
	struct u64map bigger = { .cap = m->cap ? m->cap * 2 : 16, .used = m->used };
	size_t i;

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return -1;
	for (i = 0; i < m->cap; i++)
		if (m->slots[i].key != 0)
			bigger.slots[find(&bigger, m->slots[i].key)] = m->slots[i];
	free(m->slots);
	*m = bigger;
	return 0;
}

int
u64map_put(struct u64map *m, uint64_t key, void *value)
{
	size_t i;

	if ((m->used + 1) * 3 > m->cap * 2 && grow(m) < 0)
		return -1;
	i = find(m, key);
	if (m->slots[i].key == 0)
		m->used++;
	m->slots[i] = (struct u64map_slot){ key, value };
	return 0;
}

/* Closes the gap by moving later members of the same run back (Knuth, 6.4, algorithm R). */
void
u64map_del(struct u64map *m, uint64_t key)
{
	size_t gap, i, mask = m->cap - 1;

	if (m->cap == 0 || key == 0)
		return;
	gap = find(m, key);
	if (m->slots[gap].key == 0)
		return;
	for (i = (gap + 1) & mask; m->slots[i].key != 0; i = (i + 1) & mask) {
		if (((i - home(m, m->slots[i].key)) & mask) >= ((i - gap) & mask)) {
			m->slots[gap] = m->slots[i];
			gap = i;
		}
	}
	m->slots[gap] = (struct u64map_slot){ 0 };
	m->used--;
}

void
u64map_free(struct u64map *m)
{
	free(m->slots);
	*m = (struct u64map){ 0 };
}
