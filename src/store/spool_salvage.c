/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "store/spool_internal.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

enum { LOOK_UPS_MAX = 200000 };

/* --- is it whole? --- */

static bool
quick_check(struct spool *s)
{
	sqlite3_stmt *st = NULL;
	bool good;

	good = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW &&
	       strcmp((const char *)sqlite3_column_text(st, 0), "ok") == 0;
	sqlite3_finalize(st);
	return good;
}

/* Every batch is what was written, and each epoch without a hole to its end. */
static const char *
verify_batches(struct spool *s, const struct spool_mark *m)
{
	sqlite3_stmt *st = spool_sql(s, SQL_ALL);
	uint64_t epoch, last_epoch = 0, last_seq = 0;
	struct spool_batch b;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (!spool_read_batch(st, &epoch, &b))
			return "a batch is not what was written";
		if ((epoch == last_epoch && b.seq != last_seq + 1) || epoch > m->epoch)
			return "a batch is missing";
		last_epoch = epoch;
		last_seq = b.seq;
	}
	if (rc != SQLITE_DONE)
		return sqlite3_errstr(rc);
	return last_epoch == m->epoch && last_seq != m->next_seq - 1 ? "a batch is missing" : NULL;
}

static bool
gaps_are_whole(struct spool *s, enum spool_sql which)
{
	sqlite3_stmt *st = spool_sql(s, which);
	struct spool_gap g;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW && spool_read_gap(st, &g) == SQLITE_ROW)
		;
	sqlite3_reset(st);
	return rc == SQLITE_DONE;
}

const char *
spool_verify(struct spool *s, const struct spool_mark *m)
{
	const char *wrong = quick_check(s) ? verify_batches(s, m) : "its structure is damaged";

	sqlite3_reset(s->sql[SQL_ALL]);
	if (wrong == NULL && (!gaps_are_whole(s, SQL_GAPS) || !gaps_are_whole(s, SQL_ALL_TOLD)))
		wrong = "a gap is not what was written";
	return wrong;
}

/* --- what is missing --- */

struct hole { uint64_t first, last; };

static void
add_hole(struct buf *holes, uint64_t first, uint64_t last)
{
	const struct hole h = { first, last };

	if (first <= last)
		buf_add(holes, &h, sizeof(h));
}

static int
find_holes(struct spool *s, uint64_t epoch, uint64_t lo, uint64_t hi, struct buf *holes)
{
	sqlite3_stmt *st = spool_sql(s, SQL_KNOWN);
	uint64_t first, last, expected = lo;
	int rc;

	sqlite3_bind_int64(st, 1, (int64_t)epoch);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		first = (uint64_t)sqlite3_column_int64(st, 0);
		last = (uint64_t)sqlite3_column_int64(st, 1);
		if (first > expected)
			add_hole(holes, expected, first - 1 < hi ? first - 1 : hi);
		if (last >= expected)
			expected = last + 1;
	}
	sqlite3_reset(st);
	if (rc != SQLITE_DONE)
		return rc;
	add_hole(holes, expected, hi);
	return holes->failed ? SQLITE_NOMEM : SQLITE_OK;
}

int
spool_fill_holes(struct spool *s, uint64_t epoch, uint64_t lo, uint64_t hi)
{
	struct buf holes = { 0 };
	const struct hole *h, *end;
	struct spool_gap g = { .epoch = epoch, .reason = "spool_damaged" };
	int rc = find_holes(s, epoch, lo, hi, &holes);

	h = (const struct hole *)(const void *)holes.data;
	end = h + holes.len / sizeof(*h);
	for (; rc == SQLITE_OK && h < end; h++) {
		g.first_seq = h->first;
		g.last_seq = h->last;
		g.batches = h->last - h->first + 1;
		rc = spool_add_gap(s, &g);
		s->dropped += g.batches;
	}
	buf_free(&holes);
	return rc;
}

/* --- taking over --- */

