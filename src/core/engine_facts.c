/* SPDX-License-Identifier: MIT */
#include "core/engine_internal.h"

#include <sys/wait.h>

/* What happened: to children, to time. */

static bool
is_probed(enum ready_type type)
{
	return type == READY_EXEC || type == READY_TCP || type == READY_UNIX || type == READY_HTTP;
}

/* Readiness is waited for in one way or another; none: being there is enough. */
static void
await_readiness(struct engine *e, struct app *a)
{
	if (a->ready_by == READY_NOTIFY || a->ready_by == READY_FD)
		return;
	/* The probe asks as the definition says now; where that asks nothing any more, there is nothing to wait for. */
	if (!is_probed(a->ready_by) || !is_probed(a->def->ready->type))
		engine_feed(e, a, IN_SPAWNED);
	else if (a->inc[CHILD_PROBE] == 0)
		engine_new_child(e, a, CHILD_PROBE);
}

static bool
is_launcher(const struct app *a)
{
	return a->def->type == APP_FORKING && !a->adopted;
}

void
engine_main_is_there(struct engine *e, struct app *a)
{
	engine_touch(e, a);
	if (a->state == APP_STARTING && a->def->type != APP_ONESHOT && !is_launcher(a))
		await_readiness(e, a);
}

void
engine_spawned(struct engine *e, uint64_t inc, pid_t pid)
{
	enum child_kind kind;
	struct app *a = engine_find_inc(e, inc, &kind);

	if (a == NULL || kind != CHILD_MAIN || a->adopted || a->main_ended)
		return;
	a->pid = pid;
	engine_main_is_there(e, a);
	engine_drain(e);
}

/* Ends a start that cannot succeed: the same way as one that took too long. */
static void
fail_start(struct engine *e, struct app *a, enum reason reason)
{
	a->failed_start = true;
	a->reason = reason;
	engine_feed(e, a, IN_TIMEOUT);
}

/* What a child other than the main one came to. */
static void
helper_ended(struct engine *e, struct app *a, enum child_kind kind, bool good)
{
	if (kind == CHILD_PROBE && a->state == APP_STARTING) {
		if (good)
			engine_feed(e, a, IN_READY);
		else
			fail_start(e, a, REASON_NOT_READY);
	}
	/* A stop command that failed has stopped nothing: the signal does it. */
	if (kind == CHILD_STOP && !good && a->state == APP_STOPPING && a->step == STEP_TERM)
		engine_send_signal(e, a, CHILD_MAIN, a->def->stop_signal, false);
}

void
engine_spawn_failed(struct engine *e, uint64_t inc, const char *step, int error)
{
	enum child_kind kind;
	struct app *a = engine_find_inc(e, inc, &kind);

	if (a == NULL)
		return;
	engine_child_gone(e, a, kind);
	a->fail_step = step;
	a->fail_errno = error;
	if (kind != CHILD_MAIN) {
		helper_ended(e, a, kind, false);
		engine_drain(e);
		return;
	}
	a->has_exit = false;
	a->exit_reason = REASON_SPAWN_FAILED;
	a->exit_real_us = e->now.real_us;
	engine_emit_event(e, (struct event){ .category = EVENT_APP_EXITED, .app = a->name,
		.reason = REASON_SPAWN_FAILED, .step = step, .error = error });
	engine_feed(e, a, IN_GONE);
	engine_drain(e);
}

uint64_t
engine_order_anew(struct engine *e, uint64_t inc)
{
	enum child_kind kind;
	struct app *a = engine_find_inc(e, inc, &kind);

	if (a == NULL)
		return 0;
	u64map_del(&e->by_inc, inc);
	return engine_new_child(e, a, kind);
}

static enum reason
exit_reason(const struct app *a, const struct exit_facts *facts)
{
	if (facts->oom)
		return REASON_OOM;
	if (a->step >= STEP_KILL && WIFSIGNALED(facts->status))
		return a->failed_start ? a->reason : REASON_KILLED;
	if (a->asked || a->failed_start)
		return a->reason;
	return app_status_is_good(facts->status) ? REASON_NORMAL : REASON_CRASHED;
}

