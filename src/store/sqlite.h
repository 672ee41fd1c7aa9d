/* SPDX-License-Identifier: MIT */
#pragma once

#include "store/backend.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <sys/stat.h>

/* Inside the SQLite back-end: sqlite.c has the file and its tables, sqlite_write.c writes. */
struct insert {
	sqlite3_stmt *s;
	size_t columns;
};

struct backend {
	char path[PATH_MAX];
	sqlite3 *db;
	struct stat file;		/* that was opened */
	struct catalog *catalog;
	bool damaged;			/* SQLite said so */
	int code;			/* of what failed last */
	size_t made[CATALOG_TABLES_MAX];	/* columns that are surely there */
	struct insert insert[CATALOG_TABLES_MAX];
	sqlite3_stmt *insert_batch;
};

int sqlite_fail(struct backend *b, const char *what, struct err *err);	/* -1, with what SQLite said last */
bool sqlite_is_data_error(int code);				/* what is wrong with a row and not with the database */
int sqlite_give_up(struct backend *b, struct err *err);			/* -1 */
int sqlite_do(struct backend *b, const char *sql, struct err *err);
int sqlite_make_table(struct backend *b, const struct store_table *t, size_t columns, struct err *err);
bool sqlite_files_are_there(struct backend *b);
void sqlite_close(struct backend *b);
int sqlite_write(struct backend *b, struct store_batch *list, int64_t real_us, struct err *err);
