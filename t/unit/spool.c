/* SPDX-License-Identifier: MIT */
#include "store/spool.h"

#include "base/buf.h"
#include "base/crc32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct spool_limits wide = { .bytes_max = 1 << 20 };
static char dir[64];
static struct err err;

static void
empty(const char *name)
{
	char path[512];
	struct dirent *e;
	DIR *d = opendir(name);

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", name, e->d_name);
		if (e->d_name[0] != '.')
			assert_return_code(unlink(path), errno);
	}
	closedir(d);
}

static int
make_directory(void **state)
{
	(void)state;
	/* Thousands of files are made and synchronized: in memory where that can be. */
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/appctl-spool-XXXXXX" : "/tmp/appctl-spool-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_directory(void **state)
{
	(void)state;
	empty(dir);
	return rmdir(dir);
}

static struct spool *
open_it(const struct spool_limits *l)
{
	struct spool *s = spool_open(dir, l, &err);

	if (s == NULL)
		fail_msg("%s", err.msg);
	return s;
}

/* What batch seq of an epoch says: len bytes that are its own. */
static void
text_of(uint64_t epoch, uint64_t seq, char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		text[i] = (char)('a' + (epoch + seq * 7 + i) % 26);
}

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
add_noting(struct spool *s, size_t len, const char *note, const struct spool_gap *tells)
{
	struct spool_batch b = { .seq = spool_next_seq(s), .at_us = now_us(), .len = len, .tells = tells };
	char *text = malloc(len);

	text_of(spool_epoch(s), b.seq, text, len);
	b.text = text;
	if (spool_add(s, &b, 1, note, &err) < 0)
		fail_msg("%s", err.msg);
	free(text);
}

static void
add(struct spool *s, size_t len)
{
	add_noting(s, len, NULL, NULL);
}

static void
is_whole(uint64_t epoch, const struct spool_batch *b)
{
	char text[65536];

	assert_true(b->len <= sizeof(text));
	text_of(epoch, b->seq, text, b->len);
	assert_memory_equal(b->text, text, b->len);
}

/* Walks an epoch from `after` on; returns how many there are, the last in *last. */
static size_t
walk(struct spool *s, uint64_t epoch, uint64_t after, uint64_t *last)
{
	struct spool_batch b;
	size_t n = 0;
	int r;

	while ((r = spool_next(s, epoch, after, &b, &err)) > 0) {
		is_whole(epoch, &b);
		after = b.seq;
		n++;
	}
	if (r < 0)
		fail_msg("%s", err.msg);
	if (last != NULL)
		*last = after;
	return n;
}

static void
batches_come_out_in_order_until_they_are_acknowledged(void **state)
{
	struct spool *s = open_it(&wide);
	uint64_t last;
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		add(s, 100 + (size_t)i);
	assert_int_equal(spool_count(s), 5);
	assert_int_equal(spool_bytes(s), 510);
	assert_int_equal(walk(s, spool_epoch(s), 0, &last), 5);
	assert_int_equal(last, 5);
	assert_int_equal(walk(s, spool_epoch(s), 3, NULL), 2);
	assert_return_code(spool_acknowledge(s, spool_epoch(s), 3, &err), 0);
	assert_int_equal(spool_count(s), 2);
	assert_int_equal(spool_bytes(s), 103 + 104);
	assert_int_equal(walk(s, spool_epoch(s), 0, NULL), 2);
	assert_int_equal(spool_acknowledge(s, spool_epoch(s), 6, &err), -1);
	assert_int_equal(err.code, EINVAL);
	spool_close(s);
}

static void
what_was_added_is_there_after_opening_again(void **state)
{
	struct spool *s = open_it(&wide);
	uint64_t epoch = spool_epoch(s), last;

	(void)state;
	assert_string_equal(spool_note(s), "");
	add(s, 10);
	add_noting(s, 70000 - 10000, "instance 17", NULL);
	assert_return_code(spool_acknowledge(s, epoch, 1, &err), 0);
	spool_close(s);
	s = open_it(&wide);
	assert_true(spool_epoch(s) == epoch);
	assert_true(spool_first_epoch(s) == epoch);
	assert_int_equal(spool_next_seq(s), 3);
	assert_int_equal(walk(s, epoch, 0, &last), 1);
	assert_int_equal(last, 2);
	assert_string_equal(spool_note(s), "instance 17");
	assert_string_equal(spool_damage(s), "");
	spool_close(s);
}

static void
a_gap_is(struct spool *s, uint64_t first, uint64_t last, const char *reason)
{
	struct spool_gap g;

	assert_int_equal(spool_gap(s, &g, &err), 1);
	assert_int_equal(g.first_seq, first);
	assert_int_equal(g.last_seq, last);
	assert_int_equal(g.batches, last - first + 1);
	assert_string_equal(g.reason, reason);
}

static void
the_oldest_go_when_it_is_full_and_are_counted(void **state)
{
	const struct spool_limits narrow = { .bytes_max = 1000 };
	struct spool *s = open_it(&narrow);
	struct spool_gap g;
	uint64_t last;
	int i;

	(void)state;
	for (i = 0; i < 15; i++)
		add(s, 100);
	assert_int_equal(spool_count(s), 10);
	assert_int_equal(spool_bytes(s), 1000);
	assert_int_equal(spool_dropped(s), 5);
	a_gap_is(s, 1, 5, "spool_full");
	/* The batch that tells takes the gap away, and drops another one. */
	assert_int_equal(spool_gap(s, &g, &err), 1);
	add_noting(s, 100, NULL, &g);
	a_gap_is(s, 6, 6, "spool_full");
	spool_close(s);
	s = open_it(&narrow);
	a_gap_is(s, 6, 6, "spool_full");
	/* When the batch that told goes itself, so does nothing that it told. */
	for (i = 0; i < 10; i++)
		add(s, 100);
	assert_int_equal(walk(s, spool_epoch(s), 0, &last), 10);
	assert_int_equal(last, 26);
	a_gap_is(s, 1, 5, "spool_full");
	assert_int_equal(spool_gap(s, &g, &err), 1);
	add_noting(s, 100, NULL, &g);
	a_gap_is(s, 6, 17, "spool_full");
	assert_int_equal(spool_gap(s, &g, &err), 1);
	add_noting(s, 100, NULL, &g);
	a_gap_is(s, 18, 18, "spool_full");
	spool_close(s);
}

static void
what_is_too_large_goes_at_once(void **state)
{
	const struct spool_limits narrow = { .bytes_max = 1000 };
	struct spool *s = open_it(&narrow);

	(void)state;
	add(s, 400);
	add(s, 2000);
	assert_int_equal(spool_count(s), 0);
	a_gap_is(s, 1, 2, "spool_full");
	spool_close(s);
}

static void
what_is_too_old_goes(void **state)
{
	const struct spool_limits brief = { .bytes_max = 1 << 20, .age_max_ms = 20 };
	const struct timespec ts = { .tv_nsec = 30000000 };
	struct spool *s = open_it(&brief);

	(void)state;
	add(s, 10);
	nanosleep(&ts, NULL);
	add(s, 10);
	assert_int_equal(spool_count(s), 1);
	a_gap_is(s, 1, 1, "spool_age");
	spool_close(s);
}

static void
a_clock_that_was_set_makes_nothing_old(void **state)
{
	const struct spool_limits hour = { .bytes_max = 1 << 20, .age_max_ms = 3600000 };
	struct spool_batch b = { .seq = 1, .at_us = 0, .text = "abc", .len = 3 };
	struct spool *s = open_it(&hour);

	(void)state;
	assert_return_code(spool_add(s, &b, 1, NULL, &err), 0);
	add(s, 10);
	assert_int_equal(spool_count(s), 2);
	spool_close(s);
}

static void
one_process_has_it_at_a_time(void **state)
{
	struct spool *s = open_it(&wide);

	(void)state;
	assert_null(spool_open(dir, &wide, &err));
	assert_int_equal(err.code, EBUSY);
	spool_close(s);
}

static void
a_directory_that_others_may_write_in_is_refused(void **state)
{
	(void)state;
	assert_return_code(chmod(dir, 0770), errno);
	assert_null(spool_open(dir, &wide, &err));
	assert_non_null(strstr(err.msg, "nobody else may write"));
	assert_return_code(chmod(dir, 0700), errno);
}

static void
in_memory_it_is_the_same(void **state)
{
	const struct spool_limits narrow = { .bytes_max = 1000 };
	struct spool *s = spool_open(NULL, &narrow, &err);
	int i;

	(void)state;
	assert_non_null(s);
	for (i = 0; i < 15; i++)
		add(s, 100);
	assert_int_equal(walk(s, spool_epoch(s), 0, NULL), 10);
	a_gap_is(s, 1, 5, "spool_full");
	assert_return_code(spool_acknowledge(s, spool_epoch(s), 15, &err), 0);
	assert_int_equal(spool_count(s), 0);
	spool_close(s);
}

static void
a_new_epoch_leaves_what_there_is(void **state)
{
	struct spool *s = open_it(&wide);
	uint64_t old = spool_epoch(s), last;

	(void)state;
	add(s, 10);
	add_noting(s, 10, "note", NULL);
	assert_return_code(spool_new_epoch(s, &err), 0);
	assert_true(spool_epoch(s) > old);
	assert_int_equal(spool_next_seq(s), 1);
	assert_true(spool_first_epoch(s) == old);
	add(s, 10);
	spool_close(s);
	s = open_it(&wide);
	assert_string_equal(spool_note(s), "note");
	assert_true(spool_first_epoch(s) == old);
	assert_int_equal(walk(s, old, 0, NULL), 2);
	assert_int_equal(walk(s, spool_epoch(s), 0, &last), 1);
	assert_return_code(spool_acknowledge(s, old, 2, &err), 0);
	assert_true(spool_first_epoch(s) == spool_epoch(s));
	spool_close(s);
}

/* --- damage --- */

struct image {
	char name[64];
	char *data;
	size_t len;
};

static struct image images[8];
static size_t image_count;

static void
read_image(const char *name)
{
	struct image *i = &images[image_count++];
	char path[512];
	struct stat st;
	int fd;

	snprintf(i->name, sizeof(i->name), "%s", name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	i->len = (size_t)st.st_size;
	i->data = malloc(i->len + 1);
	assert_int_equal(read(fd, i->data, i->len), (ssize_t)i->len);
	close(fd);
}

/* Keeps the directory as a kill would leave it: copied while it is open. */
static void
take_images(void)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	image_count = 0;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			read_image(e->d_name);
	closedir(d);
}

static void
free_images(void)
{
	while (image_count > 0)
		free(images[--image_count].data);
}

static void
put_back(void)
{
	char path[512];
	size_t i;
	int fd;

	empty(dir);
	for (i = 0; i < image_count; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, images[i].name);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		assert_int_equal(write(fd, images[i].data, images[i].len), (ssize_t)images[i].len);
		close(fd);
	}
}

