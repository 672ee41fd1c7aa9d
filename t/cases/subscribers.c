/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * subscribers RUNTIME-DIRECTORY LIVE STALLED EVENTS
 *
 * LIVE subscribers read what comes, STALLED ones nothing until the end.  Changes between the modes calm and full
 * make the events, a burst at a time: the next one comes when all live ones have all of the last.  Each number that a line has must be the
 * one after that before it, or what is lost says so.  Prints "at N" ten times on the
 * way, then how many there were, and what each kind has seen.
 */
enum { READ_SIZE = 256 * 1024, LINE_MAX_LEN = 1024 };

struct subscriber {
	int fd;
	uint64_t next;			/* number that is to come; 0: none has come */
	uint64_t seen, lost;
	char rest[LINE_MAX_LEN];	/* of a line whose end has not come */
	size_t rest_len;
};

static char room[LINE_MAX_LEN + READ_SIZE];

static void
fail(const char *what, const char *text, size_t len)
{
	printf("failed: %s: %.*s\n", what, (int)len, text);
	exit(1);
}

static int
dial(const char *dir, const char *name, int receive)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", dir, name);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		fail("connect", strerror(errno), strlen(strerror(errno)));
	if (receive > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
	return fd;
}

/* The value of a key whose value is a number; 0: there is none. */
static uint64_t
number_of(const char *line, size_t len, const char *key)
{
	const char *at = memmem(line, len, key, strlen(key));

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void
take_line(struct subscriber *s, const char *line, size_t len)
{
	static const char hello[] = "{\"event\":\"hello\"", lost[] = "{\"event\":\"lost\"";
	uint64_t seq, to;

	if (len >= sizeof(hello) && memcmp(line, hello, sizeof(hello) - 1) == 0) {
		s->next = number_of(line, len, "\"seq\":") + 1;
		return;
	}
	if (len >= sizeof(lost) && memcmp(line, lost, sizeof(lost) - 1) == 0) {
		seq = number_of(line, len, "\"from\":");
		to = number_of(line, len, "\"to\":");
		s->lost += to - seq + 1;
	} else {
		seq = to = number_of(line, len, "\"seq\":");
		s->seen++;
	}
	if (seq == 0 || seq != s->next || to < seq)
		fail("not the next number", line, len);
	s->next = to + 1;
}

/* false: nothing more is there now. */
static bool
take(struct subscriber *s, int flags)
{
	char *at = room, *end, *nl;
	ssize_t n;

	memcpy(room, s->rest, s->rest_len);
	n = recv(s->fd, room + s->rest_len, READ_SIZE, flags);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0)
		fail("a subscriber was cut off", "", 0);
	end = room + s->rest_len + n;
	for (; (nl = memchr(at, '\n', (size_t)(end - at))) != NULL; at = nl + 1)
		take_line(s, at, (size_t)(nl - at));
	s->rest_len = (size_t)(end - at);
	if (s->rest_len > sizeof(s->rest))
		fail("a line without an end", at, 80);
	memcpy(s->rest, at, s->rest_len);
	return true;
}

static void
subscribe(struct subscriber *s, const char *dir, int receive)
{
	s->fd = dial(dir, "events.sock", receive);
	if (write(s->fd, "{}\n", 3) != 3)
		fail("subscribe", "", 0);
	while (s->next == 0)
		take(s, 0);
}

/* There and back; the number of the event that will be next. */
static uint64_t
change_mode(const char *dir, int control, bool full)
{
	struct subscriber now = { 0 };
	char text[READ_SIZE];
	ssize_t n;

	n = snprintf(text, sizeof(text), "{\"method\":\"org.appctl.Control.SetMode\",\"parameters\":{\"mode\":\"%s\",\"await\":true}}",
		     full ? "full" : "calm") + 1;
	if (write(control, text, (size_t)n) != n)
		fail("control", "", 0);
	n = read(control, text, sizeof(text));
	if (n < 2 || text[n - 1] != '\0' || strstr(text, "\"error\"") != NULL)
		fail("control", text, n > 0 ? (size_t)n : 0);
	subscribe(&now, dir, 0);
	close(now.fd);
	return now.next;
}

/* Until each live one has all events before `next`. */
static void
wait_for_all(int poll_fd, struct subscriber *all, unsigned live, uint64_t next)
{
	struct epoll_event ready[256];
	unsigned i, left = 0;
	int n;

	for (i = 0; i < live; i++)
		left += all[i].next < next;
	while (left > 0) {
		n = epoll_wait(poll_fd, ready, 256, -1);
		for (; n-- > 0;) {
			struct subscriber *s = ready[n].data.ptr;
			bool before = s->next < next;

			take(s, MSG_DONTWAIT);
			left -= before && s->next >= next;
		}
	}
}

static void
report(const char *kind, const struct subscriber *s, unsigned count)
{
	uint64_t seen_min = UINT64_MAX, seen_max = 0, lost_min = UINT64_MAX, lost_max = 0;
	unsigned i;

	for (i = 0; i < count; i++) {
		seen_min = s[i].seen < seen_min ? s[i].seen : seen_min;
		seen_max = s[i].seen > seen_max ? s[i].seen : seen_max;
		lost_min = s[i].lost < lost_min ? s[i].lost : lost_min;
		lost_max = s[i].lost > lost_max ? s[i].lost : lost_max;
	}
	printf("%s: seen %llu to %llu, lost %llu to %llu\n", kind, (unsigned long long)seen_min, (unsigned long long)seen_max,
	       (unsigned long long)lost_min, (unsigned long long)lost_max);
}

int
main(int argc, char **argv)
{
	unsigned live = argc == 5 ? (unsigned)atoi(argv[2]) : 0, stalled = argc == 5 ? (unsigned)atoi(argv[3]) : 0, i, said = 0;
	uint64_t events = argc == 5 ? strtoull(argv[4], NULL, 10) : 0, first, done;
	bool full;
	struct subscriber *all = calloc(live + stalled + 1, sizeof(*all));
	struct rlimit files;
	int poll_fd = epoll_create1(EPOLL_CLOEXEC), control;

	if (live == 0 || all == NULL || poll_fd < 0)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (i = 0; i < live + stalled; i++) {
		subscribe(&all[i], argv[1], i < live ? 0 : 1024);
		if (i < live)
			epoll_ctl(poll_fd, EPOLL_CTL_ADD, all[i].fd,
				  &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &all[i] });
	}
	control = dial(argv[1], "control.sock", 0);
	first = all[0].next;
	for (done = 0, full = true; done < events; full = !full) {
		done = change_mode(argv[1], control, full) - first;
		wait_for_all(poll_fd, all, live, first + done);
		for (; said < 10 && done >= events / 10 * (said + 1); said++)
			printf("at %llu\n", (unsigned long long)done);
	}
	for (i = live; i < live + stalled; i++)
		while (all[i].next < first + done)
			take(&all[i], 0);
	printf("events: %llu\n", (unsigned long long)done);
	report("live", all, live);
	report("stalled", all + live, stalled);
	return 0;
}
