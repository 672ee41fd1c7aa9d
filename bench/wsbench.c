/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "bench/prc.h"
#include "loop/loop.h"
#include "net/frames.h"
#include "net/ws.h"
#include "wire/challenge.h"
#include "wire/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wslay/wslay.h>

/*
 * wsbench MODE SIZE COUNT: messages that one process takes from another, which sends frames that were made before, over
 * loopback TCP.  MODE is what takes them:
 *	tcp	recv(2), which is the limit
 *	event	wslay's event layer: whole messages, texts checked to be UTF-8
 *	net	a listener of src/net, after the upgrade and the challenge: the same checks, limits and heartbeats, in the loop
 *	rows	the same, and each message's rows are decoded, as a consumer does
 * A message is a batch of as many rows as make SIZE bytes.
 */
enum { READ_SIZE = 256 * 1024, BURST = 64 * 1024 };

#define SECRET "the secret of the bench"

static long expected;
static uint64_t messages, bytes;
static int fd;
static struct loop *loop;
static double begun;
static bool decodes;
static struct buf message;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
need(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		_exit(1);
	}
}

/* --- Who sends -------------------------------------------------------------- */

static void
send_all(const char *data, size_t len)
{
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n) {
		n = send(fd, data, len, MSG_NOSIGNAL);
		need(n > 0, "send");
	}
}

static void
read_head(void)
{
	char c;
	int state;

	for (state = 0; state < 4; state = c == "\r\n\r\n"[state] ? state + 1 : c == '\r')
		need(recv(fd, &c, 1, 0) == 1, "receive a head");
}

static void
read_frame(struct frames *f, struct frames_event *ev)
{
	static char byte;

	while (frames_next(f, ev) != FRAMES_TEXT) {
		need(recv(fd, &byte, 1, 0) == 1, "receive a frame");
		frames_feed(f, &byte, 1);
	}
}

static void
authenticate(struct frames *f)
{
	struct challenge c = { .protocol = "appctl-monitor", .connector = "bench" };
	char key[HTTP_KEY_SIZE], mac[CHALLENGE_HEX_SIZE];
	struct buf out = { 0 }, text = { 0 };
	struct frames_event ev;
	struct err err;

	http_make_key((const uint8_t *)"0123456789abcdef", key);
	http_write_request(&out, "127.0.0.1", 1, c.protocol, key);
	send_all(out.data, out.len);
	read_head();
	read_frame(f, &ev);
	need(challenge_read_challenge(ev.data, ev.len, &c, &err) == 0, "challenge");
	challenge_hex((const uint8_t *)"0123456789abcdef0123456789abcdef", c.connector_nonce);
	challenge_mac(&c, CHALLENGE_CONNECTOR, SECRET, strlen(SECRET), mac);
	challenge_write_response(&text, &c, mac);
	buf_clear(&out);
	frames_put_text(f, &out, text.data, text.len);
	send_all(out.data, out.len);
	read_frame(f, &ev);
	buf_free(&out);
	buf_free(&text);
}

static void
send_messages(unsigned port, bool as_producer)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct frames *f = frames_new(false, CHALLENGE_TEXT_MAX);
	long in_burst, left = expected, n;
	struct buf burst = { 0 };
	size_t each;
	char c;

	fd = socket(AF_INET, SOCK_STREAM, 0);
	need(f != NULL && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
	if (as_producer)
		authenticate(f);
	for (in_burst = 0; in_burst == 0 || burst.len < BURST; in_burst++)
		frames_put_text(f, &burst, message.data, message.len);
	each = burst.len / (size_t)in_burst;
	for (; left > 0; left -= n) {
		n = left < in_burst ? left : in_burst;
		send_all(burst.data, each * (size_t)n);
	}
	shutdown(fd, SHUT_WR);
	(void)!read(fd, &c, 1);
	_exit(0);
}

/* --- Who takes -------------------------------------------------------------- */

static char *input;
static size_t in_len, in_at;

static ssize_t
event_read(wslay_event_context_ptr x, uint8_t *out, size_t len, int flags, void *arg)
{
	ssize_t n;

	(void)flags;
	(void)arg;
	if (in_at == in_len) {
		n = recv(fd, input, READ_SIZE, 0);
		if (n <= 0) {
			wslay_event_set_error(x, WSLAY_ERR_CALLBACK_FAILURE);
			return -1;
		}
		in_len = (size_t)n;
		in_at = 0;
	}
	if (len > in_len - in_at)
		len = in_len - in_at;
	memcpy(out, input + in_at, len);
	in_at += len;
	return (ssize_t)len;
}

