/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include "consumer/seen.h"

#include <stdio.h>
#include <string.h>

/* What /metrics shows after one batch with these columns and rows. */
static void
shows(const char *columns, const char *rows, const char *expected)
{
	struct seen *s = seen_new();
	struct batch b = { 0 };
	struct buf text = { 0 }, out = { 0 };
	struct err err;

	buf_printf(&text, "{\"type\":\"app_top\",\"node\":\"n\",\"epoch\":1,\"seq\":1,\"ts\":\"2026-11-25T10:00:00Z\",\"columns\":%s,\"rows\":%s}",
		   columns, rows);
	assert_int_equal(batch_read(&b, buf_cstr(&text), text.len, &err), 0);
	seen_batch(s, &b, 1);
	seen_print(s, &out, 1);
	if (*expected != '\0')
		assert_non_null(strstr(buf_cstr(&out), expected));
	else
		assert_null(strstr(buf_cstr(&out), "node="));
	batch_free(&b);
	buf_free(&text);
	buf_free(&out);
	seen_free(s);
}

static void
an_application(void **state)
{
	(void)state;
	shows("[\"application\",\"cpu\"]", "[[\"a\\nb\",0.5]]", "appctl_application_cpu{node=\"n\",application=\"a\\nb\"} 0.5\n");
	shows("[\"application\",\"cpu\"]", "[[null,0.5]]", "application=\"\"} 0.5\n");
}

/* Neither is anything kept of it (the sanitizer looks). */
static void
a_column_twice(void **state)
{
	(void)state;
	shows("[\"application\",\"cpu\",\"application\"]", "[[\"a\",0.5,\"b\"]]", "");
}

static void
a_long_name(void **state)
{
	char row[400];

	(void)state;
	snprintf(row, sizeof(row), "[[\"%0300d\",0.5]]", 0);
	shows("[\"application\",\"cpu\"]", row, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_application), cmocka_unit_test(a_column_twice), cmocka_unit_test(a_long_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
