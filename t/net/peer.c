/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/buf.h"
#include "base/crc32.h"
#include "net/secret.h"
#include "net/ws.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * peer listen|connect KEY=VALUE...: one end of src/net for the tests, with settings by their names (secret is
 * a file).  A line on standard output for each thing that happens; commands, a line each, on standard input:
 *
 *	send TEXT	to all that are open
 *	fill N SIZE	N messages of SIZE bytes, numbered, one after the other as they go out
 *	read on|off
 *	close CODE REASON
 *	connect N	N more sockets
 *	stat		how many are open or on their way, messages and bytes that came, bytes that are queued, the most that were, resident memory
 *	stop		no longer listens
 *	quit
 *
 * With quiet=1 messages are only counted; with echo=1 they go back; greet is what everyone gets who opened.
 */
enum { OPEN_MAX = 20000 };

static struct loop *loop;
static struct ws_settings settings = { .protocol = "appctl-monitor", .node = "alice", .host = "127.0.0.1", .port = "0" };
static struct secret secret;
static struct ws_listener *listener;
static struct ws *sockets[OPEN_MAX];
static size_t socket_count;
static unsigned long alive;		/* that closed() is to come for */
static bool listens, quiet, echo, ending;
static unsigned long messages, bytes, queued_most, fill_left, fill_size, fill_next;
static uint32_t checksum;
static char *filling;
static const char *greet;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* As many as go out without a queue of more than a few. */
static void
fill(struct ws *w)
{
	while (fill_left > 0 && ws_queued(w) < 256 * 1024) {
		snprintf(filling, fill_size + 1, "%010lu", fill_next++);
		filling[fill_size > 10 ? 10 : fill_size] = fill_size > 10 ? 'x' : '\0';
		if (ws_send(w, filling, fill_size) < 0)
			say("no memory");
		if (ws_queued(w) > queued_most)
			queued_most = ws_queued(w);
		if (--fill_left == 0)
			say("filled");
	}
}

static void *
opened(void *arg, struct ws *w)
{
	if (socket_count == OPEN_MAX)
		abort();
	sockets[socket_count++] = w;
	alive += listens;
	if (!quiet)
		say("opened %s %" PRIu64 " %s", ws_peer_node(w), ws_peer_epoch(w), ws_peer_address(w));
	if (ending)
		ws_close(w, 1001, "the end");
	if (greet != NULL && ws_send(w, greet, strlen(greet)) < 0)
		say("no memory");
	return arg;
}

static void
text(void *arg, struct ws *w, const char *data, size_t len)
{
	(void)arg;
	messages++;
	bytes += len;
	checksum = crc32_of(checksum, data, len);
	if (data[len] != '\0')
		abort();
	if (!quiet)
		say("text %zu %.60s", len, data);
	if (echo && ws_send(w, data, len) < 0)
		say("no memory");
}

static void
drained(void *arg, struct ws *w)
{
	(void)arg;
	fill(w);
}

static void
closed(void *arg, struct ws *w, const char *why)
{
	size_t i;

	(void)arg;
	for (i = 0; i < socket_count && sockets[i] != w; i++)
		;
	if (i < socket_count)
		sockets[i] = sockets[--socket_count];
	if (!quiet)
		say("closed %s", why);
	if (--alive == 0 && ending)
		loop_stop(loop);
}

static void
refused(void *arg, const char *address, const char *why, bool at_fault)
{
	(void)arg;
	(void)at_fault;
	if (!quiet)
		say("refused %s %s", address, why);
}

static const struct ws_handler handler = { .opened = opened, .text = text, .drained = drained, .closed = closed, .refused = refused };

static void
connect_more(unsigned long n)
{
	struct err err = { 0 };

	while (n-- > 0) {
		alive++;
		if (ws_connect(loop, &settings, &handler, NULL, &err) != NULL)
			continue;
		alive--;
		say("error %s", err.msg);
	}
}

static unsigned long
memory_kib(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f != NULL)
		fclose(f);
	return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static void
stat_line(void)
{
	size_t i, queued = 0;

	for (i = 0; i < socket_count; i++)
		queued += ws_queued(sockets[i]);
	say("stat open=%zu pending=%lu messages=%lu bytes=%lu crc=%08" PRIx32 " queued=%zu most=%lu memory=%lu", socket_count,
	    alive - socket_count, messages, bytes, checksum, queued, queued_most, memory_kib());
}

static void
start_filling(const char *what)
{
	if (sscanf(what, "%lu %lu", &fill_left, &fill_size) != 2)
		abort();
	free(filling);
	filling = malloc(fill_size + 11);
	if (filling == NULL)
		abort();
	memset(filling, 'x', fill_size);
	filling[fill_size] = '\0';
	if (socket_count > 0)
		fill(sockets[0]);
}

