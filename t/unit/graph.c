/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { APPS_MAX = 40, REFS_MAX = 200 };

/* A system of applications without a configuration: names by number, references by index. */
struct world {
	struct app_def apps[APPS_MAX];
	const struct app_def *defs[APPS_MAX];
	struct ref refs[APPS_MAX][4][REFS_MAX];
	char names[APPS_MAX][8];
	uint32_t n;
};

static void
world_init(struct world *w, uint32_t n)
{
	uint32_t i;

	memset(w, 0, sizeof(*w));
	w->n = n;
	for (i = 0; i < n; i++) {
		snprintf(w->names[i], sizeof(w->names[i]), "a%u", i);
		w->apps[i].name = w->names[i];
		w->apps[i].applications.v = w->refs[i][0];
		w->apps[i].optional_applications.v = w->refs[i][1];
		w->apps[i].start_before.v = w->refs[i][2];
		w->apps[i].start_after.v = w->refs[i][3];
		w->defs[i] = &w->apps[i];
	}
}

static void
refer(struct world *w, struct refs *refs, uint32_t to)
{
	refs->v[refs->n++] = (struct ref){ .app = to, .name = w->names[to] };
}

/* A small generator of our own: the same graphs on every machine. */
static uint32_t
next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

static bool edge[APPS_MAX][APPS_MAX];		/* [pred][succ], as the world was made */

static void
random_edge(struct world *w, uint64_t *seed)
{
	uint32_t from = next(seed) % w->n, to = next(seed) % w->n;

	if (from == to)
		return;
	switch (next(seed) % 4) {
	case 0: refer(w, &w->apps[to].applications, from); break;
	case 1: refer(w, &w->apps[to].optional_applications, from); break;
	case 2: refer(w, &w->apps[from].start_before, to); break;
	case 3: refer(w, &w->apps[to].start_after, from); break;
	}
	edge[from][to] = true;
}

static void
random_world(struct world *w, uint64_t *seed)
{
	uint32_t i, n = 2 + next(seed) % (APPS_MAX - 2), edges = next(seed) % (2 * n);

	world_init(w, n);
	memset(edge, 0, sizeof(edge));
	for (i = 0; i < edges; i++)
		random_edge(w, seed);
}

/* The slow and obvious way: transitive closure (Warshall), then a look at the diagonal. */
static bool
has_cycle(uint32_t n)
{
	bool reach[APPS_MAX][APPS_MAX];
	uint32_t i, j, k;

	memcpy(reach, edge, sizeof(reach));
	for (k = 0; k < n; k++)
		for (i = 0; i < n; i++)
			for (j = 0; j < n; j++)
				reach[i][j] |= reach[i][k] && reach[k][j];
	for (i = 0; i < n; i++)
		if (reach[i][i])
			return true;
	return false;
}

static void
check_cycle(const uint32_t *cycle, uint32_t len)
{
	uint32_t i;

	assert_true(len >= 2);
	for (i = 0; i < len; i++)
		assert_true(edge[cycle[i]][cycle[(i + 1) % len]]);
}

static void
check_order_of(const struct world *w, const uint32_t *order, const uint32_t *rank)
{
	uint32_t place[APPS_MAX + 1], i, j;

	for (i = 0; i <= w->n; i++)
		place[order[i]] = i;
	for (i = 0; i < w->n; i++)
		for (j = 0; j < w->n; j++)
			if (edge[i][j]) {
				assert_true(place[i] < place[j]);
				assert_true(rank[i] < rank[j]);
			}
	for (i = 0; i < w->n; i++)
		assert_true(rank[order[i]] < rank[order[i + 1]] ||
			    (rank[order[i]] == rank[order[i + 1]] && order[i] < order[i + 1]));
}

static void
an_order_respects_every_edge_and_a_cycle_is_found_where_there_is_one(void **state)
{
	static struct world w;
	uint32_t order[APPS_MAX + 1], rank[APPS_MAX + 1], round, cyclic = 0;
	uint64_t seed = 7;
	struct graph *g;

	(void)state;
	for (round = 0; round < 3000; round++) {
		random_world(&w, &seed);
		g = graph_new(w.defs, w.n, w.n);
		assert_non_null(g);
		if (has_cycle(w.n)) {
			assert_int_equal(graph_order(g, order, rank), -1);
			check_cycle(order, graph_cycle(g, order));
			cyclic++;
		} else {
			assert_int_equal(graph_order(g, order, rank), 0);
			assert_int_equal(graph_cycle(g, order), 0);
			graph_order(g, order, rank);
			check_order_of(&w, order, rank);
		}
		graph_free(g);
	}
	assert_true(cyclic > 300 && cyclic < 2700);
}

static uint32_t
count_edges(struct edges e, uint32_t other)
{
	uint32_t i, n = 0;

	for (i = 0; i < e.n; i++)
		n += e.v[i].other == other;
	return n;
}

