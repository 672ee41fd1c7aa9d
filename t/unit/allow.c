/* SPDX-License-Identifier: MIT */
#include "node/allow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *two[] = { "date", "/usr/bin/uptime" };
static const char *web[] = { "web" };

static void
a_level_goes_up_to_itself(void **state)
{
	const struct allow none = { .control = ACCESS_NONE }, operate = { .control = ACCESS_OPERATE };

	(void)state;
	assert_false(allow_control(&none, ACCESS_READ, NULL));
	assert_true(allow_control(&operate, ACCESS_READ, NULL));
	assert_true(allow_control(&operate, ACCESS_OPERATE, "db"));
	assert_true(allow_control(&operate, ACCESS_OPERATE, NULL));
	assert_false(allow_control(&operate, ACCESS_ADMIN, NULL));
}

static void
named_applications_alone(void **state)
{
	const struct allow a = { .control = ACCESS_OPERATE, .applications = { web, 1 } };

	(void)state;
	assert_true(allow_control(&a, ACCESS_OPERATE, "web"));
	assert_false(allow_control(&a, ACCESS_OPERATE, "db"));
	assert_true(allow_control(&a, ACCESS_READ, NULL));
	assert_false(allow_control(&a, ACCESS_OPERATE, NULL));		/* the mode concerns all */
}

static void
commands_as_they_are_written(void **state)
{
	const struct allow_list all = { .all = true }, none = { 0 }, some = { .names = { two, 2 } };

	(void)state;
	assert_true(allow_command(&all, "anything"));
	assert_false(allow_command(&none, "date"));
	assert_true(allow_command(&some, "date"));
	assert_true(allow_command(&some, "/usr/bin/uptime"));
	assert_false(allow_command(&some, "uptime"));
	assert_false(allow_command(&some, "/usr/bin/date"));
	assert_false(allow_command(&some, "/tmp/../usr/bin/uptime"));
	assert_false(allow_command(&some, ""));
}

static void
messages_to_named_applications(void **state)
{
	const struct allow a = { .send = { .names = { web, 1 } } }, all = { .send = { .all = true } };

	(void)state;
	assert_true(allow_send(&a, "web"));
	assert_false(allow_send(&a, "~root"));
	assert_true(allow_send(&all, "~root"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_level_goes_up_to_itself), cmocka_unit_test(named_applications_alone),
		cmocka_unit_test(commands_as_they_are_written), cmocka_unit_test(messages_to_named_applications),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
