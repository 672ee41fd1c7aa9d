/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/strmap.h"

#include <stdio.h>

static void
a_name_that_was_never_put_is_not_there(void **state)
{
	struct strmap m = { 0 };

	(void)state;
	assert_int_equal(strmap_get(&m, "a"), STRMAP_NONE);
	strmap_del(&m, "a");
	assert_int_equal(strmap_put(&m, "b", 1), 0);
	assert_int_equal(strmap_get(&m, "a"), STRMAP_NONE);
	strmap_free(&m);
}

static void
a_second_value_replaces_the_first(void **state)
{
	struct strmap m = { 0 };

	(void)state;
	strmap_put(&m, "a", 1);
	strmap_put(&m, "a", 2);
	assert_int_equal(strmap_get(&m, "a"), 2);
	assert_int_equal(m.used, 1);
	strmap_free(&m);
}

/* Against an array of what should be there. */
static void
it_remembers_through_many_additions_and_deletions(void **state)
{
	enum { NAMES = 500 };
	static char names[NAMES][8];
	uint32_t value[NAMES], i, round, which;
	struct strmap m = { 0 };
	uint64_t seed = 3;

	(void)state;
	for (i = 0; i < NAMES; i++) {
		snprintf(names[i], sizeof(names[i]), "n%u", i);
		value[i] = STRMAP_NONE;
	}
	for (round = 0; round < 20000; round++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		which = (uint32_t)(seed >> 33) % NAMES;
		if (seed >> 62) {
			strmap_put(&m, names[which], round);
			value[which] = round;
		} else {
			strmap_del(&m, names[which]);
			value[which] = STRMAP_NONE;
		}
		if (round % 100 == 0)
			for (i = 0; i < NAMES; i++)
				assert_int_equal(strmap_get(&m, names[i]), value[i]);
	}
	strmap_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_that_was_never_put_is_not_there),
		cmocka_unit_test(a_second_value_replaces_the_first),
		cmocka_unit_test(it_remembers_through_many_additions_and_deletions),
	};

	return cmocka_run_group_tests_name("strmap", tests, NULL, NULL);
}
