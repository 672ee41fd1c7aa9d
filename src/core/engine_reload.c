/* SPDX-License-Identifier: MIT */
#include "core/engine_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The table of applications, and how another model takes the place of the one in force. */

enum { LINGERING_MAX = 32 };		/* transient applications that have ended and can still be asked about */

/* All that a layout consists of, made whole before any of it takes effect. */
struct layout {
	struct app **apps, **tell, **act, **touched, **dirty_apps;
	const struct app_def **defs;
	bool *made;			/* apps[i] is new */
	struct want *want;
	struct graph *graph;
	struct strmap by_name;
	uint32_t n;
};

static void
layout_free(struct layout *l)
{
	uint32_t i;

	for (i = 0; l->made != NULL && i < l->n; i++)
		if (l->made[i])
			free(l->apps[i]);
	free(l->apps);
	free(l->tell);
	free(l->act);
	free(l->touched);
	free(l->dirty_apps);
	free(l->defs);
	free(l->made);
	free(l->want);
	graph_free(l->graph);
	strmap_free(&l->by_name);
}

static struct app *
new_app(const struct app_def *def)
{
	struct app *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->def = a->next_def = def;
	snprintf(a->name, sizeof(a->name), "%s", def->name);
	a->state = def->command.argv.n > 0 ? APP_STOPPED : APP_LOAD_ONLY;
	return a;
}

static int
layout_alloc(struct layout *l, uint32_t room)
{
	l->apps = calloc(room, sizeof(*l->apps));
	l->tell = calloc(room, sizeof(*l->tell));
	l->act = calloc(room, sizeof(*l->act));
	l->touched = calloc(room, sizeof(*l->touched));
	l->dirty_apps = calloc(room, sizeof(*l->dirty_apps));
	l->defs = calloc(room, sizeof(*l->defs));
	l->made = calloc(room, sizeof(*l->made));
	l->want = calloc(room, sizeof(*l->want));
	return l->apps && l->tell && l->act && l->touched && l->dirty_apps && l->defs && l->made && l->want ? 0 : -1;
}

static int
layout_add(struct layout *l, struct app *a, const struct app_def *def, bool made)
{
	l->apps[l->n] = a;
	l->defs[l->n] = def;
	l->made[l->n] = made;
	return strmap_put(&l->by_name, a->name, l->n++);
}

static int
layout_fill(struct layout *l, const struct engine *e, const struct model *m, struct app *extra)
{
	const struct app_def *def;
	struct app *a;
	uint32_t i;

	for (i = 0; i < m->app_count; i++) {
		def = &m->apps[i];
		a = engine_find(e, def->name);
		if (a != NULL && (a->transient || a->gone))
			a = NULL;
		if (a == NULL ? (a = new_app(def)) == NULL || layout_add(l, a, def, true) < 0 : layout_add(l, a, def, false) < 0)
			return -1;
	}
	for (i = 0; i < e->app_count; i++) {
		a = e->apps[i];
		if (!a->gone && strmap_get(&l->by_name, a->name) == STRMAP_NONE && layout_add(l, a, a->def, false) < 0)
			return -1;
	}
	if (extra != NULL && layout_add(l, extra, extra->def, false) < 0)
		return -1;
	l->graph = graph_new(l->defs, m->app_count, l->n);
	return l->graph ? 0 : -1;
}

/* Those that the new layout leaves out stay readable until the effects are done. */
static int
keep_dead(struct engine *e)
{
	struct app **dead = realloc(e->dead, (e->dead_count + e->app_count + 1) * sizeof(struct app *));
	uint32_t i;

	if (dead == NULL)
		return -1;
	e->dead = dead;
	for (i = 0; i < e->app_count; i++)
		if (e->apps[i]->gone)
			dead[e->dead_count++] = e->apps[i];
	return 0;
}

static void
replace(void *field, void *by)
{
	free(*(void **)field);
	memcpy(field, &by, sizeof(by));
}

static void
begin_anew(struct engine *e, struct app *a, uint32_t vertex)
{
	a->vertex = vertex;
	a->pred_hint = a->succ_hint = 0;
	if (a->dirty)
		e->dirty_apps[e->dirty_len++] = a;
	a->to_tell = a->to_act = a->touched = false;
	engine_queue(e, a);
	engine_recount_later(e, a);
	e->dead_ends += a->dead_end;
	if (!engine_is_barrier(e, a))
		e->standing[a->standing]++;
}

