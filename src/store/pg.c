/* SPDX-License-Identifier: MIT */
#include "store/pg.h"

#include "store/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PRUNE_SLICE = 5000, DROPS_AT_ONCE = 16,
	MAKE_AT_ONCE = 16 * 1024 };	/* bytes of statements: each thing that is made takes locks, and there are not many */

int
pg_do(struct backend *b, struct err *err)
{
	int result;

	result = b->sql.failed ? err_set(err, ENOMEM, "statements for the database") : pq_query(&b->q, buf_cstr(&b->sql), NULL, err);
	buf_clear(&b->sql);
	return result;
}

/* --- What is there ---------------------------------------------------------- */

static const struct store_table *
table_by_name(struct backend *b, const char *name)
{
	size_t i, n = catalog_count(b->catalog);

	for (i = 0; i < n; i++)
		if (strcmp(catalog_table(b->catalog, i)->name, name) == 0)
			return catalog_table(b->catalog, i);
	return NULL;
}

static size_t
column_by_name(const struct column *columns, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n && strcmp(columns[i].name, name) != 0; i++)
		;
	return i;
}

static int
type_by_name(const char *name)
{
	int t;

	for (t = COLUMN_INT; t <= COLUMN_TIME; t++)
		if (strcmp(schema_type(DIALECT_POSTGRES, (enum column_type)t), name) == 0)
			return t;
	return -1;
}

static int
see_custom(struct backend *b, const char *table, const char *column, int type, struct err *err)
{
	const struct store_table *t;

	if (type < 0 || strcmp(column, "node") == 0 || strcmp(column, "ts") == 0)
		return 0;
	/* What is there beyond our limits is not ours. */
	if (catalog_learn(b->catalog, table, column, (enum column_type)type, err) < 0)
		return err->code == ENOMEM ? -1 : 0;
	t = table_by_name(b, table);
	b->exists[t->index] = true;
	b->made[t->index] |= UINT64_C(1) << column_by_name(t->columns, catalog_columns(b->catalog, t), column);
	return 0;
}

static const struct column ours[] = { { "node", COLUMN_TEXT }, { "ts", COLUMN_TIME } };

/* Columns of the fixed table that must be there: i of them. */
static const struct column *
expected(const struct table *t, size_t i)
{
	if (t == &schema_batch)
		return i == 0 ? &ours[0] : i <= t->column_count ? &t->columns[i - 1] : NULL;
	return i < 2 ? &ours[i] : i < t->column_count + 2 ? &t->columns[i - 2] : NULL;
}

static int
see_fixed(const PGresult *r, const struct table *t, struct err *err)
{
	const struct column *c;
	int row, rows = PQntuples(r), found = 0;
	const char *type;
	size_t i;

	for (i = 0; (c = expected(t, i)) != NULL; i++) {
		for (row = 0, type = NULL; row < rows; row++) {
			if (strcmp(PQgetvalue(r, row, 0), t->name) != 0)
				continue;
			found++;
			if (strcmp(PQgetvalue(r, row, 1), c->name) == 0)
				type = PQgetvalue(r, row, 2);
		}
		if (found == 0)
			return err_set(err, 0, "table %s is missing: appctl-consumer --init-db makes it", t->name);
		if (type == NULL)
			return err_set(err, 0, "column %s.%s is missing: appctl-consumer --init-db makes it", t->name, c->name);
		if (strcmp(type, schema_type(DIALECT_POSTGRES, c->type)) != 0)
			return err_set(err, 0, "column %s.%s is %s, and has to be %s", t->name, c->name, type,
				       schema_type(DIALECT_POSTGRES, c->type));
	}
	return 0;
}

static int
see_columns(struct backend *b, const PGresult *r, struct err *err)
{
	const char *table;
	size_t i;
	int row;

	for (i = 0; i < SCHEMA_TABLE_COUNT; i++) {
		if (see_fixed(r, schema_table(i), err) < 0)
			return -1;
		b->exists[i] = true;
	}
	if (see_fixed(r, &schema_batch, err) < 0)
		return -1;
	for (row = 0; row < PQntuples(r); row++) {
		table = PQgetvalue(r, row, 0);
		if (strncmp(table, CUSTOM_PREFIX, sizeof(CUSTOM_PREFIX) - 1) == 0 &&
		    see_custom(b, table, PQgetvalue(r, row, 1), type_by_name(PQgetvalue(r, row, 2)), err) < 0)
			return -1;
	}
	return 0;
}

