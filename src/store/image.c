/* SPDX-License-Identifier: MIT */
#include "store/image.h"

#include "core/date.h"
#include "core/event.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* PostgreSQL counts time from 2000-01-01. */
#define EPOCH_2000_US INT64_C(946684800000000)

enum {
	NOT_SENT = 0xffff,
	BAD_TEXT_MAX = 2 << 20,		/* of rows that no table takes, of one batch: names are written again for each */
};

static inline char *
put16(char *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, 2);
	return p + 2;
}

static inline char *
put32(char *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, 4);
	return p + 4;
}

static inline char *
put64(char *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p + 4, &v, 8);
	put32(p, 8);
	return p + 12;
}

static inline char *
put_text(char *p, const char *text, size_t len)
{
	p = put32(p, (uint32_t)len);
	memcpy(p, text, len);
	return p + len;
}

void
image_begin(struct buf *out, size_t fields)
{
	char *p = buf_reserve(out, 2);

	if (p != NULL)
		out->len += (size_t)(put16(p, (uint16_t)fields) - p);
}

void
image_int(struct buf *out, int64_t i)
{
	char *p = buf_reserve(out, 12);

	if (p != NULL)
		out->len += (size_t)(put64(p, (uint64_t)i) - p);
}

void
image_time(struct buf *out, int64_t us)
{
	image_int(out, us - EPOCH_2000_US);
}

void
image_text(struct buf *out, const char *text, size_t len)
{
	char *p = buf_reserve(out, 4 + len);

	if (p != NULL)
		out->len += (size_t)(put_text(p, text, len) - p);
}

/* --- A batch's rows --------------------------------------------------------- */

struct adding {
	struct buf *out;
	const struct batch *b;
	const struct store_table *t;
	size_t columns;
	uint16_t from[BATCH_COLUMNS_MAX];	/* where a column's value stands in a row */
	char reason[160];
	size_t bad_len;
};

static size_t
column_by_name(const struct adding *a, const struct cell *name, size_t likely)
{
	size_t i, k;

	for (i = 0; i < a->columns; i++) {
		k = (likely + i) % a->columns;
		if (strlen(a->t->columns[k].name) == name->text.len &&
		    memcmp(a->t->columns[k].name, name->text.data, name->text.len) == 0)
			return k;
	}
	return NOT_SENT;
}

static bool
all_null(const struct batch *b, size_t column)
{
	size_t i;

	for (i = 0; i < b->row_count; i++)
		if (b->cells[i * b->column_count + column].type != CELL_NULL)
			return false;
	return true;
}

/* false: reason says which column there is no place for. */
static bool
match_columns(struct adding *a)
{
	const struct batch *b = a->b;
	size_t i, at = 0;

	for (i = 0; i < a->columns; i++)
		a->from[i] = NOT_SENT;
	for (i = 0; i < b->column_count; i++) {
		at = column_by_name(a, &b->columns[i], at);
		if (at == NOT_SENT && all_null(b, i)) {
			at = 0;
			continue;
		}
		if (at == NOT_SENT || a->from[at] != NOT_SENT) {
			snprintf(a->reason, sizeof(a->reason), "column %.*s %s", (int)(b->columns[i].text.len < 60 ? b->columns[i].text.len : 60),
				 b->columns[i].text.data, at == NOT_SENT ? "is not known" : "comes twice");
			return false;
		}
		a->from[at++] = (uint16_t)i;
	}
	return true;
}

