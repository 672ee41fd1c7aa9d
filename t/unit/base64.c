/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base64.h"

#include <string.h>

static void
the_examples_of_the_rfc(void **state)
{
	static const char *const pairs[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	struct buf b = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		buf_clear(&b);
		base64_add(&b, pairs[i][0], strlen(pairs[i][0]));
		assert_string_equal(buf_cstr(&b), pairs[i][1]);
		buf_clear(&b);
		assert_int_equal(base64_read(&b, pairs[i][1], strlen(pairs[i][1])), 0);
		assert_string_equal(buf_cstr(&b), pairs[i][0]);
	}
	buf_free(&b);
}

static void
any_bytes_come_back(void **state)
{
	unsigned char bytes[259];
	struct buf text = { 0 }, back = { 0 };
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7);
	for (len = 0; len <= sizeof(bytes); len++) {
		buf_clear(&text);
		buf_clear(&back);
		base64_add(&text, bytes, len);
		assert_int_equal(base64_read(&back, text.data, text.len), 0);
		assert_int_equal(back.len, len);
		assert_true(len == 0 || memcmp(back.data, bytes, len) == 0);
	}
	buf_free(&text);
	buf_free(&back);
}

static void
what_is_none_is_refused(void **state)
{
	static const char *const none[] = { "Z", "Zg=", "Zg", "Z===", "====", "Zh==", "Zm9=", "Zm9v\n", "Zm-v", "Zg==Zg==" };
	struct buf b = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(base64_read(&b, none[i], strlen(none[i])), -1);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_the_rfc),
		cmocka_unit_test(any_bytes_come_back),
		cmocka_unit_test(what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
