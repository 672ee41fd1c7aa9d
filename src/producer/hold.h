/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "producer/outbox.h"
#include "store/spool.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Where batches are kept until they are acknowledged: the spool on disk and, while that cannot be written, one in
 * memory.  Each has its epochs; one at a time goes out, those on disk first.
 */
struct hold;

/*
 * settings are copied, node is borrowed.  A disk that cannot be written now is tried again later.
 * NULL: err (another process has the spool, no memory).
 */
struct hold *hold_new(const char *directory, const struct spool_limits *limits, const char *node, struct err *err);
void hold_free(struct hold *h);					/* NULL is fine */

/* An outbox to write into; then hold_commit() keeps what it has, with a note.  -1: it is kept nowhere, err says why. */
struct outbox *hold_begin(struct hold *h);
struct outbox *hold_outbox(struct hold *h);			/* the one that was begun */
int hold_commit(struct hold *h, const char *note, struct err *err);
const char *hold_note(const struct hold *h);			/* the last one that was kept; lent */
/* Adds batches that tell what was dropped.  For when there is somebody to tell it. */
void hold_tell_gaps(struct hold *h);

/* The epoch that is to go out now. */
uint64_t hold_pick(struct hold *h);
int hold_next(struct hold *h, uint64_t epoch, uint64_t after, struct spool_batch *out, struct err *err);
int hold_acknowledge(struct hold *h, uint64_t epoch, uint64_t seq, struct err *err);
/* The consumer knows of numbers in this epoch that are not used yet: another one begins. */
int hold_leave_epoch(struct hold *h, uint64_t epoch, struct err *err);
/* The next number that will be given in that epoch; 0: it is not one that goes on. */
uint64_t hold_next_seq(const struct hold *h, uint64_t epoch);
size_t hold_count(const struct hold *h);
