/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "producer/hold.h"

#include "base/log.h"
#include "loop/loop.h"
#include "sys/alarm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MEMORY_BYTES = 16 * 1024 * 1024,
	RETRY_MS = 2000,		/* between attempts at a disk that cannot be written */
	GAPS_AT_ONCE = 16,
};

struct hold {
	char *directory;
	struct spool_limits limits;
	struct spool *disk;		/* NULL: could not be opened yet */
	struct spool *memory;		/* NULL: never needed */
	struct spool *target;		/* of the outbox that is being written */
	struct outbox out;
	int64_t retry_at_ms;		/* 0: the disk is well */
	uint64_t done_epoch, done_seq;	/* on disk, acknowledged up to here, whether or not that could be written */
	uint64_t dropped_told;		/* of the disk's, by an alarm */
	bool dropping;
	char damage_told[200];
};

/* --- the disk --- */

static void
disk_failed(struct hold *h, const struct err *err)
{
	if (h->retry_at_ms == 0)
		alarm_raise("what is collected goes into memory, it cannot be kept on disk: %s", err->msg);
	h->retry_at_ms = clock_mono_ms() + RETRY_MS;
}

static void
disk_works(struct hold *h)
{
	struct err err;

	if (h->retry_at_ms != 0) {
		log_write(LOG_MONITOR, LOG_LEVEL_INFO, "what is collected goes to disk again");
		spool_acknowledge(h->disk, h->done_epoch, h->done_seq, &err);
	}
	h->retry_at_ms = 0;
	if (strcmp(spool_damage(h->disk), h->damage_told) != 0) {
		strcpy(h->damage_told, spool_damage(h->disk));
		alarm_raise("the spool was damaged: %s; %zu batches are left", spool_damage(h->disk), spool_count(h->disk));
		h->dropped_told = spool_dropped(h->disk);
	}
}

/* -1: somebody else has it.  What else is wrong with it may pass. */
static int
open_disk(struct hold *h, struct err *err)
{
	h->disk = spool_open(h->directory, &h->limits, err);
	if (h->disk != NULL)
		disk_works(h);
	else if (err->code == EBUSY)
		return err_wrap(err, "each producer needs a spool of its own (PRODUCER_SPOOL)");
	else
		disk_failed(h, err);
	return 0;
}

/* Told at the first batch that goes, and again when it has not been full for a while. */
static void
tell_dropping(struct hold *h)
{
	uint64_t dropped = h->disk ? spool_dropped(h->disk) : 0;

	if (dropped > h->dropped_told && !h->dropping) {
		h->dropping = true;
		alarm_raise("the spool is full: the oldest batches are dropped until the consumer takes them");
	} else if (h->dropping && spool_bytes(h->disk) < h->limits.bytes_max / 2) {
		h->dropping = false;
	}
	h->dropped_told = dropped;
}

static struct spool *
memory_of(struct hold *h)
{
	const struct spool_limits limits = { MEMORY_BYTES, h->limits.age_max_ms };
	struct err err;

	if (h->memory == NULL)
		h->memory = spool_open(NULL, &limits, &err);
	return h->memory;
}

struct hold *
hold_new(const char *directory, const struct spool_limits *limits, const char *node, struct err *err)
{
	struct hold *h = calloc(1, sizeof(*h));

	if (h == NULL || (h->directory = strdup(directory)) == NULL) {
		err_set(err, ENOMEM, "spool");
		hold_free(h);
		return NULL;
	}
	h->limits = *limits;
	h->out.node = node;
	if (open_disk(h, err) < 0) {
		hold_free(h);
		return NULL;
	}
	if (h->disk == NULL && memory_of(h) == NULL) {
		err_set(err, ENOMEM, "spool");
		hold_free(h);
		return NULL;
	}
	return h;
}

void
hold_free(struct hold *h)
{
	if (h == NULL)
		return;
	spool_close(h->disk);
	spool_close(h->memory);
	outbox_fini(&h->out);
	free(h->directory);
	free(h);
}

/* --- keeping --- */

static void
begin_in(struct hold *h, struct spool *s)
{
	h->target = s;
	h->out.epoch = s ? spool_epoch(s) : 0;
	outbox_open(&h->out, s ? spool_next_seq(s) : 1, clock_real_us());
}

struct outbox *
hold_begin(struct hold *h)
{
	bool try_disk = h->retry_at_ms == 0 || clock_mono_ms() >= h->retry_at_ms;
	struct err err;

	if (try_disk && h->disk == NULL && open_disk(h, &err) < 0)
		disk_failed(h, &err);
	begin_in(h, try_disk && h->disk != NULL ? h->disk : memory_of(h));
	return &h->out;
}

struct outbox *
hold_outbox(struct hold *h)
{
	return &h->out;
}

static int
add(struct hold *h, struct spool *s, const char *note, struct err *err)
{
	const struct spool_batch *batches;
	size_t count;

	if (outbox_renumber(&h->out, spool_epoch(s), spool_next_seq(s)) < 0)
		return err_set(err, ENOMEM, "batches");
	batches = outbox_batches(&h->out, &count);
	return count > 0 || note != NULL ? spool_add(s, batches, count, note, err) : 0;
}

