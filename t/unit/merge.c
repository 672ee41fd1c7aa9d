/* SPDX-License-Identifier: MIT */
#include "texts.h"

/* {"roles":…,"modes":…,"protected":…} as printed, and where things are defined. */
static void
expect_sets(struct model *m, const char *expected)
{
	struct buf out = { 0 };
	const char *from, *to;

	model_print_json(m, &out);
	from = strstr(buf_cstr(&out), "\"roles\":");
	to = strstr(from, ",\"defined\":");
	out.len = (size_t)(to - out.data);
	assert_string_equal(strstr(buf_cstr(&out), "\"roles\":"), expected);
	buf_free(&out);
	model_unref(m);
}

static void
expect_app(struct model *m, const char *app, const char *member)
{
	if (!says(json_of(m, app), member))
		fail_msg("%s not in %s", member, json_of(m, app));
	model_unref(m);
}

/* --- definitions --- */

static void
every_file_may_hold_applications_roles_and_modes(void **state)
{
	(void)state;
	expect_sets(GOOD(MAIN("applications: { a: { }; }; roles: { r = [\"a\", \"b\"]; }; modes: { m = [\"r\", \"s\"]; };"),
			 DROP_IN("b", "applications: { b: { }; }; roles: { s = [\"b\"]; }; modes: { n = [\"s\"]; };")),
		    "\"roles\":{\"r\":[\"a\",\"b\"],\"s\":[\"b\"]},\"modes\":{\"m\":[\"r\",\"s\"],\"n\":[\"s\"]},\"protected\":[]");
}

static void
applications_roles_and_modes_may_be_lists_of_groups_with_a_name(void **state)
{
	(void)state;
	expect_sets(good("applications = ( { name = \"a\"; command = [\"x\"]; }, { name = \"b\"; } );\n"
			 "roles = ( { name = \"r\"; applications = (\"b\", \"a\"); } );\n"
			 "modes = ( { name = \"m\"; roles = [\"r\"]; } );\n"),
		    "\"roles\":{\"r\":[\"a\",\"b\"]},\"modes\":{\"m\":[\"r\"]},\"protected\":[]");
}

static void
a_name_defined_twice_names_both_places(void **state)
{
	(void)state;
	REFUSED("conf.d/b.conf:1: applications.a: defined twice, first in m.conf:1\n"
		"conf.d/b.conf:2: roles.r: defined twice, first in m.conf:2\n"
		"conf.d/b.conf:3: modes.m: defined twice, first in m.conf:3\n"
		"conf.d/b.conf:4: node: set twice, first in m.conf:4\n",
		MAIN("applications: { a: { command = [\"x\"]; }; };\nroles: { r = []; };\nmodes: { m = []; };\nnode = \"n\";\n"),
		DROP_IN("b", "applications: { a: { command = [\"y\"]; }; };\nroles: { r = []; };\nmodes: { m = []; };\nnode = \"n\";\n"));
	REFUSED("m.conf:2: applications.a: defined twice, first in m.conf:1\n",
		MAIN("applications = ( { name = \"a\"; },\n { name = \"a\"; } );"));
}

static void
an_entry_that_only_orders_may_stand_beside_a_definition(void **state)
{
	(void)state;
	expect_app(GOOD(MAIN("applications: { a: { command = [\"x\"]; start_before = [\"b\"]; }; b: { }; c: { }; };"),
			DROP_IN("c", "applications: { a: { start_before = [\"c\", \"b\"]; }; };")),
		   "a", "\"start_before\":[\"b\",\"c\"]");
	/* the other way round, the definition in the later file */
	expect_app(GOOD(MAIN("applications: { a: { start_after = [\"b\"]; }; b: { }; };"),
			DROP_IN("a", "applications: { a: { command = [\"x\"]; start_after = [\"c\"]; }; c: { }; };")),
		   "a", "\"start_after\":[\"b\",\"c\"]");
	expect_app(GOOD(MAIN("applications: { a: { start_after = [\"b\"]; }; b: { }; };"),
			DROP_IN("a", "applications: { a: { command = [\"x\"]; }; };")),
		   "a", "\"command\":[\"x\"]");
}

