/* SPDX-License-Identifier: MIT */
#include "wire/handover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct handover_texts texts = { "/run/appctl", "/sys/fs/cgroup/appctl-1", "appctl-1", "0.1.0" };

/* A keeper with two children and an orphan. */
static struct buf
a_handover(void)
{
	const struct handover_keeper k = { .instance = 7, .last_inc = 12, .dir_fd = 3, .control_fd = 16, .up_fd = -1 };
	const struct handover_kid web = { .inc = 11, .pid = 100, .ready_fd = 21, .shutdown_ms = 5000, .stop_signal = 15 };
	const struct handover_kid db = { .inc = 12, .pid = 101, .status = 256, .flags = 1, .ready_fd = -1 };
	struct buf b = { 0 };

	handover_begin(&b);
	handover_put_keeper(&b, &k, &texts);
	handover_put_kid(&b, &web, "web", "web/main");
	handover_put_kid(&b, &db, "db", "");
	handover_put_orphan(&b, &(struct handover_orphan){ 99, 9 });
	handover_end(&b);
	return b;
}

static enum handover_found
found(const void *data, size_t len)
{
	uint32_t version;

	return handover_check(data, len, &version);
}

static void
what_was_put_is_read_back(void **state)
{
	struct buf b = a_handover();
	size_t at = sizeof(struct handover_header);
	struct handover_item item;

	(void)state;
	assert_int_equal(found(b.data, b.len), HANDOVER_GOOD);
	assert_int_equal(handover_next(b.data, b.len, &at, &item), 1);
	assert_int_equal(item.type, HANDOVER_KEEPER);
	assert_int_equal(item.keeper.instance, 7);
	assert_int_equal(item.keeper.control_fd, 16);
	assert_string_equal(item.texts.runtime_dir, texts.runtime_dir);
	assert_string_equal(item.texts.version, texts.version);
	assert_int_equal(handover_next(b.data, b.len, &at, &item), 1);
	assert_int_equal(item.type, HANDOVER_KID);
	assert_int_equal(item.kid.ready_fd, 21);
	assert_string_equal(item.name, "web");
	assert_string_equal(item.cgroup, "web/main");
	assert_int_equal(handover_next(b.data, b.len, &at, &item), 1);
	assert_int_equal(item.kid.status, 256);
	assert_string_equal(item.cgroup, "");
	assert_int_equal(handover_next(b.data, b.len, &at, &item), 1);
	assert_int_equal(item.type, HANDOVER_ORPHAN);
	assert_int_equal(item.orphan.pid, 99);
	assert_int_equal(handover_next(b.data, b.len, &at, &item), 0);
	buf_free(&b);
}

/* Each in a copy of its own size, so that a sanitizer sees a read beyond it. */
static void
every_truncation_is_refused(void **state)
{
	struct buf b = a_handover();
	size_t len;
	char *copy;

	(void)state;
	for (len = 0; len < b.len; len++) {
		copy = malloc(len + 1);
		assert_non_null(copy);
		memcpy(copy, b.data, len);
		copy = realloc(copy, len ? len : 1);
		assert_int_not_equal(found(copy, len), HANDOVER_GOOD);
		free(copy);
	}
	buf_addc(&b, '\0');
	assert_int_equal(found(b.data, b.len), HANDOVER_DAMAGED);
	buf_free(&b);
}

static void
every_flip_of_a_bit_is_refused(void **state)
{
	struct buf b = a_handover();
	size_t bit;

	(void)state;
	for (bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_not_equal(found(b.data, b.len), HANDOVER_GOOD);
		b.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_int_equal(found(b.data, b.len), HANDOVER_GOOD);
	buf_free(&b);
}

static void
another_version_is_named(void **state)
{
	struct buf b = a_handover();
	struct handover_header *h = (struct handover_header *)(void *)b.data;
	uint32_t version;

	(void)state;
	h->version = HANDOVER_VERSION + 1;
	assert_int_equal(handover_check(b.data, b.len, &version), HANDOVER_OTHER_VERSION);
	assert_int_equal(version, HANDOVER_VERSION + 1);
	h->version = HANDOVER_VERSION - 1;
	assert_int_equal(handover_check(b.data, b.len, &version), HANDOVER_OTHER_VERSION);
	buf_free(&b);
}

/* A checksum says that nothing was changed, not that it was right. */
static void
a_keeper_is_there_once_and_first(void **state)
{
	const struct handover_keeper k = { .instance = 7 };
	const struct handover_kid kid = { .inc = 1, .ready_fd = -1 };
	struct buf b = { 0 };

	(void)state;
	handover_begin(&b);
	handover_end(&b);
	assert_int_equal(found(b.data, b.len), HANDOVER_DAMAGED);
	handover_begin(&b);
	handover_put_kid(&b, &kid, "web", "");
	handover_put_keeper(&b, &k, &texts);
	handover_end(&b);
	assert_int_equal(found(b.data, b.len), HANDOVER_DAMAGED);
	handover_begin(&b);
	handover_put_keeper(&b, &k, &texts);
	handover_put_keeper(&b, &k, &texts);
	handover_end(&b);
	assert_int_equal(found(b.data, b.len), HANDOVER_DAMAGED);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_read_back),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_flip_of_a_bit_is_refused),
		cmocka_unit_test(another_version_is_named),
		cmocka_unit_test(a_keeper_is_there_once_and_first),
	};

	return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
