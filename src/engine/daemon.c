/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/log.h"
#include "engine/shell.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETURN_MS = 500, STATE_RETRY_MS = 1000 };

static bool exit_was_ordered;	/* the keeper was told to end: that it does is no fault */

void
daemon_give_up(const char *why)
{
	if (exit_was_ordered)
		exit(EXIT_SUCCESS);
	log_write(LOG_ENGINE, LOG_LEVEL_ERROR, "%s: this engine ends, the next one goes on from the state", why);
	exit(EXIT_FAILURE);
}

void
daemon_at(struct daemon *d)
{
	engine_at(d->engine, (struct moment){ .mono_ms = clock_mono_ms(), .real_us = clock_real_us() });
}

void
daemon_spawn_failed(struct daemon *d, uint64_t inc, const char *step, int error)
{
	const struct spawn_failure f = { .inc = inc, .step = step, .error = error };

	buf_add(&d->shell->failures, &f, sizeof(f));
	if (d->shell->failures.failed)
		daemon_give_up("no memory to note a failed start");
}

static void
save_gone(struct daemon *d)
{
	const struct effects *fx = engine_effects(d->engine);
	const struct app *a;
	size_t i;

	for (i = 0; i < fx->n; i++) {
		if (fx->v[i].type != EFFECT_FORGET)
			continue;
		a = fx->v[i].app;
		state_append(d->state, STATE_APP_GONE, a->name, strlen(a->name) + 1, NULL, 0);
	}
}

static void
save_changed(struct daemon *d)
{
	struct engine_saved self;
	struct app_saved saved;
	struct app *a;

	save_gone(d);		/* first: a new application may have come by the name of one that left */
	while ((a = engine_take_dirty(d->engine)) != NULL) {
		engine_save_app(a, &saved);
		state_append(d->state, STATE_APP, &saved, app_saved_size(&saved), NULL, 0);
	}
	if (engine_take_dirty_self(d->engine)) {
		engine_save(d->engine, &self);
		state_append(d->state, STATE_ENGINE, &self, sizeof(self), NULL, 0);
	}
}

/* Into the state and, unseen until publisher_flush(), into the ring. */
static void
put_events(struct daemon *d, const struct effects *fx)
{
	struct buf line = { 0 };
	size_t i;

	for (i = 0; i < fx->n; i++) {
		const struct event *ev = &fx->v[i].event;
		const struct state_event head = { .seq = ev->seq, .category = ev->category };

		if (fx->v[i].type != EFFECT_EVENT)
			continue;
		buf_clear(&line);
		event_print(ev, d->node, &line);
		if (line.failed)
			daemon_give_up("no memory for an event");
		state_append(d->state, STATE_EVENT, &head, sizeof(head), line.data, line.len);
		publisher_add(d->publisher, ev, line.data, line.len);
	}
	buf_free(&line);
}

static void
send_signal(struct daemon *d, const struct effect *fx)
{
	const struct link_signal body = { .signo = fx->signo, .step = fx->step, .whole_tree = fx->whole_tree };

	keeper_say(d->link, LINK_SIGNAL, fx->inc, &body, sizeof(body), NULL);
}

static void
send_label(struct daemon *d, const struct effect *fx)
{
	const struct link_label body = {
		.stop_signal = fx->app->def->stop_signal,
		.shutdown_ms = fx->app->def->shutdown_ms,
	};

	keeper_say(d->link, LINK_RELABEL, fx->inc, &body, sizeof(body), NULL);
}

/* A shutdown leaves the empty cgroups to the keeper's own end. */
static bool
needs_cgroup_again(const struct daemon *d, const struct app *a)
{
	if (a == NULL)
		return false;
	return engine_shutting_down(d->engine) || !(app_at_rest(a) && a->state != APP_BACKOFF && a->state != APP_WAITING);
}

/* Nothing of that incarnation is needed any more. */
static void
acknowledge(struct daemon *d, const struct effect *fx)
{
	ready_drop(d, fx->inc);
	tree_forget(d, fx->inc);
	keeper_say(d->link, needs_cgroup_again(d, fx->app) ? LINK_ACK_AGAIN : LINK_ACK, fx->inc, NULL, 0, NULL);
}

/* An awaited answer may be followed by a look at the events: they go first. */
static void
answer(struct daemon *d, const struct effect *fx)
{
	publisher_flush(d->publisher);
	control_answer(d->control, fx->token, fx->outcome);
}

void
daemon_leave(void *arg)
{
	struct daemon *d = arg;

	publisher_flush(d->publisher);
	exit_was_ordered = true;
	keeper_say_number(d->link, LINK_EXIT, 0, d->shell->exit_code);
}

/*
 * Whoever follows the events is to see the last one: the keeper ends this process next.  Those whose engine has just
 * died are on their way here.
 */
