/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "producer/outbox.h"

static struct buf *
status_row(struct outbox *o, const char *text)
{
	struct buf *row = outbox_row(o);

	if (row != NULL)
		batch_text(row, text);
	return row;
}

static void
every_kind_of_cell_is_json(void **state)
{
	static const char *const columns[] = { "a", "b", "c", "d", "e", "f", "g" };
	struct outbox o = { .node = "al\"ice", .epoch = 18446744073709551615u };
	const struct spool_batch *b;
	struct buf *row;
	size_t count;

	(void)state;
	outbox_open(&o, 7, 1764068000123456);
	outbox_begin_columns(&o, "custom_x", columns, 7);
	row = outbox_row(&o);
	batch_int(row, INT64_MIN);
	batch_int(row, 0);
	batch_real(row, 0.1);
	batch_real(row, NAN);
	batch_text(row, "[");
	batch_text(row, NULL);
	batch_bool(row, true);
	row = outbox_row(&o);
	batch_int(row, INT64_MAX);
	batch_int(row, -1);
	batch_real(row, 1.0 / 3);
	batch_real(row, -INFINITY);
	batch_text(row, "\xff\n\xc3\xa4");
	batch_null(row);
	batch_bool(row, false);
	outbox_end(&o);
	b = outbox_batches(&o, &count);
	assert_int_equal(count, 1);
	assert_int_equal(b->seq, 7);
	assert_int_equal(b->at_us, 1764068000123456);
	row = &(struct buf){ 0 };
	buf_add(row, b->text, b->len);
	assert_string_equal(buf_cstr(row),
		"{\"type\":\"custom_x\",\"node\":\"al\\\"ice\",\"epoch\":18446744073709551615,\"seq\":7,"
		"\"ts\":\"2025-11-25T10:53:20.123456Z\",\"columns\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"],\"rows\":["
		"[-9223372036854775808,0,0.1,null,\"[\",null,true],"
		"[9223372036854775807,-1,0.33333333333333331,null,\"\\ufffd\\u000a\xc3\xa4\",null,false]]}");
	buf_free(row);
	outbox_fini(&o);
}

static void
batches_are_numbered_and_empty_ones_are_none(void **state)
{
	struct outbox o = { .node = "n", .epoch = 1 };
	const struct spool_batch *b;
	size_t count;

	(void)state;
	outbox_open(&o, 10, 0);
	assert_null(outbox_batches(&o, &count));
	assert_int_equal(count, 0);
	outbox_begin(&o, TABLE_NODE_STATUS);
	outbox_end(&o);
	outbox_begin(&o, TABLE_NODE_STATUS);
	assert_non_null(status_row(&o, "one"));
	outbox_end(&o);
	outbox_begin(&o, TABLE_SUSPECT);
	outbox_end(&o);
	outbox_begin(&o, TABLE_NODE_STATUS);
	assert_non_null(status_row(&o, "two"));
	outbox_end(&o);
	b = outbox_batches(&o, &count);
	assert_int_equal(count, 2);
	assert_int_equal(b[0].seq, 10);
	assert_int_equal(b[1].seq, 11);
	assert_non_null(memmem(b[0].text, b[0].len, "\"one\"", 5));
	assert_non_null(memmem(b[1].text, b[1].len, "\"seq\":11,", 9));
	assert_int_equal(b[1].text[0], '{');
	assert_int_equal(b[1].text[b[1].len - 1], '}');
	outbox_open(&o, 12, 0);
	assert_null(outbox_batches(&o, &count));
	outbox_fini(&o);
}

static void
a_batch_stays_within_its_bytes(void **state)
{
	struct outbox o = { .node = "n", .epoch = 1 };
	const struct spool_batch *b;
	char text[60000];
	size_t count, rows = 0;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	outbox_open(&o, 1, 0);
	outbox_begin(&o, TABLE_NODE_STATUS);
	while (status_row(&o, text) != NULL)
		rows++;
	outbox_end(&o);
	outbox_begin(&o, TABLE_NODE_STATUS);
	assert_non_null(status_row(&o, "next"));
	outbox_end(&o);
	b = outbox_batches(&o, &count);
	assert_int_equal(count, 2);
	assert_true(rows > 10);
	assert_true(b[0].len <= BATCH_MAX);
	outbox_fini(&o);
}

static void
numbers_can_be_given_anew(void **state)
{
	struct outbox o = { .node = "a\",\"epoch\":9,\"ts\":", .epoch = 5 };
	const struct spool_batch *b;
	struct batch read = { 0 };
	struct err err;
	size_t count, i;

	(void)state;
	outbox_open(&o, 7, 1764068000123456);
	for (i = 0; i < 2; i++) {
		outbox_begin(&o, TABLE_NODE_STATUS);
		status_row(&o, ",\"epoch\":1,\"ts\":");
		outbox_end(&o);
	}
	assert_int_equal(outbox_renumber(&o, 123456789, 99), 0);
	b = outbox_batches(&o, &count);
	assert_int_equal(count, 2);
	for (i = 0; i < count; i++) {
		assert_int_equal(b[i].seq, 99 + i);
		assert_int_equal(batch_read(&read, b[i].text, b[i].len, &err), 0);
		assert_int_equal(read.epoch, 123456789);
		assert_int_equal(read.seq, 99 + i);
		assert_int_equal(read.ts_us, 1764068000123456);
		assert_int_equal(read.row_count, 1);
	}
	batch_free(&read);
	outbox_fini(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_cell_is_json),
		cmocka_unit_test(batches_are_numbered_and_empty_ones_are_none),
		cmocka_unit_test(a_batch_stays_within_its_bytes),
		cmocka_unit_test(numbers_can_be_given_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
