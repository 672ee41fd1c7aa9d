/* SPDX-License-Identifier: MIT */
#pragma once

#include "store/backend.h"
#include "store/pq.h"

#include <stdint.h>

/* Inside the PostgreSQL back-end: pg.c knows what the database has, pg_write.c writes. */
struct pg_days {
	int64_t *v;			/* ascending */
	size_t count, cap;
};

struct backend {
	struct pq q;
	const char *conninfo;
	struct catalog *catalog;
	struct buf sql;
	bool exists[CATALOG_TABLES_MAX];
	uint64_t made[CATALOG_TABLES_MAX];	/* which columns of a custom table: one bit for each */
	struct pg_days days[CATALOG_TABLES_MAX];	/* that have a partition */
};

/* Carries out what lies in b->sql and empties it. */
int pg_do(struct backend *b, struct err *err);
/* Sees that tables are as they have to be and learns what there is. */
int pg_look(struct backend *b, struct err *err);
/* Makes what the batches need: custom tables, columns, partitions. */
int pg_make_room(struct backend *b, const struct store_batch *list, int64_t real_us, struct err *err);
int pg_write(struct backend *b, struct store_batch *list, int64_t real_us, struct err *err);
