/* SPDX-License-Identifier: MIT */
#include "core/engine_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What is saved, and how a new engine goes on from there.  State is committed before
 * its effects are carried out, so the saved state is never behind the keeper:
 * what the keeper does not know was ordered and not done, and is ordered again;
 * the keeper does each incarnation and each signal step once.
 */
void
engine_save(const struct engine *e, struct engine_saved *out)
{
	memset(out, 0, sizeof(*out));
	out->next_inc = e->next_inc;
	out->next_seq = e->next_seq;
	memcpy(out->mode, e->mode, sizeof(out->mode));
	out->mode_state = (uint8_t)e->mode_state;
	out->unsaid = (uint8_t)((e->mode_unsaid ? UNSAID_MODE : 0) | (e->bad_news ? UNSAID_FAILURES : 0));
	out->shutting_down = e->shutting_down;
	out->hurried = e->hurried;
	out->exit_code = e->exit_code;
	out->shutdown_deadline_ms = e->shutdown_deadline_ms;
}

void
engine_restore(struct engine *e, const struct engine_saved *s)
{
	e->next_inc = s->next_inc ? s->next_inc : 1;
	e->next_seq = s->next_seq ? s->next_seq : 1;
	snprintf(e->mode, sizeof(e->mode), "%.*s", NAME_MAX_LEN, s->mode);
	e->mode_state = s->mode_state <= MODE_FAILED ? (enum mode_state)s->mode_state : MODE_CHANGING;
	e->mode_unsaid = s->unsaid & UNSAID_MODE;
	e->bad_news = s->unsaid & UNSAID_FAILURES;
	e->shutting_down = s->shutting_down;
	e->hurried = s->hurried;
	e->exit_code = s->exit_code;
	e->shutdown_deadline_ms = s->shutdown_deadline_ms;
}

/* Oldest first, so that a ring of another size can be filled in order. */
static void
save_restarts(const struct restart_log *log, struct app_saved *out)
{
	uint64_t n = log->seen < log->size ? log->seen : log->size, i;

	for (i = 0; i < n && i < RESTART_MAX; i++)
		out->restart_at_ms[i] = log->at_ms[(log->seen - n + i) % log->size];
	out->restart_count = (uint32_t)i;
}

void
engine_save_app(const struct app *a, struct app_saved *out)
{
	memset(out, 0, APP_SAVED_MIN);
	memcpy(out->name, a->name, sizeof(out->name));
	out->state = (uint8_t)a->state;
	out->wish = (uint8_t)a->wish;
	out->restart_asked = a->restart_asked;
	out->announced = a->announced;
	out->step = (uint8_t)a->step;
	out->reason = (uint8_t)a->reason;
	out->cause = (uint8_t)a->cause;
	out->transient = a->transient;
	out->run_by = a->run_by;
	out->has_run = a->has_run;
	out->standing = a->standing;
	out->ready_by = (uint8_t)a->ready_by;
	out->failed_start = a->failed_start;
	out->has_exit = a->has_exit;
	out->exit_reason = (uint8_t)a->exit_reason;
	out->asked = a->asked;
	out->main_ended = a->main_ended;
	out->adopted = a->adopted;
	out->exit_status = a->exit_status;
	out->fail_errno = a->fail_errno;
	out->pid = a->pid;
	out->restarts = a->restarts;
	out->row = a->row;
	out->signal_step = a->signal_step;
	memcpy(out->inc, a->inc, sizeof(out->inc));
	out->run_hash = a->run_hash;
	out->since_ms = a->since_ms;
	out->since_real_us = a->since_real_us;
	out->deadline_ms = a->deadline_ms;
	out->up_since_ms = a->up_since_ms;
	out->exit_real_us = a->exit_real_us;
	save_restarts(&a->restart_log, out);
}

size_t
app_saved_size(const struct app_saved *s)
{
	return APP_SAVED_MIN + s->restart_count * sizeof(s->restart_at_ms[0]);
}

