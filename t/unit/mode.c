/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include "core/mode.h"

static const char system_text[] =
	"applications: {\n"
	"  db: { command = [\"db\"]; };\n"
	"  web: { command = [\"web\"]; applications = [\"db\", \"lib\"]; };\n"
	"  lib: { };\n"
	"  cron: { command = [\"cron\"]; optional_applications = [\"web\"]; };\n"
	"  log: { command = [\"log\"]; applications = [\"disk\"]; };\n"
	"  disk: { command = [\"disk\"]; };\n"
	"  tool: { command = [\"tool\"]; start_before = [\"web\"]; };\n"
	"  off: { command = [\"off\"]; enabled = false; applications = [\"part\"]; };\n"
	"  part: { command = [\"part\"]; enabled = false; };\n"
	"};\n"
	"roles: { basic = [\"db\"]; active = [\"web\", \"part\"]; dev = [\"tool\", \"disk\", \"lib\"]; };\n"
	"modes: { normal = [\"basic\", \"active\"]; maintenance = [\"basic\"]; none = []; };\n"
	"protected = [\"log\", \"off\"];\n";

static struct graph *
graph_of(const struct model *m)
{
	const struct app_def *defs[16];
	uint32_t i;

	for (i = 0; i < m->app_count; i++)
		defs[i] = &m->apps[i];
	return graph_new(defs, m->app_count, m->app_count);
}

/* "name:why" of all that are wanted, in order of name. */
static void
expect(const char *mode, const char *expected)
{
	struct model *m = good(system_text);
	struct graph *g = graph_of(m);
	struct buf out = { 0 };
	struct want want[16];
	uint32_t i;

	mode_wants(m, g, mode ? model_find_mode(m, mode) : NULL, want);
	for (i = 0; i < m->app_count; i++) {
		if (want[i].why == WHY_NOT)
			continue;
		buf_printf(&out, "%s:%s ", m->apps[i].name, why_name(want[i].why));
		if (want[i].why == WHY_REQUIRED)
			buf_printf(&out, "(%s) ", m->apps[want[i].by].name);
		if (want[i].why == WHY_ROLE)
			buf_printf(&out, "(%s) ", m->roles[want[i].by].name);
	}
	assert_string_equal(buf_cstr(&out), expected);
	buf_free(&out);
	graph_free(g);
	model_unref(m);
}

static void
a_mode_wants_its_roles_what_they_require_and_what_is_in_no_role(void **state)
{
	(void)state;
	expect("normal", "cron:background db:role (basic) disk:protected lib:required (web) log:protected web:role (active) ");
}

static void
what_no_role_of_the_mode_names_is_not_wanted(void **state)
{
	(void)state;
	expect("maintenance", "cron:background db:role (basic) disk:protected log:protected ");
}

static void
a_mode_without_roles_keeps_background_and_protected(void **state)
{
	(void)state;
	expect("none", "cron:background disk:protected log:protected ");
}

static void
without_a_mode_everything_is_wanted(void **state)
{
	(void)state;
	expect(NULL, "cron:all db:all disk:protected lib:all log:protected tool:all web:all ");
}

static void
an_operators_start_pulls_what_it_requires(void **state)
{
	struct model *m = good(system_text);
	struct graph *g = graph_of(m);
	struct want want[16];
	uint32_t stack[16];

	(void)state;
	mode_wants(m, g, model_find_mode(m, "none"), want);
	mode_pull(g, model_find_app(m, "web"), WHY_OPERATOR, want, stack);
	assert_int_equal(want[model_find_app(m, "web")].why, WHY_OPERATOR);
	assert_int_equal(want[model_find_app(m, "db")].why, WHY_REQUIRED);
	assert_int_equal(want[model_find_app(m, "lib")].why, WHY_REQUIRED);
	assert_int_equal(want[model_find_app(m, "tool")].why, WHY_NOT);
	graph_free(g);
	model_unref(m);
}

static void
what_is_disabled_comes_with_an_operators_start_alone(void **state)
{
	struct model *m = good(system_text);
	struct graph *g = graph_of(m);
	struct want want[16];
	uint32_t stack[16];

	(void)state;
	mode_wants(m, g, NULL, want);
	assert_int_equal(want[model_find_app(m, "off")].why, WHY_NOT);
	mode_wants(m, g, model_find_mode(m, "normal"), want);
	assert_int_equal(want[model_find_app(m, "part")].why, WHY_NOT);
	mode_pull(g, model_find_app(m, "off"), WHY_OPERATOR, want, stack);
	assert_int_equal(want[model_find_app(m, "off")].why, WHY_OPERATOR);
	assert_int_equal(want[model_find_app(m, "part")].why, WHY_REQUIRED);
	graph_free(g);
	model_unref(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mode_wants_its_roles_what_they_require_and_what_is_in_no_role),
		cmocka_unit_test(what_no_role_of_the_mode_names_is_not_wanted),
		cmocka_unit_test(a_mode_without_roles_keeps_background_and_protected),
		cmocka_unit_test(without_a_mode_everything_is_wanted),
		cmocka_unit_test(an_operators_start_pulls_what_it_requires),
		cmocka_unit_test(what_is_disabled_comes_with_an_operators_start_alone),
	};

	return cmocka_run_group_tests_name("mode", tests, NULL, NULL);
}
