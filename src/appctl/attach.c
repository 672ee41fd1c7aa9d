/* SPDX-License-Identifier: MIT */
#include "appctl/attach.h"

#include "appctl/output.h"
#include "appctl/raw.h"
#include "base/buf.h"
#include "sys/program.h"
#include "wire/record.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	WINDOW = 256 * 1024,		/* bytes of input that may be on their way */
	READ_SIZE = 64 * 1024,
	PIPE_WRITE = 4096,		/* what poll(2) promises that a pipe takes */
	SUSPEND_KEY = 26,
};

enum { AT_CHANNEL, AT_INPUT, AT_SIGNALS, AT_OUTPUT, PLACES };

struct session {
	int fd, signals;
	bool terminal, raw;
	struct buf in, out;		/* what came, what goes */
	size_t room;			/* that the command gives for input */
	bool input_ended;
	int output_fd;			/* where the record at the start of `in` goes; -1: none is being written */
	size_t written;			/* of its payload */
	bool line_begins, tilde;	/* keys */
	bool over;
	bool gone;			/* the channel; what came over it may still have to be written */
	struct attach_end *end;
};

static const struct { int signo; const char *name; } passed_on[] = {
	{ SIGINT, "INT" }, { SIGTERM, "TERM" }, { SIGQUIT, "QUIT" }, { SIGHUP, "HUP" },
};

/* -- to the command -- */

static void
put(struct session *s, enum record_type type, const void *payload, size_t len)
{
	record_write(&s->out, type, 0, 0, payload, len);
	if (s->out.failed)
		no_memory();
}

static void
tell(struct session *s, json_t *take_message)
{
	char *text = json_dumps(need_json(take_message), JSON_COMPACT);

	if (text == NULL)
		no_memory();
	put(s, RECORD_TELL, text, strlen(text));
	free(text);
	json_decref(take_message);
}

static void
tell_size(struct session *s)
{
	int rows, columns;

	window_size(&rows, &columns);
	if (rows > 0 && columns > 0)
		tell(s, json_pack("{s:{s:i, s:i}}", "resize", "rows", rows, "columns", columns));
}

static void
end_input(struct session *s)
{
	if (!s->input_ended)
		put(s, RECORD_END, NULL, 0);
	s->input_ended = true;
}

static void
give_up(struct session *s, int signo)
{
	s->end->gave_up = signo;
	s->over = true;
}

/* Stops as other programs do, and goes on when it is continued. */
static void
suspend(struct session *s)
{
	raw_end();
	program_stop_self();
	raw_again();
	tell_size(s);
}

/* The key behind a tilde at the beginning of a line.  Bytes for the command in out. */
static size_t
escape(struct session *s, char key, char out[2])
{
	size_t n = 0;

	if (key == '.') {
		give_up(s, SIGHUP);
		return 0;
	}
	if (key == SUSPEND_KEY) {
		suspend(s);
		return 0;
	}
	out[n++] = '~';
	if (key != '~')
		out[n++] = key;
	return n;
}

/* What of these keys the command gets: room for one more than len in out. */
static size_t
take_keys(struct session *s, const char *keys, size_t len, char *out)
{
	size_t i, n = 0;

	for (i = 0; i < len && !s->over; i++) {
		if (s->tilde) {
			s->tilde = false;
			n += escape(s, keys[i], out + n);
		} else if (s->line_begins && keys[i] == '~') {
			s->tilde = true;
			continue;
		} else {
			out[n++] = keys[i];
		}
		s->line_begins = keys[i] == '\r' || keys[i] == '\n';
	}
	return n;
}

static void
read_input(struct session *s)
{
	char keys[READ_SIZE], passed[READ_SIZE + 1];
	size_t max = s->room - 1 < sizeof(keys) ? s->room - 1 : sizeof(keys);
	ssize_t n = read(STDIN_FILENO, keys, max);
	size_t len;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_input(s);
		return;
	}
	len = s->raw ? take_keys(s, keys, (size_t)n, passed) : (size_t)n;
	if (len > 0)
		put(s, RECORD_DATA, s->raw ? passed : keys, len);
	s->room -= len;
}

