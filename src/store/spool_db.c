/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "store/spool_internal.h"

#include "base/crc32.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FORMAT 1
#define TEXT_OF(x) #x
#define AS_TEXT(x) TEXT_OF(x)

/* boot_ms: CLOCK_BOOTTIME of the boot whose id the state has; NULL: an earlier boot's, whose age real time has to tell. */
static const char tables[] =
	"PRAGMA user_version=" AS_TEXT(FORMAT) ";"
	"CREATE TABLE state(id INTEGER PRIMARY KEY CHECK(id=1), epoch INTEGER NOT NULL, next_seq INTEGER NOT NULL,"
	" note TEXT NOT NULL, crc INTEGER NOT NULL, boot TEXT NOT NULL);"
	"CREATE TABLE batch(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL,"
	" boot_ms INTEGER, len INTEGER NOT NULL, crc INTEGER NOT NULL, text BLOB NOT NULL, UNIQUE(epoch, seq));"
	"CREATE TABLE gap(epoch INTEGER NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,"
	" batches INTEGER NOT NULL, reason TEXT NOT NULL, crc INTEGER NOT NULL, UNIQUE(epoch, first_seq));"
	"CREATE TABLE told(in_epoch INTEGER NOT NULL, in_seq INTEGER NOT NULL, epoch INTEGER NOT NULL, first_seq INTEGER NOT NULL,"
	" last_seq INTEGER NOT NULL, batches INTEGER NOT NULL, reason TEXT NOT NULL, crc INTEGER NOT NULL,"
	" UNIQUE(in_epoch, in_seq));";

#define BATCH_COLUMNS "epoch, seq, at_us, len, crc, text"
#define GAP_COLUMNS "epoch, first_seq, last_seq, batches, reason, crc"
static const char *const texts[SQL_COUNT] = {
	[SQL_STATE] = "SELECT epoch, next_seq, note, crc, boot FROM state",
	[SQL_SET_STATE] = "INSERT OR REPLACE INTO state VALUES(1, ?1, ?2, ?3, ?4, ?5)",
	[SQL_INSERT] = "INSERT INTO batch(epoch, seq, at_us, boot_ms, len, crc, text) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_NEXT] = "SELECT " BATCH_COLUMNS " FROM batch WHERE epoch=?1 AND seq>?2 ORDER BY seq LIMIT 1",
	[SQL_ALL] = "SELECT " BATCH_COLUMNS " FROM batch ORDER BY epoch, seq",
	[SQL_FIRST_EPOCH] = "SELECT min(epoch) FROM batch",
	[SQL_TOTALS] = "SELECT count(*), total(len) FROM batch",
	[SQL_OLDEST] = "SELECT epoch, seq, len, at_us, boot_ms FROM batch ORDER BY epoch, seq",
	[SQL_DELETE] = "DELETE FROM batch WHERE epoch=?1 AND seq>=?2 AND seq<=?3",
	[SQL_FORGET] = "DELETE FROM told WHERE in_epoch=?1 AND in_seq>=?2 AND in_seq<=?3",
	[SQL_UP_TO] = "SELECT count(*), total(len) FROM batch WHERE epoch=?1 AND seq<=?2",
	[SQL_GAP] = "SELECT " GAP_COLUMNS " FROM gap ORDER BY epoch, first_seq LIMIT 1",
	[SQL_GAPS] = "SELECT " GAP_COLUMNS " FROM gap",
	[SQL_GAP_BEFORE] = "SELECT " GAP_COLUMNS " FROM gap WHERE epoch=?1 AND last_seq=?2 AND reason=?3",
	[SQL_GAP_INSERT] = "INSERT OR REPLACE INTO gap(" GAP_COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_GAP_DELETE] = "DELETE FROM gap WHERE epoch=?1 AND first_seq=?2 AND last_seq=?3",
	[SQL_TELL] = "INSERT INTO told(" GAP_COLUMNS ", in_epoch, in_seq) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[SQL_TOLD] = "SELECT " GAP_COLUMNS " FROM told WHERE in_epoch=?1 AND in_seq>=?2 AND in_seq<=?3",
	[SQL_ALL_TOLD] = "SELECT " GAP_COLUMNS ", in_epoch, in_seq FROM told",
	[SQL_KNOWN] = "SELECT seq, seq FROM batch WHERE epoch=?1 UNION ALL SELECT first_seq, last_seq FROM gap WHERE epoch=?1"
		" UNION ALL SELECT first_seq, last_seq FROM told WHERE epoch=?1 ORDER BY 1",
};

