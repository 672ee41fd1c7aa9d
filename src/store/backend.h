/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "store/catalog.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What store.c asks of a database, from its thread.  Every call may wait as long as its own limits of time allow and ends early once stop_fd is
 * readable.  -1: err says why and nothing was changed, or it is not known whether it was; the caller opens anew then, after a while.
 */
struct backend;

enum backend_blame {
	BLAME_NOTHING,			/* it may pass, or has to be allowed first */
	BLAME_ROWS,			/* what was written */
	BLAME_STATEMENT,		/* the statement makes no sense there: either the table is not as it has to be, or an operator's own trigger for these rows */
};

struct mark {
	struct mark *next;
	void *tag;
	uint64_t epoch, seq;
	char node[];
};

struct backend_ops {
	struct backend *(*new)(const struct store_settings *s, struct catalog *c, int stop_fd, struct err *err);
	void (*free)(struct backend *b);
	/* Connects where it is not, and sees that all is as expected.  *newest_us: of the latest batch; 0: there is none. */
	int (*open)(struct backend *b, int64_t *newest_us, struct err *err);
	void (*close)(struct backend *b);
	/* Fills in their seq. */
	int (*marks)(struct backend *b, struct mark *list, struct err *err);
	/* All of them in one transaction; counts in their `refused` what it had to quarantine. */
	int (*write)(struct backend *b, struct store_batch *list, int64_t real_us, struct err *err);
	/* Why the last write failed. */
	enum backend_blame (*blame)(const struct backend *b);
	/* Makes room ahead of now, drops what is older than day oldest (INT64_MIN: nothing).  *more: call again soon. */
	int (*tend)(struct backend *b, int64_t today, int64_t oldest, bool *more, struct err *err);
};

enum { AHEAD_DAYS = 2 };		/* partitions made before they are needed */

extern const struct backend_ops pg_backend, sqlite_backend;

/* A row for quarantine, and one for batch. */
void quarantine_row(struct buf *out, const struct store_batch *b, int64_t real_us, const char *row, const char *reason);
void batch_row(struct buf *out, const struct store_batch *b);
/* The first from there on in which a producer tells of gaps; NULL: there is none. */
const struct store_batch *batch_of_gaps(const struct store_batch *from);
