/* SPDX-License-Identifier: MIT */
#include "core/engine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* What is asked of the engine, and how that changes what is wanted. */

static enum wish
wish_of(const struct app *a)
{
	/* What has left the configuration pulls nothing in any more. */
	if (a->next_def == NULL)
		return WISH_NONE;
	/* A transient application is wanted because someone ran it. */
	return a->wish == WISH_NONE && a->transient ? WISH_UP : a->wish;
}

static void
set_wish(struct engine *e, struct app *a, enum wish wish)
{
	if (a->wish == wish)
		return;
	a->wish = wish;
	engine_touch(e, a);
}

static void
pull_wishes(struct engine *e)
{
	uint32_t i, *stack = arena_alloc(e->scratch, (e->app_count + 1) * sizeof(*stack));

	if (stack == NULL) {
		e->out_of_memory = true;
		return;
	}
	for (i = 0; i < e->app_count; i++)
		if (wish_of(e->apps[i]) == WISH_UP)
			mode_pull(e->graph, i, WHY_OPERATOR, e->want, stack);
}

static bool
want(struct engine *e, struct app *a, bool wanted, enum reason cause)
{
	if (a->wanted == wanted)
		return false;
	a->wanted = wanted;
	a->cause = cause;
	if (wanted) {
		a->restarts = 0;
		a->row = 0;
	}
	engine_touch(e, a);
	engine_queue(e, a);
	/* An edge that only orders counts only while its pred is wanted. */
	engine_queue_succs(e, a);
	return true;
}

bool
engine_rewant(struct engine *e, enum reason cause)
{
	const struct mode *mode = e->mode[0] ? model_find_mode(e->model, e->mode) : NULL;
	bool changed = false;
	struct app *a;
	uint32_t i;

	memset(e->want, 0, (e->app_count + 1) * sizeof(*e->want));
	mode_wants(e->model, e->graph, mode, e->want);
	pull_wishes(e);
	for (i = 0; i < e->app_count; i++) {
		a = e->apps[i];
		if (a->since_real_us == 0) {
			a->since_ms = e->now.mono_ms;
			a->since_real_us = e->now.real_us;
		}
		changed |= want(e, a, e->want[i].why != WHY_NOT && a->wish != WISH_DOWN && a->next_def != NULL &&
				!e->shutting_down, cause);
		/* Its standing may change although it did not: an operator's stop of what the mode wants. */
		engine_recount_later(e, a);
	}
	return changed;
}

void
engine_enter_mode(struct engine *e, const char *mode)
{
	const char *previous = e->mode[0] ? arena_strdup(e->scratch, e->mode) : NULL;

	snprintf(e->mode, sizeof(e->mode), "%s", mode ? mode : "");
	e->mode_state = MODE_CHANGING;
	e->mode_unsaid = false;
	e->say_failed_ms = 0;
	e->dirty = true;
	engine_emit_event(e, (struct event){ .category = EVENT_NEW_MODE, .mode = engine_mode(e), .previous = previous });
}

static int
check_mode(struct engine *e, const char *mode, struct err *err)
{
	if (model_find_mode(e->model, mode) == NULL)
		return err_set(err, 0, "mode %s is not defined", mode);
	return 0;
}

static int
check_running(const struct engine *e, struct err *err)
{
	return e->shutting_down ? err_set(err, 0, "appctld is shutting down") : 0;
}

int
engine_boot(struct engine *e, const char *mode, struct err *err)
{
	if (mode == NULL)
		mode = e->model->default_mode;
	if (mode != NULL && check_mode(e, mode, err) < 0)
		return -1;
	e->mode_state = MODE_CHANGING;
	if (mode != NULL)
		snprintf(e->mode, sizeof(e->mode), "%s", mode);
	e->mode_unsaid = mode != NULL;
	e->dirty = true;
	engine_rewant(e, REASON_MODE);
	engine_drain(e);
	return 0;
}

/* Operators' wishes end with the mode in which they were made. */
static void
change_mode(struct engine *e, const char *mode)
{
	uint32_t i;

	for (i = 0; i < e->app_count; i++)
		set_wish(e, e->apps[i], WISH_NONE);
	engine_answer_mode_waiters(e, OUTCOME_REPLACED, true);
	engine_enter_mode(e, mode);
	engine_rewant(e, REASON_MODE);
}