static void
break_file(const struct image *i, size_t at, bool cut)
{
	char path[512];
	char c = (char)(i->data[at] ^ 0x5a);
	int fd;

	put_back();
	snprintf(path, sizeof(path), "%s/%s", dir, i->name);
	if (cut) {
		assert_return_code(truncate(path, (off_t)at), errno);
		return;
	}
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, &c, 1, (off_t)at), 1);
	close(fd);
}

enum { BATCHES = 40, ACKED = 5, FULL_FIRST = 1, FULL_LAST = 2 };

/* 3 to 40 are in it, 1 and 2 went because it was full, which 3 has told. */
static uint64_t
fill(void)
{
	const struct spool_limits narrow = { .bytes_max = 100000 };
	struct spool *s = open_it(&narrow);
	uint64_t epoch = spool_epoch(s);
	struct spool_gap g;
	int i;

	add(s, 60000);
	add(s, 45000);
	add(s, 60000);
	assert_int_equal(spool_gap(s, &g, &err), 1);
	assert_int_equal(g.last_seq, 2);
	add_noting(s, 100, "note", &g);
	for (i = 4; i < BATCHES; i++)
		add(s, i % 10 == 0 ? 6000 : 150);
	take_images();
	spool_close(s);
	return epoch;
}

/* Every number of the epoch is in the spool, whole, or in a gap, and not in both. */
static void
all_are_accounted_for(struct spool *s, uint64_t epoch, const char *what, size_t at)
{
	char seen[BATCHES + 1] = { 0 };
	struct spool_batch b;
	struct spool_gap g;
	uint64_t after = 0, i;

	while (spool_next(s, epoch, after, &b, &err) > 0) {
		is_whole(epoch, &b);
		after = b.seq;
		if (after <= BATCHES)		/* the epoch may go on */
			seen[after]++;
	}
	if (seen[4])		/* it tells of 1 and 2 */
		seen[1] = seen[2] = 1;
	while (spool_gap(s, &g, &err) > 0) {
		assert_true(g.epoch == epoch);
		for (i = g.first_seq; i <= g.last_seq; i++)
			seen[i]++;
		add_noting(s, 10, NULL, &g);
	}
	for (i = 1; i <= BATCHES; i++)
		if (seen[i] != 1)
			fail_msg("%s at %zu: batch %d is there %d times", what, at, (int)i, seen[i]);
}

