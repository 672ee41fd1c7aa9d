/* SPDX-License-Identifier: MIT */
#include "core/engine_internal.h"

#include <stdlib.h>
#include <string.h>

enum { EFFECTS_KEPT = 512 };

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
	free(a->status_text);
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
uint32_t
engine_random(struct engine *e)
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

struct effects *
engine_effects(struct engine *e)
{
	return &e->effects;
}

void
engine_effects_done(struct engine *e)
{
	struct effects *s = &e->effects;

	s->n = 0;
	if (s->cap > EFFECTS_KEPT) {		/* a mode change is over: what it took is not kept for the next */
		free(s->v);
		*s = (struct effects){ 0 };
	}
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
