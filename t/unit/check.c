/* SPDX-License-Identifier: MIT */
#include "texts.h"

static void
a_cycle_is_a_path_with_the_place_of_every_edge(void **state)
{
	(void)state;
	refused("applications: {\n a: { applications = [\"b\"]; };\n b: { start_after = [\"c\"]; };\n c: { };\n d: { };\n"
		" a2: { start_before = [\"c\"]; applications = [\"a\"]; };\n};\n",
		"m.conf:2: applications.a.applications: cycle: a -> b -> c -> a2 -> a: a needs b (m.conf:2),"
		" b starts after c (m.conf:3), a2 starts before c (m.conf:6), a2 needs a (m.conf:6) (take one of these out)\n");
}

static void
a_start_before_that_contradicts_a_dependency_is_a_cycle(void **state)
{
	(void)state;
	refused("applications: {\n db: { };\n web: { applications = [\"db\"];\n  start_before = [\"db\"]; };\n};\n",
		"m.conf:4: applications.web.start_before: cycle: db -> web -> db: web starts before db (m.conf:4),"
		" web needs db (m.conf:3) (take one of these out)\n");
}

static void
separate_cycles_are_all_reported(void **state)
{
	(void)state;
	refused("applications: {\n a: { applications = [\"b\"]; };\n b: { applications = [\"a\"]; };\n"
		" c: { applications = [\"d\"]; };\n d: { applications = [\"c\"]; };\n};\n",
		"m.conf:2: applications.a.applications: cycle: a -> b -> a: a needs b (m.conf:2), b needs a (m.conf:3) (take one of these out)\n"
		"m.conf:4: applications.c.applications: cycle: c -> d -> c: c needs d (m.conf:4), d needs c (m.conf:5) (take one of these out)\n");
}

static void
none_refers_to_itself(void **state)
{
	(void)state;
	refused("applications: { a: { applications = [\"a\"]; }; };", "m.conf:1: applications.a.applications: \"a\" refers to itself\n");
}

static void
a_protected_application_cannot_come_after_one_that_is_not(void **state)
{
	(void)state;
	refused("applications: {\n p: { start_after = [\"a\"];\n optional_applications = [\"b\"]; };\n a: { };\n b: { };\n"
		" c: { start_before = [\"p\"]; };\n};\nprotected = [\"p\"];\n",
		"m.conf:2: applications.p.start_after: a protected application cannot start after one that is not protected (p, a)\n"
		"m.conf:3: applications.p.optional_applications: a protected application cannot start after one that is not protected (p, b)\n"
		"m.conf:6: applications.c.start_before: one that is not protected cannot start before a protected application (c, p)\n");
}

static void
what_a_protected_application_needs_is_protected_with_it(void **state)
{
	struct model *m = good("applications: { p: { applications = [\"a\"]; }; a: { applications = [\"b\"]; }; b: { }; c: { }; };"
			       " protected = [\"p\"];");

	(void)state;
	assert_true(app_of(m, "p")->is_protected && app_of(m, "p")->named_protected);
	assert_true(app_of(m, "b")->is_protected && !app_of(m, "b")->named_protected);
	assert_false(app_of(m, "c")->is_protected);
	model_unref(m);
}

static void
none_that_is_enabled_needs_one_that_is_disabled(void **state)
{
	(void)state;
	refused("applications: {\n db: { enabled = false; applications = [\"disk\"]; };\n disk: { enabled = false; };\n"
		" web: {\n  applications = [\"db\"]; optional_applications = [\"disk\"]; };\n};\n",
		"m.conf:5: applications.web.applications: web needs db, which is disabled (m.conf:2)"
		" (enable it, or name it in optional_applications)\n");
}

static void
users_that_only_a_disabled_application_names_are_not_asked_for(void **state)
{
	struct model *m = good("applications: { off: { user = \"a\"; group = \"b\"; enabled = false; }; on: { user = \"b\"; }; };");

	(void)state;
	assert_int_equal(m->name_count, 1);
	assert_string_equal(m->names[0].name, "b");
	assert_false(m->names[0].is_group);
	model_unref(m);
}

static void
unknown_names_suggest_the_nearest_and_all_are_reported(void **state)
{
	(void)state;
	refused("applications: {\n database: { };\n web: { applications = [\"databse\"];\n start_before = [\"nothing-like-it\"];\n"
		" optional_applications = [\"absent\"]; };\n};\nroles: { basic = [\"databas\"]; };\nmodes: { normal = [\"basik\"]; };\n"
		"default_mode = \"nromal\";\nprotected = [\"wbe\"];\n",
		"m.conf:3: applications.web.applications: unknown application \"databse\" (did you mean database?)\n"
		"m.conf:4: applications.web.start_before: unknown application \"nothing-like-it\"\n"
		"m.conf:7: roles.basic: unknown application \"databas\" (did you mean database?)\n"
		"m.conf:8: modes.normal: unknown role \"basik\" (did you mean basic?)\n"
		"m.conf:9: default_mode: unknown mode \"nromal\" (did you mean normal?)\n"
		"m.conf:10: protected: unknown application \"wbe\" (did you mean web?)\n");
}

static void
a_thousand_problems_are_enough(void **state)
{
	struct buf text = { 0 };
	char *said;
	int i;

	(void)state;
	buf_adds(&text, "applications = (\n");
	for (i = 0; i < 1500; i++)
		buf_printf(&text, "%s{ name = \"app%d\"; applications = [\"none%d\"]; }\n", i ? "," : "", i, i);
	buf_adds(&text, ");");
	assert_null(model_of(&(struct text){ "m.conf", NULL, buf_cstr(&text) }, 1, &said));
	assert_non_null(strstr(said, "and 500 more\n"));
	free(said);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cycle_is_a_path_with_the_place_of_every_edge),
		cmocka_unit_test(a_start_before_that_contradicts_a_dependency_is_a_cycle),
		cmocka_unit_test(separate_cycles_are_all_reported),
		cmocka_unit_test(none_refers_to_itself),
		cmocka_unit_test(a_protected_application_cannot_come_after_one_that_is_not),
		cmocka_unit_test(what_a_protected_application_needs_is_protected_with_it),
		cmocka_unit_test(none_that_is_enabled_needs_one_that_is_disabled),
		cmocka_unit_test(users_that_only_a_disabled_application_names_are_not_asked_for),
		cmocka_unit_test(unknown_names_suggest_the_nearest_and_all_are_reported),
		cmocka_unit_test(a_thousand_problems_are_enough),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
