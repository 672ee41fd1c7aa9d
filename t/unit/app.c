/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>

#include "core/app.h"

static bool
is_live(enum app_state s)
{
	return s == APP_STARTING || s == APP_RUNNING || s == APP_STOPPING;
}

/* A hole in the table would read as "stopped, nothing to do": only STOPPED and what settles may lead there. */
static void
every_state_answers_every_input(void **state)
{
	struct transition t;
	int s, in;

	(void)state;
	for (s = 0; s < APP_STATE_COUNT; s++) {
		for (in = 0; in < APP_INPUT_COUNT; in++) {
			t = app_next((enum app_state)s, (enum app_input)in);
			if (t.to == APP_STOPPED && t.action == DO_NONE && s != APP_STOPPED)
				fail_msg("%s has no answer to %s", app_state_name((enum app_state)s),
					 app_input_name((enum app_input)in));
		}
	}
}

static void
a_process_is_ordered_and_ended_only_where_there_is_none_and_one(void **state)
{
	struct transition t;
	int s, in;

	(void)state;
	for (s = 0; s < APP_STATE_COUNT; s++) {
		for (in = 0; in < APP_INPUT_COUNT; in++) {
			t = app_next((enum app_state)s, (enum app_input)in);
			if (t.action == DO_SPAWN)
				assert_false(is_live((enum app_state)s));
			if (t.action == DO_STOP || t.action == DO_SWEEP || t.action == DO_ESCALATE || t.action == DO_SETTLE)
				assert_true(is_live((enum app_state)s));
			if (t.action == DO_SETTLE)
				assert_int_equal(in, IN_GONE);
		}
	}
}

static const struct ready no_ready = { .type = READY_NONE };
static const struct backoff at_once = { .factor = 1, .reset_after_ms = 10000 };

static struct settlement
settle(enum app_type type, enum restart_type restart, int status, bool asked)
{
	const struct app_def def = { .type = type, .restart = restart, .intensity = -1, .ready = &no_ready, .backoff = &at_once };
	struct app a = { .def = &def, .wanted = true, .has_exit = true, .exit_status = status, .asked = asked };

	return app_settle(&a, 1000, 0);
}

static void
restart_types_decide_as_of_a_supervisors_child(void **state)
{
	enum { GOOD = 0, BAD = 1 << 8 };

	(void)state;
	assert_int_equal(settle(APP_PROCESS, RESTART_PERMANENT, GOOD, false).to, SETTLE_RESTART);
	assert_int_equal(settle(APP_PROCESS, RESTART_PERMANENT, BAD, false).to, SETTLE_RESTART);
	assert_int_equal(settle(APP_PROCESS, RESTART_TRANSIENT, GOOD, false).to, SETTLE_COMPLETED);
	assert_int_equal(settle(APP_PROCESS, RESTART_TRANSIENT, BAD, false).to, SETTLE_RESTART);
	assert_int_equal(settle(APP_PROCESS, RESTART_TRANSIENT, SIGKILL, false).to, SETTLE_RESTART);
	assert_int_equal(settle(APP_PROCESS, RESTART_TEMPORARY, GOOD, false).to, SETTLE_COMPLETED);
	assert_int_equal(settle(APP_PROCESS, RESTART_TEMPORARY, BAD, false).to, SETTLE_FAILED);
	assert_int_equal(settle(APP_ONESHOT, RESTART_TRANSIENT, GOOD, false).to, SETTLE_COMPLETED);
	assert_int_equal(settle(APP_ONESHOT, RESTART_TRANSIENT, BAD, false).to, SETTLE_RESTART);
}

static void
a_start_for_which_the_machine_had_nothing_left_is_tried_again(void **state)
{
	const struct app_def def = { .restart = RESTART_TEMPORARY, .intensity = 0, .ready = &no_ready, .backoff = &at_once };
	struct app a = { .def = &def, .wanted = true, .exit_reason = REASON_SPAWN_FAILED };

	(void)state;
	a.fail_errno = ENOENT;
	assert_int_equal(app_settle(&a, 1000, 0).to, SETTLE_FAILED);
	a.fail_errno = EAGAIN;
	assert_int_equal(app_settle(&a, 1000, 0).to, SETTLE_RESTART);
	a.fail_errno = ENOSPC;
	assert_int_equal(app_settle(&a, 1000, 0).to, SETTLE_RESTART);
}

static void
one_that_was_told_to_end_has_not_failed(void **state)
{
	(void)state;
	assert_int_equal(settle(APP_PROCESS, RESTART_PERMANENT, SIGTERM, true).to, SETTLE_STOPPED);
}

static void
more_restarts_than_intensity_is_giving_up(void **state)
{
	const struct app_def def = { .intensity = 1, .period_ms = 5000, .ready = &no_ready, .backoff = &at_once };
	struct app a = { .def = &def, .wanted = true, .has_exit = true, .exit_status = 1 << 8 };

	(void)state;
	assert_int_equal(app_settle(&a, 1000, 0).to, SETTLE_RESTART);
	assert_int_equal(app_settle(&a, 2000, 0).to, SETTLE_FAILED);
	assert_int_equal(app_settle(&a, 2000, 0).reason, REASON_GAVE_UP);
	assert_int_equal(app_settle(&a, 6001, 0).to, SETTLE_RESTART);
	restart_log_free(&a.restart_log);
}

/* That the machine is short of processes or memory is not the application's fault. */
static void
want_of_memory_does_not_count_against_intensity(void **state)
{
	const struct app_def def = { .intensity = 0, .period_ms = 5000, .ready = &no_ready, .backoff = &at_once };
	struct app a = { .def = &def, .wanted = true, .exit_reason = REASON_SPAWN_FAILED, .fail_errno = 11 /* EAGAIN */ };

	(void)state;
	assert_int_equal(app_settle(&a, 1000, 0).to, SETTLE_RESTART);
	a.fail_errno = 2; /* ENOENT */
	assert_int_equal(app_settle(&a, 1000, 0).to, SETTLE_FAILED);
}

static void
a_good_while_up_forgives_earlier_failures(void **state)
{
	const struct backoff b = { .min_ms = 100, .max_ms = 60000, .factor = 2, .reset_after_ms = 10000 };
	const struct app_def def = { .intensity = -1, .ready = &no_ready, .backoff = &b };
	struct app a = { .def = &def, .wanted = true, .has_exit = true, .exit_status = 1 << 8, .row = 5 };

	(void)state;
	a.up_since_ms = 1000;
	assert_int_equal(app_settle(&a, 10999, 0).delay_ms, 3200);
	a.up_since_ms = 11000;
	assert_int_equal(app_settle(&a, 21000, 0).delay_ms, 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_answers_every_input),
		cmocka_unit_test(a_process_is_ordered_and_ended_only_where_there_is_none_and_one),
		cmocka_unit_test(restart_types_decide_as_of_a_supervisors_child),
		cmocka_unit_test(a_start_for_which_the_machine_had_nothing_left_is_tried_again),
		cmocka_unit_test(one_that_was_told_to_end_has_not_failed),
		cmocka_unit_test(more_restarts_than_intensity_is_giving_up),
		cmocka_unit_test(want_of_memory_does_not_count_against_intensity),
		cmocka_unit_test(a_good_while_up_forgives_earlier_failures),
	};

	return cmocka_run_group_tests_name("app", tests, NULL, NULL);
}
