/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include "conf/scan.h"

#include <stdio.h>

/* What scan_text() says about a text; lent until the next call. */
static const char *
scanned_bytes(const char *text, size_t len)
{
	static struct buf out;
	struct problems ps = { 0 };
	struct scan scan = { 0 };
	int failed;

	buf_free(&out);
	failed = scan_text("f", text, len, &scan, &ps);
	assert_int_equal(failed < 0, problems_any(&ps));
	problems_print(&ps, &out);
	problems_free(&ps);
	scan_free(&scan);
	return buf_cstr(&out);
}

static const char *
scanned(const char *text)
{
	return scanned_bytes(text, strlen(text));
}

static void
a_plain_text_passes(void **state)
{
	(void)state;
	assert_string_equal(scanned(""), "");
	assert_string_equal(scanned("a = 1; b: { c = [1, 2]; d = (\"x\" \"y\", { e = true; }); };"), "");
	assert_string_equal(scanned("a = 0x7fffffff; b = -2147483648; c = 9223372036854775807L; d = 0; e = 1.5e9; f = .5;"), "");
}

static void
comments_and_strings_hide_what_they_hold(void **state)
{
	(void)state;
	assert_string_equal(scanned("# @include \"x\" {\n// [ 99999999999\n/* ( \n @include */ a = \"@include { 99999999999\";"), "");
	assert_string_equal(scanned("a = \"quote \\\" and # and // and /* \"; b = 1;"), "");
}

static void
an_integer_that_libconfig_would_wrap_is_refused_with_its_key(void **state)
{
	(void)state;
	assert_string_equal(scanned("a: {\n b = 2147483648;\n};"),
			    "f:2: a.b: number is out of range (beyond 32 bits it takes an L at its end)\n");
	assert_string_equal(scanned("a = -2147483649;"),
			    "f:1: a: number is out of range (beyond 32 bits it takes an L at its end)\n");
	assert_string_equal(scanned("a = 9223372036854775808L;"), "f:1: a: number is out of range\n");
	assert_string_equal(scanned("a = 0xffffffff;"),
			    "f:1: a: number is out of range (beyond 32 bits it takes an L at its end)\n");
	assert_string_equal(scanned("a = 0xfffffffffffffffffL;"), "f:1: a: number is out of range\n");
	assert_string_equal(scanned("a = (1,\n 99999999999999999999);"),
			    "f:2: a[1]: number is out of range (beyond 32 bits it takes an L at its end)\n");
}

static void
a_leading_zero_is_refused_since_it_would_not_be_octal(void **state)
{
	(void)state;
	assert_string_equal(scanned("umask = 022;"), "f:1: umask: number has a leading zero (octal goes into a string, \"022\")\n");
}

static void
include_is_refused_in_any_shape(void **state)
{
	(void)state;
	assert_string_equal(scanned("\n@include \"../secret\"\n"), "f:2: @include is not supported (drop-ins in conf.d/ do its job)\n");
	assert_string_equal(scanned("a = 1;\n \t@include \"/etc/shadow\"\n"),
			    "f:2: @include is not supported (drop-ins in conf.d/ do its job)\n");
	assert_string_equal(scanned("@x"), "f:1: unexpected @ (drop-ins in conf.d/ do its job)\n");
}

static void
bytes_that_are_no_text_are_refused(void **state)
{
	(void)state;
	assert_string_equal(scanned_bytes("a = 1;\n\0", 8), "f:2: NUL byte\n");
	assert_string_equal(scanned("a = 1;\n# \xff\n"), "f:2: text is no UTF-8\n");
	assert_string_equal(scanned("a = \"\\x00\";"), "f:1: a: NUL byte in a string\n");
}

static void
nesting_has_a_limit(void **state)
{
	char deep[2 * CONF_DEPTH_MAX + 8] = "a=";

	(void)state;
	memset(deep + 2, '(', CONF_DEPTH_MAX);
	memset(deep + 2 + CONF_DEPTH_MAX, ')', CONF_DEPTH_MAX);
	assert_string_equal(scanned(deep), "");
	memset(deep + 2, '(', CONF_DEPTH_MAX + 1);
	assert_string_equal(scanned(deep), "f:1: nested too deeply\n");
}

static void
what_is_never_closed_is_named_where_it_begins(void **state)
{
	(void)state;
	assert_string_equal(scanned("a: {\n b = [1,\n 2"), "f:2: a.b: [ is never closed\n");
	assert_string_equal(scanned("a = 1;\nb = \"x\n\n"), "f:2: b: string is never closed\n");
	assert_string_equal(scanned("\n/* x\n"), "f:2: comment is never closed\n");
	assert_string_equal(scanned("a: (\n };"), "f:2: a: } does not close what is open here\n");
	assert_string_equal(scanned("};"), "f:1: } closes nothing\n");
}

static void
a_group_in_an_array_is_told_to_use_a_list(void **state)
{
	(void)state;
	assert_string_equal(scanned("a: { applications = [ { name = \"x\"; } ]; };"),
			    "f:1: a.applications[0]: an array holds simple values only (( ) holds anything)\n");
}

static void
text_without_quotes_is_said_so(void **state)
{
	(void)state;
	assert_string_equal(scanned("mode = normal;"), "f:1: mode: a word where a value should be (text needs quotes)\n");
	assert_string_equal(scanned("a = [x];"), "f:1: a[0]: a word where a value should be (text needs quotes)\n");
}