static void
order_exit(struct daemon *d, int code)
{
	struct shell *sh = d->shell;

	sh->exit_code = code;
	if (d->hello.engine_starts > 1 && clock_mono_ms() - sh->began_ms < RETURN_MS)
		timer_at(sh->leave, sh->began_ms + RETURN_MS);
	else
		daemon_leave(d);
}

static void
carry_out(struct daemon *d, const struct effect *fx)
{
	switch (fx->type) {
	case EFFECT_EVENT:
		break;
	case EFFECT_SPAWN:
		child_spawn(d, fx->app, fx->kind, fx->inc, NULL);
		break;
	case EFFECT_SIGNAL:
		send_signal(d, fx);
		break;
	case EFFECT_WATCH_TREE:
		tree_watch(d, fx->app);
		break;
	case EFFECT_ACK:
		acknowledge(d, fx);
		break;
	case EFFECT_READ_PIDFILE:
		tree_read_pidfile(d, fx->app);
		break;
	case EFFECT_ADOPT:
		keeper_say_number(d->link, LINK_ADOPT, fx->inc, fx->pid);
		break;
	case EFFECT_RELABEL:
		send_label(d, fx);
		break;
	case EFFECT_FORGET:
		child_forget(d, fx->app);
		break;
	case EFFECT_ANSWER:
		answer(d, fx);
		break;
	case EFFECT_EXIT:
		order_exit(d, fx->code);
		break;
	}
}

/* State first, effects second: whoever kills this process in between, the next engine knows what was decided. */
static void
settle_effects(struct daemon *d)
{
	size_t i;

	if (engine_out_of_memory(d->engine))
		daemon_give_up("no memory");
	put_events(d, engine_effects(d->engine));
	save_changed(d);
	state_commit(d->state);
	for (i = 0; i < engine_effects(d->engine)->n; i++)
		carry_out(d, &engine_effects(d->engine)->v[i]);
	engine_effects_done(d->engine);
}

/* What went wrong while effects were carried out is told one at a time, each settled before the next. */
static bool
tell_failure(struct daemon *d)
{
	struct buf *queue = &d->shell->failures;
	struct spawn_failure f;

	if (queue->len == 0) {
		buf_free(queue);
		return false;
	}
	memcpy(&f, queue->data, sizeof(f));
	buf_consume(queue, sizeof(f));
	daemon_at(d);
	engine_spawn_failed(d->engine, f.inc, f.step, f.error);
	return true;
}

/* What a service manager above appctld is told. */
static void
tell_manager(struct daemon *d)
{
	static const char *const state_names[] = { "changing to", "in", "cannot reach" };
	struct shell *sh = d->shell;
	char status[sizeof(sh->status)];
	const char *mode = engine_mode(d->engine);

	if (engine_shutting_down(d->engine)) {
		if (!sh->stopping_said)
			keeper_say(d->link, LINK_STOPPING, 0, NULL, 0, NULL);
		sh->stopping_said = true;
		return;
	}
	snprintf(status, sizeof(status), "%s mode %s", state_names[engine_mode_state(d->engine)], mode ? mode : "(all)");
	if (strcmp(status, sh->status) != 0) {
		strcpy(sh->status, status);
		keeper_say(d->link, LINK_STATUS, 0, NULL, 0, status);
	}
	if (!sh->stable_said && engine_mode_state(d->engine) != MODE_CHANGING) {
		sh->stable_said = true;
		keeper_say(d->link, LINK_STABLE, 0, NULL, 0, NULL);
		malloc_trim(0);		/* starting took more than staying up does */
	}
}

void
daemon_settle(struct daemon *d)
{
	struct shell *sh = d->shell;

	if (sh->settling)
		return;		/* called while effects are carried out: the loop below sees to it */
	sh->settling = true;
	keeper_gather(d->link, true);
	do
		settle_effects(d);
	while (tell_failure(d) || engine_effects(d->engine)->n > 0);
	keeper_gather(d->link, false);
	sh->settling = false;
	if (sh->batch > 0)
		return;
	child_drop_ended(d);
	publisher_flush(d->publisher);
	tell_manager(d);
	state_compact(d);
	timer_at(sh->rewrite, state_lags(d->state) ? clock_mono_ms() + STATE_RETRY_MS : 0);
	timer_at(sh->deadline, engine_deadline(d->engine));
}

void
daemon_batch(struct daemon *d, bool begin)
{
	if (begin) {
		d->shell->batch++;
	} else if (--d->shell->batch == 0 && d->engine != NULL) {
		daemon_settle(d);
	}
}

void
daemon_exited(struct daemon *d, uint64_t inc, pid_t pid, struct exit_facts facts)
{
	tree_main_ended(d, inc, pid);
	daemon_at(d);
	engine_exited(d->engine, inc, facts);
}
