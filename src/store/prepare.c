/* SPDX-License-Identifier: MIT */
#include "store/backend.h"
#include "store/prepare.h"

#include "store/schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_SHOWN = 80,
	ASIDE_TEXT_MAX = 2 << 20 };	/* of rows that are printed, of one batch */

struct preparing {
	struct store_batch *b;
	struct buf bad;
	int64_t real_us;
};

static void
names(struct buf *out, const struct store_batch *b, int64_t ts_us, size_t fields)
{
	image_begin(out, fields);
	image_text(out, b->node, strlen(b->node));
	image_time(out, ts_us);
	image_int(out, (int64_t)b->epoch);
}

/* A name may be as long as a batch, and would be there once for each row. */
static size_t
short_name(const char *name)
{
	size_t i = strlen(name);

	for (i = i < NAME_MAX_SHOWN ? i : NAME_MAX_SHOWN; ((unsigned char)name[i] & 0xc0) == 0x80; i--)
		;
	return i;
}

void
quarantine_row(struct buf *out, const struct store_batch *b, int64_t real_us, const char *row, const char *reason)
{
	names(out, b, real_us, 2 + schema_table(TABLE_QUARANTINE)->column_count);
	image_int(out, (int64_t)b->seq);
	image_text(out, b->type, short_name(b->type));
	image_text(out, row, strlen(row));
	image_text(out, reason, strlen(reason));
}

void
batch_row(struct buf *out, const struct store_batch *b)
{
	image_begin(out, 1 + schema_batch.column_count);
	image_text(out, b->node, strlen(b->node));
	image_int(out, (int64_t)b->epoch);
	image_int(out, (int64_t)b->seq);
	image_time(out, b->ts_us);
	image_text(out, b->type, strlen(b->type));
	image_int(out, (int64_t)b->rows.rows);
}

const struct store_batch *
batch_of_gaps(const struct store_batch *from)
{
	while (from != NULL && (from->table == NULL || from->table->index != TABLE_GAP))
		from = from->next;
	return from;
}

static int
keep_bad(void *arg, const char *row, const char *reason)
{
	struct preparing *p = arg;

	quarantine_row(&p->bad, p->b, p->real_us, row, reason);
	p->b->refused++;
	return p->bad.failed ? -1 : 0;
}

/* A copy of exactly its size. */
static int
take_image(struct image *out, const struct buf *from, size_t rows)
{
	if (rows == 0)
		return 0;
	out->data = malloc(from->len);
	if (out->data == NULL)
		return -1;
	memcpy(out->data, from->data, from->len);
	out->len = from->len;
	out->rows = rows;
	return 0;
}

static struct store_batch *
new_batch(const struct batch *b)
{
	size_t node_len = b->node.text.len, type_len = b->type.text.len;
	struct store_batch *sb = calloc(1, sizeof(*sb) + node_len + type_len + 2);
	char *text = (char *)(sb + 1);

	if (sb == NULL)
		return NULL;
	memcpy(text, b->node.text.data, node_len);
	memcpy(text + node_len + 1, b->type.text.data, type_len);
	sb->node = text;
	sb->type = text + node_len + 1;
	sb->epoch = b->epoch;
	sb->seq = b->seq;
	sb->ts_us = b->ts_us;
	sb->bytes = sizeof(*sb) + node_len + type_len + 2;
	return sb;
}

static int
fill(struct preparing *p, struct buf *scratch, const struct batch *b, const struct store_table *t, size_t columns, const char *why)
{
	int64_t rows;

	buf_clear(scratch);
	rows = image_add_batch(scratch, b, t, columns, why, keep_bad, p);
	if (rows < 0 || take_image(&p->b->rows, scratch, (size_t)rows) < 0 ||
	    take_image(&p->b->quarantine, &p->bad, (size_t)p->b->refused) < 0)
		return -1;
	p->b->table = rows > 0 ? t : NULL;
	p->b->columns = columns;
	p->b->bytes += p->b->rows.len + p->b->quarantine.len;
	return 0;
}

struct store_batch *
prepare_batch(struct catalog *c, struct buf *scratch, const struct batch *b, int64_t real_us, int64_t oldest_day)
{
	struct preparing p = { .b = new_batch(b), .real_us = real_us };
	const struct store_table *t = NULL;
	int64_t day = schema_day(b->ts_us), ahead = day - schema_day(real_us);
	size_t columns = 0;
	struct err err = { 0 };
	int result;

	if (p.b == NULL)
		return NULL;
	p.b->came_us = real_us;
	if (day < oldest_day) {
		result = store_batch_gap(p.b, b->seq, b->seq, "retention");
	} else {
		if (day < 0)
			err_set(&err, 0, "its time lies before 1970");
		else if (ahead > AHEAD_DAYS)
			err_set(&err, 0, "its time lies %lld days ahead", (long long)ahead);
		else
			t = catalog_for(c, b, &columns, &err);
		result = err.code == ENOMEM ? -1 : fill(&p, scratch, b, t, columns, err.msg);
	}
	buf_free(&p.bad);
	if (result == 0)
		return p.b;
	store_batch_free(p.b);
	return NULL;
}

static void
print_aside(struct buf *out, const struct store_batch *b, int64_t real_us, const char *why)
{
	struct image_field fields[IMAGE_FIELDS_MAX];
	const char *at = b->rows.data;
	struct buf row = { 0 };
	size_t i, text = 0;

	for (i = 0; i < b->rows.rows; i++, text += row.len) {
		at = image_row(at, fields);
		buf_clear(&row);
		if (text < ASIDE_TEXT_MAX)
			image_print(&row, b->table, b->columns, fields);
		else
			buf_adds(&row, "null");
		quarantine_row(out, b, real_us, buf_cstr(&row), why);
		out->failed |= row.failed;
	}
	buf_free(&row);
}

int
prepare_aside(struct store_batch *b, int64_t real_us, const char *why)
{
	struct image all = { .rows = b->quarantine.rows + b->rows.rows };
	struct buf text = { 0 };

	if (b->rows.rows == 0)
		return 0;
	buf_add(&text, b->quarantine.data, b->quarantine.len);
	print_aside(&text, b, real_us, why);
	if (text.failed || take_image(&all, &text, all.rows) < 0) {
		buf_free(&text);
		return -1;
	}
	buf_free(&text);
	free(b->rows.data);
	free(b->quarantine.data);
	b->rows = (struct image){ 0 };
	b->quarantine = all;
	b->refused = all.rows;
	b->table = NULL;
	return 0;
}

int
store_batch_gap(struct store_batch *b, uint64_t first, uint64_t last, const char *reason)
{
	struct buf row = { 0 };
	char *data;

	names(&row, b, b->came_us, 2 + monitor_table(TABLE_GAP)->column_count);
	image_int(&row, (int64_t)first);
	image_int(&row, (int64_t)last);
	image_int(&row, (int64_t)(last - first + 1));
	image_text(&row, reason, strlen(reason));
	data = row.failed ? NULL : realloc(b->gaps.data, b->gaps.len + row.len);
	if (data != NULL) {
		memcpy(data + b->gaps.len, row.data, row.len);
		b->gaps = (struct image){ data, b->gaps.len + row.len, b->gaps.rows + 1 };
		b->bytes += row.len;
		if (b->told == 0 || first < b->told)
			b->told = first;
	}
	buf_free(&row);
	return data ? 0 : -1;
}

void
store_batch_free(struct store_batch *b)
{
	if (b == NULL)
		return;
	free(b->rows.data);
	free(b->quarantine.data);
	free(b->gaps.data);
	free(b);
}
