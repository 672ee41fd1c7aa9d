/* SPDX-License-Identifier: MIT */
#include "core/merge_internal.h"

#include "base/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUGGESTIONS_MAX = 50 };		/* among 10,000 names one takes milliseconds */

/* --- shared --- */

void *
merge_grown(void *v, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t bigger = *cap ? *cap * 2 : 8;
	void *p;

	if (n < *cap)
		return v;
	p = realloc(v, bigger * size);
	if (p != NULL)
		*cap = bigger;
	return p;
}

void
merge_step_in(struct merger *g, const char *name)
{
	g->r->path[g->r->depth++] = name;
}

void
merge_step_out(struct merger *g)
{
	g->r->depth--;
}

bool
merge_valid_name(struct merger *g, const struct item *it, const char *name)
{
	if (name_is_valid(name))
		return true;
	reader_fail(g->r, it, "letters, digits, - and _, a letter first, at most 63; not add or del",
		    "\"%.80s\" is no name", name);
	return false;
}

bool
merge_must_be(struct merger *g, const struct item *it, enum item_type type, const char *what)
{
	if (it->type == type)
		return true;
	reader_fail(g->r, it, NULL, "must be %s", what);
	return false;
}

struct item *
merge_copy_item(struct merger *g, const struct item *it)
{
	struct item *copy = arena_alloc(g->m->arena, sizeof(*copy));

	if (copy == NULL) {
		g->failed = true;
		return NULL;
	}
	*copy = *it;
	copy->next = NULL;
	return copy;
}

/* Copies a chain of items, but not what is in them; leaves out those named `but`. */
struct item *
merge_copy_chain(struct merger *g, const struct item *it, const char *but)
{
	struct item *first = NULL, **tail = &first;

	for (; it != NULL && !g->failed; it = it->next) {
		if (but != NULL && it->name != NULL && strcmp(it->name, but) == 0)
			continue;
		*tail = merge_copy_item(g, it);
		if (*tail != NULL)
			tail = &(*tail)->next;
	}
	return first;
}

bool
merge_is_row(const struct item *it)
{
	return it->type == ITEM_ARRAY || it->type == ITEM_LIST;
}

/* --- sets: roles, modes, protected --- */

void
merge_set_add(struct merger *g, struct merged_set *s, const struct item *it, const char *name)
{
	uint32_t there = strmap_get(&s->index, name);
	struct merged_member *v;

	if (there != STRMAP_NONE) {
		reader_fail(g->r, it, NULL, "\"%.80s\" is there already, by %s:%u", name, s->v[there].at.file, s->v[there].at.line);
		return;
	}
	v = merge_grown(s->v, s->n, &s->cap, sizeof(*v));
	if (v == NULL || strmap_put(&s->index, name, s->n) < 0) {
		s->v = v ? v : s->v;
		g->failed = true;
		return;
	}
	s->v = v;
	s->v[s->n++] = (struct merged_member){ name, it->at };
}

void
merge_set_del(struct merger *g, struct merged_set *s, const struct item *it, const char *name)
{
	uint32_t there = strmap_get(&s->index, name);

	if (there == STRMAP_NONE) {
		reader_fail(g->r, it, NULL, "\"%.80s\" is not there", name);
		return;
	}
	strmap_del(&s->index, name);
	s->v[there].name = NULL;
}

typedef void set_action(struct merger *, struct merged_set *, const struct item *, const char *);

void
merge_set_each(struct merger *g, struct merged_set *s, const struct item *names, set_action *act)
{
	const struct item *it;

	if (!reader_elements(g->r, names, &it))
		return;
	for (; it != NULL; it = it->next)
		if (merge_must_be(g, it, ITEM_STRING, "an array of names") && merge_valid_name(g, it, it->s))
			act(g, s, it, it->s);
}

struct merged_set *
merge_sets_find(struct merged_sets *sets, const char *name)
{
	uint32_t i = strmap_get(&sets->index, name);

	return i == STRMAP_NONE ? NULL : &sets->v[i];
}

struct merged_set *
merge_sets_new(struct merger *g, struct merged_sets *sets, const char *name, struct origin at)
{
	struct merged_set *v = merge_grown(sets->v, sets->n, &sets->cap, sizeof(*v));

	if (v != NULL)
		sets->v = v;
	if (v == NULL || strmap_put(&sets->index, name, sets->n) < 0) {
		g->failed = true;
		return NULL;
	}
	sets->v[sets->n] = (struct merged_set){ .name = name, .at = at };
	return &sets->v[sets->n++];
}

