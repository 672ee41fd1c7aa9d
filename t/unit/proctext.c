/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "monitor/proctext.h"

#define TEXT(s) (s), strlen(s)

#define STAT_REST " 115 0 3 0 7 5 0 0 20 0 4 0 1181947 3133440 394 18446744073709551615 1 2 3 0 0 0\n"

static void
a_name_may_hold_anything(void **state)
{
	static const char *const names[][2] = {
		{ "cat", "cat" }, { "a b", "a b" }, { ") S 1 (x", ") S 1 (x" }, { "", "" }, { "))", "))" }, { "a\nb", "a\nb" },
		{ "kworker/u8:0-events_unbound", "kworker/u8:0-ev" },
	};
	struct proc_stat st;
	char text[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), "14920 (%s) S 25311 25310 31018 0 -1 4194304" STAT_REST, names[i][0]);
		assert_true(proc_stat_read(TEXT(text), &st));
		assert_string_equal(st.name, names[i][1]);
		assert_int_equal(st.pid, 14920);
		assert_int_equal(st.state, 'S');
		assert_int_equal(st.parent, 25311);
		assert_int_equal(st.session, 31018);
		assert_int_equal(st.faults, 118);
		assert_int_equal(st.ticks, 12);
		assert_int_equal(st.threads, 4);
		assert_int_equal(st.started, 1181947);
		assert_int_equal(st.resident, 394);
	}
}

/* Cut at every byte: refused until the last field that is needed has a digit. */
static void
a_stat_that_was_cut_off_is_refused(void **state)
{
	static const char whole[] = "1 (init) S 0 -1 -1 34816 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 17 999 42";
	struct proc_stat st;
	size_t len;
	char *copy;

	(void)state;
	for (len = 0; len <= strlen(whole); len++) {
		copy = malloc(len + 1);
		memcpy(copy, whole, len);
		assert_int_equal(proc_stat_read(copy, len, &st), len > strlen(whole) - 2);
		free(copy);
	}
	assert_int_equal(st.session, -1);
	assert_int_equal(st.resident, 42);
}

static void
numbers_of_years_of_uptime_are_read(void **state)
{
	struct proc_stat st;

	(void)state;
	/* 500 days are 4,320,000,000 ticks: beyond 32 bits */
	assert_true(proc_stat_read(TEXT("2147483647 (x) R 2147483646 1 1 0 -1 0 1 0 1 0 4320000000 4320000001 0 0 20 0 1 0 "
					"4320000002 0 18446744073709551615"), &st));
	assert_int_equal(st.pid, INT32_MAX);
	assert_true(st.ticks == 8640000001u);
	assert_true(st.started == 4320000002u);
	assert_true(st.resident == UINT64_MAX);
	assert_false(proc_stat_read(TEXT("2147483648 (x) R 1 1 1 0 -1 0 1 0 1 0 1 1 0 0 20 0 1 0 1 0 1"), &st));
}

static void
statm_and_io_give_what_is_needed(void **state)
{
	uint64_t a, b;

	(void)state;
	assert_true(proc_statm_read(TEXT("765 435 406 5 0 123 0\n"), &a));
	assert_int_equal(a, 435);
	assert_false(proc_statm_read(TEXT("765"), &a));
	assert_false(proc_statm_read(TEXT(""), &a));
	assert_true(proc_io_read(TEXT("rchar: 6976\nwchar: 1\nsyscr: 10\nsyscw: 0\nread_bytes: 4096\nwrite_bytes: 8192\n"
				      "cancelled_write_bytes: 5\n"), &a, &b));
	assert_int_equal(a, 4096);
	assert_int_equal(b, 8192);
	assert_false(proc_io_read(TEXT("rchar: 6976\nread_bytes: 4096\n"), &a, &b));
	assert_false(proc_io_read(TEXT("read_bytes: x\nwrite_bytes: 1\n"), &a, &b));
}

