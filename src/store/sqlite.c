/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include "store/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { BUSY_MS = 5000, DELETE_SLICE = 5000, VACUUM_PAGES = 2000, NODE_SIZE = 512 };

/* --- Statements ------------------------------------------------------------- */

int
sqlite_fail(struct backend *b, const char *what, struct err *err)
{
	int code = b->db ? sqlite3_extended_errcode(b->db) : SQLITE_NOMEM;

	b->code = code;
	b->damaged |= (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
	err_set(err, 0, "SQLite %s: %s: %s", b->path, what, b->db ? sqlite3_errmsg(b->db) : "no memory");
	err->code = EIO;
	return -1;
}

int
sqlite_do(struct backend *b, const char *sql, struct err *err)
{
	return sqlite3_exec(b->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sqlite_fail(b, sql, err);
}

static int
do_buf(struct backend *b, struct buf *sql, struct err *err)
{
	int result = 0;

	buf_cstr(sql);
	if (sql->failed)
		result = err_set(err, ENOMEM, "statements for the database");
	else if (sql->len > 0)
		result = sqlite_do(b, buf_cstr(sql), err);
	buf_free(sql);
	return result;
}

/* The first column of the first row; 0 where there is none. */
static int
ask_number(struct backend *b, const char *sql, int64_t *out, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int step = SQLITE_ERROR;

	*out = 0;
	if (sqlite3_prepare_v2(b->db, sql, -1, &s, NULL) == SQLITE_OK)
		step = sqlite3_step(s);
	if (step == SQLITE_ROW)
		*out = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : sqlite_fail(b, sql, err);
}

/* --- Tables ----------------------------------------------------------------- */

static size_t
column_by_name(const struct column *columns, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n && strcmp(columns[i].name, name) != 0; i++)
		;
	return i;
}

typedef int column_fn(struct backend *b, const char *table, const char *name, const char *type, void *arg, struct err *err);

static int
each_column(struct backend *b, const char *table, column_fn *fn, void *arg, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int step = SQLITE_ERROR, result = 0;

	if (sqlite3_prepare_v2(b->db, "SELECT name, type FROM pragma_table_info(?)", -1, &s, NULL) == SQLITE_OK) {
		sqlite3_bind_text(s, 1, table, -1, SQLITE_STATIC);
		while (result == 0 && (step = sqlite3_step(s)) == SQLITE_ROW)
			result = fn(b, table, (const char *)sqlite3_column_text(s, 0), (const char *)sqlite3_column_text(s, 1), arg, err);
	}
	sqlite3_finalize(s);
	return result < 0 ? -1 : step == SQLITE_DONE ? 0 : sqlite_fail(b, table, err);
}

struct seen {
	const struct column *columns;
	size_t count;
	bool there[BATCH_COLUMNS_MAX];
};

static int
see_column(struct backend *b, const char *table, const char *name, const char *type, void *arg, struct err *err)
{
	struct seen *seen = arg;
	size_t i = column_by_name(seen->columns, seen->count, name);

	(void)b;
	(void)table;
	(void)type;
	(void)err;
	if (i < seen->count)
		seen->there[i] = true;
	return 0;
}

/* The columns that a newer version has, and those that came to a custom table. */
static int
add_columns(struct backend *b, const char *table, const struct column *columns, size_t count, struct err *err)
{
	struct seen seen = { .columns = columns, .count = count };
	struct buf sql = { 0 };
	size_t i;

	if (each_column(b, table, see_column, &seen, err) < 0)
		return -1;
	for (i = 0; i < count; i++)
		if (!seen.there[i])
			buf_printf(&sql, "ALTER TABLE \"%s\" ADD COLUMN \"%s\" %s;", table, columns[i].name,
				   schema_type(DIALECT_SQLITE, columns[i].type));
	return do_buf(b, &sql, err);
}

int
sqlite_make_table(struct backend *b, const struct store_table *t, size_t columns, struct err *err)
{
	struct buf sql = { 0 };

	if (b->made[t->index] >= columns)
		return 0;
	schema_table_sql(&sql, DIALECT_SQLITE, t->name, t->columns, columns);
	if (do_buf(b, &sql, err) < 0 || add_columns(b, t->name, t->columns, columns, err) < 0)
		return -1;
	b->made[t->index] = columns;
	return 0;
}

static int
learn_column(struct backend *b, const char *table, const char *name, const char *type, void *arg, struct err *err)
{
	enum column_type t = strcmp(type, "REAL") == 0 ? COLUMN_REAL : strcmp(type, "TEXT") == 0 ? COLUMN_TEXT : COLUMN_BOOL;

	(void)arg;
	if (strcmp(name, "node") == 0 || strcmp(name, "ts") == 0)
		return 0;
	/* What is there beyond our limits is not ours. */
	return catalog_learn(b->catalog, table, name, t, err) < 0 && err->code == ENOMEM ? -1 : 0;
}

static int
learn_custom(struct backend *b, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int step = SQLITE_ERROR, result = 0;

	if (sqlite3_prepare_v2(b->db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB '" CUSTOM_PREFIX "*'", -1, &s, NULL) == SQLITE_OK)
		while (result == 0 && (step = sqlite3_step(s)) == SQLITE_ROW)
			result = each_column(b, (const char *)sqlite3_column_text(s, 0), learn_column, NULL, err);
	sqlite3_finalize(s);
	return result < 0 ? -1 : step == SQLITE_DONE ? 0 : sqlite_fail(b, "custom tables", err);
}

static int
make_tables(struct backend *b, struct err *err)
{
	struct buf sql = { 0 };
	size_t i;

	schema_sql(&sql, DIALECT_SQLITE);
	if (do_buf(b, &sql, err) < 0)
		return -1;
	memset(b->made, 0, sizeof(b->made));
	for (i = 0; i < SCHEMA_TABLE_COUNT; i++)
		if (sqlite_make_table(b, catalog_table(b->catalog, i), schema_table(i)->column_count, err) < 0)
			return -1;
	return learn_custom(b, err);
}

/* --- The file --------------------------------------------------------------- */

static bool
is_file(const char *path, const struct stat *expected)
{
	struct stat st;

	return stat(path, &st) == 0 && (expected == NULL || (st.st_dev == expected->st_dev && st.st_ino == expected->st_ino));
}

bool
sqlite_files_are_there(struct backend *b)
{
	char wal[sizeof(b->path) + 8];

	snprintf(wal, sizeof(wal), "%s-wal", b->path);
	return is_file(b->path, &b->file) && is_file(wal, NULL);
}

/* A damaged file is kept under another name, so that somebody can look at it, and a new one is begun. */
static void
move_aside(struct backend *b, struct err *err)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char from[sizeof(b->path) + 8], to[sizeof(b->path) + 64];
	struct err why = *err;
	size_t i;

	for (i = 0; i < 3; i++) {
		snprintf(from, sizeof(from), "%s%s", b->path, suffixes[i]);
		snprintf(to, sizeof(to), "%s.damaged-%lld%s", b->path, (long long)time(NULL), suffixes[i]);
		if (rename(from, to) < 0 && errno != ENOENT) {
			err_set(err, errno, "SQLite %s is damaged and cannot be moved aside", b->path);
			return;
		}
	}
	to[strlen(to) - 4] = '\0';
	err_set(err, 0, "%.200s; it lies in %.200s now, a new one is begun", why.msg, to);
}

void
sqlite_close(struct backend *b)
{
	size_t i;

	for (i = 0; i < CATALOG_TABLES_MAX; i++) {
		sqlite3_finalize(b->insert[i].s);
		b->insert[i] = (struct insert){ 0 };
	}
	sqlite3_finalize(b->insert_batch);
	b->insert_batch = NULL;
	sqlite3_close_v2(b->db);
	b->db = NULL;
}

static int
open_file(struct backend *b, struct err *err)
{
	sqlite_close(b);
	if (sqlite3_open_v2(b->path, &b->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return sqlite_fail(b, "open", err);
	sqlite3_extended_result_codes(b->db, 1);
	sqlite3_busy_timeout(b->db, BUSY_MS);
	if (sqlite_do(b, "PRAGMA auto_vacuum = incremental; PRAGMA journal_mode = wal; PRAGMA synchronous = full;"
			" PRAGMA cache_size = -16384; PRAGMA temp_store = memory; PRAGMA wal_autocheckpoint = 4000", err) < 0)
		return -1;
	return make_tables(b, err);
}

/* Nothing of what was under way is kept, and what is damaged goes out of the way. */
int
sqlite_give_up(struct backend *b, struct err *err)
{
	sqlite_close(b);
	if (b->damaged)
		move_aside(b, err);
	b->damaged = false;
	return -1;
}

static int
sqlite_open(struct backend *b, int64_t *newest_us, struct err *err)
{
	if (open_file(b, err) < 0 || ask_number(b, "SELECT max(ts) FROM batch", newest_us, err) < 0)
		return sqlite_give_up(b, err);
	if (stat(b->path, &b->file) < 0) {
		err_set(err, errno, "%s", b->path);
		return sqlite_give_up(b, err);
	}
	return 0;
}

static int
sqlite_marks(struct backend *b, struct mark *list, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int step = SQLITE_ROW;

	if (sqlite3_prepare_v2(b->db, "SELECT coalesce(max(seq), 0) FROM batch WHERE node = ? AND epoch = ?", -1, &s, NULL) != SQLITE_OK)
		step = SQLITE_ERROR;
	for (; list != NULL && step == SQLITE_ROW; list = list->next) {
		sqlite3_bind_text(s, 1, list->node, -1, SQLITE_STATIC);
		sqlite3_bind_int64(s, 2, (int64_t)list->epoch);
		step = sqlite3_step(s);
		if (step == SQLITE_ROW)
			list->seq = (uint64_t)sqlite3_column_int64(s, 0);
		sqlite3_reset(s);
	}
	sqlite3_finalize(s);
	if (step == SQLITE_ROW)
		return 0;
	sqlite_fail(b, "what is stored", err);
	return sqlite_give_up(b, err);
}

/* --- Retention -------------------------------------------------------------- */

/* Goes on from a node to the one behind it, in the order of the index; "": there is none. */
static int
next_node(struct backend *b, const char *table, char node[NODE_SIZE], struct err *err)
{
	char sql[160], next[NODE_SIZE];
	sqlite3_stmt *s = NULL;
	int step = SQLITE_ERROR;

	snprintf(sql, sizeof(sql), "SELECT coalesce(min(node), '') FROM \"%s\" WHERE node > ?", table);
	if (sqlite3_prepare_v2(b->db, sql, -1, &s, NULL) == SQLITE_OK) {
		sqlite3_bind_text(s, 1, node, -1, SQLITE_TRANSIENT);
		step = sqlite3_step(s);
	}
	if (step == SQLITE_ROW)
		snprintf(next, sizeof(next), "%s", (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	if (step != SQLITE_ROW)
		return sqlite_fail(b, table, err);
	/* A damaged database may hold what is no name of ours, which would come back for ever. */
	snprintf(node, NODE_SIZE, "%s", strcmp(next, node) > 0 ? next : "");
	return 0;
}

static int
delete_some(struct backend *b, const char *sql, const char *node, int64_t before_us, bool *more, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int step = SQLITE_ERROR;

	if (sqlite3_prepare_v2(b->db, sql, -1, &s, NULL) == SQLITE_OK) {
		sqlite3_bind_int64(s, 1, before_us);
		if (node != NULL)
			sqlite3_bind_text(s, 2, node, -1, SQLITE_STATIC);
		step = sqlite3_step(s);
	}
	sqlite3_finalize(s);
	if (step != SQLITE_DONE)
		return sqlite_fail(b, "what is old", err);
	*more |= sqlite3_changes(b->db) == DELETE_SLICE;
	return 0;
}

static int
drop_of_table(struct backend *b, const char *table, int64_t before_us, bool *more, struct err *err)
{
	char sql[256], node[NODE_SIZE] = "";

	snprintf(sql, sizeof(sql), "DELETE FROM \"%s\" WHERE rowid IN (SELECT rowid FROM \"%s\" WHERE ts < ?1 AND node = ?2 LIMIT %d)",
		 table, table, DELETE_SLICE);
	for (;;) {
		if (next_node(b, table, node, err) < 0)
			return -1;
		if (node[0] == '\0')
			return 0;
		if (delete_some(b, sql, node, before_us, more, err) < 0)
			return -1;
	}
}

static int
drop_behind(struct backend *b, int64_t before_us, bool *more, struct err *err)
{
	static const char batches_sql[] = "DELETE FROM batch WHERE (node, epoch, seq) IN (SELECT o.node, o.epoch, o.seq FROM batch o WHERE o.ts < ?1"
		" AND o.seq < (SELECT max(seq) FROM batch h WHERE h.node = o.node AND h.epoch = o.epoch) LIMIT 5000)";
	size_t i, n = catalog_count(b->catalog);
	char sql[64];

	for (i = 0; i < n; i++)
		if (b->made[i] > 0 && drop_of_table(b, catalog_table(b->catalog, i)->name, before_us, more, err) < 0)
			return -1;
	if (delete_some(b, batches_sql, NULL, before_us, more, err) < 0)
		return -1;
	snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
	return sqlite_do(b, sql, err);
}

static enum backend_blame
sqlite_blame(const struct backend *b)
{
	return sqlite_is_data_error(b->code) ? BLAME_ROWS : (b->code & 0xff) == SQLITE_ERROR ? BLAME_STATEMENT : BLAME_NOTHING;
}

static int
sqlite_tend(struct backend *b, int64_t today, int64_t oldest, bool *more, struct err *err)
{
	(void)today;
	if (oldest == INT64_MIN || drop_behind(b, oldest * INT64_C(86400000000), more, err) == 0)
		return 0;
	return sqlite_give_up(b, err);
}

/* --- */

static struct backend *
sqlite_new(const struct store_settings *s, struct catalog *c, int stop_fd, struct err *err)
{
	struct backend *b = calloc(1, sizeof(*b));

	(void)stop_fd;
	if (b == NULL || strlen(s->sqlite) >= sizeof(b->path)) {
		err_set(err, b ? ENAMETOOLONG : ENOMEM, "%.200s", s->sqlite);
		free(b);
		return NULL;
	}
	strcpy(b->path, s->sqlite);
	b->catalog = c;
	return b;
}

static void
sqlite_free(struct backend *b)
{
	sqlite_close(b);
	free(b);
}

const struct backend_ops sqlite_backend = {
	.new = sqlite_new, .free = sqlite_free, .open = sqlite_open, .close = sqlite_close, .marks = sqlite_marks, .write = sqlite_write,
	.blame = sqlite_blame, .tend = sqlite_tend,
};