static void
two_entries_that_only_order_are_united(void **state)
{
	(void)state;
	expect_app(GOOD(MAIN("applications: { a: { start_before = [\"b\"]; }; b: { }; c: { }; };"),
			DROP_IN("c", "applications: { a: { start_before = [\"c\"]; }; };")),
		   "a", "\"start_before\":[\"b\",\"c\"]");
}

static void
an_empty_entry_is_a_definition(void **state)
{
	(void)state;
	REFUSED("conf.d/a.conf:1: applications.a: defined twice, first in m.conf:1\n",
		MAIN("applications: { a: { }; };"), DROP_IN("a", "applications: { a: { }; };"));
}

static void
names_follow_the_grammar(void **state)
{
	(void)state;
	refused("applications = ( { name = \"../x\"; },\n { name = \"a\\x07\"; },\n { name = \"add\"; },\n { name = \"\"; } );",
		"m.conf:1: applications: \"../x\" is no name (letters, digits, - and _, a letter first, at most 63; not add or del)\n"
		"m.conf:2: applications: \"a\\x07\" is no name (letters, digits, - and _, a letter first, at most 63; not add or del)\n"
		"m.conf:3: applications: \"add\" is no name (letters, digits, - and _, a letter first, at most 63; not add or del)\n"
		"m.conf:4: applications: \"\" is no name (letters, digits, - and _, a letter first, at most 63; not add or del)\n");
}

/* --- modify --- */

#define SYSTEM "applications: { old: { }; setup: { command = [\"x\"]; user = \"root\"; start_before = [\"mnesia\"]; nice = 1; };" \
	" mnesia: { }; kv: { }; me: { }; };" \
	" roles: { basic = [\"old\", \"kv\"]; tools = [\"kv\", \"me\"]; }; modes: { normal = [\"basic\"]; };"

static void
add_sets_the_keys_it_names_and_keeps_the_others(void **state)
{
	(void)state;
	expect_app(GOOD(MAIN(SYSTEM), DROP_IN("me", "modify: { applications = ( { add: { setup: { start_before = [\"kv\"]; }; }; } ); };")),
		   "setup", "\"start_before\":[\"kv\"]");
	expect_app(GOOD(MAIN(SYSTEM), DROP_IN("me", "modify: { applications = ( { add: { setup: { start_before = [\"kv\"]; }; }; } ); };")),
		   "setup", "\"nice\":1");
}

static void
add_creates_an_entry_that_is_new(void **state)
{
	(void)state;
	expect_app(GOOD(MAIN(SYSTEM), DROP_IN("me", "modify: { applications = ( { add: { fresh: { command = [\"y\"]; }; }; } ); };")),
		   "fresh", "\"command\":[\"y\"]");
	expect_app(GOOD(MAIN(SYSTEM), DROP_IN("me", "modify: { applications = ( { add = ( { name = \"fresh\"; nice = 2; } ); } ); };")),
		   "fresh", "\"nice\":2");
}

static void
del_takes_an_application_out_and_an_absent_one_is_no_error(void **state)
{
	struct model *m;

	(void)state;
	m = GOOD(MAIN(SYSTEM), DROP_IN("me", "modify: { applications = ( { del = [\"old\", \"never\"]; } );"
				       " roles: { basic = ( { del = [\"old\"]; } ); }; };"));
	assert_int_equal(model_find_app(m, "old"), APP_NONE);
	model_unref(m);
}

static void
what_still_names_a_deleted_application_says_who_deleted_it(void **state)
{
	(void)state;
	REFUSED("m.conf:1: roles.basic: unknown application \"old\" (deleted at conf.d/me.conf:1)\n",
		MAIN(SYSTEM), DROP_IN("me", "modify: { applications = ( { del = [\"old\"]; } ); };"));
}

