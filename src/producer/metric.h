/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "loop/loop.h"
#include "producer/outbox.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * An operator's own command whose output is collected: a custom metric (it prints a JSON object, or an array of them: rows of table
 * custom_NAME) or the node's status (a text: table node_status).  It runs beside the loop, one run at a
 * time, with nothing on standard input and standard error as ours; its whole process group is killed when it ends, when
 * the time is over or when it prints too much.
 */
struct metric;

struct metric_settings {
	const char *name;		/* of the metric; NULL: the node's status */
	const char *const *argv;	/* ends with NULL; argv[0] is looked up in PATH.  A shell is what says so: {"/bin/sh", "-c", …} */
	unsigned timeout_ms;		/* 0: 5000 */
	size_t output_max;		/* bytes; 0: 64 KiB */
};

/* A run has ended, well or not: metric_write() tells. */
typedef void metric_fn(void *arg, struct metric *m);

/* settings and what they point to are borrowed.  NULL: err says why (a name that is none, no memory). */
struct metric *metric_new(struct loop *l, const struct metric_settings *s, metric_fn *ended, void *arg, struct err *err);
/* Ends a run that goes on, without ended().  NULL is fine. */
void metric_free(struct metric *m);

/* Begins a run.  -1: err says why; EBUSY: the last one still goes on. */
int metric_start(struct metric *m, struct err *err);
const char *metric_name(const struct metric *m);	/* "status" for the node's */
/*
 * Adds the batch of the run that has ended.  -1: err says why there is none: what the command ended with, that it took too long or
 * printed too much, or where its output is not what it should be.
 */
int metric_write(struct metric *m, struct outbox *out, struct err *err);