static size_t salvaged, opened;

static void
open_broken(uint64_t epoch, const char *what, size_t at)
{
	struct spool *s = spool_open(dir, &wide, &err);
	uint64_t next;

	if (s == NULL)
		fail_msg("%s at %zu: %s", what, at, err.msg);
	opened++;
	/* Numbers that may have been used are not used again. */
	if (spool_epoch(s) == epoch)
		assert_int_equal(spool_next_seq(s), BATCHES + 1);
	if (spool_first_epoch(s) == epoch)
		salvaged++;
	if (strcmp(what, "mark") != 0)
		assert_string_equal(spool_note(s), "note");
	next = spool_next_seq(s);
	add(s, 20);
	assert_int_equal(spool_next_seq(s), next + 1);
	all_are_accounted_for(s, epoch, what, at);
	spool_close(s);
}

static void
damage_at_any_byte_loses_nothing_without_a_gap(void **state)
{
	uint64_t epoch = fill();
	size_t i, at, step = getenv("APPCTL_NIGHTLY") ? 17 : 1201;

	(void)state;
	salvaged = opened = 0;
	for (i = 0; i < image_count; i++)
		for (at = 0; at < images[i].len; at += step) {
			break_file(&images[i], at, false);
			open_broken(epoch, images[i].name, at);
			break_file(&images[i], at, true);
			open_broken(epoch, images[i].name, at);
		}
	free_images();
	print_message("%zu damaged spools, something came over in %zu\n", opened, salvaged);
	assert_true(salvaged > opened / 2);
}