static void
an_application_is_the_directory_below_appctlds(void **state)
{
	static const char text[] = "9:name=systemd:/appctl-00000000/no\n0::/sys/appctl-0123abcd/web/part/more\n";
	char name[64], leaf[PROC_LEAF_SIZE], small[3];

	(void)state;
	assert_true(proc_cgroup_leaf(TEXT(text), leaf));
	assert_string_equal(leaf, "appctl-0123abcd");
	assert_true(proc_cgroup_application(TEXT(text), leaf, name, sizeof(name)));
	assert_string_equal(name, "web");
	assert_false(proc_cgroup_application(TEXT(text), "appctl-00000000", name, sizeof(name)));
	assert_false(proc_cgroup_application(TEXT(text), leaf, small, sizeof(small)));
	assert_false(proc_cgroup_application(TEXT("0::/appctl-0123abcd\n"), leaf, name, sizeof(name)));
	assert_false(proc_cgroup_application(TEXT("0::/appctl-0123abcd/"), leaf, name, sizeof(name)));
	assert_false(proc_cgroup_application(TEXT("0::/\n"), leaf, name, sizeof(name)));
	assert_false(proc_cgroup_leaf(TEXT("0::/appctl-0123abcx/web\n"), leaf));
	assert_false(proc_cgroup_leaf(TEXT("0::/appctl-0123abcd0/web\n"), leaf));
	/* one appctld in an application of another: the inner one is ours */
	assert_true(proc_cgroup_leaf(TEXT("0::/appctl-00000001/inner/appctl-00000002/producer\n"), leaf));
	assert_string_equal(leaf, "appctl-00000002");
}

static void
the_processors_times_are_added_up(void **state)
{
	struct proc_cpu c;

	(void)state;
	assert_true(proc_cpu_read(TEXT("cpu  10 2 30 400 5 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu1 1 1 1 1 1 1 1 1 1 1\n"
				       "intr 1 2 3\nctxt 5\nbtime 6\nprocesses 7\nprocs_running 3\nprocs_blocked 1\n"), &c));
	assert_int_equal(c.user, 12);
	assert_int_equal(c.system, 43);
	assert_int_equal(c.idle, 400);
	assert_int_equal(c.iowait, 5);
	assert_int_equal(c.steal, 8);
	assert_int_equal(c.cpus, 2);
	assert_int_equal(c.running, 3);
	assert_int_equal(c.blocked, 1);
	assert_true(proc_cpu_read(TEXT("cpu  1 2 3 4\n"), &c));
	assert_int_equal(c.running, -1);
	assert_false(proc_cpu_read(TEXT("cpu  1 2 3\n"), &c));
	assert_false(proc_cpu_read(TEXT("intr 5\n"), &c));
}

static void
memory_and_load_are_read(void **state)
{
	struct proc_memory m;
	struct proc_load l;
	double seconds;

	(void)state;
	assert_true(proc_memory_read(TEXT("MemTotal:       2000 kB\nMemFree: 7 kB\nMemAvailable:  1000 kB\nSwapCached: 1 kB\n"
					  "SwapTotal:  50 kB\nSwapFree: 40 kB\n"), &m));
	assert_int_equal(m.total, 2000 * 1024);
	assert_int_equal(m.available, 1000 * 1024);
	assert_int_equal(m.swap_total, 50 * 1024);
	assert_int_equal(m.swap_free, 40 * 1024);
	assert_false(proc_memory_read(TEXT("MemTotal: 2000 kB\nMemFree: 7 kB\n"), &m));
	assert_true(proc_load_read(TEXT("0.25 10.13 12.80 12/181 999\n"), &l));
	assert_float_equal(l.load[0], 0.25, 1e-9);
	assert_float_equal(l.load[1], 10.13, 1e-9);
	assert_float_equal(l.load[2], 12.8, 1e-9);
	assert_int_equal(l.threads, 181);
	assert_false(proc_load_read(TEXT("0.25 10.13 12.80"), &l));
	assert_true(proc_uptime_read(TEXT("43200000.55 1.2\n"), &seconds));
	assert_float_equal(seconds, 43200000.55, 1e-6);
	assert_false(proc_uptime_read(TEXT("."), &seconds));
}

