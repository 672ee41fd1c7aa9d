/* SPDX-License-Identifier: MIT */
#include "core/graph.h"

#include "base/strmap.h"

#include <stdlib.h>
#include <string.h>

/*
 * Compressed rows, once by successor and once by predecessor: offset[v] to
 * offset[v + 1] of an array of edges.  Built in two passes over the same
 * walk: one that counts, one that fills.
 */
struct rows {
	uint32_t *offset;
	struct edge *v;
};

struct graph {
	uint32_t n;			/* applications; the barrier is vertex n */
	struct rows preds, succs;
	uint32_t *scratch;		/* three arrays of n + 1, for graph_order() and mode.c */
};

struct builder {
	struct graph *g;
	const struct app_def *const *defs;
	uint32_t model_n;
	bool fill, among_extras;
	const struct strmap *names;	/* only with extras */
	uint32_t *at_pred, *at_succ;	/* counting: degrees; filling: the next free place */
};

static void
add(struct builder *b, uint32_t pred, uint32_t succ, enum edge_kind kind, enum on_exit on_exit)
{
	if (b->fill) {
		b->g->preds.v[b->at_pred[succ]] = (struct edge){ pred, (uint8_t)kind, (uint8_t)on_exit };
		b->g->succs.v[b->at_succ[pred]] = (struct edge){ succ, (uint8_t)kind, (uint8_t)on_exit };
	}
	b->at_pred[succ]++;
	b->at_succ[pred]++;
}

/* after: the referred come first, else the application itself does. */
static void
add_refs(struct builder *b, uint32_t app, const struct refs *refs, enum edge_kind kind, bool after)
{
	const struct ref *r;

	for (r = refs->v; r < refs->v + refs->n; r++) {
		if (r->app == APP_NONE || r->app == app)
			continue;
		if (after)
			add(b, r->app, app, kind, r->on_exit);
		else
			add(b, app, r->app, kind, ON_EXIT_IGNORE);
	}
}

static void
add_model_app(struct builder *b, uint32_t i)
{
	const struct app_def *d = b->defs[i];

	add_refs(b, i, &d->applications, EDGE_REQUIRES, true);
	add_refs(b, i, &d->optional_applications, EDGE_OPTIONAL, true);
	add_refs(b, i, &d->start_before, EDGE_ORDER, false);
	add_refs(b, i, &d->start_after, EDGE_ORDER, true);
	if (d->is_protected)
		add(b, i, b->g->n, EDGE_BARRIER, ON_EXIT_IGNORE);
	else
		add(b, b->g->n, i, EDGE_BARRIER, ON_EXIT_IGNORE);
}

static void
add_named(struct builder *b, uint32_t app, const struct refs *refs, enum edge_kind kind)
{
	uint32_t i, other;

	for (i = 0; i < refs->n; i++) {
		other = strmap_get(b->names, refs->v[i].name);
		if (other == STRMAP_NONE || other == app || (other >= b->model_n && !b->among_extras))
			continue;
		add(b, other, app, kind, refs->v[i].on_exit);
	}
}

static void
add_extra(struct builder *b, uint32_t i)
{
	add_named(b, i, &b->defs[i]->applications, EDGE_REQUIRES);
	add_named(b, i, &b->defs[i]->optional_applications, EDGE_OPTIONAL);
	if (!b->defs[i]->is_protected)
		add(b, b->g->n, i, EDGE_BARRIER, ON_EXIT_IGNORE);
}

static void
walk(struct builder *b)
{
	uint32_t i;

	for (i = 0; i < b->model_n; i++)
		add_model_app(b, i);
	for (; i < b->g->n; i++)
		add_extra(b, i);
}

/* Degrees become offsets, and at[] the place where each row begins to be filled. */
static int
lay_out(struct rows *rows, uint32_t *at, uint32_t vertices)
{
	uint32_t i, sum = 0, degree;

	rows->offset = malloc((vertices + 1) * sizeof(*rows->offset));
	if (rows->offset == NULL)
		return -1;
	for (i = 0; i < vertices; i++) {
		degree = at[i];
		rows->offset[i] = at[i] = sum;
		sum += degree;
	}
	rows->offset[vertices] = sum;
	rows->v = malloc((sum + 1) * sizeof(*rows->v));
	return rows->v == NULL ? -1 : 0;
}

static struct graph *
build(struct builder *b, uint32_t n)
{
	struct graph *g = calloc(1, sizeof(*g));
	uint32_t vertices = n + 1;

	if (g == NULL)
		return NULL;
	g->n = n;
	g->scratch = calloc(vertices, 3 * sizeof(*g->scratch));
	if (g->scratch == NULL)
		goto fail;
	b->g = g;
	b->fill = false;
	b->at_pred = g->scratch;
	b->at_succ = g->scratch + vertices;
	walk(b);
	if (lay_out(&g->preds, b->at_pred, vertices) < 0 || lay_out(&g->succs, b->at_succ, vertices) < 0)
		goto fail;
	b->fill = true;
	walk(b);
	return g;
fail:
	graph_free(g);
	return NULL;
}

static int
map_names(struct strmap *names, const struct app_def *const *defs, uint32_t n)
{
	uint32_t i;

	for (i = n; i-- > 0; )		/* the model's win over extras of the same name */
		if (strmap_put(names, defs[i]->name, i) < 0)
			return -1;
	return 0;
}

