/* SPDX-License-Identifier: MIT */
#include "core/explain.h"
#include "configured.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char site[] =
	"applications:\n{\n"
	"  db: { command = [\"db\"];\n"
	"        ready = { type = \"unix\"; path = \"/run/db.sock\"; timeout = 30.0; }; };\n"
	"  web: { command = [\"web\"];\n"
	"         applications = [\"db\"]; };\n"
	"};\n"
	"roles:\n{\n"
	"  storage = [\"db\"];\n"
	"  active = [\"web\"];\n"
	"};\n"
	"modes:\n{\n"
	"  normal = [\"active\"];\n"
	"  maintenance = [\"storage\"];\n"
	"};\n";

/* The chain as text, "FACT (FILE:LINE)" a line. */
static void
assert_chain(const struct engine *e, const char *name, const char *expected)
{
	struct causes c = { 0 };
	struct buf b = { 0 };
	uint32_t i;

	assert_int_equal(explain(e, app_of(e, name), CONFIGURED_NOW_MS, &c), 0);
	for (i = 0; i < c.n; i++) {
		buf_adds(&b, c.v[i].fact);
		if (c.v[i].at.file != NULL)
			buf_printf(&b, " (%s:%u)", c.v[i].at.file, c.v[i].at.line);
		buf_addc(&b, '\n');
	}
	assert_string_equal(buf_cstr(&b), expected);
	buf_free(&b);
	causes_free(&c);
}

static void
who_waits_is_explained_by_what_it_waits_for(void **state)
{
	struct engine *e = engine_of(site, "normal");

	(void)state;
	carry_out(e);
	assert_chain(e, "web",
		"web waits for db, which it requires (test.conf:6)\n"
		"db: starting: /run/db.sock does not accept connections yet, and has 30 s left (test.conf:3)\n");
	engine_free(e);
}

static void
who_runs_is_explained_by_what_wants_it(void **state)
{
	struct engine *e = engine_of(site, "normal");

	(void)state;
	carry_out(e);
	engine_ready(e, app_of(e, "db"));
	carry_out(e);
	assert_chain(e, "db",
		"db: running (test.conf:3)\n"
		"db is wanted because web requires it (test.conf:6)\n"
		"web is in role active (test.conf:11)\n"
		"role active is in mode normal, which is set (test.conf:15)\n");
	engine_free(e);
}

static void
who_is_not_wanted_is_explained_by_the_mode(void **state)
{
	struct engine *e = engine_of(site, "maintenance");

	(void)state;
	carry_out(e);
	assert_chain(e, "web",
		"web: not wanted in mode maintenance (test.conf:5)\n"
		"web is in role active, which that mode does not have (test.conf:11)\n"
		"mode maintenance is set (test.conf:16)\n");
	engine_free(e);
}

static void
an_operators_stop_is_the_fact(void **state)
{
	struct engine *e = engine_of(site, "normal");
	struct err err;

	(void)state;
	carry_out(e);
	engine_ready(e, app_of(e, "db"));
	carry_out(e);
	assert_int_equal(engine_stop(e, app_of(e, "db"), true, &err), 0);
	carry_out(e);
	assert_chain(e, "db", "db: stopped by an operator, until start or the next mode (test.conf:3)\n");
	engine_free(e);
}

static void
who_is_to_stop_waits_for_what_stands_on_it(void **state)
{
	struct engine *e = engine_of(site, "normal");
	struct err err;

	(void)state;
	carry_out(e);
	engine_ready(e, app_of(e, "db"));
	carry_out(e);
	assert_int_equal(engine_stop(e, app_of(e, "db"), true, &err), 0);
	assert_chain(e, "db",
		"db is to go down, after web\n"
		"web: stopping (operator): told to end, next step in 5.0 s (test.conf:5)\n");
	engine_free(e);
}

static void
a_failure_says_how_it_ended(void **state)
{
	struct engine *e = engine_of("applications: { a: { command = [\"a\"]; restart = \"temporary\"; }; };", NULL);

	(void)state;
	carry_out(e);
	engine_exited(e, app_of(e, "a")->inc[CHILD_MAIN], (struct exit_facts){ .status = 1 << 8 });
	carry_out(e);
	assert_chain(e, "a",
		"a: failed: restart = \"temporary\" does not start it again; it ended with exit 1 (test.conf:1)\n");
	engine_free(e);
}

static void
backoff_says_when_it_is_tried_again(void **state)
{
	struct engine *e = engine_of(
		"applications: { a: { command = [\"a\"]; backoff = { min = 4.0; max = 4.0; jitter = 0.0; }; }; };", NULL);

	(void)state;
	carry_out(e);
	engine_exited(e, app_of(e, "a")->inc[CHILD_MAIN], (struct exit_facts){ .status = 9 });
	carry_out(e);
	assert_chain(e, "a", "a: is started again in 4.0 s (restart 1): it ended with signal KILL (test.conf:1)\n");
	engine_free(e);
}

static void
a_spawn_that_failed_names_step_and_error(void **state)
{
	struct engine *e = engine_of("applications: { a: { command = [\"a\"]; restart = \"temporary\"; }; };", NULL);

	(void)state;
	engine_spawn_failed(e, app_of(e, "a")->inc[CHILD_MAIN], "exec", 2);
	drop_effects(e);
	assert_chain(e, "a", "a: failed: it could not be started (exec a: No such file or directory) (test.conf:1)\n");
	engine_free(e);
}

static void
what_is_disabled_says_so(void **state)
{
	struct engine *e = engine_of("applications:\n{\n  off: { command = [\"off\"]; enabled = false; };\n};\n", NULL);
	struct err err;

	(void)state;
	assert_chain(e, "off", "off: disabled (enabled = false), and nobody has started it (test.conf:3)\n");
	assert_int_equal(engine_start(e, app_of(e, "off"), &err), 0);
	carry_out(e);
	assert_chain(e, "off", "off: running (test.conf:3)\noff was started by an operator (test.conf:3)\n");
	engine_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_is_explained_by_what_it_waits_for),
		cmocka_unit_test(who_runs_is_explained_by_what_wants_it),
		cmocka_unit_test(who_is_not_wanted_is_explained_by_the_mode),
		cmocka_unit_test(an_operators_stop_is_the_fact),
		cmocka_unit_test(who_is_to_stop_waits_for_what_stands_on_it),
		cmocka_unit_test(a_failure_says_how_it_ended),
		cmocka_unit_test(backoff_says_when_it_is_tried_again),
		cmocka_unit_test(a_spawn_that_failed_names_step_and_error),
		cmocka_unit_test(what_is_disabled_says_so),
	};

	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
