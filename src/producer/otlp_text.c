/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "producer/otlp_text.h"

#include "monitor/tables.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* What a table's rows are told apart by; the rest of its numbers are gauges, but those that are names in themselves. */
static const struct gauges {
	const char *table;
	const char *labels[4];
	const char *skipped[4];
} gauges[] = {
	{ "node", { NULL }, { NULL } },
	{ "app_top", { "application" }, { NULL } },
	{ "prc", { "application", "name", "pid" }, { "started", "parent", "uid" } },
};

static bool
is_text(const struct cell *c, const char *s)
{
	return c->type == CELL_TEXT && c->text.len == strlen(s) && memcmp(c->text.data, s, c->text.len) == 0;
}

static bool
is_one_of(const struct cell *c, const char *const names[4])
{
	size_t i;

	for (i = 0; i < 4 && names[i] != NULL; i++)
		if (is_text(c, names[i]))
			return true;
	return false;
}

static bool
is_number(const struct cell *c)
{
	return c->type == CELL_INT || (c->type == CELL_REAL && isfinite(c->d));
}

static void
add_text(struct buf *out, const char *data, size_t len)
{
	struct buf text = { 0 };

	buf_add(&text, data, len);
	buf_add_json(out, buf_cstr(&text));
	out->failed = out->failed || text.failed;
	buf_free(&text);
}

static void
add_attribute(struct buf *out, const char *between, const struct cell *column, const struct cell *value)
{
	buf_printf(out, "%s{\"key\":", between);
	add_text(out, column->text.data, column->text.len);
	buf_adds(out, ",\"value\":{");
	if (value->type == CELL_TEXT) {
		buf_adds(out, "\"stringValue\":");
		add_text(out, value->text.data, value->text.len);
	} else {
		buf_printf(out, "\"intValue\":\"%" PRId64 "\"", value->i);
	}
	buf_adds(out, "}}");
}

/* A gauge keeps its type: what its column is, not how its value happens to be written ("0"). */
static bool
is_whole(const struct gauges *g, const struct cell *name)
{
	const struct table *t = monitor_table_by_name(g->table, strlen(g->table));
	size_t i;

	for (i = 0; i < t->column_count; i++)
		if (is_text(name, t->columns[i].name))
			return t->columns[i].type == COLUMN_INT;
	return false;
}

static void
add_point(struct buf *out, const char *between, const struct batch *b, const struct gauges *g, size_t row, size_t column)
{
	const struct cell *cells = b->cells + row * b->column_count, *value = &cells[column];
	const char *comma = "";
	size_t i;

	buf_printf(out, "%s{\"timeUnixNano\":\"%" PRId64 "000\",", between, b->ts_us);
	if (value->type == CELL_INT && is_whole(g, &b->columns[column]))
		buf_printf(out, "\"asInt\":\"%" PRId64 "\"", value->i);
	else
		buf_printf(out, "\"asDouble\":%.15g", value->type == CELL_INT ? (double)value->i : value->d);
	buf_adds(out, ",\"attributes\":[");
	for (i = 0; i < b->column_count; i++) {
		if (!is_one_of(&b->columns[i], g->labels) || (cells[i].type != CELL_TEXT && cells[i].type != CELL_INT))
			continue;
		add_attribute(out, comma, &b->columns[i], &cells[i]);
		comma = ",";
	}
	buf_adds(out, "]}");
}

static void
add_metric(struct buf *out, const struct batch *b, const struct gauges *g, size_t column)
{
	const char *between = "";
	size_t row;

	for (row = 0; row < b->row_count; row++) {
		if (!is_number(&b->cells[row * b->column_count + column]))
			continue;
		if (*between == '\0')
			buf_printf(out, "%s{\"name\":\"appctl.%s.%.*s\",\"gauge\":{\"dataPoints\":[",
				   out->data[out->len - 1] == '[' ? "" : ",", g->table, (int)b->columns[column].text.len,
				   b->columns[column].text.data);
		add_point(out, between, b, g, row, column);
		between = ",";
	}
	if (*between != '\0')
		buf_adds(out, "]}}");
}

void
otlp_text_begin(struct buf *out, const char *node)
{
	buf_adds(out, "{\"resourceMetrics\":[{\"resource\":{\"attributes\":["
		      "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"appctl\"}},"
		      "{\"key\":\"host.name\",\"value\":{\"stringValue\":");
	buf_add_json(out, node);
	buf_adds(out, "}}]},\"scopeMetrics\":[{\"scope\":{\"name\":\"appctl-producer\",\"version\":\"" PACKAGE_VERSION "\"},\"metrics\":[");
}

void
otlp_text_add(struct buf *out, const struct batch *b)
{
	size_t i, column;

	for (i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		if (!is_text(&b->type, gauges[i].table))
			continue;
		for (column = 0; column < b->column_count && !out->failed; column++)
			if (!is_one_of(&b->columns[column], gauges[i].labels) && !is_one_of(&b->columns[column], gauges[i].skipped))
				add_metric(out, b, &gauges[i], column);
	}
}

void
otlp_text_end(struct buf *out)
{
	buf_adds(out, "]}]}]}");
}