/* One row of the old file into the new one; a row that is not what was written is passed over. */
static int
take_row(struct spool *s, sqlite3_stmt *st)
{
	struct spool_batch b;
	uint64_t epoch;
	int rc;

	if (!spool_read_batch(st, &epoch, &b))
		return SQLITE_OK;
	rc = spool_insert(s, epoch, &b);
	return (rc & 0xff) == SQLITE_CONSTRAINT ? SQLITE_OK : rc;
}

/*
 * Reads rows as sql selects them, until the old file gives no more.  *last: the id of the last one.
 * An SQLite code of the new file.
 */
static int
take_rows(struct spool *s, sqlite3 *old, const char *sql, int64_t from, int64_t *last)
{
	sqlite3_stmt *st = NULL;
	int rc = SQLITE_OK;

	if (sqlite3_prepare_v2(old, sql, -1, &st, NULL) == SQLITE_OK) {
		sqlite3_bind_int64(st, 1, from);
		while (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
			*last = sqlite3_column_int64(st, 6);
			rc = take_row(s, st);
		}
	}
	sqlite3_finalize(st);
	return rc;
}

/* Ids are counted: what is beyond is no row of ours. */
#define ID_MAX "4611686018427387904"
#define ROW "SELECT epoch, seq, at_us, len, crc, text, id FROM batch NOT INDEXED "

/* From the front, from the back, and each one between. */
static int
take_batches(struct spool *s, sqlite3 *old)
{
	int64_t front = 0, back = INT64_MAX, id, ignored;
	int rc = take_rows(s, old, ROW "WHERE id>?1 AND id<" ID_MAX " ORDER BY id", 0, &front), tries;

	if (rc == SQLITE_OK)
		rc = take_rows(s, old, ROW "WHERE id>?1 AND id<" ID_MAX " ORDER BY id DESC", front, &back);
	if (back == INT64_MAX)
		back = front + LOOK_UPS_MAX / 100;
	for (id = front + 1, tries = 0; rc == SQLITE_OK && id < back && tries < LOOK_UPS_MAX; id++, tries++)
		rc = take_rows(s, old, ROW "WHERE id=?1", id, &ignored);
	return rc;
}