int
spool_exec(struct spool *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

/* user_version, or -1. */
static int
format_of(struct spool *s)
{
	sqlite3_stmt *st = NULL;
	int format = -1;

	if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		format = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return format;
}

static int
prepare_all(struct spool *s)
{
	int i, rc = SQLITE_OK;

	for (i = 0; i < SQL_COUNT && rc == SQLITE_OK; i++)
		rc = sqlite3_prepare_v3(s->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->sql[i], NULL);
	return rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc;	/* a table or column that is not there */
}

/*
 * A file that is made is one file until it is whole, so it has no log yet.  Nobody else has it: the
 * index of the log is in memory, and no third file.
 */
static int
prepare_file(struct spool *s, bool new)
{
	int rc;

	sqlite3_busy_timeout(s->db, 100);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	rc = spool_exec(s, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF;"
			   "PRAGMA cache_size=-512; PRAGMA mmap_size=0; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY");
	if (rc == SQLITE_OK && new)
		rc = spool_exec(s, tables);
	else if (rc == SQLITE_OK)
		rc = spool_exec(s, "PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=4194304");
	if (rc == SQLITE_OK && format_of(s) != FORMAT) {
		rc = sqlite3_extended_errcode(s->db);
		rc = rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
	}
	return rc == SQLITE_OK ? prepare_all(s) : rc;
}

int
spool_db_open(struct spool *s, const char *path, bool new)
{
	int rc;

	rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (new ? SQLITE_OPEN_CREATE : 0), NULL);
	if (s->db == NULL)
		return SQLITE_NOMEM;
	sqlite3_extended_result_codes(s->db, 1);
	if (rc == SQLITE_OK)
		rc = prepare_file(s, new);
	return rc;
}

void
spool_db_close(struct spool *s)
{
	int i;

	for (i = 0; i < SQL_COUNT; i++) {
		sqlite3_finalize(s->sql[i]);
		s->sql[i] = NULL;
	}
	sqlite3_close_v2(s->db);
	s->db = NULL;
}

sqlite3_stmt *
spool_sql(struct spool *s, enum spool_sql which)
{
	sqlite3_reset(s->sql[which]);
	return s->sql[which];
}

int
spool_run(sqlite3_stmt *st)
{
	int rc;

	do
		rc = sqlite3_step(st);
	while (rc == SQLITE_ROW);
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int
spool_end(struct spool *s, int rc)
{
	int i;

	for (i = 0; i < SQL_COUNT; i++)
		sqlite3_reset(s->sql[i]);
	if (rc == SQLITE_OK)
		rc = spool_exec(s, "COMMIT");
	if (rc != SQLITE_OK && !sqlite3_get_autocommit(s->db))
		spool_exec(s, "ROLLBACK");
	return rc;
}

bool
spool_is_damage(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
	case SQLITE_CONSTRAINT:		/* numbers that are there and cannot be */
	case SQLITE_MISMATCH:
		return true;
	}
	/* A log that could not be written through may hold anything from then on. */
	return rc == SQLITE_IOERR_READ || rc == SQLITE_IOERR_SHORT_READ || rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DATA ||
	       rc == SQLITE_IOERR_CORRUPTFS;
}

int
spool_error(struct spool *s, int rc, const char *what, struct err *err)
{
	static const struct { int rc, code; } codes[] = {
		{ SQLITE_FULL, ENOSPC }, { SQLITE_BUSY, EBUSY }, { SQLITE_LOCKED, EBUSY }, { SQLITE_READONLY, EROFS },
		{ SQLITE_PERM, EACCES }, { SQLITE_CANTOPEN, EACCES }, { SQLITE_NOMEM, ENOMEM }, { SQLITE_TOOBIG, E2BIG },
	};
	int code = s->db ? sqlite3_system_errno(s->db) : 0;
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]) && (code == 0 || codes[i].code == ENOSPC); i++)
		if (codes[i].rc == (rc & 0xff))
			code = codes[i].code;
	return err_set(err, code ? code : EIO, "spool %s: %s (%s)", s->directory ? s->directory : "in memory", what,
		       sqlite3_errstr(rc));
}

