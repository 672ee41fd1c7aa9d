/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/restart.h"

static void
third_restart_inside_the_period_is_refused(void **state)
{
	struct restart_log log = { 0 };

	(void)state;
	assert_true(restart_allowed(&log, 2, 10000, 0));
	assert_true(restart_allowed(&log, 2, 10000, 50));
	assert_false(restart_allowed(&log, 2, 10000, 10000));	/* the edge is inside */
	assert_true(restart_allowed(&log, 2, 10000, 10001));
	restart_log_free(&log);
}

static void
intensity_of_nothing_never_restarts(void **state)
{
	struct restart_log log = { 0 };

	(void)state;
	assert_false(restart_allowed(&log, 0, 10000, 0));
}

static void
another_intensity_begins_anew(void **state)
{
	struct restart_log log = { 0 };

	(void)state;
	assert_true(restart_allowed(&log, 1, 1000, 0));
	assert_false(restart_allowed(&log, 1, 1000, 10));
	assert_true(restart_allowed(&log, 2, 1000, 20));
	assert_true(restart_allowed(&log, 2, 1000, 30));
	assert_false(restart_allowed(&log, 2, 1000, 40));
	restart_log_free(&log);
}

/* The rule as OTP words it: count what lies within the period, this restart included. */
static void
the_ring_agrees_with_counting(void **state)
{
	struct restart_log log = { 0 };
	int64_t accepted[2000], now = 0;
	uint32_t seed = 1, intensity = 3, n = 0, i, inside;
	bool expected;

	(void)state;
	for (i = 0; i < 2000; i++) {
		uint32_t k;

		seed = seed * 1664525 + 1013904223;
		now += seed >> 22;
		for (inside = 1, k = 0; k < n; k++)
			inside += now - accepted[k] <= 1000;
		expected = inside <= intensity;
		assert_int_equal(restart_allowed(&log, intensity, 1000, now), expected);
		if (expected)
			accepted[n++] = now;
	}
	restart_log_free(&log);
}

static void
backoff_doubles_up_to_its_cap(void **state)
{
	const struct backoff b = { .min_ms = 100, .max_ms = 1000, .factor = 2 };

	(void)state;
	assert_int_equal(backoff_delay(&b, 0, 0), 100);
	assert_int_equal(backoff_delay(&b, 1, 0), 200);
	assert_int_equal(backoff_delay(&b, 3, 0), 800);
	assert_int_equal(backoff_delay(&b, 4, 0), 1000);
	assert_int_equal(backoff_delay(&b, UINT32_MAX, 0), 1000);
}

static void
first_restart_is_at_once_where_no_backoff_was_written(void **state)
{
	const struct backoff b = { .min_ms = 100, .max_ms = 1000, .factor = 2, .immediate_first = true };

	(void)state;
	assert_int_equal(backoff_delay(&b, 0, 0), 0);
	assert_int_equal(backoff_delay(&b, 1, 0), 100);
	assert_int_equal(backoff_delay(&b, 2, 0), 200);
}

static void
jitter_takes_away_its_share_at_most(void **state)
{
	const struct backoff b = { .min_ms = 1000, .max_ms = 1000, .factor = 1, .jitter = 0.5 };

	(void)state;
	assert_int_equal(backoff_delay(&b, 0, 0), 1000);
	assert_in_range(backoff_delay(&b, 0, UINT32_MAX), 500, 501);
	assert_in_range(backoff_delay(&b, 0, UINT32_MAX / 2), 749, 751);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(third_restart_inside_the_period_is_refused),
		cmocka_unit_test(intensity_of_nothing_never_restarts),
		cmocka_unit_test(another_intensity_begins_anew),
		cmocka_unit_test(the_ring_agrees_with_counting),
		cmocka_unit_test(backoff_doubles_up_to_its_cap),
		cmocka_unit_test(first_restart_is_at_once_where_no_backoff_was_written),
		cmocka_unit_test(jitter_takes_away_its_share_at_most),
	};

	return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}
