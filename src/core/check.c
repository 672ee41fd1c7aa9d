/* SPDX-License-Identifier: MIT */
#include "core/check.h"

#include "core/graph.h"

#include <stdio.h>
#include <stdlib.h>

enum { CYCLES_MAX = 100 };

/* --- the barrier between protected applications and others --- */

static void
fail_ref(struct problems *ps, const struct app_def *d, const char *key, const struct ref *ref, const char *why)
{
	struct buf path = { 0 };

	buf_printf(&path, "applications.%s.%s", d->name, key);
	problem_add(ps, ref->at, buf_cstr(&path), NULL, "%s (%s, %s)", why, d->name, ref->name);
	buf_free(&path);
}

/* Protected applications are up before any other starts: none may wait for one that is not. */
static void
check_barrier(const struct model *m, const struct app_def *d, const struct refs *refs, const char *key, struct problems *ps)
{
	const struct ref *ref;

	for (ref = refs->v; ref < refs->v + refs->n; ref++)
		if (ref->app != APP_NONE && !m->apps[ref->app].is_protected)
			fail_ref(ps, d, key, ref, "a protected application cannot start after one that is not protected");
}

static void
check_barrier_before(const struct model *m, const struct app_def *d, struct problems *ps)
{
	const struct ref *ref;

	for (ref = d->start_before.v; ref < d->start_before.v + d->start_before.n; ref++)
		if (ref->app != APP_NONE && m->apps[ref->app].is_protected)
			fail_ref(ps, d, "start_before", ref, "one that is not protected cannot start before a protected application");
}

static void
check_barriers(const struct model *m, struct problems *ps)
{
	const struct app_def *d;

	for (d = m->apps; d < m->apps + m->app_count; d++) {
		if (d->is_protected) {
			check_barrier(m, d, &d->optional_applications, "optional_applications", ps);
			check_barrier(m, d, &d->start_after, "start_after", ps);
		} else {
			check_barrier_before(m, d, ps);
		}
	}
}

/* --- what is needed must be there --- */

/* A disabled application may need what is disabled: an operator's start pulls both in. */
static void
check_enabled(const struct model *m, struct problems *ps)
{
	const struct app_def *d;
	const struct ref *ref;
	struct buf path = { 0 };

	for (d = m->apps; d < m->apps + m->app_count; d++) {
		for (ref = d->applications.v; !d->disabled && ref < d->applications.v + d->applications.n; ref++) {
			if (ref->app == APP_NONE || !m->apps[ref->app].disabled)
				continue;
			buf_clear(&path);
			buf_printf(&path, "applications.%s.applications", d->name);
			problem_add(ps, ref->at, buf_cstr(&path), "enable it, or name it in optional_applications",
				    "%s needs %s, which is disabled (%s:%u)", d->name, ref->name, m->apps[ref->app].at.file,
				    m->apps[ref->app].at.line);
		}
	}
	buf_free(&path);
}

/* --- cycles --- */

struct reason {
	const struct app_def *owner;	/* whose key it is */
	const struct ref *ref;
	const char *key, *verb;		/* "web needs db" */
};

static const struct ref *
ref_to(const struct refs *refs, uint32_t app)
{
	const struct ref *r;

	for (r = refs->v; r < refs->v + refs->n; r++)
		if (r->app == app)
			return r;
	return NULL;
}

/* Why `after` waits for `before`. */
static struct reason
reason_of(const struct model *m, uint32_t before, uint32_t after)
{
	const struct app_def *a = &m->apps[after], *b = &m->apps[before];
	const struct ref *r;

	if ((r = ref_to(&a->applications, before)) != NULL)
		return (struct reason){ a, r, "applications", "needs" };
	if ((r = ref_to(&a->optional_applications, before)) != NULL)
		return (struct reason){ a, r, "optional_applications", "comes after" };
	if ((r = ref_to(&a->start_after, before)) != NULL)
		return (struct reason){ a, r, "start_after", "starts after" };
	return (struct reason){ b, ref_to(&b->start_before, after), "start_before", "starts before" };
}

/* The cycle as a path in which each waits for the next, from the one that comes first by name. */
static void
print_path(const struct model *m, const uint32_t *v, uint32_t n, uint32_t first, struct buf *out)
{
	uint32_t i;

	for (i = 0; i <= n; i++)
		buf_printf(out, "%s%s", i ? " -> " : "", m->apps[v[(first + n - i % n) % n]].name);
}

static void
report_cycle(const struct model *m, const uint32_t *v, uint32_t n, struct problems *ps)
{
	struct buf text = { 0 }, path = { 0 };
	struct origin at = { 0 };
	struct reason why;
	uint32_t i, first = 0;

	for (i = 1; i < n; i++)
		if (v[i] < v[first])
			first = i;
	print_path(m, v, n, first, &text);
	for (i = 0; i < n; i++) {
		why = reason_of(m, v[(first + 2 * n - i - 1) % n], v[(first + n - i) % n]);
		if (i == 0) {
			at = why.ref->at;
			buf_printf(&path, "applications.%s.%s", why.owner->name, why.key);
		}
		buf_printf(&text, "%s %s %s %s", i ? "," : ":", why.owner->name, why.verb, why.ref->name);
		if (why.ref->at.file != NULL)
			buf_printf(&text, " (%s:%u)", why.ref->at.file, why.ref->at.line);
	}
	problem_add(ps, at, buf_cstr(&path), "take one of these out", "cycle: %s", buf_cstr(&text));
	buf_free(&text);
	buf_free(&path);
}

static int
check_cycles(const struct model *m, const struct graph *g, struct problems *ps)
{
	bool *skip = calloc(graph_size(g), sizeof(*skip));
	uint32_t *cycle = malloc(graph_size(g) * sizeof(*cycle)), n, i;

	if (skip != NULL && cycle != NULL) {
		skip[graph_barrier(g)] = true;		/* check_barriers() says it better */
		for (i = 0; i < CYCLES_MAX && (n = graph_next_cycle(g, skip, cycle)) > 0; i++)
			report_cycle(m, cycle, n, ps);
	}
	free(cycle);
	free(skip);
	return skip == NULL || cycle == NULL ? -1 : 0;
}

int
check_order(const struct model *m, struct problems *ps)
{
	const struct app_def **defs = malloc((m->app_count + 1) * sizeof(*defs));
	struct graph *g = NULL;
	int failed = -1;
	uint32_t i;

	if (defs == NULL)
		return -1;
	for (i = 0; i < m->app_count; i++)
		defs[i] = &m->apps[i];
	check_barriers(m, ps);
	check_enabled(m, ps);
	g = graph_new(defs, m->app_count, m->app_count);
	if (g != NULL)
		failed = graph_order(g, NULL, NULL) == 0 ? 0 : check_cycles(m, g, ps);
	graph_free(g);
	free(defs);
	return failed;
}
