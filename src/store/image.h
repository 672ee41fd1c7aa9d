/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "monitor/batch.h"
#include "store/catalog.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Rows as PostgreSQL's COPY BINARY takes them: for each row a count of fields (16 bits), for each field its length (32 bits; -1: null)
 * and its bytes, big-endian; node and ts first.  SQLite is fed from the same.  Pure.
 */
struct image {
	char *data;
	size_t len, rows;
};

enum { IMAGE_FIELDS_MAX = BATCH_COLUMNS_MAX + 2 };

/* A row that no table takes: as JSON, with the reason; null where a batch has more of them than is reasonable. */
typedef int image_bad_fn(void *arg, const char *row, const char *reason);

/*
 * Appends the rows of b for a table of which there are so many columns.  Rows that do not fit go to bad(); so do all where t is NULL, why
 * being the reason.  Returns how many were appended; -1: no memory, or bad() said so.
 */
int64_t image_add_batch(struct buf *out, const struct batch *b, const struct store_table *t, size_t columns, const char *why,
	image_bad_fn *bad, void *arg);

/* One row by hand: begin, then its fields. */
void image_begin(struct buf *out, size_t fields);
void image_int(struct buf *out, int64_t i);
void image_time(struct buf *out, int64_t us);
void image_text(struct buf *out, const char *text, size_t len);

/* Reading.  image_row() gives the fields of the row at `at`, and where the next one begins. */
struct image_field {
	const char *data;
	int32_t len;			/* -1: null */
};
const char *image_row(const char *at, struct image_field fields[IMAGE_FIELDS_MAX]);
int64_t image_int_of(const struct image_field *f);
int64_t image_time_of(const struct image_field *f);	/* microseconds since 1970 */
double image_real_of(const struct image_field *f);
/* The row as JSON, without what is null. */
void image_print(struct buf *out, const struct store_table *t, size_t columns, const struct image_field *fields);
