/* SPDX-License-Identifier: MIT */
#include "net/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { HERE = 1, THERE = 2 };

static void
so_many_at_once_from_one_address(void **state)
{
	struct guard *g = guard_new(2, 0);

	(void)state;
	assert_true(guard_enter(g, HERE, 0));
	assert_true(guard_enter(g, HERE, 0));
	assert_false(guard_enter(g, HERE, 0));
	assert_true(guard_enter(g, THERE, 0));
	guard_leave(g, HERE, GUARD_PROVEN, 1);
	assert_true(guard_enter(g, HERE, 1));
	guard_free(g);
}

/* How long an address waits after that many failures, from now on. */
static int64_t
wait_of(struct guard *g, int64_t *now)
{
	int64_t start = *now;

	while (!guard_enter(g, HERE, *now))
		*now += 1;
	guard_leave(g, HERE, GUARD_FAILED, *now);
	return *now - start;
}

static void
who_fails_waits_longer_each_time(void **state)
{
	struct guard *g = guard_new(2, 0);
	int64_t now = 1000;
	int i;

	(void)state;
	for (i = 0; i < GUARD_FREE_FAILURES + 1; i++)
		assert_int_equal(wait_of(g, &now), 0);
	assert_int_equal(wait_of(g, &now), 100);
	assert_true(guard_enter(g, THERE, now));		/* others do not */
	assert_int_equal(wait_of(g, &now), 200);
	assert_int_equal(wait_of(g, &now), 400);
	for (i = 0; i < 20; i++)
		wait_of(g, &now);
	assert_int_equal(wait_of(g, &now), GUARD_DELAY_MAX_MS);
	now += GUARD_DELAY_MAX_MS;
	assert_true(guard_enter(g, HERE, now));
	guard_leave(g, HERE, GUARD_PROVEN, now);
	assert_int_equal(wait_of(g, &now), 0);			/* forgiven */
	guard_free(g);
}

static void
who_goes_without_a_word_has_not_failed(void **state)
{
	struct guard *g = guard_new(2, 0);
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		assert_true(guard_enter(g, HERE, 5));
		guard_leave(g, HERE, GUARD_GONE, 5);
	}
	guard_free(g);
}

static void
handshakes_have_a_rate(void **state)
{
	struct guard *g = guard_new(1, 0);
	unsigned begun = 0;
	uint64_t address = 1;
	int64_t now;

	(void)state;
	for (now = 0; now < 2000; now++)
		while (guard_wait(g, now) == 0) {
			assert_true(guard_enter(g, address, now));
			guard_leave(g, address++, GUARD_GONE, now);
			begun++;
		}
	assert_in_range(begun, GUARD_BURST + 2 * GUARD_RATE - 2, GUARD_BURST + 2 * GUARD_RATE + 2);
	assert_in_range(guard_wait(g, 2000), 0, 1000 / GUARD_RATE);
	guard_free(g);
}

static void
more_addresses_than_can_be_remembered(void **state)
{
	struct guard *g = guard_new(1, 0);
	uint64_t address;

	(void)state;
	assert_true(guard_enter(g, HERE, 0));
	for (address = 100; address < 100 + 10 * GUARD_ADDRESSES; address++) {
		assert_true(guard_enter(g, address, (int64_t)address));
		guard_leave(g, address, GUARD_FAILED, (int64_t)address);
	}
	assert_false(guard_enter(g, HERE, 1000000));		/* it is still there */
	guard_leave(g, HERE, GUARD_GONE, 1000000);
	for (address = 100; address < 100 + GUARD_ADDRESSES; address++)
		assert_true(guard_enter(g, address, 1000000));
	assert_false(guard_enter(g, HERE, 1000000));		/* all places are taken */
	guard_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_at_once_from_one_address),
		cmocka_unit_test(who_fails_waits_longer_each_time),
		cmocka_unit_test(who_goes_without_a_word_has_not_failed),
		cmocka_unit_test(handshakes_have_a_rate),
		cmocka_unit_test(more_addresses_than_can_be_remembered),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