static void
a_file_that_went_is_a_gap(void **state)
{
	uint64_t epoch = fill();
	size_t i;

	(void)state;
	for (i = 0; i < image_count; i++) {
		char path[512];

		put_back();
		snprintf(path, sizeof(path), "%s/%s", dir, images[i].name);
		assert_return_code(unlink(path), errno);
		open_broken(epoch, images[i].name, 0);
	}
	free_images();
}

static void
a_link_in_place_of_the_file_is_not_followed(void **state)
{
	char path[512], other[] = "/tmp/appctl-other-XXXXXX";
	uint64_t epoch = fill();
	struct stat st;
	size_t i;

	(void)state;
	assert_true(mkstemp(other) >= 0);
	for (i = 0; i < image_count; i++) {
		put_back();
		snprintf(path, sizeof(path), "%s/%s", dir, images[i].name);
		assert_return_code(unlink(path), errno);
		assert_return_code(symlink(other, path), errno);
		if (strncmp(images[i].name, "spool-", 6) == 0 && strstr(images[i].name, "-wal") == NULL)
			open_broken(epoch, images[i].name, 0);
		else if (strstr(images[i].name, "-wal") == NULL)
			assert_null(spool_open(dir, &wide, &err));
		assert_true(stat(other, &st) == 0 && st.st_size == 0);
	}
	unlink(other);
	free_images();
}

static void
write_file(const char *name, const void *data, size_t len)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

/* It opens, counts on from what can be, and keeps what is added. */
static void
is_of_use(void)
{
	struct spool *s = open_it(&wide);
	uint64_t epoch = spool_epoch(s), last;
	struct spool_gap g;

	add(s, 10);
	assert_true(epoch > 0 && epoch < (uint64_t)now_us() + 1000000 && spool_next_seq(s) < 100);
	spool_close(s);
	s = open_it(&wide);
	assert_int_equal(spool_epoch(s), epoch);
	assert_int_equal(walk(s, epoch, 0, &last), 1);
	if (spool_gap(s, &g, &err) == 1)
		assert_true(g.first_seq > 0 && g.last_seq < INT64_MAX && g.first_seq <= g.last_seq);
	spool_close(s);
	empty(dir);
}

static void
numbers_that_cannot_be_are_not_counted_on(void **state)
{
	static const char *const marks[] = {
		"18446744073709551615 5 0", "17 18446744073709551615 0", "17 9223372036854775808 3", "17 5 18446744073709551615", "9223372036854775807 2 1",
	};
	char body[350], text[385];
	size_t i;

	(void)state;
	write_file("spool-18446744073709551615.db", "", 0);
	is_of_use();
	write_file("spool-9223372036854775807.db", "", 0);
	is_of_use();
	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		snprintf(body, sizeof(body), "appctl-spool 1 %s a note\n", marks[i]);
		memset(text, '\n', sizeof(text));
		text[snprintf(text, sizeof(text), "%08x %s", (unsigned)crc32_of(0, body, strlen(body)), body)] = '\n';
		write_file("mark", text, 384);
		is_of_use();
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)
	const struct CMUnitTest tests[] = {
		TEST(batches_come_out_in_order_until_they_are_acknowledged),
		TEST(what_was_added_is_there_after_opening_again),
		TEST(the_oldest_go_when_it_is_full_and_are_counted),
		TEST(what_is_too_large_goes_at_once),
		TEST(what_is_too_old_goes),
		TEST(a_clock_that_was_set_makes_nothing_old),
		TEST(one_process_has_it_at_a_time),
		TEST(a_directory_that_others_may_write_in_is_refused),
		TEST(in_memory_it_is_the_same),
		TEST(a_new_epoch_leaves_what_there_is),
		TEST(damage_at_any_byte_loses_nothing_without_a_gap),
		TEST(a_file_that_went_is_a_gap),
		TEST(a_link_in_place_of_the_file_is_not_followed),
		TEST(numbers_that_cannot_be_are_not_counted_on),
	};

	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
