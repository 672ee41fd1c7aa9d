/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "store/backend.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Batches in the order in which they came. */
struct store_list {
	struct store_batch *first, **end;
};

void store_list_init(struct store_list *l);
void store_list_add(struct store_list *l, struct store_batch *b);
struct store_batch *store_list_take(struct store_list *l);	/* NULL: there is none */
void store_list_free(struct store_list *l);

/*
 * What one node sent and the database did not take, apart from what others sent, so that only this node waits.
 * Pure but for memory.
 */
struct held {
	struct held *next;
	struct store_list list;
	struct err why;			/* of the latest attempt */
	uint64_t commits;		/* of the store, when it was set apart: more of them show that it is not the database */
	bool told;
	bool alone;			/* its first batch is tried by itself */
	unsigned attempts;		/* of that one */
	enum backend_blame blame;
	uint64_t stored;		/* of the first batch's table, before it was tried */
	char known[sizeof(((struct err *)0)->msg)];	/* for which a batch was put into quarantine last */
	int64_t again_ms, due_ms;
	char node[];
};

/* The one of that node; NULL: none. */
struct held *held_find(struct held *all, const char *node);
/* Takes all of the list over, node by node, each due at once; behind those that are there.  -1: no memory, and what is left of it stays in the list. */
int held_add(struct held **all, struct store_list *from, uint64_t commits);
/* The same for one batch of a node that is held. */
void held_put(struct held *h, struct store_batch *b);
/* To the end of the line, to be tried again later. */
void held_wait(struct held **all, struct held *h, const struct err *why, int64_t now_ms);
/* What waits for the same reason need not wait any longer. */
void held_release(struct held *all, const struct held *like);
/* When the first of them is due; INT64_MAX: there is none. */
int64_t held_due(const struct held *all);
void held_remove(struct held **all, struct held *h);		/* and what it has */
