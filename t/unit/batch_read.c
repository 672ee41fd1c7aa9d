/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "batch_oracle.h"
#include "monitor/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "{\"type\":\"prc\",\"node\":\"alice\",\"epoch\":5,\"seq\":7,\"ts\":\"2026-11-25T10:53:20.123456Z\","

static struct batch b;
static struct err err;

/* A copy of exactly that size, so that a read beyond its end is seen. */
static int
read_text(const char *text)
{
	static char *copy;

	free(copy);
	copy = malloc(strlen(text) + 1);
	assert_non_null(copy);
	memmove(copy, text, strlen(text));
	return batch_read(&b, copy, strlen(text), &err);
}

static void
refused(const char *text, const char *why)
{
	assert_int_equal(read_text(text), -1);
	if (strstr(err.msg, why) == NULL)
		fail_msg("%s: refused for another reason: %s", text, err.msg);
}

static void
is(const struct cell *c, const char *text)
{
	assert_int_equal(c->type, CELL_TEXT);
	assert_int_equal(c->text.len, strlen(text));
	assert_memory_equal(c->text.data, text, c->text.len);
}

static void
a_batch_is_read(void **state)
{
	(void)state;
	assert_int_equal(read_text(HEAD "\"columns\":[\"pid\",\"name\",\"cpu\",\"x\",\"y\"],"
		"\"rows\":[[1,\"appctld\",0.25,true,null],[17,\"\",-1.5e-3,false,null]]}"), 0);
	is(&b.type, "prc");
	is(&b.node, "alice");
	assert_true(b.epoch == 5 && b.seq == 7 && b.ts_us == INT64_C(1795604000123456));
	assert_int_equal(b.column_count, 5);
	assert_int_equal(b.row_count, 2);
	is(&b.columns[1], "name");
	assert_true(b.cells[0].type == CELL_INT && b.cells[0].i == 1);
	is(&b.cells[1], "appctld");
	assert_true(b.cells[2].type == CELL_REAL && b.cells[2].d == 0.25);
	assert_int_equal(b.cells[3].type, CELL_TRUE);
	assert_int_equal(b.cells[4].type, CELL_NULL);
	assert_true(b.cells[7].d == -1.5e-3);
	assert_int_equal(b.cells[8].type, CELL_FALSE);
}

static void
members_come_in_any_order_with_blanks(void **state)
{
	(void)state;
	assert_int_equal(read_text(" { \"rows\" : [ [ 1 , 2 ] , [ 3 , 4 ] ] ,\n\t\"columns\":[ \"a\" , \"b\" ] , \"seq\":1,\"epoch\":1 ,"
		"\"ts\":\"1970-01-01T00:00:00Z\",\"node\":\"n\",\"type\":\"t\" } "), 0);
	assert_true(b.cells[3].i == 4 && b.ts_us == 0);
	assert_int_equal(read_text(HEAD "\"columns\":[\"a\"],\"rows\":[]}"), 0);
	assert_int_equal(b.row_count, 0);
}

static void
escapes_are_undone(void **state)
{
	(void)state;
	assert_int_equal(read_text(HEAD "\"columns\":[\"a\\u0062\",\"c\"],\"rows\":[[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\","
		"\"\\u00e4\\u20ac\\ud83d\\ude00 \xc3\xa4\"],[\"a\\u0000b\",\"plain\"]]}"), 0);
	is(&b.columns[0], "ab");
	is(&b.cells[0], "\"\\/\b\f\n\r\t");
	is(&b.cells[1], "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 \xc3\xa4");
	assert_int_equal(b.cells[2].text.len, 3);
	assert_memory_equal(b.cells[2].text.data, "a\0b", 3);
}

static void
numbers_at_the_edges(void **state)
{
	(void)state;
	assert_int_equal(read_text(HEAD "\"columns\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"],\"rows\":[[9223372036854775807,"
		"-9223372036854775808,9223372036854775808,-0,0.1,123456789012345678901234567890]]}"), 0);
	assert_true(b.cells[0].type == CELL_INT && b.cells[0].i == INT64_MAX);
	assert_true(b.cells[1].type == CELL_INT && b.cells[1].i == INT64_MIN);
	assert_true(b.cells[2].type == CELL_REAL && b.cells[2].d == 9223372036854775808.0);
	assert_true(b.cells[3].type == CELL_INT && b.cells[3].i == 0);
	assert_true(b.cells[4].d == 0.1);
	assert_true(b.cells[5].d == 123456789012345678901234567890.0);
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[1e999]]}", "too large");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[01]]}", "no value");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[1.]]}", "point");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[1e]]}", "exponent");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[NaN]]}", "no value");
}

