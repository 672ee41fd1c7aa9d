/* SPDX-License-Identifier: MIT */
#include "wire/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BOOT = 7, INSTANCE = 9 };

/* A state of three records, committed. */
static struct buf
a_state(void)
{
	struct state_header h = { .magic = STATE_MAGIC, .version = STATE_VERSION, .boot_crc = BOOT, .instance = INSTANCE };
	struct state_event ev = { .seq = 42, .category = 1 };
	struct buf b = { 0 }, config = { 0 };

	buf_add(&b, &h, sizeof(h));
	state_put_config(&config, "/etc/appctl/conf.d/web.conf", "web", "a = 1;", 6);
	state_put(&b, STATE_CONFIG, config.data, config.len, NULL, 0);
	state_put(&b, STATE_CONFIG_END, NULL, 0, NULL, 0);
	state_put(&b, STATE_EVENT, &ev, sizeof(ev), "{}\n", 3);
	h.committed = b.len;
	memcpy(b.data, &h, sizeof(h));
	buf_free(&config);
	return b;
}

static int
count_records(const struct buf *b, size_t committed)
{
	size_t at = sizeof(struct state_header);
	struct state_item item;
	int n = 0, more;

	while ((more = state_next(b->data, committed, &at, &item)) == 1)
		n++;
	return more == 0 ? n : -1;
}

static void
what_was_put_is_read_back(void **state)
{
	struct buf b = a_state();
	size_t at = sizeof(struct state_header);
	struct state_item item;
	struct state_config c;
	struct state_event ev;

	(void)state;
	assert_int_equal(state_header_check(b.data, b.len, BOOT, INSTANCE), 0);
	assert_int_equal(state_next(b.data, b.len, &at, &item), 1);
	assert_int_equal(item.type, STATE_CONFIG);
	assert_int_equal(state_get_config(item.payload, item.len, &c), 0);
	assert_string_equal(c.path, "/etc/appctl/conf.d/web.conf");
	assert_string_equal(c.app, "web");
	assert_int_equal(c.text_len, 6);
	assert_memory_equal(c.text, "a = 1;", 6);
	assert_int_equal(state_next(b.data, b.len, &at, &item), 1);
	assert_int_equal(item.len, 0);
	assert_int_equal(state_next(b.data, b.len, &at, &item), 1);
	memcpy(&ev, item.payload, sizeof(ev));
	assert_int_equal(ev.seq, 42);
	assert_memory_equal((const char *)item.payload + sizeof(ev), "{}\n", 3);
	assert_int_equal(state_next(b.data, b.len, &at, &item), 0);
	buf_free(&b);
}

static void
the_main_file_belongs_to_no_application(void **state)
{
	struct buf payload = { 0 };
	struct state_config c;

	(void)state;
	state_put_config(&payload, "/etc/appctl/appctld.conf", NULL, "", 0);
	assert_int_equal(state_get_config(payload.data, (uint32_t)payload.len, &c), 0);
	assert_null(c.app);
	assert_int_equal(c.text_len, 0);
	buf_free(&payload);
}

static void
another_boot_instance_or_version_is_refused(void **state)
{
	struct buf b = a_state();

	(void)state;
	assert_int_equal(state_header_check(b.data, b.len, BOOT + 1, INSTANCE), -1);
	assert_int_equal(state_header_check(b.data, b.len, BOOT, INSTANCE + 1), -1);
	((struct state_header *)(void *)b.data)->version++;
	assert_int_equal(state_header_check(b.data, b.len, BOOT, INSTANCE), -1);
	buf_free(&b);
}

static void
every_flipped_bit_is_noticed(void **state)
{
	struct buf b = a_state();
	size_t i;
	int good, bit;

	(void)state;
	good = count_records(&b, b.len);
	assert_int_equal(good, 3);
	for (i = sizeof(struct state_header); i < b.len; i++) {
		for (bit = 0; bit < 8; bit++) {
			b.data[i] ^= (char)(1 << bit);
			/* The padding alone is covered by nothing, and read by nobody. */
			if (count_records(&b, b.len) == good)
				assert_true(b.data[i] == (char)(1 << bit));
			b.data[i] ^= (char)(1 << bit);
		}
	}
	buf_free(&b);
}

static void
what_was_found_whole_before_is_not_checked_again(void **state)
{
	struct buf b = a_state();
	size_t at = sizeof(struct state_header), known = at, first = at;
	struct state_item item, again;
	int more;

	(void)state;
	while ((more = state_next(b.data, b.len, &at, &item)) == 1) {
		assert_int_equal(state_next_known(b.data, b.len, &known, &again), 1);
		assert_true(known == at && again.type == item.type && again.len == item.len && again.payload == item.payload);
	}
	assert_int_equal(more, 0);
	assert_int_equal(state_next_known(b.data, b.len, &known, &again), 0);
	b.data[first + sizeof(struct state_record)] ^= 1;
	known = first;
	assert_int_equal(state_next_known(b.data, b.len, &known, &again), 1);
	assert_int_equal(state_next(b.data, b.len, &first, &item), -1);
	known = b.len - 8;		/* but it does not go beyond the end */
	assert_int_equal(state_next_known(b.data, b.len, &known, &again), -1);
	buf_free(&b);
}

static void
a_cut_state_is_never_half_believed(void **state)
{
	struct buf b = a_state();
	size_t len;

	(void)state;
	for (len = 0; len < b.len; len++)
		assert_int_equal(state_header_check(b.data, len, BOOT, INSTANCE), -1);
	for (len = sizeof(struct state_header); len < b.len; len += 8)
		assert_true(count_records(&b, len) < 3);
	buf_free(&b);
}

static void
a_transient_application_needs_both_its_strings(void **state)
{
	const char *name, *definition;

	(void)state;
	assert_int_equal(state_get_transient("a\0{}", 5, &name, &definition), 0);
	assert_string_equal(definition, "{}");
	assert_int_equal(state_get_transient("a\0{}", 4, &name, &definition), -1);
	assert_int_equal(state_get_transient("a", 2, &name, &definition), -1);
	assert_int_equal(state_get_transient("", 0, &name, &definition), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_read_back),
		cmocka_unit_test(the_main_file_belongs_to_no_application),
		cmocka_unit_test(another_boot_instance_or_version_is_refused),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(what_was_found_whole_before_is_not_checked_again),
		cmocka_unit_test(a_cut_state_is_never_half_believed),
		cmocka_unit_test(a_transient_application_needs_both_its_strings),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
