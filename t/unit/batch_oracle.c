/* SPDX-License-Identifier: MIT */
#include "batch_oracle.h"

#include "core/date.h"
#include "monitor/batch.h"

#include <jansson.h>
#include <string.h>

static bool
is_text(const struct cell *c, const json_t *j)
{
	return c->type == CELL_TEXT && json_is_string(j) && json_string_length(j) == c->text.len &&
	       memcmp(json_string_value(j), c->text.data, c->text.len) == 0;
}

static bool
same(const struct cell *c, const json_t *j)
{
	switch (c->type) {
	case CELL_NULL:
		return json_is_null(j);
	case CELL_FALSE:
		return json_is_false(j);
	case CELL_TRUE:
		return json_is_true(j);
	case CELL_INT:
		return json_is_integer(j) && json_integer_value(j) == c->i;
	case CELL_REAL:
		return json_is_real(j) && json_real_value(j) == c->d;
	case CELL_TEXT:
		return is_text(c, j);
	}
	return false;
}

/* What jansson read, by the rules that make an object a batch. */
static bool
has_name(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	return json_string_length(v) > 0 && strlen(json_string_value(v)) == json_string_length(v);
}

static bool
has_row(const json_t *row, size_t width)
{
	const json_t *v;
	size_t i;

	if (!json_is_array(row) || json_array_size(row) != width)
		return false;
	for (i = 0; i < width; i++) {
		v = json_array_get(row, i);
		if (json_is_array(v) || json_is_object(v))
			return false;
	}
	return true;
}

static bool
is_batch(const json_t *j)
{
	const json_t *columns = json_object_get(j, "columns"), *rows = json_object_get(j, "rows"), *ts = json_object_get(j, "ts");
	size_t i, width = json_array_size(columns);
	int64_t us;

	if (json_object_size(j) != 7 || !has_name(j, "type") || !has_name(j, "node") || !json_is_array(rows) ||
	    json_integer_value(json_object_get(j, "epoch")) < 1 || json_integer_value(json_object_get(j, "seq")) < 1 ||
	    !json_is_string(ts) || !read_time(json_string_value(ts), json_string_length(ts), &us) || width < 1 ||
	    width > BATCH_COLUMNS_MAX || json_array_size(rows) > BATCH_ROWS_MAX)
		return false;
	for (i = 0; i < width; i++)
		if (!json_is_string(json_array_get(columns, i)))
			return false;
	for (i = 0; i < json_array_size(rows); i++)
		if (!has_row(json_array_get(rows, i), width))
			return false;
	return true;
}

static const char *
differs(const struct batch *b, const json_t *j)
{
	const json_t *columns = json_object_get(j, "columns"), *rows = json_object_get(j, "rows");
	size_t i, k;

	if (!is_text(&b->type, json_object_get(j, "type")) || !is_text(&b->node, json_object_get(j, "node")))
		return "type or node";
	if ((json_int_t)b->epoch != json_integer_value(json_object_get(j, "epoch")) ||
	    (json_int_t)b->seq != json_integer_value(json_object_get(j, "seq")))
		return "epoch or seq";
	if (b->column_count != json_array_size(columns) || b->row_count != json_array_size(rows))
		return "size";
	for (i = 0; i < b->column_count; i++)
		if (!same(&b->columns[i], json_array_get(columns, i)))
			return "a column's name";
	for (i = 0; i < b->row_count; i++)
		for (k = 0; k < b->column_count; k++)
			if (!same(&b->cells[i * b->column_count + k], json_array_get(json_array_get(rows, i), k)))
				return "a value";
	return NULL;
}

const char *
batch_differs(const char *text, size_t len, bool *taken)
{
	static struct batch b;
	const char *result = NULL;
	struct err err = { 0 };
	json_error_t error;
	json_t *j;

	/* jansson passes over a NUL behind a number. */
	j = memchr(text, '\0', len) == NULL ? json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error) : NULL;
	*taken = batch_read(&b, text, len, &err) == 0;
	if (j == NULL && memchr(text, '\0', len) == NULL && json_error_code(&error) == json_error_numeric_overflow)
		return NULL;			/* we read such a number as a real one */
	if (*taken != (j != NULL && is_batch(j)))
		result = *taken ? "taken, and is none" : "not taken";
	else if (*taken)
		result = differs(&b, j);
	json_decref(j);
	return result;
}
