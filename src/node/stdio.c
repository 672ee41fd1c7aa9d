/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/stdio.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { STREAM_IN, STREAM_OUT, STREAM_ERR, CHUNK = 64 * 1024, READS_PER_TURN = 4 };

/* Output of the command. */
struct source {
	struct stdio *s;
	unsigned stream;
	int fd;				/* -1: it has ended */
	struct watch *watch;
};

struct stdio {
	struct loop *loop;
	struct channel *channel;	/* NULL: not yet, or no more */
	bool terminal;
	struct source out[2];
	int in_fd;			/* -1: nobody reads there */
	struct watch *in_watch;
	struct buf in;			/* what the command has not taken */
	bool in_ended;			/* and no more comes */
	char in_last;			/* the last byte it was given */
	stdio_fn *done;			/* draining */
	void *done_arg;
};

/* -- making them -- */

static int
open_pipe(int *reader, int *writer, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, errno, "pipe");
	*reader = fds[0];
	*writer = fds[1];
	return 0;
}

static void
close_all(int *fds, size_t n)
{
	while (n-- > 0) {
		if (fds[n] >= 0)
			close(fds[n]);
		fds[n] = -1;
	}
}

/* Only our ends do not block: the command's are descriptions of their own. */
static int
open_pipes(struct stdio *s, int theirs[3], struct err *err)
{
	if (open_pipe(&theirs[0], &s->in_fd, err) < 0 || open_pipe(&s->out[0].fd, &theirs[1], err) < 0 ||
	    open_pipe(&s->out[1].fd, &theirs[2], err) < 0)
		return -1;
	fcntl(s->in_fd, F_SETFL, O_NONBLOCK);
	fcntl(s->out[0].fd, F_SETFL, O_NONBLOCK);
	fcntl(s->out[1].fd, F_SETFL, O_NONBLOCK);
	return 0;
}

static int
open_terminal(struct stdio *s, const struct terminal_size *size, int theirs[3], struct err *err)
{
	if (terminal_open(size, &s->in_fd, &theirs[0], err) < 0)
		return -1;
	s->terminal = true;
	s->out[0].fd = fcntl(s->in_fd, F_DUPFD_CLOEXEC, 3);
	theirs[1] = fcntl(theirs[0], F_DUPFD_CLOEXEC, 3);
	theirs[2] = fcntl(theirs[0], F_DUPFD_CLOEXEC, 3);
	return s->out[0].fd < 0 || theirs[1] < 0 || theirs[2] < 0 ? err_set(err, errno, "terminal") : 0;
}

static void source_readable(void *arg, int what);
static void input_writable(void *arg, int what);

static int
watch_ours(struct stdio *s, struct err *err)
{
	int i;

	s->in_watch = watch_new(s->loop, s->in_fd, 0, input_writable, s);
	for (i = 0; i < 2 && s->out[i].fd >= 0; i++) {
		s->out[i].watch = watch_new(s->loop, s->out[i].fd, 0, source_readable, &s->out[i]);
		if (s->out[i].watch == NULL)
			return err_set(err, ENOMEM, "standard descriptors");
	}
	return s->in_watch != NULL ? 0 : err_set(err, ENOMEM, "standard descriptors");
}

struct stdio *
stdio_new(struct loop *l, const struct terminal_size *terminal, int theirs[3], struct err *err)
{
	struct stdio *s = calloc(1, sizeof(*s));
	int i;

	theirs[0] = theirs[1] = theirs[2] = -1;
	if (s == NULL) {
		err_set(err, ENOMEM, "standard descriptors");
		return NULL;
	}
	s->loop = l;
	s->in_fd = -1;
	for (i = 0; i < 2; i++)
		s->out[i] = (struct source){ s, STREAM_OUT + (unsigned)i, -1, NULL };
	if ((terminal != NULL ? open_terminal(s, terminal, theirs, err) : open_pipes(s, theirs, err)) == 0 && watch_ours(s, err) == 0)
		return s;
	close_all(theirs, 3);
	stdio_free(s);
	return NULL;
}

static void
source_close(struct source *o)
{
	watch_free(o->watch);
	o->watch = NULL;
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}

static void
input_close(struct stdio *s)
{
	watch_free(s->in_watch);
	s->in_watch = NULL;
	if (s->in_fd >= 0)
		close(s->in_fd);
	s->in_fd = -1;
	buf_free(&s->in);
}

void
stdio_free(struct stdio *s)
{
	if (s == NULL)
		return;
	input_close(s);
	source_close(&s->out[0]);
	source_close(&s->out[1]);
	free(s);
}

/* -- output -- */

/* What the channel takes now; without one, all. */
static size_t
room_for(const struct source *o)
{
	size_t room = o->s->channel != NULL ? channel_room(o->s->channel, o->stream) : CHUNK;

	return room < CHUNK ? room : CHUNK;
}

static void
tell_if_drained(struct stdio *s)
{
	stdio_fn *done = s->done;

	if (done == NULL || s->out[0].fd >= 0 || s->out[1].fd >= 0)
		return;
	s->done = NULL;
	done(s->done_arg);
}

