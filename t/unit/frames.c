/* SPDX-License-Identifier: MIT */
#include "net/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
round_trip(bool from_client, size_t len)
{
	struct frames *to = frames_new(from_client, 200000), *from = frames_new(!from_client, 200000);
	char *text = malloc(len + 1);
	struct frames_event ev;
	struct buf out = { 0 };
	size_t rest;

	memset(text, 'x', len);
	assert_int_equal(frames_put_text(from, &out, text, len), 0);
	frames_feed(to, out.data, out.len);
	assert_int_equal(frames_next(to, &ev), FRAMES_TEXT);
	assert_int_equal(ev.len, len);
	assert_memory_equal(ev.data, text, len);
	assert_int_equal(ev.data[len], '\0');
	assert_int_equal(frames_next(to, &ev), FRAMES_NONE);
	frames_rest(to, &rest);
	assert_int_equal(rest, 0);
	frames_trim(to);
	buf_free(&out);
	free(text);
	frames_free(to);
	frames_free(from);
}

static void
messages_of_every_form_of_length_come_as_they_went(void **state)
{
	static const size_t lengths[] = { 0, 1, 125, 126, 4095, 4096, 4097, 65535, 65536, 200000 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		round_trip(true, lengths[i]);
		round_trip(false, lengths[i]);
	}
}

/* What a server makes of the bytes, given one by one. */
static enum frames_kind
read_slowly(const char *bytes, size_t len, struct frames_event *ev, struct frames *f)
{
	enum frames_kind kind = FRAMES_NONE;
	size_t i;

	for (i = 0; i < len && kind == FRAMES_NONE; i++) {
		frames_feed(f, bytes + i, 1);
		kind = frames_next(f, ev);
	}
	return kind;
}

static void
bytes_may_come_one_by_one(void **state)
{
	struct frames *client = frames_new(false, 100), *server = frames_new(true, 100);
	struct frames_event ev;
	struct buf out = { 0 };

	(void)state;
	frames_put_text(client, &out, "hello", 5);
	assert_int_equal(read_slowly(out.data, out.len, &ev, server), FRAMES_TEXT);
	assert_string_equal(ev.data, "hello");
	buf_clear(&out);
	frames_put_pong(client, &out, "p", 1);
	assert_int_equal(read_slowly(out.data, out.len, &ev, server), FRAMES_PONG);
	buf_clear(&out);
	frames_put_ping(client, &out, "", 0);
	assert_int_equal(read_slowly(out.data, out.len, &ev, server), FRAMES_PING);
	buf_clear(&out);
	frames_put_close(client, &out, 1001, "bye");
	assert_int_equal(read_slowly(out.data, out.len, &ev, server), FRAMES_CLOSE);
	assert_int_equal(ev.code, 1001);
	assert_string_equal(ev.data, "bye");
	buf_free(&out);
	frames_free(client);
	frames_free(server);
}

static void
a_long_reason_is_cut(void **state)
{
	struct frames *client = frames_new(false, 100), *server = frames_new(true, 100);
	struct frames_event ev;
	struct buf out = { 0 };
	char reason[300];

	(void)state;
	memset(reason, 'r', sizeof(reason));
	reason[299] = '\0';
	assert_int_equal(frames_put_close(client, &out, 1000, reason), 0);
	assert_int_equal(read_slowly(out.data, out.len, &ev, server), FRAMES_CLOSE);
	assert_int_equal(ev.len, 123);
	buf_free(&out);
	frames_free(client);
	frames_free(server);
}

static unsigned
code_of(const char *bytes, size_t len)
{
	struct frames *f = frames_new(true, 100);
	struct frames_event ev = { 0 };
	enum frames_kind kind = read_slowly(bytes, len, &ev, f);
	unsigned code = kind == FRAMES_BAD ? ev.code : 0;

	if (kind == FRAMES_BAD) {		/* and nothing comes after it */
		frames_feed(f, "\x81\x80\0\0\0\0", 6);
		assert_int_equal(frames_next(f, &ev), FRAMES_NONE);
	}
	frames_free(f);
	return code;
}

#define CODE(bytes) code_of(bytes, sizeof(bytes) - 1)

static void
frames_that_break_the_rules_have_their_code(void **state)
{
	(void)state;
	assert_int_equal(CODE("\x81\x80\0\0\0\0"), 0);
	assert_int_equal(CODE("\x81\x01x"), 1002);			/* not masked */
	assert_int_equal(CODE("\xc1\x80\0\0\0\0"), 1002);		/* a reserved bit */
	assert_int_equal(CODE("\x83\x80\0\0\0\0"), 1002);		/* an opcode that there is not */
	assert_int_equal(CODE("\x8b\x80\0\0\0\0"), 1002);
	assert_int_equal(CODE("\x82\x80\0\0\0\0"), 1003);		/* binary */
	assert_int_equal(CODE("\x80\x80\0\0\0\0"), 1002);		/* a fragment of nothing */
	assert_int_equal(CODE("\x01\x80\0\0\0\0\x81\x80\0\0\0\0"), 1002);	/* a message in another */
	assert_int_equal(CODE("\x01\x80\0\0\0\0\x80\x80\0\0\0\0"), 0);
	assert_int_equal(CODE("\x09\x80\0\0\0\0"), 1002);		/* a ping in fragments */
	assert_int_equal(CODE("\x81\xfe\0\x05\0\0\0\0hello"), 1002);	/* a length in too long a form */
	assert_int_equal(CODE("\x81\xe5\0\0\0\0x"), 1009);		/* 101 bytes */
	assert_int_equal(CODE("\x81\x82\0\0\0\0\xc0\x80"), 1007);	/* no UTF-8 */
	assert_int_equal(CODE("\x88\x81\0\0\0\0x"), 1002);		/* half a close code */
	assert_int_equal(CODE("\x88\x82\0\0\0\0\x03\xed"), 1002);	/* 1005 */
	assert_int_equal(CODE("\x88\x83\0\0\0\0\x03\xe8\xff"), 1007);
}

static void
fragments_together_have_the_limit(void **state)
{
	struct frames *f = frames_new(true, 100);
	char fragment[6 + 60] = "\x01\xbc";
	struct frames_event ev;

	(void)state;
	memset(fragment + 6, 'x', 60);
	assert_int_equal(read_slowly(fragment, sizeof(fragment), &ev, f), FRAMES_NONE);
	fragment[0] = '\x80';
	assert_int_equal(read_slowly(fragment, sizeof(fragment), &ev, f), FRAMES_BAD);
	assert_int_equal(ev.code, 1009);
	frames_free(f);
}

static void
one_character_may_lie_in_two_fragments(void **state)
{
	const char *bytes = "\x01\x82\0\0\0\0\xe2\x82" "\x89\x81\0\0\0\0p" "\x80\x81\0\0\0\0\xac";
	struct frames *f = frames_new(true, 100);
	struct frames_event ev;

	(void)state;
	frames_feed(f, bytes, 8 + 7 + 7);
	assert_int_equal(frames_next(f, &ev), FRAMES_PING);
	assert_string_equal(ev.data, "p");
	assert_int_equal(frames_next(f, &ev), FRAMES_TEXT);
	assert_string_equal(ev.data, "\xe2\x82\xac");
	frames_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_every_form_of_length_come_as_they_went),
		cmocka_unit_test(bytes_may_come_one_by_one),
		cmocka_unit_test(a_long_reason_is_cut),
		cmocka_unit_test(frames_that_break_the_rules_have_their_code),
		cmocka_unit_test(fragments_together_have_the_limit),
		cmocka_unit_test(one_character_may_lie_in_two_fragments),
	};

	return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
