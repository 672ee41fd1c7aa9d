/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys/link_io.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static int ends[2];
static struct link_in in;
static struct buf out;

static int
connect_ends(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

static int
disconnect_ends(void **state)
{
	(void)state;
	link_in_fini(&in);
	buf_free(&out);
	if (ends[0] >= 0)
		close(ends[0]);
	close(ends[1]);
	return 0;
}

/* Descriptors that this process has open. */
static unsigned
open_count(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
a_message_arrives_whole_with_its_descriptor(void **state)
{
	const struct link_child child = { .pid = 5, .has_ready_fd = 1 };
	int fd = open("/dev/null", O_RDWR);

	(void)state;
	link_put(&out, LINK_CHILD, 9, &child, sizeof(child), "db");
	assert_int_equal(link_send(ends[0], out.data, out.len, &fd, 1), 0);
	assert_int_equal(link_recv(ends[1], &in, false), 1);
	assert_int_equal(in.h.inc, 9);
	assert_string_equal(link_text(&in.h, in.body), "db");
	assert_int_equal((uintptr_t)in.body % 8, 0);
	assert_int_equal(in.fd_count, 1);
	assert_int_equal(fcntl(in.fds[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(link_recv(ends[1], &in, false), 0);
	close(fd);
}

static void
descriptors_that_are_not_taken_are_closed(void **state)
{
	const struct link_child child = { .pid = 5, .has_ready_fd = 1 };
	unsigned before = open_count();
	int i, fd = open("/dev/null", O_RDWR), taken;

	(void)state;
	link_put(&out, LINK_CHILD, 9, &child, sizeof(child), "db");
	for (i = 0; i < 3; i++)
		link_send(ends[0], out.data, out.len, &fd, 1);
	close(fd);
	assert_int_equal(link_recv(ends[1], &in, false), 1);
	taken = link_in_take_fd(&in, 0);
	assert_int_equal(link_recv(ends[1], &in, false), 1);
	assert_int_equal(link_recv(ends[1], &in, false), 1);
	assert_int_equal(open_count(), before + 2);
	link_in_drop_fds(&in);
	assert_int_equal(open_count(), before + 1);
	close(taken);
}

static void
a_message_with_too_many_or_too_few_descriptors_is_refused(void **state)
{
	const struct link_child child = { .pid = 5, .has_ready_fd = 1 };
	unsigned before = open_count();
	int fds[] = { 0, 1, 2, 0, 1, 2, 0, 1 };

	(void)state;
	link_put(&out, LINK_CHILD, 9, &child, sizeof(child), "db");
	link_send(ends[0], out.data, out.len, fds, 2);
	link_send(ends[0], out.data, out.len, NULL, 0);
	link_send(ends[0], out.data, out.len, fds, 8);
	errno = 0;
	assert_int_equal(link_recv(ends[1], &in, false), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(link_recv(ends[1], &in, false), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(link_recv(ends[1], &in, false), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(open_count(), before);
}

static void
several_messages_come_in_one_packet(void **state)
{
	const struct link_number number = { 7 };

	(void)state;
	link_put(&out, LINK_STATUS, 0, NULL, 0, "in");
	link_put(&out, LINK_ADOPT, 3, &number, sizeof(number), NULL);
	link_put(&out, LINK_STATUS, 0, NULL, 0, "odd");
	assert_int_equal(link_send(ends[0], out.data, out.len, NULL, 0), 0);
	assert_int_equal(link_recv(ends[1], &in, true), 1);
	assert_string_equal(link_text(&in.h, in.body), "in");
	assert_true(link_in_more(&in));
	assert_int_equal(link_recv(ends[1], &in, true), 1);
	assert_int_equal(in.h.inc, 3);
	assert_int_equal((uintptr_t)in.body % 8, 0);
	assert_int_equal(link_recv(ends[1], &in, true), 1);
	assert_string_equal(link_text(&in.h, in.body), "odd");
	assert_false(link_in_more(&in));
	assert_int_equal(link_recv(ends[1], &in, true), 0);
}

/* What came before the cut is good, the cut one is not. */
static void
a_packet_may_be_cut_nowhere(void **state)
{
	size_t len, first;
	int got;

	(void)state;
	link_put(&out, LINK_STATUS, 0, NULL, 0, "first");
	first = out.len;
	link_put(&out, LINK_STATUS, 0, NULL, 0, "second");
	for (len = 1; len < out.len; len++) {
		assert_int_equal(link_send(ends[0], out.data, len, NULL, 0), 0);
		got = link_recv(ends[1], &in, true);
		assert_int_equal(got, len < first ? -1 : 1);
		if (len > first)
			assert_int_equal(link_recv(ends[1], &in, true), len <= link_aligned(first) ? 0 : -1);
		assert_int_equal(link_recv(ends[1], &in, true), 0);
	}
}

static void
what_is_left_of_a_packet_is_not_the_next_peer_s(void **state)
{
	(void)state;
	link_put(&out, LINK_STATUS, 0, NULL, 0, "first");
	link_put(&out, LINK_STATUS, 0, NULL, 0, "second");
	link_send(ends[0], out.data, out.len, NULL, 0);
	assert_int_equal(link_recv(ends[1], &in, true), 1);
	link_in_clear(&in);
	assert_int_equal(link_recv(ends[1], &in, true), 0);
}

static void
a_large_body_goes_as_a_memfd(void **state)
{
	char *text = malloc(1000 * 1000 + 1);
	unsigned before = open_count();

	(void)state;
	memset(text, 'x', 1000 * 1000);
	text[1000 * 1000] = '\0';
	link_put(&out, LINK_STATUS, 0, NULL, 0, text);
	assert_int_equal(link_send(ends[0], out.data, out.len, NULL, 0), 0);
	assert_int_equal(link_recv(ends[1], &in, true), 1);
	assert_string_equal(link_text(&in.h, in.body), text);
	assert_int_equal(open_count(), before);
	free(text);
}

static void
a_large_body_in_anything_but_a_sealed_memfd_is_refused(void **state)
{
	struct link_header h = { .version = LINK_VERSION, .type = LINK_STATUS, .flags = LINK_F_MEMFD, .body_len = 3 };
	char path[] = "/tmp/link_io-XXXXXX";
	int fds[2], file = mkstemp(path);

	(void)state;
	unlink(path);
	assert_int_equal(write(file, "ab", 3), 3);
	link_send(ends[0], &h, sizeof(h), &file, 1);
	assert_int_equal(link_recv(ends[1], &in, true), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(pipe(fds), 0);		/* reading it would wait for ever */
	link_send(ends[0], &h, sizeof(h), &fds[0], 1);
	assert_int_equal(link_recv(ends[1], &in, true), -1);
	assert_int_equal(errno, EPROTO);
	link_send(ends[0], &h, sizeof(h), NULL, 0);
	assert_int_equal(link_recv(ends[1], &in, true), -1);
	assert_int_equal(errno, EPROTO);
	close(file);
	close(fds[0]);
	close(fds[1]);
}

static void
what_is_no_message_is_refused(void **state)
{
	char junk[64] = { 1, 2, 3 };
	size_t len;

	(void)state;
	for (len = 1; len <= sizeof(junk); len++) {
		assert_int_equal(send(ends[0], junk, len, 0), len);
		assert_int_equal(link_recv(ends[1], &in, true), -1);
		assert_int_equal(errno, EPROTO);
	}
}

static void
the_end_of_the_peer_is_told_apart(void **state)
{
	(void)state;
	link_put(&out, LINK_PONG, 0, NULL, 0, NULL);
	link_send(ends[0], out.data, out.len, NULL, 0);
	close(ends[0]);
	ends[0] = -1;
	assert_int_equal(link_recv(ends[1], &in, true), 1);
	assert_int_equal(link_recv(ends[1], &in, true), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(link_send(ends[1], out.data, out.len, NULL, 0), -1);
	assert_int_equal(errno, EPIPE);
}

static void
what_a_peer_sent_before_it_ended_with_messages_unread_is_there(void **state)
{
	(void)state;
	link_put(&out, LINK_PONG, 0, NULL, 0, NULL);
	link_send(ends[1], out.data, out.len, NULL, 0);
	link_send(ends[0], out.data, out.len, NULL, 0);
	close(ends[0]);
	ends[0] = -1;
	assert_int_equal(link_recv(ends[1], &in, true), 1);
	assert_int_equal(link_recv(ends[1], &in, true), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void
a_full_socket_takes_nothing(void **state)
{
	unsigned sent = 0, received = 0;

	(void)state;
	link_put(&out, LINK_PONG, 0, NULL, 0, NULL);
	while (link_send(ends[0], out.data, out.len, NULL, 0) == 0)
		sent++;
	assert_int_equal(errno, EAGAIN);
	while (link_recv(ends[1], &in, true) == 1)
		received++;
	assert_int_equal(sent, received);
}

static void
no_room_for_descriptors_is_no_broken_peer(void **state)
{
	const struct link_child child = { .pid = 5, .has_ready_fd = 1 };
	struct rlimit before, none;
	int fd = 0;

	(void)state;
	link_put(&out, LINK_CHILD, 9, &child, sizeof(child), "db");
	link_send(ends[0], out.data, out.len, &fd, 1);
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(link_recv(ends[1], &in, false), 1);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_true(in.fds_lost);
	assert_int_equal(in.fd_count, 0);
	assert_int_equal(link_in_take_fd(&in, 0), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, connect_ends, disconnect_ends)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_message_arrives_whole_with_its_descriptor),
		TEST(descriptors_that_are_not_taken_are_closed),
		TEST(a_message_with_too_many_or_too_few_descriptors_is_refused),
		TEST(several_messages_come_in_one_packet),
		TEST(a_packet_may_be_cut_nowhere),
		TEST(what_is_left_of_a_packet_is_not_the_next_peer_s),
		TEST(a_large_body_goes_as_a_memfd),
		TEST(a_large_body_in_anything_but_a_sealed_memfd_is_refused),
		TEST(what_is_no_message_is_refused),
		TEST(the_end_of_the_peer_is_told_apart),
		TEST(what_a_peer_sent_before_it_ended_with_messages_unread_is_there),
		TEST(a_full_socket_takes_nothing),
		TEST(no_room_for_descriptors_is_no_broken_peer),
	};

	return cmocka_run_group_tests_name("link_io", tests, NULL, NULL);
}
