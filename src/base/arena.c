/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_MIN = 1024, BLOCK_MAX = 64 * 1024 };

struct block {
	struct block *next;
	size_t used, cap;
	alignas(max_align_t) unsigned char data[];
};

struct arena {
	struct block *blocks;	/* the newest, which has room, first */
};

struct arena *
arena_new(void)
{
	return calloc(1, sizeof(struct arena));
}

/* Blocks double up to BLOCK_MAX: a small configuration costs little, a large one few calls. */
static struct block *
block_new(struct arena *a, size_t len)
{
	size_t cap = a->blocks ? a->blocks->cap * 2 : BLOCK_MIN;
	struct block *b;

	if (cap > BLOCK_MAX)
		cap = BLOCK_MAX;
	if (cap < len)
		cap = len;
	b = calloc(1, sizeof(*b) + cap);
	if (b == NULL)
		return NULL;
	b->cap = cap;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

void *
arena_alloc(struct arena *a, size_t len)
{
	struct block *b = a->blocks;
	void *p;

	if (len > SIZE_MAX / 2)
		return NULL;
	len = (len + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (b == NULL || b->cap - b->used < len)
		b = block_new(a, len);
	if (b == NULL)
		return NULL;
	p = b->data + b->used;
	b->used += len;
	return p;
}

char *
arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *copy = arena_alloc(a, len + 1);

	if (copy != NULL)
		memcpy(copy, s, len);
	return copy;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

void
arena_reset(struct arena *a)
{
	struct block *b, *next;

	for (b = a->blocks; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	a->blocks = NULL;
}

void
arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	arena_reset(a);
	free(a);
}
