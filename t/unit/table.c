/* SPDX-License-Identifier: MIT */
#include "appctld/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
a_child_is_found_by_incarnation_and_by_pid(void **state)
{
	struct table t = { 0 };
	struct kid *k;

	(void)state;
	assert_null(table_by_inc(&t, 1));
	assert_null(table_by_pid(&t, 100));
	k = table_add(&t, 1, "web", "slice/web");
	assert_non_null(k);
	assert_string_equal(kid_name(k), "web");
	assert_string_equal(kid_cgroup(k), "slice/web");
	assert_int_equal(k->ready_fd, -1);
	assert_ptr_equal(table_by_inc(&t, 1), k);
	table_set_pid(&t, k, 100);
	assert_ptr_equal(table_by_pid(&t, 100), k);
	table_remove(&t, k);
	assert_null(table_by_inc(&t, 1));
	assert_null(table_by_pid(&t, 100));
	assert_int_equal(t.count, 0);
	table_fini(&t);
}

static void
an_ended_child_leaves_its_number_to_the_next(void **state)
{
	struct table t = { 0 };
	struct kid *old, *new;

	(void)state;
	table_add(&t, 1, "a", "");
	table_add(&t, 2, "b", "");
	old = table_by_inc(&t, 1);
	new = table_by_inc(&t, 2);
	table_set_pid(&t, old, 100);
	table_set_exited(&t, old, 9);
	assert_null(table_by_pid(&t, 100));
	assert_int_equal(old->pid, 100);
	table_set_pid(&t, new, 100);
	assert_ptr_equal(table_by_pid(&t, 100), new);
	table_remove(&t, old);
	assert_ptr_equal(table_by_pid(&t, 100), new);
	table_fini(&t);
}

static void
an_ended_child_may_get_another_process(void **state)
{
	struct table t = { 0 };
	struct kid *k = table_add(&t, 1, "daemon", "");

	(void)state;
	table_set_pid(&t, k, 100);
	table_set_exited(&t, k, 0);
	table_set_pid(&t, k, 101);
	assert_false(k->flags & KID_EXITED);
	assert_ptr_equal(table_by_pid(&t, 101), k);
	assert_null(table_by_pid(&t, 100));
	table_fini(&t);
}

static void
names_too_long_for_a_slot_are_refused(void **state)
{
	struct table t = { 0 };
	char name[300];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[251] = '\0';
	assert_null(table_add(&t, 1, name, ""));
	assert_int_equal(t.count, 0);
	name[250] = '\0';
	assert_non_null(table_add(&t, 1, name, ""));
	table_fini(&t);
}

static void
a_walk_sees_each_child_once_and_bears_removals(void **state)
{
	struct table t = { 0 };
	struct kid *k;
	uint64_t inc, sum = 0;

	(void)state;
	for (inc = 1; inc <= 1000; inc++)
		table_add(&t, inc, "x", "");
	for (k = table_next(&t, NULL); k != NULL; k = table_next(&t, k)) {
		sum += k->inc;
		if (k->inc % 2 == 0)
			table_remove(&t, k);
	}
	assert_int_equal(sum, 500500);
	assert_int_equal(t.count, 500);
	table_fini(&t);
}

static uint32_t
next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

/* Against an array that is searched from end to end. */
static void
a_long_random_life_loses_and_invents_nothing(void **state)
{
	enum { PLACES = 300, STEPS = 200000 };
	struct { uint64_t inc; pid_t pid; } model[PLACES] = { 0 };
	struct table t = { 0 };
	uint64_t last_inc = 0;
	uint32_t x = 2463534242u;
	unsigned taken = 0, i;
	struct kid *k;
	int step;

	(void)state;
	for (step = 0; step < STEPS; step++) {
		i = next_random(&x) % PLACES;
		if (model[i].inc == 0) {
			model[i].inc = ++last_inc;
			model[i].pid = (pid_t)(1 + i + PLACES * (next_random(&x) % 50));
			k = table_add(&t, model[i].inc, "n", "c");
			table_set_pid(&t, k, model[i].pid);
			taken++;
		} else {
			k = table_by_inc(&t, model[i].inc);
			assert_non_null(k);
			assert_int_equal(k->pid, model[i].pid);
			assert_ptr_equal(table_by_pid(&t, model[i].pid), k);
			table_remove(&t, k);
			assert_null(table_by_inc(&t, model[i].inc));
			assert_null(table_by_pid(&t, model[i].pid));
			model[i].inc = 0;
			taken--;
		}
		assert_int_equal(t.count, taken);
	}
	assert_true(t.cap <= 512);
	table_fini(&t);
}

static void
a_slot_is_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct kid) <= 64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_is_found_by_incarnation_and_by_pid),
		cmocka_unit_test(an_ended_child_leaves_its_number_to_the_next),
		cmocka_unit_test(an_ended_child_may_get_another_process),
		cmocka_unit_test(names_too_long_for_a_slot_are_refused),
		cmocka_unit_test(a_walk_sees_each_child_once_and_bears_removals),
		cmocka_unit_test(a_long_random_life_loses_and_invents_nothing),
		cmocka_unit_test(a_slot_is_small),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
