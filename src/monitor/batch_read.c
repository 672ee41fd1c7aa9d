/* SPDX-License-Identifier: MIT */
#include "monitor/batch.h"

#include "base/json_read.h"
#include "core/date.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * One pass over the text.  What a batch looks like is known, so there is a function for each of its three
 * levels and none calls itself: a text that goes deeper is refused where it does.
 */
struct reader {
	struct json_reader j;
	struct batch *b;
};

enum { NUMBER_MAX = 64 };		/* bytes of a number that is not short and simple */

static int
bad(struct reader *r, const char *what)
{
	return json_bad(&r->j, what);
}

static int
no_memory(struct reader *r)
{
	return err_set(r->j.err, ENOMEM, "a batch");
}

static inline bool
take(struct reader *r, char c)
{
	return json_take(&r->j, c);
}

/* Behind the opening quote. */
static inline int
read_text(struct reader *r, struct cell *out)
{
	out->type = CELL_TEXT;
	return json_read_text(&r->j, &out->text.data, &out->text.len);
}

/* --- Numbers ---------------------------------------------------------------- */

static inline bool
is_digit(const struct reader *r)
{
	return r->j.at < r->j.end && (unsigned)(*r->j.at - '0') < 10;
}

/* The number's text from start to r->j.at is well-formed and long, or has an exponent: the C library reads it. */
static int
read_slowly(struct reader *r, const char *start, struct cell *out)
{
	char copy[NUMBER_MAX + 1];
	size_t len = (size_t)(r->j.at - start);

	if (len > NUMBER_MAX)
		return bad(r, "a number that is too long");
	memcpy(copy, start, len);
	copy[len] = '\0';
	out->type = CELL_REAL;
	out->d = strtod(copy, NULL);
	return isinf(out->d) ? bad(r, "a number that is too large") : 0;
}

/* Behind the digits of the whole part: an exponent, where there is one. */
static int
skip_exponent(struct reader *r)
{
	if (r->j.at == r->j.end || (*r->j.at | 0x20) != 'e')
		return 0;
	r->j.at++;
	if (r->j.at < r->j.end && (*r->j.at == '+' || *r->j.at == '-'))
		r->j.at++;
	if (!is_digit(r))
		return bad(r, "an exponent without digits");
	while (is_digit(r))
		r->j.at++;
	return 1;
}

static inline int
read_number(struct reader *r, struct cell *out)
{
	/* What a double holds exactly, divided by what it holds exactly, is correctly rounded (Clinger, 1990). */
	static const double tens[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18 };
	const char *start = r->j.at, *digits, *point = NULL;
	bool negative = *r->j.at == '-';
	uint64_t n = 0;
	size_t count;
	int exponent;

	r->j.at += negative;
	digits = r->j.at;
	while (is_digit(r))
		n = n * 10 + (uint64_t)(*r->j.at++ - '0');
	if (r->j.at == digits || (*digits == '0' && r->j.at - digits > 1))
		return bad(r, "no value");
	if (r->j.at < r->j.end && *r->j.at == '.') {
		point = ++r->j.at;
		while (is_digit(r))
			n = n * 10 + (uint64_t)(*r->j.at++ - '0');
		if (r->j.at == point)
			return bad(r, "a point without digits");
	}
	count = (size_t)(r->j.at - digits);
	exponent = skip_exponent(r);
	if (exponent < 0)
		return -1;
	if (exponent > 0 || count > 18 || (point != NULL && n > UINT64_C(1) << 53)) {
		/* Nineteen digits may fit still. */
		if (exponent > 0 || point != NULL || count > 19 || n > (uint64_t)INT64_MAX + negative)
			return read_slowly(r, start, out);
	}
	if (point == NULL) {
		out->type = CELL_INT;
		out->i = (int64_t)(negative ? 0 - n : n);
		return 0;
	}
	out->type = CELL_REAL;
	out->d = (double)n / tens[r->j.at - point];
	if (negative)
		out->d = -out->d;
	return 0;
}

/* --- Values ----------------------------------------------------------------- */

static int
read_word(struct reader *r, const char *word, size_t len, enum cell_type type, struct cell *out)
{
	if ((size_t)(r->j.end - r->j.at) < len || memcmp(r->j.at, word, len) != 0)
		return bad(r, "no value");
	r->j.at += len;
	out->type = type;
	return 0;
}

static inline int
read_value(struct reader *r, struct cell *out)
{
	if (r->j.at < r->j.end && (unsigned char)*r->j.at <= ' ')
		json_skip_blanks(&r->j);
	if (r->j.at == r->j.end)
		return bad(r, "it ends in the middle");
	switch (*r->j.at) {
	case '"':
		r->j.at++;
		return read_text(r, out);
	case 'n':
		return read_word(r, "null", 4, CELL_NULL, out);
	case 't':
		return read_word(r, "true", 4, CELL_TRUE, out);
	case 'f':
		return read_word(r, "false", 5, CELL_FALSE, out);
	case '[':
	case '{':
		return bad(r, "a list or an object where a value belongs");
	default:
		return read_number(r, out);
	}
}

/* Room for n more behind `used`. */
static inline int
reserve(struct reader *r, struct cell **cells, size_t *cap, size_t used, size_t n)
{
	size_t wanted = *cap ? *cap : 256;
	struct cell *grown;

	if (used + n <= *cap)
		return 0;
	while (wanted < used + n)
		wanted *= 2;
	grown = realloc(*cells, wanted * sizeof(**cells));
	if (grown == NULL)
		return no_memory(r);
	*cells = grown;
	*cap = wanted;
	return 0;
}

