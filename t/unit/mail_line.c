/* SPDX-License-Identifier: MIT */
#include "mail_oracle.h"

#include "wire/mail_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct buf unescaped;
static struct mail_line line;

static void
read_it(const char *text, enum mail_line_kind kind)
{
	struct err err;

	if (mail_line_read(&line, text, strlen(text), &unescaped, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	assert_int_equal(line.kind, kind);
}

static void
is_text(struct mail_text t, const char *expected)
{
	assert_int_equal(t.len, strlen(expected));
	assert_memory_equal(t.data, expected, t.len);
}

static void
refused(const char *text, const char *why)
{
	struct err err;

	assert_int_equal(mail_line_read(&line, text, strlen(text), &unescaped, &err), -1);
	if (strstr(err.msg, why) == NULL)
		fail_msg("%s: %s, not %s", text, err.msg, why);
}

static void
each_kind_is_known_by_its_members(void **state)
{
	(void)state;
	read_it("{\"to\":\"bob/chat\",\"text\":\"hey\"}", MAIL_SEND);
	is_text(line.to, "bob/chat");
	is_text(line.text, "hey");
	read_it(" { \"text\" : \"a\\n\\u00e4\\\"\" , \"to\" : \"c\\u0068at\" } ", MAIL_SEND);
	is_text(line.text, "a\n\xc3\xa4\"");
	is_text(line.to, "chat");
	read_it("{\"receive\":true}", MAIL_RECEIVE);
	assert_true(line.wait && line.app.data == NULL);
	read_it("{\"receive\":true,\"app\":\"x\",\"wait\":false}", MAIL_RECEIVE);
	assert_false(line.wait);
	is_text(line.app, "x");
	read_it("{\"done\":7}", MAIL_DONE);
	assert_int_equal(line.n, 7);
	read_it("{\"self\":true}", MAIL_ASK_SELF);
	read_it("{\"sent\":[1, 500]}", MAIL_SENT);
	assert_int_equal(line.first, 1);
	assert_int_equal(line.last, 500);
	read_it("{\"failed\":17,\"error\":\"mailbox_full\",\"message\":\"m\"}", MAIL_FAILED);
	assert_int_equal(line.n, 17);
	read_it("{\"n\":7,\"from\":\"alice/chat\",\"at\":\"2026-11-25T10:53:20.123456Z\",\"text\":\"hey\"}", MAIL_MESSAGE);
	read_it("{\"receive\":false,\"error\":\"busy\",\"message\":\"m\"}", MAIL_REFUSED);
	read_it("{\"empty\":true}", MAIL_EMPTY);
	read_it("{\"self\":\"alice/chat\"}", MAIL_SELF);
	read_it("{\"error\":\"invalid\",\"message\":\"m\"}", MAIL_ERROR);
}

static void
what_is_no_line_is_refused(void **state)
{
	(void)state;
	refused("", "no object");
	refused("[]", "no object");
	refused("{}", "without a name");
	refused("{\"to\":\"a\"}", "belong together");
	refused("{\"to\":\"a\",\"text\":\"b\",\"done\":1}", "belong together");
	refused("{\"receive\":false}", "belong together");
	refused("{\"to\":\"a\",\"to\":\"b\",\"text\":\"\"}", "twice");
	refused("{\"too\":\"a\",\"text\":\"\"}", "no line has");
	refused("{\"to\":1,\"text\":\"\"}", "a text belongs");
	refused("{\"done\":-1}", "a whole number");
	refused("{\"done\":1.5}", "does not end");
	refused("{\"done\":01}", "a whole number");
	refused("{\"done\":9223372036854775808}", "a whole number");
	refused("{\"done\":99999999999999999999}", "a whole number");
	refused("{\"sent\":[2,1]}", "first and a last");
	refused("{\"empty\":false}", "true belongs");
	refused("{\"done\":1} x", "behind its end");
	refused("{\"text\":\"\xff\",\"to\":\"a\"}", "UTF-8");
	refused("{\"text\":\"\\ud800\",\"to\":\"a\"}", "surrogate");
}

static void
what_is_written_is_read_as_the_same(void **state)
{
	static const char odd[] = "a\"\\\b\n\x01\x7f/\xc3\xa4\xf0\x9f\x98\x80 0123456789 0123456789\0z";
	struct buf b = { 0 };
	bool taken;

	(void)state;
	mail_put_send(&b, "bob/chat", odd, sizeof(odd) - 1);
	assert_int_equal(b.data[b.len - 1], '\n');
	assert_null(mail_line_differs(b.data, b.len - 1, &taken));
	read_it(buf_cstr(&b), MAIL_SEND);
	assert_int_equal(line.text.len, sizeof(odd) - 1);
	assert_memory_equal(line.text.data, odd, line.text.len);
	buf_clear(&b);
	mail_put_message(&b, 18446744073709551ull, (struct mail_text){ "a/b", 3 }, (struct mail_text){ "now", 3 },
			 (struct mail_text){ "\xff\xc3", 2 });
	read_it(buf_cstr(&b), MAIL_MESSAGE);
	is_text(line.text, "\xef\xbf\xbd\xef\xbf\xbd");
	assert_int_equal(line.n, 18446744073709551ull);
	buf_free(&b);
}

static void
addresses_have_a_node_and_a_name(void **state)
{
	struct mail_text node, name;

	(void)state;
	assert_true(mail_address_split((struct mail_text){ "bob@b/chat", 10 }, &node, &name));
	is_text(node, "bob@b");
	is_text(name, "chat");
	assert_true(mail_address_split((struct mail_text){ "~joe", 4 }, &node, &name));
	assert_null(node.data);
	is_text(name, "~joe");
	assert_false(mail_address_split((struct mail_text){ "/chat", 5 }, &node, &name));
	assert_false(mail_address_split((struct mail_text){ "bob/", 4 }, &node, &name));
	assert_false(mail_address_split((struct mail_text){ "bob/a/b", 7 }, &node, &name));
	assert_false(mail_name_ok("..", 2));
	assert_false(mail_name_ok("~", 1));
	assert_false(mail_name_ok("a~b", 3));
	assert_false(mail_name_ok("a\0b", 3));
	assert_true(mail_name_ok("chat-1.x_y", 10));
}

/* --- Beside jansson ---------------------------------------------------------- */

static uint64_t seed = 42;

static unsigned
below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static void
jansson_agrees_about_random_and_changed_lines(void **state)
{
	static const char *const members[] = {
		"\"to\":\"bob/chat\"", "\"text\":\"h\\u20ac\\n\xc3\xa4\"", "\"text\": \"plain and long enough for eight at a time\"",
		"\"receive\":true", "\"receive\" :false", "\"app\":\"x\"", "\"wait\":false", "\"wait\":true", "\"done\":12", "\"self\":true",
		"\"self\":\"a/b\"", "\"sent\":[1,500]", "\"failed\":0", "\"error\":\"busy\"", "\"message\":\"no\"", "\"n\":9223372036854775807",
		"\"from\":\"a\\/b\"", "\"at\":\"then\"", "\"empty\":true",
	};
	static const char likely[] = "{}[]\",:\\0.e-1 tfn\xc3\n";
	unsigned i, n, changes, whole = 0, changed = 0;
	struct buf b = { 0 };
	const char *where;
	size_t at;
	bool taken;
	char *copy;

	(void)state;
	for (i = 0; i < 100000; i++) {
		buf_clear(&b);
		buf_addc(&b, '{');
		for (n = 1 + below(4); n > 0; n--)
			buf_printf(&b, "%s%s", members[below(sizeof(members) / sizeof(members[0]))], n > 1 ? below(9) ? "," : " , " : "");
		buf_addc(&b, '}');
		changes = below(3);
		while (changes-- > 0) {
			at = below((unsigned)b.len);
			b.data[at] = below(2) ? likely[below(sizeof(likely) - 1)] : (char)below(256);
		}
		copy = malloc(b.len);
		assert_non_null(copy);
		memcpy(copy, b.data, b.len);
		where = mail_line_differs(copy, b.len, &taken);
		if (where != NULL)
			fail_msg("%s: %.*s", where, (int)b.len, copy);
		*(i % 2 ? &whole : &changed) += taken;
		free(copy);
	}
	assert_in_range(whole + changed, 2000, 100000);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_known_by_its_members),
		cmocka_unit_test(what_is_no_line_is_refused),
		cmocka_unit_test(what_is_written_is_read_as_the_same),
		cmocka_unit_test(addresses_have_a_node_and_a_name),
		cmocka_unit_test(jansson_agrees_about_random_and_changed_lines),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_free(&unescaped);
	return failed;
}
