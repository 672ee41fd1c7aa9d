/* SPDX-License-Identifier: MIT */
#include "wire/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct notify
parsed(const char *text)
{
	struct notify n;

	assert_int_equal(notify_parse(text, strlen(text), &n), 0);
	return n;
}

static void
what_libsystemd_sends_is_understood(void **state)
{
	struct notify n = parsed("READY=1\nSTATUS=Serving\nMAINPID=4711\nEXTEND_TIMEOUT_USEC=2500000");

	(void)state;
	assert_true(n.ready);
	assert_true(n.has_status);
	assert_string_equal(n.status, "Serving");
	assert_int_equal(n.main_pid, 4711);
	assert_int_equal(n.extend_us, 2500000);
	n = parsed("STOPPING=1\n");
	assert_true(n.stopping);
	assert_false(n.ready);
	n = parsed("RELOADING=1\nMONOTONIC_USEC=123\nERRNO=2");
	assert_true(n.reloading);
	assert_int_equal(n.error, 2);
}

static void
an_alarm_is_a_text_without_control_characters(void **state)
{
	char text[NOTIFY_ALARM_MAX + 100] = "X_APPCTL_ALARM=";
	struct notify n = parsed("X_APPCTL_ALARM=disk\tis full\nREADY=1");

	(void)state;
	assert_string_equal(n.alarm, "disk is full");
	assert_true(n.ready);
	assert_string_equal(parsed("READY=1").alarm, "");
	memset(text + strlen(text), 'x', sizeof(text) - strlen(text) - 1);
	n = parsed(text);
	assert_int_equal(strlen(n.alarm), NOTIFY_ALARM_MAX - 1);
}

static void
of_nodes_it_says_which_and_why(void **state)
{
	char text[NOTIFY_NODE_MAX + 100] = "X_APPCTL_NODE_UP=";
	struct notify n = parsed("X_APPCTL_NODE_UP=bob@b 10.0.0.1:4370\nREADY=1");

	(void)state;
	assert_true(n.node_up);
	assert_string_equal(n.node, "bob@b");
	assert_string_equal(n.about_node, "10.0.0.1:4370");
	assert_true(n.ready);
	n = parsed("X_APPCTL_NODE_DOWN=eve it was\tsilent");
	assert_false(n.node_up);
	assert_string_equal(n.node, "eve");
	assert_string_equal(n.about_node, "it was silent");
	assert_string_equal(parsed("X_APPCTL_NODE_UP=").node, "");
	assert_string_equal(parsed("X_APPCTL_NODE_UP=eve").about_node, "");
	memset(text + strlen(text), 'x', sizeof(text) - strlen(text) - 1);
	assert_string_equal(parsed(text).node, "");
}

static void
unknown_lines_and_senseless_values_are_passed_over(void **state)
{
	struct notify n = parsed("X_OTHER=1\nno assignment\n\n=\nREADY=0\nMAINPID=-5\nMAINPID=99999999999\nREADY =1\nBARRIER=1");

	(void)state;
	assert_false(n.ready);
	assert_int_equal(n.main_pid, 0);
}

static void
a_nul_inside_is_no_text(void **state)
{
	struct notify n;

	(void)state;
	assert_int_equal(notify_parse("READY=1\0X=1", 11, &n), -1);
	assert_int_equal(notify_parse("READY=1", 8, &n), 0);	/* one at the end is */
	assert_true(n.ready);
	assert_int_equal(notify_parse("", 0, &n), 0);
}

static void
a_long_status_is_cut_between_characters(void **state)
{
	char text[256] = "STATUS=";
	struct notify n;
	size_t i;

	(void)state;
	for (i = 0; i < 50; i++)
		strcat(text, "\xc3\xa9");
	n = parsed(text);
	assert_int_equal(strlen(n.status), 78);
	n = parsed("STATUS=a\tb\x1b[1m");
	assert_string_equal(n.status, "a b [1m");
}

static void
an_oversized_datagram_is_refused(void **state)
{
	static char text[NOTIFY_MAX + 1];
	struct notify n;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(notify_parse(text, sizeof(text), &n), -1);
	assert_int_equal(notify_parse(text, NOTIFY_MAX, &n), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_libsystemd_sends_is_understood),
		cmocka_unit_test(an_alarm_is_a_text_without_control_characters),
		cmocka_unit_test(of_nodes_it_says_which_and_why),
		cmocka_unit_test(unknown_lines_and_senseless_values_are_passed_over),
		cmocka_unit_test(a_nul_inside_is_no_text),
		cmocka_unit_test(a_long_status_is_cut_between_characters),
		cmocka_unit_test(an_oversized_datagram_is_refused),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
