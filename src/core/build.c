/* SPDX-License-Identifier: MIT */
#include "core/build.h"

#include "core/check.h"

#include <stdlib.h>
#include <string.h>

void *
builder_keep(struct builder *b, size_t n, size_t size)
{
	void *p = arena_alloc(b->m->arena, n * size + 1);

	if (p == NULL)
		b->in.failed = true;
	return p;
}

struct origin
builder_keep_origin(struct builder *b, struct origin at)
{
	return (struct origin){ intern_string(&b->in, at.file), at.line };
}

void
builder_set_path(struct builder *b, const char *first, const char *second, const char *third)
{
	b->r.path[0] = first;
	b->r.path[1] = second;
	b->r.path[2] = third;
	b->r.depth = third ? 3 : second ? 2 : 1;
}

void
builder_fail_name(struct builder *b, struct origin at, const char *near, const char *what, const char *name)
{
	reader_fail_near(&b->r, &(struct item){ .at = at }, near, what, name);
}

void
builder_unknown_app(struct builder *b, struct origin at, const char *name)
{
	uint32_t i = strmap_get(&b->merged.app_index, name);
	struct buf hint = { 0 };

	if (i == STRMAP_NONE) {
		builder_fail_name(b, at, merged_suggest_app(&b->merged, name), "unknown application", name);
		return;
	}
	buf_printf(&hint, "deleted at %s:%u", b->merged.apps[i].deleted_at.file, b->merged.apps[i].deleted_at.line);
	reader_fail(&b->r, &(struct item){ .at = at }, buf_cstr(&hint), "unknown application \"%.80s\"", name);
	buf_free(&hint);
}

/* --- applications --- */

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(const struct merged_app *const *)a)->name, (*(const struct merged_app *const *)b)->name);
}

static void
collect_apps(struct builder *b)
{
	struct merged *g = &b->merged;
	uint32_t i, n = 0;

	b->from = malloc((g->app_count + 1) * sizeof(*b->from));
	if (b->from == NULL) {
		b->in.failed = true;
		return;
	}
	for (i = 0; i < g->app_count; i++)
		if (!g->apps[i].deleted)
			b->from[n++] = &g->apps[i];
	qsort(b->from, n, sizeof(*b->from), by_name);
	b->m->apps = builder_keep(b, n, sizeof(*b->m->apps));
	b->m->app_count = b->m->apps ? n : 0;
}

static void
read_apps(struct builder *b)
{
	struct app_def *d;
	uint32_t i;

	for (i = 0; i < b->m->app_count && !b->in.failed; i++) {
		d = &b->m->apps[i];
		d->name = intern_string(&b->in, b->from[i]->name);
		d->at = builder_keep_origin(b, b->from[i]->at);
		if (d->name == NULL || strmap_put(&b->apps, d->name, i) < 0) {
			b->in.failed = true;
			return;
		}
		builder_set_path(b, "applications", d->name, NULL);
		schema_read_app(&b->r, b->from[i]->members, b->from[i]->listed, false, d);
	}
}

static int
by_ref_name(const void *a, const void *b)
{
	return strcmp(((const struct ref *)a)->name, ((const struct ref *)b)->name);
}

static void
resolve(struct builder *b, const struct app_def *d, struct refs *refs, const char *key, bool optional)
{
	struct ref *ref;

	if (refs->n > 1)
		qsort(refs->v, refs->n, sizeof(*refs->v), by_ref_name);
	builder_set_path(b, "applications", d->name, key);
	for (ref = refs->v; ref < refs->v + refs->n; ref++) {
		ref->app = strmap_get(&b->apps, ref->name);
		if (ref->name == d->name) {
			reader_fail(&b->r, &(struct item){ .at = ref->at }, NULL, "\"%s\" refers to itself", d->name);
			ref->app = APP_NONE;
		} else if (ref->app == STRMAP_NONE) {
			ref->app = APP_NONE;
			if (!optional)
				builder_unknown_app(b, ref->at, ref->name);
		}
	}
}

static void
resolve_apps(struct builder *b)
{
	struct app_def *d;

	for (d = b->m->apps; d < b->m->apps + b->m->app_count; d++) {
		resolve(b, d, &d->applications, "applications", false);
		resolve(b, d, &d->optional_applications, "optional_applications", true);
		resolve(b, d, &d->start_before, "start_before", false);
		resolve(b, d, &d->start_after, "start_after", false);
	}
}

/* --- roles, modes, protected --- */

static int
by_set_name(const void *a, const void *b)
{
	return strcmp((*(const struct merged_set *const *)a)->name, (*(const struct merged_set *const *)b)->name);
}

