/* SPDX-License-Identifier: MIT */
#include "store/pg.h"

#include "core/event.h"
#include "store/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * A group of batches in one transaction: one COPY for each table.  Where the server says that a row holds what it cannot take, the whole
 * is done again carefully: each batch under a savepoint, halved until the row is alone, which then goes to quarantine.
 */

enum { PARTS_MAX = 64, RANGES_MAX = 64,
	DAYS_MAX = 128 };		/* of partitions that one transaction writes: each takes locks, and there are not many */

/* What goes by one COPY: rows of a table for which so many columns were known. */
struct part {
	const struct store_table *t;
	size_t columns;
	size_t offset;			/* of the image in struct store_batch */
};

struct parts {
	struct part v[PARTS_MAX];
	size_t count;
	const struct store_table *last;	/* and its day: changes are counted, which are at least as many as partitions */
	int64_t day;
	size_t days;
};

/* Signature, no flags, no extension: 19 bytes with the NUL that ends the literal. */
static const char copy_header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
static const char copy_trailer[] = { '\377', '\377' };

static const struct image *
image_in(const struct store_batch *sb, const struct part *p)
{
	const struct image *i = (const struct image *)(const void *)((const char *)sb + p->offset);

	if (i->rows == 0 || (p->offset == offsetof(struct store_batch, rows) && (sb->table != p->t || sb->columns != p->columns)))
		return NULL;
	return i;
}

static void
add_part(struct parts *p, const struct store_table *t, size_t columns, size_t offset)
{
	size_t i;

	for (i = 0; i < p->count; i++)
		if (p->v[i].t == t && p->v[i].columns == columns && p->v[i].offset == offset)
			return;
	p->v[p->count++] = (struct part){ t, columns, offset };
}

/* Batches of today are as many as there are tables. */
static void
count_day(struct parts *p, const struct store_batch *sb)
{
	int64_t day = schema_day(sb->ts_us);

	if (sb->table == NULL || day == schema_day(sb->came_us) || (sb->table == p->last && day == p->day))
		return;
	p->last = sb->table;
	p->day = day;
	p->days++;
}

static const struct store_table *
fixed(struct backend *b, size_t index)
{
	return catalog_table(b->catalog, index);
}

/* The parts of the batches from `from` up to the returned one; at least of the first. */
static struct store_batch *
parts_of(struct backend *b, struct store_batch *from, struct parts *p)
{
	for (; from != NULL && p->count + 3 <= PARTS_MAX && p->days < DAYS_MAX; from = from->next) {
		count_day(p, from);
		if (from->table != NULL)
			add_part(p, from->table, from->columns, offsetof(struct store_batch, rows));
		if (from->gaps.rows > 0)
			add_part(p, fixed(b, TABLE_GAP), monitor_table(TABLE_GAP)->column_count, offsetof(struct store_batch, gaps));
		if (from->quarantine.rows > 0)
			add_part(p, fixed(b, TABLE_QUARANTINE), schema_table(TABLE_QUARANTINE)->column_count,
				 offsetof(struct store_batch, quarantine));
	}
	return from;
}

static void
copy_sql(struct buf *sql, const char *table, bool ts, const struct column *columns, size_t count)
{
	size_t i;

	buf_adds(sql, "COPY ");
	schema_name(sql, table);
	buf_adds(sql, ts ? " (node, ts" : " (node");
	for (i = 0; i < count; i++) {
		buf_adds(sql, ", ");
		schema_name(sql, columns[i].name);
	}
	buf_adds(sql, ") FROM STDIN (FORMAT binary);");
}

static void
batch_sql(struct buf *sql)
{
	copy_sql(sql, schema_batch.name, false, schema_batch.columns, schema_batch.column_count);
}

static int
put_whole(struct backend *b, const char *data, size_t len, struct err *err)
{
	if (pq_copy(&b->q, err) < 0 || pq_put(&b->q, copy_header, sizeof(copy_header), err) < 0 || pq_put(&b->q, data, len, err) < 0 ||
	    pq_put(&b->q, copy_trailer, sizeof(copy_trailer), err) < 0)
		return -1;
	return pq_copy_end(&b->q, err);
}

static int
put_batches(struct backend *b, const struct store_batch *list, struct err *err)
{
	struct buf rows = { 0 };
	int result;

	for (; list != NULL; list = list->next)
		batch_row(&rows, list);
	result = rows.failed ? err_set(err, ENOMEM, "rows of batch") : put_whole(b, rows.data, rows.len, err);
	buf_free(&rows);
	return result;
}

