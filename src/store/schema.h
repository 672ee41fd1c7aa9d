/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "monitor/tables.h"

#include <stddef.h>
#include <stdint.h>

/*
 * How what the monitor collects lies in a database, as SQL text, generated from monitor/tables.h.  Pure.
 *
 * Each table has node and ts before its own columns.  PostgreSQL: node text, ts timestamptz, bigint, double precision, text,
 * boolean, timestamptz; partitioned by day of ts (UTC), partitions TABLE_YYYYMMDD.  SQLite: TEXT, INTEGER, REAL; times
 * are microseconds since 1970 (UTC), truth values 0 and 1.
 *
 * Two tables of the database's own come to those of the monitor:
 *
 *	batch		node, epoch, seq, ts, type, rows; primary key (node, epoch, seq): what has been stored, written in the
 *			transaction of its rows.  Not partitioned; what is behind the retention goes, but never the highest seq.
 *	quarantine	node, ts (of the storing), epoch, seq, "table", "row" (JSON), reason: rows that could not be stored.
 *
 * Indexes: (node, ts) on every table, (node, pid, ts) on prc, (node, epoch, first_seq) on gap.  So these are fast:
 *
 *	what is now:	SELECT * FROM prc WHERE node = $1 AND ts = (SELECT max(ts) FROM prc WHERE node = $1)
 *	history:	SELECT * FROM prc WHERE node = $1 AND pid = $2 AND ts > $3 ORDER BY ts
 *
 * and so is every query of one node over a span of time.  Without a node PostgreSQL reads the partitions of the days asked for.
 */
enum dialect { DIALECT_POSTGRES, DIALECT_SQLITE };

/* The monitor's tables and quarantine. */
enum { SCHEMA_TABLE_COUNT = TABLE_COUNT + 1, TABLE_QUARANTINE = TABLE_COUNT };
const struct table *schema_table(size_t i);
extern const struct table schema_batch;		/* its columns behind node; not one of the above */

const char *schema_type(enum dialect d, enum column_type t);	/* as the database itself calls it */

/* All tables and columns that are missing: may be executed again and again. */
void schema_sql(struct buf *out, enum dialect d);
/* One table with its indexes, columns that are missing included. */
void schema_table_sql(struct buf *out, enum dialect d, const char *name, const struct column *columns, size_t count);
/* The partition of a day; it must not be there. */
void schema_partition_sql(struct buf *out, const char *table, int64_t day);

/* Days since 1970 of a time, also before that. */
int64_t schema_day(int64_t us);
void schema_partition_name(struct buf *out, const char *table, int64_t day);
/* The day of a partition's name, its table's name before it; -1: no such name. */
int schema_partition_day(const char *name, const char *table, int64_t *day);
/* "name", as an identifier. */
void schema_name(struct buf *out, const char *name);