static void
define_set(struct merger *g, struct merged_sets *sets, const struct item *it, const char *name, const struct item *names)
{
	struct merged_set *s = merge_sets_find(sets, name);

	merge_step_in(g, name);
	if (s != NULL)
		reader_fail(g->r, it, NULL, "defined twice, first in %s:%u", s->at.file, s->at.line);
	else if (merge_valid_name(g, it, name) && (s = merge_sets_new(g, sets, name, it->at)) != NULL)
		merge_set_each(g, s, names, merge_set_add);
	merge_step_out(g);
}

/* The name of a group in a list of groups; NULL: it was complained about. */
const char *
merge_name_of(struct merger *g, const struct item *group)
{
	const struct item *name;

	if (!merge_must_be(g, group, ITEM_GROUP, "a group, or a list of groups with a name"))
		return NULL;
	name = item_member(group, "name");
	if (name == NULL)
		reader_fail(g->r, group, NULL, "a group in this list needs a name");
	else if (merge_must_be(g, name, ITEM_STRING, "a list of groups whose name is a string"))
		return name->s;
	return NULL;
}

/* { name = "basic"; applications = ["db"]; } */
static void
define_listed_set(struct merger *g, struct merged_sets *sets, const struct item *group, const char *members)
{
	const char *name = merge_name_of(g, group);
	const struct item *it, *names = NULL;

	if (name == NULL)
		return;
	for (it = group->first; it != NULL; it = it->next) {
		merge_step_in(g, it->name);
		if (strcmp(it->name, members) == 0)
			names = it;
		else if (strcmp(it->name, "name") != 0)
			reader_fail(g->r, it, members, "unknown key");
		merge_step_out(g);
	}
	if (names != NULL)
		define_set(g, sets, group, name, names);
	else
		reader_fail(g->r, group, NULL, "\"%.80s\" needs %s", name, members);
}

static void
define_sets(struct merger *g, struct merged_sets *sets, const struct item *all, const char *members)
{
	const struct item *it;

	if (all->type == ITEM_LIST) {
		for (it = all->first; it != NULL; it = it->next)
			define_listed_set(g, sets, it, members);
		return;
	}
	if (!merge_must_be(g, all, ITEM_GROUP, "a group, or a list of groups with a name"))
		return;
	for (it = all->first; it != NULL; it = it->next)
		define_set(g, sets, it, it->name, it);
}

/* --- the top level --- */

static void
take_once(struct merger *g, const struct item **place, const struct item *it)
{
	if (*place != NULL)
		reader_fail(g->r, it, NULL, "set twice, first in %s:%u", (*place)->at.file, (*place)->at.line);
	else
		*place = it;
}

static void
take_list(struct merger *g, struct merged_items *items, const struct item *it)
{
	const struct item **v;

	if (!merge_must_be(g, it, ITEM_LIST, "a list of groups"))
		return;
	v = merge_grown(items->v, items->n, &items->cap, sizeof(*v));
	if (v == NULL) {
		g->failed = true;
		return;
	}
	items->v = v;
	items->v[items->n++] = it;
}

static void take_node(struct merger *g, const struct item *it) { take_once(g, &g->m->node, it); }
static void take_default_mode(struct merger *g, const struct item *it) { take_once(g, &g->m->default_mode, it); }
static void take_timeout(struct merger *g, const struct item *it) { take_once(g, &g->m->shutdown_timeout, it); }
static void take_access(struct merger *g, const struct item *it) { take_list(g, &g->m->access, it); }
static void take_log_levels(struct merger *g, const struct item *it) { take_list(g, &g->m->log_levels, it); }
static void take_apps(struct merger *g, const struct item *it) { merge_each_app(g, it, merge_define_app); }
static void take_roles(struct merger *g, const struct item *it) { define_sets(g, &g->m->roles, it, "applications"); }
static void take_modes(struct merger *g, const struct item *it) { define_sets(g, &g->m->modes, it, "roles"); }
static void take_protected(struct merger *g, const struct item *it) { merge_set_each(g, &g->m->protected, it, merge_set_add); }

static void
take_application(struct merger *g, const struct item *it)
{
	if (merge_must_be(g, it, ITEM_STRING, "a string"))
		merge_valid_name(g, it, it->s);
}

static void merge_group(struct merger *g, const struct item *group);