/* The field for a value; NULL: it does not fit the column. */
static inline char *
put_cell(char *p, enum column_type type, const struct cell *c)
{
	int64_t us;
	union { double d; uint64_t u; } bits;

	if (c->type == CELL_NULL)
		return put32(p, UINT32_MAX);
	switch (type) {
	case COLUMN_INT:
		if (c->type == CELL_INT)
			return put64(p, (uint64_t)c->i);
		if (c->type == CELL_REAL && c->d >= -0x1p63 && c->d < 0x1p63 && floor(c->d) == c->d)
			return put64(p, (uint64_t)(int64_t)c->d);
		return NULL;
	case COLUMN_REAL:
		if (c->type != CELL_INT && c->type != CELL_REAL)
			return NULL;
		bits.d = c->type == CELL_INT ? (double)c->i : c->d;
		return put64(p, bits.u);
	case COLUMN_TEXT:
		if (c->type != CELL_TEXT || memchr(c->text.data, '\0', c->text.len) != NULL)
			return NULL;
		return put_text(p, c->text.data, c->text.len);
	case COLUMN_BOOL:
		if (c->type != CELL_TRUE && c->type != CELL_FALSE)
			return NULL;
		p = put32(p, 1);
		*p = c->type == CELL_TRUE;
		return p + 1;
	case COLUMN_TIME:
		if (c->type != CELL_TEXT || !read_time(c->text.data, c->text.len, &us))
			return NULL;
		return put64(p, (uint64_t)(us - EPOCH_2000_US));
	}
	return NULL;
}

static void
say_misfit(struct adding *a, const struct column *column)
{
	static const char *const wanted[] = {
		[COLUMN_INT] = "a whole number of 64 bits", [COLUMN_REAL] = "a number", [COLUMN_TEXT] = "a text without NUL",
		[COLUMN_BOOL] = "true or false", [COLUMN_TIME] = "a time",
	};

	snprintf(a->reason, sizeof(a->reason), "column %s wants %s", column->name, wanted[column->type]);
}

/* 1: appended; 0: it does not fit, reason says why; -1: no memory. */
static int
add_row(struct adding *a, const struct cell *row)
{
	const struct batch *b = a->b;
	size_t i, most = 2 + 4 + b->node.text.len + 12 + a->columns * 12;
	char *start, *p, *next;

	for (i = 0; i < b->column_count; i++)
		most += row[i].type == CELL_TEXT ? row[i].text.len : 0;
	start = buf_reserve(a->out, most);
	if (start == NULL)
		return -1;
	p = put16(start, (uint16_t)(a->columns + 2));
	p = put_text(p, b->node.text.data, b->node.text.len);
	p = put64(p, (uint64_t)(b->ts_us - EPOCH_2000_US));
	for (i = 0; i < a->columns; i++) {
		next = a->from[i] == NOT_SENT ? put32(p, UINT32_MAX) : put_cell(p, a->t->columns[i].type, &row[a->from[i]]);
		if (next == NULL) {
			say_misfit(a, &a->t->columns[i]);
			return 0;
		}
		p = next;
	}
	a->out->len += (size_t)(p - start);
	return 1;
}

/* --- Rows as JSON ----------------------------------------------------------- */

/* Without NUL. */
static void
print_piece(struct buf *out, const char *text, size_t len)
{
	struct buf piece = { 0 };
	size_t start = out->len;

	buf_add(&piece, text, len);
	buf_add_json(out, buf_cstr(&piece));
	out->failed |= piece.failed;
	buf_free(&piece);
	if (out->failed)
		return;
	out->len -= 2;			/* without the quotes */
	memmove(out->data + start, out->data + start + 1, out->len - start);
}

static void
print_text(struct buf *out, const char *text, size_t len)
{
	size_t n;

	buf_addc(out, '"');
	while (len > 0) {
		n = strnlen(text, len);
		if (n == 0) {
			buf_adds(out, "\\u0000");
			n = 1;
		} else {
			print_piece(out, text, n);
		}
		text += n;
		len -= n;
	}
	buf_addc(out, '"');
}

static void
print_cell(struct buf *out, const struct cell *c)
{
	switch (c->type) {
	case CELL_NULL:
		buf_adds(out, "null");
		break;
	case CELL_FALSE:
	case CELL_TRUE:
		buf_adds(out, c->type == CELL_TRUE ? "true" : "false");
		break;
	case CELL_INT:
		buf_printf(out, "%" PRId64, c->i);
		break;
	case CELL_REAL:
		buf_printf(out, "%.17g", c->d);
		break;
	case CELL_TEXT:
		print_text(out, c->text.data, c->text.len);
	}
}

