/* SPDX-License-Identifier: MIT */
/*
 * An engine for tests of the keeper: it does what it is told, a line at a time, by
 * whoever connects to control.sock, and tells there what the keeper says.  First it does the
 * lines of its -c FILE, those that begin with "now" at once, the others when the keeper has told its table.
 */
#include "config.h"

#include "sys/link_io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORDS_MAX = 64, INCS_MAX = 8192, LISTS_MAX = 32 };

static int client = -1;
static struct buf said, heard, out;
static struct link_in in;
static int ready_fds[INCS_MAX];
static bool answers_pings = true, acks;
static char script[8192];

static void
report(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&said, fmt, ap);
	va_end(ap);
	buf_addc(&said, '\n');
}

static void
flush_said(void)
{
	ssize_t n;

	while (client >= 0 && said.len > 0) {
		n = send(client, said.data, said.len, MSG_NOSIGNAL);
		if (n < 0)
			break;
		buf_consume(&said, (size_t)n);
	}
}

/* Waits for room: the keeper must not be held up by that. */
static void
tell(const int *fds, size_t fd_count)
{
	struct pollfd p = { .fd = ENGINE_FD_LINK, .events = POLLOUT };

	while (link_send(ENGINE_FD_LINK, out.data, out.len, fds, fd_count) < 0) {
		if (errno != EAGAIN) {
			report("send: %s", strerror(errno));
			break;
		}
		poll(&p, 1, -1);
	}
	buf_clear(&out);
}

static void
tell_plain(enum link_type type, uint64_t inc, const void *fixed, size_t len, const char *text)
{
	link_put(&out, type, inc, fixed, len, text);
	tell(NULL, 0);
}

static enum stdio_kind
stdio_by_letter(char c)
{
	return c == 'i' ? STDIO_INHERIT : c == 'f' ? STDIO_FILE : c == 'p' ? STDIO_PASSED : STDIO_NULL;
}

struct draft {
	struct spawn_order o;
	uint32_t groups[LISTS_MAX];
	struct link_limit limits[LISTS_MAX];
	const char *argv[WORDS_MAX + 1], *envp[WORDS_MAX + 1];
	size_t argc, envc;
	int passed[3];
	size_t passed_count;
};

static void
add_groups(struct draft *d, char *list)
{
	char *word;

	d->o.fixed.flags |= SPAWN_HAS_GROUPS;
	while ((word = strsep(&list, ",")) != NULL)
		if (*word != '\0')
			d->groups[d->o.fixed.group_count++] = (uint32_t)strtoul(word, NULL, 10);
}

static void
add_limit(struct draft *d, char *text)
{
	struct link_limit *l = &d->limits[d->o.fixed.limit_count++];

	l->resource = (uint32_t)strtoul(strsep(&text, ":"), NULL, 10);
	l->soft = strtoull(strsep(&text, ":"), NULL, 10);
	l->hard = strtoull(strsep(&text, ":"), NULL, 10);
}

static void
pass_file(struct draft *d, const char *path)
{
	d->passed[d->passed_count++] = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0644);
}