static bool
has_day(const struct pg_days *d, int64_t day)
{
	size_t low = 0, high = d->count, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (d->v[mid] < day)
			low = mid + 1;
		else
			high = mid;
	}
	return low < d->count && d->v[low] == day;
}

static int
add_day(struct pg_days *d, int64_t day, struct err *err)
{
	size_t i, cap = d->cap ? d->cap * 2 : 32;
	int64_t *v;

	if (has_day(d, day))
		return 0;
	if (d->count == d->cap) {
		v = realloc(d->v, cap * sizeof(*v));
		if (v == NULL)
			return err_set(err, ENOMEM, "the days of a table");
		d->v = v;
		d->cap = cap;
	}
	for (i = d->count++; i > 0 && d->v[i - 1] > day; i--)
		d->v[i] = d->v[i - 1];
	d->v[i] = day;
	return 0;
}

static int
see_partitions(struct backend *b, const PGresult *r, struct err *err)
{
	const struct store_table *t;
	int64_t day;
	size_t i;
	int row;

	for (i = 0; i < CATALOG_TABLES_MAX; i++)
		b->days[i].count = 0;
	for (row = 0; row < PQntuples(r); row++) {
		t = table_by_name(b, PQgetvalue(r, row, 0));
		if (t != NULL && schema_partition_day(PQgetvalue(r, row, 1), t->name, &day) == 0 &&
		    add_day(&b->days[t->index], day, err) < 0)
			return -1;
	}
	return 0;
}

#define HERE "relnamespace = current_schema()::regnamespace"

int
pg_look(struct backend *b, struct err *err)
{
	PGresult *r;
	int result;

	memset(b->exists, 0, sizeof(b->exists));
	memset(b->made, 0, sizeof(b->made));
	if (pq_query(&b->q, "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
		     " WHERE c." HERE " AND c.relkind IN ('p', 'r') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped", &r, err) < 0)
		return -1;
	result = see_columns(b, r, err);
	PQclear(r);
	if (result < 0)
		return -1;
	if (pq_query(&b->q, "SELECT p.relname, c.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid"
		     " WHERE p." HERE " AND p.relkind = 'p'", &r, err) < 0)
		return -1;
	result = see_partitions(b, r, err);
	PQclear(r);
	return result;
}

/* --- Opening ---------------------------------------------------------------- */

static void
say_nothing(void *arg, const PGresult *r)
{
	(void)arg;
	(void)r;
}

static int
begin_session(struct backend *b, struct err *err)
{
	if (b->q.c != NULL && (PQtransactionStatus(b->q.c) == PQTRANS_IDLE || pq_query(&b->q, "ROLLBACK", NULL, err) == 0))
		return 0;
	if (pq_connect(&b->q, b->conninfo, err) < 0)
		return -1;
	PQsetNoticeReceiver(b->q.c, say_nothing, NULL);
	/* An acknowledged batch is durable: whoever turned that off meant other clients. */
	return pq_query(&b->q, "SET statement_timeout = '30s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '60s';"
			" SET TIME ZONE 'UTC'; SET client_min_messages = warning; SET standard_conforming_strings = on;"
			" SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'", NULL, err);
}

static int
pg_open(struct backend *b, int64_t *newest_us, struct err *err)
{
	PGresult *r;

	if (begin_session(b, err) < 0 || pg_look(b, err) < 0)
		return -1;
	if (pq_query(&b->q, "SELECT (extract(epoch FROM max(ts)) * 1000000)::bigint FROM batch", &r, err) < 0)
		return -1;
	*newest_us = PQntuples(r) == 1 ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : 0;
	PQclear(r);
	return 0;
}

static void
pg_close(struct backend *b)
{
	pq_close(&b->q);
}

/* --- What is stored --------------------------------------------------------- */

