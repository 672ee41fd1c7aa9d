/* SPDX-License-Identifier: MIT */
#include "lib/appctl.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * mailbench send DIR TO SIZE COUNT	posts so many messages over libappctl, waits for all answers; prints when it began
 * mailbench receive DIR COUNT		takes so many; prints when the last one had come
 * mailbench ping DIR TO COUNT		sends one and waits for the reply, again and again; prints the median in microseconds
 * mailbench echo DIR COUNT		sends back what comes
 * mailbench tls SIZE COUNT		one process to another over TLS 1.3 with a pre-shared key, GnuTLS and nothing else: messages a
 *					second, each of SIZE bytes and a length, as many in a record as it takes
 * mailbench tlsping SIZE COUNT		the same to and fro, one at a time
 * mailbench chain SIZE COUNT		to and fro along the way that a message has: Unix socket, process, TLS, process, Unix socket; each
 *					process passes on what comes and does nothing else
 * Times are CLOCK_MONOTONIC in seconds.
 */
static struct appctl_error e;

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
	if (ok)
		return;
	fprintf(stderr, "mailbench: %s: %s\n", what, e.message);
	exit(1);
}

static char *
text_of(size_t size)
{
	char *text = malloc(size + 1);
	size_t i;

	need(text != NULL, "memory");
	for (i = 0; i < size; i++)
		text[i] = (char)('a' + i % 26);
	text[size] = '\0';
	return text;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
print_median(double *found, long count)
{
	qsort(found, (size_t)count, sizeof(*found), by_value);
	printf("%.1f\n", found[count / 2] * 1e6);
}

/* --- by mail.sock --------------------------------------------------------------- */

static struct appctl_mail *
mail(const char *dir)
{
	struct appctl_mail *m = appctl_mail_new(dir, &e);

	need(m != NULL, "mail.sock");
	return m;
}

static void
take_answers(struct appctl_mail *m, int timeout_ms)
{
	struct appctl_answer a;
	int r;

	while ((r = appctl_answered(m, timeout_ms, &a, &e)) > 0)
		if (a.error.status != APPCTL_DONE) {
			fprintf(stderr, "mailbench: %s\n", a.error.message);
			exit(1);
		}
	need(r == 0, "answers");
}

static void
send_many(const char *dir, const char *to, size_t size, long count)
{
	struct appctl_mail *m = mail(dir);
	char *text = text_of(size);
	long i;

	printf("%.6f\n", now());
	for (i = 0; i < count; i++) {
		need(appctl_post(m, to, text, size, &e) > 0, "post");
		if (i % 256 == 0)
			take_answers(m, 0);
	}
	take_answers(m, -1);
}

static void
receive_many(const char *dir, long count)
{
	struct appctl_mail *m = mail(dir);
	struct appctl_message msg;
	long i;

	for (i = 1; i <= count; i++) {
		need(appctl_receive(m, -1, &msg, &e) > 0, "receive");
		if (i % 1000 == 0 || i == count)
			need(appctl_done(m, msg.n, &e) == 0, "done");
	}
	printf("%.6f\n", now());
	need(appctl_mail_flush(m, &e) == 0, "done");
}

static void
echo(const char *dir, long count)
{
	struct appctl_mail *m = mail(dir);
	struct appctl_message msg;

	while (count-- > 0) {
		need(appctl_receive(m, -1, &msg, &e) > 0, "receive");
		need(appctl_post(m, msg.from, msg.text, msg.len, &e) > 0 && appctl_done(m, msg.n, &e) == 0, "post");
		take_answers(m, 0);
	}
	take_answers(m, -1);
}

static void
ping(const char *dir, const char *to, long count)
{
	struct appctl_mail *m = mail(dir);
	double *found = calloc((size_t)count, sizeof(*found)), begun;
	struct appctl_message msg;
	char *text = text_of(200);
	long i;

	need(found != NULL, "memory");
	for (i = 0; i < count; i++) {
		begun = now();
		need(appctl_post(m, to, text, 200, &e) > 0, "post");
		need(appctl_receive(m, -1, &msg, &e) > 0, "receive");
		found[i] = now() - begun;
		need(appctl_done(m, msg.n, &e) == 0, "done");
		take_answers(m, 0);
	}
	print_median(found, count);
}

/* --- GnuTLS alone ----------------------------------------------------------------- */

static int
give_key(gnutls_session_t s, const char *user, gnutls_datum_t *key)
{
	(void)s;
	(void)user;
	key->data = gnutls_malloc(32);
	key->size = 32;
	memset(key->data, 7, 32);
	return 0;
}

static gnutls_session_t
session(int fd, int server)
{
	gnutls_datum_t key = { (unsigned char *)"7777777777777777777777777777777777777777777777777777777777777777", 64 };
	gnutls_psk_server_credentials_t sc;
	gnutls_psk_client_credentials_t cc;
	gnutls_session_t s;
	int r;

	gnutls_init(&s, server ? GNUTLS_SERVER : GNUTLS_CLIENT);
	gnutls_priority_set_direct(s, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK", NULL);
	if (server) {
		gnutls_psk_allocate_server_credentials(&sc);
		gnutls_psk_set_server_credentials_function(sc, give_key);
		gnutls_credentials_set(s, GNUTLS_CRD_PSK, sc);
	} else {
		memset(key.data = malloc(64), 0, 64);
		memcpy(key.data, "0707070707070707070707070707070707070707070707070707070707070707", 64);
		gnutls_psk_allocate_client_credentials(&cc);
		gnutls_psk_set_client_credentials(cc, "bench", &key, GNUTLS_PSK_KEY_HEX);
		gnutls_credentials_set(s, GNUTLS_CRD_PSK, cc);
	}
	gnutls_transport_set_int(s, fd);
	while ((r = gnutls_handshake(s)) < 0 && !gnutls_error_is_fatal(r))
		;
	need(r == 0, gnutls_strerror(r));
	return s;
}

static void
tls_send(gnutls_session_t s, const char *data, size_t len)
{
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n) {
		n = gnutls_record_send(s, data, len);
		need(n > 0, "TLS");
	}
}

static void
tls_read(gnutls_session_t s, char *data, size_t len)
{
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n) {
		n = gnutls_record_recv(s, data, len);
		need(n > 0, "TLS");
	}
}