/* key=value of a spawn order. */
static void
take_option(struct draft *d, const char *key, char *value)
{
	struct link_spawn *f = &d->o.fixed;
	size_t i;

#define IS(name) (strcmp(key, name) == 0)
	if (IS("uid"))
		f->flags |= SPAWN_HAS_UID, f->uid = (uint32_t)atol(value);
	else if (IS("gid"))
		f->flags |= SPAWN_HAS_GID, f->gid = (uint32_t)atol(value);
	else if (IS("groups"))
		add_groups(d, value);
	else if (IS("umask"))
		f->flags |= SPAWN_HAS_UMASK, f->umask = (uint32_t)strtoul(value, NULL, 8);
	else if (IS("nice"))
		f->flags |= SPAWN_HAS_NICE, f->nice = atoi(value);
	else if (IS("ionice"))
		f->flags |= SPAWN_HAS_IONICE, f->ionice = atoi(value);
	else if (IS("oom"))
		f->flags |= SPAWN_HAS_OOM, f->oom_score_adj = atoi(value);
	else if (IS("affinity"))
		f->flags |= SPAWN_HAS_AFFINITY, f->cpu_affinity[0] = strtoull(value, NULL, 16);
	else if (IS("caps"))
		f->flags |= SPAWN_HAS_CAPS, f->capabilities = strtoull(value, NULL, 16);
	else if (IS("nnp"))
		f->flags |= SPAWN_NO_NEW_PRIVS;
	else if (IS("session"))
		f->flags = atoi(value) ? f->flags | SPAWN_SESSION : f->flags & ~(uint32_t)SPAWN_SESSION;
	else if (IS("ready"))
		f->flags |= SPAWN_READY_FD, f->ready_fd = atoi(value);
	else if (IS("kind"))
		f->kind = (uint8_t)atoi(value);
	else if (IS("stop"))
		f->label.stop_signal = atoi(value);
	else if (IS("shutdown"))
		f->label.shutdown_ms = atoll(value);
	else if (IS("limit"))
		add_limit(d, value);
	else if (IS("cgroup"))
		d->o.cgroup = value;
	else if (IS("dir"))
		d->o.directory = value;
	else if (IS("root"))
		d->o.root = value;
	else if (IS("rundir"))
		d->o.runtime_directory = value;
	else if (IS("terminal"))
		f->flags |= atoi(value) ? SPAWN_TERMINAL : 0;
	else if (IS("log"))
		d->o.log_path = value;
	else if (IS("pass"))
		pass_file(d, value);
	else if (IS("env"))
		d->envp[d->envc++] = value;
	else if (IS("stdio"))
		for (i = 0; i < 3 && value[i] != '\0'; i++)
			f->stdio[i] = (uint8_t)stdio_by_letter(value[i]);
	else
		report("no such option: %s", key);
#undef IS
}

/* spawn INC NAME [KEY=VALUE…] -- ARGV… */
static void
do_spawn(char **word, size_t n)
{
	struct draft d = { .o = { .fixed = { .flags = SPAWN_SESSION, .label = { SIGTERM, 0, 5000 } },
				  .name = word[2], .cgroup = word[2], .directory = "", .root = "", .log_path = "", .runtime_directory = "" } };
	char marker[64], *value;
	size_t i;

	snprintf(marker, sizeof(marker), "APPCTL_INCARNATION=%s", word[1]);
	d.envp[d.envc++] = "PATH=/usr/local/bin:/usr/bin:/bin";
	d.envp[d.envc++] = marker;
	for (i = 3; i < n && strcmp(word[i], "--") != 0; i++) {
		value = strchr(word[i], '=');
		*value++ = '\0';
		take_option(&d, word[i], value);
	}
	while (++i < n)
		d.argv[d.argc++] = word[i];
	d.o.groups = d.groups;
	d.o.limits = d.limits;
	d.o.argv = d.argv;
	d.o.envp = d.envp;
	link_put_spawn(&out, strtoull(word[1], NULL, 10), &d.o);
	tell(d.passed, d.passed_count);
	for (i = 0; i < d.passed_count; i++)
		close(d.passed[i]);
}

/* raw HEX: bytes as they are */
static void
do_raw(const char *hex)
{
	unsigned byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		buf_addc(&out, (char)byte);
	tell(NULL, 0);
}

static void
do_state(const char *text)
{
	int fd = memfd_create("fake-state", MFD_CLOEXEC);

	if (write(fd, text, strlen(text)) < 0)
		report("state: %s", strerror(errno));
	link_put(&out, LINK_STATE, 0, NULL, 0, NULL);
	tell(&fd, 1);
	close(fd);
}

static void
do_readstate(void)
{
	char text[256];
	ssize_t n = pread(ENGINE_FD_STATE, text, sizeof(text), 0);

	report("state %.*s", (int)(n > 0 ? n : 0), text);
}

