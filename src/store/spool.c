/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "store/spool_internal.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- opening --- */

static void
read_boot_id(struct spool *s)
{
	autoclose int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, s->boot, sizeof(s->boot) - 1) : 0;

	s->boot[n > 0 ? n : 0] = '\0';
	s->boot[strcspn(s->boot, "\n")] = '\0';
}

struct spool *
spool_open(const char *directory, const struct spool_limits *limits, struct err *err)
{
	struct spool *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		err_set(err, ENOMEM, "spool");
		return NULL;
	}
	s->limits = *limits;
	s->dir_fd = s->lock_fd = s->mark_fd = -1;
	read_boot_id(s);
	if (directory != NULL && (s->directory = strdup(directory)) == NULL)
		err_set(err, ENOMEM, "spool");
	else if (spool_attach(s, err) == 0)
		return s;
	spool_close(s);
	return NULL;
}

void
spool_close(struct spool *s)
{
	if (s == NULL)
		return;
	spool_db_close(s);
	if (s->mark_fd >= 0)
		close(s->mark_fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	free(s->directory);
	free(s);
}

/* After a failure that says that the file is damaged: the file is salvaged.  Returns -1, for the failed call. */
static int
failed(struct spool *s, int rc, const char *what, struct err *err)
{
	spool_error(s, rc, what, err);
	if (!spool_is_damage(rc) || s->directory == NULL)
		return -1;
	s->abandon = true;
	spool_db_close(s);
	if (spool_attach(s, err) == 0)
		err_set(err, EAGAIN, "spool %s was damaged (%s) and is a new file now", s->directory, s->damage);
	return -1;
}

/* The file is open; or it was lost, and is sought again. */
static int
have(struct spool *s, struct err *err)
{
	if (s->db != NULL)
		return 0;
	if (spool_attach(s, err) < 0)
		return -1;
	return err_set(err, EAGAIN, "spool %s was opened again", s->directory);
}

/* --- what it is --- */

uint64_t
spool_epoch(const struct spool *s)
{
	return s->now.epoch;
}

uint64_t
spool_next_seq(const struct spool *s)
{
	return s->now.next_seq;
}

uint64_t
spool_first_epoch(const struct spool *s)
{
	return s->first_epoch;
}

size_t
spool_count(const struct spool *s)
{
	return s->count;
}

int64_t
spool_bytes(const struct spool *s)
{
	return s->bytes;
}

const char *
spool_note(const struct spool *s)
{
	return s->now.note;
}

uint64_t
spool_dropped(const struct spool *s)
{
	return s->dropped;
}

const char *
spool_damage(const struct spool *s)
{
	return s->damage;
}

/* --- dropping --- */

/* Batches that go, as far as they were found. */
struct drop {
	struct spool_gap gap;		/* the run that is being looked at; batches 0: none */
	size_t count;
	int64_t bytes;
	struct buf gaps;		/* finished runs */
};

static void
end_run(struct drop *d)
{
	if (d->gap.batches > 0)
		buf_add(&d->gaps, &d->gap, sizeof(d->gap));
	d->gap.batches = 0;
}

static void
drop_one(struct drop *d, uint64_t epoch, uint64_t seq, int64_t len, const char *reason)
{
	if (d->gap.batches == 0 || d->gap.epoch != epoch || d->gap.last_seq + 1 != seq || d->gap.reason != reason) {
		end_run(d);
		d->gap = (struct spool_gap){ .epoch = epoch, .first_seq = seq, .reason = reason };
	}
	d->gap.last_seq = seq;
	d->gap.batches++;
	d->count++;
	d->bytes += len;
}

/* Age by the clock that nobody sets, where the batch is of this boot. */
static int64_t
age_ms(sqlite3_stmt *st, int64_t now_real_ms, int64_t now_boot_ms)
{
	if (sqlite3_column_type(st, 4) != SQLITE_NULL)
		return now_boot_ms - sqlite3_column_int64(st, 4);
	return now_real_ms - sqlite3_column_int64(st, 3) / 1000;
}

/* Which ones go: the oldest, until what stays is within the limits. */
static int
find_oldest(struct spool *s, int64_t bytes, struct drop *d)
{
	const struct spool_limits *l = &s->limits;
	sqlite3_stmt *st = spool_sql(s, SQL_OLDEST);
	int64_t now_boot_ms = spool_boot_ms(), now_real_ms = (int64_t)time(NULL) * 1000;
	const char *reason;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (l->age_max_ms > 0 && age_ms(st, now_real_ms, now_boot_ms) > l->age_max_ms)
			reason = "spool_age";
		else if (bytes - d->bytes > l->bytes_max)
			reason = "spool_full";
		else
			break;
		drop_one(d, (uint64_t)sqlite3_column_int64(st, 0), (uint64_t)sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2),
			 reason);
	}
	end_run(d);
	sqlite3_reset(st);
	return d->gaps.failed ? SQLITE_NOMEM : rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Runs a statement over first to last of an epoch. */
