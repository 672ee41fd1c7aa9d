/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

static void
text_grows_as_it_is_written(void **state)
{
	struct buf b = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i % 10);
	assert_int_equal(b.len, 2000);
	assert_memory_equal(buf_cstr(&b), "0,1,2,3,", 8);
	buf_consume(&b, 1996);
	assert_string_equal(buf_cstr(&b), "8,9,");
	buf_consume(&b, 100);
	assert_string_equal(buf_cstr(&b), "");
	buf_free(&b);
}

static void
taken_text_belongs_to_the_taker(void **state)
{
	struct buf b = { 0 };
	char *text;

	(void)state;
	buf_adds(&b, "hello");
	text = buf_take(&b);
	assert_string_equal(text, "hello");
	assert_null(b.data);
	free(text);
}

static void
json_strings_escape_what_json_wants_escaped(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_add_json(&b, "a\"b\\c\n\x7f\xc3\xa4");
	assert_string_equal(buf_cstr(&b), "\"a\\\"b\\\\c\\u000a\\u007f\xc3\xa4\"");
	buf_free(&b);
}

static void
what_is_no_utf8_becomes_the_replacement_character(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_add_json(&b, "\xff|\xc3|\xed\xa0\x80");
	assert_string_equal(buf_cstr(&b), "\"\\ufffd|\\ufffd|\\ufffd\\ufffd\\ufffd\"");
	buf_free(&b);
}

static void
utf8_is_judged_by_rfc_3629(void **state)
{
	static const struct { const char *bytes; size_t len; } rows[] = {
		{ "a", 1 }, { "\xc2\x80", 2 }, { "\xe2\x82\xac", 3 }, { "\xf0\x9f\x98\x80", 4 },
		{ "\x80", 0 }, { "\xc0\x80", 0 }, { "\xc1\xbf", 0 }, { "\xe0\x80\x80", 0 }, { "\xed\xbf\xbf", 0 },
		{ "\xf0\x80\x80\x80", 0 }, { "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 }, { "\xe2\x82", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(utf8_len((const unsigned char *)rows[i].bytes), rows[i].len);
}

static void
one_that_ran_out_of_memory_stays_failed_until_cleared(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_null(buf_reserve(&b, SIZE_MAX - 10));
	buf_adds(&b, "x");
	assert_true(b.failed);
	assert_string_equal(buf_cstr(&b), "");
	buf_clear(&b);
	buf_adds(&b, "y");
	assert_string_equal(buf_cstr(&b), "y");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_grows_as_it_is_written),
		cmocka_unit_test(taken_text_belongs_to_the_taker),
		cmocka_unit_test(json_strings_escape_what_json_wants_escaped),
		cmocka_unit_test(what_is_no_utf8_becomes_the_replacement_character),
		cmocka_unit_test(utf8_is_judged_by_rfc_3629),
		cmocka_unit_test(one_that_ran_out_of_memory_stays_failed_until_cleared),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
