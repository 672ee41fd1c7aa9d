/* SPDX-License-Identifier: MIT */
#include "core/plan.h"
#include "configured.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char site[] =
	"applications: {\n"
	"  db: { command = [\"db\"]; };\n"
	"  cache: { command = [\"cache\"]; };\n"
	"  schema: { command = [\"schema\"]; type = \"oneshot\"; start_before = [\"web\"]; };\n"
	"  web: { command = [\"web\"]; applications = [\"db\", \"cache\"]; };\n"
	"  front: { command = [\"front\"]; applications = [\"web\"]; };\n"
	"};\n"
	"roles: { storage = [\"db\"]; active = [\"front\", \"schema\"]; spare = [\"cache\", \"web\"]; };\n"
	"modes: { normal = [\"storage\", \"active\"]; maintenance = [\"storage\"]; };\n"
	"default_mode = \"normal\";\n";

/* The plan as text: "stop front 1 <- web; …", by wave. */
static char *
text_of(const struct plan_now *now, const struct plan *p)
{
	struct buf b = { 0 };
	uint32_t i, j;

	for (i = 0; i < p->n; i++) {
		buf_printf(&b, "%s%s %s %u", i ? "; " : "", plan_action_name(p->v[i].action),
			   now->apps[p->v[i].vertex].name, p->v[i].wave);
		for (j = 0; j < p->v[i].after.n; j++)
			buf_printf(&b, "%s%s", j ? "," : " after ", p->v[i].after.v[j]);
	}
	return buf_take(&b);
}

static void
assert_plan(const struct engine *e, const char *mode, const char *expected)
{
	struct plan_now *now = plan_now_of(e);
	struct plan p = { 0 };
	char *text;

	assert_int_equal(plan_mode(now, mode ? model_find_mode(now->model, mode) : NULL, &p), 0);
	text = text_of(now, &p);
	assert_string_equal(text, expected);
	free(text);
	plan_free(&p);
	plan_now_free(now);
}

static void
assert_why(const struct engine *e, const char *mode, const char *name, const char *expected)
{
	struct plan_now *now = plan_now_of(e);
	struct plan p = { 0 };
	const char *why = NULL;
	uint32_t i;

	assert_int_equal(plan_mode(now, mode ? model_find_mode(now->model, mode) : NULL, &p), 0);
	for (i = 0; i < p.n; i++)
		if (strcmp(now->apps[p.v[i].vertex].name, name) == 0)
			why = p.v[i].why;
	assert_non_null(why);
	assert_string_equal(why, expected);
	plan_free(&p);
	plan_now_free(now);
}

static void
what_leaves_is_stopped_dependents_first(void **state)
{
	struct engine *e = engine_of(site, "normal");

	(void)state;
	carry_out(e);
	engine_exited(e, app_of(e, "schema")->inc[CHILD_MAIN], (struct exit_facts){ 0 });
	carry_out(e);
	assert_plan(e, "maintenance", "stop front 1; stop web 2 after front; stop cache 3 after web");
	assert_why(e, "maintenance", "front", "in role active: mode maintenance does not want it");
	assert_why(e, "maintenance", "web", "in role spare: mode maintenance does not want it; after front, which requires it");
	engine_free(e);
}

static void
what_enters_is_started_dependencies_first(void **state)
{
	struct engine *e = engine_of(site, "maintenance");

	(void)state;
	carry_out(e);
	assert_plan(e, "normal", "start cache 1; start schema 1; start web 2 after cache,schema; start front 3 after web");
	assert_why(e, "normal", "front", "role active; after web, which it requires");
	assert_why(e, "normal", "web", "required by front, role active; after schema (start_before of schema); "
		   "after cache, which it requires");
	engine_free(e);
}

static void
a_mode_that_is_reached_leaves_nothing_to_do(void **state)
{
	struct engine *e = engine_of(site, "maintenance");

	(void)state;
	assert_plan(e, NULL, "");		/* it is being started: there is nothing more to order */
	carry_out(e);
	assert_plan(e, NULL, "");
	assert_plan(e, "maintenance", "");
	engine_free(e);
}

static void
what_waits_is_still_to_be_done(void **state)
{
	struct engine *e = engine_of(site, "normal");

	(void)state;
	drop_effects(e);
	assert_plan(e, NULL, "start web 1; start front 2 after web");
	engine_free(e);
}

static void
another_mode_lets_operators_wishes_go(void **state)
{
	struct engine *e = engine_of(site, "maintenance");
	struct err err;

	(void)state;
	carry_out(e);
	assert_int_equal(engine_stop(e, app_of(e, "db"), false, &err), 0);
	assert_plan(e, NULL, "stop db 1");
	assert_why(e, NULL, "db", "stopped by an operator");
	carry_out(e);
	assert_int_equal(engine_start(e, app_of(e, "cache"), &err), 0);
	carry_out(e);
	assert_plan(e, NULL, "");
	assert_plan(e, "normal", "start db 1; start schema 1; start web 2 after db,schema; start front 3 after web");
	engine_free(e);
}

static void
order_goes_through_what_has_no_command(void **state)
{
	struct engine *e = engine_of(
		"applications: { a: { command = [\"a\"]; }; b: { applications = [\"a\"]; };\n"
		"  c: { command = [\"c\"]; applications = [\"b\"]; }; };\n"
		"roles: { all = [\"c\"]; none = []; spare = [\"a\", \"b\"]; };\n"
		"modes: { on = [\"all\"]; off = [\"none\"]; };", "off");

	(void)state;
	carry_out(e);
	assert_plan(e, "on", "start a 1; start c 2");
	assert_int_equal(engine_set_mode(e, "on", &(struct err){ 0 }), 0);
	carry_out(e);
	assert_plan(e, "off", "stop c 1; stop a 2");
	engine_free(e);
}