static void
event_message(wslay_event_context_ptr x, const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
	(void)x;
	(void)user;
	messages++;
	bytes += arg->msg_length;
}

static void
take_by_event(void)
{
	struct wslay_event_callbacks callbacks = { .recv_callback = event_read, .on_msg_recv_callback = event_message };
	wslay_event_context_ptr x;

	need(wslay_event_context_server_init(&x, &callbacks, NULL) == 0, "wslay");
	while ((long)messages < expected && wslay_event_recv(x) == 0)
		;
	wslay_event_context_free(x);
}

static void
take_by_recv(void)
{
	size_t size = message.len, frame = size + (size < 126 ? 6 : size < 65536 ? 8 : 14);
	ssize_t n;

	while ((n = recv(fd, input, READ_SIZE, 0)) > 0)
		bytes += (uint64_t)n;
	messages = bytes / frame;
	bytes = messages * size;
}

static void *
opened(void *arg, struct ws *w)
{
	(void)w;
	begun = now();
	return arg;
}

static void
text(void *arg, struct ws *w, const char *data, size_t len)
{
	static struct batch b;
	struct err err;

	(void)arg;
	(void)w;
	if (decodes && batch_read(&b, data, len, &err) < 0) {
		fprintf(stderr, "batch: %s\n", err.msg);
		_exit(1);
	}
	bytes += len;
	if ((long)++messages == expected)
		loop_stop(loop);
}

static void
closed(void *arg, struct ws *w, const char *why)
{
	(void)arg;
	(void)w;
	fprintf(stderr, "closed: %s\n", why);
	loop_stop(loop);
}

static pid_t
take_by_net(void)
{
	static const struct ws_handler handler = { .opened = opened, .text = text, .closed = closed };
	static const struct ws_settings settings = { .protocol = "appctl-monitor", .node = "bench", .secret = SECRET,
						     .secret_len = sizeof(SECRET) - 1, .host = "127.0.0.1", .port = "0" };
	struct ws_listener *listener;
	struct err err = { 0 };
	pid_t pid;

	loop = loop_new();
	listener = loop != NULL ? ws_listen(loop, &settings, &handler, NULL, &err) : NULL;
	need(listener != NULL, "listen");
	pid = fork();
	if (pid == 0)
		send_messages(ws_listener_port(listener), true);
	loop_run(loop);
	return pid;
}

static pid_t
take_plainly(bool by_event)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM, 0);
	pid_t pid;

	need(bind(l, (struct sockaddr *)&at, len) == 0 && listen(l, 1) == 0 && getsockname(l, (struct sockaddr *)&at, &len) == 0, "listen");
	pid = fork();
	if (pid == 0)
		send_messages(ntohs(at.sin_port), false);
	fd = accept(l, NULL, NULL);
	begun = now();
	if (by_event)
		take_by_event();
	else
		take_by_recv();
	return pid;
}

static void
make_message(size_t size)
{
	long rows = 0;

	while (message.len < size)
		prc_text(&message, ++rows, INT64_C(816930000000000));
	need(!message.failed, "a batch");
}

int
main(int argc, char **argv)
{
	struct rusage used;
	double took, cpu;
	size_t size;
	pid_t pid;

	if (argc != 4)
		return 2;
	size = strtoul(argv[2], NULL, 10);
	expected = atol(argv[3]);
	input = malloc(READ_SIZE);
	make_message(size);
	decodes = strcmp(argv[1], "rows") == 0;
	pid = decodes || strcmp(argv[1], "net") == 0 ? take_by_net() : take_plainly(strcmp(argv[1], "event") == 0);
	took = now() - begun;
	getrusage(RUSAGE_SELF, &used);
	cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("{\"bench\":\"ws\",\"mode\":\"%s\",\"size\":%zu,\"messages\":%llu,\"messages_per_s\":%.0f,\"mb_per_s\":%.0f,\"cpu_us_per_message\":%.2f}\n",
	       argv[1], size, (unsigned long long)messages, (double)messages / took, (double)bytes / took / 1e6, cpu * 1e6 / (double)messages);
	return (long)messages != expected;
}