static sqlite3_stmt *
over_run(struct spool *s, enum spool_sql which, uint64_t epoch, uint64_t first, uint64_t last)
{
	sqlite3_stmt *st = spool_sql(s, which);

	sqlite3_bind_int64(st, 1, (int64_t)epoch);
	sqlite3_bind_int64(st, 2, (int64_t)first);
	sqlite3_bind_int64(st, 3, (int64_t)last);
	return st;
}

/* Gaps that were told in batches which go untold are to be told again. */
static int
untell(struct spool *s, const struct spool_gap *run)
{
	sqlite3_stmt *st = over_run(s, SQL_TOLD, run->epoch, run->first_seq, run->last_seq);
	struct spool_gap g;
	int rc, added = SQLITE_OK;

	while (added == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		added = spool_read_gap(st, &g);
		if (added == SQLITE_ROW)
			added = spool_add_gap(s, &g);
	}
	sqlite3_reset(st);
	if (added != SQLITE_OK || rc != SQLITE_DONE)
		return added != SQLITE_OK ? added : rc;
	return spool_run(over_run(s, SQL_FORGET, run->epoch, run->first_seq, run->last_seq));
}

static int
drop_run(struct spool *s, const struct spool_gap *run)
{
	int rc = untell(s, run);

	if (rc == SQLITE_OK)
		rc = spool_run(over_run(s, SQL_DELETE, run->epoch, run->first_seq, run->last_seq));
	return rc == SQLITE_OK ? spool_add_gap(s, run) : rc;
}

static int
drop_runs(struct spool *s, const struct drop *d)
{
	const struct spool_gap *g = (const struct spool_gap *)(const void *)d->gaps.data;
	const struct spool_gap *end = g + d->gaps.len / sizeof(*g);
	int rc = SQLITE_OK;

	for (; rc == SQLITE_OK && g < end; g++)
		rc = drop_run(s, g);
	return rc;
}

static int
drop_oldest(struct spool *s, int64_t bytes, struct drop *d)
{
	int rc = find_oldest(s, bytes, d);

	return rc == SQLITE_OK ? drop_runs(s, d) : rc;
}

/* --- adding --- */

static int64_t
bytes_of(const struct spool_batch *batches, size_t count)
{
	int64_t bytes = 0;
	size_t i;

	for (i = 0; i < count; i++)
		bytes += (int64_t)batches[i].len;
	return bytes;
}

static int
insert_all(struct spool *s, const struct spool_batch *batches, size_t count, const struct spool_mark *next, struct drop *d)
{
	size_t i;
	int rc = SQLITE_OK;

	for (i = 0; rc == SQLITE_OK && i < count; i++) {
		rc = spool_insert(s, next->epoch, &batches[i]);
		if (rc == SQLITE_OK && batches[i].tells != NULL)
			rc = spool_tell(s, next->epoch, batches[i].seq, batches[i].tells);
	}
	if (rc == SQLITE_OK)
		rc = drop_oldest(s, s->bytes + bytes_of(batches, count), d);
	if (rc == SQLITE_OK)
		rc = spool_write_state(s, next);
	return rc;
}

static int
numbers_fit(const struct spool *s, const struct spool_batch *batches, size_t count, const char *note, struct err *err)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (batches[i].seq != s->now.next_seq + i)
			return err_set(err, EINVAL, "spool: batch %llu where %llu is due", (unsigned long long)batches[i].seq,
				       (unsigned long long)(s->now.next_seq + i));
	if (note != NULL && (strlen(note) > SPOOL_NOTE_MAX || strchr(note, '\n') != NULL))
		return err_set(err, EINVAL, "spool: a note that is too long");
	return 0;
}

int
spool_add(struct spool *s, const struct spool_batch *batches, size_t count, const char *note, struct err *err)
{
	struct spool_mark next;
	struct drop d = { 0 };
	int rc;

	if (have(s, err) < 0 || numbers_fit(s, batches, count, note, err) < 0)
		return -1;
	next = s->now;
	next.next_seq += count;
	if (note != NULL)
		memcpy(next.note, note, strlen(note) + 1);
	rc = spool_exec(s, "PRAGMA synchronous=FULL; BEGIN IMMEDIATE");
	if (rc == SQLITE_OK)
		rc = spool_end(s, insert_all(s, batches, count, &next, &d));
	buf_free(&d.gaps);
	if (rc != SQLITE_OK)
		return failed(s, rc, "add", err);
	s->now = next;
	s->dropped += d.count;
	spool_write_mark(s);
	rc = spool_count_down(s, (int64_t)d.count - (int64_t)count, d.bytes - bytes_of(batches, count));
	return rc == SQLITE_OK ? 0 : failed(s, rc, "count", err);
}