/* A state's bytes may come from a damaged file: nothing out of range gets in. */
static bool
is_plausible(const struct app_saved *s)
{
	return memchr(s->name, '\0', sizeof(s->name)) != NULL && s->state < APP_STATE_COUNT && s->wish <= WISH_DOWN &&
	       s->step <= STEP_UNKILLABLE && s->reason < REASON_COUNT && s->cause < REASON_COUNT &&
	       s->exit_reason < REASON_COUNT && s->standing < STANDING_COUNT && s->ready_by <= READY_HTTP && s->restart_count <= RESTART_MAX;
}

static void
restore_restarts(struct app *a, const struct app_saved *s)
{
	int intensity = a->def->intensity;
	uint32_t i;

	for (i = 0; i < s->restart_count && intensity > 0; i++)
		/* A period of nothing: each is recorded, whatever lies between them. */
		(void)restart_allowed(&a->restart_log, (uint32_t)intensity, -1, s->restart_at_ms[i]);
}

static void
restore_children(struct engine *e, struct app *a, const struct app_saved *s)
{
	int k;

	for (k = 0; k < CHILD_KIND_COUNT; k++) {
		a->inc[k] = s->inc[k];
		if (a->inc[k] != 0 && u64map_put(&e->by_inc, a->inc[k], a) < 0)
			e->out_of_memory = true;
		/* Even where the engine's own record is lost, no incarnation is used twice. */
		if (a->inc[k] >= e->next_inc)
			e->next_inc = a->inc[k] + 1;
	}
}

static struct app *
app_to_restore(struct engine *e, const struct app_saved *s)
{
	struct app *a = engine_find(e, s->name);

	if (a != NULL || !name_is_valid(s->name))
		return a;
	a = engine_add_stranger(e, s->name);
	/* Unknown, it would be killed. */
	e->out_of_memory |= a == NULL;
	return a;
}

int
engine_restore_app(struct engine *e, const struct app_saved *s)
{
	struct app *a = is_plausible(s) ? app_to_restore(e, s) : NULL;

	e->restored = true;
	if (a == NULL)
		return -1;
	if (a->state == APP_LOAD_ONLY && s->inc[CHILD_MAIN] != 0 && engine_stand_in(a) < 0) {
		e->out_of_memory = true;
		return -1;
	}
	/* Whether it has a command is for the definition to say. */
	if (a->def->command.argv.n > 0 && s->state != APP_LOAD_ONLY)
		a->state = (enum app_state)s->state;
	a->wish = (enum wish)s->wish;
	a->restart_asked = s->restart_asked;
	a->announced = s->announced;
	a->step = (enum stop_step)s->step;
	a->reason = (enum reason)s->reason;
	a->cause = (enum reason)s->cause;
	a->has_run = s->has_run;
	a->run_by = s->run_by;
	a->ready_by = (enum ready_type)s->ready_by;
	a->failed_start = s->failed_start;
	a->has_exit = s->has_exit;
	a->exit_reason = (enum reason)s->exit_reason;
	a->asked = s->asked;
	a->main_ended = s->main_ended;
	a->adopted = s->adopted;
	a->exit_status = s->exit_status;
	a->fail_errno = s->fail_errno;
	a->pid = s->pid;
	a->restarts = s->restarts;
	a->row = s->row;
	a->signal_step = s->signal_step;
	a->run_hash = s->run_hash;
	a->since_ms = s->since_ms;
	a->since_real_us = s->since_real_us;
	a->up_since_ms = s->up_since_ms;
	a->exit_real_us = s->exit_real_us;
	/* As it was last counted: what was bad is no news. */
	e->standing[a->standing]--;
	e->standing[s->standing]++;
	a->standing = s->standing;
	e->dead_ends -= a->dead_end;
	a->dead_end = engine_is_dead_end(a);
	e->dead_ends += a->dead_end;
	deadlines_set(&e->deadlines, a, s->deadline_ms);
	restore_children(e, a, s);
	restore_restarts(a, s);
	return 0;
}