static void
print_row(struct buf *out, const struct batch *b, const struct cell *row)
{
	size_t i;

	buf_addc(out, '{');
	for (i = 0; i < b->column_count; i++) {
		if (i > 0)
			buf_addc(out, ',');
		print_cell(out, &b->columns[i]);
		buf_addc(out, ':');
		print_cell(out, &row[i]);
	}
	buf_addc(out, '}');
}

static int
give_bad(struct adding *a, const struct cell *row, const char *why, image_bad_fn *bad, void *arg)
{
	struct buf text = { 0 };
	int result = -1;

	if (a->bad_len < BAD_TEXT_MAX)
		print_row(&text, a->b, row);
	else
		buf_adds(&text, "null");	/* that there was one, and why */
	a->bad_len += text.len;
	buf_cstr(&text);
	if (!text.failed)
		result = bad(arg, buf_cstr(&text), why);
	buf_free(&text);
	return result;
}

int64_t
image_add_batch(struct buf *out, const struct batch *b, const struct store_table *t, size_t columns, const char *why,
		image_bad_fn *bad, void *arg)
{
	struct adding a = { .out = out, .b = b, .t = t, .columns = columns };
	const struct cell *row;
	int64_t added = 0;
	int result;
	size_t i;

	if (t != NULL && !match_columns(&a))
		t = NULL;
	else if (t == NULL)
		snprintf(a.reason, sizeof(a.reason), "%s", why);
	for (i = 0; i < b->row_count; i++) {
		row = b->cells + i * b->column_count;
		result = t ? add_row(&a, row) : 0;
		if (result < 0 || (result == 0 && give_bad(&a, row, a.reason, bad, arg) < 0))
			return -1;
		added += result;
	}
	return added;
}

/* --- Reading ---------------------------------------------------------------- */

static inline uint32_t
get32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return be32toh(v);
}

const char *
image_row(const char *at, struct image_field fields[IMAGE_FIELDS_MAX])
{
	uint16_t n;
	size_t i;

	memcpy(&n, at, 2);
	n = be16toh(n);
	at += 2;
	for (i = 0; i < n; i++) {
		fields[i].len = (int32_t)get32(at);
		fields[i].data = at + 4;
		at += 4 + (fields[i].len > 0 ? fields[i].len : 0);
	}
	return at;
}

int64_t
image_int_of(const struct image_field *f)
{
	uint64_t v;

	if (f->len == 1)
		return *f->data;
	memcpy(&v, f->data, 8);
	return (int64_t)be64toh(v);
}

int64_t
image_time_of(const struct image_field *f)
{
	return image_int_of(f) + EPOCH_2000_US;
}

double
image_real_of(const struct image_field *f)
{
	union { double d; int64_t i; } bits = { .i = image_int_of(f) };

	return bits.d;
}

static void
print_field(struct buf *out, enum column_type type, const struct image_field *f)
{
	switch (type) {
	case COLUMN_INT:
		buf_printf(out, "%" PRId64, image_int_of(f));
		break;
	case COLUMN_REAL:
		buf_printf(out, "%.17g", image_real_of(f));
		break;
	case COLUMN_TEXT:
		print_text(out, f->data, (size_t)f->len);
		break;
	case COLUMN_BOOL:
		buf_adds(out, image_int_of(f) ? "true" : "false");
		break;
	case COLUMN_TIME:
		buf_addc(out, '"');
		print_time(out, image_time_of(f));
		buf_addc(out, '"');
	}
}

void
image_print(struct buf *out, const struct store_table *t, size_t columns, const struct image_field *fields)
{
	const char *comma = "";
	size_t i;

	buf_addc(out, '{');
	for (i = 0; i < columns; i++) {
		if (fields[i + 2].len < 0)
			continue;
		buf_printf(out, "%s\"%s\":", comma, t->columns[i].name);
		print_field(out, t->columns[i].type, &fields[i + 2]);
		comma = ",";
	}
	buf_addc(out, '}');
}
