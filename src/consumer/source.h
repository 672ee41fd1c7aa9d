/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/strmap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where batches come from: a node and an epoch of it.  It outlives a connection for as long as batches of it are on their
 * way to the database, so that what a reconnecting producer sends again is known.
 */
struct peer;

struct source {
	char *node;
	uint64_t epoch;
	struct peer *peer;		/* connected now, or NULL */
	bool asked, known;		/* the database: what it has of it */
	uint64_t stored;		/* committed up to this */
	uint64_t queued;		/* given to the store, or told missing, up to this */
	size_t batches, bytes;		/* on their way */
	bool dirty;			/* an acknowledgement is due */
	struct source *next_dirty;
	char *key;
	uint32_t index;
};

struct sources {
	struct strmap by_key;
	struct source **v;
	size_t cap, count;
};

/* Found or made; NULL: no memory. */
struct source *source_get(struct sources *s, const char *node, uint64_t epoch);
/* Forgets one that has no peer and nothing on its way. */
void source_drop(struct sources *s, struct source *src);
void sources_free(struct sources *s);
