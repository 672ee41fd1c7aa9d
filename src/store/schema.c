/* SPDX-License-Identifier: MIT */
#include "store/schema.h"

#include "core/date.h"
#include "core/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAY_US INT64_C(86400000000)

static const struct column quarantine_columns[] = {
	{ "epoch", COLUMN_INT }, { "seq", COLUMN_INT }, { "table", COLUMN_TEXT }, { "row", COLUMN_TEXT }, { "reason", COLUMN_TEXT },
};
static const struct table quarantine = { "quarantine", quarantine_columns, sizeof(quarantine_columns) / sizeof(quarantine_columns[0]) };

static const struct column batch_columns[] = {
	{ "epoch", COLUMN_INT }, { "seq", COLUMN_INT }, { "ts", COLUMN_TIME }, { "type", COLUMN_TEXT }, { "rows", COLUMN_INT },
};
const struct table schema_batch = { "batch", batch_columns, sizeof(batch_columns) / sizeof(batch_columns[0]) };

const struct table *
schema_table(size_t i)
{
	return i < TABLE_COUNT ? monitor_table((enum monitor_table)i) : &quarantine;
}

const char *
schema_type(enum dialect d, enum column_type t)
{
	static const char *const names[][2] = {
		[COLUMN_INT] = { "bigint", "INTEGER" },
		[COLUMN_REAL] = { "double precision", "REAL" },
		[COLUMN_TEXT] = { "text", "TEXT" },
		[COLUMN_BOOL] = { "boolean", "INTEGER" },
		[COLUMN_TIME] = { "timestamp with time zone", "INTEGER" },
	};

	return names[t][d];
}

void
schema_name(struct buf *out, const char *name)
{
	buf_addc(out, '"');
	buf_adds(out, name);
	buf_addc(out, '"');
}

static void
add_column(struct buf *out, enum dialect d, const struct column *c, const char *constraint)
{
	schema_name(out, c->name);
	buf_printf(out, " %s%s", schema_type(d, c->type), constraint);
}

static void
index_sql(struct buf *out, const char *table, const char *suffix, const char *columns)
{
	buf_printf(out, "CREATE INDEX IF NOT EXISTS \"%s_%s\" ON \"%s\" (%s);\n", table, suffix, table, columns);
}

/* SQLite cannot add a column that may be there already: who knows that it is missing asks for it alone (store/sqlite.c). */
static void
columns_sql(struct buf *out, const char *name, const struct column *columns, size_t count)
{
	size_t i;

	buf_adds(out, "ALTER TABLE ");
	schema_name(out, name);
	for (i = 0; i < count; i++) {
		buf_adds(out, i == 0 ? " ADD COLUMN IF NOT EXISTS " : ", ADD COLUMN IF NOT EXISTS ");
		add_column(out, DIALECT_POSTGRES, &columns[i], "");
	}
	buf_adds(out, ";\n");
}

void
schema_table_sql(struct buf *out, enum dialect d, const char *name, const struct column *columns, size_t count)
{
	static const struct column node = { "node", COLUMN_TEXT }, ts = { "ts", COLUMN_TIME };
	size_t i;

	buf_adds(out, "CREATE TABLE IF NOT EXISTS ");
	schema_name(out, name);
	buf_adds(out, " (");
	add_column(out, d, &node, " NOT NULL, ");
	add_column(out, d, &ts, " NOT NULL");
	for (i = 0; i < count; i++) {
		buf_adds(out, ", ");
		add_column(out, d, &columns[i], "");
	}
	buf_adds(out, d == DIALECT_POSTGRES ? ") PARTITION BY RANGE (ts);\n" : ");\n");
	if (d == DIALECT_POSTGRES && count > 0)
		columns_sql(out, name, columns, count);
	index_sql(out, name, "node_ts", "node, ts");
	if (strcmp(name, monitor_table(TABLE_PRC)->name) == 0)
		index_sql(out, name, "node_pid_ts", "node, pid, ts");
	if (strcmp(name, monitor_table(TABLE_GAP)->name) == 0)
		index_sql(out, name, "node_epoch_first_seq", "node, epoch, first_seq");
}

static void
batch_sql(struct buf *out, enum dialect d)
{
	size_t i;

	buf_printf(out, "CREATE TABLE IF NOT EXISTS batch (node %s NOT NULL", schema_type(d, COLUMN_TEXT));
	for (i = 0; i < schema_batch.column_count; i++) {
		buf_adds(out, ", ");
		add_column(out, d, &batch_columns[i], " NOT NULL");
	}
	buf_adds(out, ", PRIMARY KEY (node, epoch, seq))");
	buf_adds(out, d == DIALECT_SQLITE ? " WITHOUT ROWID;\n" : ";\n");
	index_sql(out, schema_batch.name, "ts", "ts");
}

void
schema_sql(struct buf *out, enum dialect d)
{
	const struct table *t;
	size_t i;

	for (i = 0; i < SCHEMA_TABLE_COUNT; i++) {
		t = schema_table(i);
		schema_table_sql(out, d, t->name, t->columns, t->column_count);
	}
	batch_sql(out, d);
}

int64_t
schema_day(int64_t us)
{
	return us / DAY_US - (us % DAY_US < 0);
}

/* YYYY-MM-DD */
static void
add_date(struct buf *out, int64_t day)
{
	size_t start = out->len;

	print_time(out, day * DAY_US);
	if (!out->failed)
		out->len = start + (size_t)((char *)memchr(out->data + start, 'T', out->len - start) - (out->data + start));
}

void
schema_partition_name(struct buf *out, const char *table, int64_t day)
{
	struct buf date = { 0 };
	const char *s;

	add_date(&date, day);
	buf_printf(out, "%s_", table);
	for (s = buf_cstr(&date); *s != '\0'; s++)
		if (*s != '-')
			buf_addc(out, *s);
	out->failed |= date.failed;
	buf_free(&date);
}

int
schema_partition_day(const char *name, const char *table, int64_t *day)
{
	size_t len = strlen(table);
	unsigned y, m, d;
	int end = 0;

	if (strncmp(name, table, len) != 0 || strlen(name) != len + 9 || name[len] != '_' ||
	    sscanf(name + len + 1, "%4u%2u%2u%n", &y, &m, &d, &end) != 3 || end != 8)
		return -1;
	*day = days_from_civil(y, m, d);
	return 0;
}

/*
 * Made by itself and attached then: that waits for nobody who reads or writes the table, as CREATE TABLE PARTITION OF would.
 */
void
schema_partition_sql(struct buf *out, const char *table, int64_t day)
{
	struct buf name = { 0 };

	schema_partition_name(&name, table, day);
	buf_printf(out, "CREATE TABLE \"%s\" (LIKE \"%s\" INCLUDING ALL);\nALTER TABLE \"%s\" ATTACH PARTITION \"%s\" FOR VALUES FROM ('",
		   buf_cstr(&name), table, table, buf_cstr(&name));
	add_date(out, day);
	buf_adds(out, " 00:00:00+00') TO ('");
	add_date(out, day + 1);
	buf_adds(out, " 00:00:00+00');\n");
	out->failed |= name.failed;
	buf_free(&name);
}
