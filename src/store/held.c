/* SPDX-License-Identifier: MIT */
#include "store/held.h"

#include <stdlib.h>
#include <string.h>

enum { AGAIN_MIN_MS = 100, AGAIN_MAX_MS = 10000 };

void
store_list_init(struct store_list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

void
store_list_add(struct store_list *l, struct store_batch *b)
{
	b->next = NULL;
	*l->end = b;
	l->end = &b->next;
}

struct store_batch *
store_list_take(struct store_list *l)
{
	struct store_batch *b = l->first;

	if (b == NULL)
		return NULL;
	l->first = b->next;
	if (l->first == NULL)
		l->end = &l->first;
	return b;
}

void
store_list_free(struct store_list *l)
{
	struct store_batch *b;

	while ((b = store_list_take(l)) != NULL)
		store_batch_free(b);
}

struct held *
held_find(struct held *all, const char *node)
{
	while (all != NULL && strcmp(all->node, node) != 0)
		all = all->next;
	return all;
}

static struct held **
end_of(struct held **all)
{
	while (*all != NULL)
		all = &(*all)->next;
	return all;
}

static struct held *
held_new(const char *node, uint64_t commits)
{
	size_t len = strlen(node) + 1;
	struct held *h = calloc(1, sizeof(*h) + len);

	if (h == NULL)
		return NULL;
	h->commits = commits;
	store_list_init(&h->list);
	memcpy(h->node, node, len);
	return h;
}

void
held_put(struct held *h, struct store_batch *b)
{
	store_list_add(&h->list, b);
}

int
held_add(struct held **all, struct store_list *from, uint64_t commits)
{
	struct held *h;

	while (from->first != NULL) {
		h = held_find(*all, from->first->node);
		if (h == NULL) {
			h = held_new(from->first->node, commits);
			if (h == NULL)
				return -1;
			*end_of(all) = h;
		}
		held_put(h, store_list_take(from));
	}
	return 0;
}

static void
unlink_held(struct held **all, struct held *h)
{
	while (*all != h)
		all = &(*all)->next;
	*all = h->next;
	h->next = NULL;
}

void
held_wait(struct held **all, struct held *h, const struct err *why, int64_t now_ms)
{
	h->why = *why;
	h->again_ms = h->again_ms == 0 ? AGAIN_MIN_MS : h->again_ms * 2 > AGAIN_MAX_MS ? AGAIN_MAX_MS : h->again_ms * 2;
	h->due_ms = now_ms + h->again_ms;
	unlink_held(all, h);
	*end_of(all) = h;
}

void
held_release(struct held *all, const struct held *like)
{
	for (; all != NULL; all = all->next)
		if (strcmp(all->why.msg, like->why.msg) == 0)
			all->due_ms = 0;
}

int64_t
held_due(const struct held *all)
{
	int64_t due_ms = INT64_MAX;

	for (; all != NULL; all = all->next)
		if (all->due_ms < due_ms)
			due_ms = all->due_ms;
	return due_ms;
}

void
held_remove(struct held **all, struct held *h)
{
	unlink_held(all, h);
	store_list_free(&h->list);
	free(h);
}