static void
a_deleted_application_can_be_added_anew(void **state)
{
	struct model *m;

	(void)state;
	m = GOOD(MAIN(SYSTEM), DROP_IN("me", "modify: { applications = ( { del = [\"setup\"]; }, { add: { setup: { command = [\"z\"]; }; }; } ); };"));
	assert_true(says(json_of(m, "setup"), "\"command\":[\"z\"]"));
	assert_false(says(json_of(m, "setup"), "\"nice\""));
	model_unref(m);
}

static void
an_entry_by_name_unites_arrays_sets_other_keys_and_drops_keys(void **state)
{
	struct model *m;

	(void)state;
	m = GOOD(MAIN(SYSTEM), DROP_IN("me", "modify: { applications = ( { setup = ( { add: { start_before = [\"kv\", \"mnesia\"];"
				       " nice = 5; }; }, { del = [\"user\", \"group\"]; } ); } ); };"));
	assert_true(says(json_of(m, "setup"), "\"start_before\":[\"kv\",\"mnesia\"]"));
	assert_true(says(json_of(m, "setup"), "\"nice\":5"));
	assert_false(says(json_of(m, "setup"), "\"user\""));
	model_unref(m);
}

static void
uniting_touches_no_other_application(void **state)
{
	struct model *m;

	(void)state;
	m = GOOD(MAIN(SYSTEM),
		 DROP_IN("kv", "modify: { applications = ( { setup = ( { add: { start_before = [\"kv\"]; }; } ); } ); };"),
		 DROP_IN("me", "modify: { applications = ( { setup = ( { add: { start_before = [\"me\"]; }; } ); },"
			 " { mnesia = ( { add: { start_before = [\"me\"]; environment: { A = \"1\"; }; }; } ); } ); };"));
	assert_true(says(json_of(m, "setup"), "\"start_before\":[\"kv\",\"me\",\"mnesia\"]"));
	assert_true(says(json_of(m, "mnesia"), "\"start_before\":[\"me\"]"));
	model_unref(m);
}

static void
environments_are_united_by_name_in_either_form(void **state)
{
	(void)state;
	expect_app(GOOD(MAIN("applications: { a: { command = [\"x\"]; environment: { A = \"1\"; B = \"2\"; }; }; };"),
			DROP_IN("a", "modify: { applications = ( { a = ( { add: { environment = [\"B=3\", \"C=4\"]; }; } ); } ); };")),
		   "a", "\"environment\":{\"A\":\"1\",\"B\":\"3\",\"C\":\"4\"}");
	expect_app(GOOD(MAIN("applications: { a: { command = [\"x\"]; environment = [\"A=1\", \"B=2\"]; }; };"),
			DROP_IN("a", "modify: { applications = ( { a = ( { add: { environment: { B = \"3\"; C = \"4\"; }; }; } ); } ); };")),
		   "a", "\"environment\":{\"A\":\"1\",\"B\":\"3\",\"C\":\"4\"}");
	expect_app(GOOD(MAIN("applications: { a: { command = [\"x\"]; limits: { nofile = 1; core = 2; }; }; };"),
			DROP_IN("a", "modify: { applications = ( { a = ( { add: { limits: { nofile = 3; }; }; } ); } ); };")),
		   "a", "\"limits\":{\"core\":2,\"nofile\":3}");
}

static void
an_edge_added_with_on_exit_replaces_the_plain_one(void **state)
{
	(void)state;
	expect_app(GOOD(MAIN("applications: { a: { command = [\"x\"]; applications = [\"b\"]; }; b: { }; };"),
			DROP_IN("a", "modify: { applications = ( { a = ( { add: { applications = ( { name = \"b\"; on_exit = \"stop\"; } ); }; } ); } ); };")),
		   "a", "\"applications\":[{\"name\":\"b\",\"on_exit\":\"stop\"}]");
}