static void
do_readyfd(uint64_t inc)
{
	char text[64];
	ssize_t n = recv(ready_fds[inc], text, sizeof(text), MSG_PEEK);

	report("readyfd %" PRIu64 " %zd", inc, n);
}

static void
do_word(char **w, size_t n)
{
	const uint64_t inc = n > 1 ? strtoull(w[1], NULL, 10) : 0;
	const struct link_number number = { .number = n > 1 ? atoll(w[n - 1]) : 0 };
	const struct link_signal sig = { .signo = n > 2 ? atoi(w[2]) : 0, .step = n > 3 ? (uint32_t)atoi(w[3]) : 0,
					 .whole_tree = n > 4 && atoi(w[4]) };
	const struct link_label label = { .stop_signal = n > 2 ? atoi(w[2]) : 0, .shutdown_ms = n > 3 ? atoll(w[3]) : 0 };

#define IS(name) (strcmp(w[0], name) == 0)
	if (IS("spawn") && n > 4)
		do_spawn(w, n);
	else if (IS("signal"))
		tell_plain(LINK_SIGNAL, inc, &sig, sizeof(sig), NULL);
	else if (IS("ack"))
		tell_plain(LINK_ACK, inc, NULL, 0, NULL);
	else if (IS("relabel"))
		tell_plain(LINK_RELABEL, inc, &label, sizeof(label), NULL);
	else if (IS("adopt"))
		tell_plain(LINK_ADOPT, inc, &number, sizeof(number), NULL);
	else if (IS("seen"))
		tell_plain(LINK_READY_SEEN, inc, NULL, 0, NULL);
	else if (IS("ready"))
		tell_plain(LINK_READY, 0, NULL, 0, NULL);
	else if (IS("stable"))
		tell_plain(LINK_STABLE, 0, NULL, 0, NULL);
	else if (IS("stopping"))
		tell_plain(LINK_STOPPING, 0, NULL, 0, NULL);
	else if (IS("status"))
		tell_plain(LINK_STATUS, 0, NULL, 0, n > 1 ? w[1] : "");
	else if (IS("exit"))
		tell_plain(LINK_EXIT, 0, &number, sizeof(number), NULL);
	else if (IS("raw"))
		do_raw(w[1]);
	else if (IS("state"))
		do_state(w[1]);
	else if (IS("readstate"))
		do_readstate();
	else if (IS("readyfd"))
		do_readyfd(inc);
	else if (IS("pings"))
		answers_pings = atoi(w[1]) != 0;
	else if (IS("acks"))
		acks = atoi(w[1]) != 0;
	else if (IS("quit"))
		exit(atoi(w[1]));
	else if (IS("die"))
		raise(atoi(w[1]));
	else if (IS("env"))
		report("env %s", getenv(w[1]) != NULL ? getenv(w[1]) : "(none)");
	else if (IS("echo"))
		report("%s", w[1]);
	else
		report("no such command: %s", w[0]);
#undef IS
}

static void
do_line(char *line)
{
	char *words[WORDS_MAX + 1], *word;
	size_t n = 0;

	while (n < WORDS_MAX && (word = strsep(&line, " ")) != NULL)
		if (*word != '\0')
			words[n++] = word;
	words[n] = NULL;
	if (n > 0)
		do_word(words, n);
}

/* The lines of the script, those for now or those for later. */
static void
do_script(bool now)
{
	char copy[sizeof(script)], *at = copy, *line;
	bool is_now;

	memcpy(copy, script, sizeof(copy));
	while ((line = strsep(&at, "\n")) != NULL) {
		is_now = strncmp(line, "now ", 4) == 0;
		if (is_now == now)
			do_line(line + (is_now ? 4 : 0));
	}
}

static void
keep_ready_fd(uint64_t inc)
{
	if (in.fd_count > 0 && inc < INCS_MAX)
		ready_fds[inc] = link_in_take_fd(&in, 0);
}

