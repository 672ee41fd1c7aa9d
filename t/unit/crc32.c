/* SPDX-License-Identifier: MIT */
#include "base/crc32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The definition, a bit at a time. */
static uint32_t
slowly(uint32_t crc, const unsigned char *p, size_t len)
{
	int bit;

	for (crc = ~crc; len > 0; len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void
the_check_value_of_the_standard(void **state)
{
	(void)state;
	assert_int_equal(crc32_of(0, "123456789", 9), 0xcbf43926u);
	assert_int_equal(crc32_of(0, "", 0), 0);
}

static void
every_length_and_beginning_is_as_the_definition_has_it(void **state)
{
	unsigned char data[64];
	size_t i, from, len;

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 37 + 11);
	for (from = 0; from < 9; from++)
		for (len = 0; from + len <= sizeof(data); len++)
			assert_int_equal(crc32_of(7, data + from, len), slowly(7, data + from, len));
}

static void
a_text_in_two_parts_is_the_text(void **state)
{
	const char text[] = "what is checked in two parts is checked as one";
	size_t cut;

	(void)state;
	for (cut = 0; cut <= strlen(text); cut++)
		assert_int_equal(crc32_of(crc32_of(0, text, cut), text + cut, strlen(text) - cut), crc32_of(0, text, strlen(text)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_check_value_of_the_standard),
		cmocka_unit_test(every_length_and_beginning_is_as_the_definition_has_it),
		cmocka_unit_test(a_text_in_two_parts_is_the_text),
	};

	return cmocka_run_group_tests_name("crc32", tests, NULL, NULL);
}