static void
take_wrapper(struct merger *g, const struct item *it)
{
	if (g->wrapped) {
		reader_fail(g->r, it, NULL, "app_ctrl does not nest");
		return;
	}
	if (!merge_must_be(g, it, ITEM_GROUP, "a group"))
		return;
	g->wrapped = true;
	merge_group(g, it);
	g->wrapped = false;
}

static const struct top_key {
	const char *name;
	void (*take)(struct merger *g, const struct item *it);
	bool drop_in;			/* has no meaning in the main file */
	bool second;			/* waits until all files have said what they define */
} top_keys[] = {
	{ "node", take_node, false, false },
	{ "default_mode", take_default_mode, false, false },
	{ "shutdown_timeout", take_timeout, false, false },
	{ "log_levels", take_log_levels, false, false },
	{ "access", take_access, false, false },
	{ "applications", take_apps, false, false },
	{ "roles", take_roles, false, false },
	{ "modes", take_modes, false, false },
	{ "protected", take_protected, false, false },
	{ "modify", merge_modify, true, true },
	{ "application", take_application, true, false },
	{ "app_ctrl", take_wrapper, false, false },
};
enum { TOP_KEYS = sizeof(top_keys) / sizeof(top_keys[0]) };

static void
unknown_top(struct merger *g, const struct item *it)
{
	const char *names[TOP_KEYS];
	size_t i;

	for (i = 0; i < TOP_KEYS; i++)
		names[i] = top_keys[i].name;
	reader_fail_near(g->r, it, suggest(it->name, names, TOP_KEYS), "unknown key", NULL);
}

static void
merge_key(struct merger *g, const struct item *it)
{
	const struct top_key *k;

	for (k = top_keys; k < top_keys + TOP_KEYS && strcmp(k->name, it->name) != 0; k++)
		;
	if (k == top_keys + TOP_KEYS) {
		if (!g->modifying)
			unknown_top(g, it);
	} else if (k->take != take_wrapper && k->second != g->modifying) {
		return;
	} else if (k->drop_in && g->file->app == NULL) {
		reader_fail(g->r, it, "put it into a file in conf.d/", "belongs into a drop-in");
	} else {
		k->take(g, it);
	}
}

static void
merge_group(struct merger *g, const struct item *group)
{
	const struct item *it;

	for (it = group->first; it != NULL; it = it->next) {
		merge_step_in(g, it->name);
		merge_key(g, it);
		merge_step_out(g);
	}
}

int
merge(const struct fragment *fragments, size_t n, struct reader *r, struct merged *out)
{
	struct merger g = { .m = out, .r = r };
	int round;
	size_t i;

	*out = (struct merged){ .arena = arena_new() };
	if (out->arena == NULL)
		return -1;
	for (round = 0; round < 2; round++) {
		g.modifying = round == 1;
		for (i = 0; i < n && !g.failed; i++) {
			g.file = &fragments[i];
			merge_group(&g, fragments[i].root);
		}
	}
	return g.failed ? -1 : 0;
}

static void
sets_fini(struct merged_sets *s)
{
	uint32_t i;

	for (i = 0; i < s->n; i++) {
		free(s->v[i].v);
		strmap_free(&s->v[i].index);
	}
	free(s->v);
	strmap_free(&s->index);
}

void
merged_fini(struct merged *m)
{
	free(m->apps);
	strmap_free(&m->app_index);
	sets_fini(&m->roles);
	sets_fini(&m->modes);
	free(m->protected.v);
	strmap_free(&m->protected.index);
	free(m->access.v);
	free(m->log_levels.v);
	arena_free(m->arena);
}

const char *
merged_suggest_app(struct merged *m, const char *name)
{
	const char **names, *near;
	uint32_t i, n = 0;

	if (m->suggestions++ >= SUGGESTIONS_MAX || m->app_count == 0)
		return NULL;
	names = malloc(m->app_count * sizeof(*names));
	if (names == NULL)
		return NULL;
	for (i = 0; i < m->app_count; i++)
		if (!m->apps[i].deleted)
			names[n++] = m->apps[i].name;
	near = suggest(name, names, n);
	free(names);
	return near;
}

const char *
merged_suggest_set(struct merged *m, const struct merged_sets *sets, const char *name)
{
	const char **names, *near;
	uint32_t i;

	if (m->suggestions++ >= SUGGESTIONS_MAX || sets->n == 0)
		return NULL;
	names = malloc(sets->n * sizeof(*names));
	if (names == NULL)
		return NULL;
	for (i = 0; i < sets->n; i++)
		names[i] = sets->v[i].name;
	near = suggest(name, names, sets->n);
	free(names);
	return near;
}