static void
note_exit(struct engine *e, struct app *a, const struct exit_facts *facts)
{
	a->has_exit = true;
	a->exit_status = facts->status;
	a->exit_reason = exit_reason(a, facts);
	a->exit_real_us = e->now.real_us;
	engine_emit_event(e, (struct event){ .category = EVENT_APP_EXITED, .app = a->name, .pid = a->pid,
		.reason = a->exit_reason, .has_status = true, .status = facts->status });
	a->pid = 0;
	engine_touch(e, a);
	/* A oneshot that is done has not left those that need it. */
	if (a->def->type != APP_ONESHOT || !app_status_is_good(facts->status))
		engine_end_with(e, a);
}

static void
main_exited(struct engine *e, struct app *a, const struct exit_facts *facts)
{
	if (!a->main_ended)
		note_exit(e, a, facts);
	if (facts->tree_left) {
		/* Not acknowledged yet: the keeper ends the rest by this incarnation. */
		a->main_ended = true;
		engine_feed(e, a, IN_EXITED);
		return;
	}
	engine_child_gone(e, a, CHILD_MAIN);
	engine_feed(e, a, IN_GONE);
}

void
engine_exited(struct engine *e, uint64_t inc, struct exit_facts facts)
{
	enum child_kind kind;
	struct app *a = engine_find_inc(e, inc, &kind);

	if (a == NULL) {
		engine_emit(e, (struct effect){ .type = EFFECT_ACK, .inc = inc });
		return;
	}
	if (kind != CHILD_MAIN) {
		engine_child_gone(e, a, kind);
		helper_ended(e, a, kind, app_status_is_good(facts.status));
	} else if (a->adopted && facts.pid != 0 && facts.pid != a->pid) {
		/* The launcher's, told once more after a recovery: the order to adopt is on its way. */
	} else if (is_launcher(a) && a->state == APP_STARTING && app_status_is_good(facts.status)) {
		engine_emit(e, (struct effect){ .type = EFFECT_READ_PIDFILE, .app = a, .inc = inc });
	} else {
		main_exited(e, a, &facts);
	}
	engine_drain(e);
}

void
engine_tree_gone(struct engine *e, struct app *a)
{
	if (!a->main_ended || a->state != APP_STOPPING)
		return;
	engine_child_gone(e, a, CHILD_MAIN);
	engine_feed(e, a, IN_GONE);
	engine_drain(e);
}

void
engine_pidfile(struct engine *e, struct app *a, pid_t pid)
{
	if (!is_launcher(a) || a->inc[CHILD_MAIN] == 0)
		return;
	if (pid > 0) {
		a->adopted = true;
		a->pid = pid;
		engine_emit(e, (struct effect){ .type = EFFECT_ADOPT, .app = a, .inc = a->inc[CHILD_MAIN], .pid = pid });
		engine_touch(e, a);
		if (a->state == APP_STARTING)
			await_readiness(e, a);
	} else {
		a->failed_start = true;
		a->reason = REASON_PIDFILE;
		main_exited(e, a, &(struct exit_facts){ .status = 0, .tree_left = true });
	}
	engine_drain(e);
}

void
engine_ready(struct engine *e, struct app *a)
{
	if (a->def->type == APP_ONESHOT)
		return;
	engine_feed(e, a, IN_READY);
	engine_drain(e);
}

void
engine_not_ready(struct engine *e, struct app *a)
{
	if (a->state != APP_STARTING)
		return;
	fail_start(e, a, REASON_NOT_READY);
	engine_drain(e);
}

