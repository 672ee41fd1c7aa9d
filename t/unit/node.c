/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "monitor/node.h"
#include "monitor/tables.h"

#define SECOND INT64_C(1000000000)

static void
give(struct node_snapshot *n, enum node_text what, const char *text)
{
	node_take(n, what, text, strlen(text));
}

static struct node_snapshot
first(void)
{
	struct node_snapshot n = { .at_ns = 1000 * SECOND, .processes = 5 };

	give(&n, NODE_STAT, "cpu  1000 0 500 9000 100 0 0 10\ncpu0 1\ncpu1 1\nprocs_running 3\nprocs_blocked 1\n");
	give(&n, NODE_MEMINFO, "MemTotal: 8 kB\nMemAvailable: 4 kB\nSwapTotal: 2 kB\nSwapFree: 1 kB\n");
	give(&n, NODE_LOADAVG, "0.50 1.00 2.00 1/77 9\n");
	give(&n, NODE_UPTIME, "100.5 1\n");
	give(&n, NODE_DISKSTATS, "8 0 sda 1 2 100 4 5 6 200 8\n");
	give(&n, NODE_NET, "Inter-|\n face |\n eth0: 1000 0 0 0 0 0 0 0 500 0\n");
	give(&n, NODE_PRESSURE_CPU, "some avg10=0 avg60=0 avg300=0 total=1000000\n");
	give(&n, NODE_PRESSURE_MEMORY, "some avg10=0 avg60=0 avg300=0 total=0\nfull avg10=0 avg60=0 avg300=0 total=0\n");
	give(&n, NODE_PRESSURE_IO, "some avg10=0 avg60=0 avg300=0 total=0\nfull avg10=0 avg60=0 avg300=0 total=0\n");
	return n;
}

static void
row_is(const struct node_snapshot *a, const struct node_snapshot *b, const char *expected)
{
	struct buf row = { 0 };
	size_t i, cells = 1;

	node_row(&row, a, b, 100);
	assert_string_equal(buf_cstr(&row), expected);
	for (i = 0; i < row.len; i++)
		cells += row.data[i] == ',';
	assert_int_equal(cells, monitor_table(TABLE_NODE)->column_count);
	buf_free(&row);
}

static void
speeds_come_with_the_second_snapshot(void **state)
{
	const struct node_snapshot none = { 0 }, a = first();
	struct node_snapshot b = { .at_ns = 1002 * SECOND, .processes = 6 };

	(void)state;
	row_is(&none, &a, "2,null,null,null,null,0.5,1,2,8192,4096,2048,1024,null,null,null,null,null,null,null,null,null,5,77,3,1,100.5");
	give(&b, NODE_STAT, "cpu  1100 0 520 9000 130 10 0 12\ncpu0 1\ncpu1 1\n");
	give(&b, NODE_DISKSTATS, "8 0 sda 1 2 104 4 5 6 200 8\n");
	give(&b, NODE_NET, "Inter-|\n face |\n eth0: 3000 0 0 0 0 0 0 0 700 0\n");
	give(&b, NODE_PRESSURE_CPU, "some avg10=0 avg60=0 avg300=0 total=1500000\n");
	row_is(&a, &b, "2,0.5,0.15,0.15,0.01,null,null,null,null,null,null,null,0.25,null,null,null,null,1024,0,1000,100,6,null,null,null,null");
}

static void
a_text_that_is_none_makes_no_speed(void **state)
{
	const struct node_snapshot a = first();
	struct node_snapshot b = { .at_ns = 1002 * SECOND };

	(void)state;
	give(&b, NODE_STAT, "nothing");
	give(&b, NODE_NET, "Inter-|\n face |\n eth0: 10 0 0 0 0 0 0 0 5 0\n");		/* a driver was loaded again */
	row_is(&a, &b, "null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,0,null,null,null,null");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(speeds_come_with_the_second_snapshot),
		cmocka_unit_test(a_text_that_is_none_makes_no_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