int
engine_set_mode(struct engine *e, const char *mode, struct err *err)
{
	if (check_running(e, err) < 0 || check_mode(e, mode, err) < 0)
		return -1;
	if (strcmp(e->mode, mode) == 0)
		return 0;
	change_mode(e, mode);
	engine_drain(e);
	return 0;
}

/* Lets what has given up, ended or waits for its next try start at once. */
static void
refresh(struct engine *e, struct app *a)
{
	if (a->state != APP_FAILED && a->state != APP_COMPLETED && a->state != APP_BACKOFF)
		return;
	a->restart_asked = true;
	restart_log_free(&a->restart_log);
	a->restarts = 0;
	a->cause = REASON_OPERATOR;
	engine_queue(e, a);
}

int
engine_start(struct engine *e, struct app *a, struct err *err)
{
	if (check_running(e, err) < 0)
		return -1;
	if (a->next_def == NULL)
		return err_set(err, 0, "application %s has left the configuration", a->name);
	set_wish(e, a, WISH_UP);
	engine_rewant(e, REASON_OPERATOR);
	refresh(e, a);
	engine_drain(e);
	return 0;
}

/* Marks, depth first over an explicit stack, all that requires a and is up or coming up. */
size_t
engine_dependents_up(const struct engine *e, const struct app *a, struct app **v)
{
	uint32_t *stack = malloc((e->app_count + 1) * sizeof(*stack)), depth = 0, i;
	bool *seen = calloc(e->app_count + 1, sizeof(*seen));
	struct edges succs;
	size_t n = 0;
	struct app *s;

	if (stack != NULL && seen != NULL)
		stack[depth++] = a->vertex;
	while (depth > 0) {
		succs = graph_succs(e->graph, stack[--depth]);
		for (i = 0; i < succs.n; i++) {
			s = e->apps[succs.v[i].other];
			if (succs.v[i].kind != EDGE_REQUIRES || seen[s->vertex])
				continue;
			seen[s->vertex] = true;
			stack[depth++] = s->vertex;
			if (app_at_rest(s) || !s->wanted)
				continue;
			if (v != NULL)
				v[n] = s;
			n++;
		}
	}
	free(stack);
	free(seen);
	return n;
}

static void
stop_dependents(struct engine *e, struct app *a)
{
	struct app **v = arena_alloc(e->scratch, (e->app_count + 1) * sizeof(struct app *));
	size_t n;

	if (v == NULL) {
		e->out_of_memory = true;
		return;
	}
	for (n = engine_dependents_up(e, a, v); n > 0; n--)
		set_wish(e, v[n - 1], WISH_DOWN);
}

int
engine_stop(struct engine *e, struct app *a, bool with_dependents, struct err *err)
{
	size_t n;

	if (check_running(e, err) < 0)
		return -1;
	n = engine_dependents_up(e, a, NULL);
	if (n > 0 && !with_dependents)
		return err_set(err, 0, "%zu applications that are up require %s", n, a->name);
	stop_dependents(e, a);
	set_wish(e, a, WISH_DOWN);
	engine_rewant(e, REASON_OPERATOR);
	engine_drain(e);
	return 0;
}

int
engine_restart(struct engine *e, struct app *a, struct err *err)
{
	if (!a->wanted || a->wish == WISH_DOWN)
		return engine_start(e, a, err);
	if (check_running(e, err) < 0)
		return -1;
	if (a->state == APP_STARTING || a->state == APP_RUNNING) {
		a->restart_asked = true;
		a->restarts = 0;
		a->cause = REASON_OPERATOR;
		engine_touch(e, a);
		engine_queue(e, a);
	}
	refresh(e, a);
	engine_drain(e);
	return 0;
}

int
engine_reload_app(struct engine *e, struct app *a, struct err *err)
{
	if (a->state != APP_RUNNING)
		return err_set(err, 0, "application %s is %s", a->name, app_state_name(a->state));
	if (a->def->reload_command.argv.n > 0) {
		if (a->inc[CHILD_RELOAD] == 0)
			engine_new_child(e, a, CHILD_RELOAD);
	} else if (a->def->reload_signal > 0) {
		return engine_kill(e, a, a->def->reload_signal, err);
	} else {
		return err_set(err, 0, "application %s has neither reload_signal nor reload_command: restart it", a->name);
	}
	return 0;
}

int
engine_kill(struct engine *e, struct app *a, int signo, struct err *err)
{
	if (a->inc[CHILD_MAIN] == 0 || a->main_ended)
		return err_set(err, 0, "application %s has no process (it is %s)", a->name, app_state_name(a->state));
	/* Step 0: never taken for a repeat. */
	engine_emit(e, (struct effect){ .type = EFFECT_SIGNAL, .app = a, .kind = CHILD_MAIN,
		.inc = a->inc[CHILD_MAIN], .signo = signo });
	return 0;
}

