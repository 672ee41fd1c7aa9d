/* SPDX-License-Identifier: MIT */
#include "core/engine_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct ready no_ready = { .type = READY_NONE };
static const struct backoff no_backoff = { 0 };
static const struct app_def barrier_def = { .name = "(protected)", .ready = &no_ready, .backoff = &no_backoff };

struct engine *
engine_new(struct model *take_m, const char *node, uint64_t seed)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	strncpy(e->node, node, sizeof(e->node) - 1);
	e->next_inc = 1;
	e->next_seq = 1;
	e->random = seed ? seed : 1;
	e->barrier.def = e->barrier.next_def = &barrier_def;
	e->barrier.state = APP_LOAD_ONLY;
	e->barrier.wanted = true;
	e->scratch = arena_new();
	if (e->scratch == NULL || engine_lay_out(e, take_m, NULL) < 0) {
		engine_free(e);
		return NULL;
	}
	return e;
}

static void
free_app(struct app *a)
{
	model_unref(a->model);
	restart_log_free(&a->restart_log);
	free(a);
}

static void
bury_dead(struct engine *e)
{
	while (e->dead_count > 0)
		free_app(e->dead[--e->dead_count]);
	free(e->dead);
	e->dead = NULL;
}

void
engine_free(struct engine *e)
{
	uint32_t i;

	if (e == NULL)
		return;
	bury_dead(e);
	for (i = 0; i < e->app_count; i++)
		free_app(e->apps[i]);
	free(e->apps);
	free(e->want);
	free(e->tell.v);
	free(e->act.v);
	free(e->touched);
	free(e->dirty_apps);
	free(e->waiters);
	free(e->effects.v);
	graph_free(e->graph);
	model_unref(e->model);
	strmap_free(&e->by_name);
	u64map_free(&e->by_inc);
	deadlines_free(&e->deadlines);
	arena_free(e->scratch);
	free(e);
}

void
engine_at(struct engine *e, struct moment now)
{
	e->now = now;
}

/* xorshift64* (Vigna 2016); the upper half. */
static uint32_t
next_random(struct engine *e)
{
	e->random ^= e->random >> 12;
	e->random ^= e->random << 25;
	e->random ^= e->random >> 27;
	return (uint32_t)((e->random * 0x2545f4914f6cdd1dULL) >> 32);
}

struct effect *
engine_emit(struct engine *e, struct effect effect)
{
	struct effects *s = &e->effects;
	size_t cap = s->cap ? s->cap * 2 : 64;
	struct effect *v;

	if (s->n == s->cap) {
		v = realloc(s->v, cap * sizeof(*v));
		if (v == NULL) {
			e->out_of_memory = true;
			return NULL;
		}
		s->v = v;
		s->cap = cap;
	}
	s->v[s->n] = effect;
	return &s->v[s->n++];
}

void
engine_emit_event(struct engine *e, struct event ev)
{
	ev.seq = e->next_seq++;
	ev.real_us = e->now.real_us;
	e->dirty = true;
	engine_emit(e, (struct effect){ .type = EFFECT_EVENT, .event = ev });
}

bool
engine_is_barrier(const struct engine *e, const struct app *a)
{
	return a == &e->barrier;
}

static void
ring_push(struct ring *r, struct app *a, bool *in_it)
{
	if (*in_it)
		return;
	*in_it = true;
	r->v[(r->head + r->len++) % r->cap] = a;
}

static struct app *
ring_pop(struct ring *r)
{
	struct app *a;

	if (r->len == 0)
		return NULL;
	a = r->v[r->head];
	r->head = (r->head + 1) % r->cap;
	r->len--;
	return a;
}

void
engine_queue(struct engine *e, struct app *a)
{
	ring_push(&e->tell, a, &a->to_tell);
	ring_push(&e->act, a, &a->to_act);
}

static void
queue_edges(struct engine *e, struct edges edges)
{
	uint32_t i;

	for (i = 0; i < edges.n; i++)
		engine_queue(e, e->apps[edges.v[i].other]);
}

void
engine_queue_succs(struct engine *e, struct app *a)
{
	queue_edges(e, graph_succs(e->graph, a->vertex));
}

void
engine_touch(struct engine *e, struct app *a)
{
	if (!a->dirty) {
		a->dirty = true;
		e->dirty_apps[e->dirty_len++] = a;
	}
	engine_recount_later(e, a);
}

void
engine_recount_later(struct engine *e, struct app *a)
{
	if (a->touched)
		return;
	a->touched = true;
	e->touched[e->touched_len++] = a;
}

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

bool
engine_edge_counts(const struct engine *e, const struct edge *edge)
{
	const struct app *pred = e->apps[edge->other];

	if (pred->up)
		return false;
	switch (edge->kind) {
	case EDGE_REQUIRES:
		return true;
	default:
		/* What only orders does not hold up for ever: one that ended as it should has had its turn. */
		return pred->wanted && !pred->done;
	}
}

struct app *
engine_blocker(const struct engine *e, const struct app *a)
{
	struct edges preds = graph_preds(e->graph, a->vertex);
	uint32_t i, at;

	for (i = 0; i < preds.n; i++) {
		at = (a->pred_hint + i) % preds.n;
		if (engine_edge_counts(e, &preds.v[at])) {
			/* Looked at again when this one has come up: begin there, so that n preds cost n looks. */
			((struct app *)a)->pred_hint = at;
			return e->apps[preds.v[at].other];
		}
	}
	return NULL;
}

