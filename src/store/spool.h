/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a producer has taken and nobody has acknowledged yet: batches on disk, in order, in
 * SQLite (WAL).  What was added is there after a kill and after a power cut.  Bounded in bytes and age: what is beyond
 * is dropped, oldest first, and the numbers that went are kept until a batch tells them (table gap).
 *
 * An epoch is a run of numbers without a hole.  A damaged file is kept aside as damaged.db, what can be read of it is taken
 * over, and a new epoch begins, because nobody can say which numbers the old one had used.  So there may be
 * batches of older epochs; they go out first, each epoch by itself.  To open never fails for damage, only for
 * what may pass: no space, no permission, another process that has it.
 */
struct spool;

struct spool_limits {
	int64_t bytes_max;		/* of batches; the files are a little larger */
	int64_t age_max_ms;		/* 0: no limit */
};

/* Batches that will never come: first_seq to last_seq of epoch, and why ("spool_full", "spool_age", "spool_damaged"). */
struct spool_gap {
	uint64_t epoch, first_seq, last_seq, batches;
	const char *reason;
};

struct spool_batch {
	uint64_t seq;
	int64_t at_us;			/* when it was taken, real time */
	const char *text;		/* from spool_next(): lent until the next call that takes the spool */
	size_t len;
	const struct spool_gap *tells;	/* of one that is added: the gap that it tells; NULL: none */
};

/*
 * directory belongs to the caller's user, nobody else may write in it; one process has it at a time.  NULL: a
 * spool in memory, for as long as there is no disk.  NULL: err says why.
 */
struct spool *spool_open(const char *directory, const struct spool_limits *limits, struct err *err);
void spool_close(struct spool *s);				/* NULL is fine */

uint64_t spool_epoch(const struct spool *s);			/* what the next batch must say that it is of */
uint64_t spool_next_seq(const struct spool *s);			/* and its number */
uint64_t spool_first_epoch(const struct spool *s);		/* the one whose batches go out first */
size_t spool_count(const struct spool *s);			/* batches, of all epochs */
int64_t spool_bytes(const struct spool *s);
const char *spool_note(const struct spool *s);			/* the last one that was kept with batches, "" at first; lent */
uint64_t spool_dropped(const struct spool *s);			/* batches since it was opened, damage included */
/* What was wrong with the file, the last time it was; "": nothing was. */
const char *spool_damage(const struct spool *s);

/*
 * Adds batches in one transaction, numbered from spool_next_seq() on; older ones may be dropped for them.  With them
 * the note is kept (NULL: the old one stays), at most SPOOL_NOTE_MAX bytes, and a gap that one of them tells is
 * forgotten.  -1: nothing of that happened and err says why (ENOSPC, EIO, EBUSY: try again later; EAGAIN: the file was
 * damaged and is a new one now, epoch and numbers are others: make the batches anew).
 */
enum { SPOOL_NOTE_MAX = 200 };
int spool_add(struct spool *s, const struct spool_batch *batches, size_t count, const char *note, struct err *err);
/* The first batch of an epoch behind seq `after`.  1: *out is it; 0: there is none; -1: err. */
int spool_next(struct spool *s, uint64_t epoch, uint64_t after, struct spool_batch *out, struct err *err);
/* Everything up to seq has been committed by who asked for it. */
int spool_acknowledge(struct spool *s, uint64_t epoch, uint64_t seq, struct err *err);
/* What has been dropped and is not told by any batch.  1: *out; 0: nothing; -1: err. */
int spool_gap(struct spool *s, struct spool_gap *out, struct err *err);
/* Begins a new epoch: the present one turned out to have numbers that this spool knows nothing of. */
int spool_new_epoch(struct spool *s, struct err *err);
