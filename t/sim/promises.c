/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the design promises, in its slow and obvious reading. */

void
world_fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(w->failure, sizeof(w->failure), fmt, ap);
	va_end(ap);
}

void
world_trace(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->trace)
		return;
	printf("# %8lld ", (long long)w->now.mono_ms);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

struct told *
told_of(struct world *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->told_count; i++)
		if (strcmp(w->told[i].name, name) == 0)
			return &w->told[i];
	if (w->told_count == sizeof(w->told) / sizeof(w->told[0]))
		abort();
	snprintf(w->told[w->told_count].name, sizeof(w->told[0].name), "%s", name);
	return &w->told[w->told_count++];
}

/* Each beginning has one end, and nothing ends that did not begin. */
void
check_pairs(struct world *w, const struct event *ev)
{
	struct told *t = told_of(w, ev->app);
	bool *open = ev->category == EVENT_APP_STARTING || ev->category == EVENT_APP_EXITED ? &t->started : &t->running;
	bool begins = ev->category == EVENT_APP_STARTING || ev->category == EVENT_APP_RUNNING;

	if (*open == begins)
		world_fail(w, "event %llu: %s of %s %s", (unsigned long long)ev->seq, event_category_name(ev->category), ev->app,
		     begins ? "while the last one is still open" : "that was not open");
	*open = begins;
}

/* Takes an application that crashes, gives up, and an engine that died before. */
void
check_lie(struct world *w, const struct event *ev)
{
	if (ev->category == EVENT_APP_FAILED && ev->reason == REASON_GAVE_UP && w->deaths > 0)
		world_fail(w, "event %llu: %s gave up in a world where the engine has died", (unsigned long long)ev->seq, ev->app);
}

/* An operator has started it, or what needs it. */
static bool
is_asked_for(struct world *w, const struct app *a)
{
	struct edges succs = graph_succs(engine_graph(w->engine), a->vertex);
	uint32_t i;

	if (a->wish == WISH_UP || a->transient)
		return true;
	for (i = 0; i < succs.n; i++)
		if (succs.v[i].kind == EDGE_REQUIRES && is_asked_for(w, engine_app(w->engine, succs.v[i].other)))
			return true;
	return false;
}

/* The slow and obvious reading of "starts only when all it must wait for is running". */
static void
check_may_start(struct world *w, const struct app *a)
{
	const struct graph *g = engine_graph(w->engine);
	struct edges preds = graph_preds(g, a->vertex);
	const struct app *p;
	uint32_t i;

	if (a->next_def != NULL && a->next_def->disabled && !is_asked_for(w, a))
		world_fail(w, "%s was started although it is disabled", a->name);
	for (i = 0; i < preds.n; i++) {
		if (preds.v[i].other == graph_barrier(g))
			continue;
		p = engine_app(w->engine, preds.v[i].other);
		if (p->state == APP_LOAD_ONLY || app_is_up(p))
			continue;
		if (preds.v[i].kind == EDGE_REQUIRES || (p->wanted && p->state != APP_COMPLETED))
			world_fail(w, "%s was started although %s is %s", a->name, p->name, app_state_name(p->state));
	}
	for (i = 0; !a->def->is_protected && i < engine_app_count(w->engine); i++) {
		p = engine_app(w->engine, i);
		if (p->next_def != NULL && p->next_def->is_protected && p->wanted && p->state != APP_LOAD_ONLY &&
		    p->state != APP_COMPLETED && !app_is_up(p))
			world_fail(w, "%s was started before protected %s was up (%s)", a->name, p->name, app_state_name(p->state));
	}
}

static void
check_may_stop(struct world *w, const struct app *a)
{
	const struct graph *g = engine_graph(w->engine);
	struct edges succs = graph_succs(g, a->vertex);
	const struct app *s;
	uint32_t i;

	for (i = 0; i < succs.n; i++) {
		if (succs.v[i].other == graph_barrier(g))
			continue;
		s = engine_app(w->engine, succs.v[i].other);
		if (!app_at_rest(s) && (!s->wanted || s->restart_asked))
			world_fail(w, "%s was told to stop although %s, which is going down too, is %s", a->name, s->name,
			     app_state_name(s->state));
	}
}

/* At a first signal, the state has not yet moved on: the effects of one call are looked at together. */
void
check_effect(struct world *w, const struct effect *ef)
{
	const struct app *a;

	/* With several calls together, what an effect was decided by is not what there is now. */
	if (w->gathered > 0)
		return;
	if (ef->type == EFFECT_SPAWN && ef->kind == CHILD_MAIN && ef->inc == ef->app->inc[CHILD_MAIN] && !w->engine_is_new)
		check_may_start(w, ef->app);
	if (ef->type != EFFECT_EVENT || ef->event.category != EVENT_APP_STOPPING || w->hurried ||
	    (w->shutdown_at_ms != 0 && w->now.mono_ms >= w->shutdown_at_ms + engine_model(w->engine)->shutdown_timeout_ms))
		return;
	a = engine_find(w->engine, ef->event.app);
	if (a != NULL && a->asked && a->state == APP_STOPPING)
		check_may_stop(w, a);
}

