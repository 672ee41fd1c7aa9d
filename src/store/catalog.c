/* SPDX-License-Identifier: MIT */
#include "store/catalog.h"

#include "store/schema.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct store_table table;
	size_t column_count;
	/* of a custom table */
	char name[sizeof(CUSTOM_PREFIX) + CUSTOM_NAME_MAX];
	char names[CUSTOM_COLUMNS_MAX][CUSTOM_NAME_MAX + 1];
	struct column columns[CUSTOM_COLUMNS_MAX];
};

struct catalog {
	pthread_mutex_t lock;
	struct entry *v[CATALOG_TABLES_MAX];
	size_t count;
};

static struct entry *
add(struct catalog *c)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->table.index = c->count;
	c->v[c->count++] = e;
	return e;
}

struct catalog *
catalog_new(void)
{
	struct catalog *c = calloc(1, sizeof(*c));
	const struct table *t;
	struct entry *e;
	size_t i;

	if (c == NULL)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	for (i = 0; i < SCHEMA_TABLE_COUNT; i++) {
		t = schema_table(i);
		e = add(c);
		if (e == NULL) {
			catalog_free(c);
			return NULL;
		}
		e->table.name = t->name;
		e->table.columns = t->columns;
		e->column_count = t->column_count;
	}
	return c;
}

void
catalog_free(struct catalog *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < c->count; i++)
		free(c->v[i]);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

size_t
catalog_count(struct catalog *c)
{
	size_t n;

	pthread_mutex_lock(&c->lock);
	n = c->count;
	pthread_mutex_unlock(&c->lock);
	return n;
}

const struct store_table *
catalog_table(struct catalog *c, size_t index)
{
	return &c->v[index]->table;
}

size_t
catalog_columns(struct catalog *c, const struct store_table *t)
{
	size_t n;

	pthread_mutex_lock(&c->lock);
	n = c->v[t->index]->column_count;
	pthread_mutex_unlock(&c->lock);
	return n;
}

static struct entry *
find(struct catalog *c, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < c->count; i++)
		if (strlen(c->v[i]->table.name) == len && memcmp(c->v[i]->table.name, name, len) == 0)
			return c->v[i];
	return NULL;
}

/* The custom table of that name, made where there is none. */
static struct entry *
custom(struct catalog *c, const char *name, size_t len, struct err *err)
{
	const size_t prefix = sizeof(CUSTOM_PREFIX) - 1;
	struct entry *e = find(c, name, len);

	if (e != NULL)
		return e;
	if (len <= prefix || memcmp(name, CUSTOM_PREFIX, prefix) != 0 || !custom_name_ok(name + prefix, len - prefix)) {
		err_set(err, 0, "there is no table of that name");
		return NULL;
	}
	if (c->count == CATALOG_TABLES_MAX) {
		err_set(err, 0, "there are %d custom tables already", CATALOG_CUSTOM_MAX);
		return NULL;
	}
	e = add(c);
	if (e == NULL) {
		err_set(err, ENOMEM, "a custom table");
		return NULL;
	}
	snprintf(e->name, sizeof(e->name), "%.*s", (int)len, name);
	e->table.name = e->name;
	e->table.columns = e->columns;
	e->table.custom = true;
	return e;
}

static bool
has_column(const struct entry *e, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < e->column_count; i++)
		if (strlen(e->columns[i].name) == len && memcmp(e->columns[i].name, name, len) == 0)
			return true;
	return false;
}

static int
add_column(struct entry *e, const char *name, size_t len, enum column_type type, struct err *err)
{
	size_t n = e->column_count;

	if (!custom_name_ok(name, len) || (len == 4 && memcmp(name, "node", 4) == 0) || (len == 2 && memcmp(name, "ts", 2) == 0))
		return err_set(err, 0, "a column of that name is not possible: %.*s", (int)(len < 60 ? len : 60), name);
	if (n == CUSTOM_COLUMNS_MAX)
		return err_set(err, 0, "it has %d columns already", CUSTOM_COLUMNS_MAX);
	memcpy(e->names[n], name, len);
	e->columns[n] = (struct column){ e->names[n], type };
	e->column_count++;
	return 0;
}

/* What the first value that is there says; false: there is none in the whole column. */
static bool
type_of_column(const struct batch *b, size_t column, enum column_type *type)
{
	size_t i;

	for (i = 0; i < b->row_count; i++) {
		switch (b->cells[i * b->column_count + column].type) {
		case CELL_NULL:
			continue;
		case CELL_FALSE:
		case CELL_TRUE:
			*type = COLUMN_BOOL;
			return true;
		case CELL_TEXT:
			*type = COLUMN_TEXT;
			return true;
		default:
			*type = COLUMN_REAL;
			return true;
		}
	}
	return false;
}

static int
widen(struct entry *e, const struct batch *b, struct err *err)
{
	enum column_type type;
	const struct cell *name;
	size_t i;

	for (i = 0; i < b->column_count; i++) {
		name = &b->columns[i];
		if (!has_column(e, name->text.data, name->text.len) && type_of_column(b, i, &type) &&
		    add_column(e, name->text.data, name->text.len, type, err) < 0)
			return -1;
	}
	return 0;
}

const struct store_table *
catalog_for(struct catalog *c, const struct batch *b, size_t *columns, struct err *err)
{
	struct entry *e;

	pthread_mutex_lock(&c->lock);
	e = custom(c, b->type.text.data, b->type.text.len, err);
	if (e != NULL && e->table.index == TABLE_QUARANTINE) {
		err_set(err, 0, "there is no table of that name");
		e = NULL;
	}
	if (e != NULL && e->table.custom && widen(e, b, err) < 0)
		e = NULL;
	if (e != NULL)
		*columns = e->column_count;
	pthread_mutex_unlock(&c->lock);
	return e ? &e->table : NULL;
}

int
catalog_learn(struct catalog *c, const char *table, const char *column, enum column_type type, struct err *err)
{
	struct entry *e;
	int result = -1;

	pthread_mutex_lock(&c->lock);
	e = custom(c, table, strlen(table), err);
	if (e != NULL)
		result = has_column(e, column, strlen(column)) ? 0 : add_column(e, column, strlen(column), type, err);
	pthread_mutex_unlock(&c->lock);
	return result;
}
