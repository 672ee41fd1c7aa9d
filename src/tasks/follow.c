/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tasks/task.h"

#include "base/base64.h"

#include <stdlib.h>
#include <string.h>

enum {
	PIECE = 48 * 1024,		/* of what is kept, in one reply */
	HIGH_WATER = 256 * 1024,	/* bytes that wait to be sent to one follower; beyond that a task waits as before a full pipe */
};

struct follower {
	struct task *task;
	struct serve_call *call;
	struct follower *next;
	enum follow_kind kind;
	struct timer *timer;		/* NULL: it waits as long as it takes */
	bool ending;			/* the task has ended, and what is kept of it is being said */
	bool told;			/* how it ended */
	bool answered;
	size_t at[2];			/* of what is kept: said so far */
};

static const char *const stream_names[2] = { "output", "error" };
static const char *const truncated_names[2] = { "output_truncated", "error_truncated" };

static json_t *
base64_of(const char *data, size_t len)
{
	struct buf b = { 0 };
	json_t *v = NULL;

	base64_add(&b, data, len);
	if (!b.failed)
		v = json_stringn(b.data ? b.data : "", b.len);
	buf_free(&b);
	return v;
}

static void
answer(struct follower *f, json_t *take_reply)
{
	f->answered = true;
	serve_reply(f->call, take_reply, false);
}

static json_t *
started_reply(const struct task *t)
{
	pid_t pid = t->job ? job_pid(t->job) : 0;

	return pid > 0 ? json_pack("{s:s, s:i}", "name", t->name, "pid", (int)pid) : json_pack("{s:s}", "name", t->name);
}

/* --- the end ----------------------------------------------------------------- */

/* with_kept: all of it in this one. */
static void
tell_result(struct follower *f, bool with_kept)
{
	const struct task *t = f->task;
	json_t *reply = json_pack("{s:s, s:O*}", "name", t->name, "result", t->result);
	unsigned i;

	for (i = 0; i < 2 && f->kind != FOLLOW_STOP; i++) {
		if (with_kept && t->kept[i].len > 0)
			json_object_set_new(reply, stream_names[i], base64_of(t->kept[i].data, t->kept[i].len));
		if (t->truncated[i])
			json_object_set_new(reply, truncated_names[i], json_true());
	}
	f->told = f->kind != FOLLOW_STOP;
	answer(f, reply);
}

/* Says what is kept, piece by piece, as fast as it is taken. */
static void
tell_kept(struct follower *f)
{
	const struct task *t = f->task;
	unsigned i;
	size_t len;

	for (i = 0; i < 2; i++) {
		while (f->at[i] < t->kept[i].len) {
			if (serve_pending(f->call) > HIGH_WATER)
				return;
			len = t->kept[i].len - f->at[i] < PIECE ? t->kept[i].len - f->at[i] : PIECE;
			serve_reply(f->call, json_pack("{s:s, s:o}", "name", t->name, stream_names[i],
						       base64_of(t->kept[i].data + f->at[i], len)), true);
			f->at[i] += len;
		}
	}
	tell_result(f, false);
}

static void
tell_end(struct follower *f)
{
	if (f->answered)
		return;
	if (f->timer != NULL)
		timer_at(f->timer, 0);
	f->ending = true;
	if (f->kind == FOLLOW_START)
		answer(f, started_reply(f->task));
	else if (f->kind == FOLLOW_STOP || f->task->owner == f || !f->call->more)
		tell_result(f, f->task->owner != f);
	else
		tell_kept(f);
}

void
follow_ended(struct task *t)
{
	struct follower *f;

	for (f = t->followers; f != NULL; f = f->next)
		tell_end(f);
}

void
follow_failed(struct task *t, const struct appctl_error *e)
{
	struct follower *f;
	json_t *parameters;

	for (f = t->followers; f != NULL; f = f->next) {
		if (f->answered)
			continue;
		f->answered = true;
		parameters = e->parameters ? json_incref(e->parameters) : json_pack("{s:s}", "message", e->message);
		serve_error(f->call, *e->name ? e->name : "Failed", parameters);
	}
}