static void
preds_and_succs_tell_the_same_edges(void **state)
{
	static struct world w;
	uint64_t seed = 11;
	uint32_t round, i, j;
	struct graph *g;

	(void)state;
	for (round = 0; round < 200; round++) {
		random_world(&w, &seed);
		g = graph_new(w.defs, w.n, w.n);
		for (i = 0; i < w.n; i++)
			for (j = 0; j < w.n; j++) {
				assert_int_equal(count_edges(graph_succs(g, i), j), count_edges(graph_preds(g, j), i));
				assert_int_equal(count_edges(graph_succs(g, i), j) > 0, edge[i][j]);
			}
		graph_free(g);
	}
}

static void
cycles_without_a_common_vertex_come_one_after_another(void **state)
{
	static struct world w;
	uint32_t cycle[8];
	bool skip[8] = { false };
	struct graph *g;

	(void)state;
	world_init(&w, 5);
	memset(edge, 0, sizeof(edge));
	refer(&w, &w.apps[0].applications, 1);
	refer(&w, &w.apps[1].applications, 0);
	refer(&w, &w.apps[2].applications, 4);
	refer(&w, &w.apps[3].applications, 2);
	refer(&w, &w.apps[4].applications, 3);
	edge[1][0] = edge[0][1] = edge[4][2] = edge[2][3] = edge[3][4] = true;
	g = graph_new(w.defs, 5, 5);
	check_cycle(cycle, graph_next_cycle(g, skip, cycle));
	check_cycle(cycle, graph_next_cycle(g, skip, cycle));
	assert_true(skip[0] && skip[1] && skip[2] && skip[3] && skip[4] && !skip[5]);
	assert_int_equal(graph_next_cycle(g, skip, cycle), 0);
	graph_free(g);
}

static void
the_barrier_stands_between_protected_applications_and_the_rest(void **state)
{
	static struct world w;
	uint32_t order[5];
	struct graph *g;

	(void)state;
	world_init(&w, 4);
	w.apps[2].is_protected = true;
	g = graph_new(w.defs, 4, 4);
	assert_int_equal(graph_order(g, order, NULL), 0);
	assert_int_equal(order[0], 2);
	assert_int_equal(order[1], graph_barrier(g));
	assert_int_equal(graph_size(g), 5);
	graph_free(g);
}

static void
an_edge_says_what_it_is_and_what_follows_from_an_exit(void **state)
{
	static struct world w;
	struct graph *g;
	struct edges e;

	(void)state;
	world_init(&w, 2);
	refer(&w, &w.apps[1].applications, 0);
	w.apps[1].applications.v[0].on_exit = ON_EXIT_RESTART;
	g = graph_new(w.defs, 2, 2);
	e = graph_succs(g, 0);
	assert_int_equal(e.n, 1);
	assert_int_equal(e.v[0].other, 1);
	assert_int_equal(e.v[0].kind, EDGE_REQUIRES);
	assert_int_equal(e.v[0].on_exit, ON_EXIT_RESTART);
	graph_free(g);
}

static void
what_left_the_model_comes_after_what_it_requires_by_name(void **state)
{
	static struct world w;
	uint32_t order[5];
	struct graph *g;
	struct edges e;

	(void)state;
	world_init(&w, 4);		/* a0 and a1 in the model, a2 and a3 not */
	refer(&w, &w.apps[2].applications, 1);
	refer(&w, &w.apps[3].applications, 2);
	w.apps[2].applications.v[0].app = w.apps[3].applications.v[0].app = APP_NONE;
	g = graph_new(w.defs, 2, 4);
	e = graph_preds(g, 2);
	assert_int_equal(count_edges(e, 1), 1);
	assert_int_equal(count_edges(e, graph_barrier(g)), 1);
	assert_int_equal(count_edges(graph_preds(g, 3), 2), 1);
	assert_int_equal(graph_order(g, order, NULL), 0);
	graph_free(g);
}

static void
what_left_different_models_closes_no_cycle(void **state)
{
	static struct world w;
	uint32_t order[5];
	struct graph *g;

	(void)state;
	world_init(&w, 4);
	refer(&w, &w.apps[2].applications, 3);
	refer(&w, &w.apps[3].applications, 2);
	refer(&w, &w.apps[3].applications, 0);
	g = graph_new(w.defs, 2, 4);
	assert_int_equal(graph_order(g, order, NULL), 0);
	assert_int_equal(count_edges(graph_preds(g, 3), 0), 1);
	graph_free(g);
}

static void
no_applications_are_a_graph_too(void **state)
{
	uint32_t order[1];
	struct graph *g = graph_new(NULL, 0, 0);

	(void)state;
	assert_int_equal(graph_size(g), 1);
	assert_int_equal(graph_order(g, order, NULL), 0);
	assert_int_equal(order[0], 0);
	graph_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_respects_every_edge_and_a_cycle_is_found_where_there_is_one),
		cmocka_unit_test(preds_and_succs_tell_the_same_edges),
		cmocka_unit_test(cycles_without_a_common_vertex_come_one_after_another),
		cmocka_unit_test(the_barrier_stands_between_protected_applications_and_the_rest),
		cmocka_unit_test(an_edge_says_what_it_is_and_what_follows_from_an_exit),
		cmocka_unit_test(what_left_the_model_comes_after_what_it_requires_by_name),
		cmocka_unit_test(what_left_different_models_closes_no_cycle),
		cmocka_unit_test(no_applications_are_a_graph_too),
	};

	return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