static void
a_string_out_of_place_does_not_reach_libconfig_which_would_leak_it(void **state)
{
	(void)state;
	assert_string_equal(scanned("a = 1;\n\"b\" = 2;"), "f:2: a string where a name should be (NAME = \"text\")\n");
	assert_string_equal(scanned("a: { b \"c\"; };"), "f:1: a: a string where a name should be (NAME = \"text\")\n");
	assert_string_equal(scanned("a = (1, 2 \"c\");"), "f:1: a: a comma is missing before this string\n");
	assert_string_equal(scanned("a = ({ } \"c\");"), "f:1: a: a comma is missing before this string\n");
	assert_string_equal(scanned("a = ({ b = 1; }, \"c\" \"d\", ( ), \"e\") b = \"f\""), "");
}

static void
every_setting_has_the_line_it_begins_in(void **state)
{
	static const char text[] = "a = 1;\n\nb: {\n c = \"x\"\n \"y\";\n d = [\n\"p\",\n\"q\"\n];\n};\ne = ( { f = 1; },\n 2 );\n";
	static const uint32_t lines[] = { 1, 3, 4, 6, 7, 8, 11, 11, 11, 12 };
	struct problems ps = { 0 };
	struct scan scan = { 0 };
	size_t i;

	(void)state;
	assert_int_equal(scan_text("f", text, strlen(text), &scan, &ps), 0);
	assert_int_equal(scan.n, sizeof(lines) / sizeof(lines[0]));
	for (i = 0; i < scan.n; i++)
		assert_int_equal(scan.v[i].line, lines[i]);
	scan_free(&scan);
}

/* After parsing the lines are on the items, also where libconfig reads ahead. */
static void
items_know_their_lines(void **state)
{
	(void)state;
	refused("applications: {\n a: {\n  command = [\n   \"x\"\n  ];\n  start_before = [\n   \"nobody\"\n  ];\n };\n};\n",
		"m.conf:7: applications.a.start_before: unknown application \"nobody\"\n");
}

static void
a_name_twice_in_one_group_names_both_places(void **state)
{
	(void)state;
	refused("applications: {\n a: { };\n b: { };\n a: { };\n};\n", "m.conf:4: applications.a: defined twice, first in m.conf:2\n");
	refused("node = \"a\";\nnode = \"b\";\n", "m.conf:2: node: defined twice, first in m.conf:1\n");
}

/* A group of n applications, three bytes or more each; the last one as given. */
static void
write_group(struct buf *text, int n, const char *last)
{
	int i;

	buf_adds(text, "applications: {\n");
	for (i = 0; i < n; i++)
		buf_printf(text, " a%03d: { nice = %d; };\n", i, i % 20);
	buf_printf(text, " %s: { nice = 19; };\n};\n", last);
}

static void
large_groups_keep_their_names_lines_and_duplicates(void **state)
{
	struct buf text = { 0 };
	struct model *m;

	(void)state;
	write_group(&text, 3000, "true-name");
	m = good(buf_cstr(&text));
	assert_int_equal(m->app_count, 3001);
	assert_int_equal(app_of(m, "a2345")->at.line, 2347);
	assert_int_equal(app_of(m, "a2345")->as->nice, 5);
	assert_int_equal(app_of(m, "true-name")->as->nice, 19);
	model_unref(m);
	buf_clear(&text);
	write_group(&text, 3000, "a017");
	refused(buf_cstr(&text), "m.conf:3002: applications.a017: defined twice, first in m.conf:19\n");
	buf_clear(&text);
	write_group(&text, 3000, "x");		/* too short for a code: libconfig gets the names themselves */
	m = good(buf_cstr(&text));
	assert_int_equal(app_of(m, "x")->at.line, 3002);
	model_unref(m);
	buf_free(&text);
}

/* What stands as the values of a text, each between bars. */
static const char *
values_of(const char *text)
{
	static struct buf out;
	struct problems ps = { 0 };
	struct scan scan = { 0 };
	size_t i;

	buf_clear(&out);
	assert_int_equal(scan_text("f", text, strlen(text), &scan, &ps), 0);
	for (i = 0; i < scan.n; i++)
		buf_printf(&out, "|%.*s", (int)(scan.v[i].end - scan.v[i].value), text + scan.v[i].value);
	scan_free(&scan);
	problems_free(&ps);
	return buf_cstr(&out);
}

static void
each_value_has_its_place(void **state)
{
	(void)state;
	assert_string_equal(values_of("a = 1; b: \"x\" /* . */ \"y\" ;"), "|1|\"x\" /* . */ \"y\"");
	assert_string_equal(values_of("a: { b = [true, 0x1F]; c = ( { }, -1.5e9 ) };"),
			    "|{ b = [true, 0x1F]; c = ( { }, -1.5e9 ) }|[true, 0x1F]|true|0x1F|( { }, -1.5e9 )|{ }|-1.5e9");
	assert_string_equal(scanned("= 5;"), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_text_passes),
		cmocka_unit_test(comments_and_strings_hide_what_they_hold),
		cmocka_unit_test(an_integer_that_libconfig_would_wrap_is_refused_with_its_key),
		cmocka_unit_test(a_leading_zero_is_refused_since_it_would_not_be_octal),
		cmocka_unit_test(include_is_refused_in_any_shape),
		cmocka_unit_test(bytes_that_are_no_text_are_refused),
		cmocka_unit_test(nesting_has_a_limit),
		cmocka_unit_test(what_is_never_closed_is_named_where_it_begins),
		cmocka_unit_test(a_group_in_an_array_is_told_to_use_a_list),
		cmocka_unit_test(text_without_quotes_is_said_so),
		cmocka_unit_test(a_string_out_of_place_does_not_reach_libconfig_which_would_leak_it),
		cmocka_unit_test(every_setting_has_the_line_it_begins_in),
		cmocka_unit_test(items_know_their_lines),
		cmocka_unit_test(a_name_twice_in_one_group_names_both_places),
		cmocka_unit_test(large_groups_keep_their_names_lines_and_duplicates),
		cmocka_unit_test(each_value_has_its_place),
	};

	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
