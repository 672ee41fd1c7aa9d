/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "monitor/process.h"
#include "monitor/rate.h"

#define SECOND INT64_C(1000000000)
#define DAY (86400 * SECOND)
enum { TICKS = 100 };

static struct proc_stat
stat_of(int32_t pid, uint64_t started, uint64_t ticks)
{
	return (struct proc_stat){ .pid = pid, .parent = 1, .state = 'S', .name = "x", .started = started, .ticks = ticks, .threads = 1 };
}

static bool
take(struct process *p, uint64_t started, uint64_t ticks, int64_t memory, int64_t at_ns)
{
	const struct proc_stat st = stat_of(17, started, ticks);

	return process_take(p, &st, memory, at_ns, TICKS);
}

static void
speeds_are_of_the_time_that_passed(void **state)
{
	struct process p;

	(void)state;
	process_init(&p);
	assert_false(take(&p, 5, 1000, 4096, 10 * SECOND));
	assert_true(isnan(p.cpu));
	assert_true(isnan(p.growth));
	assert_true(take(&p, 5, 1300, 4096 + 2000, 12 * SECOND));
	assert_float_equal(p.cpu, 1.5, 1e-9);
	assert_float_equal(p.growth, 1000, 1e-9);
	assert_true(take(&p, 5, 1300, 4096, 13 * SECOND));
	assert_float_equal(p.cpu, 0, 1e-9);
	assert_float_equal(p.growth, -2000, 1e-9);
}

static void
a_pid_that_comes_again_is_another_process(void **state)
{
	struct process p;

	(void)state;
	process_init(&p);
	take(&p, 5, 1000, 4096, 10 * SECOND);
	take(&p, 5, 1100, 4096, 11 * SECOND);
	process_take_io(&p, 1, 1, 11 * SECOND);
	p.suspected = 1;
	assert_false(take(&p, 6, 1105, 8192, 12 * SECOND));
	assert_true(isnan(p.cpu));
	assert_true(isnan(p.growth));
	assert_int_equal(p.io_at_ns, 0);
	assert_int_equal(p.suspected, 0);
	assert_int_equal(p.application, -1);
}

/* Asleep for a night: CLOCK_BOOTTIME went on, the process did not.  And no time at all: what was known stays. */
static void
a_suspended_machine_is_an_interval_like_any_other(void **state)
{
	struct process p;

	(void)state;
	process_init(&p);
	take(&p, 5, 1000, 4096, 10 * SECOND);
	take(&p, 5, 1100, 4096, 10 * SECOND + DAY / 2);
	assert_float_equal(p.cpu, 1.0 / 43200, 1e-9);
	take(&p, 5, 1200, 4096, 10 * SECOND + DAY / 2);
	assert_float_equal(p.cpu, 1.0 / 43200, 1e-9);
}

static void
years_of_uptime_are_no_matter(void **state)
{
	const int64_t late = 500 * DAY;
	struct process p;

	(void)state;
	process_init(&p);
	take(&p, 4320000000u, 4294967290u, 4096, late);
	assert_true(take(&p, 4320000000u, 4294967490u, 4096, late + 2 * SECOND));
	assert_float_equal(p.cpu, 1, 1e-9);
	take(&p, 4320000000u, 4294967490u, 4096, INT64_MAX - SECOND);
	assert_true(take(&p, 4320000000u, 4294967590u, 4096, INT64_MAX));
	assert_float_equal(p.cpu, 1, 1e-9);
}

static void
a_counter_wraps_at_32_bits_or_was_reset(void **state)
{
	(void)state;
	assert_float_equal(rate_of(10, 30, 2 * SECOND), 10, 1e-9);
	assert_float_equal(rate_of(4294967290u, 14, 2 * SECOND), 10, 1e-9);
	assert_true(isnan(rate_of(4294967290u, 2000000000u, SECOND)));
	assert_true(isnan(rate_of(2000000000u, 14, SECOND)));
	assert_true(isnan(rate_of(UINT64_MAX, 14, SECOND)));
	assert_true(isnan(rate_of(1, 0, SECOND)));
	assert_true(isnan(rate_of(1, 2, 0)));
	assert_true(isnan(rate_of(1, 2, -SECOND)));		/* never of CLOCK_BOOTTIME, but of nothing else either */
	assert_float_equal(rate_of(0, UINT64_MAX, SECOND), 18446744073709551615.0, 1e4);
	assert_float_equal(rate_rounded(0.123456, 1e4), 0.1235, 1e-9);
	assert_true(isnan(rate_rounded(NAN, 1)));
}

