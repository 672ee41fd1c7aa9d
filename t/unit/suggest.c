/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/suggest.h"

static const char *const names[] = { "restart", "ready", "reload_signal", "command", "user", "group", "groups" };
enum { N = sizeof(names) / sizeof(names[0]) };

static void
a_slip_of_the_finger_finds_the_word_that_was_meant(void **state)
{
	(void)state;
	assert_string_equal(suggest("restrat", names, N), "restart");	/* two letters changed places */
	assert_string_equal(suggest("comand", names, N), "command");
	assert_string_equal(suggest("usr", names, N), "user");
	assert_string_equal(suggest("groops", names, N), "groups");
}

static void
a_word_that_is_far_from_all_finds_none(void **state)
{
	(void)state;
	assert_null(suggest("xyzzyplugh", names, N));
	assert_null(suggest("anything", NULL, 0));
}

static void
words_of_any_length_are_bounded_work(void **state)
{
	static char word[4097];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(word) - 1; i++)
		word[i] = 'a';
	assert_null(suggest("", (const char *const[]){ "abcdef" }, 1));
	suggest(word, names, N);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slip_of_the_finger_finds_the_word_that_was_meant),
		cmocka_unit_test(a_word_that_is_far_from_all_finds_none),
		cmocka_unit_test(words_of_any_length_are_bounded_work),
	};

	return cmocka_run_group_tests_name("suggest", tests, NULL, NULL);
}
