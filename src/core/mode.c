/* SPDX-License-Identifier: MIT */
#include "core/mode.h"

/* Follows what the n applications on the stack require; each is put there at most once. */
static void
pull_required(const struct graph *g, struct want *want, uint32_t *stack, uint32_t n)
{
	uint32_t app, i;
	struct edges e;

	while (n > 0) {
		app = stack[--n];
		for (e = graph_preds(g, app), i = 0; i < e.n; i++) {
			if (e.v[i].kind != EDGE_REQUIRES || want[e.v[i].other].why != WHY_NOT)
				continue;
			want[e.v[i].other] = (struct want){ WHY_REQUIRED, app };
			stack[n++] = e.v[i].other;
		}
	}
}

/* The reason that an application has of its own. */
static struct want
own_reason(const struct app_def *d, const struct mode *mode)
{
	if (d->disabled)
		return (struct want){ WHY_NOT, 0 };
	if (d->is_protected)
		return (struct want){ WHY_PROTECTED, 0 };
	if (mode == NULL)
		return (struct want){ WHY_ALL, 0 };
	return (struct want){ d->in_role ? WHY_NOT : WHY_BACKGROUND, 0 };
}

static void
want_role(const struct model *m, uint32_t role, struct want *want)
{
	const struct role *r = &m->roles[role];
	uint32_t i;

	for (i = 0; i < r->n; i++)
		if (want[r->apps[i]].why == WHY_NOT && !m->apps[r->apps[i]].disabled)
			want[r->apps[i]] = (struct want){ WHY_ROLE, role };
}

void
mode_wants(const struct model *m, const struct graph *g, const struct mode *mode, struct want *want)
{
	uint32_t i, n = 0, *stack = graph_scratch(g);

	for (i = 0; i < m->app_count; i++)
		want[i] = own_reason(&m->apps[i], mode);
	for (i = 0; mode != NULL && i < mode->n; i++)
		want_role(m, mode->roles[i], want);
	for (i = 0; i < m->app_count; i++)
		if (want[i].why != WHY_NOT)
			stack[n++] = i;
	pull_required(g, want, stack, n);
}

void
mode_pull(const struct graph *g, uint32_t app, enum why why, struct want *want, uint32_t *stack)
{
	if (want[app].why != WHY_NOT)
		return;
	want[app] = (struct want){ why, app };
	stack[0] = app;
	pull_required(g, want, stack, 1);
}

const char *
why_name(enum why why)
{
	static const char *const names[] = {
		[WHY_NOT] = "not", [WHY_ALL] = "all", [WHY_BACKGROUND] = "background",
		[WHY_PROTECTED] = "protected", [WHY_ROLE] = "role", [WHY_REQUIRED] = "required",
		[WHY_OPERATOR] = "operator",
	};

	return names[why];
}
