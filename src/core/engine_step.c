/* SPDX-License-Identifier: MIT */
#include "core/engine_internal.h"

#include <signal.h>

/* The steps of the state machine: what an input to an application leads to. */

void
engine_set_state(struct engine *e, struct app *a, enum app_state state, enum reason reason)
{
	if (a->state != state) {
		a->since_ms = e->now.mono_ms;
		a->since_real_us = e->now.real_us;
	}
	a->state = state;
	a->reason = reason;
	engine_touch(e, a);
	engine_queue(e, a);
}

uint64_t
engine_new_child(struct engine *e, struct app *a, enum child_kind kind)
{
	a->inc[kind] = e->next_inc++;
	e->dirty = true;
	engine_touch(e, a);
	if (u64map_put(&e->by_inc, a->inc[kind], a) < 0)
		e->out_of_memory = true;
	engine_emit(e, (struct effect){ .type = EFFECT_SPAWN, .app = a, .kind = kind, .inc = a->inc[kind] });
	return a->inc[kind];
}

void
engine_child_gone(struct engine *e, struct app *a, enum child_kind kind)
{
	if (a->inc[kind] == 0)
		return;
	u64map_del(&e->by_inc, a->inc[kind]);
	engine_emit(e, (struct effect){ .type = EFFECT_ACK, .app = a, .kind = kind, .inc = a->inc[kind] });
	a->inc[kind] = 0;
	engine_touch(e, a);
}

static void
spawn(struct engine *e, struct app *a)
{
	enum reason reason = a->reason == REASON_RESTART ? REASON_RESTART : a->cause;

	a->has_run = true;
	a->step = STEP_NONE;
	a->asked = a->failed_start = a->main_ended = a->adopted = false;
	a->signal_step = 0;
	a->pid = 0;
	a->up_since_ms = 0;
	app_set_status_text(a, "");
	a->fail_step = NULL;
	a->run_hash = a->def->run_hash;
	a->ready_by = a->def->ready->type;
	engine_emit_event(e, (struct event){ .category = EVENT_APP_STARTING, .app = a->name, .reason = reason });
	engine_new_child(e, a, CHILD_MAIN);
	a->reason = reason;
	if (a->def->ready->type != READY_NONE && a->def->ready->timeout_ms != DURATION_INFINITE)
		deadlines_set(&e->deadlines, a, e->now.mono_ms + a->def->ready->timeout_ms);
}

static void
announce(struct engine *e, struct app *a)
{
	deadlines_set(&e->deadlines, a, 0);
	a->announced = true;
	a->up_since_ms = e->now.mono_ms;
	engine_emit_event(e, (struct event){ .category = EVENT_APP_RUNNING, .app = a->name, .pid = a->pid });
	engine_apply_def(e, a);
}

static void
rest(struct engine *e, struct app *a)
{
	deadlines_set(&e->deadlines, a, 0);
	a->reason = a->cause;
	a->row = 0;
	a->restart_asked = false;
	restart_log_free(&a->restart_log);
	engine_adopt_def(e, a);
}

/* A probe or command of an incarnation that is over must not speak for the next one. */
static void
drop_helpers(struct engine *e, struct app *a)
{
	int k;

	for (k = CHILD_MAIN + 1; k < CHILD_KIND_COUNT; k++) {
		if (a->inc[k] == 0)
			continue;
		engine_send_signal(e, a, (enum child_kind)k, SIGKILL, false);
		u64map_del(&e->by_inc, a->inc[k]);
		a->inc[k] = 0;
	}
}

static void
enter_settled(struct engine *e, struct app *a, const struct settlement *s)
{
	static const enum app_state states[] = {
		[SETTLE_STOPPED] = APP_STOPPED, [SETTLE_COMPLETED] = APP_COMPLETED,
		[SETTLE_RESTART] = APP_WAITING, [SETTLE_FAILED] = APP_FAILED,
	};

	engine_set_state(e, a, states[s->to], s->reason);
	if (s->to == SETTLE_RESTART && s->delay_ms > 0) {
		engine_set_state(e, a, APP_BACKOFF, s->reason);
		deadlines_set(&e->deadlines, a, e->now.mono_ms + s->delay_ms);
	}
}

static void
settle(struct engine *e, struct app *a)
{
	struct settlement s = app_settle(a, e->now.mono_ms, engine_random(e));

	deadlines_set(&e->deadlines, a, 0);
	if (a->announced)
		engine_emit_event(e, (struct event){ .category = EVENT_APP_STOPPED, .app = a->name,
			.reason = a->asked ? a->reason : a->exit_reason });
	a->announced = a->restart_asked = a->main_ended = false;
	a->step = STEP_NONE;
	a->pid = 0;
	drop_helpers(e, a);
	engine_adopt_def(e, a);
	if (a->state == APP_LOAD_ONLY)
		return;
	enter_settled(e, a, &s);
	if (s.to == SETTLE_COMPLETED || s.to == SETTLE_FAILED)
		engine_ended_for_good(e, a, &s);
}

void
engine_feed(struct engine *e, struct app *a, enum app_input in)
{
	struct transition t = app_next(a->state, in);

	if (t.to == a->state && t.action == DO_NONE)
		return;
	if (t.action == DO_STOP)
		a->asked = in == IN_DOWN;
	if (t.action == DO_SETTLE) {
		settle(e, a);
		return;
	}
	engine_set_state(e, a, t.to, a->reason);
	switch (t.action) {
	case DO_SPAWN:
		spawn(e, a);
		break;
	case DO_ANNOUNCE:
		announce(e, a);
		break;
	case DO_STOP:
		engine_begin_stop(e, a);
		break;
	case DO_SWEEP:
		engine_sweep(e, a);
		break;
	case DO_ESCALATE:
		engine_escalate(e, a);
		break;
	case DO_REST:
		rest(e, a);
		break;
	default:
		break;
	}
}
