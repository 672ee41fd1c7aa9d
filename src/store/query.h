/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "store/schema.h"

/*
 * Questions to a monitor's database, whichever it is; it is only read.  Waits for answers: for programs that serve one person.
 */
struct query_db;

/* A path (SQLite), or what libpq takes: "postgresql://…", "host=… dbname=…".  NULL: err says why it cannot be reached. */
struct query_db *query_open(const char *database, struct err *err);
void query_close(struct query_db *db);			/* NULL is fine */
enum dialect query_dialect(const struct query_db *db);

/* One row: as many texts as the query has columns, NULL where it has null; lent for the call.  -1 ends the query. */
typedef int query_row(void *arg, const char *const *values, size_t count);
/* sql has $1, $2… for the texts in params.  -1: err says why; err->code is 0 where row() ended it. */
int query_run(struct query_db *db, const char *sql, const char *const *params, size_t count, query_row *row, void *arg, struct err *err);

/* Is that a table of this database?  A table that is not there yet has no rows. */
int query_has_table(struct query_db *db, const char *table, bool *there, struct err *err);
/* A column of time as seconds since 1970, and such seconds (of a parameter, "$1") as a time. */
void query_add_seconds(const struct query_db *db, struct buf *sql, const char *column);
void query_add_time(const struct query_db *db, struct buf *sql, const char *param);
