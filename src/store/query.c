/* SPDX-License-Identifier: MIT */
#include "store/query.h"

#include "store/pg_init.h"

#include <errno.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_MS = 5000, COLUMNS_MAX = 128 };

struct query_db {
	sqlite3 *lite;			/* one of the two */
	PGconn *pg;
};

static bool
is_conninfo(const char *database)
{
	return strncmp(database, "postgresql://", 13) == 0 || strncmp(database, "postgres://", 11) == 0 ||
	       (database[0] != '/' && database[0] != '.' && strchr(database, '=') != NULL);
}

/* --- SQLite --- */

static int
lite_failed(struct query_db *db, const char *what, struct err *err)
{
	err_set(err, 0, "%s: %s", what, db->lite ? sqlite3_errmsg(db->lite) : "no memory");
	err->code = EIO;
	return -1;
}

static int
lite_open(struct query_db *db, const char *path, struct err *err)
{
	if (sqlite3_open_v2(path, &db->lite, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return lite_failed(db, path, err);
	sqlite3_busy_timeout(db->lite, BUSY_MS);
	/* The file is only looked at when something is asked. */
	if (sqlite3_exec(db->lite, "SELECT count(*) FROM sqlite_master", NULL, NULL, NULL) != SQLITE_OK)
		return lite_failed(db, path, err);
	return 0;
}

static int
lite_bind(struct query_db *db, sqlite3_stmt *s, const char *const *params, size_t count, struct err *err)
{
	char name[16];
	size_t i;
	int at;

	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "$%zu", i + 1);
		at = sqlite3_bind_parameter_index(s, name);
		if (at > 0 && sqlite3_bind_text(s, at, params[i], -1, SQLITE_STATIC) != SQLITE_OK)
			return lite_failed(db, "query", err);
	}
	return 0;
}

static int
lite_rows(struct query_db *db, sqlite3_stmt *s, query_row *row, void *arg, struct err *err)
{
	const char *values[COLUMNS_MAX];
	int i, n = sqlite3_column_count(s), rc;

	if (n > COLUMNS_MAX)
		n = COLUMNS_MAX;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		for (i = 0; i < n; i++)
			values[i] = (const char *)sqlite3_column_text(s, i);
		if (row(arg, values, (size_t)n) < 0)
			return err_set(err, 0, "ended");
	}
	return rc == SQLITE_DONE ? 0 : lite_failed(db, "query", err);
}

static int
lite_run(struct query_db *db, const char *sql, const char *const *params, size_t count, query_row *row, void *arg, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int r;

	if (sqlite3_prepare_v2(db->lite, sql, -1, &s, NULL) != SQLITE_OK)
		r = lite_failed(db, "query", err);
	else
		r = lite_bind(db, s, params, count, err) < 0 ? -1 : lite_rows(db, s, row, arg, err);
	sqlite3_finalize(s);
	return r;
}

/* --- PostgreSQL --- */

static int
pg_failed(struct query_db *db, const PGresult *r, struct err *err)
{
	const char *primary = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	pg_error(err, primary ? primary : PQerrorMessage(db->pg));
	return -1;
}

static int
pg_open(struct query_db *db, const char *conninfo, struct err *err)
{
	PGresult *r;
	int good;

	db->pg = PQconnectdb(conninfo);
	if (PQstatus(db->pg) != CONNECTION_OK)
		return pg_failed(db, NULL, err);
	r = PQexec(db->pg, "SET default_transaction_read_only = on; SET timezone = 'UTC'; SET client_encoding = 'UTF8'");
	good = PQresultStatus(r) == PGRES_COMMAND_OK ? 0 : pg_failed(db, r, err);
	PQclear(r);
	return good;
}

static int
pg_rows(const PGresult *r, query_row *row, void *arg, struct err *err)
{
	const char *values[COLUMNS_MAX];
	int i, j, n = PQnfields(r) < COLUMNS_MAX ? PQnfields(r) : COLUMNS_MAX;

	for (i = 0; i < PQntuples(r); i++) {
		for (j = 0; j < n; j++)
			values[j] = PQgetisnull(r, i, j) ? NULL : PQgetvalue(r, i, j);
		if (row(arg, values, (size_t)n) < 0)
			return err_set(err, 0, "ended");
	}
	return 0;
}

static int
pg_run(struct query_db *db, const char *sql, const char *const *params, size_t count, query_row *row, void *arg, struct err *err)
{
	PGresult *r = PQexecParams(db->pg, sql, (int)count, NULL, params, NULL, NULL, 0);
	int good;

	good = PQresultStatus(r) == PGRES_TUPLES_OK ? pg_rows(r, row, arg, err) : pg_failed(db, r, err);
	PQclear(r);
	return good;
}

/* --- either --- */

struct query_db *
query_open(const char *database, struct err *err)
{
	struct query_db *db = calloc(1, sizeof(*db));

	if (db == NULL) {
		err_set(err, ENOMEM, "%s", database);
		return NULL;
	}
	if ((is_conninfo(database) ? pg_open(db, database, err) : lite_open(db, database, err)) == 0)
		return db;
	query_close(db);
	return NULL;
}

void
query_close(struct query_db *db)
{
	if (db == NULL)
		return;
	sqlite3_close(db->lite);
	PQfinish(db->pg);
	free(db);
}

enum dialect
query_dialect(const struct query_db *db)
{
	return db->pg != NULL ? DIALECT_POSTGRES : DIALECT_SQLITE;
}

int
query_run(struct query_db *db, const char *sql, const char *const *params, size_t count, query_row *row, void *arg, struct err *err)
{
	return db->pg != NULL ? pg_run(db, sql, params, count, row, arg, err) : lite_run(db, sql, params, count, row, arg, err);
}

static int
note_true(void *arg, const char *const *values, size_t count)
{
	*(bool *)arg = count > 0 && values[0] != NULL;
	return 0;
}

int
query_has_table(struct query_db *db, const char *table, bool *there, struct err *err)
{
	*there = false;
	return query_run(db, db->pg != NULL ? "SELECT to_regclass($1::text)" :
			 "SELECT name FROM sqlite_master WHERE type = 'table' AND name = $1", &table, 1, note_true, there, err);
}

void
query_add_seconds(const struct query_db *db, struct buf *sql, const char *column)
{
	buf_printf(sql, db->pg != NULL ? "extract(epoch FROM %s)::double precision" : "%s / 1000000.0", column);
}

void
query_add_time(const struct query_db *db, struct buf *sql, const char *param)
{
	buf_printf(sql, db->pg != NULL ? "to_timestamp(%s::double precision)" : "CAST(%s * 1000000 AS INTEGER)", param);
}