static int
read_columns(struct reader *r)
{
	struct batch *b = r->b;

	if (!take(r, '['))
		return bad(r, "columns is no list");
	do {
		if (b->column_count == BATCH_COLUMNS_MAX)
			return bad(r, "too many columns");
		if (reserve(r, &b->columns, &b->columns_cap, b->column_count, 1) < 0)
			return -1;
		if (!take(r, '"'))
			return bad(r, "a column without a name");
		if (read_text(r, &b->columns[b->column_count]) < 0)
			return -1;
		b->column_count++;
	} while (take(r, ','));
	return take(r, ']') ? 0 : bad(r, "a list that does not end");
}

/* Behind its '['; width: how many values it must have, 0: any number, which is returned. */
static int
read_row(struct reader *r, size_t used, size_t width)
{
	struct batch *b = r->b;
	size_t n = 0, most = width ? width : BATCH_COLUMNS_MAX;

	if (reserve(r, &b->cells, &b->cells_cap, used, most) < 0)
		return -1;
	do {
		if (n == most)
			return bad(r, "a row with too many values");
		if (read_value(r, &b->cells[used + n]) < 0)
			return -1;
		n++;
	} while (take(r, ','));
	if (!take(r, ']'))
		return bad(r, "a row that does not end");
	if (width != 0 && n != width)
		return bad(r, "a row with too few values");
	return (int)n;
}

static int
read_rows(struct reader *r, size_t *width)
{
	struct batch *b = r->b;
	size_t used = 0;
	int n;

	if (!take(r, '['))
		return bad(r, "rows is no list");
	if (take(r, ']'))
		return 0;
	*width = b->column_count;	/* 0 where columns come later */
	do {
		if (b->row_count == BATCH_ROWS_MAX)
			return bad(r, "too many rows");
		if (!take(r, '['))
			return bad(r, "a row that is no list");
		n = read_row(r, used, *width);
		if (n < 0)
			return -1;
		*width = (size_t)n;
		used += *width;
		b->row_count++;
	} while (take(r, ','));
	return take(r, ']') ? 0 : bad(r, "a list that does not end");
}

/* --- Members ---------------------------------------------------------------- */

enum { MEMBER_TYPE, MEMBER_NODE, MEMBER_EPOCH, MEMBER_SEQ, MEMBER_TS, MEMBER_COLUMNS, MEMBER_ROWS, MEMBER_COUNT };
static const char *const member_names[] = { "type", "node", "epoch", "seq", "ts", "columns", "rows" };

static int
member_by_name(const struct cell *name)
{
	int i;

	for (i = 0; i < MEMBER_COUNT; i++)
		if (strlen(member_names[i]) == name->text.len && memcmp(member_names[i], name->text.data, name->text.len) == 0)
			return i;
	return -1;
}

static int
read_count(struct reader *r, uint64_t *out)
{
	struct cell v;

	if (read_value(r, &v) < 0)
		return -1;
	if (v.type != CELL_INT || v.i < 1)
		return bad(r, "epoch and seq are whole numbers from 1");
	*out = (uint64_t)v.i;
	return 0;
}

static int
read_name(struct reader *r, struct cell *out)
{
	if (read_value(r, out) < 0)
		return -1;
	if (out->type != CELL_TEXT || out->text.len == 0 || memchr(out->text.data, '\0', out->text.len) != NULL)
		return bad(r, "type and node are texts");
	return 0;
}

static int
read_ts(struct reader *r)
{
	struct cell v;

	if (read_value(r, &v) < 0)
		return -1;
	if (v.type != CELL_TEXT || !read_time(v.text.data, v.text.len, &r->b->ts_us))
		return bad(r, "ts is no time");
	return 0;
}

static int
read_member(struct reader *r, int member, size_t *width)
{
	switch (member) {
	case MEMBER_TYPE:
		return read_name(r, &r->b->type);
	case MEMBER_NODE:
		return read_name(r, &r->b->node);
	case MEMBER_EPOCH:
		return read_count(r, &r->b->epoch);
	case MEMBER_SEQ:
		return read_count(r, &r->b->seq);
	case MEMBER_TS:
		return read_ts(r);
	case MEMBER_COLUMNS:
		return read_columns(r);
	default:
		return read_rows(r, width);
	}
}

static int
read_object(struct reader *r)
{
	unsigned seen = 0;
	struct cell name;
	size_t width = 0;
	int member;

	if (!take(r, '{'))
		return bad(r, "no object");
	do {
		if (!take(r, '"'))
			return bad(r, "a member without a name");
		if (read_text(r, &name) < 0)
			return -1;
		member = member_by_name(&name);
		if (member < 0 || seen & 1u << member)
			return bad(r, member < 0 ? "a member that no batch has" : "a member that comes twice");
		seen |= 1u << member;
		if (!take(r, ':'))
			return bad(r, "a member without a value");
		if (read_member(r, member, &width) < 0)
			return -1;
	} while (take(r, ','));
	if (!take(r, '}'))
		return bad(r, "an object that does not end");
	json_skip_blanks(&r->j);
	if (r->j.at != r->j.end)
		return bad(r, "something behind its end");
	if (seen != (1u << MEMBER_COUNT) - 1)
		return bad(r, "a member is missing");
	return r->b->row_count > 0 && width != r->b->column_count ? bad(r, "rows have another width than columns") : 0;
}

int
batch_read(struct batch *b, const char *text, size_t len, struct err *err)
{
	struct reader r = { { text, text, text + len, &b->unescaped, err }, b };

	b->column_count = b->row_count = 0;
	buf_clear(&b->unescaped);
	if (len > BATCH_MAX)
		return bad(&r, "it is longer than a batch may be");
	return read_object(&r);
}

void
batch_free(struct batch *b)
{
	free(b->columns);
	free(b->cells);
	buf_free(&b->unescaped);
	*b = (struct batch){ 0 };
}