static void
for_all(const char *command, const char *what)
{
	size_t i;

	for (i = 0; i < socket_count; i++) {
		if (strcmp(command, "send") == 0 && ws_send(sockets[i], what, strlen(what)) < 0)
			say("no memory");
		else if (strcmp(command, "read") == 0)
			ws_read(sockets[i], strcmp(what, "on") == 0);
		else if (strcmp(command, "close") == 0)
			ws_close(sockets[i], (unsigned)strtoul(what, NULL, 10), strchr(what, ' ') ? strchr(what, ' ') + 1 : "");
	}
}

static void
command(char *line)
{
	char *what = strchr(line, ' ');

	if (what != NULL)
		*what++ = '\0';
	else
		what = line + strlen(line);
	if (strcmp(line, "stat") == 0) {
		stat_line();
	} else if (strcmp(line, "fill") == 0) {
		start_filling(what);
	} else if (strcmp(line, "connect") == 0) {
		connect_more(strtoul(what, NULL, 10));
	} else if (strcmp(line, "quit") == 0) {
		loop_stop(loop);
	} else if (strcmp(line, "stop") == 0) {
		ws_listener_free(listener);
		listener = NULL;
		say("stopped");
	} else {
		for_all(line, what);
	}
}

static void
commands(void *arg, int what)
{
	static struct buf in;
	char *room = buf_reserve(&in, 4096), *end;
	ssize_t n = room != NULL ? read(0, room, 4096) : -1;

	(void)arg;
	(void)what;
	if (n <= 0) {
		buf_free(&in);
		loop_stop(loop);
		return;
	}
	in.len += (size_t)n;
	while (in.len > 0 && (end = memchr(in.data, '\n', in.len)) != NULL) {
		*end = '\0';
		command(in.data);
		buf_consume(&in, (size_t)(end + 1 - in.data));
	}
}

static bool
is(const char *arg, const char *name, const char **value)
{
	size_t len = strlen(name);

	*value = arg + len + 1;
	return strncmp(arg, name, len) == 0 && arg[len] == '=';
}

static int
read_argument(const char *arg)
{
	const struct { const char *name; const char **at; } texts[] = {
		{ "protocol", &settings.protocol }, { "node", &settings.node }, { "host", &settings.host }, { "port", &settings.port },
		{ "ca", &settings.ca_file }, { "cert", &settings.cert_file }, { "key", &settings.key_file }, { "crl", &settings.crl_file },
		{ "greet", &greet },
	};
	const struct { const char *name; unsigned *at; } numbers[] = {
		{ "per_address_max", &settings.per_address_max }, { "connections_max", &settings.connections_max },
		{ "auth_timeout_ms", &settings.auth_timeout_ms }, { "ping_ms", &settings.ping_ms },
	};
	struct err err = { 0 };
	const char *value;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (is(arg, texts[i].name, &value))
			return *texts[i].at = value, 0;
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (is(arg, numbers[i].name, &value))
			return *numbers[i].at = (unsigned)strtoul(value, NULL, 10), 0;
	if (is(arg, "secret", &value)) {
		if (secret_read(value, &secret, &err) < 0)
			return say("error %s", err.msg), -1;
		settings.secret = secret.bytes;
		settings.secret_len = secret.len;
	} else if (is(arg, "epoch", &value)) {
		settings.epoch = strtoull(value, NULL, 10);
	} else if (is(arg, "message_max", &value)) {
		settings.message_max = strtoul(value, NULL, 10);
	} else if (is(arg, "verify_node", &value)) {
		settings.verify_node = *value == '1';
	} else if (is(arg, "tls", &value)) {
		settings.use_tls = *value == '1';
	} else if (is(arg, "quiet", &value)) {
		quiet = *value == '1';
	} else if (is(arg, "echo", &value)) {
		echo = *value == '1';
	} else {
		return -1;
	}
	return 0;
}

static int
start(void)
{
	struct err err = { 0 };

	if (!listens)
		return connect_more(1), 0;
	listener = ws_listen(loop, &settings, &handler, NULL, &err);
	if (listener == NULL)
		return say("error %s", err.msg), -1;
	say("listening %u", ws_listener_port(listener));
	return 0;
}

/* So that nothing is left that a leak checker would show: sockets that never opened are ended by their time limit. */
static void
end(void)
{
	ending = true;
	ws_listener_free(listener);
	for_all("close", "1001 the end");
	if (alive > 0)
		loop_run(loop);
	free(filling);
	loop_free(loop);
}

int
main(int argc, char **argv)
{
	struct watch *in;
	struct err err = { 0 };
	int i, failed;

	if (argc < 2 || secret_protect_process(&err) < 0)
		return 2;
	listens = strcmp(argv[1], "listen") == 0;
	for (i = 2; i < argc; i++)
		if (read_argument(argv[i]) < 0)
			return 2;
	loop = loop_new();
	in = loop != NULL ? watch_new(loop, 0, LOOP_READ, commands, NULL) : NULL;
	if (in == NULL)
		return 1;
	failed = start() < 0;
	if (!failed)
		loop_run(loop);
	watch_free(in);
	end();
	return failed;
}