static void
join_and_leave_speak_of_the_drop_ins_own_application(void **state)
{
	(void)state;
	expect_sets(GOOD(MAIN(SYSTEM), DROP_IN("me", "modify: { roles: { basic = ( \"join\" ); tools = [\"leave\"]; }; protected = ( \"join\" ); };")),
		    "\"roles\":{\"basic\":[\"kv\",\"me\",\"old\"],\"tools\":[\"kv\"]},\"modes\":{\"normal\":[\"basic\"]},\"protected\":[\"me\"]");
}

static void
add_and_del_change_roles_modes_and_protected(void **state)
{
	(void)state;
	expect_sets(GOOD(MAIN(SYSTEM " protected = [\"old\"];"),
			 DROP_IN("me", "modify: { roles: { tools = ( { add = [\"old\"]; }, { del = [\"kv\"]; } ); };"
				 " modes: { normal = ( { add = [\"tools\"]; }, { del = [\"basic\"]; } ); };"
				 " protected = ( { add = [\"kv\"]; }, { del = [\"old\"]; } ); };")),
		    "\"roles\":{\"basic\":[\"kv\",\"old\"],\"tools\":[\"me\",\"old\"]},\"modes\":{\"normal\":[\"tools\"]},\"protected\":[\"kv\"]");
}

static void
the_first_add_or_join_creates_a_role_or_mode(void **state)
{
	(void)state;
	expect_sets(GOOD(MAIN(SYSTEM), DROP_IN("me", "modify: { roles: { mining_tools = ( \"join\" ); }; modes: { development = ( { add = [\"mining_tools\"]; } ); }; };")),
		    "\"roles\":{\"basic\":[\"kv\",\"old\"],\"mining_tools\":[\"me\"],\"tools\":[\"kv\",\"me\"]},"
		    "\"modes\":{\"development\":[\"mining_tools\"],\"normal\":[\"basic\"]},\"protected\":[]");
}

static void
in_a_set_what_is_there_cannot_come_and_what_is_not_cannot_go(void **state)
{
	(void)state;
	REFUSED("conf.d/me.conf:1: modify.roles.tools: \"me\" is there already, by m.conf:1\n"
		"conf.d/me.conf:2: modify.roles.basic: \"me\" is not there\n"
		"conf.d/me.conf:3: modify.roles.basic: \"nobody\" is not there\n",
		MAIN(SYSTEM), DROP_IN("me", "modify: { roles: { tools = ( \"join\" );\n basic = ( \"leave\",\n { del = [\"nobody\"]; } ); }; };"));
}

static void
leaving_a_role_that_is_not_there_suggests_the_nearest(void **state)
{
	(void)state;
	REFUSED("conf.d/me.conf:1: modify.roles: no role \"basik\" (did you mean basic?)\n",
		MAIN(SYSTEM), DROP_IN("me", "modify: { roles: { basik = ( \"leave\" ); }; };"));
}

static void
what_is_no_action_is_said_so(void **state)
{
	(void)state;
	REFUSED("conf.d/me.conf:1: modify.roles.basic: unknown action \"jion\" (did you mean join?)\n"
		"conf.d/me.conf:2: modify.modes.normal: a mode holds roles, no applications: \"join\" does not fit ({ add = [ROLE]; })\n"
		"conf.d/me.conf:3: modify.applications: no application \"setpu\" (did you mean setup?)\n"
		"conf.d/me.conf:4: modify.applications.setup.del: unknown key \"usr\" (did you mean user?)\n"
		"conf.d/me.conf:5: modify.rolls: unknown key (did you mean roles?)\n",
		MAIN(SYSTEM), DROP_IN("me", "modify: { roles: { basic = ( \"jion\" ); };\n modes: { normal = ( \"join\" ); };\n"
				      " applications = ( { setpu = (); },\n { setup = ( { del = [\"usr\"]; } ); } );\n rolls: { }; };"));
}