int
engine_restore_transient(struct engine *e, struct model *take_m, struct err *err)
{
	struct app *a;

	if (engine_find(e, take_m->apps[0].name) != NULL)
		return err_set(err, 0, "there is an application %s already", take_m->apps[0].name);
	a = engine_new_transient(take_m);
	if (a == NULL || engine_lay_out(e, e->model, a) < 0) {
		free(a);
		return err_set(err, ENOMEM, "application %s", take_m->apps[0].name);
	}
	return 0;
}

/*
 * There is no saved state to say what this child is: its name must do.  Of two of that name the later
 * one is it; the other one has ended and was not acknowledged.
 */
static bool
adopt_by_name(struct engine *e, const char *name, uint64_t inc, pid_t pid, uint32_t signal_step)
{
	struct app *a = engine_find(e, name);

	if (a == NULL && name_is_valid(name)) {
		a = engine_add_stranger(e, name);
		e->out_of_memory |= a == NULL;
	}
	if (a == NULL || a->inc[CHILD_MAIN] > inc)
		return false;
	if (a->state == APP_LOAD_ONLY && engine_stand_in(a) < 0) {
		e->out_of_memory = true;
		return false;
	}
	u64map_del(&e->by_inc, a->inc[CHILD_MAIN]);
	if (u64map_put(&e->by_inc, inc, a) < 0)
		e->out_of_memory = true;
	a->inc[CHILD_MAIN] = inc;
	a->found |= 1u << CHILD_MAIN;
	a->pid = pid;
	a->signal_step = signal_step;
	a->has_run = a->by_name = true;
	a->run_hash = a->def->run_hash;
	/* What else it may have been given, by a definition of its own or an adopted process, is not known. */
	a->adopted = a->def->type == APP_FORKING;
	a->state = APP_STARTING;
	return true;
}

void
engine_found_child(struct engine *e, const char *name, enum child_kind kind, uint64_t inc, pid_t pid, uint32_t signal_step)
{
	struct app *a = engine_find(e, name);

	if (inc >= e->next_inc)
		e->next_inc = inc + 1;
	if (a != NULL && kind < CHILD_KIND_COUNT && a->inc[kind] == inc) {
		a->found |= 1u << kind;
		if (kind == CHILD_MAIN && !a->main_ended) {
			a->adopt_again = a->adopted && a->pid != pid;
			if (!a->adopted)
				a->pid = pid;
		}
		return;
	}
	if (!e->restored && kind == CHILD_MAIN && adopt_by_name(e, name, inc, pid, signal_step))
		return;
	/* A helper that nobody waits for any more, or one whose end was noted and not acknowledged. */
	engine_emit(e, (struct effect){ .type = EFFECT_SIGNAL, .app = a, .kind = kind, .inc = inc, .signo = SIGKILL });
}

struct order {
	uint64_t inc;
	struct app *app;
	enum child_kind kind;
};

static int
by_inc(const void *a, const void *b)
{
	uint64_t x = ((const struct order *)a)->inc, y = ((const struct order *)b)->inc;

	return x < y ? -1 : x > y;
}

/* The orders that the keeper never got.  In their first order: it takes no incarnation below one that it has had. */
static void
order_again(struct engine *e, uint64_t last_inc)
{
	struct order *orders = arena_alloc(e->scratch, (e->app_count + 1) * CHILD_KIND_COUNT * sizeof(*orders));
	size_t n = 0, i;
	uint32_t v;
	int k;

	if (orders == NULL) {
		e->out_of_memory = true;
		return;
	}
	for (v = 0; v < e->app_count; v++)
		for (k = 0; k < CHILD_KIND_COUNT; k++)
			if (e->apps[v]->inc[k] > last_inc)
				orders[n++] = (struct order){ e->apps[v]->inc[k], e->apps[v], (enum child_kind)k };
	qsort(orders, n, sizeof(*orders), by_inc);
	for (i = 0; i < n; i++)
		engine_emit(e, (struct effect){ .type = EFFECT_SPAWN, .app = orders[i].app, .kind = orders[i].kind,
			.inc = orders[i].inc });
}

