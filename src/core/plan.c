/* SPDX-License-Identifier: MIT */
#include "core/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
look_at(const struct engine *e, const struct app *a, struct plan_app *out)
{
	const struct want *want = engine_want(e, a);

	memcpy(out->name, a->name, sizeof(out->name));
	out->def = a->next_def;
	out->state = a->state;
	out->wanted = a->wanted;
	out->transient = a->transient;
	out->restart_asked = a->restart_asked;
	out->wish = a->wish;
	out->run_hash = app_at_rest(a) ? 0 : a->run_hash;
	if (want != NULL)
		out->want = *want;
}

struct plan_now *
plan_now_of(const struct engine *e)
{
	struct plan_now *now = calloc(1, sizeof(*now));
	uint32_t i;

	if (now == NULL)
		return NULL;
	now->n = engine_app_count(e);
	now->apps = calloc(now->n ? now->n : 1, sizeof(*now->apps));
	if (now->apps == NULL) {
		free(now);
		return NULL;
	}
	now->model = model_ref((struct model *)engine_model(e));
	now->graph = engine_graph(e);
	if (engine_mode(e) != NULL)
		snprintf(now->mode, sizeof(now->mode), "%s", engine_mode(e));
	for (i = 0; i < now->n; i++)
		look_at(e, engine_app(e, i), &now->apps[i]);
	return now;
}

void
plan_now_free(struct plan_now *now)
{
	if (now == NULL)
		return;
	model_unref(now->model);
	free(now->apps);
	free(now);
}

/* One computation of a plan: what is put together until the steps are told. */
struct planning {
	const struct plan_now *now;
	const struct mode *mode;	/* NULL: the wishes that are in force */
	struct want *want;		/* by vertex: what is aimed at */
	uint8_t *todo;			/* by vertex: 0, or 1 + enum plan_action */
	uint32_t *wave, *down;		/* by vertex, the barrier included: of starts, and of stops */
	uint32_t *order;
	struct arena *arena;
	struct buf text;
};

static bool
does(const struct planning *p, uint32_t vertex, enum plan_action action)
{
	return p->todo[vertex] == 1 + action;
}

static bool
comes_up(const struct planning *p, uint32_t vertex)
{
	return does(p, vertex, PLAN_START) || does(p, vertex, PLAN_RESTART);
}

/* What the present wishes are, or what that mode would make of them. */
static void
aim(struct planning *p)
{
	const struct plan_app *a;
	uint32_t i;

	if (p->mode != NULL)
		mode_wants(p->now->model, p->now->graph, p->mode, p->want);
	for (i = 0; i < p->now->n; i++) {
		a = &p->now->apps[i];
		if (p->mode != NULL && i < p->now->model->app_count)
			continue;
		p->want[i] = a->want;
		if (!a->wanted)
			p->want[i].why = WHY_NOT;
		else if (p->want[i].why == WHY_NOT)
			p->want[i].why = WHY_OPERATOR;
	}
}

static uint8_t
todo(const struct plan_app *a, bool wanted)
{
	switch (a->state) {
	case APP_STARTING:
	case APP_RUNNING:
		if (!wanted)
			return 1 + PLAN_STOP;
		return a->restart_asked ? 1 + PLAN_RESTART : 0;
	case APP_STOPPING:
		return wanted ? 1 + PLAN_RESTART : 1 + PLAN_STOP;
	case APP_STOPPED:
	case APP_WAITING:
	case APP_BACKOFF:
		return wanted ? 1 + PLAN_START : 0;
	default:			/* failed and completed stay as they are; load-only has nothing to start */
		return 0;
	}
}

/* Does `other`, at the far end of an edge, have to be up before what is at its near end? */
static bool
counts(const struct planning *p, const struct edge *edge)
{
	return edge->kind == EDGE_REQUIRES || edge->kind == EDGE_BARRIER || p->want[edge->other].why != WHY_NOT;
}

/* Has nothing to start or stop itself: what comes before it comes before what is after it. */
static bool
passes(const struct planning *p, uint32_t vertex, bool stopping)
{
	enum app_state state;

	if (vertex == graph_barrier(p->now->graph))
		return true;
	state = p->now->apps[vertex].state;
	return stopping ? state != APP_STARTING && state != APP_RUNNING && state != APP_STOPPING
			: state == APP_LOAD_ONLY;
}

static void
raise_to(uint32_t *wave, uint32_t least)
{
	if (*wave < least)
		*wave = least;
}

/* Preds first: a start comes one wave behind the last start that it waits for. */
static void
number_starts(struct planning *p, uint32_t size)
{
	uint32_t i, j, v;
	struct edges preds;

	for (i = 0; i < size; i++) {
		v = p->order[i];
		if (!passes(p, v, false) && !comes_up(p, v))
			continue;
		preds = graph_preds(p->now->graph, v);
		for (j = 0; j < preds.n; j++)
			if (counts(p, &preds.v[j]))
				raise_to(&p->wave[v], p->wave[preds.v[j].other]);
		if (!passes(p, v, false))
			p->wave[v]++;
	}
}

