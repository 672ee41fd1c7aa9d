/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "appctl/monitor_rows.h"

#include "store/query.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct source {
	struct query_db *db;
};

struct source *
source_open(const char *database, bool *strange, struct err *err)
{
	struct source *s = calloc(1, sizeof(*s));
	bool there = false;

	*strange = false;
	if (s == NULL) {
		err_set(err, ENOMEM, "%s", database);
		return NULL;
	}
	s->db = query_open(database, err);
	if (s->db != NULL && query_has_table(s->db, schema_batch.name, &there, err) == 0) {
		if (there)
			return s;
		*strange = true;
		err_set(err, 0, "that database has no tables of the monitor: %s", database);
	}
	source_close(s);
	return NULL;
}

void
source_close(struct source *s)
{
	if (s == NULL)
		return;
	query_close(s->db);
	free(s);
}

static int
add_name(void *arg, const char *const *values, size_t count)
{
	return count > 0 && values[0] != NULL ? json_array_append_new(arg, json_string(values[0])) : -1;
}

json_t *
source_nodes(struct source *s, struct err *err)
{
	/* From name to name along the index: how many batches there are does not matter. */
	static const char sql[] =
		"WITH RECURSIVE n(node) AS (SELECT min(node) FROM batch UNION ALL"
		" SELECT (SELECT min(b.node) FROM batch b WHERE b.node > n.node) FROM n WHERE n.node IS NOT NULL)"
		" SELECT node FROM n WHERE node IS NOT NULL ORDER BY node";
	json_t *names = json_array();

	if (names != NULL && query_run(s->db, sql, NULL, 0, add_name, names, err) == 0)
		return names;
	json_decref(names);
	return NULL;
}

/* --- rows --- */

enum { PARAMS_MAX = 5, NUMBER_LEN = 32 };

struct question {
	struct source *s;
	const struct table *table;
	struct buf sql;
	const char *params[PARAMS_MAX];
	char numbers[PARAMS_MAX][NUMBER_LEN], names[PARAMS_MAX][8];
	size_t param_count;
	json_t *rows;
};

/* The name of a new parameter, "$2". */
static const char *
param(struct question *q, const char *value)
{
	size_t i = q->param_count++;

	q->params[i] = value;
	snprintf(q->names[i], sizeof(q->names[i]), "$%zu", i + 1);
	return q->names[i];
}

static const char *
number_param(struct question *q, double value)
{
	char *text = q->numbers[q->param_count];

	snprintf(text, NUMBER_LEN, "%.6f", value);
	return param(q, text);
}

static void
add_columns(struct question *q)
{
	size_t i;
	char name[64];

	buf_adds(&q->sql, "SELECT node, ");
	query_add_seconds(q->s->db, &q->sql, "ts");
	for (i = 0; i < q->table->column_count; i++) {
		buf_adds(&q->sql, ", ");
		snprintf(name, sizeof(name), "\"%s\"", q->table->columns[i].name);
		if (q->table->columns[i].type == COLUMN_TIME)
			query_add_seconds(q->s->db, &q->sql, name);
		else
			buf_adds(&q->sql, name);
	}
	buf_printf(&q->sql, " FROM \"%s\" WHERE 1 = 1", q->table->name);
}

static void
add_conditions(struct question *q, const struct asked *a)
{
	const char *node = a->node ? param(q, a->node) : NULL, *until = a->until > 0 ? number_param(q, a->until) : NULL;

	if (node != NULL)
		buf_printf(&q->sql, " AND node = %s", node);
	if (a->pid != NULL)
		buf_printf(&q->sql, " AND pid = %s", param(q, a->pid));
	if (a->since > 0) {
		buf_adds(&q->sql, " AND ts >= ");
		query_add_time(q->s->db, &q->sql, number_param(q, a->since));
	}
	if (a->latest)
		buf_printf(&q->sql, " AND ts = (SELECT max(ts) FROM \"%s\" WHERE node = %s", q->table->name, node ? node : "node");
	if (until != NULL) {
		buf_adds(&q->sql, " AND ts <= ");
		query_add_time(q->s->db, &q->sql, until);
	}
	buf_adds(&q->sql, a->latest ? ")" : "");
}

static json_t *
value_of(enum column_type type, const char *text)
{
	if (text == NULL)
		return json_null();
	switch (type) {
	case COLUMN_INT:
		return json_integer(strtoll(text, NULL, 10));
	case COLUMN_REAL:
	case COLUMN_TIME:
		return json_real(strtod(text, NULL));
	case COLUMN_BOOL:
		return json_boolean(*text == 't' || *text == '1');
	default:
		return json_string(text);
	}
}

static int
add_row(void *arg, const char *const *values, size_t count)
{
	struct question *q = arg;
	json_t *row = json_object();
	size_t i;

	if (row == NULL || count != q->table->column_count + 2 || json_object_set_new(row, "node", value_of(COLUMN_TEXT, values[0])) < 0 ||
	    json_object_set_new(row, "ts", value_of(COLUMN_REAL, values[1])) < 0) {
		json_decref(row);
		return -1;
	}
	for (i = 0; i < q->table->column_count; i++)
		if (json_object_set_new(row, q->table->columns[i].name, value_of(q->table->columns[i].type, values[i + 2])) < 0) {
			json_decref(row);
			return -1;
		}
	return json_array_append_new(q->rows, row);
}

/* The last ones come first where their number is limited. */
static void
turn_round(json_t *rows)
{
	size_t i, n = json_array_size(rows);
	json_t *a;

	for (i = 0; i < n / 2; i++) {
		a = json_incref(json_array_get(rows, i));
		json_array_set(rows, i, json_array_get(rows, n - 1 - i));
		json_array_set_new(rows, n - 1 - i, a);
	}
}

json_t *
source_rows(struct source *s, const char *table, const struct asked *a, struct err *err)
{
	struct question q = { .s = s, .table = monitor_table_by_name(table, strlen(table)), .rows = json_array() };
	bool is_event = q.table == monitor_table(TABLE_EVENT);
	int r = -1;

	add_columns(&q);
	add_conditions(&q, a);
	buf_printf(&q.sql, is_event ? " ORDER BY ts %1$s, \"number\" %1$s" : " ORDER BY ts %s", a->limit ? "DESC" : "");
	if (a->limit > 0)
		buf_printf(&q.sql, " LIMIT %u", a->limit);
	if (q.sql.failed || q.rows == NULL)
		err_set(err, ENOMEM, "query");
	else
		r = query_run(s->db, buf_cstr(&q.sql), q.params, q.param_count, add_row, &q, err);
	buf_free(&q.sql);
	if (r == 0 && a->limit > 0)
		turn_round(q.rows);
	if (r == 0)
		return q.rows;
	json_decref(q.rows);
	return NULL;
}
