/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include "store/schema.h"

#include <errno.h>
#include <string.h>

/* --- Statements ------------------------------------------------------------- */

static int
prepare(struct backend *b, sqlite3_stmt **s, struct buf *sql, struct err *err)
{
	int result = 0;

	buf_cstr(sql);
	if (sql->failed)
		result = err_set(err, ENOMEM, "a statement");
	else if (sqlite3_prepare_v3(b->db, buf_cstr(sql), -1, SQLITE_PREPARE_PERSISTENT, s, NULL) != SQLITE_OK)
		result = sqlite_fail(b, "insert", err);
	buf_free(sql);
	return result;
}

static void
insert_sql(struct buf *sql, const char *table, const char *first, const struct column *columns, size_t count)
{
	size_t i;

	buf_printf(sql, "INSERT INTO \"%s\" (%s", table, first);
	for (i = 0; i < count; i++)
		buf_printf(sql, ", \"%s\"", columns[i].name);
	buf_adds(sql, ") VALUES (?");
	for (i = strcmp(first, "node") == 0; i <= count; i++)
		buf_adds(sql, ", ?");
	buf_addc(sql, ')');
}

static int
statement_for(struct backend *b, const struct store_table *t, size_t columns, sqlite3_stmt **out, struct err *err)
{
	struct insert *in = &b->insert[t->index];
	struct buf sql = { 0 };

	if (in->s == NULL || in->columns != columns) {
		sqlite3_finalize(in->s);
		in->s = NULL;
		insert_sql(&sql, t->name, "node, ts", t->columns, columns);
		if (sqlite_make_table(b, t, columns, err) < 0 || prepare(b, &in->s, &sql, err) < 0) {
			buf_free(&sql);
			return -1;
		}
		in->columns = columns;
	}
	*out = in->s;
	return 0;
}

/* --- Rows ------------------------------------------------------------------- */

static void
bind_field(sqlite3_stmt *s, int i, enum column_type type, const struct image_field *f)
{
	if (f->len < 0)
		sqlite3_bind_null(s, i);
	else if (type == COLUMN_TEXT)
		sqlite3_bind_text(s, i, f->data, f->len, SQLITE_STATIC);
	else if (type == COLUMN_REAL)
		sqlite3_bind_double(s, i, image_real_of(f));
	else
		sqlite3_bind_int64(s, i, type == COLUMN_TIME ? image_time_of(f) : image_int_of(f));
}

bool
sqlite_is_data_error(int code)
{
	code &= 0xff;
	return code == SQLITE_CONSTRAINT || code == SQLITE_TOOBIG || code == SQLITE_MISMATCH || code == SQLITE_RANGE;
}

struct writing {
	struct backend *b;
	struct store_batch *sb;
	int64_t real_us;
	struct buf bad;			/* rows for quarantine */
	uint64_t refused;
};

static int
keep_bad(struct writing *w, const struct image_field *fields, struct err *err)
{
	const struct store_table *t = w->sb->table;
	struct buf row = { 0 };
	int result = 0;

	image_print(&row, t, w->sb->columns, fields);
	quarantine_row(&w->bad, w->sb, w->real_us, buf_cstr(&row), sqlite3_errmsg(w->b->db));
	if (row.failed || w->bad.failed)
		result = err_set(err, ENOMEM, "a row for quarantine");
	w->refused++;
	buf_free(&row);
	return result;
}

/* bad: rows that the database does not take; NULL: they must all be taken. */
static int
put_image(struct writing *w, const struct store_table *t, size_t columns, const struct image *image, bool keep, struct err *err)
{
	struct image_field fields[IMAGE_FIELDS_MAX];
	const char *at = image->data;
	sqlite3_stmt *s;
	size_t i, k;
	int step;

	if (image->rows == 0)
		return 0;
	if (statement_for(w->b, t, columns, &s, err) < 0)
		return -1;
	for (i = 0; i < image->rows; i++) {
		at = image_row(at, fields);
		if (i == 0) {			/* node and ts are the same in all of them */
			sqlite3_bind_text(s, 1, fields[0].data, fields[0].len, SQLITE_STATIC);
			sqlite3_bind_int64(s, 2, image_time_of(&fields[1]));
		}
		for (k = 0; k < columns; k++)
			bind_field(s, (int)k + 3, t->columns[k].type, &fields[k + 2]);
		step = sqlite3_step(s);
		/* A trigger may have rolled back the whole. */
		if (step != SQLITE_DONE && (!keep || !sqlite_is_data_error(step) || sqlite3_get_autocommit(w->b->db) || keep_bad(w, fields, err) < 0)) {
			sqlite_fail(w->b, t->name, err);
			sqlite3_reset(s);
			return -1;
		}
		sqlite3_reset(s);
	}
	return 0;
}

/* --- Batches ---------------------------------------------------------------- */