/* A mode that had failed, with nothing new to say of any application, is not said to have failed again by the next engine. */
void
check_no_old_news(struct world *w)
{
	const struct effects *ef = engine_effects(w->engine);
	bool repeats = false;
	size_t i;

	for (i = 0; i < ef->n; i++) {
		if (ef->v[i].type != EFFECT_EVENT)
			continue;
		if (ef->v[i].event.category != EVENT_MODE_FAILED)
			return;
		repeats = true;
	}
	if (repeats && w->saved.mode_state == MODE_FAILED && !(w->saved.unsaid & UNSAID_FAILURES))
		world_fail(w, "mode_failed is said again after a recovery");
}

/* Which application is started or stopped out of turn shows at the effect; this holds at all times. */
void
check_always(struct world *w)
{
	const struct app_saved *s;
	struct app *a;
	uint32_t i;

	for (i = 0; w->engine != NULL && i < engine_app_count(w->engine); i++) {
		a = engine_app(w->engine, i);
		s = saved_app(w, a->name);
		if (s != NULL && s->state != a->state)
			world_fail(w, "%s is %s but was saved as %s", a->name, app_state_name(a->state), app_state_name(s->state));
		if ((a->state == APP_STARTING || a->state == APP_RUNNING || a->state == APP_STOPPING) != (a->inc[CHILD_MAIN] != 0))
			world_fail(w, "%s is %s with incarnation %llu", a->name, app_state_name(a->state),
			     (unsigned long long)a->inc[CHILD_MAIN]);
		if (a->announced && a->state != APP_RUNNING && a->state != APP_STOPPING)
			world_fail(w, "%s is %s and its app_running is still open", a->name, app_state_name(a->state));
	}
}

/* What must hold when nothing is going to happen any more. */
void
check_settled(struct world *w)
{
	size_t i, n = engine_outstanding(w->engine, NULL);
	struct app *a;

	for (i = 0; i < engine_app_count(w->engine); i++) {
		a = engine_app(w->engine, (uint32_t)i);
		if (!a->wanted && !app_at_rest(a))
			world_fail(w, "settled, but %s is not wanted and %s", a->name, app_state_name(a->state));
		if (a->wanted && (a->state == APP_STOPPED || a->state == APP_STARTING || a->state == APP_BACKOFF))
			world_fail(w, "settled, but %s is wanted and %s", a->name, app_state_name(a->state));
		if (a->wanted && a->state == APP_WAITING && a->standing != STANDING_BAD)
			world_fail(w, "settled, but %s waits for %s, which is not bad", a->name,
			     engine_waits_for(w->engine, a) ? engine_waits_for(w->engine, a)->name : "nothing");
	}
	if (n > 0 && engine_mode_state(w->engine) == MODE_STABLE)
		world_fail(w, "the mode is called stable with %zu outstanding", n);
	if (n == 0 && engine_mode_state(w->engine) != MODE_STABLE)
		world_fail(w, "the mode is not called stable with nothing outstanding");
	for (i = 0; i < w->kid_count; i++) {
		if (w->kids[i].exited)
			world_fail(w, "the end of %s (%llu) is never acknowledged", w->kids[i].name, (unsigned long long)w->kids[i].inc);
		if (w->kids[i].kind == CHILD_MAIN && engine_find(w->engine, w->kids[i].name) == NULL)
			world_fail(w, "%s runs and nobody knows it", w->kids[i].name);
	}
}

void
check_exited(struct world *w)
{
	size_t i;

	for (i = 0; i < w->kid_count; i++)
		if (w->kids[i].kind == CHILD_MAIN && w->kids[i].alive && !w->kids[i].outlived_kill)
			world_fail(w, "the engine asked to exit while %s was there", w->kids[i].name);
}

void
trace_apps(struct world *w)
{
	static const char *const standings[] = { "good", "pending", "bad" };
	struct edges preds;
	struct app *a;
	uint32_t i, j;

	for (i = 0; w->trace && w->engine != NULL && i < engine_app_count(w->engine); i++) {
		a = engine_app(w->engine, i);
		printf("#   %s type %d restart %d%s%s wish %d %s, %s, up %d holds %d, after", a->name, a->def->type, a->def->restart,
		       a->def->is_protected ? " protected" : "", a->wanted ? " wanted" : "", a->wish, app_state_name(a->state),
		       standings[a->standing], a->up, a->holds);
		preds = graph_preds(engine_graph(w->engine), i);
		for (j = 0; j < preds.n; j++)
			printf(" %u(%d)", preds.v[j].other, preds.v[j].kind);
		putchar('\n');
	}
}
