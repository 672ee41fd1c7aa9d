/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "monitor/batch.h"
#include "monitor/tables.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The tables there are: those of store/schema.h and custom ones, which come as batches do.  Columns of a custom table
 * are only ever added, so the first n of them mean the same for as long as the catalog lives.  One thread may read in it what another adds.
 */
enum { CATALOG_CUSTOM_MAX = 200, CATALOG_TABLES_MAX = TABLE_COUNT + 1 + CATALOG_CUSTOM_MAX };

struct store_table {
	size_t index;			/* below CATALOG_TABLES_MAX */
	const char *name;
	const struct column *columns;
	bool custom;
};

struct catalog;

struct catalog *catalog_new(void);	/* NULL: no memory */
void catalog_free(struct catalog *c);	/* NULL is fine */
size_t catalog_count(struct catalog *c);
const struct store_table *catalog_table(struct catalog *c, size_t index);
size_t catalog_columns(struct catalog *c, const struct store_table *t);	/* how many there are now */

/*
 * The table for a batch, made or widened where it is a custom one.  *columns: how many columns it has then.  NULL: there is none and cannot
 * be, err says why (unknown type, names that are not allowed, too many); code ENOMEM: it was memory.
 */
const struct store_table *catalog_for(struct catalog *c, const struct batch *b, size_t *columns, struct err *err);
/* A column that a custom table has in the database.  -1: err, as above. */
int catalog_learn(struct catalog *c, const char *table, const char *column, enum column_type type, struct err *err);
