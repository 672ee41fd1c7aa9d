/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "consumer/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
grow(struct sources *s)
{
	size_t cap = s->cap ? s->cap * 2 : 64;
	struct source **v = realloc(s->v, cap * sizeof(struct source *));

	if (v == NULL)
		return -1;
	s->v = v;
	s->cap = cap;
	return 0;
}

static void
free_source(struct source *src)
{
	if (src == NULL)
		return;
	free(src->node);
	free(src->key);
	free(src);
}

static struct source *
add(struct sources *s, char *key, const char *node, uint64_t epoch)
{
	struct source *src = calloc(1, sizeof(*src));

	if (src == NULL || (src->node = strdup(node)) == NULL || (s->count == s->cap && grow(s) < 0) ||
	    strmap_put(&s->by_key, key, (uint32_t)s->count) < 0) {
		free_source(src);
		free(key);
		return NULL;
	}
	src->epoch = epoch;
	src->key = key;
	src->index = (uint32_t)s->count;
	s->v[s->count++] = src;
	return src;
}

struct source *
source_get(struct sources *s, const char *node, uint64_t epoch)
{
	char *key;
	uint32_t i;

	if (asprintf(&key, "%" PRIu64 " %s", epoch, node) < 0)
		return NULL;
	i = strmap_get(&s->by_key, key);
	if (i == STRMAP_NONE)
		return add(s, key, node, epoch);
	free(key);
	return s->v[i];
}

void
source_drop(struct sources *s, struct source *src)
{
	struct source *last = s->v[s->count - 1];

	strmap_del(&s->by_key, src->key);
	if (last != src) {
		last->index = src->index;
		s->v[src->index] = last;
		strmap_put(&s->by_key, last->key, last->index);		/* replaces a value: needs no memory */
	}
	s->count--;
	free_source(src);
}

void
sources_free(struct sources *s)
{
	while (s->count > 0)
		free_source(s->v[--s->count]);
	strmap_free(&s->by_key);
	free(s->v);
}
