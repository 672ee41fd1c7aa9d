/* SPDX-License-Identifier: MIT */
#include "appctl/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char sample[] =
	" { \"a\" : 1 , \"list\":[ \"x\", {\"deep\":[[{}]]}, \"q\\\"]}\\\\\" ,-1.5e3],\"b\":{\"c\":null} } ";

static struct slice
slice_of(const char *text)
{
	return (struct slice){ text, strlen(text) };
}

static void
members_and_elements_come_in_their_order(void **state)
{
	struct reader r = reader_of(slice_of(sample)), list;
	struct slice name;

	(void)state;
	assert_true(reader_member(&r, &name) && slice_is(name, "a"));
	assert_true(slice_is(reader_value(&r), "1"));
	assert_true(reader_member(&r, &name) && slice_is(name, "list"));
	list = reader_enter(&r);
	assert_true(reader_element(&list) && slice_is(reader_value(&list), "\"x\""));
	assert_true(reader_element(&list) && slice_is(reader_value(&list), "{\"deep\":[[{}]]}"));
	assert_true(reader_element(&list) && slice_is(reader_value(&list), "\"q\\\"]}\\\\\""));
	assert_true(reader_element(&list) && slice_is(reader_value(&list), "-1.5e3"));
	assert_false(reader_element(&list));
	reader_leave(&r, &list);
	assert_true(reader_member(&r, &name) && slice_is(name, "b"));
	assert_true(slice_is(reader_value(&r), "{\"c\":null}"));
	assert_false(reader_member(&r, &name));
	assert_false(r.bad);
}

/* As `appctl status` reads: "list" is entered, all else taken whole. */
static bool
is_read_whole(struct slice text)
{
	struct reader r = reader_of(text), list;
	struct slice name;

	while (reader_member(&r, &name)) {
		if (slice_is(name, "list")) {
			for (list = reader_enter(&r); reader_element(&list);)
				reader_value(&list);
			reader_leave(&r, &list);
		} else {
			reader_value(&r);
		}
	}
	return !r.bad && r.done;
}

static void
text_that_was_cut_is_bad_and_nothing_is_read_behind_it(void **state)
{
	size_t whole = strlen(sample) - 1, len;	/* the space after the last bracket may go */
	char *cut;

	(void)state;
	for (len = 0; len < whole; len++) {
		cut = malloc(len ? len : 1);	/* the sanitizer watches its end */
		memcpy(cut, sample, len);
		assert_false(is_read_whole((struct slice){ cut, len }));
		free(cut);
	}
	assert_true(is_read_whole((struct slice){ sample, whole }));
}

static void
any_byte_may_be_another(void **state)
{
	char text[sizeof(sample)];
	size_t at;
	int byte;

	(void)state;
	for (at = 0; at < sizeof(sample) - 1; at++) {
		for (byte = 0; byte < 256; byte++) {
			memcpy(text, sample, sizeof(sample));
			text[at] = (char)byte;
			is_read_whole((struct slice){ text, sizeof(sample) - 1 });
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_elements_come_in_their_order),
		cmocka_unit_test(text_that_was_cut_is_bad_and_nothing_is_read_behind_it),
		cmocka_unit_test(any_byte_may_be_another),
	};

	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
