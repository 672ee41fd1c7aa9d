/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * One stream of a task: a pipe whose other end is the task's.  What comes is handed on as it comes; reading
 * can be held, then the task waits as before any full pipe.
 */
typedef void output_fn(void *arg, unsigned stream, const char *data, size_t len);

struct output {			/* zero-initialise */
	int fd;			/* where watch is there */
	unsigned stream;	/* 0: output, 1: error */
	struct watch *watch;
	output_fn *fn;
	void *arg;
};

/* *write_end: the task's, the caller's to close.  -1: errno. */
int output_open(struct output *o, struct loop *l, unsigned stream, int *write_end, output_fn *fn, void *arg);
void output_hold(struct output *o, bool hold);
/* Hands on what is in the pipe now and closes it. */
void output_finish(struct output *o);
