/* SPDX-License-Identifier: MIT */
#pragma once

#include "store/spool.h"

#include <sqlite3.h>

/*
 * The parts of a spool.  In its directory lie
 *	lock			held by the process that has it
 *	spool-EPOCH.db		batches; EPOCH is the one it began with
 *	mark			numbers, written behind each transaction: what a file that lost its end is found out by
 *	damaged.db		the last file that was
 */
enum spool_sql {
	SQL_STATE, SQL_SET_STATE, SQL_INSERT, SQL_NEXT, SQL_FIRST_EPOCH, SQL_TOTALS, SQL_OLDEST, SQL_DELETE, SQL_FORGET,
	SQL_UP_TO, SQL_GAP, SQL_GAPS, SQL_GAP_BEFORE, SQL_GAP_INSERT, SQL_GAP_DELETE, SQL_TELL, SQL_TOLD, SQL_ALL_TOLD, SQL_KNOWN, SQL_ALL,
	SQL_COUNT
};

/*
 * Epochs are microseconds, numbers are counted: none comes near this.  What is beyond was written by somebody else, and is
 * never counted on from.
 */
#define SPOOL_NUMBER_MAX (UINT64_C(1) << 62)

/* What is also kept outside of the database. */
struct spool_mark {
	uint64_t epoch, next_seq;
	uint64_t acked;			/* up to here, of that epoch */
	char note[SPOOL_NOTE_MAX + 1];
};

struct spool {
	struct spool_limits limits;
	int dir_fd, lock_fd, mark_fd;	/* -1: in memory */
	char *directory;		/* NULL: in memory */
	sqlite3 *db;			/* NULL: lost; the next call opens it again */
	sqlite3_stmt *sql[SQL_COUNT];
	struct spool_mark now;
	char boot[40];			/* this boot's id: ages are counted on its clock, which nobody sets */
	uint64_t first_epoch;
	size_t count;
	int64_t bytes;
	uint64_t dropped;
	bool abandon;			/* what the file holds can no longer be relied on, whatever it looks like */
	char damage[200];
};

/* --- spool_db.c: one database --- */

/* Opens the one at path and prepares s for it; new: it is made, with its tables.  An SQLite code. */
int spool_db_open(struct spool *s, const char *path, bool new);
void spool_db_close(struct spool *s);
/* A statement, ready to have all its parameters bound and to be stepped.  NULL, where a file is so damaged that it could not be prepared: stepping says so. */
sqlite3_stmt *spool_sql(struct spool *s, enum spool_sql which);
/* Steps it to its end.  An SQLite code: SQLITE_OK. */
int spool_run(sqlite3_stmt *st);
int spool_exec(struct spool *s, const char *sql);
/* Ends a transaction: commits it where rc is SQLITE_OK, else takes it back. */
int spool_end(struct spool *s, int rc);
/* Does that code say that the file is damaged, and not that something is in the way? */
bool spool_is_damage(int rc);
/* Puts an SQLite code into words; -1. */
int spool_error(struct spool *s, int rc, const char *what, struct err *err);

/* A row of `batch` as SQL_NEXT and SQL_ALL select it.  false: it is not what was written. */
bool spool_read_batch(sqlite3_stmt *st, uint64_t *epoch, struct spool_batch *out);
int spool_insert(struct spool *s, uint64_t epoch, const struct spool_batch *b);
int spool_read_gap(sqlite3_stmt *st, struct spool_gap *out);	/* SQLITE_ROW where the row is one, else SQLITE_CORRUPT */
int spool_add_gap(struct spool *s, const struct spool_gap *g);
int spool_tell(struct spool *s, uint64_t epoch, uint64_t seq, const struct spool_gap *g);
int spool_write_state(struct spool *s, const struct spool_mark *m);
/* SQLITE_ROW: it is *m. */
int spool_read_state(struct spool *s, struct spool_mark *m);
/* Counts what is there into *s.  An SQLite code. */
int spool_totals(struct spool *s);
/* So many less are there now. */
int spool_count_down(struct spool *s, int64_t count, int64_t bytes);
int64_t spool_boot_ms(void);

/* --- spool_file.c: the directory --- */

/* Finds, checks and opens what is there, or makes it anew.  -1: err. */
int spool_attach(struct spool *s, struct err *err);
void spool_write_mark(struct spool *s);
uint64_t spool_epoch_after(uint64_t epoch);

/* --- spool_salvage.c --- */

/* What is wrong with the open file, whose state is m; NULL: nothing. */
const char *spool_verify(struct spool *s, const struct spool_mark *m);
/* Makes a new file named to, with a new epoch, from what can be read of the one named from.  mark: NULL where there is none. */
int spool_salvage(struct spool *s, const char *from, const char *to, const struct spool_mark *mark, uint64_t epoch, struct err *err);
/* Whatever is missing of lo to hi in epoch, and is in no gap, becomes one.  An SQLite code. */
int spool_fill_holes(struct spool *s, uint64_t epoch, uint64_t lo, uint64_t hi);
