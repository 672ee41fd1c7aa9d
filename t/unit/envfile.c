/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "wire/envfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int
note_set(void *arg, const char *name, const char *value)
{
	buf_printf(arg, "%s=[%s];", name, value);
	return 0;
}

static void
note_bad(void *arg, unsigned line)
{
	buf_printf(arg, "bad %u;", line);
}

static void
reads_as(const char *text, const char *expected)
{
	char *copy = strdup(text);
	struct buf seen = { 0 };

	assert_int_equal(envfile_parse(copy, strlen(copy), note_set, note_bad, &seen), 0);
	assert_string_equal(buf_cstr(&seen), expected);
	buf_free(&seen);
	free(copy);
}

static void
plain_assignments_lose_the_blanks_around_their_value(void **state)
{
	(void)state;
	reads_as("A=1\nB = two words  \nC=\n", "A=[1];B=[two words];C=[];");
	reads_as("  D=no newline at the end", "D=[no newline at the end];");
}

static void
comments_and_empty_lines_say_nothing(void **state)
{
	(void)state;
	reads_as("# a=1\n; b=2\n\n   \nC=3 # not a comment\n", "C=[3 # not a comment];");
}

static void
quotes_protect(void **state)
{
	(void)state;
	reads_as("A='as $it \\is'\n", "A=[as $it \\is];");
	reads_as("B=\"a \\\"b\\\" \\\\ \\$c \\n\"\n", "B=[a \"b\" \\ $c \\n];");
	reads_as("C=\"two\nlines\"\nD=' kept '\n", "C=[two\nlines];D=[ kept ];");
	reads_as("E=a'b'\"c\"d\n", "E=[abcd];");
	reads_as("F='never closed\nG=1\n", "F=[never closed\nG=1\n];");
}

static void
a_backslash_joins_lines_and_makes_plain(void **state)
{
	(void)state;
	reads_as("A=one \\\ntwo\nB=a\\ b\\\\\n", "A=[one two];B=[a b\\];");
	reads_as("A=end\\", "A=[end];");
}

static void
a_line_that_is_no_assignment_is_told_by_number(void **state)
{
	(void)state;
	reads_as("A=1\nexport B=2\n1C=3\n=4\nnothing\nD=5\n", "A=[1];bad 2;bad 3;bad 4;bad 5;D=[5];");
	reads_as("A='x\ny'\nno\n", "A=[x\ny];bad 3;");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_assignments_lose_the_blanks_around_their_value),
		cmocka_unit_test(comments_and_empty_lines_say_nothing),
		cmocka_unit_test(quotes_protect),
		cmocka_unit_test(a_backslash_joins_lines_and_makes_plain),
		cmocka_unit_test(a_line_that_is_no_assignment_is_told_by_number),
	};

	return cmocka_run_group_tests_name("envfile", tests, NULL, NULL);
}
