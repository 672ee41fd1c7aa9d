/* SPDX-License-Identifier: MIT */
#include "monitor/tables.h"

#include <string.h>

#define X(column, kind) { #column, COLUMN_##kind },
static const struct column node_columns[] = { NODE_COLUMNS(X) };
static const struct column prc_columns[] = { PRC_COLUMNS(X) };
static const struct column app_top_columns[] = { APP_TOP_COLUMNS(X) };
static const struct column fun_top_columns[] = { FUN_TOP_COLUMNS(X) };
static const struct column node_status_columns[] = { NODE_STATUS_COLUMNS(X) };
static const struct column event_columns[] = { EVENT_COLUMNS(X) };
static const struct column incident_columns[] = { INCIDENT_COLUMNS(X) };
static const struct column suspect_columns[] = { SUSPECT_COLUMNS(X) };
static const struct column gap_columns[] = { GAP_COLUMNS(X) };
#undef X

static const struct table tables[TABLE_COUNT] = {
#define X(id, name) [TABLE_##id] = { #name, name##_columns, sizeof(name##_columns) / sizeof(name##_columns[0]) },
	MONITOR_TABLES(X)
#undef X
};

const struct table *
monitor_table(enum monitor_table t)
{
	return &tables[t];
}

const struct table *
monitor_table_by_name(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < TABLE_COUNT; i++)
		if (strlen(tables[i].name) == len && memcmp(tables[i].name, name, len) == 0)
			return &tables[i];
	return NULL;
}

/* Of PostgreSQL and SQLite, which a table cannot have, or which mean something else then. */
static bool
is_system_column(const char *name, size_t len)
{
	static const char *const names[] = { "cmax", "cmin", "ctid", "oid", "rowid", "tableoid", "xmax", "xmin" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	return false;
}

/* As store/schema.c names partitions and indexes, and PostgreSQL the indexes of partitions. */
static bool
is_made_name(const char *name, size_t len)
{
	static const char index[] = "_node_ts";
	size_t i, n = sizeof(index) - 1;

	for (i = 0; i + n <= len; i++)
		if (memcmp(name + i, index, n) == 0)
			return true;
	for (i = 0; i < 8 && i < len && name[len - 1 - i] >= '0' && name[len - 1 - i] <= '9'; i++)
		;
	return i == 8 && len > 8 && name[len - 9] == '_';
}

bool
custom_name_ok(const char *name, size_t len)
{
	size_t i;

	if (len == 0 || len > CUSTOM_NAME_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	for (i = 1; i < len; i++)
		if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') || name[i] == '_'))
			return false;
	return !is_system_column(name, len) && !is_made_name(name, len);
}