/* Succs first: a stop comes one wave behind the last stop of what stands on it. */
static void
number_stops(struct planning *p, uint32_t size)
{
	uint32_t i, j, v;
	struct edges succs;

	for (i = size; i-- > 0;) {
		v = p->order[i];
		if (!passes(p, v, true) && !does(p, v, PLAN_STOP))
			continue;
		succs = graph_succs(p->now->graph, v);
		for (j = 0; j < succs.n; j++)
			raise_to(&p->down[v], p->down[succs.v[j].other]);
		if (!passes(p, v, true))
			p->down[v]++;
	}
}

static bool
names_it(const struct refs *refs, const char *name)
{
	uint32_t i;

	for (i = 0; i < refs->n; i++)
		if (strcmp(refs->v[i].name, name) == 0)
			return true;
	return false;
}

/* By whose word `first` comes before `then`. */
static void
say_order(struct planning *p, uint32_t first, uint32_t then, enum edge_kind kind, bool stopping)
{
	const struct plan_app *a = &p->now->apps[first], *b = &p->now->apps[then];
	const char *other = stopping ? b->name : a->name;

	buf_printf(&p->text, "%s after %s", p->text.len > 0 ? ";" : "", other);
	if (kind == EDGE_REQUIRES)
		buf_adds(&p->text, stopping ? ", which requires it" : ", which it requires");
	else if (kind == EDGE_OPTIONAL)
		buf_printf(&p->text, " (optional_applications of %s)", b->name);
	else if (kind == EDGE_BARRIER)
		buf_adds(&p->text, ", which is protected");
	else if (a->def != NULL && names_it(&a->def->start_before, b->name))
		buf_printf(&p->text, " (start_before of %s)", a->name);
	else
		buf_printf(&p->text, " (start_after of %s)", b->name);
}

struct collected {
	const char **v;
	uint32_t n;
};

static void
collect(struct planning *p, struct collected *c, uint32_t first, uint32_t then, enum edge_kind kind, bool stopping)
{
	c->v[c->n++] = p->now->apps[stopping ? then : first].name;
	say_order(p, first, then, kind, stopping);
}

/* Protected applications that are started too: the barrier stands for them. */
static void
collect_behind_barrier(struct planning *p, struct collected *c, uint32_t then)
{
	struct edges preds = graph_preds(p->now->graph, graph_barrier(p->now->graph));
	uint32_t i;

	for (i = 0; i < preds.n; i++)
		if (comes_up(p, preds.v[i].other))
			collect(p, c, preds.v[i].other, then, EDGE_BARRIER, false);
}

static void
collect_preds(struct planning *p, struct collected *c, uint32_t v)
{
	uint32_t barrier = graph_barrier(p->now->graph), i;
	struct edges preds = graph_preds(p->now->graph, v);

	for (i = 0; i < preds.n; i++)
		if (preds.v[i].other == barrier)
			collect_behind_barrier(p, c, v);
		else if (comes_up(p, preds.v[i].other) && counts(p, &preds.v[i]))
			collect(p, c, preds.v[i].other, v, preds.v[i].kind, false);
}

static void
collect_succs(struct planning *p, struct collected *c, uint32_t v)
{
	uint32_t barrier = graph_barrier(p->now->graph), i;
	struct edges succs = graph_succs(p->now->graph, v);

	for (i = 0; i < succs.n; i++)
		if (succs.v[i].other != barrier && does(p, succs.v[i].other, PLAN_STOP))
			collect(p, c, v, succs.v[i].other, succs.v[i].kind, true);
}

static void
say_role(struct planning *p, const struct want *w)
{
	buf_printf(&p->text, "role %s", p->now->model->roles[w->by].name);
}

/* Follows "required by" to what wants the last of them. */
static void
say_wanted(struct planning *p, uint32_t v)
{
	const struct want *w = &p->want[v];
	uint32_t links;

	for (links = 0; w->why == WHY_REQUIRED && links <= p->now->n; links++) {
		buf_printf(&p->text, "%srequired by %s", links ? ", " : "", p->now->apps[w->by].name);
		w = &p->want[w->by];
	}
	if (links > 0 && w->why != WHY_NOT)
		buf_adds(&p->text, ", ");
	switch (w->why) {
	case WHY_ROLE:
		say_role(p, w);
		break;
	case WHY_ALL:
		buf_adds(&p->text, "no mode is set: all are wanted");
		break;
	case WHY_BACKGROUND:
		buf_adds(&p->text, "in no role: wanted in every mode");
		break;
	case WHY_PROTECTED:
		buf_adds(&p->text, "protected");
		break;
	case WHY_OPERATOR:
		buf_adds(&p->text, "started by an operator");
		break;
	default:
		break;
	}
}

static void
say_roles_of(struct planning *p, uint32_t v)
{
	const struct model *m = p->now->model;
	const char *before = "in role ";
	uint32_t i, j;

	for (i = 0; i < m->role_count; i++)
		for (j = 0; j < m->roles[i].n; j++)
			if (m->roles[i].apps[j] == v) {
				buf_printf(&p->text, "%s%s", before, m->roles[i].name);
				before = ", ";
			}
}