/* --- what comes before ---------------------------------------------------------- */

void
follow_started(struct task *t)
{
	struct follower *f;

	for (f = t->followers; f != NULL; f = f->next) {
		if (f->kind == FOLLOW_START && !f->answered)
			answer(f, started_reply(t));
		else if (t->owner == f)
			serve_reply(f->call, started_reply(t), true);
	}
}

static void
hold(struct task *t, bool on)
{
	output_hold(&t->streams[0], on);
	output_hold(&t->streams[1], on);
}

void
follow_output(struct task *t, unsigned stream, const char *data, size_t len)
{
	struct serve_call *c = t->owner->call;

	serve_reply(c, json_pack("{s:s, s:o}", "name", t->name, stream_names[stream], base64_of(data, len)), true);
	if (serve_pending(c) > HIGH_WATER)
		hold(t, true);
}

/* --- followers --------------------------------------------------------------------- */

static void
let_go(struct follower *f)
{
	if (f->task->owner == f) {
		f->task->owner = NULL;
		hold(f->task, false);
	}
}

/* What becomes of a task whose caller has gone, or waits no longer. */
static void
unlink_caller(struct follower *f)
{
	struct task *t = f->task;

	let_go(f);
	if (f->kind == FOLLOW_OWNER && t->linked && t->state != TASK_DONE) {
		t->forgotten = true;
		task_stop(t);
	}
}

static void
too_late(void *arg)
{
	struct follower *f = arg;
	bool stopped = f->kind == FOLLOW_OWNER && f->task->linked;

	f->answered = true;
	serve_error(f->call, "TimedOut", json_pack("{s:s, s:b}", "name", f->task->name, "stopped", stopped));
	unlink_caller(f);
}

static void
room(void *state)
{
	struct follower *f = state;

	if (f->task->owner == f)
		hold(f->task, false);
	else if (f->ending && !f->answered)
		tell_kept(f);
}

static void
over(void *state, bool delivered)
{
	struct follower *f = state, **at;
	struct task *t = f->task;

	if (!f->answered)
		unlink_caller(f);
	let_go(f);
	for (at = &t->followers; *at != f; at = &(*at)->next)
		;
	*at = f->next;
	timer_free(f->timer);
	if ((delivered && f->told) || (f->kind == FOLLOW_OWNER && f->answered && t->linked) || t->forgotten)
		task_forget(t);
	free(f);
}

static const struct serve_hooks hooks = { room, over };

/* -1: no memory. */
static int
set_timeout(struct follower *f, const json_t *timeout)
{
	const double ms_max = 100 * 365.25 * 24 * 3600 * 1000;
	double ms = json_number_value(timeout) * 1000;

	if (!json_is_number(timeout) || ms > ms_max)
		return 0;
	f->timer = timer_new(tasks_loop(f->task->all), too_late, f);
	if (f->timer == NULL)
		return -1;
	timer_at(f->timer, clock_mono_ms() + (int64_t)(ms + 0.999));
	return 0;
}

void
follow(struct task *t, struct serve_call *c, enum follow_kind kind, const json_t *timeout)
{
	struct follower *f = calloc(1, sizeof(*f));

	if (f != NULL)
		*f = (struct follower){ .task = t, .call = c, .kind = kind, .next = t->followers };
	if (f == NULL || set_timeout(f, timeout) < 0) {
		free(f);
		serve_error(c, "Failed", json_pack("{s:s}", "message", "no memory"));
		return;
	}
	t->followers = f;
	c->hooks = &hooks;
	c->state = f;
	if (kind == FOLLOW_OWNER && c->more)
		t->owner = f;
	if (t->state == TASK_DONE)
		tell_end(f);
}
