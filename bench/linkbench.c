/* SPDX-License-Identifier: MIT */
/*
 * A link between two nodes on loopback against bare TLS over the same library: round trips of a message of 200
 * bytes, and messages of 200 bytes a second one way, each written by itself.
 *
 *	linkbench tls|link [ROUND_TRIPS [MESSAGES]]
 *
 * Both ends are processes; the other one ends with the first.
 */
#include "config.h"

#include "base/log.h"
#include "node/lines.h"
#include "node/service.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 200 };

static long round_trips = 20000, messages = 2000000;
static const char message[SIZE];

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	fprintf(stderr, "linkbench: %s\n", what);
	exit(1);
}

static void
say(const char *how, const char *what, double value, const char *unit)
{
	printf("%s %s %.1f %s\n", how, what, value, unit);
	fflush(stdout);
}

/* --- bare TLS --- */

static int
psk(gnutls_session_t session, const char *identity, gnutls_datum_t *key)
{
	(void)session;
	(void)identity;
	key->data = gnutls_malloc(32);
	memset(key->data, 7, 32);
	key->size = 32;
	return 0;
}

static gnutls_session_t
tls_session(int fd, int server)
{
	static unsigned char key_bytes[32];
	gnutls_datum_t key = { key_bytes, sizeof(key_bytes) };
	gnutls_psk_server_credentials_t sc;
	gnutls_psk_client_credentials_t cc;
	gnutls_session_t s;
	int one = 1;

	memset(key_bytes, 7, sizeof(key_bytes));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	gnutls_init(&s, server ? GNUTLS_SERVER : GNUTLS_CLIENT);
	gnutls_priority_set_direct(s, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK", NULL);
	if (server) {
		gnutls_psk_allocate_server_credentials(&sc);
		gnutls_psk_set_server_credentials_function(sc, psk);
		gnutls_credentials_set(s, GNUTLS_CRD_PSK, sc);
	} else {
		gnutls_psk_allocate_client_credentials(&cc);
		gnutls_psk_set_client_credentials(cc, "x", &key, GNUTLS_PSK_KEY_RAW);
		gnutls_credentials_set(s, GNUTLS_CRD_PSK, cc);
	}
	gnutls_transport_set_int(s, fd);
	if (gnutls_handshake(s) < 0)
		die("TLS handshake");
	return s;
}

static void
tls_echo(int fd)
{
	gnutls_session_t s = tls_session(fd, 1);
	static char buf[65536];
	long left = round_trips * SIZE;
	ssize_t n;

	while (left > 0 && (n = gnutls_record_recv(s, buf, sizeof(buf))) > 0) {
		gnutls_record_send(s, buf, (size_t)n);
		left -= n;
	}
	for (left = messages * SIZE; left > 0 && (n = gnutls_record_recv(s, buf, sizeof(buf))) > 0; left -= n)
		;
	gnutls_record_send(s, "x", 1);
	gnutls_record_recv(s, buf, sizeof(buf));
	exit(0);
}

static int
connect_to_child(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int l = socket(AF_INET, SOCK_STREAM, 0), fd;

	if (bind(l, (struct sockaddr *)&sa, len) < 0 || listen(l, 1) < 0 || getsockname(l, (struct sockaddr *)&sa, &len) < 0)
		die("listen");
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		tls_echo(accept(l, NULL, NULL));
	}
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&sa, len) < 0)
		die("connect");
	return fd;
}

static void
bare_tls(void)
{
	gnutls_session_t s = tls_session(connect_to_child(), 0);
	char buf[SIZE];
	double start;
	ssize_t n;
	long i;

	start = now();
	for (i = 0; i < round_trips; i++) {
		gnutls_record_send(s, message, SIZE);
		for (n = 0; n < SIZE; )
			n += gnutls_record_recv(s, buf, sizeof(buf) - (size_t)n);
	}
	say("tls", "round_trip", (now() - start) / (double)round_trips * 1e6, "us");
	start = now();
	gnutls_record_cork(s);
	for (i = 0; i < messages; i++) {
		gnutls_record_send(s, message, SIZE);
		if (i % 80 == 79) {		/* a record of 16,000 bytes */
			gnutls_record_uncork(s, GNUTLS_RECORD_WAIT);
			gnutls_record_cork(s);
		}
	}
	gnutls_record_uncork(s, GNUTLS_RECORD_WAIT);
	gnutls_record_recv(s, buf, 1);
	say("tls", "messages", (double)messages / (now() - start), "/s");
}

/* --- a link --- */

static struct node node;
static struct channel *channel;
static double started;
static long left;
static size_t got;
static void open_echo(void), open_sink(void);

static void
echo_data(void *arg, struct channel *c, unsigned stream, const char *data, size_t len)
{
	(void)arg;
	channel_write(c, stream, data, len);
	channel_took(c, stream, len);
}

static void
gone(void *arg, struct channel *c, const json_t *how)
{
	(void)arg;
	(void)c;
	(void)how;
}

