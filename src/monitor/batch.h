/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A batch: rows of one table taken at one moment, as one JSON text (doc/monitor-wire.md):
 *
 *	{"type":"prc","node":"alice","epoch":1764068000123456,"seq":7,"ts":"2026-11-25T10:53:20.123456Z",
 *	 "columns":["pid","name"],"rows":[[1,"appctld"],[17,null]]}
 *
 * node, epoch and seq name it for ever; epoch is the time in microseconds at which the
 * producer's spool was made, seq counts from 1 in it.  Pure.
 */
enum {
	BATCH_MAX = 1024 * 1024,	/* bytes of the text */
	BATCH_COLUMNS_MAX = 96,
	BATCH_ROWS_MAX = 10000,
};

struct batch_head {
	const char *type;		/* a table's name */
	const char *node;
	uint64_t epoch, seq;
	int64_t ts_us;			/* since 1970, UTC */
};

/* Writing: begin, then for each row begin_row and a cell for each column, then end.  Memory: out->failed. */
void batch_begin(struct buf *out, const struct batch_head *head, const char *const *columns, size_t column_count);
void batch_begin_row(struct buf *out);
void batch_int(struct buf *out, int64_t i);
void batch_real(struct buf *out, double d);		/* not finite: null */
void batch_text(struct buf *out, const char *s);	/* NULL: null; what is no UTF-8 becomes U+FFFD */
void batch_bool(struct buf *out, bool b);
void batch_null(struct buf *out);
void batch_end(struct buf *out);

/* A value as it was read. */
enum cell_type { CELL_NULL, CELL_FALSE, CELL_TRUE, CELL_INT, CELL_REAL, CELL_TEXT };
struct cell {
	enum cell_type type;
	union {
		int64_t i;
		double d;
		struct {
			const char *data;	/* UTF-8, not NUL-terminated; \u0000 has become a NUL in it */
			size_t len;
		} text;
	};
};

/* A batch that was read.  Zero-initialise it and use it again and again; batch_free() gives it back. */
struct batch {
	struct cell type, node;		/* CELL_TEXT */
	uint64_t epoch, seq;
	int64_t ts_us;
	struct cell *columns;		/* column_count names */
	struct cell *cells;		/* row after row */
	size_t column_count, row_count;
	/* private */
	size_t columns_cap, cells_cap;
	struct buf unescaped;		/* texts that had escapes in them */
};

/*
 * Reads a frame.  Its texts are lent from text and from b, until either changes.  The members may come in any order;
 * members that are not known are refused, as is whatever is not a batch.  A number without fraction and exponent that does
 * not fit is CELL_REAL.  -1: err says what was wrong at which byte; code ENOMEM: it was memory.
 */
int batch_read(struct batch *b, const char *text, size_t len, struct err *err);
void batch_free(struct batch *b);