static void
what_is_no_batch_is_refused_with_its_place(void **state)
{
	(void)state;
	refused("", "byte 0: no object");
	refused("[]", "byte 0: no object");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[1]]} x", "behind its end");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[[1]]]}", "a list or an object");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[1,2]]}", "too many values");
	refused(HEAD "\"columns\":[\"a\",\"b\"],\"rows\":[[1]]}", "too few values");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[]]}", "no value");
	refused(HEAD "\"columns\":[],\"rows\":[]}", "without a name");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[1],]}", "no list");
	refused(HEAD "\"columns\":[\"a\"]}", "missing");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[],\"more\":1}", "no batch has");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[],\"seq\":1}", "twice");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[\"\\ud800\"]]}", "surrogate");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[\"\xff\"]]}", "UTF-8");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[\"\n\"]]}", "control");
	refused(HEAD "\"columns\":[\"a\"],\"rows\":[[\"\\x\"]]}", "escape");
	refused("{\"seq\":0}", "from 1");
	refused("{\"epoch\":1.5}", "from 1");
	refused("{\"ts\":\"2026-02-29T00:00:00Z\"}", "no time");
	refused("{\"node\":\"a\\u0000b\"}", "texts");
}

/* --- Beside jansson ---------------------------------------------------------- */

static uint64_t seed = 42;

static unsigned
below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static void
random_text(struct buf *out)
{
	static const char *const pieces[] = { "a", "kworker/0:1", "\xc3\xa4", "\xf0\x9f\x98\x80", "\\n", "\\u0000", "\\u20ac", "\\ud83d\\ude00",
		"\\\"", " ", "0123456789abcdef", "\\/", "\xef\xbf\xbd" };
	unsigned n = below(6);

	buf_addc(out, '"');
	while (n-- > 0)
		buf_adds(out, pieces[below(sizeof(pieces) / sizeof(pieces[0]))]);
	buf_addc(out, '"');
}

static void
random_number(struct buf *out)
{
	uint64_t bits = (uint64_t)below(1u << 31) << 33 ^ (uint64_t)below(1u << 31) << 11 ^ below(1u << 31);
	double d;

	switch (below(4)) {
	case 0:
		buf_printf(out, "%" PRId64, (int64_t)(bits >> below(64)) * (below(2) ? 1 : -1));
		break;
	case 1:
		buf_printf(out, "%.*f", (int)below(12), (double)(int64_t)bits / 1e12);
		break;
	case 2:
		buf_printf(out, "%u", below(100));
		break;
	default:
		memcpy(&d, &bits, sizeof(d));
		if (d - d != 0)
			d = 0.5;
		buf_printf(out, "%.17g", d);
	}
}

static void
random_value(struct buf *out)
{
	static const char *const words[] = { "null", "true", "false" };

	switch (below(4)) {
	case 0:
		random_text(out);
		break;
	case 1:
		buf_adds(out, words[below(3)]);
		break;
	default:
		random_number(out);
	}
}

static void
random_list(struct buf *out, unsigned n, void (*add)(struct buf *))
{
	unsigned i;

	buf_addc(out, '[');
	for (i = 0; i < n; i++) {
		if (i > 0)
			buf_adds(out, below(8) ? "," : " , ");
		add(out);
	}
	buf_addc(out, ']');
}

static void
random_batch(struct buf *out)
{
	unsigned width = 1 + below(8), rows = below(6), i;

	buf_clear(out);
	buf_adds(out, HEAD "\"columns\":");
	random_list(out, width, random_text);
	buf_adds(out, ",\"rows\":[");
	for (i = 0; i < rows; i++) {
		if (i > 0)
			buf_addc(out, ',');
		random_list(out, width, random_value);
	}
	buf_adds(out, "]}");
}

static void
change(char *text, size_t *len)
{
	static const char likely[] = "{}[]\",:\\0.e-1 tfn\xc3\n";
	size_t at = below((unsigned)*len);

	switch (below(3)) {
	case 0:
		text[at] = likely[below(sizeof(likely) - 1)];
		break;
	case 1:
		text[at] = (char)below(256);
		break;
	default:
		memmove(text + at, text + at + 1, *len - at - 1);
		(*len)--;
	}
}

static void
agree_about(const char *text, size_t len, unsigned *taken)
{
	char *copy = malloc(len ? len : 1);
	const char *where;
	bool was;

	assert_non_null(copy);
	memcpy(copy, text, len);
	where = batch_differs(copy, len, &was);
	if (where != NULL)
		fail_msg("%s: %.*s", where, (int)len, text);
	*taken += was;
	free(copy);
}

static void
jansson_agrees_about_random_and_changed_batches(void **state)
{
	enum { ROUNDS = 4000, CHANGED = 8 };
	unsigned i, k, n, whole = 0, changed = 0;
	struct buf text = { 0 }, copy = { 0 };

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		random_batch(&text);
		agree_about(text.data, text.len, &whole);
		for (k = 0; k < CHANGED; k++) {
			buf_clear(&copy);
			buf_add(&copy, text.data, text.len);
			for (n = 1 + below(3); n > 0; n--)
				change(copy.data, &copy.len);
			agree_about(copy.data, copy.len, &changed);
		}
	}
	assert_int_equal(whole, ROUNDS);
	assert_in_range(changed, ROUNDS / 4, ROUNDS * CHANGED);
	buf_free(&text);
	buf_free(&copy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_is_read),
		cmocka_unit_test(members_come_in_any_order_with_blanks),
		cmocka_unit_test(escapes_are_undone),
		cmocka_unit_test(numbers_at_the_edges),
		cmocka_unit_test(what_is_no_batch_is_refused_with_its_place),
		cmocka_unit_test(jansson_agrees_about_random_and_changed_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
