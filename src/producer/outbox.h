/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "monitor/batch.h"
#include "monitor/tables.h"
#include "store/spool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Batches on their way into the spool: numbered, dated, written one after another, then
 * given to spool_add() together.  Zero-initialise it, set node and epoch; it is used again and again.
 *
 *	outbox_open(&o, spool_next_seq(spool), clock_real_us());
 *	sampler_take(sampler, &o, &err);		writes some
 *	batches = outbox_batches(&o, &count);
 *	spool_add(spool, batches, count, &err);
 */
struct outbox {
	const char *node;		/* borrowed */
	uint64_t epoch;
	/* private */
	uint64_t first_seq;
	int64_t at_us;
	struct buf text;		/* of all batches, one after another */
	struct buf ends;		/* size_t[]: where each one ends */
	struct buf batches;		/* struct spool_batch[] */
	size_t rows;			/* of the one being written */
};

/* Forgets what was in it.  Batches get first_seq and the numbers behind it. */
void outbox_open(struct outbox *o, uint64_t first_seq, int64_t at_us);
/*
 * Begins a batch with all columns of that table.  Then for each row outbox_row(), and on what that returns a cell (batch_int(), …)
 * for each column; outbox_end() last.  A batch without a row is none.
 */
void outbox_begin(struct outbox *o, enum monitor_table t);
/* The same for what has columns of its own. */
void outbox_begin_columns(struct outbox *o, const char *type, const char *const *columns, size_t column_count);
/* NULL: the batch is full (rows or bytes), or there is no memory. */
struct buf *outbox_row(struct outbox *o);
void outbox_end(struct outbox *o);
/* Instead of outbox_end(): the batch that was begun is none. */
void outbox_cancel(struct outbox *o);

/* Gives what was written another epoch and other numbers, where these differ.  -1: no memory, and nothing is left. */
int outbox_renumber(struct outbox *o, uint64_t epoch, uint64_t first_seq);
/* What was written, lent until the next change.  *count 0: nothing, or no memory. */
const struct spool_batch *outbox_batches(struct outbox *o, size_t *count);
void outbox_fini(struct outbox *o);
