/* SPDX-License-Identifier: MIT */
#include "wire/envelope.h"

#include "base/le.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static struct buf b;
static struct envelope e;
static struct err err;

#define TEXT(s) ((struct mail_text){ (s), strlen(s) })

static void
is_text(struct mail_text t, const char *expected)
{
	assert_int_equal(t.len, strlen(expected));
	assert_memory_equal(t.data, expected, t.len);
}

/* Whole, it is read; of every shorter piece nothing is. */
static void
read_back(enum envelope_type type)
{
	size_t len;

	assert_false(b.failed);
	for (len = 0; len < b.len; len++)
		assert_int_equal(envelope_read(b.data, len, &e, &err), 0);
	assert_int_equal(envelope_read(b.data, b.len, &e, &err), b.len);
	assert_int_equal(e.type, type);
}

static void
each_is_read_as_it_was_written(void **state)
{
	(void)state;
	envelope_put_pair(&b, 7, TEXT("~joe"), TEXT("chat"));
	read_back(ENVELOPE_PAIR);
	assert_int_equal(e.slot, 7);
	is_text(e.from, "~joe");
	is_text(e.to, "chat");
	buf_clear(&b);
	envelope_put_send(&b, ENVELOPE_SLOTS - 1, TEXT("hey"));
	read_back(ENVELOPE_SEND);
	is_text(e.text, "hey");
	buf_clear(&b);
	envelope_put_send(&b, 0, TEXT(""));
	read_back(ENVELOPE_SEND);
	assert_int_equal(e.text.len, 0);
	buf_clear(&b);
	envelope_put_sent(&b, 3, UINT64_C(1) << 40);
	read_back(ENVELOPE_SENT);
	assert_true(e.first == 3 && e.last == UINT64_C(1) << 40);
	buf_clear(&b);
	envelope_put_failed(&b, 9, "mailbox_full", "it is full");
	read_back(ENVELOPE_FAILED);
	assert_true(e.first == 9 && e.last == 9);
	is_text(e.error, "mailbox_full");
	is_text(e.text, "it is full");
}

static void
refused(const char *bytes, size_t len)
{
	assert_int_equal(envelope_read(bytes, len, &e, &err), -1);
	assert_true(err.msg[0] != '\0');
}

static void
what_is_none_is_refused(void **state)
{
	char head[64] = { 0 };

	(void)state;
	refused(head, 4);						/* no type */
	le32_put(head, (uint32_t)5 << 24);
	refused(head, 4);
	le32_put(head, (uint32_t)ENVELOPE_SEND << 24 | (MAIL_TEXT_MAX + 5));
	refused(head, 4);						/* told by its head alone */
	le32_put(head, (uint32_t)ENVELOPE_SEND << 24 | 3);
	refused(head, 7);
	le32_put(head, (uint32_t)ENVELOPE_SEND << 24 | 4);
	le32_put(head + 4, ENVELOPE_SLOTS);
	refused(head, 8);
	buf_clear(&b);
	envelope_put_pair(&b, 1, TEXT("a"), TEXT("../x"));
	refused(b.data, b.len);
	buf_clear(&b);
	envelope_put_pair(&b, 1, TEXT("a/b"), TEXT("x"));
	refused(b.data, b.len);
	buf_clear(&b);
	envelope_put_pair(&b, 1, TEXT("a"), TEXT("x"));
	b.data[8] = 2;							/* all of it is from */
	refused(b.data, b.len);
	buf_clear(&b);
	envelope_put_sent(&b, 5, 4);
	refused(b.data, b.len);
	buf_clear(&b);
	envelope_put_sent(&b, 0, 4);
	refused(b.data, b.len);
	buf_clear(&b);
	envelope_put_failed(&b, 1, "", "why");
	refused(b.data, b.len);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_read_as_it_was_written),
		cmocka_unit_test(what_is_none_is_refused),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_free(&b);
	return failed;
}
