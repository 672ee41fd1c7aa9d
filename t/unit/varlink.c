/* SPDX-License-Identifier: MIT */
#include "wire/varlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
a_message_ends_with_its_nul(void **state)
{
	struct varlink_reader r = { 0 };
	struct varlink_message m;

	(void)state;
	assert_int_equal(varlink_put(&r, "{\"a\":1}", 7), 0);
	assert_int_equal(varlink_next(&r, &m), 0);
	assert_int_equal(varlink_put(&r, "", 1), 0);
	assert_int_equal(varlink_next(&r, &m), 1);
	assert_string_equal(m.text, "{\"a\":1}");
	assert_int_equal(m.len, 7);
	assert_int_equal(m.end, 8);
	assert_int_equal(varlink_next(&r, &m), 0);
	varlink_fini(&r);
}

static void
several_messages_in_one_read_come_one_by_one(void **state)
{
	static const char bytes[] = "one\0two\0\0thr";
	struct varlink_reader r = { 0 };
	struct varlink_message m;

	(void)state;
	varlink_put(&r, bytes, sizeof(bytes) - 1);
	assert_int_equal(varlink_next(&r, &m), 1);
	assert_string_equal(m.text, "one");
	assert_int_equal(varlink_next(&r, &m), 1);
	assert_string_equal(m.text, "two");
	assert_int_equal(m.end, 8);
	assert_int_equal(varlink_next(&r, &m), 1);
	assert_int_equal(m.len, 0);
	assert_int_equal(varlink_next(&r, &m), 0);
	assert_int_equal(varlink_pending(&r), 3);
	varlink_put(&r, "ee", 3);
	assert_int_equal(varlink_next(&r, &m), 1);
	assert_string_equal(m.text, "three");
	assert_int_equal(m.end, 15);
	assert_int_equal(varlink_position(&r), 15);
	varlink_fini(&r);
}

/* Whatever the pieces, the messages are the same. */
static void
messages_do_not_depend_on_how_the_bytes_were_cut(void **state)
{
	static const char bytes[] = "a\0bb\0\0dddd\0e";
	size_t cut, at, len, n;

	(void)state;
	for (cut = 1; cut <= sizeof(bytes); cut++) {
		struct varlink_reader r = { 0 };
		struct varlink_message m;

		for (at = n = 0; at < sizeof(bytes); at += len) {
			len = sizeof(bytes) - at < cut ? sizeof(bytes) - at : cut;
			assert_int_equal(varlink_put(&r, bytes + at, len), 0);
			while (varlink_next(&r, &m) == 1) {
				assert_int_equal(strlen(m.text), m.len);
				n++;
			}
		}
		assert_int_equal(n, 5);
		assert_int_equal(varlink_position(&r), sizeof(bytes));
		varlink_fini(&r);
	}
}

static void
the_largest_message_is_taken_and_one_byte_more_is_not(void **state)
{
	char *bytes = calloc(1, VARLINK_MESSAGE_MAX + 2);
	struct varlink_reader r = { 0 };
	struct varlink_message m;

	(void)state;
	memset(bytes, 'x', VARLINK_MESSAGE_MAX + 1);
	varlink_put(&r, bytes, VARLINK_MESSAGE_MAX);
	assert_int_equal(varlink_next(&r, &m), 0);
	varlink_put(&r, "", 1);
	assert_int_equal(varlink_next(&r, &m), 1);
	assert_int_equal(m.len, VARLINK_MESSAGE_MAX);

	varlink_put(&r, bytes, VARLINK_MESSAGE_MAX + 1);
	assert_int_equal(varlink_next(&r, &m), -1);
	assert_int_equal(varlink_next(&r, &m), -1);
	varlink_fini(&r);

	varlink_put(&r, bytes, VARLINK_MESSAGE_MAX + 2);
	assert_int_equal(varlink_next(&r, &m), -1);
	varlink_fini(&r);
	free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_ends_with_its_nul),
		cmocka_unit_test(several_messages_in_one_read_come_one_by_one),
		cmocka_unit_test(messages_do_not_depend_on_how_the_bytes_were_cut),
		cmocka_unit_test(the_largest_message_is_taken_and_one_byte_more_is_not),
	};

	return cmocka_run_group_tests_name("varlink", tests, NULL, NULL);
}