static uint32_t
crc_of(uint64_t epoch, const struct spool_batch *b)
{
	const uint64_t head[] = { epoch, b->seq, (uint64_t)b->at_us, b->len };

	return crc32_of(crc32_of(0, head, sizeof(head)), b->text, b->len);
}

bool
spool_read_batch(sqlite3_stmt *st, uint64_t *epoch, struct spool_batch *out)
{
	*epoch = (uint64_t)sqlite3_column_int64(st, 0);
	*out = (struct spool_batch){ .seq = (uint64_t)sqlite3_column_int64(st, 1), .at_us = sqlite3_column_int64(st, 2) };
	out->text = sqlite3_column_blob(st, 5);
	out->len = (size_t)sqlite3_column_bytes(st, 5);
	return out->text != NULL && out->seq > 0 && out->seq < SPOOL_NUMBER_MAX && *epoch <= SPOOL_NUMBER_MAX && sqlite3_column_int64(st, 3) == (int64_t)out->len &&
	       sqlite3_column_int64(st, 4) == crc_of(*epoch, out);
}

int64_t
spool_boot_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
spool_insert(struct spool *s, uint64_t epoch, const struct spool_batch *b)
{
	sqlite3_stmt *st = spool_sql(s, SQL_INSERT);

	sqlite3_bind_int64(st, 1, (int64_t)epoch);
	sqlite3_bind_int64(st, 2, (int64_t)b->seq);
	sqlite3_bind_int64(st, 3, b->at_us);
	sqlite3_bind_int64(st, 4, spool_boot_ms());
	sqlite3_bind_int64(st, 5, (int64_t)b->len);
	sqlite3_bind_int64(st, 6, crc_of(epoch, b));
	sqlite3_bind_blob64(st, 7, b->text, b->len, SQLITE_STATIC);
	return spool_run(st);
}

/* As a text that stays; NULL: none that there is. */
static const char *
reason_of(const char *text)
{
	static const char *const reasons[] = { "spool_full", "spool_age", "spool_damaged" };
	size_t i;

	for (i = 0; text != NULL && i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(text, reasons[i]) == 0)
			return reasons[i];
	return NULL;
}

static uint32_t
gap_crc(const struct spool_gap *g)
{
	const uint64_t numbers[] = { g->epoch, g->first_seq, g->last_seq, g->batches };

	return crc32_of(crc32_of(0, numbers, sizeof(numbers)), g->reason, strlen(g->reason));
}

int
spool_read_gap(sqlite3_stmt *st, struct spool_gap *out)
{
	out->epoch = (uint64_t)sqlite3_column_int64(st, 0);
	out->first_seq = (uint64_t)sqlite3_column_int64(st, 1);
	out->last_seq = (uint64_t)sqlite3_column_int64(st, 2);
	out->batches = (uint64_t)sqlite3_column_int64(st, 3);
	out->reason = reason_of((const char *)sqlite3_column_text(st, 4));
	if (out->first_seq == 0 || out->first_seq > out->last_seq || out->last_seq >= SPOOL_NUMBER_MAX || out->epoch > SPOOL_NUMBER_MAX)
		return SQLITE_CORRUPT;
	return out->reason != NULL && sqlite3_column_int64(st, 5) == gap_crc(out) ? SQLITE_ROW : SQLITE_CORRUPT;
}

static sqlite3_stmt *
with_gap(struct spool *s, enum spool_sql which, const struct spool_gap *g)
{
	sqlite3_stmt *st = spool_sql(s, which);

	sqlite3_bind_int64(st, 1, (int64_t)g->epoch);
	sqlite3_bind_int64(st, 2, (int64_t)g->first_seq);
	sqlite3_bind_int64(st, 3, (int64_t)g->last_seq);
	if (which == SQL_GAP_DELETE)
		return st;
	sqlite3_bind_int64(st, 4, (int64_t)g->batches);
	sqlite3_bind_text(st, 5, g->reason, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 6, gap_crc(g));
	return st;
}

