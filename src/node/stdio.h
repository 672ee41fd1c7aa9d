/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"
#include "node/channel.h"
#include "node/terminal.h"

/*
 * A command's standard descriptors, joined with a channel: its stream 0 is the command's input, the command's output and error
 * are streams 1 and 2; with a terminal all output is stream 1.  Each way is as fast as the other side takes it, and
 * what is kept here is bounded by the channel's window.
 */
struct stdio;

/* All output has been passed on.  From the loop, or from within stdio_drain(). */
typedef void stdio_fn(void *arg);

/* terminal NULL: pipes.  theirs: the command's three descriptors, the caller's to close.  NULL: err. */
struct stdio *stdio_new(struct loop *l, const struct terminal_size *terminal, int theirs[3], struct err *err);
void stdio_free(struct stdio *s);		/* NULL is fine; a terminal hangs up */
/* The command is there.  From here on nobody but the command has its ends. */
void stdio_start(struct stdio *s, struct channel *c);
/* The channel is gone: input ends, and what comes is read, so that the command can go on, and goes nowhere. */
void stdio_leave(struct stdio *s);
/* The command has ended: passes on what is left of its output, then calls done. */
void stdio_drain(struct stdio *s, stdio_fn *done, void *arg);

/* What the channel's callbacks say. */
void stdio_data(struct stdio *s, const char *data, size_t len);
void stdio_end_input(struct stdio *s);
void stdio_has_room(struct stdio *s, unsigned stream);
void stdio_resize(struct stdio *s, const struct terminal_size *size);	/* nothing without a terminal */
