/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * sessions RUNTIME_DIR COUNT SEED
 *
 * COUNT sessions on control.sock and events.sock of a live daemon: good calls, changed ones, random bytes, some
 * left in the middle, some never read from, some with descriptors, many at once.  Beside them another process
 * calls GetMode, again and again, and takes the time: before the attack and during it.  Prints
 *	sessions N calls N idle_p50_us N idle_p99_us N attack_p50_us N attack_p99_us N
 * 1: the daemon did not answer who behaves well.
 */
enum { OPEN_MAX_SESSIONS = 16, TEXT_MAX = 4096, SAMPLES_MAX = 1 << 20, IDLE_CALLS = 2000, PATIENCE_S = 20 };

#define CALL(method, parameters) "{\"method\":\"org.appctl.Control." method "\",\"parameters\":" parameters "}"
static const char *const calls[] = {
	CALL("GetMode", "{}"), CALL("Status", "{}"), CALL("Status", "{\"names\":[\"web\",\"wbe\"]}"), CALL("IsModeStable", "{}"),
	CALL("SetMode", "{\"mode\":\"less\"}"), CALL("SetMode", "{\"mode\":\"normal\",\"await\":true,\"timeout\":0.5}"),
	CALL("AwaitStableMode", "{\"timeout\":0.2}"), CALL("ListModes", "{}"), CALL("Start", "{\"name\":\"web\",\"await\":true}"),
	CALL("Stop", "{\"name\":\"web\",\"with_dependents\":true}"), CALL("Restart", "{\"name\":\"db\"}"),
	CALL("Kill", "{\"name\":\"db\",\"signal\":\"KILL\"}"), CALL("ReloadApplication", "{\"name\":\"web\"}"),
	CALL("AwaitApplication", "{\"name\":\"web\",\"timeout\":1}"), CALL("Wait", "{\"name\":\"job\",\"timeout\":0.1}"),
	CALL("Reload", "{\"dry_run\":true}"), CALL("Reload", "{}"), CALL("CheckForNewApplications", "{}"), CALL("Diff", "{}"),
	CALL("Plan", "{\"mode\":\"less\"}"), CALL("Explain", "{\"name\":\"web\"}"), CALL("Dependencies", "{\"name\":\"web\"}"),
	CALL("Dependents", "{\"name\":\"db\"}"), CALL("Graph", "{}"), CALL("FindApplication", "{\"pid\":1}"), CALL("Show", "{\"name\":\"db\"}"),
	CALL("SetLogLevel", "{}"), CALL("Run", "{\"definition\":{\"command\":[\"/bin/true\"]}}"),
	"{\"method\":\"org.appctl.Control.Subscribe\",\"parameters\":{\"snapshot\":true},\"more\":true}",
	"{\"method\":\"org.varlink.service.GetInfo\"}", "{\"method\":\"org.appctl.Control.GetMode\",\"oneway\":true}",
};
static const char *const requests[] = {
	"{}", "{\"since\":0}", "{\"snapshot\":true}", "{\"categories\":[\"app_running\",\"new_mode\"],\"since\":1,\"snapshot\":true}",
	"{\"since\":1000000000}", "{\"since\":0,\"instance\":\"0123456789abcdef\"}",
};

struct session {
	int fd;				/* -1: there is none */
	char text[TEXT_MAX];
	size_t len, sent, stop_at;	/* where it says no more */
	unsigned lingers;		/* turns that it stays after that */
	bool reads, shuts, with_fd;
};

static struct session sessions[OPEN_MAX_SESSIONS];
static uint64_t dice = 1;
static const char *directory;

static uint32_t
roll(uint32_t n)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(dice >> 33) % n;
}

static int
dial(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", directory, name);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		fprintf(stderr, "%s: %s\n", sa.sun_path, strerror(errno));
		exit(1);
	}
	return fd;
}

/* -- who behaves well -- */

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* In short waits: a machine that stood still for a while has spent one of them. */
static bool
has_more(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int i;

	for (i = 0; i < PATIENCE_S; i++)
		if (poll(&p, 1, 1000) == 1)
			return true;
	return false;
}