/* A gap that ends where g begins, for the same reason, becomes one with it. */
int
spool_add_gap(struct spool *s, const struct spool_gap *g)
{
	sqlite3_stmt *st = spool_sql(s, SQL_GAP_BEFORE);
	struct spool_gap all;
	int rc;

	sqlite3_bind_int64(st, 1, (int64_t)g->epoch);
	sqlite3_bind_int64(st, 2, (int64_t)g->first_seq - 1);
	sqlite3_bind_text(st, 3, g->reason, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		rc = spool_read_gap(st, &all);
	sqlite3_reset(st);
	if (rc == SQLITE_DONE)
		return spool_run(with_gap(s, SQL_GAP_INSERT, g));
	if (rc != SQLITE_ROW)
		return rc;
	all.last_seq = g->last_seq;
	all.batches += g->batches;
	return spool_run(with_gap(s, SQL_GAP_INSERT, &all));
}

int
spool_tell(struct spool *s, uint64_t epoch, uint64_t seq, const struct spool_gap *g)
{
	sqlite3_stmt *st;
	int rc;

	rc = spool_run(with_gap(s, SQL_GAP_DELETE, g));
	if (rc != SQLITE_OK)
		return rc;
	st = with_gap(s, SQL_TELL, g);
	sqlite3_bind_int64(st, 7, (int64_t)epoch);
	sqlite3_bind_int64(st, 8, (int64_t)seq);
	return spool_run(st);
}

static uint32_t
state_crc(const struct spool_mark *m)
{
	const uint64_t numbers[] = { m->epoch, m->next_seq };

	return crc32_of(crc32_of(0, numbers, sizeof(numbers)), m->note, strlen(m->note));
}

int
spool_write_state(struct spool *s, const struct spool_mark *m)
{
	sqlite3_stmt *st = spool_sql(s, SQL_SET_STATE);

	sqlite3_bind_int64(st, 1, (int64_t)m->epoch);
	sqlite3_bind_int64(st, 2, (int64_t)m->next_seq);
	sqlite3_bind_text(st, 3, m->note, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 4, state_crc(m));
	sqlite3_bind_text(st, 5, s->boot, -1, SQLITE_STATIC);
	return spool_run(st);
}

int
spool_read_state(struct spool *s, struct spool_mark *m)
{
	sqlite3_stmt *st = spool_sql(s, SQL_STATE);
	const char *note, *boot;
	bool good, same_boot;
	int rc;

	*m = (struct spool_mark){ 0 };
	rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
	m->epoch = (uint64_t)sqlite3_column_int64(st, 0);
	m->next_seq = (uint64_t)sqlite3_column_int64(st, 1);
	note = (const char *)sqlite3_column_text(st, 2);
	boot = (const char *)sqlite3_column_text(st, 4);
	good = note != NULL && boot != NULL && strlen(note) <= SPOOL_NOTE_MAX;
	if (good)
		memcpy(m->note, note, strlen(note) + 1);
	good = good && m->next_seq > 0 && m->next_seq <= SPOOL_NUMBER_MAX && m->epoch <= SPOOL_NUMBER_MAX && sqlite3_column_int64(st, 3) == state_crc(m);
	same_boot = good && strcmp(boot, s->boot) == 0;
	sqlite3_reset(st);
	if (!good)
		return SQLITE_CORRUPT;
	rc = same_boot ? SQLITE_OK : spool_exec(s, "UPDATE batch SET boot_ms=NULL");
	return rc == SQLITE_OK ? SQLITE_ROW : rc;
}

static int
find_first_epoch(struct spool *s)
{
	sqlite3_stmt *st = spool_sql(s, SQL_FIRST_EPOCH);
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		s->first_epoch = sqlite3_column_type(st, 0) == SQLITE_NULL ? s->now.epoch : (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int
spool_totals(struct spool *s)
{
	sqlite3_stmt *st = spool_sql(s, SQL_TOTALS);
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW) {
		s->count = (size_t)sqlite3_column_int64(st, 0);
		s->bytes = sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? find_first_epoch(s) : rc;
}

int
spool_count_down(struct spool *s, int64_t count, int64_t bytes)
{
	s->count = (size_t)((int64_t)s->count - count);
	s->bytes -= bytes;
	return find_first_epoch(s);
}
