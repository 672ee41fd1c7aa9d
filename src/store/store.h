/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "monitor/batch.h"
#include "store/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where batches are kept: PostgreSQL or SQLite.  A thread of its own does all that waits for a disk or a server; the caller's
 * loop never does.
 *
 * Batches are stored in the order they are put, as many as there are in one transaction, and the next ones gather while that is
 * committed.  None is ever given up: while the database cannot take them they are kept, health() says why, and it is tried again and again;
 * how much may gather meanwhile is for the caller to bound (store_pending_bytes()).  A row that the database cannot take for what it holds goes to
 * table quarantine with the reason.  A batch that has been stored before is not stored again.
 *
 * Where a transaction fails again and again while the database answers, the nodes that had a part in it are tried one by one, so that only those
 * wait of which something is not taken.  A batch that for what it holds can never be stored becomes rows of quarantine then; one
 * that cannot even be recorded as that (table batch refuses it) is kept, with all that this node sends behind it.
 */
struct store;

struct store_settings {
	const char *database;		/* PostgreSQL's conninfo; NULL: SQLite */
	const char *sqlite;		/* the file */
	int64_t retention_ms;		/* what is older goes; 0: nothing does */
};

struct store_batch {
	/* the caller's */
	void *owner;
	uint64_t previous;		/* the number before it that is stored or told missing: what a database lost behind our back is told by it */
	/* the store's; to be read */
	struct store_batch *next;
	const char *node;
	uint64_t epoch, seq;
	int64_t ts_us, came_us;
	const char *type;
	const struct store_table *table;	/* NULL: no rows */
	size_t columns;
	struct image rows, quarantine, gaps;
	uint64_t refused;		/* rows that went to quarantine */
	uint64_t told;			/* from this number on what lies before it is told missing; 0: nothing is */
	size_t bytes, charged;		/* memory it takes; what of that is counted as pending */
	bool repeated;			/* had been stored before */
};

struct store_handler {
	/* The highest number that is stored of what store_mark() asked for, 0: none. */
	void (*marked)(void *arg, void *tag, uint64_t seq);
	/* Committed.  b is given back after the call. */
	void (*stored)(void *arg, struct store_batch *b);
	/*
	 * A node's batches are set apart: the database does not take them, while it takes others', and why; NULL: they are stored now.
	 * node NULL: room ahead cannot be made in the database, or what is old cannot be dropped.
	 */
	void (*trouble)(void *arg, const char *node, const char *why);
	/* The database takes nothing, and why; NULL: it takes batches.  Called when it is known first, and when it changes. */
	void (*health)(void *arg, const char *why);
};

struct store_counts {
	uint64_t commits, failures, batches, rows, repeated, quarantined, gaps;
};

/* NULL: err says why.  Whether the database can be reached shows later. */
struct store *store_new(const struct store_settings *s, const struct store_handler *h, void *arg, struct err *err);
/* What is under way is committed or rolled back; the rest is let go. */
void store_free(struct store *s);

/* Readable when there is news; store_step() then calls the handler. */
int store_fd(const struct store *s);
void store_step(struct store *s);

/*
 * What a batch becomes in the database.  real_us is the time now: one that is older than the retention keeps no rows but becomes a gap, one that
 * lies days ahead is quarantined.  NULL: no memory.
 */
struct store_batch *store_prepare(struct store *s, const struct batch *b, int64_t real_us);
/* Adds that batches from first to last will never come.  -1: no memory. */
int store_batch_gap(struct store_batch *b, uint64_t first, uint64_t last, const char *reason);
void store_batch_free(struct store_batch *b);		/* one that was not put */
/* Takes it over. */
void store_put(struct store *s, struct store_batch *b);
size_t store_pending_bytes(const struct store *s);

/* Asks for what is stored of node and epoch.  -1: no memory. */
int store_mark(struct store *s, const char *node, uint64_t epoch, void *tag);
/* tag hears nothing any more. */
void store_unmark(struct store *s, const void *tag);

void store_counts(struct store *s, struct store_counts *out);