/* One call on that connection; how long it took since then. */
static uint32_t
ask(int fd, uint64_t begin)
{
	static const char call[] = CALL("GetMode", "{}");
	char answer[TEXT_MAX];
	ssize_t n = 0;
	size_t len = 0;

	if (send(fd, call, sizeof(call), MSG_NOSIGNAL) != sizeof(call))
		n = -1;
	while (n >= 0 && (len == 0 || answer[len - 1] != '\0')) {
		n = has_more(fd) ? recv(fd, answer + len, sizeof(answer) - len, 0) : -1;
		if (n <= 0)
			n = -1;
		else
			len += (size_t)n;
	}
	if (n < 0 || strstr(answer, "\"mode\"") == NULL) {
		fprintf(stderr, "who behaves well is not answered\n");
		exit(1);
	}
	return (uint32_t)(now_us() - begin);
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
print_times(const char *name, uint32_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
	printf(" %s_p50_us %u %s_p99_us %u", name, n ? v[n / 2] : 0, name, n ? v[n * 99 / 100] : 0);
}

/* Until `stop` is closed; now and then over a new connection, which is part of the call. */
static void
measure(int stop, const char *name)
{
	static uint32_t took[SAMPLES_MAX];
	struct pollfd p = { .fd = stop, .events = POLLIN };
	const struct timespec pause = { .tv_nsec = 500000 };
	size_t n = 0, seen = 0;
	uint64_t begin;
	int fd = dial("control.sock");

	while ((stop < 0 && seen < IDLE_CALLS) || (stop >= 0 && poll(&p, 1, 0) == 0)) {
		begin = now_us();
		if (seen++ % 64 == 63) {
			close(fd);
			fd = dial("control.sock");
		}
		took[n < SAMPLES_MAX ? n++ : seen % SAMPLES_MAX] = ask(fd, begin);
		nanosleep(&pause, NULL);
	}
	close(fd);
	print_times(name, took, n);
	fflush(stdout);
}

/* -- who does not -- */

static void
change(struct session *s)
{
	static const char likely[] = "{}[]\":,\\\0\n0-.eE9";
	size_t at, len;
	uint32_t n;

	for (n = 1 + roll(4); n > 0 && s->len > 1; n--) {
		at = roll((uint32_t)s->len);
		len = 1 + roll(16);
		switch (roll(4)) {
		case 0: s->text[at] ^= (char)(1 << roll(8)); break;
		case 1: s->text[at] = likely[roll(sizeof(likely) - 1)]; break;
		case 2:				/* a piece goes */
			if (at + len < s->len) {
				memmove(s->text + at, s->text + at + len, s->len - at - len);
				s->len -= len;
			}
			break;
		default:			/* a piece comes twice */
			if (at + len < s->len && s->len + len < TEXT_MAX) {
				memmove(s->text + at + len, s->text + at, s->len - at);
				s->len += len;
			}
		}
	}
}

static void
write_text(struct session *s, bool control)
{
	const char *text;
	uint32_t n;

	for (n = 1 + (roll(4) == 0 ? roll(8) : 0); n > 0; n--) {
		text = control ? calls[roll(sizeof(calls) / sizeof(*calls))] : requests[roll(sizeof(requests) / sizeof(*requests))];
		if (s->len + strlen(text) + 1 > TEXT_MAX)
			break;
		memcpy(s->text + s->len, text, strlen(text));
		s->len += strlen(text);
		s->text[s->len++] = control ? '\0' : '\n';
	}
	if (roll(3) == 0)
		change(s);
	if (roll(10) == 0)
		for (s->len = 1 + roll(TEXT_MAX - 1), n = 0; n < s->len; n++)
			s->text[n] = (char)roll(256);
}

static void
begin(struct session *s)
{
	bool control = roll(4) > 0;

	*s = (struct session){ .fd = dial(control ? "control.sock" : "events.sock") };
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	write_text(s, control);
	s->stop_at = roll(4) == 0 ? roll((uint32_t)s->len) : s->len;
	s->lingers = roll(3) == 0 ? roll(200) : roll(4);
	s->reads = roll(4) > 0;
	s->shuts = roll(8) == 0;
	s->with_fd = control && roll(30) == 0;
}

static ssize_t
send_some(struct session *s, size_t len)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { s->text + s->sent, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (s->with_fd) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &s->fd, sizeof(int));
	}
	return sendmsg(s->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* false: it is over. */
static bool
go_on(struct session *s)
{
	char answer[65536];
	size_t piece = s->stop_at - s->sent;
	ssize_t n;

	if (s->reads)
		(void)!recv(s->fd, answer, sizeof(answer), MSG_DONTWAIT);
	if (piece > 0) {
		n = send_some(s, roll(4) == 0 ? 1 + roll((uint32_t)piece) : piece);
		if (n > 0)
			s->sent += (size_t)n;
		return n > 0 || errno == EAGAIN;
	}
	if (s->shuts)
		shutdown(s->fd, SHUT_WR);
	s->shuts = false;
	return s->lingers-- > 0;
}

static void
attack(unsigned long count)
{
	unsigned long begun = 0, open = 0;
	struct session *s;
	size_t i;

	for (i = 0; i < OPEN_MAX_SESSIONS; i++)
		sessions[i].fd = -1;
	while (begun < count || open > 0) {
		s = &sessions[roll(OPEN_MAX_SESSIONS)];
		if (s->fd < 0 && begun < count) {
			begin(s);
			begun++;
			open++;
			if (begun % 1000 == 0 && isatty(STDERR_FILENO))
				fprintf(stderr, "\rsessions: %lu of %lu ", begun, count);
		} else if (s->fd >= 0 && !go_on(s)) {
			close(s->fd);
			s->fd = -1;
			open--;
		}
	}
}

int
main(int argc, char **argv)
{
	int stop[2], status;
	pid_t pid;

	if (argc != 4) {
		fprintf(stderr, "usage: sessions RUNTIME_DIR COUNT SEED\n");
		return 2;
	}
	directory = argv[1];
	dice = strtoull(argv[3], NULL, 10);
	printf("sessions %s", argv[2]);
	measure(-1, "idle");
	if (pipe2(stop, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		perror("sessions");
		return 1;
	}
	if (pid == 0) {
		close(stop[1]);
		measure(stop[0], "attack");
		exit(0);
	}
	close(stop[0]);
	attack(strtoul(argv[2], NULL, 10));
	close(stop[1]);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		return 1;
	putchar('\n');
	return 0;
}
