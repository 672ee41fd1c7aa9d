/* SPDX-License-Identifier: MIT */
#include "bench/prc.h"
#include "monitor/batch.h"
#include "store/schema.h"
#include "store/store.h"

#include <endian.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Rows of table prc into a database, through the store and barely:
 *
 *	store decode|jansson BATCHES ROWS		a batch's text read, MB/s
 *	store pg-store|pg-bare BATCHES ROWS CONNINFO	decoded and stored; one COPY BINARY of the same rows, made before, for each 100,000
 *	store sqlite-store|sqlite-bare BATCHES ROWS FILE	the same; prepared inserts, 1,000 rows a transaction, synchronous = FULL
 *
 * The bare ones write the same tables with the same indexes, table batch included.  It prints rows a second.
 */
enum { BARE_GROUP_ROWS = 100000, SQLITE_GROUP_ROWS = 1000, PENDING_MAX = 64 << 20 };

static long batches, rows;
static struct buf body;			/* rows of a batch, without what differs */
static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The same batch with another number: only the head is written anew. */
static void
renumber(struct buf *out, uint64_t seq)
{
	const char *rest = strstr(buf_cstr(&body), ",\"ts\":");

	buf_clear(out);
	buf_printf(out, "{\"type\":\"prc\",\"node\":\"alice\",\"epoch\":1,\"seq\":%llu", (unsigned long long)seq);
	buf_add(out, rest, body.len - (size_t)(rest - body.data));
}

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "store: %s: %s\n", what, why);
	exit(1);
}

static void
print(const char *mode, double s)
{
	printf("{\"mode\":\"%s\",\"batches\":%ld,\"rows\":%ld,\"secs\":%.3f,\"rows_per_s\":%.0f,\"mb_per_s\":%.0f}\n", mode, batches, rows, s,
	       (double)(batches * rows) / s, (double)body.len * (double)batches / s / 1e6);
}

/* --- Decoding --------------------------------------------------------------- */

static void
decode(bool with_jansson)
{
	struct batch b = { 0 };
	struct err err;
	json_t *j;
	long i;

	for (i = 0; i < batches; i++) {
		if (!with_jansson) {
			if (batch_read(&b, body.data, body.len, &err) < 0)
				fail("batch", err.msg);
			continue;
		}
		j = json_loadb(body.data, body.len, 0, NULL);
		if (j == NULL)
			fail("jansson", "no JSON");
		json_decref(j);
	}
	batch_free(&b);
}

/* --- Through the store ------------------------------------------------------ */

static long stored_count;

static void
stored(void *arg, struct store_batch *b)
{
	(void)arg;
	stored_count += !b->repeated;
}

static void
health(void *arg, const char *why)
{
	(void)arg;
	if (why != NULL)
		fail("store", why);
}

static void
put(struct store *s, struct buf *text, struct batch *b, uint64_t seq)
{
	struct store_batch *sb;
	struct err err;

	renumber(text, seq);
	if (batch_read(b, text->data, text->len, &err) < 0)
		fail("batch", err.msg);
	sb = store_prepare(s, b, now_us());
	if (sb == NULL)
		fail("store", "no memory");
	sb->previous = seq - 1;
	store_put(s, sb);
}

static void
through_store(const char *database, const char *sqlite)
{
	static const struct store_handler handler = { .stored = stored, .health = health };
	const struct store_settings settings = { .database = database, .sqlite = sqlite };
	struct batch b = { 0 };
	struct buf text = { 0 };
	struct store *s;
	struct pollfd p;
	struct err err;
	long i = 0;

	s = store_new(&settings, &handler, NULL, &err);
	if (s == NULL)
		fail("store", err.msg);
	p = (struct pollfd){ .fd = store_fd(s), .events = POLLIN };
	while (stored_count < batches) {
		while (i < batches && store_pending_bytes(s) < PENDING_MAX)
			put(s, &text, &b, (uint64_t)++i);
		poll(&p, 1, -1);
		store_step(s);
	}
	store_free(s);
	batch_free(&b);
	buf_free(&text);
}

/* --- Barely ----------------------------------------------------------------- */

/* The rows of one batch as the store makes them. */
static struct buf
image(const struct batch *b)
{
	struct catalog *c = catalog_new();
	const struct store_table *t;
	struct buf out = { 0 };
	struct err err;
	size_t n;

	t = catalog_for(c, b, &n, &err);
	image_add_batch(&out, b, t, n, NULL, NULL, NULL);
	catalog_free(c);
	return out;
}

static void
ok(PGconn *c, PGresult *r)
{
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_COPY_IN)
		fail("PostgreSQL", PQerrorMessage(c));
	PQclear(r);
}