static int
add_mark(struct backend *b, const struct mark *m, size_t i, struct err *err)
{
	char *node = PQescapeLiteral(b->q.c, m->node, strlen(m->node));

	if (node == NULL)
		return err_set(err, 0, "PostgreSQL: %.200s", PQerrorMessage(b->q.c));
	buf_printf(&b->sql, "%s(%zu, %s, %" PRIu64 ")", i > 0 ? ", " : "", i, node, m->epoch);
	PQfreemem(node);
	return 0;
}

static int
pg_marks(struct backend *b, struct mark *list, struct err *err)
{
	struct mark *m;
	PGresult *r;
	size_t i = 0;
	int row = 0;

	buf_clear(&b->sql);
	buf_adds(&b->sql, "SELECT coalesce((SELECT max(seq) FROM batch WHERE batch.node = k.node AND batch.epoch = k.epoch), 0)"
		 " FROM (VALUES ");
	for (m = list; m != NULL; m = m->next)
		if (add_mark(b, m, i++, err) < 0)
			return -1;
	buf_adds(&b->sql, ") AS k (i, node, epoch) ORDER BY k.i");
	if (b->sql.failed)
		return err_set(err, ENOMEM, "a question to the database");
	if (pq_query(&b->q, buf_cstr(&b->sql), &r, err) < 0)
		return -1;
	for (m = list; m != NULL && row < PQntuples(r); m = m->next)
		m->seq = strtoull(PQgetvalue(r, row++, 0), NULL, 10);
	PQclear(r);
	return m == NULL ? 0 : err_set(err, 0, "PostgreSQL answered something else");
}

/* --- Room ahead, and behind -------------------------------------------------- */

static int
make_day(struct backend *b, const struct store_table *t, int64_t day, struct err *err)
{
	if (has_day(&b->days[t->index], day))
		return 0;
	schema_partition_sql(&b->sql, t->name, day);
	return add_day(&b->days[t->index], day, err);
}

/* A custom table, or what it lacks of its columns. */
static void
make_table(struct backend *b, const struct store_table *t, size_t columns)
{
	uint64_t all = columns == 64 ? UINT64_MAX : (UINT64_C(1) << columns) - 1;

	if (!t->custom || (b->exists[t->index] && (b->made[t->index] & all) == all))
		return;
	schema_table_sql(&b->sql, DIALECT_POSTGRES, t->name, t->columns, columns);
	b->exists[t->index] = true;
	b->made[t->index] |= all;
}

static int
carry_out(struct backend *b, struct err *err)
{
	struct buf sql = b->sql;

	if (sql.len == 0 && !sql.failed)
		return 0;
	b->sql = (struct buf){ 0 };
	buf_adds(&b->sql, "BEGIN;\n");
	buf_add(&b->sql, sql.data, sql.len);
	buf_adds(&b->sql, "COMMIT;\n");
	b->sql.failed |= sql.failed;
	buf_free(&sql);
	return pg_do(b, err);
}

int
pg_make_room(struct backend *b, const struct store_batch *list, int64_t real_us, struct err *err)
{
	buf_clear(&b->sql);
	if (make_day(b, catalog_table(b->catalog, TABLE_QUARANTINE), schema_day(real_us), err) < 0)
		return -1;
	for (; list != NULL; list = list->next) {
		if (list->table != NULL) {
			make_table(b, list->table, list->columns);
			if (make_day(b, list->table, schema_day(list->ts_us), err) < 0)
				return -1;
		}
		/* Gaps and quarantined rows have the time at which the batch came. */
		if (list->gaps.rows > 0 && make_day(b, catalog_table(b->catalog, TABLE_GAP), schema_day(list->came_us), err) < 0)
			return -1;
		if (list->quarantine.rows > 0 && make_day(b, catalog_table(b->catalog, TABLE_QUARANTINE), schema_day(list->came_us), err) < 0)
			return -1;
		if (b->sql.len > MAKE_AT_ONCE && carry_out(b, err) < 0)
			return -1;
	}
	return carry_out(b, err);
}

static int
make_ahead(struct backend *b, int64_t today, struct err *err)
{
	size_t i, n = catalog_count(b->catalog);
	int64_t day;

	buf_clear(&b->sql);
	for (i = 0; i < n; i++)
		for (day = today; b->exists[i] && day <= today + AHEAD_DAYS; day++)
			if (make_day(b, catalog_table(b->catalog, i), day, err) < 0 ||
			    (b->sql.len > MAKE_AT_ONCE && carry_out(b, err) < 0))
				return -1;
	return carry_out(b, err);
}

