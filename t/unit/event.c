/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "core/event.h"

static const char *
printed(struct event ev)
{
	static struct buf b;

	buf_clear(&b);
	event_print(&ev, "alice", &b);
	return buf_cstr(&b);
}

static const char *
printed_time(int64_t real_us)
{
	static struct buf b;

	buf_clear(&b);
	print_time(&b, real_us);
	return buf_cstr(&b);
}

static void
a_line_is_as_the_contract_shows_it(void **state)
{
	const struct event ev = { .seq = 42, .real_us = 1795237200123456, .category = EVENT_APP_RUNNING, .app = "web", .pid = 123 };

	(void)state;
	assert_string_equal(printed(ev), "{\"seq\":42,\"ts\":\"2026-11-21T05:00:00.123456Z\",\"node\":\"alice\","
			    "\"event\":\"app_running\",\"app\":\"web\",\"pid\":123}\n");
}

static void
an_exit_says_how(void **state)
{
	struct event ev = { .seq = 1, .category = EVENT_APP_EXITED, .app = "a", .has_status = true, .reason = REASON_CRASHED };

	(void)state;
	ev.status = 3 << 8;
	assert_non_null(strstr(printed(ev), "\"status\":3,\"reason\":\"crashed\""));
	ev.status = SIGKILL;
	assert_non_null(strstr(printed(ev), "\"signal\":\"KILL\",\"core\":false"));
	ev.status = SIGSEGV | 0x80;
	assert_non_null(strstr(printed(ev), "\"signal\":\"SEGV\",\"core\":true"));
	ev.reason = REASON_OOM;
	assert_non_null(strstr(printed(ev), "\"oom\":true"));
}

static void
no_mode_is_null(void **state)
{
	const struct event ev = { .seq = 1, .category = EVENT_MODE_STABLE };

	(void)state;
	assert_non_null(strstr(printed(ev), "\"event\":\"mode_stable\",\"mode\":null}"));
}

static void
times_hold_from_1900_to_beyond_2038(void **state)
{
	(void)state;
	assert_string_equal(printed_time(0), "1970-01-01T00:00:00.000000Z");
	assert_string_equal(printed_time(-1), "1969-12-31T23:59:59.999999Z");
	assert_string_equal(printed_time(-2208988800000000), "1900-01-01T00:00:00.000000Z");
	assert_string_equal(printed_time(951782400000000), "2000-02-29T00:00:00.000000Z");
	assert_string_equal(printed_time(4107542399000001), "2100-02-28T23:59:59.000001Z");
}

static void
names_and_categories_go_both_ways(void **state)
{
	int c;

	(void)state;
	for (c = 0; c < EVENT_CATEGORY_COUNT; c++)
		assert_int_equal(event_category_by_name(event_category_name((enum event_category)c)), c);
	assert_int_equal(event_category_by_name("app_runing"), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_as_the_contract_shows_it),
		cmocka_unit_test(an_exit_says_how),
		cmocka_unit_test(no_mode_is_null),
		cmocka_unit_test(times_hold_from_1900_to_beyond_2038),
		cmocka_unit_test(names_and_categories_go_both_ways),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