static void
io_has_an_interval_of_its_own(void **state)
{
	struct process p;

	(void)state;
	process_init(&p);
	take(&p, 5, 0, 0, SECOND);
	process_take_io(&p, 1000, 0, SECOND);
	assert_true(isnan(p.io_read));
	process_take_io(&p, 5000, 100, 5 * SECOND);
	assert_float_equal(p.io_read, 1000, 1e-9);
	assert_float_equal(p.io_written, 25, 1e-9);
	process_take_io(&p, 5000, 100, 5 * SECOND);		/* the same moment */
	assert_float_equal(p.io_read, 1000, 1e-9);
}

static void
a_suspect_is_told_once_for_each_crossing(void **state)
{
	uint8_t bits = 0;

	(void)state;
	assert_false(suspect_crosses(&bits, SUSPECT_THREADS, 100, 100));
	assert_true(suspect_crosses(&bits, SUSPECT_THREADS, 101, 100));
	assert_false(suspect_crosses(&bits, SUSPECT_THREADS, 200, 100));
	assert_false(suspect_crosses(&bits, SUSPECT_THREADS, 95, 100));
	assert_false(suspect_crosses(&bits, SUSPECT_THREADS, 101, 100));		/* it swings about the limit */
	assert_true(suspect_crosses(&bits, SUSPECT_MEMORY, 2, 1));			/* each kind for itself */
	assert_false(suspect_crosses(&bits, SUSPECT_THREADS, 90, 100));
	assert_false(suspect_crosses(&bits, SUSPECT_THREADS, 101, 100));
	assert_false(suspect_crosses(&bits, SUSPECT_THREADS, 89, 100));
	assert_true(suspect_crosses(&bits, SUSPECT_THREADS, 101, 100));
	assert_false(suspect_crosses(&bits, SUSPECT_DESCRIPTORS, 1000, 0));		/* no limit */
	assert_false(suspect_crosses(&bits, SUSPECT_DESCRIPTORS, -1, 5));		/* not known */
}

static int
by_key(const void *a, const void *b)
{
	double x = ((const struct top_entry *)a)->key, y = ((const struct top_entry *)b)->key;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Against sorting all of them, for many random lists. */
static void
the_largest_are_found(void **state)
{
	struct process all[60];
	struct top_entry sorted[60], v[7];
	struct top top;
	size_t n, i, round;

	(void)state;
	srand(1);
	for (round = 0; round < 2000; round++) {
		top = (struct top){ .v = v, .max = (size_t)rand() % 8 };
		n = (size_t)rand() % 60;
		for (i = 0; i < n; i++) {
			sorted[i] = (struct top_entry){ rand() % 30, &all[i] };
			top_offer(&top, &all[i], sorted[i].key, 10);
		}
		top_offer(&top, &all[0], NAN, 10);
		qsort(sorted, n, sizeof(sorted[0]), by_key);
		qsort(v, top.count, sizeof(v[0]), by_key);
		for (i = 0; i < top.count; i++)
			assert_true(v[i].key == sorted[i].key && v[i].key >= 10);
		assert_true(top.count == top.max || top.count == n || sorted[top.count].key < 10);
	}
}

static void
a_row_has_a_cell_for_each_column(void **state)
{
	const struct process_more none = { .uid = -1 }, more = { "web", "x --y", "do_wait", 1000 };
	struct process p;
	struct buf row = { 0 };

	(void)state;
	process_init(&p);
	take(&p, 5, 1000, 4096, SECOND);
	process_row(&row, &p, &none);
	assert_string_equal(buf_cstr(&row), "17,5,1,null,\"x\",null,null,\"S\",null,4096,null,null,null,1,null,null,\"\"");
	buf_clear(&row);
	take(&p, 5, 1050, 8192, 2 * SECOND);
	p.descriptors = 3;
	p.gone = true;
	p.reasons = REASON_CPU | REASON_MEMORY | REASON_GROWTH | REASON_IO | REASON_VIP | REASON_APPLICATION;
	process_row(&row, &p, &more);
	assert_string_equal(buf_cstr(&row), "17,5,1,\"web\",\"x\",\"x --y\",1000,\"X\",0.5,8192,4096,null,null,1,3,\"do_wait\","
					    "\"cpu memory growth io vip application\"");
	buf_free(&row);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(speeds_are_of_the_time_that_passed),
		cmocka_unit_test(a_pid_that_comes_again_is_another_process),
		cmocka_unit_test(a_suspended_machine_is_an_interval_like_any_other),
		cmocka_unit_test(years_of_uptime_are_no_matter),
		cmocka_unit_test(a_counter_wraps_at_32_bits_or_was_reset),
		cmocka_unit_test(io_has_an_interval_of_its_own),
		cmocka_unit_test(a_suspect_is_told_once_for_each_crossing),
		cmocka_unit_test(the_largest_are_found),
		cmocka_unit_test(a_row_has_a_cell_for_each_column),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