static void
layout_take(struct engine *e, struct layout *l, struct model *m)
{
	uint32_t i;

	for (i = 0; i < m->app_count; i++) {
		l->apps[i]->next_def = l->defs[i];
		if (l->made[i])
			l->apps[i]->model = model_ref(m);
		l->made[i] = false;
	}
	for (; i < l->n; i++)
		if (!l->apps[i]->transient)
			l->apps[i]->next_def = NULL;
	l->apps[l->n] = &e->barrier;
	replace(&e->apps, take_ptr(&l->apps));
	replace(&e->tell.v, take_ptr(&l->tell));
	replace(&e->act.v, take_ptr(&l->act));
	replace(&e->touched, take_ptr(&l->touched));
	replace(&e->dirty_apps, take_ptr(&l->dirty_apps));
	replace(&e->want, take_ptr(&l->want));
	graph_free(e->graph);
	e->graph = take_ptr(&l->graph);
	strmap_free(&e->by_name);
	e->by_name = l->by_name;
	l->by_name = (struct strmap){ 0 };
	e->app_count = l->n;
	e->tell.cap = e->act.cap = l->n + 1;
	e->tell.head = e->tell.len = e->act.head = e->act.len = 0;
	e->touched_len = e->dirty_len = 0;
	memset(e->standing, 0, sizeof(e->standing));
	e->dead_ends = 0;
	for (i = 0; i <= e->app_count; i++)
		begin_anew(e, e->apps[i], i);
}

int
engine_lay_out(struct engine *e, struct model *take_m, struct app *take_extra)
{
	struct layout l = { 0 };
	uint32_t room = take_m->app_count + e->app_count + 2;

	if (layout_alloc(&l, room) < 0 || layout_fill(&l, e, take_m, take_extra) < 0 ||
	    deadlines_reserve(&e->deadlines, l.n) < 0 || keep_dead(e) < 0) {
		layout_free(&l);
		return -1;
	}
	layout_take(e, &l, take_m);
	layout_free(&l);
	if (e->model != take_m)
		model_unref(e->model);
	e->model = take_m;
	return 0;
}

void
engine_adopt_def(struct engine *e, struct app *a)
{
	bool runs;

	if (a->next_def == NULL || a->next_def == a->def)
		return;
	a->def = a->next_def;
	model_unref(a->model);
	a->model = model_ref(e->model);
	runs = a->def->command.argv.n > 0;
	if (runs == (a->state == APP_LOAD_ONLY))
		engine_set_state(e, a, runs ? APP_STOPPED : APP_LOAD_ONLY, REASON_RELOAD);
	engine_touch(e, a);
}

static bool
must_run_anew(const struct app *a)
{
	uint64_t runs_by = app_at_rest(a) ? a->def->run_hash : a->run_hash;

	return a->next_def->run_hash != runs_by || (a->next_def->command.argv.n == 0) != (a->def->command.argv.n == 0);
}

void
engine_apply_def(struct engine *e, struct app *a)
{
	bool ended = a->state == APP_FAILED || a->state == APP_COMPLETED || a->state == APP_BACKOFF, anew;

	if (a->next_def == NULL || a->next_def == a->def)
		return;
	anew = must_run_anew(a);
	if (anew && (ended || a->state == APP_STARTING || a->state == APP_RUNNING)) {
		a->restart_asked = true;
		a->cause = REASON_RELOAD;
		engine_touch(e, a);
		return;
	}
	/* How it becomes ready was arranged by the old one. */
	if (a->state == APP_STARTING || (a->state == APP_STOPPING && anew))
		return;
	engine_adopt_def(e, a);
	if (a->inc[CHILD_MAIN] != 0)
		engine_emit(e, (struct effect){ .type = EFFECT_RELABEL, .app = a, .inc = a->inc[CHILD_MAIN] });
}

static int
check_model(const struct engine *e, const struct model *m, struct err *err)
{
	uint32_t i;

	if (e->shutting_down)
		return err_set(err, 0, "appctld is shutting down");
	if (e->mode[0] && model_find_mode(m, e->mode) == NULL)
		return err_set(err, 0, "mode %s, which is set, is not defined any more: set another mode first", e->mode);
	for (i = e->model->app_count; i < e->app_count; i++)
		if (e->apps[i]->transient && model_find_app(m, e->apps[i]->name) != APP_NONE)
			return err_set(err, 0, "application %s was started by run and is still there", e->apps[i]->name);
	return 0;
}