struct graph *
graph_new(const struct app_def *const *defs, uint32_t model_n, uint32_t n)
{
	struct strmap names = { 0 };
	struct builder b = { .defs = defs, .model_n = model_n, .names = &names, .among_extras = true };
	struct graph *g = NULL;

	if (n > model_n && map_names(&names, defs, n) < 0)
		goto out;
	g = build(&b, n);
	/* Extras may stem from several models, whose orders need not agree: then theirs gives way. */
	if (g != NULL && n > model_n && graph_order(g, NULL, NULL) < 0) {
		graph_free(g);
		b.among_extras = false;
		g = build(&b, n);
	}
out:
	strmap_free(&names);
	return g;
}

void
graph_free(struct graph *g)
{
	if (g == NULL)
		return;
	free(g->preds.offset);
	free(g->preds.v);
	free(g->succs.offset);
	free(g->succs.v);
	free(g->scratch);
	free(g);
}

uint32_t
graph_size(const struct graph *g)
{
	return g->n + 1;
}

uint32_t
graph_barrier(const struct graph *g)
{
	return g->n;
}

uint32_t *
graph_scratch(const struct graph *g)
{
	return g->scratch;
}

static struct edges
row(const struct rows *rows, uint32_t vertex)
{
	return (struct edges){ rows->v + rows->offset[vertex], rows->offset[vertex + 1] - rows->offset[vertex] };
}

struct edges
graph_preds(const struct graph *g, uint32_t vertex)
{
	return row(&g->preds, vertex);
}

struct edges
graph_succs(const struct graph *g, uint32_t vertex)
{
	return row(&g->succs, vertex);
}

/*
 * Kahn's algorithm over the vertices that are not left out (skip may be NULL): queue receives those
 * that are in no cycle and behind none, left the number of unmet preds, rank the longest path.
 */
static uint32_t
peel(const struct graph *g, const bool *skip, uint32_t *queue, uint32_t *left, uint32_t *rank)
{
	uint32_t v, i, head, tail = 0, vertices = graph_size(g);
	struct edges e;

	memset(left, 0, vertices * sizeof(*left));
	memset(rank, 0, vertices * sizeof(*rank));
	for (v = 0; v < vertices; v++) {
		if (skip != NULL && skip[v])
			continue;
		for (e = graph_succs(g, v), i = 0; i < e.n; i++)
			left[e.v[i].other]++;
	}
	for (v = 0; v < vertices; v++)
		if (left[v] == 0 && (skip == NULL || !skip[v]))
			queue[tail++] = v;
	for (head = 0; head < tail; head++) {
		v = queue[head];
		for (e = graph_succs(g, v), i = 0; i < e.n; i++) {
			if (rank[e.v[i].other] <= rank[v])
				rank[e.v[i].other] = rank[v] + 1;
			if (--left[e.v[i].other] == 0 && (skip == NULL || !skip[e.v[i].other]))
				queue[tail++] = e.v[i].other;
		}
	}
	return tail;
}

/* Sorts by rank, and within a rank by index, which is a topological order: counting keeps it linear. */
static void
sort_by_rank(uint32_t *order, const uint32_t *rank, uint32_t *count, uint32_t n)
{
	uint32_t v, sum = 0, here;

	memset(count, 0, n * sizeof(*count));
	for (v = 0; v < n; v++)
		count[rank[v]]++;
	for (v = 0; v < n; v++) {
		here = count[v];
		count[v] = sum;
		sum += here;
	}
	for (v = 0; v < n; v++)
		order[count[rank[v]]++] = v;
}

int
graph_order(const struct graph *g, uint32_t *order, uint32_t *rank)
{
	uint32_t n = graph_size(g), *queue = g->scratch, *left = g->scratch + n;

	if (rank == NULL)
		rank = g->scratch + 2 * (size_t)n;
	if (peel(g, NULL, queue, left, rank) < n)
		return -1;
	if (order != NULL)
		sort_by_rank(order, rank, left, n);
	return 0;
}

/*
 * Every vertex that Kahn's algorithm leaves over has a pred that was left over too: going from
 * pred to pred must come back to a vertex seen before, and what lies between is a cycle.
 */
static uint32_t
left_over_pred(const struct graph *g, const bool *skip, const uint32_t *left, uint32_t v)
{
	struct edges e = graph_preds(g, v);
	uint32_t i;

	for (i = 0; i < e.n; i++)
		if (left[e.v[i].other] > 0 && (skip == NULL || !skip[e.v[i].other]))
			return e.v[i].other;
	return APP_NONE;
}

uint32_t
graph_next_cycle(const struct graph *g, bool *skip, uint32_t *out)
{
	uint32_t vertices = graph_size(g), *queue = g->scratch, *left = g->scratch + vertices;
	uint32_t *seen = g->scratch + 2 * (size_t)vertices, v, steps = 0, len, n;

	peel(g, skip, queue, left, seen);
	for (v = 0; v < vertices && (left[v] == 0 || (skip != NULL && skip[v])); v++)
		;
	if (v == vertices)
		return 0;
	memset(seen, 0, vertices * sizeof(*seen));
	for (; seen[v] == 0; v = left_over_pred(g, skip, left, v))
		seen[v] = ++steps;
	len = steps - seen[v] + 1;
	/* The walk goes backwards: collected from the far end, the cycle reads forwards. */
	for (n = len; n > 0; v = left_over_pred(g, skip, left, v)) {
		out[--n] = v;
		if (skip != NULL)
			skip[v] = true;
	}
	return len;
}

uint32_t
graph_cycle(const struct graph *g, uint32_t *out)
{
	return graph_next_cycle(g, NULL, out);
}