/* The sets in order of name; to be freed. */
static const struct merged_set **
sorted_sets(struct builder *b, const struct merged_sets *sets)
{
	const struct merged_set **v = malloc((sets->n + 1) * sizeof(*v));
	uint32_t i;

	if (v == NULL) {
		b->in.failed = true;
		return NULL;
	}
	for (i = 0; i < sets->n; i++)
		v[i] = &sets->v[i];
	qsort(v, sets->n, sizeof(*v), by_set_name);
	return v;
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
build_role(struct builder *b, const struct merged_set *from, struct role *role)
{
	const struct merged_member *member;
	uint32_t app;

	role->name = intern_string(&b->in, from->name);
	role->at = builder_keep_origin(b, from->at);
	role->apps = builder_keep(b, from->n, sizeof(*role->apps));
	if (role->apps == NULL || role->name == NULL)
		return;
	builder_set_path(b, "roles", role->name, NULL);
	for (member = from->v; member < from->v + from->n; member++) {
		if (member->name == NULL)
			continue;
		app = strmap_get(&b->apps, member->name);
		if (app == STRMAP_NONE) {
			builder_unknown_app(b, member->at, member->name);
			continue;
		}
		b->m->apps[app].in_role = true;
		role->apps[role->n++] = app;
	}
	qsort(role->apps, role->n, sizeof(*role->apps), by_number);
}

static void
build_roles(struct builder *b)
{
	const struct merged_set **from = sorted_sets(b, &b->merged.roles);
	uint32_t i;

	b->m->roles = builder_keep(b, b->merged.roles.n, sizeof(*b->m->roles));
	if (from != NULL && b->m->roles != NULL) {
		for (i = 0; i < b->merged.roles.n; i++)
			build_role(b, from[i], &b->m->roles[i]);
		b->m->role_count = i;
	}
	free(from);
}

static void
build_mode(struct builder *b, const struct merged_set *from, struct mode *mode)
{
	const struct merged_member *member;
	const struct role *role;

	mode->name = intern_string(&b->in, from->name);
	mode->at = builder_keep_origin(b, from->at);
	mode->roles = builder_keep(b, from->n, sizeof(*mode->roles));
	if (mode->roles == NULL || mode->name == NULL)
		return;
	builder_set_path(b, "modes", mode->name, NULL);
	for (member = from->v; member < from->v + from->n; member++) {
		if (member->name == NULL)
			continue;
		role = model_find_role(b->m, member->name);
		if (role != NULL)
			mode->roles[mode->n++] = (uint32_t)(role - b->m->roles);
		else
			builder_fail_name(b, member->at, merged_suggest_set(&b->merged, &b->merged.roles, member->name),
				  "unknown role", member->name);
	}
	qsort(mode->roles, mode->n, sizeof(*mode->roles), by_number);
}

static void
build_modes(struct builder *b)
{
	const struct merged_set **from = sorted_sets(b, &b->merged.modes);
	uint32_t i;

	b->m->modes = builder_keep(b, b->merged.modes.n, sizeof(*b->m->modes));
	if (from != NULL && b->m->modes != NULL) {
		for (i = 0; i < b->merged.modes.n; i++)
			build_mode(b, from[i], &b->m->modes[i]);
		b->m->mode_count = i;
	}
	free(from);
}

/* What a protected application needs is protected with it. */
static void
protect(struct builder *b, uint32_t *stack, uint32_t app)
{
	const struct ref *ref;
	const struct app_def *d;
	uint32_t n = 0;

	if (b->m->apps[app].is_protected)
		return;
	b->m->apps[app].is_protected = true;
	stack[n++] = app;
	while (n > 0) {
		d = &b->m->apps[stack[--n]];
		for (ref = d->applications.v; ref < d->applications.v + d->applications.n; ref++) {
			if (ref->app == APP_NONE || b->m->apps[ref->app].is_protected)
				continue;
			b->m->apps[ref->app].is_protected = true;
			stack[n++] = ref->app;
		}
	}
}

static void
build_protected(struct builder *b)
{
	const struct merged_set *s = &b->merged.protected;
	uint32_t *stack = malloc((b->m->app_count + 1) * sizeof(*stack)), i, app;

	if (stack == NULL) {
		b->in.failed = true;
		return;
	}
	builder_set_path(b, "protected", NULL, NULL);
	for (i = 0; i < s->n; i++) {
		if (s->v[i].name == NULL)
			continue;
		app = strmap_get(&b->apps, s->v[i].name);
		if (app == STRMAP_NONE) {
			builder_unknown_app(b, s->v[i].at, s->v[i].name);
			continue;
		}
		b->m->apps[app].named_protected = true;
		protect(b, stack, app);
	}
	free(stack);
}

/* --- the whole --- */

static void
hash_apps(struct builder *b)
{
	struct buf scratch = { 0 };
	struct app_def *d;

	for (d = b->m->apps; d < b->m->apps + b->m->app_count && !b->in.failed; d++)
		d->run_hash = schema_run_hash(d, &scratch);
	if (scratch.failed)
		b->in.failed = true;
	buf_free(&scratch);
}

static void
keep_names(struct builder *b)
{
	b->m->names = builder_keep(b, b->r.name_count, sizeof(*b->m->names));
	if (b->m->names == NULL || b->r.name_count == 0)
		return;
	memcpy(b->m->names, b->r.names, b->r.name_count * sizeof(*b->m->names));
	b->m->name_count = b->r.name_count;
}

static int
builder_init(struct builder *b, struct problems *ps)
{
	struct model *m = calloc(1, sizeof(*m));

	*b = (struct builder){ .m = m, .r = { .ps = ps } };
	if (m == NULL)
		return -1;
	m->refs = 1;
	m->dir = "";
	m->shutdown_timeout_ms = SHUTDOWN_TIMEOUT_MS;
	m->arena = arena_new();
	if (m->arena == NULL)
		return -1;
	b->in.arena = m->arena;
	b->r = (struct reader){ .in = &b->in, .ps = ps };
	return 0;
}

/* The model, or NULL where there was a problem since `before`. */
static struct model *
builder_fini(struct builder *b, size_t before)
{
	struct problems *ps = b->r.ps;
	bool refused;

	if (!b->in.failed && ps->n + ps->unsaid == before)
		hash_apps(b);
	if (b->in.failed)
		problems_no_memory(ps);
	refused = b->in.failed || ps->n + ps->unsaid > before;
	strmap_free(&b->apps);
	intern_fini(&b->in);
	free(b->r.names);
	free(b->from);
	if (refused) {
		model_unref(b->m);
		return NULL;
	}
	return b->m;
}

/* The directory that drop-ins and the main file are shown relative to. */
static const char *
dir_of(struct builder *b, const struct fragment *main_file)
{
	const char *slash = main_file ? strrchr(main_file->path, '/') : NULL;
	char *dir = slash ? arena_strndup(b->m->arena, main_file->path, (size_t)(slash + 1 - main_file->path)) : NULL;

	if (slash != NULL && dir == NULL)
		b->in.failed = true;
	return dir ? dir : "";
}

static void
check_all_orders(struct builder *b)
{
	if (check_order(b->m, b->r.ps) < 0)
		b->in.failed = true;
}

/* Each stands on all before it: of a part that there was no memory for, nothing is to be looked at. */
static void
build_all(struct builder *b)
{
	static void (*const steps[])(struct builder *) = {
		collect_apps, read_apps, resolve_apps, build_roles, build_modes, build_protected, settings_check_give_up,
		settings_read, check_all_orders, keep_names,
	};
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]) && !b->in.failed; i++)
		steps[i](b);
}