int
spool_new_epoch(struct spool *s, struct err *err)
{
	struct spool_mark next = { .next_seq = 1 };
	int rc;

	if (have(s, err) < 0)
		return -1;
	next.epoch = spool_epoch_after(s->now.epoch);
	memcpy(next.note, s->now.note, sizeof(next.note));
	rc = spool_exec(s, "PRAGMA synchronous=FULL; BEGIN IMMEDIATE");
	if (rc == SQLITE_OK)
		rc = spool_end(s, spool_write_state(s, &next));
	if (rc != SQLITE_OK)
		return failed(s, rc, "new epoch", err);
	s->now = next;
	spool_write_mark(s);
	rc = spool_totals(s);
	return rc == SQLITE_OK ? 0 : failed(s, rc, "count", err);
}

/* --- giving out --- */

static int
drop_damaged(struct spool *s, uint64_t epoch, uint64_t seq)
{
	const struct spool_gap g = { epoch, seq, seq, 1, "spool_damaged" };
	int rc = spool_exec(s, "BEGIN IMMEDIATE");

	if (rc == SQLITE_OK)
		rc = spool_end(s, drop_run(s, &g));
	if (rc != SQLITE_OK)
		return rc;
	s->dropped++;
	snprintf(s->damage, sizeof(s->damage), "a batch is not what was written");
	return spool_totals(s);
}

int
spool_next(struct spool *s, uint64_t epoch, uint64_t after, struct spool_batch *out, struct err *err)
{
	sqlite3_stmt *st;
	uint64_t of;
	int rc;

	if (have(s, err) < 0)
		return -1;
	for (;;) {
		st = spool_sql(s, SQL_NEXT);
		sqlite3_bind_int64(st, 1, (int64_t)epoch);
		sqlite3_bind_int64(st, 2, (int64_t)after);
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW && spool_read_batch(st, &of, out))
			return 1;
		sqlite3_reset(st);
		if (rc == SQLITE_DONE)
			return 0;
		if (rc == SQLITE_ROW)
			rc = drop_damaged(s, epoch, out->seq);
		if (rc != SQLITE_OK)
			return failed(s, rc, "read", err);
	}
}

static int
acknowledge(struct spool *s, uint64_t epoch, uint64_t seq, int64_t *count, int64_t *bytes)
{
	sqlite3_stmt *st;
	int rc = spool_exec(s, "BEGIN IMMEDIATE");

	if (rc != SQLITE_OK)
		return rc;
	st = spool_sql(s, SQL_UP_TO);
	sqlite3_bind_int64(st, 1, (int64_t)epoch);
	sqlite3_bind_int64(st, 2, (int64_t)seq);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*count = sqlite3_column_int64(st, 0);
		*bytes = sqlite3_column_int64(st, 1);
		rc = spool_run(over_run(s, SQL_DELETE, epoch, 0, seq));
	}
	if (rc == SQLITE_OK)
		rc = spool_run(over_run(s, SQL_FORGET, epoch, 0, seq));
	return spool_end(s, rc);
}

int
spool_acknowledge(struct spool *s, uint64_t epoch, uint64_t seq, struct err *err)
{
	int64_t count = 0, bytes = 0;
	int rc;

	if (have(s, err) < 0)
		return -1;
	if (seq > INT64_MAX || (epoch == s->now.epoch && seq >= s->now.next_seq))
		return err_set(err, EINVAL, "spool: %llu is acknowledged, which is not there yet", (unsigned long long)seq);
	/* What a power cut takes back of this is only sent again. */
	rc = spool_exec(s, "PRAGMA synchronous=NORMAL");
	if (rc == SQLITE_OK)
		rc = acknowledge(s, epoch, seq, &count, &bytes);
	if (rc != SQLITE_OK)
		return failed(s, rc, "acknowledge", err);
	if (epoch == s->now.epoch && seq > s->now.acked)
		s->now.acked = seq;
	spool_write_mark(s);
	rc = spool_count_down(s, count, bytes);
	return rc == SQLITE_OK ? 0 : failed(s, rc, "count", err);
}

int
spool_gap(struct spool *s, struct spool_gap *out, struct err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (have(s, err) < 0)
		return -1;
	st = spool_sql(s, SQL_GAP);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		rc = spool_read_gap(st, out);
	sqlite3_reset(st);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : failed(s, rc, "read", err);
}