static void
source_end(struct source *o)
{
	struct stdio *s = o->s;

	if (s->channel != NULL)
		channel_finish(s->channel, o->stream);
	source_close(o);
	tell_if_drained(s);
}

/* Passes on what there is.  Of a command that has ended, nothing for now is the end. */
static void
source_read(struct source *o)
{
	static char chunk[CHUNK];
	size_t room = 0;
	ssize_t n = 1;
	int i;

	for (i = 0; i < READS_PER_TURN && n > 0 && (room = room_for(o)) > 0; i++) {
		n = read(o->fd, chunk, room);
		if (n > 0 && o->s->channel != NULL)
			channel_write(o->s->channel, o->stream, chunk, (size_t)n);
	}
	if (n == 0 || (n < 0 && errno != EINTR && (errno != EAGAIN || o->s->done != NULL)))
		source_end(o);
	else
		watch_set(o->watch, room_for(o) > 0 ? LOOP_READ : 0);
}

static void
source_readable(void *arg, int what)
{
	(void)what;
	source_read(arg);
}

void
stdio_has_room(struct stdio *s, unsigned stream)
{
	struct source *o;

	if (stream != STREAM_OUT && stream != STREAM_ERR)
		return;
	o = &s->out[stream - STREAM_OUT];
	if (o->fd >= 0)
		watch_set(o->watch, LOOP_READ);
}

/* -- input -- */

static void
took(struct stdio *s, size_t len)
{
	if (s->channel != NULL && len > 0)
		channel_took(s->channel, STREAM_IN, len);
}

/* Nobody reads there any more: what comes is dropped. */
static void
input_gone(struct stdio *s)
{
	took(s, s->in.len);
	input_close(s);
}

static void
end_terminal_input(struct stdio *s)
{
	char ends[2];
	int n = terminal_end_of_input(s->in_fd, s->in_last, ends);

	s->in_ended = false;		/* said once */
	if (n > 0 && write(s->in_fd, ends, (size_t)n) < 0)
		input_gone(s);
}

static void
input_drained(struct stdio *s)
{
	if (!s->in_ended)
		return;
	if (s->terminal)
		end_terminal_input(s);
	else
		input_close(s);
}

/* As much as the command takes of data.  -1: it is gone. */
static ssize_t
input_write(struct stdio *s, const char *data, size_t len)
{
	ssize_t n = write(s->in_fd, data, len);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n > 0)
		s->in_last = data[n - 1];
	return n;
}

static void
input_writable(void *arg, int what)
{
	struct stdio *s = arg;
	ssize_t n = input_write(s, s->in.data, s->in.len);

	(void)what;
	if (n < 0) {
		input_gone(s);
		return;
	}
	took(s, (size_t)n);
	buf_consume(&s->in, (size_t)n);
	if (s->in.len > 0)
		return;
	buf_free(&s->in);
	watch_set(s->in_watch, 0);
	input_drained(s);
}

void
stdio_data(struct stdio *s, const char *data, size_t len)
{
	ssize_t n = 0;

	if (s->in_fd >= 0 && s->in.len == 0)
		n = input_write(s, data, len);
	if (s->in_fd >= 0 && n >= 0 && (size_t)n < len)
		buf_add(&s->in, data + n, len - (size_t)n);
	if (s->in_fd < 0 || n < 0 || s->in.failed) {
		input_gone(s);
		took(s, len);
		return;
	}
	took(s, (size_t)n);
	if (s->in.len > 0)
		watch_set(s->in_watch, LOOP_WRITE);
	else
		input_drained(s);
}

void
stdio_end_input(struct stdio *s)
{
	s->in_ended = true;
	if (s->in_fd >= 0 && s->in.len == 0)
		input_drained(s);
}

/* -- the whole -- */

void
stdio_start(struct stdio *s, struct channel *c)
{
	int i;

	s->channel = c;
	for (i = 0; i < 2; i++)
		if (s->out[i].fd >= 0)
			watch_set(s->out[i].watch, LOOP_READ);
}

void
stdio_leave(struct stdio *s)
{
	int i;

	s->channel = NULL;
	if (!s->terminal)
		input_close(s);		/* a terminal that closed would hang up */
	for (i = 0; i < 2; i++)
		if (s->out[i].fd >= 0)
			watch_set(s->out[i].watch, LOOP_READ);
}

void
stdio_drain(struct stdio *s, stdio_fn *done, void *arg)
{
	struct source *o;
	int i;

	input_gone(s);
	s->done = done;
	s->done_arg = arg;
	for (i = 0; i < 2 && s->done != NULL; i++) {
		o = &s->out[i];
		if (o->fd >= 0)
			watch_set(o->watch, LOOP_READ);
	}
	if (s->done != NULL && s->out[0].fd < 0 && s->out[1].fd < 0)
		tell_if_drained(s);
}

void
stdio_resize(struct stdio *s, const struct terminal_size *size)
{
	if (s->terminal && s->in_fd >= 0)
		terminal_resize(s->in_fd, size);
}
