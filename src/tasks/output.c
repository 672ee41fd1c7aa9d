/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tasks/output.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>

enum { CHUNK = 64 * 1024 };

/* 1: some came; 0: none now; -1: there will be none. */
static int
take_chunk(struct output *o)
{
	static char chunk[CHUNK];
	ssize_t len = read(o->fd, chunk, sizeof(chunk));

	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (len == 0)
		return -1;
	o->fn(o->arg, o->stream, chunk, (size_t)len);
	return 1;
}

static void
output_close(struct output *o)
{
	if (o->watch == NULL)
		return;
	watch_free(take_ptr(&o->watch));
	close(o->fd);
}

static void
readable(void *arg, int what)
{
	struct output *o = arg;

	(void)what;
	if (take_chunk(o) < 0)
		output_close(o);
}

int
output_open(struct output *o, struct loop *l, unsigned stream, int *write_end, output_fn *fn, void *arg)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*o = (struct output){ .fd = ends[0], .stream = stream, .fn = fn, .arg = arg };
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
		o->watch = watch_new(l, ends[0], LOOP_READ, readable, o);
	if (o->watch == NULL) {
		close(ends[0]);
		close(ends[1]);
		errno = ENOMEM;
		return -1;
	}
	*write_end = ends[1];
	return 0;
}

void
output_hold(struct output *o, bool hold)
{
	if (o->watch != NULL)
		watch_set(o->watch, hold ? 0 : LOOP_READ);
}

void
output_finish(struct output *o)
{
	while (o->watch != NULL && take_chunk(o) > 0)
		;
	output_close(o);
}