static void
bare_copy(PGconn *c, const char *sql, const struct buf *data, long times)
{
	ok(c, PQexec(c, sql));
	PQputCopyData(c, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0", 19);
	for (; times > 0; times--)
		PQputCopyData(c, data->data, (int)data->len);
	PQputCopyData(c, "\377\377", 2);
	PQputCopyEnd(c, NULL);
	ok(c, PQgetResult(c));
	while (PQgetResult(c) != NULL)
		;
}

static void
batch_image(struct buf *out, uint64_t seq, int64_t ts_us)
{
	image_begin(out, 1 + schema_batch.column_count);
	image_text(out, "alice", 5);
	image_int(out, 1);
	image_int(out, (int64_t)seq);
	image_time(out, ts_us);
	image_text(out, "prc", 3);
	image_int(out, rows);
}

static void
bare_pg(const char *conninfo, const struct batch *b)
{
	PGconn *c = PQconnectdb(conninfo);
	struct buf data = image(b), marks = { 0 };
	long i = 0, n, group = BARE_GROUP_ROWS / rows;

	if (PQstatus(c) != CONNECTION_OK)
		fail("PostgreSQL", PQerrorMessage(c));
	while (i < batches) {
		buf_clear(&marks);
		for (n = 0; n < group && i < batches; n++)
			batch_image(&marks, (uint64_t)++i, b->ts_us);
		ok(c, PQexec(c, "BEGIN"));
		bare_copy(c, "COPY batch FROM STDIN (FORMAT binary)", &marks, 1);
		bare_copy(c, "COPY prc FROM STDIN (FORMAT binary)", &data, n);
		ok(c, PQexec(c, "COMMIT"));
	}
	PQfinish(c);
}

static void
run_sql(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail(sql, sqlite3_errmsg(db));
}

static sqlite3_stmt *
insert_into(sqlite3 *db, const char *table, size_t n)
{
	struct buf sql = { 0 };
	sqlite3_stmt *s;
	size_t i;

	buf_printf(&sql, "INSERT INTO %s VALUES (?", table);
	for (i = 1; i < n; i++)
		buf_adds(&sql, ", ?");
	buf_adds(&sql, ")");
	if (sqlite3_prepare_v2(db, buf_cstr(&sql), -1, &s, NULL) != SQLITE_OK)
		fail(table, sqlite3_errmsg(db));
	buf_free(&sql);
	return s;
}

static void
insert(sqlite3 *db, sqlite3_stmt *s)
{
	if (sqlite3_step(s) != SQLITE_DONE)
		fail("insert", sqlite3_errmsg(db));
	sqlite3_reset(s);
}

static void
bind_cell(sqlite3_stmt *s, int i, const struct cell *c)
{
	if (c->type == CELL_INT)
		sqlite3_bind_int64(s, i, c->i);
	else if (c->type == CELL_REAL)
		sqlite3_bind_double(s, i, c->d);
	else if (c->type == CELL_TEXT)
		sqlite3_bind_text(s, i, c->text.data, (int)c->text.len, SQLITE_STATIC);
	else
		sqlite3_bind_null(s, i);
}

static void
bare_batch(sqlite3 *db, sqlite3_stmt *row, sqlite3_stmt *mark, const struct batch *b, int64_t seq)
{
	long i;
	int k;

	sqlite3_bind_text(mark, 1, "alice", 5, SQLITE_STATIC);
	sqlite3_bind_int64(mark, 2, 1);
	sqlite3_bind_int64(mark, 3, seq);
	sqlite3_bind_int64(mark, 4, b->ts_us);
	sqlite3_bind_text(mark, 5, "prc", 3, SQLITE_STATIC);
	sqlite3_bind_int64(mark, 6, rows);
	insert(db, mark);
	for (i = 0; i < rows; i++) {
		sqlite3_bind_text(row, 1, "alice", 5, SQLITE_STATIC);
		sqlite3_bind_int64(row, 2, b->ts_us);
		for (k = 0; k < PRC_COLUMN_COUNT; k++)
			bind_cell(row, k + 3, &b->cells[i * PRC_COLUMN_COUNT + k]);
		insert(db, row);
	}
}

static void
bare_sqlite(const char *file, const struct batch *b)
{
	struct buf sql = { 0 };
	sqlite3_stmt *row, *mark;
	sqlite3 *db;
	long i, group = rows < SQLITE_GROUP_ROWS ? SQLITE_GROUP_ROWS / rows : 1;

	if (sqlite3_open(file, &db) != SQLITE_OK)
		fail(file, sqlite3_errmsg(db));
	run_sql(db, "PRAGMA auto_vacuum = incremental; PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA cache_size = -16384;"
		    " PRAGMA wal_autocheckpoint = 4000");
	schema_sql(&sql, DIALECT_SQLITE);
	run_sql(db, buf_cstr(&sql));
	row = insert_into(db, "prc", PRC_COLUMN_COUNT + 2);
	mark = insert_into(db, "batch", 1 + schema_batch.column_count);
	for (i = 0; i < batches; i++) {
		if (i % group == 0)
			run_sql(db, "BEGIN");
		bare_batch(db, row, mark, b, i + 1);
		if (i % group == group - 1 || i == batches - 1)
			run_sql(db, "COMMIT");
	}
	sqlite3_finalize(row);
	sqlite3_finalize(mark);
	sqlite3_close(db);
	buf_free(&sql);
}

int
main(int argc, char **argv)
{
	struct batch b = { 0 };
	struct err err;
	double began_s;

	if (argc < 4)
		return 2;
	batches = atol(argv[2]);
	rows = atol(argv[3]);
	prc_text(&body, rows, now_us());
	if (rows < 1 || batch_read(&b, buf_cstr(&body), body.len, &err) < 0)
		return 2;
	began_s = now_s();
	if (strcmp(argv[1], "decode") == 0 || strcmp(argv[1], "jansson") == 0)
		decode(argv[1][0] == 'j');
	else if (argc < 5)
		return 2;
	else if (strcmp(argv[1], "pg-bare") == 0)
		bare_pg(argv[4], &b);
	else if (strcmp(argv[1], "sqlite-bare") == 0)
		bare_sqlite(argv[4], &b);
	else if (strcmp(argv[1], "pg-store") == 0)
		through_store(argv[4], NULL);
	else
		through_store(NULL, argv[4]);
	print(argv[1], now_s() - began_s);
	return 0;
}