static void
protected_ones_come_before_all_others(void **state)
{
	struct engine *e = engine_of(
		"applications: { log: { command = [\"log\"]; }; web: { command = [\"web\"]; }; };\n"
		"protected = [\"log\"];", NULL);

	(void)state;
	drop_effects(e);
	engine_exited(e, app_of(e, "log")->inc[CHILD_MAIN], (struct exit_facts){ .status = 256 });
	engine_exited(e, app_of(e, "log")->inc[CHILD_MAIN], (struct exit_facts){ .status = 256 });
	assert_int_equal(app_of(e, "log")->state, APP_BACKOFF);
	assert_plan(e, NULL, "start log 1; start web 2 after log");
	assert_why(e, NULL, "web", "no mode is set: all are wanted; after log, which is protected");
	engine_free(e);
}

/* The changes as text: "changed web restart [command]; …". */
static void
assert_changes(const struct engine *e, const char *new_text, const char *expected)
{
	struct plan_now *now = plan_now_of(e);
	struct model *to = model_of(new_text);
	struct changes c = { 0 };
	struct buf b = { 0 };
	uint32_t i;
	size_t j;

	assert_int_equal(plan_reload(now, to, &c), 0);
	for (i = 0; i < c.n; i++) {
		buf_printf(&b, "%s%s %s: %s", i ? "; " : "", change_kind_name(c.v[i].kind), c.v[i].name,
			   follow_name(c.v[i].follow));
		for (j = 0; j < c.v[i].keys.n; j++)
			buf_printf(&b, "%s%s", j ? "," : " by ", c.v[i].keys.v[j].key);
	}
	for (j = 0; j < c.settings.n; j++)
		buf_printf(&b, "%s%s %s -> %s", b.len ? "; " : "", c.settings.v[j].key,
			   c.settings.v[j].before ? c.settings.v[j].before : "-",
			   c.settings.v[j].after ? c.settings.v[j].after : "-");
	assert_string_equal(buf_cstr(&b), expected);
	buf_free(&b);
	changes_free(&c);
	model_unref(to);
	plan_now_free(now);
}

static void
a_reload_of_the_same_changes_nothing(void **state)
{
	struct engine *e = engine_of(site, "normal");

	(void)state;
	carry_out(e);
	assert_changes(e, site, "");
	engine_free(e);
}

static void
a_reload_says_what_follows_for_what_runs(void **state)
{
	struct engine *e = engine_of(
		"applications: { a: { command = [\"a\"]; }; b: { command = [\"b\"]; }; c: { command = [\"c\"]; }; };", NULL);

	(void)state;
	carry_out(e);
	assert_changes(e,
		"applications: { a: { command = [\"a2\"]; }; b: { command = [\"b\"]; shutdown = 9.0; };\n"
		"  d: { command = [\"d\"]; }; };",
		"changed a: restart by command; changed b: nothing by shutdown; removed c: stop; added d: start");
	engine_free(e);
}

static void
a_reload_says_what_another_meaning_of_the_mode_brings(void **state)
{
	struct engine *e = engine_of(
		"applications: { a: { command = [\"a\"]; }; b: { command = [\"b\"]; }; };\n"
		"roles: { r = [\"a\"]; s = [\"b\"]; }; modes: { m = [\"r\"]; }; default_mode = \"m\";", NULL);

	(void)state;
	carry_out(e);
	assert_changes(e,
		"applications: { a: { command = [\"a\"]; }; b: { command = [\"b\"]; }; };\n"
		"roles: { r = [\"a\"]; s = [\"b\"]; }; modes: { m = [\"s\"]; }; default_mode = \"m\";",
		"same a: stop; same b: start; modes.m [\"r\"] -> [\"s\"]");
	engine_free(e);
}

static void
what_is_disabled_is_in_no_plan_and_leaves_with_the_next_mode(void **state)
{
	struct engine *e = engine_of("applications: { a: { command = [\"a\"]; }; off: { command = [\"off\"]; enabled = false; }; };\n"
		"roles: { r = [\"a\", \"off\"]; }; modes: { m = [\"r\"]; n = [\"r\"]; }; default_mode = \"m\";", NULL);
	struct err err;

	(void)state;
	carry_out(e);
	assert_plan(e, NULL, "");
	assert_int_equal(engine_start(e, engine_find(e, "off"), &err), 0);
	carry_out(e);
	assert_plan(e, "n", "stop off 1");
	assert_why(e, "n", "off", "disabled (enabled = false)");
	engine_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_leaves_is_stopped_dependents_first),
		cmocka_unit_test(what_enters_is_started_dependencies_first),
		cmocka_unit_test(a_mode_that_is_reached_leaves_nothing_to_do),
		cmocka_unit_test(what_waits_is_still_to_be_done),
		cmocka_unit_test(another_mode_lets_operators_wishes_go),
		cmocka_unit_test(order_goes_through_what_has_no_command),
		cmocka_unit_test(protected_ones_come_before_all_others),
		cmocka_unit_test(what_is_disabled_is_in_no_plan_and_leaves_with_the_next_mode),
		cmocka_unit_test(a_reload_of_the_same_changes_nothing),
		cmocka_unit_test(a_reload_says_what_follows_for_what_runs),
		cmocka_unit_test(a_reload_says_what_another_meaning_of_the_mode_brings),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