static void
say_not_wanted(struct planning *p, uint32_t v)
{
	const struct plan_app *a = &p->now->apps[v];
	const char *mode = p->mode ? p->mode->name : p->now->mode;
	bool in_role = a->def != NULL && a->def->in_role;

	if (a->wish == WISH_DOWN && p->mode == NULL) {
		buf_adds(&p->text, "stopped by an operator");
		return;
	}
	if (v >= p->now->model->app_count) {
		buf_adds(&p->text, "no longer in the configuration");
		return;
	}
	if (a->def != NULL && a->def->disabled) {
		buf_adds(&p->text, "disabled (enabled = false)");
		return;
	}
	if (in_role)
		say_roles_of(p, v);
	buf_printf(&p->text, "%smode %s does not want it", in_role ? ": " : "", mode);
}

static const char *
take_text(struct planning *p)
{
	const char *text = arena_strdup(p->arena, buf_cstr(&p->text));

	if (p->text.failed)
		text = NULL;
	buf_clear(&p->text);
	return text;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The most that can come before a step: its neighbours, and what stands at the barrier. */
static size_t
neighbours(const struct planning *p, uint32_t v, bool stopping)
{
	const struct graph *g = p->now->graph;

	if (stopping)
		return graph_succs(g, v).n;
	return graph_preds(g, v).n + graph_preds(g, graph_barrier(g)).n;
}

static int
tell_step(struct planning *p, uint32_t v, struct plan_step *out)
{
	size_t most = neighbours(p, v, does(p, v, PLAN_STOP));
	struct collected c = { arena_alloc(p->arena, (most ? most : 1) * sizeof(*c.v)), 0 };

	if (c.v == NULL)
		return -1;
	out->vertex = v;
	out->action = (enum plan_action)(p->todo[v] - 1);
	out->wave = out->action == PLAN_STOP ? p->down[v] : p->wave[v];
	if (out->action == PLAN_STOP) {
		say_not_wanted(p, v);
		collect_succs(p, &c, v);
	} else {
		say_wanted(p, v);
		collect_preds(p, &c, v);
	}
	qsort(c.v, c.n, sizeof(*c.v), by_name);
	out->after = (struct strings){ c.v, c.n };
	out->why = take_text(p);
	return out->why ? 0 : -1;
}

static int
by_wave(const void *va, const void *vb)
{
	const struct plan_step *a = va, *b = vb;
	bool a_up = a->action != PLAN_STOP, b_up = b->action != PLAN_STOP;

	if (a_up != b_up)
		return a_up ? 1 : -1;
	if (a->wave != b->wave)
		return a->wave < b->wave ? -1 : 1;
	return a->vertex < b->vertex ? -1 : a->vertex > b->vertex;
}

static int
tell_steps(struct planning *p, struct plan *out)
{
	uint32_t i, n = 0;

	for (i = 0; i < p->now->n; i++)
		n += p->todo[i] != 0;
	out->v = arena_alloc(p->arena, (n ? n : 1) * sizeof(*out->v));
	if (out->v == NULL)
		return -1;
	for (i = 0; i < p->now->n; i++)
		if (p->todo[i] != 0 && tell_step(p, i, &out->v[out->n++]) < 0)
			return -1;
	qsort(out->v, out->n, sizeof(*out->v), by_wave);
	return 0;
}

static int
plan_steps(struct planning *p, struct plan *out)
{
	uint32_t size = graph_size(p->now->graph), i;

	p->want = arena_alloc(p->arena, size * sizeof(*p->want));
	p->todo = arena_alloc(p->arena, size);
	p->wave = arena_alloc(p->arena, size * sizeof(*p->wave));
	p->down = arena_alloc(p->arena, size * sizeof(*p->down));
	p->order = arena_alloc(p->arena, size * sizeof(*p->order));
	if (p->want == NULL || p->todo == NULL || p->wave == NULL || p->down == NULL || p->order == NULL)
		return -1;
	aim(p);
	for (i = 0; i < p->now->n; i++)
		p->todo[i] = todo(&p->now->apps[i], p->want[i].why != WHY_NOT);
	graph_order(p->now->graph, p->order, NULL);
	number_starts(p, size);
	number_stops(p, size);
	return tell_steps(p, out);
}

int
plan_mode(const struct plan_now *now, const struct mode *mode, struct plan *out)
{
	struct planning p = { .now = now, .mode = mode, .arena = arena_new() };
	int rc;

	if (mode != NULL && strcmp(mode->name, now->mode) == 0)
		p.mode = NULL;
	out->arena = p.arena;
	rc = p.arena ? plan_steps(&p, out) : -1;
	buf_free(&p.text);
	return rc;
}

void
plan_free(struct plan *p)
{
	arena_free(p->arena);
	*p = (struct plan){ 0 };
}

const char *
plan_action_name(enum plan_action a)
{
	static const char *const names[] = { "stop", "start", "restart" };

	return names[a];
}
