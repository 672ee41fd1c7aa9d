/* SPDX-License-Identifier: MIT */
#include "monitor/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

struct values {
	const char *host, *file;
	bool on;
	int64_t top, interval_ms, spool;
	double share;
	struct setting_named metrics;
};

#define ROW(name, kind, field, min, max, initial) \
	{ name, SETTING_##kind, offsetof(struct values, field), min, max, initial, "first line\nand the second" }
static const struct setting table[] = {
	ROW("HOST", TEXT, host, 0, 0, "localhost"),
	ROW("FILE", PATH, file, 0, 0, NULL),
	ROW("ENABLE", BOOL, on, 0, 0, "true"),
	ROW("TOP", INT, top, 0, 1000, "10"),
	ROW("INTERVAL", TIME, interval_ms, 100, 3600000, "2s"),
	ROW("SPOOL_SIZE", SIZE, spool, 65536, INT64_MAX, "64M"),
	ROW("SHARE", REAL, share, 0, 1, "0.01"),
	ROW("METRIC_", NAMED, metrics, 0, 0, NULL),
};
enum { ROWS = sizeof(table) / sizeof(table[0]) };

static struct values v;
static struct buf problems;

static size_t
read_these(const char *const *environment)
{
	memset(&v, 0, sizeof(v));
	buf_clear(&problems);
	return settings_read("X", table, ROWS, (char *const *)(uintptr_t)environment, &v, &problems);
}

static void
wrong(const char *variable, const char *said)
{
	const char *environment[] = { variable, NULL };

	assert_int_equal(read_these(environment), 1);
	assert_string_equal(buf_cstr(&problems), said);
}

static void
what_is_not_set_is_as_the_table_says(void **state)
{
	const char *environment[] = { "PATH=/bin", "XENON=1", "X_TOP=", NULL };

	(void)state;
	assert_int_equal(read_these(environment), 0);
	assert_string_equal(v.host, "localhost");
	assert_null(v.file);
	assert_true(v.on);
	assert_int_equal(v.top, 10);
	assert_int_equal(v.interval_ms, 2000);
	assert_int_equal(v.spool, 64 << 20);
	assert_true(v.share > 0.0099 && v.share < 0.0101);
	assert_int_equal(v.metrics.count, 0);
}

static void
each_kind_is_read(void **state)
{
	const char *environment[] = { "X_HOST=a", "X_FILE=/f", "X_ENABLE=no", "X_TOP=0", "X_INTERVAL=0.5", "X_SPOOL_SIZE=unlimited",
		"X_SHARE=0.5", "X_METRIC_queue=echo 1", "X_METRIC_b=true", NULL };

	(void)state;
	assert_int_equal(read_these(environment), 0);
	assert_string_equal(v.host, "a");
	assert_string_equal(v.file, "/f");
	assert_false(v.on);
	assert_int_equal(v.top, 0);
	assert_int_equal(v.interval_ms, 500);
	assert_true(v.spool == INT64_MAX);
	assert_true(v.share == 0.5);
	assert_int_equal(v.metrics.count, 2);
	assert_string_equal(v.metrics.v[0].name, "queue");
	assert_string_equal(v.metrics.v[0].value, "echo 1");
	assert_string_equal(v.metrics.v[1].name, "b");
}

static void
a_mistake_names_the_variable_and_what_is_allowed(void **state)
{
	(void)state;
	wrong("X_FILE=f", "X_FILE: \"f\" cannot be used: it must be an absolute path\n");
	wrong("X_ENABLE=maybe", "X_ENABLE: \"maybe\" cannot be used: it must be true or false\n");
	wrong("X_TOP=-1", "X_TOP: \"-1\" cannot be used: it must be a whole number, from 0 to 1000\n");
	wrong("X_TOP=99999999999999999999", "X_TOP: \"99999999999999999999\" cannot be used: it must be a whole number, from 0 to 1000\n");
	wrong("X_TOP=1x", "X_TOP: \"1x\" cannot be used: it must be a whole number, from 0 to 1000\n");
	wrong("X_SHARE=nan", "X_SHARE: \"nan\" cannot be used: it must be a number, from 0 to 1\n");
	wrong("X_INTERVAL=1ms", "X_INTERVAL: \"1ms\" cannot be used: it must be a time such as 90, 0.5, 90s, 100ms, 5m, 1h, "
	      "from 100ms to 1h\n");
	wrong("X_INTERVAL=1e300", "X_INTERVAL: \"1e300\" cannot be used: it must be a time such as 90, 0.5, 90s, 100ms, 5m, 1h, "
	      "from 100ms to 1h\n");
	wrong("X_SPOOL_SIZE=1K", "X_SPOOL_SIZE: \"1K\" cannot be used: it must be a size such as 1024, 64M, 1G, from 64K on\n");
	wrong("X_INTERVALL=2s", "X_INTERVALL: there is no such setting (did you mean X_INTERVAL?)\n");
	wrong("X_METRIC_=2s", "X_METRIC_: there is no such setting\n");
}

static void
all_mistakes_are_told(void **state)
{
	const char *environment[] = { "X_TOP=a", "X_NO=1", "X_SHARE=2", NULL };

	(void)state;
	assert_int_equal(read_these(environment), 3);
}

static void
more_named_than_fit_are_refused(void **state)
{
	char text[SETTING_NAMED_MAX + 1][24];
	const char *environment[SETTING_NAMED_MAX + 2] = { NULL };
	size_t i;

	(void)state;
	for (i = 0; i <= SETTING_NAMED_MAX; i++) {
		snprintf(text[i], sizeof(text[i]), "X_METRIC_m%zu=1", i);
		environment[i] = text[i];
	}
	assert_int_equal(read_these(environment), 1);
	assert_string_equal(buf_cstr(&problems), "X_METRIC_m32: more than 32 of that kind\n");
}

static void
help_names_each_with_its_default(void **state)
{
	struct buf out = { 0 };

	(void)state;
	settings_help("X", table, ROWS, &out);
	assert_non_null(strstr(buf_cstr(&out), "  X_HOST=localhost\n      first line\n      and the second\n"));
	assert_non_null(strstr(buf_cstr(&out), "  X_INTERVAL=2s  (a time such as 90, 0.5, 90s, 100ms, 5m, 1h, from 100ms to 1h)\n"));
	assert_non_null(strstr(buf_cstr(&out), "  X_FILE  (an absolute path)\n"));
	assert_non_null(strstr(buf_cstr(&out), "  X_METRIC_NAME\n"));
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_set_is_as_the_table_says),
		cmocka_unit_test(each_kind_is_read),
		cmocka_unit_test(a_mistake_names_the_variable_and_what_is_allowed),
		cmocka_unit_test(all_mistakes_are_told),
		cmocka_unit_test(more_named_than_fit_are_refused),
		cmocka_unit_test(help_names_each_with_its_default),
	};
	int failed = cmocka_run_group_tests_name("settings", tests, NULL, NULL);

	buf_free(&problems);
	return failed;
}
