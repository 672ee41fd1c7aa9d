/* SPDX-License-Identifier: MIT */
#include "core/engine_internal.h"

/* Who waits for whom, who holds whom, and the queues in which that is worked out. */

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
engine_soil(struct engine *e, struct app *a)
{
	if (a->dirty || engine_is_barrier(e, a))
		return;
	a->dirty = true;
	e->dirty_apps[e->dirty_len++] = a;
}

void
engine_touch(struct engine *e, struct app *a)
{
	engine_soil(e, a);
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