static void
modify_belongs_into_a_drop_in(void **state)
{
	(void)state;
	refused("modify: { };", "m.conf:1: modify: belongs into a drop-in (put it into a file in conf.d/)\n");
}

static void
a_drop_in_may_wrap_everything_in_app_ctrl(void **state)
{
	(void)state;
	expect_sets(GOOD(MAIN(SYSTEM), DROP_IN("other", "app_ctrl: { application = \"me\"; applications: { more: { }; }; roles: { r = [\"more\"]; };"
					       " modify: { roles: { basic = ( \"join\" ); }; }; };")),
		    "\"roles\":{\"basic\":[\"kv\",\"me\",\"old\"],\"r\":[\"more\"],\"tools\":[\"kv\",\"me\"]},"
		    "\"modes\":{\"normal\":[\"basic\"]},\"protected\":[]");
}

static void
a_drop_in_changes_what_a_later_file_defines(void **state)
{
	(void)state;
	expect_sets(GOOD(MAIN(""), DROP_IN("a", "modify: { roles: { r = ( \"join\" ); }; };"),
			 DROP_IN("b", "applications: { a: { }; b: { }; }; roles: { r = [\"b\"]; };")),
		    "\"roles\":{\"r\":[\"a\",\"b\"]},\"modes\":{},\"protected\":[]");
}

static void
a_drop_in_whose_name_is_no_applications_cannot_join(void **state)
{
	(void)state;
	REFUSED("conf.d/my.app.conf:1: modify.roles.tools: \"join\": \"my.app\" is no application's name"
		" (name the file NN-APPLICATION.conf, or write application = \"NAME\";)\n",
		MAIN(SYSTEM), DROP_IN("my.app", "modify: { roles: { tools = ( \"join\" ); }; };"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_may_hold_applications_roles_and_modes),
		cmocka_unit_test(applications_roles_and_modes_may_be_lists_of_groups_with_a_name),
		cmocka_unit_test(a_name_defined_twice_names_both_places),
		cmocka_unit_test(an_entry_that_only_orders_may_stand_beside_a_definition),
		cmocka_unit_test(two_entries_that_only_order_are_united),
		cmocka_unit_test(an_empty_entry_is_a_definition),
		cmocka_unit_test(names_follow_the_grammar),
		cmocka_unit_test(add_sets_the_keys_it_names_and_keeps_the_others),
		cmocka_unit_test(add_creates_an_entry_that_is_new),
		cmocka_unit_test(del_takes_an_application_out_and_an_absent_one_is_no_error),
		cmocka_unit_test(what_still_names_a_deleted_application_says_who_deleted_it),
		cmocka_unit_test(a_deleted_application_can_be_added_anew),
		cmocka_unit_test(an_entry_by_name_unites_arrays_sets_other_keys_and_drops_keys),
		cmocka_unit_test(uniting_touches_no_other_application),
		cmocka_unit_test(environments_are_united_by_name_in_either_form),
		cmocka_unit_test(an_edge_added_with_on_exit_replaces_the_plain_one),
		cmocka_unit_test(join_and_leave_speak_of_the_drop_ins_own_application),
		cmocka_unit_test(add_and_del_change_roles_modes_and_protected),
		cmocka_unit_test(the_first_add_or_join_creates_a_role_or_mode),
		cmocka_unit_test(in_a_set_what_is_there_cannot_come_and_what_is_not_cannot_go),
		cmocka_unit_test(leaving_a_role_that_is_not_there_suggests_the_nearest),
		cmocka_unit_test(what_is_no_action_is_said_so),
		cmocka_unit_test(modify_belongs_into_a_drop_in),
		cmocka_unit_test(a_drop_in_may_wrap_everything_in_app_ctrl),
		cmocka_unit_test(a_drop_in_changes_what_a_later_file_defines),
		cmocka_unit_test(a_drop_in_whose_name_is_no_applications_cannot_join),
	};

	return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