static int
put_part(struct backend *b, const struct store_batch *list, const struct part *p, struct err *err)
{
	const struct image *i;

	if (pq_copy(&b->q, err) < 0 || pq_put(&b->q, copy_header, sizeof(copy_header), err) < 0)
		return -1;
	for (; list != NULL; list = list->next)
		if ((i = image_in(list, p)) != NULL && pq_put(&b->q, i->data, i->len, err) < 0)
			return -1;
	return pq_put(&b->q, copy_trailer, sizeof(copy_trailer), err) < 0 ? -1 : pq_copy_end(&b->q, err);
}

/* The consumer's own word for numbers that were missing gives way to the producer's, which comes later. */
static int
explained_sql(struct backend *b, const struct store_batch *list, struct err *err)
{
	const char *before = "DELETE FROM gap u USING gap t, (VALUES ";
	char *node;

	list = batch_of_gaps(list);
	if (list == NULL)
		return 0;
	for (; list != NULL; list = batch_of_gaps(list->next), before = ", ") {
		node = PQescapeLiteral(b->q.c, list->node, strlen(list->node));
		if (node == NULL)
			return err_set(err, 0, "PostgreSQL: %.200s", PQerrorMessage(b->q.c));
		buf_printf(&b->sql, "%s(%s, timestamptz '", before, node);
		print_time(&b->sql, list->ts_us);
		buf_adds(&b->sql, "')");
		PQfreemem(node);
	}
	buf_adds(&b->sql, ") AS k (node, ts) WHERE t.node = k.node AND t.ts = k.ts AND t.reason <> 'unknown' AND u.node = t.node AND u.epoch = t.epoch"
		 " AND u.first_seq BETWEEN t.first_seq AND t.last_seq AND u.last_seq <= t.last_seq AND u.reason = 'unknown';");
	return 0;
}

static int
write_at_once(struct backend *b, const struct store_batch *list, const struct parts *p, struct err *err)
{
	size_t i;

	buf_clear(&b->sql);
	buf_adds(&b->sql, "BEGIN;");
	batch_sql(&b->sql);
	for (i = 0; i < p->count; i++)
		copy_sql(&b->sql, p->v[i].t->name, true, p->v[i].t->columns, p->v[i].columns);
	if (explained_sql(b, list, err) < 0)
		return -1;
	buf_adds(&b->sql, "COMMIT");
	if (b->sql.failed)
		return err_set(err, ENOMEM, "statements for the database");
	if (pq_begin(&b->q, buf_cstr(&b->sql), err) < 0 || put_batches(b, list, err) < 0)
		return -1;
	for (i = 0; i < p->count; i++)
		if (put_part(b, list, &p->v[i], err) < 0)
			return -1;
	return pq_end(&b->q, err);
}

/* --- Carefully -------------------------------------------------------------- */

struct range {
	const char *data;
	size_t len, rows;
};

struct careful {
	struct backend *b;
	struct store_batch *sb;		/* whose rows they are */
	int64_t real_us;
	struct buf bad;			/* rows for quarantine */
};

static int
try_range(struct careful *c, const struct part *p, const struct range *r, struct err *err)
{
	struct buf *sql = &c->b->sql;

	buf_clear(sql);
	buf_adds(sql, "SAVEPOINT s;");
	copy_sql(sql, p->t->name, true, p->t->columns, p->columns);
	buf_adds(sql, "RELEASE SAVEPOINT s");
	if (sql->failed)
		return err_set(err, ENOMEM, "statements for the database");
	if (pq_begin(&c->b->q, buf_cstr(sql), err) < 0 || put_whole(c->b, r->data, r->len, err) < 0)
		return -1;
	return pq_end(&c->b->q, err);
}

static int
quarantine(struct careful *c, const struct part *p, const struct range *r, const char *reason, struct err *err)
{
	struct image_field fields[IMAGE_FIELDS_MAX];
	struct buf row = { 0 };
	int result = 0;

	image_row(r->data, fields);
	image_print(&row, p->t, p->columns, fields);
	quarantine_row(&c->bad, c->sb, c->real_us, buf_cstr(&row), reason);
	if (row.failed || c->bad.failed)
		result = err_set(err, ENOMEM, "a row for quarantine");
	else
		c->sb->refused++;
	buf_free(&row);
	return result;
}