static void
send_some(struct session *s)
{
	ssize_t n = send(s->fd, s->out.data, s->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		buf_consume(&s->out, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		buf_clear(&s->out);	/* reading says what is the matter */
}

/* -- from the command -- */

static size_t
write_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? READ_SIZE : PIPE_WRITE;
}

static void
record_done(struct session *s, const struct record *r)
{
	buf_consume(&s->in, RECORD_HEAD + r->len);
	s->output_fd = -1;
	s->written = 0;
}

/* -1: e. */
static int
take_record(struct session *s, const struct record *r, struct appctl_error *e)
{
	if (r->type == RECORD_DATA && (r->stream == 1 || r->stream == 2)) {
		s->output_fd = r->stream == 1 ? STDOUT_FILENO : STDERR_FILENO;
		return 0;
	}
	if (r->type == RECORD_CREDIT && r->stream == 0)
		s->room += record_credit(r);
	if (r->type == RECORD_CLOSE) {
		s->end->how = json_loadb(r->payload, r->len, 0, NULL);
		s->over = true;
	}
	record_done(s, r);
	(void)e;
	return 0;
}

/* Records, up to one that has to be written out.  -1: e. */
static int
take_records(struct session *s, struct appctl_error *e)
{
	struct record r;
	struct err err;
	ssize_t n;

	while (s->output_fd < 0 && !s->over) {
		n = record_read(s->in.data, s->in.len, &r, &err);
		if (n == 0)
			return 0;
		if (n < 0) {
			e->status = APPCTL_FAILED;
			snprintf(e->message, sizeof(e->message), "appctl-node sent what is no record: %s", err.msg);
			return -1;
		}
		if (take_record(s, &r, e) < 0)
			return -1;
	}
	return 0;
}

/* -1: e. */
static int
write_some(struct session *s, struct appctl_error *e)
{
	struct record r;
	struct err err;
	size_t len, max = write_size(s->output_fd);
	ssize_t n;

	if (record_read(s->in.data, s->in.len, &r, &err) <= 0)
		return 0;
	len = r.len - s->written;
	n = write(s->output_fd, r.payload + s->written, len < max ? len : max);
	if (n < 0 && errno == EPIPE) {
		give_up(s, SIGPIPE);
		return 0;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		e->status = APPCTL_FAILED;
		snprintf(e->message, sizeof(e->message), "standard %s: %s", s->output_fd == STDOUT_FILENO ? "output" : "error", strerror(errno));
		return -1;
	}
	if (n > 0)
		s->written += (size_t)n;
	if (s->written == r.len)
		record_done(s, &r);
	return take_records(s, e);
}

static int
read_channel(struct session *s, struct appctl_error *e)
{
	char *room = buf_reserve(&s->in, READ_SIZE);
	ssize_t n;

	if (room == NULL)
		no_memory();
	n = recv(s->fd, room, READ_SIZE, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		s->gone = true;
		return 0;
	}
	s->in.len += (size_t)n;
	return take_records(s, e);
}

/* Nothing more comes, and what came does not say how it ended. */
static int
broke(struct appctl_error *e)
{
	e->status = APPCTL_FAILED;
	snprintf(e->name, sizeof(e->name), "%s", APPCTL_OUTCOME_UNKNOWN);
	snprintf(e->message, sizeof(e->message), "outcome unknown: this node's appctl-node has gone");
	return -1;
}

/* -- signals -- */

static void
take_signal(struct session *s, int signo)
{
	size_t i;

	if (signo == SIGWINCH) {
		tell_size(s);
	} else if (signo == SIGTSTP) {
		suspend(s);
	} else if (signo == SIGCONT) {
		raw_again();
		tell_size(s);
	} else if (s->terminal) {
		give_up(s, signo);
	} else {
		for (i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
			if (passed_on[i].signo == signo)
				tell(s, json_pack("{s:s}", "signal", passed_on[i].name));
	}
}

static void
read_signals(struct session *s)
{
	struct signalfd_siginfo info;

	while (!s->over && read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		take_signal(s, (int)info.ssi_signo);
}

static int
catch_signals(bool terminal, bool raw)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(&set, passed_on[i].signo);
	if (terminal)
		sigaddset(&set, SIGWINCH);
	if (raw) {
		sigaddset(&set, SIGTSTP);
		sigaddset(&set, SIGCONT);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* -- the loop -- */

/* One wait, and what is to be done after it.  -1: e. */
static int
turn(struct session *s, struct appctl_error *e)
{
	bool wants_input = !s->input_ended && s->room > 1 && s->out.len < WINDOW, full = s->gone || (s->output_fd >= 0 && s->in.len > WINDOW);
	struct pollfd p[PLACES] = {
		[AT_CHANNEL] = { .fd = s->gone || (full && s->out.len == 0) ? -1 : s->fd, .events = (short)((full ? 0 : POLLIN) | (s->out.len > 0 ? POLLOUT : 0)) },
		[AT_INPUT] = { .fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN },
		[AT_SIGNALS] = { .fd = s->signals, .events = POLLIN },
		[AT_OUTPUT] = { .fd = s->output_fd, .events = POLLOUT },
	};

	if (s->gone && s->output_fd < 0)
		return broke(e);
	if (poll(p, PLACES, -1) < 0)
		return 0;
	if (p[AT_SIGNALS].revents != 0)
		read_signals(s);
	if (p[AT_OUTPUT].revents != 0 && write_some(s, e) < 0)
		return -1;
	if (p[AT_INPUT].revents != 0 && !s->over)
		read_input(s);
	if (s->out.len > 0 && !s->gone)
		send_some(s);
	if ((p[AT_CHANNEL].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !full && !s->over)
		return read_channel(s, e);
	return 0;
}

int
attach(int take_fd, bool terminal, struct attach_end *end, struct appctl_error *e)
{
	struct session s = { .fd = take_fd, .terminal = terminal, .room = WINDOW, .output_fd = -1, .line_begins = true, .end = end };
	int r = 0;

	s.raw = terminal && raw_begin();
	s.signals = catch_signals(terminal, s.raw);
	if (terminal)
		tell_size(&s);		/* it may have changed since it was asked for */
	while (r == 0 && !s.over)
		r = turn(&s, e);
	raw_end();
	close(s.signals);
	close(s.fd);
	buf_free(&s.in);
	buf_free(&s.out);
	return r;
}