/* Something after a is going down and has not come to rest. */
static bool
is_held(struct engine *e, struct app *a)
{
	struct edges succs = graph_succs(e->graph, a->vertex);
	uint32_t i, at;

	for (i = 0; i < succs.n; i++) {
		at = (a->succ_hint + i) % succs.n;
		if (e->apps[succs.v[at].other]->holds) {
			a->succ_hint = at;
			return true;
		}
	}
	return false;
}

static bool
goes_down(const struct app *a)
{
	return !a->wanted || a->restart_asked;
}

/* Tells those before a whether it still holds them; what has no process passes on what is after it. */
static void
update_holds(struct engine *e, struct app *a, bool held)
{
	bool holds = app_at_rest(a) ? held : goes_down(a);

	if (holds == a->holds)
		return;
	a->holds = holds;
	queue_edges(e, graph_preds(e->graph, a->vertex));
}

/* Tells those after a whether it is up, or has had its turn. */
static void
update_up(struct engine *e, struct app *a)
{
	bool up = a->state == APP_LOAD_ONLY ? engine_blocker(e, a) == NULL : app_is_up(a) && !goes_down(a);
	bool done = a->state == APP_COMPLETED && !goes_down(a);

	if (up == a->up && done == a->done)
		return;
	a->up = up;
	a->done = done;
	engine_queue_succs(e, a);
}

/* What the wish about a and its neighbours amount to.  false: nothing, for now. */
static bool
input_for(struct engine *e, struct app *a, bool held, enum app_input *in)
{
	if (!goes_down(a)) {
		*in = engine_blocker(e, a) ? IN_HOLD : IN_GO;
		return true;
	}
	if (a->state == APP_STOPPED && !a->restart_asked)
		return false;
	*in = IN_DOWN;
	return app_at_rest(a) || !held;
}

static void
tell_all(struct engine *e)
{
	struct app *a;

	while ((a = ring_pop(&e->tell)) != NULL) {
		a->to_tell = false;
		/* What it waits for may be another now, and in vain. */
		if (a->state == APP_WAITING || a->state == APP_LOAD_ONLY)
			engine_recount_later(e, a);
		update_holds(e, a, is_held(e, a));
		update_up(e, a);
	}
}

static void
act_upon(struct engine *e, struct app *a)
{
	enum app_input in;

	a->to_act = false;
	if (input_for(e, a, is_held(e, a), &in))
		engine_feed(e, a, in);
}

/* No mode is entered before the protected applications are up. */
static void
say_first_mode(struct engine *e)
{
	if (!e->mode_unsaid || !e->barrier.up)
		return;
	e->mode_unsaid = false;
	e->dirty = true;
	engine_emit_event(e, (struct event){ .category = EVENT_NEW_MODE, .mode = engine_mode(e) });
}

/* One round: what an end led to comes before anything else starts. */
static bool
act_once(struct engine *e)
{
	struct app *a;

	engine_draw_consequences(e);
	tell_all(e);
	say_first_mode(e);
	a = ring_pop(&e->act);
	if (a == NULL)
		return false;
	act_upon(e, a);
	return true;
}

void
engine_drain(struct engine *e)
{
	do {
		while (act_once(e))
			;
		engine_review(e);
	} while (e->act.len > 0);
	engine_drop_ended(e);
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
	a->status_text[0] = '\0';
	a->fail_step = NULL;
	a->run_hash = a->def->run_hash;
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
	struct settlement s = app_settle(a, e->now.mono_ms, next_random(e));

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

struct effects *
engine_effects(struct engine *e)
{
	return &e->effects;
}

void
engine_effects_done(struct engine *e)
{
	e->effects.n = 0;
	arena_reset(e->scratch);
	bury_dead(e);
}

struct app *
engine_take_dirty(struct engine *e)
{
	struct app *a;

	if (e->dirty_len == 0)
		return NULL;
	a = e->dirty_apps[--e->dirty_len];
	a->dirty = false;
	return a;
}

bool
engine_take_dirty_self(struct engine *e)
{
	bool dirty = e->dirty;

	e->dirty = false;
	return dirty;
}

bool
engine_out_of_memory(const struct engine *e)
{
	return e->out_of_memory;
}

const struct model *
engine_model(const struct engine *e)
{
	return e->model;
}

const struct graph *
engine_graph(const struct engine *e)
{
	return e->graph;
}

const char *
engine_mode(const struct engine *e)
{
	return e->mode[0] ? e->mode : NULL;
}

enum mode_state
engine_mode_state(const struct engine *e)
{
	return e->mode_state;
}

bool
engine_shutting_down(const struct engine *e)
{
	return e->shutting_down;
}

uint64_t
engine_last_seq(const struct engine *e)
{
	return e->next_seq - 1;
}

uint32_t
engine_app_count(const struct engine *e)
{
	return e->app_count;
}

struct app *
engine_app(const struct engine *e, uint32_t vertex)
{
	return vertex < e->app_count ? e->apps[vertex] : NULL;
}

struct app *
engine_find(const struct engine *e, const char *name)
{
	uint32_t at = strmap_get(&e->by_name, name);

	return at == STRMAP_NONE ? NULL : e->apps[at];
}

struct app *
engine_find_inc(const struct engine *e, uint64_t inc, enum child_kind *kind)
{
	struct app *a = u64map_get(&e->by_inc, inc);
	int k;

	for (k = 0; a != NULL && k < CHILD_KIND_COUNT; k++) {
		if (a->inc[k] == inc) {
			*kind = (enum child_kind)k;
			return a;
		}
	}
	return NULL;
}

const struct want *
engine_want(const struct engine *e, const struct app *a)
{
	return &e->want[a->vertex];
}