static void
hear(void)
{
	const uint64_t inc = in.h.inc;
	const struct link_hello *hello = in.body;
	const struct link_child *c = in.body;
	const struct link_spawned *s = in.body;
	const struct link_spawn_failed *f = in.body;
	const struct link_exited *x = in.body;
	const struct link_number *number = in.body;

	switch ((enum link_type)in.h.type) {
	case LINK_HELLO:
		report("hello last_inc=%" PRIu64 " instance=%" PRIu64 " starts=%u tracking=%u pid1=%u shutdown=%u cgroup=%s",
		       hello->last_inc, hello->instance, hello->engine_starts, hello->tracking, hello->is_pid1,
		       hello->shutdown_asked, link_text(&in.h, in.body));
		break;
	case LINK_CHILD:
		report("child %" PRIu64 " pid=%d exited=%u status=%d tree=%u fd=%u step=%u kind=%u name=%s", inc, c->pid,
		       c->exited, c->status, c->tree_left, c->has_ready_fd, c->last_signal_step, c->kind,
		       link_text(&in.h, in.body));
		keep_ready_fd(inc);
		break;
	case LINK_SPAWNED:
		report("spawned %" PRIu64 " pid=%d fd=%u", inc, s->pid, s->has_ready_fd);
		keep_ready_fd(inc);
		break;
	case LINK_SPAWN_FAILED:
		report("spawn_failed %" PRIu64 " step=%s error=%d", inc, spawn_step_name(f->step), f->error);
		break;
	case LINK_EXITED:
		report("exited %" PRIu64 " pid=%d status=%d tree=%u oom=%u", inc, x->pid, x->status, x->tree_left, x->oom);
		if (acks)
			tell_plain(LINK_ACK, inc, NULL, 0, NULL);
		break;
	case LINK_GOT_SIGNAL:
		report("got_signal %d", (int)number->number);
		break;
	case LINK_PING:
		report("ping");
		if (answers_pings)
			tell_plain(LINK_PONG, 0, NULL, 0, NULL);
		break;
	case LINK_TABLE_END:
		report("table_end");
		do_script(false);
		break;
	default:
		report("unexpected %s", link_type_name(in.h.type));
	}
}

static void
read_link(void)
{
	int got;

	while ((got = link_recv(ENGINE_FD_LINK, &in, false)) > 0)
		hear();
	if (got < 0)
		exit(errno == ECONNRESET ? 0 : 70);
}

static void
read_client(void)
{
	char *room = buf_reserve(&heard, 4096), *end;
	ssize_t n = recv(client, room, 4096, 0);

	if (n <= 0) {
		close(client);
		client = -1;
		buf_clear(&heard);
		return;
	}
	heard.len += (size_t)n;
	while ((end = memchr(heard.data, '\n', heard.len)) != NULL) {
		*end = '\0';
		do_line(heard.data);
		buf_consume(&heard, (size_t)(end - heard.data) + 1);
	}
}

static void
read_script(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, script, sizeof(script) - 1);

	if (n < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	close(fd);
}

int
main(int argc, char **argv)
{
	struct pollfd p[3];
	int i;

	for (i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "-c") == 0)
			read_script(argv[i + 1]);
	for (i = 1; i < argc; i++)
		if (strcmp(argv[i], "--check") == 0)
			return atoi(script);
	do_script(true);
	for (;;) {
		flush_said();
		p[0] = (struct pollfd){ .fd = ENGINE_FD_LINK, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = client < 0 ? ENGINE_FD_CONTROL : -1, .events = POLLIN };
		p[2] = (struct pollfd){ .fd = client, .events = (short)(POLLIN | (said.len > 0 ? POLLOUT : 0)) };
		if (poll(p, 3, -1) < 0)
			continue;
		if (p[0].revents)
			read_link();
		if (p[1].revents)
			client = accept4(ENGINE_FD_CONTROL, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		else if (p[2].revents & ~POLLOUT)
			read_client();
	}
}