/* 1: it is new; 0: it is there already. */
static int
put_batch(struct writing *w, struct err *err)
{
	const struct store_batch *sb = w->sb;
	struct buf sql = { 0 };
	sqlite3_stmt *s;
	int step;

	if (w->b->insert_batch == NULL) {
		insert_sql(&sql, schema_batch.name, "node", schema_batch.columns, schema_batch.column_count);
		if (prepare(w->b, &w->b->insert_batch, &sql, err) < 0)
			return -1;
	}
	s = w->b->insert_batch;
	sqlite3_bind_text(s, 1, sb->node, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 2, (int64_t)sb->epoch);
	sqlite3_bind_int64(s, 3, (int64_t)sb->seq);
	sqlite3_bind_int64(s, 4, sb->ts_us);
	sqlite3_bind_text(s, 5, sb->type, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 6, (int64_t)sb->rows.rows);
	step = sqlite3_step(s);
	/* Any other constraint is not that it is there. */
	if (step != SQLITE_DONE && step != SQLITE_CONSTRAINT_PRIMARYKEY)
		sqlite_fail(w->b, schema_batch.name, err);
	sqlite3_reset(s);
	return step == SQLITE_DONE ? 1 : step == SQLITE_CONSTRAINT_PRIMARYKEY ? 0 : -1;
}

static int
put_bad(struct writing *w, struct err *err)
{
	struct image image = { w->bad.data, w->bad.len, w->refused };

	return put_image(w, catalog_table(w->b->catalog, TABLE_QUARANTINE), schema_table(TABLE_QUARANTINE)->column_count, &image, false, err);
}

static int
put_one(struct writing *w, struct err *err)
{
	struct store_batch *sb = w->sb;
	int new = put_batch(w, err);

	if (new <= 0) {
		sb->repeated = new == 0;
		return new;
	}
	buf_clear(&w->bad);
	w->refused = 0;
	if ((sb->table != NULL && put_image(w, sb->table, sb->columns, &sb->rows, true, err) < 0) || put_bad(w, err) < 0)
		return -1;
	sb->refused = sb->quarantine.rows + w->refused;
	if (put_image(w, catalog_table(w->b->catalog, TABLE_GAP), monitor_table(TABLE_GAP)->column_count, &sb->gaps, false, err) < 0)
		return -1;
	return put_image(w, catalog_table(w->b->catalog, TABLE_QUARANTINE), schema_table(TABLE_QUARANTINE)->column_count, &sb->quarantine,
			 false, err);
}

/* The consumer's own word for numbers that were missing gives way to the producer's, which comes later. */
static const char explained_sql[] =
	"DELETE FROM gap WHERE rowid IN (SELECT u.rowid FROM gap t CROSS JOIN gap u WHERE t.node = ?1 AND t.ts = ?2 AND t.reason <> 'unknown'"
	" AND u.node = ?1 AND u.epoch = t.epoch AND u.first_seq BETWEEN t.first_seq AND t.last_seq AND u.last_seq <= t.last_seq"
	" AND u.reason = 'unknown')";

static int
drop_explained(struct backend *b, const struct store_batch *list, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int step = SQLITE_DONE;

	list = batch_of_gaps(list);
	if (list != NULL && sqlite3_prepare_v2(b->db, explained_sql, -1, &s, NULL) != SQLITE_OK)
		step = SQLITE_ERROR;
	for (; list != NULL && step == SQLITE_DONE; list = batch_of_gaps(list->next)) {
		sqlite3_bind_text(s, 1, list->node, -1, SQLITE_STATIC);
		sqlite3_bind_int64(s, 2, list->ts_us);
		step = sqlite3_step(s);
		sqlite3_reset(s);
	}
	sqlite3_finalize(s);
	return step == SQLITE_DONE ? 0 : sqlite_fail(b, "gaps that are explained", err);
}

static int
write_all(struct writing *w, struct store_batch *list, struct err *err)
{
	if (sqlite_do(w->b, "BEGIN IMMEDIATE", err) < 0)
		return -1;
	for (w->sb = list; w->sb != NULL; w->sb = w->sb->next)
		if (put_one(w, err) < 0)
			return -1;
	if (drop_explained(w->b, list, err) < 0)
		return -1;
	return sqlite_do(w->b, "COMMIT", err);
}

static void
undo(struct store_batch *list)
{
	for (; list != NULL; list = list->next) {
		list->repeated = false;
		list->refused = list->quarantine.rows;
	}
}

int
sqlite_write(struct backend *b, struct store_batch *list, int64_t real_us, struct err *err)
{
	struct writing w = { .b = b, .real_us = real_us };
	int result = write_all(&w, list, err);

	buf_free(&w.bad);
	/*
	 * Somebody removed the file, or its log: what was committed there is nowhere.  To close it writes what is in the log into
	 * the file, where there is one still; whether there is, the next question shows.
	 */
	if (result == 0 && !sqlite_files_are_there(b))
		result = err_set(err, 0, "SQLite %s or its log was removed: opened anew", b->path);
	if (result == 0)
		return 0;
	undo(list);
	return sqlite_give_up(b, err);
}