static void
check_names(struct builder *b, name_is_known *ask, void *arg)
{
	const struct name_use *use;

	for (use = b->r.names; use < b->r.names + b->r.name_count; use++)
		if (!ask(arg, use->name, use->is_group))
			problem_add(b->r.ps, use->at, use->path, NULL, "unknown %s \"%.80s\"",
				    use->is_group ? "group" : "user", use->name);
}

struct model *
model_build(const struct fragment *fragments, size_t n, struct problems *ps)
{
	return model_build_asking(fragments, n, NULL, NULL, ps);
}

struct model *
model_build_asking(const struct fragment *fragments, size_t n, name_is_known *ask, void *arg, struct problems *ps)
{
	size_t before = ps->n + ps->unsaid;
	struct builder b;
	struct model *m;

	if (builder_init(&b, ps) < 0) {
		b.in.failed = true;
		return builder_fini(&b, before);
	}
	b.m->dir = dir_of(&b, n > 0 && fragments[0].app == NULL ? &fragments[0] : NULL);
	if (merge(fragments, n, &b.r, &b.merged) < 0)
		b.in.failed = true;
	else
		build_all(&b);
	if (ask != NULL && !b.in.failed)
		check_names(&b, ask, arg);
	merged_fini(&b.merged);
	m = builder_fini(&b, before);
	problems_sort(ps);
	return m;
}

static void
build_transient(struct builder *b, const char *name, const struct item *definition)
{
	static const char *const other[] = { "start_before", "start_after" };
	const struct item *it;
	size_t i;

	b->m->apps = builder_keep(b, 1, sizeof(*b->m->apps));
	if (b->m->apps == NULL)
		return;
	b->m->app_count = 1;
	b->m->apps->name = intern_string(&b->in, name);
	builder_set_path(b, "applications", name, NULL);
	if (definition->type != ITEM_GROUP) {
		reader_fail(&b->r, definition, NULL, "a definition must be an object");
		return;
	}
	schema_read_app(&b->r, definition->first, false, true, b->m->apps);
	for (i = 0; i < 2; i++)
		if ((it = item_member(definition, other[i])) != NULL) {
			builder_set_path(b, "applications", name, other[i]);
			reader_fail(&b->r, it, NULL, "a transient application cannot order others");
		}
	settings_check_give_up(b);
	keep_names(b);
}

struct model *
model_build_transient(const char *name, const struct item *definition, struct problems *ps)
{
	size_t before = ps->n + ps->unsaid;
	struct builder b;

	if (builder_init(&b, ps) < 0) {
		b.in.failed = true;
		return builder_fini(&b, before);
	}
	if (!name_is_valid(name))
		problem_add(ps, (struct origin){ 0 }, NULL, "letters, digits, - and _, a letter first, at most 63",
			    "\"%.80s\" is no name", name);
	else
		build_transient(&b, name, definition);
	return builder_fini(&b, before);
}