int
engine_reload(struct engine *e, struct model *take_m, struct err *err)
{
	uint32_t i;

	if (check_model(e, take_m, err) < 0)
		return -1;
	if (engine_lay_out(e, take_m, NULL) < 0)
		return err_set(err, ENOMEM, "reload");
	engine_emit_event(e, (struct event){ .category = EVENT_CONFIG_RELOADED });
	for (i = 0; i < e->model->app_count; i++)
		engine_apply_def(e, e->apps[i]);
	if (engine_rewant(e, REASON_RELOAD))
		engine_enter_mode(e, e->mode[0] ? arena_strdup(e->scratch, e->mode) : NULL);
	engine_drain(e);
	return 0;
}

void
engine_refuse_config(struct engine *e, const char *members)
{
	engine_emit_event(e, (struct event){ .category = EVENT_CONFIG_REFUSED, .detail = arena_strdup(e->scratch, members) });
}

struct app *
engine_new_transient(struct model *take_m)
{
	struct app *a = new_app(&take_m->apps[0]);

	if (a == NULL)
		return NULL;
	a->model = take_m;
	a->transient = true;
	return a;
}

struct app *
engine_run(struct engine *e, struct model *take_m, struct err *err)
{
	struct app *a;

	if (e->shutting_down) {
		err_set(err, 0, "appctld is shutting down");
		return NULL;
	}
	if (engine_find(e, take_m->apps[0].name) != NULL) {
		err_set(err, 0, "there is an application %s already", take_m->apps[0].name);
		return NULL;
	}
	a = engine_new_transient(take_m);
	if (a == NULL || engine_lay_out(e, e->model, a) < 0) {
		free(a);
		err_set(err, ENOMEM, "application %s", take_m->apps[0].name);
		return NULL;
	}
	engine_rewant(e, REASON_OPERATOR);
	engine_drain(e);
	return a;
}

/* A definition that is just enough to end what runs under that name. */
static struct model *
stranger_model(const char *name)
{
	struct problems ignored = { 0 };
	struct arena *arena = arena_new();
	struct item command = { .name = "command", .type = ITEM_STRING, .s = "false" };
	struct item group = { .type = ITEM_GROUP, .first = &command };
	struct model *m = arena ? model_build_transient(name, &group, &ignored) : NULL;

	arena_free(arena);
	problems_free(&ignored);
	return m;
}

struct app *
engine_add_stranger(struct engine *e, const char *name)
{
	struct model *m = stranger_model(name);
	struct app *a = m ? engine_new_transient(m) : NULL;

	if (a == NULL) {
		model_unref(m);
		return NULL;
	}
	a->transient = false;
	if (engine_lay_out(e, e->model, a) < 0) {
		model_unref(m);
		free(a);
		return NULL;
	}
	return a;
}

int
engine_stand_in(struct app *a)
{
	struct model *m = stranger_model(a->name);

	if (m == NULL)
		return -1;
	model_unref(a->model);
	a->model = m;
	a->def = &m->apps[0];
	return 0;
}

static bool
has_left(const struct app *a)
{
	return a->next_def == NULL && app_at_rest(a) && a->inc[CHILD_MAIN] == 0;
}

static bool
has_ended(const struct app *a)
{
	return a->transient && a->inc[CHILD_MAIN] == 0 &&
	       (a->state == APP_COMPLETED || a->state == APP_FAILED || a->state == APP_STOPPED) && a->has_run;
}

/* The transient application that ended first, where more than LINGERING_MAX have. */
static struct app *
oldest_lingering(const struct engine *e)
{
	struct app *oldest = NULL;
	uint32_t i, n = 0;

	for (i = e->model->app_count; i < e->app_count; i++) {
		if (e->apps[i]->gone || !has_ended(e->apps[i]))
			continue;
		n++;
		if (oldest == NULL || e->apps[i]->since_ms < oldest->since_ms)
			oldest = e->apps[i];
	}
	return n > LINGERING_MAX ? oldest : NULL;
}

static void
drop(struct engine *e, struct app *a)
{
	a->gone = true;
	deadlines_set(&e->deadlines, a, 0);
	engine_answer_app_waiters(e, a, OUTCOME_REPLACED);
	engine_emit(e, (struct effect){ .type = EFFECT_FORGET, .app = a });
}

void
engine_drop_ended(struct engine *e)
{
	struct app *oldest;
	bool any = false;
	uint32_t i;

	for (i = e->model->app_count; i < e->app_count; i++) {
		if (has_left(e->apps[i])) {
			drop(e, e->apps[i]);
			any = true;
		}
	}
	oldest = oldest_lingering(e);
	if (oldest != NULL) {
		drop(e, oldest);
		any = true;
	}
	if (!any)
		return;
	if (engine_lay_out(e, e->model, NULL) < 0) {
		e->out_of_memory = true;
		return;
	}
	engine_rewant(e, REASON_RELOAD);
	engine_drain(e);
}
