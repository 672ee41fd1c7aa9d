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

bool
custom_name_ok(const char *name, size_t len)
{
	size_t i;

	if (len == 0 || len > CUSTOM_NAME_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	for (i = 1; i < len; i++)
		if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') || name[i] == '_'))
			return false;
	return true;
}
