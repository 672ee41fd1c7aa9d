/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/model.h"

/*
 * Who comes before whom.  Vertices are the applications of a model, by index,
 * and one more, the barrier: it stands after every protected application and
 * before every other, which is how protected ones come first and leave last.
 * An edge leads from what must be up first (pred) to what comes after (succ).
 */
enum edge_kind {
	EDGE_REQUIRES,		/* applications: must be up, is pulled into the mode */
	EDGE_OPTIONAL,		/* optional_applications: order, when it is wanted */
	EDGE_ORDER,		/* start_before, start_after: order, when it is wanted */
	EDGE_BARRIER,		/* to or from the barrier */
};

struct edge {
	uint32_t other;		/* the vertex at the far end */
	uint8_t kind;		/* enum edge_kind */
	uint8_t on_exit;	/* enum on_exit */
};

struct edges {
	const struct edge *v;
	uint32_t n;
};

struct graph;			/* body in graph.c */

/*
 * What defs[0..n) say.  The refs of the first model_n are indices into that same array.  The rest are
 * applications that are not, or no longer, in the model: they only come after the barrier (unless they
 * were protected) and after what they require by name (where that is there), so they can close no
 * cycle.  NULL: no memory.
 */
struct graph *graph_new(const struct app_def *const *defs, uint32_t model_n, uint32_t n);
void graph_free(struct graph *g);
uint32_t graph_size(const struct graph *g);		/* vertices, the barrier included: n + 1 */
uint32_t graph_barrier(const struct graph *g);		/* its vertex: n */
struct edges graph_preds(const struct graph *g, uint32_t vertex);
struct edges graph_succs(const struct graph *g, uint32_t vertex);

/*
 * Kahn's algorithm, ties broken by index: order[] receives all vertices, preds first, and
 * rank[] (if not NULL) the length of the longest path to each.  0; -1: there is a
 * cycle, and graph_cycle() finds it.  Both arrays have room for graph_size().
 */
int graph_order(const struct graph *g, uint32_t *order, uint32_t *rank);
/* One cycle: its vertices in order, each before the next and the last before the first.  Returns their number, 0: none. */
uint32_t graph_cycle(const struct graph *g, uint32_t *out);
/*
 * The same among the vertices that skip[] does not mark; marks those it returns, so that calling it
 * until it returns 0 gives cycles that have no vertex in common, one for each knot.
 */
uint32_t graph_next_cycle(const struct graph *g, bool *skip, uint32_t *out);
/* Room for graph_size() numbers, until the next call of any function with this graph. */
uint32_t *graph_scratch(const struct graph *g);