int
hold_commit(struct hold *h, const char *note, struct err *err)
{
	struct spool *s = h->target;

	if (s != NULL && s == h->disk) {
		if (add(h, s, note, err) == 0 || (err->code == EAGAIN && add(h, s, note, err) == 0)) {
			disk_works(h);
			tell_dropping(h);
			return 0;
		}
		disk_failed(h, err);
	}
	s = memory_of(h);
	return s ? add(h, s, note, err) : err_set(err, ENOMEM, "batches");
}

const char *
hold_note(const struct hold *h)
{
	if (h->memory != NULL && *spool_note(h->memory) != '\0' && (h->disk == NULL || h->retry_at_ms != 0))
		return spool_note(h->memory);
	return h->disk ? spool_note(h->disk) : "";
}

/* --- gaps --- */

static void
write_gap(struct outbox *out, const struct spool_gap *g)
{
	struct buf *row;

	outbox_begin(out, TABLE_GAP);
	row = outbox_row(out);
	if (row != NULL) {
		batch_int(row, (int64_t)g->epoch);
		batch_int(row, (int64_t)g->first_seq);
		batch_int(row, (int64_t)g->last_seq);
		batch_int(row, (int64_t)g->batches);
		batch_text(row, g->reason);
	}
	outbox_end(out);
}

/* 1: one was told; 0: there is none, or it has to wait. */
static int
tell_gap(struct hold *h, struct spool *s)
{
	const struct spool_batch *written;
	struct spool_batch b;
	struct spool_gap g;
	struct err err;
	size_t count;

	if (spool_gap(s, &g, &err) <= 0)
		return 0;
	begin_in(h, s);
	write_gap(&h->out, &g);
	written = outbox_batches(&h->out, &count);
	if (count != 1)
		return 0;
	b = *written;
	b.tells = &g;
	if (spool_add(s, &b, 1, NULL, &err) < 0) {
		if (s == h->disk && err.code != EAGAIN)
			disk_failed(h, &err);
		return 0;
	}
	log_write(LOG_MONITOR, LOG_LEVEL_INFO, "%llu batches were dropped (%s), the consumer is told", (unsigned long long)g.batches,
		  g.reason);
	return 1;
}

void
hold_tell_gaps(struct hold *h)
{
	int i;

	for (i = 0; i < GAPS_AT_ONCE && h->disk != NULL && h->retry_at_ms == 0 && tell_gap(h, h->disk) > 0; i++)
		;
	for (i = 0; i < GAPS_AT_ONCE && h->memory != NULL && tell_gap(h, h->memory) > 0; i++)
		;
}

/* --- giving out --- */

static bool
is_of(const struct spool *s, uint64_t epoch)
{
	return s != NULL && (spool_epoch(s) == epoch || (spool_count(s) > 0 && spool_first_epoch(s) == epoch));
}

static struct spool *
of_epoch(const struct hold *h, uint64_t epoch)
{
	return is_of(h->memory, epoch) ? h->memory : h->disk;
}

/* Of what is on disk, the epoch that has to go out; 0: none.  What could not be deleted has gone out all the same. */
static uint64_t
pick_on_disk(struct hold *h)
{
	struct spool_batch b;
	struct err err;
	uint64_t epoch;

	if (h->disk == NULL || spool_count(h->disk) == 0)
		return 0;
	epoch = spool_first_epoch(h->disk);
	if (epoch != h->done_epoch || spool_next(h->disk, epoch, h->done_seq, &b, &err) != 0)
		return epoch;
	return epoch != spool_epoch(h->disk) ? spool_epoch(h->disk) : 0;
}

uint64_t
hold_pick(struct hold *h)
{
	uint64_t epoch = pick_on_disk(h);

	if (epoch != 0)
		return epoch;
	if (h->memory != NULL && spool_count(h->memory) > 0)
		return spool_first_epoch(h->memory);
	if (h->disk != NULL)
		return spool_epoch(h->disk);
	return h->memory ? spool_epoch(h->memory) : 0;
}

int
hold_next(struct hold *h, uint64_t epoch, uint64_t after, struct spool_batch *out, struct err *err)
{
	struct spool *s = of_epoch(h, epoch);

	return s ? spool_next(s, epoch, after, out, err) : 0;
}

int
hold_acknowledge(struct hold *h, uint64_t epoch, uint64_t seq, struct err *err)
{
	struct spool *s = of_epoch(h, epoch);

	if (s == h->disk) {
		h->done_epoch = epoch;
		h->done_seq = seq;
	}
	return s ? spool_acknowledge(s, epoch, seq, err) : 0;
}

int
hold_leave_epoch(struct hold *h, uint64_t epoch, struct err *err)
{
	struct spool *s = of_epoch(h, epoch);

	return s && spool_epoch(s) == epoch ? spool_new_epoch(s, err) : 0;
}

uint64_t
hold_next_seq(const struct hold *h, uint64_t epoch)
{
	const struct spool *s = of_epoch(h, epoch);

	return s && spool_epoch(s) == epoch ? spool_next_seq(s) : 0;
}

size_t
hold_count(const struct hold *h)
{
	return (h->disk ? spool_count(h->disk) : 0) + (h->memory ? spool_count(h->memory) : 0);
}