/* A partition's lock holds up everybody for as long as a reader has it, so it is asked for shortly, and one at a time. */
static int
drop_first(struct backend *b, const struct store_table *t, struct err *err)
{
	struct pg_days *d = &b->days[t->index];
	struct buf name = { 0 };

	schema_partition_name(&name, t->name, d->v[0]);
	buf_clear(&b->sql);
	buf_printf(&b->sql, "BEGIN; SET LOCAL lock_timeout = '1s'; DROP TABLE IF EXISTS \"%s\"; COMMIT", buf_cstr(&name));
	b->sql.failed |= name.failed;
	buf_free(&name);
	if (pg_do(b, err) < 0)
		return -1;
	memmove(d->v, d->v + 1, --d->count * sizeof(*d->v));
	return 0;
}

static int
drop_behind(struct backend *b, int64_t oldest, bool *more, struct err *err)
{
	size_t i, n = catalog_count(b->catalog), dropped = 0;

	for (i = 0; i < n; i++) {
		while (b->days[i].count > 0 && b->days[i].v[0] < oldest) {
			if (dropped++ == DROPS_AT_ONCE) {
				*more = true;
				return 0;
			}
			if (drop_first(b, catalog_table(b->catalog, i), err) == 0)
				continue;
			if (strcmp(b->q.state, "55P03") != 0)
				return -1;
			*more = true;		/* somebody reads it */
			if (pq_query(&b->q, "ROLLBACK", NULL, err) < 0)
				return -1;
			break;
		}
	}
	return 0;
}

/* Of each epoch the highest number stays, so that a repeat is known for ever. */
static int
prune_batches(struct backend *b, int64_t oldest, bool *more, struct err *err)
{
	PGresult *r = NULL;

	buf_clear(&b->sql);
	buf_printf(&b->sql, "WITH old AS (DELETE FROM batch WHERE ctid = ANY (ARRAY(SELECT o.ctid FROM batch o WHERE o.ts < to_timestamp(%" PRId64 ")"
		   " AND o.seq < (SELECT max(seq) FROM batch h WHERE h.node = o.node AND h.epoch = o.epoch) LIMIT %d)) RETURNING 1)"
		   " SELECT count(*) FROM old", oldest * 86400, PRUNE_SLICE);
	if (b->sql.failed)
		return err_set(err, ENOMEM, "a statement for the database");
	if (pq_query(&b->q, buf_cstr(&b->sql), &r, err) < 0)
		return -1;
	*more |= strtol(PQgetvalue(r, 0, 0), NULL, 10) == PRUNE_SLICE;
	PQclear(r);
	return 0;
}

static enum backend_blame
pg_blame(const struct backend *b)
{
	return pq_is_data_error(&b->q) ? BLAME_ROWS : pq_is_wrong(&b->q) ? BLAME_STATEMENT : BLAME_NOTHING;
}

static int
pg_tend(struct backend *b, int64_t today, int64_t oldest, bool *more, struct err *err)
{
	if (make_ahead(b, today, err) < 0)
		return -1;
	if (oldest == INT64_MIN)
		return 0;
	return drop_behind(b, oldest, more, err) < 0 || prune_batches(b, oldest, more, err) < 0 ? -1 : 0;
}

/* --- */

static struct backend *
pg_new(const struct store_settings *s, struct catalog *c, int stop_fd, struct err *err)
{
	struct backend *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		err_set(err, ENOMEM, "the database");
		return NULL;
	}
	b->conninfo = s->database;
	b->catalog = c;
	b->q.stop_fd = stop_fd;
	return b;
}

static void
pg_free(struct backend *b)
{
	size_t i;

	pq_close(&b->q);
	for (i = 0; i < CATALOG_TABLES_MAX; i++)
		free(b->days[i].v);
	buf_free(&b->sql);
	free(b);
}

const struct backend_ops pg_backend = {
	.new = pg_new, .free = pg_free, .open = pg_open, .close = pg_close, .marks = pg_marks, .write = pg_write, .blame = pg_blame,
	.tend = pg_tend,
};