static int
take_gaps(struct spool *s, struct spool *old)
{
	sqlite3_stmt *st = spool_sql(old, SQL_GAPS);
	struct spool_gap g;
	int rc = SQLITE_OK;

	while (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		if (spool_read_gap(st, &g) == SQLITE_ROW)
			rc = spool_add_gap(s, &g);
	return rc;
}

static bool
has_batch(struct spool *s, uint64_t epoch, uint64_t seq)
{
	sqlite3_stmt *st = spool_sql(s, SQL_NEXT);
	bool has;

	sqlite3_bind_int64(st, 1, (int64_t)epoch);
	sqlite3_bind_int64(st, 2, (int64_t)seq - 1);
	has = sqlite3_step(st) == SQLITE_ROW && (uint64_t)sqlite3_column_int64(st, 1) == seq;
	sqlite3_reset(st);
	return has;
}

/* A gap whose batch did not come over has to be told again. */
static int
take_told(struct spool *s, struct spool *old)
{
	sqlite3_stmt *st = spool_sql(old, SQL_ALL_TOLD);
	struct spool_gap g;
	uint64_t epoch, seq;
	int rc = SQLITE_OK;

	while (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
		if (spool_read_gap(st, &g) != SQLITE_ROW)
			continue;
		epoch = (uint64_t)sqlite3_column_int64(st, 6);
		seq = (uint64_t)sqlite3_column_int64(st, 7);
		rc = has_batch(s, epoch, seq) ? spool_tell(s, epoch, seq, &g) : spool_add_gap(s, &g);
		if ((rc & 0xff) == SQLITE_CONSTRAINT)
			rc = SQLITE_OK;
	}
	return rc;
}

/* Opens the old file as it lies there; what it says of its state, where that can be read. */
static int
take_all(struct spool *s, const char *from, struct spool_mark *state)
{
	struct spool old = { .mark_fd = -1, .dir_fd = -1, .lock_fd = -1 };
	int rc = SQLITE_OK;

	memcpy(old.boot, s->boot, sizeof(old.boot));
	spool_db_open(&old, from, false);
	if (old.db != NULL) {
		sqlite3_db_config(old.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);	/* it stays as it was found */
		if (spool_read_state(&old, state) != SQLITE_ROW)
			*state = (struct spool_mark){ 0 };
		rc = take_batches(s, old.db);
		if (rc == SQLITE_OK)
			rc = take_gaps(s, &old);
		if (rc == SQLITE_OK)
			rc = take_told(s, &old);
	}
	spool_db_close(&old);
	return rc;
}

/* Each epoch that came over, from its first batch to its last. */
static int
fill_each(struct spool *s)
{
	struct buf ranges = { 0 };
	const uint64_t *r;
	sqlite3_stmt *st = NULL;
	size_t i;
	int rc;

	rc = sqlite3_prepare_v2(s->db, "SELECT epoch, min(seq), max(seq) FROM batch GROUP BY epoch", -1, &st, NULL);
	while (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		for (i = 0; i < 3; i++) {
			const uint64_t n = (uint64_t)sqlite3_column_int64(st, (int)i);

			buf_add(&ranges, &n, sizeof(n));
		}
	sqlite3_finalize(st);
	r = (const uint64_t *)(const void *)ranges.data;
	for (i = 0; rc == SQLITE_OK && i + 2 < ranges.len / sizeof(*r); i += 3)
		rc = spool_fill_holes(s, r[i], r[i + 1], r[i + 2]);
	rc = ranges.failed ? SQLITE_NOMEM : rc;
	buf_free(&ranges);
	return rc;
}

static int
drop_acknowledged(struct spool *s, const struct spool_mark *mark)
{
	static const enum spool_sql both[] = { SQL_DELETE, SQL_FORGET };
	sqlite3_stmt *st;
	size_t i;
	int rc = SQLITE_OK;

	for (i = 0; i < 2 && rc == SQLITE_OK; i++) {
		st = spool_sql(s, both[i]);
		sqlite3_bind_int64(st, 1, (int64_t)mark->epoch);
		sqlite3_bind_int64(st, 2, 0);
		sqlite3_bind_int64(st, 3, (int64_t)mark->acked);
		rc = spool_run(st);
	}
	return rc;
}

static int
fill_new(struct spool *s, const char *from, const struct spool_mark *mark, uint64_t epoch)
{
	struct spool_mark state = { 0 }, next = { .epoch = epoch, .next_seq = 1 };
	int rc = SQLITE_OK;

	if (from != NULL)
		rc = take_all(s, from, &state);
	if (mark == NULL || state.epoch > mark->epoch)
		mark = &state;
	else if (state.epoch == mark->epoch && state.next_seq > mark->next_seq)
		state.acked = mark->acked, mark = &state;
	memcpy(next.note, mark->note, sizeof(next.note));
	if (rc == SQLITE_OK)
		rc = drop_acknowledged(s, mark);
	if (rc == SQLITE_OK && mark->next_seq > 1)
		rc = spool_fill_holes(s, mark->epoch, mark->acked + 1, mark->next_seq - 1);
	if (rc == SQLITE_OK)
		rc = fill_each(s);
	if (rc == SQLITE_OK)
		rc = spool_write_state(s, &next);
	if (rc == SQLITE_OK)
		s->now = next;
	return rc;
}

int
spool_salvage(struct spool *s, const char *from, const char *to, const struct spool_mark *mark, uint64_t epoch, struct err *err)
{
	uint64_t dropped = s->dropped;
	int rc;

	rc = spool_db_open(s, to, true);
	if (rc == SQLITE_OK)
		rc = spool_exec(s, "BEGIN IMMEDIATE");
	if (rc == SQLITE_OK)
		rc = spool_end(s, fill_new(s, from, mark, epoch));
	if (rc != SQLITE_OK) {
		s->dropped = dropped;
		spool_error(s, rc, "make it anew", err);
	}
	spool_db_close(s);
	return rc == SQLITE_OK ? 0 : -1;
}