static void
hurry(struct engine *e)
{
	uint32_t i;

	e->hurried = e->dirty = true;
	for (i = 0; i < e->app_count; i++)
		engine_end_hurriedly(e, e->apps[i]);
}

static void
begin_shutdown(struct engine *e, int code, enum reason reason)
{
	int64_t limit_ms = e->model->shutdown_timeout_ms;

	e->shutting_down = e->dirty = true;
	e->exit_code = code;
	e->shutdown_deadline_ms = limit_ms == DURATION_INFINITE ? 0 : e->now.mono_ms + limit_ms;
	engine_emit_event(e, (struct event){ .category = EVENT_SHUTDOWN, .reason = reason });
	engine_answer_mode_waiters(e, OUTCOME_REPLACED, false);
	engine_rewant(e, REASON_SHUTDOWN);
}

void
engine_shutdown(struct engine *e, int code, enum reason reason, bool hurried)
{
	if (!e->shutting_down)
		begin_shutdown(e, code, reason);
	if (hurried && !e->hurried)
		hurry(e);
	engine_drain(e);
}

static int
exit_code_of(const struct app *a)
{
	if (!a->has_exit)
		return 1;
	return WIFEXITED(a->exit_status) ? WEXITSTATUS(a->exit_status) : 128 + WTERMSIG(a->exit_status);
}

/* The first that asks for a shutdown says why and with which status. */
static void
ask_for_shutdown(struct engine *e, int code, enum reason reason)
{
	if (e->shutdown_due || e->shutting_down)
		return;
	e->shutdown_due = true;
	e->exit_code = code;
	e->exit_reason = reason;
}

void
engine_ended_for_good(struct engine *e, struct app *a, const struct settlement *s)
{
	bool gave_up = s->to == SETTLE_FAILED && s->reason == REASON_GAVE_UP;

	if (s->to == SETTLE_FAILED)
		engine_emit_event(e, (struct event){ .category = EVENT_APP_FAILED, .app = a->name, .reason = s->reason });
	if (a->def->essential)
		ask_for_shutdown(e, exit_code_of(a), REASON_ESSENTIAL);
	if (gave_up && a->def->on_give_up == GIVE_UP_SHUTDOWN)
		ask_for_shutdown(e, 1, REASON_GAVE_UP);
	if (gave_up && a->def->on_give_up == GIVE_UP_MODE)
		snprintf(e->fallback_mode, sizeof(e->fallback_mode), "%s", a->def->give_up_mode);
}

void
engine_draw_consequences(struct engine *e)
{
	if (e->shutdown_due) {
		e->shutdown_due = false;
		begin_shutdown(e, e->exit_code, e->exit_reason);
	}
	/* The configuration that names the mode has been checked; if it has gone with a reload since, so be it. */
	if (e->fallback_mode[0] && !e->shutting_down && strcmp(e->fallback_mode, e->mode) != 0 &&
	    model_find_mode(e->model, e->fallback_mode) != NULL)
		change_mode(e, e->fallback_mode);
	e->fallback_mode[0] = '\0';
}

void
engine_end_with(struct engine *e, struct app *a)
{
	struct edges succs = graph_succs(e->graph, a->vertex);
	bool lives, stops = false;
	struct app *s;
	uint32_t i;

	for (i = 0; i < succs.n && !e->shutting_down; i++) {
		s = e->apps[succs.v[i].other];
		lives = s->state == APP_STARTING || s->state == APP_RUNNING;
		if (succs.v[i].on_exit == ON_EXIT_IGNORE || succs.v[i].kind != EDGE_REQUIRES || !s->wanted ||
		    (!lives && s->state != APP_BACKOFF))
			continue;
		s->cause = REASON_DEPENDENCY;
		if (succs.v[i].on_exit == ON_EXIT_STOP) {
			s->wish = WISH_DOWN;
			s->wanted = false;
			stops = true;
		} else if (lives) {
			s->restart_asked = true;
		}
		engine_touch(e, s);
		engine_queue(e, s);
		engine_queue_succs(e, s);
	}
	/* What was wanted only because one of these had been asked for is so no more: be it a itself. */
	if (stops)
		engine_rewant(e, REASON_DEPENDENCY);
}