static int
connected(int *child_fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;

	need(bind(listener, (struct sockaddr *)&a, len) == 0 && listen(listener, 1) == 0, "listen");
	getsockname(listener, (struct sockaddr *)&a, &len);
	*child_fd = socket(AF_INET, SOCK_STREAM, 0);
	need(connect(*child_fd, (struct sockaddr *)&a, len) == 0, "connect");
	fd = accept(listener, NULL, NULL);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(*child_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	close(listener);
	return fd;
}

/* What was sent is read through its lengths, message after message. */
static void
tls_many(size_t size, long count)
{
	enum { RECORD = 16384 };
	size_t each = size + 4, in_record = RECORD / each, have = 0, at;
	static char record[RECORD], in[2 * RECORD];
	uint32_t len = (uint32_t)size;
	int child_fd, fd = connected(&child_fd);
	gnutls_session_t s;
	double begun;
	long i, got = 0;
	ssize_t n;

	need(in_record > 0, "size");
	if (fork() == 0) {
		s = session(child_fd, 0);
		memset(record, 'x', sizeof(record));
		for (at = 0; at < in_record; at++)
			memcpy(record + at * each, &len, 4);
		for (i = 0; i < count; i += (long)in_record)
			tls_send(s, record, each * (i + (long)in_record > count ? (size_t)(count - i) : in_record));
		tls_read(s, in, 1);
		exit(0);
	}
	s = session(fd, 1);
	begun = now();
	while (got < count) {
		n = gnutls_record_recv(s, in + have, sizeof(in) - have);
		need(n > 0, "TLS");
		have += (size_t)n;
		for (at = 0; have - at >= 4; at += 4 + len, got++) {
			memcpy(&len, in + at, 4);
			if (have - at < 4 + len)
				break;
		}
		memmove(in, in + at, have -= at);
	}
	printf("%.0f\n", (double)count / (now() - begun));
	tls_send(s, in, 1);
	wait(NULL);
}

static void
tls_ping(size_t size, long count)
{
	double *found = calloc((size_t)count, sizeof(*found)), begun;
	char *text = text_of(size);
	int child_fd, fd = connected(&child_fd);
	gnutls_session_t s;
	long i;

	if (fork() == 0) {
		s = session(child_fd, 0);
		for (i = 0; i < count; i++) {
			tls_read(s, text, size);
			tls_send(s, text, size);
		}
		exit(0);
	}
	s = session(fd, 1);
	for (i = 0; i < count; i++) {
		begun = now();
		tls_send(s, text, size);
		tls_read(s, text, size);
		found[i] = now() - begun;
	}
	print_median(found, count);
	wait(NULL);
}

static void
relay(int fd, gnutls_session_t s, size_t size)
{
	char *text = text_of(size);

	for (;;) {
		if (recv(fd, text, size, MSG_WAITALL) != (ssize_t)size)
			exit(0);
		tls_send(s, text, size);
		tls_read(s, text, size);
		need(send(fd, text, size, 0) == (ssize_t)size, "send");
	}
}

static void
relay_back(int fd, gnutls_session_t s, size_t size)
{
	char *text = text_of(size);

	for (;;) {
		if (gnutls_record_recv(s, text, size) != (ssize_t)size)
			exit(0);
		need(send(fd, text, size, 0) == (ssize_t)size, "send");
		need(recv(fd, text, size, MSG_WAITALL) == (ssize_t)size, "receive");
		tls_send(s, text, size);
	}
}

static void
chain(size_t size, long count)
{
	double *found = calloc((size_t)count, sizeof(*found)), begun;
	char *text = text_of(size);
	int left[2], right[2], child_fd, fd = connected(&child_fd);
	pid_t pids[3];
	long i;

	need(socketpair(AF_UNIX, SOCK_STREAM, 0, left) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, right) == 0, "sockets");
	if ((pids[0] = fork()) == 0) {
		relay(left[1], session(fd, 1), size);
	}
	if ((pids[1] = fork()) == 0) {
		relay_back(right[1], session(child_fd, 0), size);
	}
	if ((pids[2] = fork()) == 0) {
		for (;;)
			need(recv(right[0], text, size, MSG_WAITALL) == (ssize_t)size && send(right[0], text, size, 0) == (ssize_t)size, "echo");
	}
	for (i = 0; i < count; i++) {
		begun = now();
		need(send(left[0], text, size, 0) == (ssize_t)size && recv(left[0], text, size, MSG_WAITALL) == (ssize_t)size, "send");
		found[i] = now() - begun;
	}
	for (i = 0; i < 3; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	print_median(found, count);
}

int
main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (strcmp(mode, "send") == 0 && argc == 6)
		send_many(argv[2], argv[3], (size_t)atol(argv[4]), atol(argv[5]));
	else if (strcmp(mode, "receive") == 0 && argc == 4)
		receive_many(argv[2], atol(argv[3]));
	else if (strcmp(mode, "ping") == 0 && argc == 5)
		ping(argv[2], argv[3], atol(argv[4]));
	else if (strcmp(mode, "echo") == 0 && argc == 4)
		echo(argv[2], atol(argv[3]));
	else if (strcmp(mode, "tls") == 0 && argc == 4)
		tls_many((size_t)atol(argv[2]), atol(argv[3]));
	else if (strcmp(mode, "tlsping") == 0 && argc == 4)
		tls_ping((size_t)atol(argv[2]), atol(argv[3]));
	else if (strcmp(mode, "chain") == 0 && argc == 4)
		chain((size_t)atol(argv[2]), atol(argv[3]));
	else
		return 2;
	return 0;
}
