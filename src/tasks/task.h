/* SPDX-License-Identifier: MIT */
#pragma once

#include "job/job.h"
#include "serve/serve.h"
#include "tasks/output.h"
#include "tasks/settings.h"

#include <jansson.h>

/*
 * Tasks: what was asked for and what is known of it.  Each is a job (a transient application of appctld) that ends
 * with this program.  One that has ended lies here until someone has been told how, or it is too old, or one of
 * too many.  Calls that wait for a task are its followers.
 */
struct tasks;

enum task_state { TASK_STARTING, TASK_RUNNING, TASK_DONE };

enum { TASK_NAME_MAX = 64 };

struct task {
	struct tasks *all;
	struct task *next, *prev;	/* in the order of their start */
	char name[TASK_NAME_MAX];
	json_t *args;			/* of the call that started it */
	enum task_state state;
	bool linked;			/* its caller's connection is its life */
	bool forgotten;			/* goes when nobody follows it any more */
	struct job *job;		/* NULL: it has ended */
	int64_t since_us, ended_us, ended_ms;
	struct output streams[2];
	struct buf kept[2];
	bool truncated[2];
	json_t *result;			/* when it is done */
	struct follower *owner;		/* who is given its output as it comes; NULL: it is kept */
	struct follower *followers;
};

/* runtime_dir and s are borrowed.  self: the application that this is, NULL: none.  NULL: no memory. */
struct tasks *tasks_new(struct loop *l, const char *runtime_dir, const char *self, const struct tasks_settings *s);
void tasks_free(struct tasks *all);
struct loop *tasks_loop(const struct tasks *all);

struct task *tasks_first(const struct tasks *all);
struct task *tasks_find(const struct tasks *all, const char *name);	/* NULL: none that can be asked for */

/*
 * Has it started, with the arguments of Run or Start.  NULL: c was answered with why not.  A failure to start comes to
 * the followers, and the task is gone.
 */
struct task *task_start(struct tasks *all, struct serve_call *c);
void task_stop(struct task *t);
/* Drops it, at once or when the last that follows it has its answer. */
void task_forget(struct task *t);
size_t task_kept(const struct task *t);

/* follow.c: a call that waits for a task. */
enum follow_kind {
	FOLLOW_START,			/* for its start alone */
	FOLLOW_OWNER,			/* Run: its output goes here as it comes, or is kept for the end; the task may be linked to it */
	FOLLOW_END,			/* Await */
	FOLLOW_STOP,			/* Stop: its result, no output */
};
/* timeout: a number of seconds; NULL, or JSON null: none. */
void follow(struct task *t, struct serve_call *c, enum follow_kind kind, const json_t *timeout);
/* What the task tells: it has started; came this; has ended, or never will start (e). */
void follow_started(struct task *t);
void follow_output(struct task *t, unsigned stream, const char *data, size_t len);
void follow_ended(struct task *t);
void follow_failed(struct task *t, const struct appctl_error *e);

/* methods.c */
extern const struct serve_method tasks_methods[];
extern const size_t tasks_method_count;