static void
pressure_is_in_all(void **state)
{
	uint64_t some, full;

	(void)state;
	assert_true(proc_pressure_read(TEXT("some avg10=77.47 avg60=50.88 avg300=41.09 total=3611235227\n"
					    "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"), &some, &full));
	assert_true(some == 3611235227u);
	assert_int_equal(full, 7);
	assert_true(proc_pressure_read(TEXT("some avg10=0 avg60=0 avg300=0 total=1\n"), &some, &full));
	assert_int_equal(full, 0);
	assert_false(proc_pressure_read(TEXT("some avg10=0 avg60=0 avg300=0\n"), &some, &full));
	assert_false(proc_pressure_read(TEXT(""), &some, &full));
}

#define DISK(name, in, out) "   8  0 " name " 1 2 " in " 4 5 6 " out " 8 9 10 11\n"

static void
each_disk_counts_once(void **state)
{
	uint64_t in, out;

	(void)state;
	assert_true(proc_disks_read(TEXT(DISK("loop0", "9999", "9999") DISK("sda", "1", "10") DISK("sda1", "1", "10") DISK("sda12", "1", "10")
					 DISK("sdaa", "2", "20") DISK("sdaa1", "2", "20") DISK("nvme0n1", "4", "40") DISK("nvme0n1p1", "4", "40")
					 DISK("mmcblk0", "8", "80") DISK("mmcblk0p2", "8", "80") DISK("dm-0", "9999", "9999")
					 DISK("md127", "9999", "9999") DISK("zram0", "9999", "9999") DISK("vda", "16", "160")), &in, &out));
	assert_int_equal(in, 31 * 512);
	assert_int_equal(out, 310 * 512);
	assert_true(proc_disks_read(TEXT(""), &in, &out));		/* a machine without disks */
	assert_int_equal(in, 0);
	assert_false(proc_disks_read(TEXT("8 0 sda 1 2 3\n"), &in, &out));
	assert_false(proc_disks_read(TEXT("8\n"), &in, &out));
}

static void
what_stays_in_the_machine_is_no_traffic(void **state)
{
	uint64_t in, out;

	(void)state;
	assert_true(proc_net_read(TEXT("Inter-|   Receive |  Transmit\n face |bytes    packets|bytes\n"
				       "    lo: 99 1 0 0 0 0 0 0 99 1 0 0 0 0 0 0\n"
				       "  eth0:67018841 1 0 0 0 0 0 0 69232 1 0 0 0 0 0 0\n"
				       "veth12: 99 1 0 0 0 0 0 0 99 1 0 0 0 0 0 0\n"
				       "lond:1: 1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n"), &in, &out));
	assert_int_equal(in, 67018842);
	assert_int_equal(out, 69234);
	assert_true(proc_net_read(TEXT("Inter-|\n face |\n"), &in, &out));
	assert_int_equal(in, 0);
	assert_false(proc_net_read(TEXT("Inter-|\n face |\n eth0: 1 2 3\n"), &in, &out));
	assert_false(proc_net_read(TEXT("Inter-|\n face |\n eth0\n"), &in, &out));
	assert_false(proc_net_read(TEXT(""), &in, &out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_may_hold_anything),
		cmocka_unit_test(a_stat_that_was_cut_off_is_refused),
		cmocka_unit_test(numbers_of_years_of_uptime_are_read),
		cmocka_unit_test(statm_and_io_give_what_is_needed),
		cmocka_unit_test(an_application_is_the_directory_below_appctlds),
		cmocka_unit_test(the_processors_times_are_added_up),
		cmocka_unit_test(memory_and_load_are_read),
		cmocka_unit_test(pressure_is_in_all),
		cmocka_unit_test(each_disk_counts_once),
		cmocka_unit_test(what_stays_in_the_machine_is_no_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
