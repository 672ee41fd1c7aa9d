/* SPDX-License-Identifier: MIT */
#include "mail/post.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct mail_limits wide = { .size = 64 << 20, .messages = 1000000 };
static struct mail_time now = { .real_us = 1764068000000000, .boot_ms = 1000, .boot = 1 };
static char dir[64];
static int dir_fd = -1;
static struct err err, odd;
static char told[512];

static void
tell(void *arg, const char *text)
{
	(void)arg;
	snprintf(told, sizeof(told), "%s", text);
}

static int
make_directory(void **state)
{
	(void)state;
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/appctl-mail-XXXXXX" : "/tmp/appctl-mail-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	told[0] = '\0';
	now = (struct mail_time){ .real_us = 1764068000000000, .boot_ms = 1000, .boot = 1 };
	return dir_fd < 0 ? -1 : 0;
}

static int
remove_directory(void **state)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	(void)state;
	while (d != NULL && (e = readdir(d)) != NULL)
		unlinkat(dir_fd, e->d_name, 0);
	if (d != NULL)
		closedir(d);
	close(dir_fd);
	return rmdir(dir);
}

static struct mailbox *
open_box(void)
{
	struct mailbox *b = mailbox_open(dir_fd, "chat.mail", &now, true, &odd, &err);

	if (b == NULL)
		fail_msg("%s", err.msg);
	return b;
}

static void
add(struct mailbox *b, const char *text)
{
	assert_int_equal(mailbox_add(b, &wide, &now, "alice/chat", 10, text, strlen(text)), MAILBOX_ADDED);
}

static void
put(struct mailbox *b, const char *text)
{
	add(b, text);
	assert_int_equal(mailbox_flush(b, &err), 0);
}

/* "1 a,2 b": what is still to be read. */
static const char *
all_of(struct mailbox *b)
{
	static struct buf out;
	struct mail_record r;
	const char *data;
	size_t len, used, at;

	buf_clear(&out);
	for (;;) {
		if (mailbox_read(b, &data, &len, &err) < 0)
			fail_msg("%s", err.msg);
		if (len == 0)
			break;
		for (at = 0; (used = mail_record_get(data + at, len - at, &r, NULL)) > 0; at += used)
			buf_printf(&out, "%s%" PRIu64 " %.*s", out.len ? "," : "", r.n, (int)r.text.len, r.text.data);
		mailbox_read_on(b, at, r.n);
	}
	return buf_cstr(&out);
}

static off_t
file_size(const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, 0) < 0 ? -1 : st.st_size;
}

static unsigned
count_files(const char *part)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(d)) != NULL)
		n += strstr(e->d_name, part) != NULL;
	closedir(d);
	return n;
}

static void
messages_come_out_in_order_and_stay_until_taken(void **state)
{
	struct mailbox *b = open_box();

	(void)state;
	put(b, "a");
	add(b, "b");
	add(b, "");
	assert_int_equal(mailbox_flush(b, &err), 0);
	assert_string_equal(all_of(b), "1 a,2 b,3 ");
	assert_string_equal(all_of(b), "");
	assert_int_equal(mailbox_take(b, 1, &err), 0);
	mailbox_rewind(b);
	assert_string_equal(all_of(b), "2 b,3 ");
	mailbox_free(b);
	b = open_box();
	assert_int_equal(mailbox_count(b), 2);
	assert_string_equal(all_of(b), "2 b,3 ");
	put(b, "d");
	assert_string_equal(all_of(b), "4 d");
	assert_int_equal(mailbox_take(b, 99, &err), 0);		/* nobody has read that far */
	assert_int_equal(mailbox_count(b), 3);
	mailbox_rewind(b);
	assert_string_equal(all_of(b), "2 b,3 ,4 d");
	mailbox_free(b);
}