static void
halve(const struct range *r, struct range *first, struct range *second)
{
	struct image_field fields[IMAGE_FIELDS_MAX];
	const char *at = r->data;
	size_t i;

	for (i = 0; i < r->rows / 2; i++)
		at = image_row(at, fields);
	*first = (struct range){ r->data, (size_t)(at - r->data), r->rows / 2 };
	*second = (struct range){ at, r->len - first->len, r->rows - first->rows };
}

/* All rows but those that cannot be taken. */
static int
put_carefully(struct careful *c, const struct part *p, const struct image *image, struct err *err)
{
	struct range stack[RANGES_MAX], r;
	size_t n = 1;
	struct err ignored;

	stack[0] = (struct range){ image->data, image->len, image->rows };
	while (n > 0) {
		r = stack[--n];
		if (try_range(c, p, &r, err) == 0)
			continue;
		if (!pq_is_data_error(&c->b->q) || pq_query(&c->b->q, "ROLLBACK TO SAVEPOINT s", NULL, &ignored) < 0)
			return -1;
		if (r.rows > 1) {
			halve(&r, &stack[n + 1], &stack[n]);
			n += 2;
		} else if (quarantine(c, p, &r, err->msg, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static int
put_bad(struct careful *c, struct err *err)
{
	const struct part p = { fixed(c->b, TABLE_QUARANTINE), schema_table(TABLE_QUARANTINE)->column_count, 0 };
	const struct range r = { c->bad.data, c->bad.len, 0 };

	return c->bad.len == 0 ? 0 : try_range(c, &p, &r, err);
}

static int
write_rows(struct careful *c, struct store_batch *list, const struct parts *p, struct err *err)
{
	const struct image *image;
	size_t i;

	for (c->sb = list; c->sb != NULL; c->sb = c->sb->next)
		for (i = 0; i < p->count; i++)
			if ((image = image_in(c->sb, &p->v[i])) != NULL && put_carefully(c, &p->v[i], image, err) < 0)
				return -1;
	return put_bad(c, err);
}

static int
begin_carefully(struct careful *c, const struct store_batch *list, struct err *err)
{
	struct backend *b = c->b;

	buf_clear(&b->sql);
	buf_adds(&b->sql, "BEGIN;");
	batch_sql(&b->sql);
	if (b->sql.failed)
		return err_set(err, ENOMEM, "statements for the database");
	if (pq_begin(&b->q, buf_cstr(&b->sql), err) < 0 || put_batches(b, list, err) < 0)
		return -1;
	return pq_end(&b->q, err);
}

static void
forget_refused(struct store_batch *list)
{
	for (; list != NULL; list = list->next)
		list->refused = list->quarantine.rows;
}

static int
write_carefully(struct backend *b, struct store_batch *list, int64_t real_us, const struct parts *p, struct err *err)
{
	struct careful c = { .b = b, .real_us = real_us };
	int result;

	forget_refused(list);
	if (begin_carefully(&c, list, err) < 0)
		return -1;
	result = write_rows(&c, list, p, err);
	buf_clear(&b->sql);
	if (result == 0)
		result = explained_sql(b, list, err);
	buf_adds(&b->sql, "COMMIT");
	if (result == 0)
		result = b->sql.failed ? err_set(err, ENOMEM, "statements for the database") : pq_query(&b->q, buf_cstr(&b->sql), NULL, err);
	buf_free(&c.bad);
	if (result < 0)
		forget_refused(list);
	return result;
}

/* Rows are to blame only where the tables are as they have to be. */
static int
write_parts(struct backend *b, struct store_batch *list, int64_t real_us, const struct parts *p, struct err *err)
{
	struct err refused;

	if (write_at_once(b, list, p, &refused) == 0)
		return 0;
	if (!pq_is_data_error(&b->q)) {
		*err = refused;
		return -1;
	}
	if ((PQtransactionStatus(b->q.c) != PQTRANS_IDLE && pq_query(&b->q, "ROLLBACK", NULL, err) < 0) || pg_look(b, err) < 0)
		return -1;
	return write_carefully(b, list, real_us, p, err);
}

int
pg_write(struct backend *b, struct store_batch *list, int64_t real_us, struct err *err)
{
	struct store_batch *cut, *last;
	struct parts p;
	int result;

	if (pg_make_room(b, list, real_us, err) < 0)
		return -1;
	for (; list != NULL; list = cut) {
		p.count = p.days = 0;
		p.last = NULL;
		cut = parts_of(b, list, &p);
		for (last = list; last->next != cut; last = last->next)
			;
		last->next = NULL;
		result = write_parts(b, list, real_us, &p, err);
		last->next = cut;
		if (result < 0)
			return -1;
	}
	return 0;
}