void
engine_extend_timeout(struct engine *e, struct app *a, int64_t ms)
{
	if (a->deadline_ms == 0 || (a->state != APP_STARTING && a->state != APP_STOPPING) || a->step >= STEP_SWEEP)
		return;
	if (e->now.mono_ms + ms > a->deadline_ms)
		deadlines_set(&e->deadlines, a, e->now.mono_ms + ms);
	engine_touch(e, a);
}

void
engine_status_text(struct engine *e, struct app *a, const char *text)
{
	app_set_status_text(a, text);
	engine_touch(e, a);
}

/* false: it has had all that it may have in this minute. */
static bool
alarm_allowed(struct app *a, int64_t now_ms)
{
	if (a->alarms == 0 || now_ms - a->alarms_from_ms >= ALARMS_MS) {
		a->alarms_from_ms = now_ms;
		a->alarms = 0;
	}
	if (a->alarms == ALARMS_MAX) {
		a->alarms_dropped++;
		return false;
	}
	a->alarms++;
	return true;
}

void
engine_alarm(struct engine *e, struct app *a, const char *text)
{
	struct buf members = { 0 };

	if (!alarm_allowed(a, e->now.mono_ms))
		return;
	buf_adds(&members, "\"text\":");
	buf_add_json(&members, text);
	if (a->alarms_dropped > 0)
		buf_printf(&members, ",\"dropped\":%u", a->alarms_dropped);
	a->alarms_dropped = 0;
	engine_emit_event(e, (struct event){ .category = EVENT_APP_ALARM, .app = a->name, .pid = a->pid,
		.detail = arena_strdup(e->scratch, buf_cstr(&members)) });
	buf_free(&members);
}

void
engine_node_link(struct engine *e, const struct app *a, bool up, const char *node, const char *about)
{
	struct buf members = { 0 };

	buf_adds(&members, "\"peer\":");
	buf_add_json(&members, node);
	buf_printf(&members, ",\"%s\":", up ? "address" : "reason");
	buf_add_json(&members, about);
	engine_emit_event(e, (struct event){ .category = up ? EVENT_NODE_UP : EVENT_NODE_DOWN, .app = a->name, .pid = a->pid,
		.detail = arena_strdup(e->scratch, buf_cstr(&members)) });
	buf_free(&members);
}

static void
deadline_passed(struct engine *e, struct app *a)
{
	deadlines_set(&e->deadlines, a, 0);
	engine_touch(e, a);
	if (a->state == APP_STARTING)
		fail_start(e, a, REASON_START_TIMEOUT);
	else
		engine_feed(e, a, IN_TIMEOUT);
}

/* The shutdown's own limit: at first everything left is killed, then it ends whatever is left. */
static void
shutdown_overdue(struct engine *e)
{
	enum { LAST_PATIENCE_MS = 5000 };
	uint32_t i;

	if (e->hurried) {
		e->exited = true;
		e->shutdown_deadline_ms = 0;
		engine_emit(e, (struct effect){ .type = EFFECT_EXIT, .code = e->exit_code });
		return;
	}
	e->hurried = true;
	e->shutdown_deadline_ms = e->now.mono_ms + LAST_PATIENCE_MS;
	e->dirty = true;
	for (i = 0; i < e->app_count; i++)
		engine_end_hurriedly(e, e->apps[i]);
}

void
engine_tick(struct engine *e)
{
	struct app *a;

	while ((a = deadlines_first(&e->deadlines)) != NULL && a->deadline_ms <= e->now.mono_ms)
		deadline_passed(e, a);
	if (e->shutdown_deadline_ms != 0 && e->shutdown_deadline_ms <= e->now.mono_ms && !e->exited)
		shutdown_overdue(e);
	engine_expire_waiters(e);
	engine_drain(e);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

int64_t
engine_deadline(const struct engine *e)
{
	const struct app *a = deadlines_first(&e->deadlines);
	int64_t first = a ? a->deadline_ms : 0;

	first = earlier(earlier(first, e->shutdown_deadline_ms), engine_waiter_deadline(e));
	return earlier(first, engine_news_deadline(e));
}