static void
numbers_go_on_after_all_was_taken(void **state)
{
	struct mailbox *b = open_box();
	char large[4000];
	unsigned i;

	(void)state;
	memset(large, 'x', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	for (i = 0; i < 100; i++)
		put(b, large);
	all_of(b);
	assert_int_equal(mailbox_take(b, 100, &err), 0);
	assert_int_equal(file_size("chat.mail"), MAIL_HEAD);	/* and the space is given back */
	mailbox_free(b);
	b = open_box();
	put(b, "next");
	assert_string_equal(all_of(b), "101 next");
	mailbox_free(b);
}

static void
a_mailbox_that_is_never_empty_gives_space_back_too(void **state)
{
	struct mailbox *b = open_box();
	static char large[60000];
	struct stat st;
	uint64_t i;

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	put(b, large);
	for (i = 2; i <= 500; i++) {
		put(b, large);
		all_of(b);
		assert_int_equal(mailbox_take(b, i - 1, &err), 0);
	}
	assert_return_code(fstatat(dir_fd, "chat.mail", &st, 0), errno);
	assert_in_range(st.st_blocks * 512, 1, 4 << 20);
	mailbox_free(b);
	b = open_box();
	assert_int_equal(mailbox_count(b), 1);
	mailbox_free(b);
}

static void
what_is_full_takes_nothing_more(void **state)
{
	const struct mail_limits three = { .size = 1 << 20, .messages = 3 }, small = { .size = 3 * (MAIL_RECORD_HEAD + 2), .messages = 100 };
	struct mailbox *b = open_box();
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(mailbox_add(b, &three, &now, "a", 1, "x", 1), MAILBOX_ADDED);
	assert_int_equal(mailbox_add(b, &three, &now, "a", 1, "x", 1), MAILBOX_FULL);
	assert_int_equal(mailbox_add(b, &small, &now, "a", 1, "x", 1), MAILBOX_FULL);
	assert_int_equal(mailbox_flush(b, &err), 0);
	all_of(b);
	assert_int_equal(mailbox_take(b, 1, &err), 0);
	assert_int_equal(mailbox_add(b, &small, &now, "a", 1, "x", 1), MAILBOX_ADDED);
	assert_int_equal(mailbox_add(b, &small, &now, "a", 1, "x", 1), MAILBOX_FULL);
	mailbox_free(b);
}

static void
old_messages_go_by_a_clock_that_runs_with_the_machine(void **state)
{
	const struct mail_limits minute = { .size = 1 << 20, .messages = 100, .age_ms = 60000 };
	struct mailbox *b = open_box();

	(void)state;
	now.boot_ms = 100000;
	put(b, "old");
	now.boot_ms += 40000;
	put(b, "new");
	now.real_us += INT64_C(10) * 365 * 86400 * 1000000;	/* a clock that is set is no age */
	assert_int_equal(mailbox_expire(b, &minute, &now), 0);
	now.boot_ms += 30000;
	assert_int_equal(mailbox_expire(b, &minute, &now), 1);
	assert_string_equal(all_of(b), "2 new");
	mailbox_free(b);
	now.boot = 2;						/* off for how long ever */
	now.boot_ms = 5000;
	b = open_box();
	assert_int_equal(mailbox_expire(b, &minute, &now), 0);
	now.boot_ms += 70000;
	assert_int_equal(mailbox_expire(b, &minute, &now), 1);
	assert_int_equal(mailbox_count(b), 0);
	mailbox_free(b);
}

/* Whatever the length that a file was cut to: whole messages from the first on, and it goes on. */
static void
a_torn_end_is_cut_off(void **state)
{
	struct mailbox *b = open_box();
	off_t whole, first, len;
	char copy[1024];
	int fd;

	(void)state;
	put(b, "a");
	first = file_size("chat.mail");
	put(b, "bb");
	mailbox_free(b);
	whole = file_size("chat.mail");
	assert_in_range(whole, MAIL_HEAD, sizeof(copy));
	fd = openat(dir_fd, "chat.mail", O_RDWR);
	assert_int_equal(pread(fd, copy, sizeof(copy), 0), whole);
	for (len = MAIL_HEAD; len < whole; len++) {
		assert_int_equal(pwrite(fd, copy, (size_t)whole, 0), whole);
		assert_return_code(ftruncate(fd, len), errno);
		b = open_box();
		assert_string_equal(odd.msg, "");
		assert_string_equal(all_of(b), len < first ? "" : "1 a");
		put(b, "c");
		assert_non_null(strstr(all_of(b), " c"));
		mailbox_free(b);
		assert_return_code(ftruncate(fd, len), errno);
	}
	/* A power cut may leave zeros where data should be. */
	assert_int_equal(pwrite(fd, copy, (size_t)first, 0), first);
	assert_return_code(ftruncate(fd, first), errno);
	assert_return_code(ftruncate(fd, whole), errno);
	b = open_box();
	assert_string_equal(odd.msg, "");
	assert_string_equal(all_of(b), "1 a");
	mailbox_free(b);
	close(fd);
}

/* Every byte in turn: what is before it is delivered, what is there and behind it is kept aside, and its numbers are not used again. */
static void
damage_is_set_aside(void **state)
{
	struct mailbox *b = open_box();
	char copy[1024], change;
	off_t whole, at;
	int fd;

	(void)state;
	put(b, "a");
	put(b, "bb");
	mailbox_free(b);
	whole = file_size("chat.mail");
	assert_in_range(whole, MAIL_HEAD, sizeof(copy));
	fd = openat(dir_fd, "chat.mail", O_RDWR);
	assert_int_equal(read(fd, copy, sizeof(copy)), whole);
	close(fd);
	for (at = 0; at < whole; at++) {
		fd = openat(dir_fd, "chat.mail", O_RDWR | O_CREAT | O_TRUNC, 0600);
		change = (char)(copy[at] ^ 0x10);
		assert_int_equal(pwrite(fd, copy, (size_t)whole, 0), whole);
		assert_int_equal(pwrite(fd, &change, 1, at), 1);
		close(fd);
		now.real_us++;
		b = open_box();
		if (odd.msg[0] == '\0')			/* a length that now reaches beyond the end: torn */
			assert_in_range(at, MAIL_HEAD, whole);
		else
			assert_non_null(strstr(odd.msg, "set aside as chat.mail.damaged-"));
		put(b, "c");
		all_of(b);
		mailbox_rewind(b);
		assert_non_null(strstr(all_of(b), " c"));
		assert_null(strstr(all_of(b), "2 c"));
		mailbox_free(b);
	}
	assert_in_range(count_files("damaged"), 100, whole);
}

static void
a_full_disk_fails_the_message_and_leaves_nothing_of_it(void **state)
{
	const struct rlimit little = { 20000, RLIM_INFINITY };
	struct rlimit was;
	struct mailbox *b = open_box();
	char large[9000];

	(void)state;
	memset(large, 'x', sizeof(large));
	put(b, "a");
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	assert_return_code(setrlimit(RLIMIT_FSIZE, &little), errno);
	add(b, "b");
	assert_int_equal(mailbox_add(b, &wide, &now, "a", 1, large, sizeof(large)), MAILBOX_ADDED);
	assert_int_equal(mailbox_add(b, &wide, &now, "a", 1, large, sizeof(large)), MAILBOX_ADDED);
	assert_int_equal(mailbox_add(b, &wide, &now, "a", 1, large, sizeof(large)), MAILBOX_ADDED);
	assert_int_equal(mailbox_flush(b, &err), -1);
	assert_non_null(strstr(err.msg, "chat.mail"));
	setrlimit(RLIMIT_FSIZE, &was);
	assert_int_equal(mailbox_count(b), 1);
	put(b, "c");
	assert_string_equal(all_of(b), "1 a,2 c");
	mailbox_free(b);
	b = open_box();
	assert_string_equal(all_of(b), "1 a,2 c");
	mailbox_free(b);
}

/*
 * A child adds batches and takes, and is killed at any moment.  What it had been told was written is there, in order, once;
 * what it had been told was taken is not.
 */
struct shared {
	_Atomic uint64_t written, taken;
};

static void
write_for_ever(struct shared *s)
{
	struct mailbox *b = open_box();
	uint64_t count = s->written, last = 0;
	struct mail_record r;
	const char *data;
	size_t len, used, at;
	char text[32];
	unsigned i;

	for (;;) {
		for (i = 0; i < 20; i++) {
			snprintf(text, sizeof(text), "%" PRIu64, ++count);
			add(b, text);
		}
		if (mailbox_flush(b, &err) < 0)
			_exit(1);
		s->written = count;
		if (mailbox_read(b, &data, &len, &err) < 0)
			_exit(1);
		for (at = 0; (used = mail_record_get(data + at, len - at, &r, NULL)) > 0; at += used)
			last = r.n;
		mailbox_read_on(b, at, last);
		if (count % 60 == 0) {
			if (mailbox_take(b, last - (count % 120 ? 5 : 0), &err) < 0)
				_exit(1);
			s->taken = last - (count % 120 ? 5 : 0);
		}
	}
}

static uint64_t
number_in(struct mail_text t)
{
	char copy[32];

	assert_in_range(t.len, 1, sizeof(copy) - 1);
	memcpy(copy, t.data, t.len);
	copy[t.len] = '\0';
	return strtoull(copy, NULL, 10);
}

static void
a_kill_at_any_moment_loses_nothing(void **state)
{
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t first = 0, last = 0, n;
	const char *data;
	struct mail_record r;
	struct mailbox *b;
	size_t len, at, used;
	unsigned round;
	pid_t pid;
	int status;

	(void)state;
	assert_ptr_not_equal(s, MAP_FAILED);
	for (round = 0; round < 100; round++) {
		pid = fork();
		assert_return_code(pid, errno);
		if (pid == 0)
			write_for_ever(s);
		usleep(500 + round * 137 % 3000);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		b = open_box();
		assert_string_equal(odd.msg, "");
		first = last = 0;
		while (mailbox_read(b, &data, &len, &err) == 0 && len > 0) {
			for (at = 0; (used = mail_record_get(data + at, len - at, &r, NULL)) > 0; at += used) {
				n = number_in(r.text);
				assert_true(n == r.n && (last == 0 || n == last + 1));
				first = first ? first : n;
				last = n;
			}
			mailbox_read_on(b, at, last);
		}
		assert_true(last >= s->written || mailbox_count(b) == 0);
		assert_true(first == 0 || first > s->taken);
		assert_true(first == 0 || first <= s->written + 1);
		s->written = last ? last : s->written;
		/* Numbers go on: the child's count is the number. */
		put(b, "probe");
		assert_int_equal(mailbox_read(b, &data, &len, &err), 0);
		assert_true(mail_record_get(data, len, &r, NULL) > 0);
		s->written = r.n;
		mailbox_read_on(b, len, r.n);
		assert_int_equal(mailbox_take(b, r.n, &err), 0);
		s->taken = r.n;
		mailbox_free(b);
	}
	munmap(s, sizeof(*s));
}

static void
count_name(void *arg, const char *name)
{
	(void)name;
	++*(unsigned *)arg;
}

static void
a_post_has_many_and_one_owner(void **state)
{
	struct post *p = post_open(dir, &wide, tell, NULL, &err);
	struct mailbox *b;
	char name[32];
	unsigned i, n = 0;

	(void)state;
	assert_non_null(p);
	assert_null(post_open(dir, &wide, tell, NULL, &err));
	assert_non_null(strstr(err.msg, "another process"));
	assert_null(post_find(p, "chat", false, &now, &err));
	assert_int_equal(err.code, ENOENT);
	for (i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "app%u", i);
		b = post_find(p, name, true, &now, &err);
		assert_non_null(b);
		put(b, name);
	}
	assert_int_equal(post_each(p, count_name, &n, &err), 0);
	assert_int_equal(n, 600);
	for (i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "app%u", i);
		b = post_find(p, name, false, &now, &err);
		assert_non_null(b);
		assert_int_equal(mailbox_count(b), 1);
		assert_non_null(strstr(all_of(b), name));
	}
	post_remove(p, "app3");
	assert_null(post_find(p, "app3", false, &now, &err));
	b = post_find(p, "app3", true, &now, &err);
	assert_int_equal(mailbox_count(b), 0);
	post_close(p);
	i = (unsigned)openat(dir_fd, "app5.mail", O_WRONLY | O_TRUNC);
	assert_int_equal(write((int)i, "garbage that is no mailbox", 26), 26);
	close((int)i);
	p = post_open(dir, &wide, tell, NULL, &err);
	assert_non_null(post_find(p, "app5", false, &now, &err));
	assert_non_null(strstr(told, "app5.mail is damaged"));
	assert_int_equal(mailbox_count(post_find(p, "app6", false, &now, &err)), 1);
	post_close(p);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_directory, remove_directory)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_come_out_in_order_and_stay_until_taken),
		TEST(numbers_go_on_after_all_was_taken),
		TEST(a_mailbox_that_is_never_empty_gives_space_back_too),
		TEST(what_is_full_takes_nothing_more),
		TEST(old_messages_go_by_a_clock_that_runs_with_the_machine),
		TEST(a_torn_end_is_cut_off),
		TEST(damage_is_set_aside),
		TEST(a_full_disk_fails_the_message_and_leaves_nothing_of_it),
		TEST(a_kill_at_any_moment_loses_nothing),
		TEST(a_post_has_many_and_one_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