/* It was ordered, the keeper had it, and it is gone: its exit was acknowledged by an engine that could not commit. */
static void
note_lost(struct engine *e, struct app *a)
{
	a->has_exit = false;
	a->exit_reason = REASON_LOST;
	a->exit_real_us = e->now.real_us;
	engine_emit_event(e, (struct event){ .category = EVENT_APP_EXITED, .app = a->name, .pid = a->pid,
		.reason = REASON_LOST });
	engine_child_gone(e, a, CHILD_MAIN);
	engine_feed(e, a, IN_GONE);
}

/* Signals that may not have been sent; the keeper knows by their step. */
static void
repeat_stop(struct engine *e, struct app *a)
{
	bool whole_tree = a->step >= STEP_SWEEP;
	int signo = a->step >= STEP_KILL ? SIGKILL : a->step == STEP_SWEEP ? SIGTERM : a->def->stop_signal;

	if (a->signal_step > 0)
		engine_emit(e, (struct effect){ .type = EFFECT_SIGNAL, .app = a, .kind = CHILD_MAIN,
			.inc = a->inc[CHILD_MAIN], .signo = signo, .whole_tree = whole_tree, .step = a->signal_step });
	if (whole_tree)
		engine_emit(e, (struct effect){ .type = EFFECT_WATCH_TREE, .app = a });
}

static void
resume_main(struct engine *e, struct app *a, uint64_t last_inc)
{
	uint64_t inc = a->inc[CHILD_MAIN];

	if (inc == 0)
		return;
	if (a->by_name) {
		engine_set_state(e, a, APP_STARTING, REASON_RESTART);
		/* The keeper may have found it by no more than its name, too. */
		engine_emit(e, (struct effect){ .type = EFFECT_RELABEL, .app = a, .inc = inc });
		if (a->def->type != APP_ONESHOT)
			engine_feed(e, a, IN_SPAWNED);
	} else if (!(a->found & 1u << CHILD_MAIN)) {
		if (inc <= last_inc)
			note_lost(e, a);
	} else if (a->state == APP_STARTING && a->pid > 0) {
		/* SPAWNED may have been under way: the state knows no pid yet, or no more than that. */
		engine_main_is_there(e, a);
	}
	if (a->adopt_again)
		engine_emit(e, (struct effect){ .type = EFFECT_ADOPT, .app = a, .inc = inc, .pid = a->pid });
	if (a->state == APP_STOPPING && a->inc[CHILD_MAIN] == inc)
		repeat_stop(e, a);
}

static void
resume_helpers(struct engine *e, struct app *a, uint64_t last_inc)
{
	int k;

	for (k = CHILD_MAIN + 1; k < CHILD_KIND_COUNT; k++) {
		if (a->inc[k] == 0 || a->inc[k] > last_inc || a->found & 1u << k)
			continue;
		/* Its end was acknowledged and not noted: a probe asks again, the others have had their say. */
		u64map_del(&e->by_inc, a->inc[k]);
		a->inc[k] = 0;
		if (k == CHILD_PROBE && a->state == APP_STARTING)
			engine_new_child(e, a, CHILD_PROBE);
	}
}

static void
resume_app(struct engine *e, struct app *a, uint64_t last_inc)
{
	resume_helpers(e, a, last_inc);
	resume_main(e, a, last_inc);
	/* The configuration in force may be another than the one it was started with. */
	if ((a->state == APP_STARTING || a->state == APP_RUNNING) && a->run_hash != a->def->run_hash) {
		a->restart_asked = true;
		a->cause = REASON_RELOAD;
	}
	engine_touch(e, a);
	engine_queue(e, a);
}

void
engine_resume(struct engine *e, uint64_t last_inc)
{
	uint32_t i;

	if (last_inc >= e->next_inc)
		e->next_inc = last_inc + 1;
	order_again(e, last_inc);
	/* Wishes first: what resumes is judged by what is wanted. */
	engine_rewant(e, REASON_MODE);
	for (i = 0; i < e->app_count; i++)
		resume_app(e, e->apps[i], last_inc);
	e->dirty = true;
	engine_drain(e);
}
