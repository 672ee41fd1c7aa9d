/* SPDX-License-Identifier: MIT */
#pragma once

#include "loop/loop.h"
#include "producer/outbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Follows appctld's events, so that each is collected once: the note that is kept with a batch of them says
 * where to go on, through the end of this program and of appctld.  Without an appctld it waits for one.
 */
struct follow;

/* What follows asks of whoever has it. */
struct follow_handler {
	/* A batch of events is to be kept: an outbox to write it into, then done with the note to keep with it.  done: -1 where it could not. */
	struct outbox *(*begin)(void *arg);
	int (*done)(void *arg, const char *note);
	/* As they are: an application's main process, its end (pid 0), and, of those that happened just now, a failure. */
	void (*process)(void *arg, const char *application, pid_t pid);
	void (*failed)(void *arg, const char *instance, int64_t number, const char *application, const char *reason);
};

/* runtime_dir: NULL: found as the command line does.  note: the last one that was kept.  NULL: no memory. */
struct follow *follow_new(struct loop *l, const char *runtime_dir, const char *note, const struct follow_handler *h, void *arg);
void follow_free(struct follow *f);			/* NULL is fine */
