/* SPDX-License-Identifier: MIT */
#include "store/schema.h"

#include <sqlite3.h>
#include <stdio.h>

/* database FILE: makes the monitor's tables in SQLite, as a consumer does, and carries out what standard input says. */
int
main(int argc, char **argv)
{
	struct buf sql = { 0 };
	char line[4096], *why = NULL;
	sqlite3 *db = NULL;

	if (argc != 2 || sqlite3_open(argv[1], &db) != SQLITE_OK)
		return 2;
	buf_adds(&sql, "PRAGMA journal_mode = WAL; BEGIN;");
	schema_sql(&sql, DIALECT_SQLITE);
	while (fgets(line, sizeof(line), stdin) != NULL)
		buf_adds(&sql, line);
	buf_adds(&sql, "COMMIT;");
	if (sqlite3_exec(db, buf_cstr(&sql), NULL, NULL, &why) != SQLITE_OK)
		fprintf(stderr, "%s\n", why);
	buf_free(&sql);
	return sqlite3_close(db) == SQLITE_OK && why == NULL ? 0 : 1;
}
