/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a producer has taken and nobody has acknowledged yet: batches on disk, in order, in
 * SQLite (WAL).  Bounded in bytes and age: what is beyond is dropped, oldest first, and
 * the numbers that went are handed out once so that they can be told (table gap).
 * A damaged file is kept aside, what can be read of it is taken over; to open never fails for damage.
 */
struct spool;

struct spool_limits {
	int64_t bytes_max;		/* of batches; the files are a little larger */
	int64_t age_max_ms;		/* 0: no limit */
};

struct spool_batch {
	uint64_t seq;
	int64_t at_us;			/* when it was taken, real time */
	const char *text;		/* lent until the next call that takes the spool */
	size_t len;
};

/* Batches that were dropped: first to last, all of them, for one reason ("spool_full", "spool_age", "spool_damaged"). */
struct spool_gap {
	uint64_t epoch, first_seq, last_seq, batches;
	const char *reason;
};

/* directory belongs to the caller's user, nobody else may write in it.  NULL: err says why. */
struct spool *spool_open(const char *directory, const struct spool_limits *limits, struct err *err);
void spool_close(struct spool *s);				/* NULL is fine */

uint64_t spool_epoch(const struct spool *s);			/* of this file; a new one begins a new epoch */
uint64_t spool_next_seq(const struct spool *s);			/* what the next batch must say that it is */
size_t spool_count(const struct spool *s);
int64_t spool_bytes(const struct spool *s);

/*
 * Adds batches in one transaction, numbered from spool_next_seq() on; older ones may be dropped for them.  -1: nothing was
 * added and err says why (ENOSPC, EIO: try again later).
 */
int spool_add(struct spool *s, const struct spool_batch *batches, size_t count, struct err *err);
/* The first batch behind seq `after`.  1: *out is it; 0: there is none; -1: err. */
int spool_next(struct spool *s, uint64_t after, struct spool_batch *out, struct err *err);
/* Everything up to seq has been committed by who asked for it. */
int spool_acknowledge(struct spool *s, uint64_t seq, struct err *err);
/* What has been dropped and not been told yet.  1: *out; 0: nothing; -1: err. */
int spool_take_gap(struct spool *s, struct spool_gap *out, struct err *err);