static void
sink_ended(void *arg, struct channel *c, unsigned stream)
{
	(void)arg;
	(void)stream;
	channel_close(c, NULL);
}

static void
serve_echo(struct node *n, struct channel *c, const json_t *args)
{
	static const struct channel_handler h = { .data = echo_data, .closed = gone };

	(void)n;
	(void)args;
	channel_accept(c, NULL, &h, NULL);
}

static void
serve_sink(struct node *n, struct channel *c, const json_t *args)
{
	static const struct channel_handler h = { .ended = sink_ended, .closed = gone };

	(void)n;
	(void)args;
	channel_accept(c, NULL, &h, NULL);
}

const struct service services[] = { { .name = "echo", .opened = serve_echo }, { .name = "sink", .opened = serve_sink }, { .name = NULL } };

static void
pong(void *arg, struct channel *c, unsigned stream, const char *data, size_t len)
{
	(void)arg;
	(void)data;
	channel_took(c, stream, len);
	got += len;
	if (got < SIZE)
		return;
	got = 0;
	if (--left > 0) {
		channel_write(c, 0, message, SIZE);
		return;
	}
	say("link", "round_trip", (now() - started) / (double)round_trips * 1e6, "us");
	channel_close(c, NULL);
	open_sink();
}

static void
first_ping(void *arg, struct channel *c, const json_t *reply)
{
	(void)arg;
	(void)reply;
	left = round_trips;
	started = now();
	channel_write(c, 0, message, SIZE);
}

static void
failed(void *arg, struct channel *c, const json_t *how)
{
	(void)arg;
	(void)c;
	die(json_dumps(how, 0));
}

static void
pump(void *arg, struct channel *c, unsigned stream)
{
	(void)arg;
	if (stream != 0)
		return;
	while (left > 0 && channel_room(c, 0) >= SIZE) {
		channel_write(c, 0, message, SIZE);
		left--;
	}
	if (left == 0)
		channel_finish(c, 0);
}

static void
first_message(void *arg, struct channel *c, const json_t *reply)
{
	(void)reply;
	left = messages;
	started = now();
	pump(arg, c, 0);
}

static void
all_sunk(void *arg, struct channel *c, const json_t *how)
{
	(void)arg;
	(void)c;
	(void)how;
	say("link", "messages", (double)messages / (now() - started), "/s");
	loop_stop(node.loop);
}

static void
open_echo(void)
{
	static const struct channel_handler h = { .accepted = first_ping, .data = pong, .closed = failed };

	channel = channel_open(&node, "bob", "echo", NULL, &h, NULL);
}

static void
open_sink(void)
{
	static const struct channel_handler h = { .accepted = first_message, .room = pump, .closed = all_sunk };

	channel = channel_open(&node, "bob", "sink", NULL, &h, NULL);
}

static struct node_settings *
settings_for(const char *text)
{
	static char path[] = "linkbench-XXXXXX";
	struct problems ps = { 0 };
	struct buf said = { 0 };
	struct node_settings *s;
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	s = node_settings_read(path, &ps);
	unlink(path);
	close(fd);
	problems_print(&ps, &said);
	if (s == NULL)
		die(buf_cstr(&said));
	return s;
}

static void
start_node(const char *name, const char *text)
{
	static const char cookie[] = "0123456789abcdef0123456789abcdef";
	struct err err = { 0 };

	log_init("linkbench");
	log_set_level(LOG_MODULE_COUNT, LOG_LEVEL_WARNING);
	node.name = name;
	node.loop = loop_new();
	node.settings = settings_for(text);
	strcpy(node.cookie.bytes, cookie);
	node.cookie.len = strlen(cookie);
	memset(node.instance, *name, 32);
	node.lines = lines_new(&node, &err);
	if (node.lines == NULL)
		die(err.msg);
}

static void
over_link(void)
{
	int ready[2];
	char text[300];

	snprintf(text, sizeof(text), "listen = \"127.0.%d.%d\"; port = 4371;\n", getpid() >> 8 & 255, getpid() & 255);
	if (pipe(ready) < 0)
		die("pipe");
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		start_node("bob", text);
		(void)!write(ready[1], "x", 1);
		loop_run(node.loop);
	}
	(void)!read(ready[0], text, 1);
	snprintf(text, sizeof(text), "port = 0; peers = ( { name = \"bob\"; address = \"127.0.%d.%d\"; port = 4371; } );\n", getpid() >> 8 & 255,
		 getpid() & 255);
	start_node("alice", text);
	open_echo();
	loop_run(node.loop);
}

int
main(int argc, char **argv)
{
	if (argc > 2)
		round_trips = atol(argv[2]);
	if (argc > 3)
		messages = atol(argv[3]);
	if (argc > 1 && strcmp(argv[1], "tls") == 0)
		bare_tls();
	else if (argc > 1 && strcmp(argv[1], "link") == 0)
		over_link();
	else
		die("tls or link?");
	return 0;
}
