/* SPDX-License-Identifier: MIT */
#include "core/engine_internal.h"

#include <signal.h>

/*
 * Ending an application: its stop command or signal to the main process; when
 * that has ended, SIGTERM to what it left behind; when time is up, SIGKILL to
 * all of it; and what is still there then is called unkillable and waited for no longer.
 */
enum { KILL_PATIENCE_MS = 10000 };	/* how long a process may take to go after SIGKILL (uninterruptible sleep) */

void
engine_send_signal(struct engine *e, struct app *a, enum child_kind kind, int signo, bool whole_tree)
{
	engine_emit(e, (struct effect){ .type = EFFECT_SIGNAL, .app = a, .kind = kind, .inc = a->inc[kind],
		.signo = signo, .whole_tree = whole_tree, .step = ++a->signal_step });
	engine_touch(e, a);
}

static void
limit_stop(struct engine *e, struct app *a)
{
	int64_t ms = a->def->shutdown_ms;

	deadlines_set(&e->deadlines, a, ms == DURATION_INFINITE ? 0 : e->now.mono_ms + ms);
}

static void
kill_all(struct engine *e, struct app *a)
{
	a->step = STEP_KILL;
	engine_send_signal(e, a, CHILD_MAIN, SIGKILL, true);
	engine_emit(e, (struct effect){ .type = EFFECT_WATCH_TREE, .app = a });
	deadlines_set(&e->deadlines, a, e->now.mono_ms + KILL_PATIENCE_MS);
}

void
engine_begin_stop(struct engine *e, struct app *a)
{
	a->reason = a->asked ? a->cause : a->reason;
	engine_emit_event(e, (struct event){ .category = EVENT_APP_STOPPING, .app = a->name, .pid = a->pid,
		.reason = a->reason });
	if (a->def->shutdown_ms == 0 || e->hurried) {
		kill_all(e, a);
		return;
	}
	a->step = STEP_TERM;
	limit_stop(e, a);
	if (a->def->stop_command.argv.n > 0)
		engine_new_child(e, a, CHILD_STOP);
	else
		engine_send_signal(e, a, CHILD_MAIN, a->def->stop_signal, false);
}

void
engine_sweep(struct engine *e, struct app *a)
{
	if (a->step >= STEP_KILL || a->def->shutdown_ms == 0 || e->hurried) {
		kill_all(e, a);
		return;
	}
	a->step = STEP_SWEEP;
	if (a->deadline_ms == 0)
		limit_stop(e, a);
	engine_send_signal(e, a, CHILD_MAIN, SIGTERM, true);
	engine_emit(e, (struct effect){ .type = EFFECT_WATCH_TREE, .app = a });
}

void
engine_escalate(struct engine *e, struct app *a)
{
	if (a->step < STEP_KILL) {
		kill_all(e, a);
		return;
	}
	a->step = STEP_UNKILLABLE;
	deadlines_set(&e->deadlines, a, 0);
	engine_emit_event(e, (struct event){ .category = EVENT_APP_FAILED, .app = a->name, .pid = a->pid,
		.reason = REASON_UNKILLABLE });
}

void
engine_end_hurriedly(struct engine *e, struct app *a)
{
	if (a->state == APP_STARTING || a->state == APP_RUNNING)
		engine_feed(e, a, IN_DOWN);
	if (a->state == APP_STOPPING && a->step < STEP_KILL)
		kill_all(e, a);
}
