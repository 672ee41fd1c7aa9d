/* SPDX-License-Identifier: MIT */
#include "core/merge_internal.h"

#include <stdio.h>
#include <string.h>

struct merged_app *
merge_app_find(struct merged *m, const char *name)
{
	uint32_t i = strmap_get(&m->app_index, name);

	return i == STRMAP_NONE || m->apps[i].deleted ? NULL : &m->apps[i];
}

/* Takes the place of one that was deleted. */
static struct merged_app *
app_new(struct merger *g, const char *name)
{
	struct merged *m = g->m;
	uint32_t i = strmap_get(&m->app_index, name);
	struct merged_app *v;

	if (i != STRMAP_NONE)
		return &m->apps[i];
	v = merge_grown(m->apps, m->app_count, &m->app_cap, sizeof(*v));
	if (v != NULL)
		m->apps = v;
	if (v == NULL || strmap_put(&m->app_index, name, m->app_count) < 0) {
		g->failed = true;
		return NULL;
	}
	return &m->apps[m->app_count++];
}

static bool
is_edges_only(const struct item *members, bool listed)
{
	const struct key *k;
	unsigned n = 0;

	for (; members != NULL; members = members->next) {
		if (listed && strcmp(members->name, "name") == 0)
			continue;
		k = schema_find(members->name);
		if (k == NULL || !(key_flags(k) & KEY_ORDER))
			return false;
		n++;
	}
	return n > 0;
}

void
merge_app_own(struct merger *g, struct merged_app *a)
{
	if (a->own)
		return;
	a->members = merge_copy_chain(g, a->members, a->listed ? "name" : NULL);
	a->listed = false;
	a->own = true;
}

/* Where the member of that name hangs, or the end of the chain. */
struct item **
merge_app_place(struct merged_app *a, const char *name)
{
	struct item **place;

	for (place = &a->members; *place != NULL && strcmp((*place)->name, name) != 0; place = &(*place)->next)
		;
	return place;
}

void
merge_app_set_key(struct merger *g, struct merged_app *a, const struct item *it)
{
	struct item **place, *copy;
	const struct key *k = schema_find(it->name);

	merge_app_own(g, a);
	place = merge_app_place(a, it->name);
	copy = merge_copy_item(g, it);
	if (copy == NULL)
		return;
	copy->next = *place ? (*place)->next : NULL;
	*place = copy;
	if (k != NULL)
		a->own_keys &= ~((uint64_t)1 << key_index(k));
}

/* What makes two elements of a united value the same one; its length in *len. */
static const char *
identity(const struct item *it, bool is_map, size_t *len)
{
	const struct item *name;
	const char *s = NULL;

	if (it->name != NULL)
		s = it->name;
	else if (it->type == ITEM_STRING)
		s = it->s;
	else if ((name = item_member(it, "name")) != NULL && name->type == ITEM_STRING)
		s = name->s;
	*len = s == NULL ? 0 : is_map ? strcspn(s, "=") : strlen(s);
	return s;
}

static bool
is_same(const struct item *a, const struct item *b, bool is_map)
{
	const char *x, *y;
	size_t lx, ly;

	if (a->type == ITEM_INT && b->type == ITEM_INT && a->name == NULL)
		return a->i == b->i;
	x = identity(a, is_map, &lx);
	y = identity(b, is_map, &ly);
	return x != NULL && y != NULL && lx == ly && memcmp(x, y, lx) == 0;
}

/* Adds one element; of one that is there already, the newer is kept where it says more. */
static void
unite_one(struct merger *g, struct item *row, const struct item *it, bool is_map)
{
	struct item **place, *copy;

	for (place = &row->first; *place != NULL && !is_same(*place, it, is_map); place = &(*place)->next)
		;
	if (*place != NULL && !is_map && it->type != ITEM_GROUP)
		return;
	copy = merge_copy_item(g, it);
	if (copy == NULL)
		return;
	copy->next = *place ? (*place)->next : NULL;
	*place = copy;
}

/* A group's members as "NAME=value" where the other side is written so. */
static void
spell_out(struct merger *g, struct item *map)
{
	char *text;
	struct item *it;
	size_t len;

	map->type = ITEM_LIST;
	for (it = map->first; it != NULL; it = it->next) {
		if (it->type != ITEM_STRING)
			continue;
		len = strlen(it->name) + strlen(it->s) + 2;
		text = arena_alloc(g->m->arena, len);
		if (text == NULL) {
			g->failed = true;
			return;
		}
		snprintf(text, len, "%s=%s", it->name, it->s);
		it->s = text;
		it->name = NULL;
	}
}

/* Arrays and maps grow by what is new; anything else is set anew. */
void
merge_app_unite_key(struct merger *g, struct merged_app *a, const struct item *it)
{
	const struct key *k = schema_find(it->name);
	unsigned flags = k ? key_flags(k) : 0;
	bool is_map = flags & KEY_MAP;
	struct item *there, *added;
	uint64_t bit;

	merge_app_own(g, a);
	there = *merge_app_place(a, it->name);
	if (there == NULL || !(flags & (KEY_SET | KEY_MAP)) || (!merge_is_row(it) && !(is_map && it->type == ITEM_GROUP)) ||
	    (!merge_is_row(there) && !(is_map && there->type == ITEM_GROUP))) {
		merge_app_set_key(g, a, it);
		return;
	}
	bit = (uint64_t)1 << key_index(k);
	if (!(a->own_keys & bit))
		there->first = merge_copy_chain(g, there->first, NULL);
	a->own_keys |= bit;
	added = merge_copy_item(g, it);
	if (added == NULL)
		return;
	added->first = merge_copy_chain(g, it->first, NULL);
	if (merge_is_row(added) && !merge_is_row(there))
		spell_out(g, there);
	else if (!merge_is_row(added) && merge_is_row(there))
		spell_out(g, added);
	if (there->type == ITEM_ARRAY)
		there->type = ITEM_LIST;
	for (added = added->first; added != NULL; added = added->next)
		unite_one(g, there, added, is_map);
}

void
merge_each_key(struct merger *g, struct merged_app *a, const struct item *members, bool listed,
	 void (*act)(struct merger *, struct merged_app *, const struct item *))
{
	for (; members != NULL; members = members->next)
		if (!listed || strcmp(members->name, "name") != 0)
			act(g, a, members);
}

/* A second entry of one name: one of both only orders, or it is an error. */
static void
define_again(struct merger *g, struct merged_app *a, const struct item *entry, bool listed)
{
	struct merged_app edges = *a;

	if (is_edges_only(entry->first, listed)) {
		merge_each_key(g, a, entry->first, listed, merge_app_unite_key);
	} else if (a->edges_only) {
		*a = (struct merged_app){ .name = a->name, .at = entry->at, .members = entry->first, .listed = listed };
		merge_each_key(g, a, edges.members, edges.listed, merge_app_unite_key);
	} else {
		reader_fail(g->r, entry, NULL, "defined twice, first in %s:%u", a->at.file, a->at.line);
	}
}

static void
define_fresh(struct merger *g, const struct item *entry, const char *name, bool listed)
{
	struct merged_app *a = app_new(g, name);

	if (a != NULL)
		*a = (struct merged_app){
			.name = name, .at = entry->at, .members = entry->first, .listed = listed,
			.edges_only = is_edges_only(entry->first, listed),
		};
}

void
merge_define_app(struct merger *g, const struct item *entry, const char *name, bool listed)
{
	struct merged_app *a = merge_app_find(g->m, name);

	if (!merge_valid_name(g, entry, name))
		return;
	merge_step_in(g, name);
	if (!merge_must_be(g, entry, ITEM_GROUP, "a group"))
		;
	else if (a != NULL)
		define_again(g, a, entry, listed);
	else
		define_fresh(g, entry, name, listed);
	merge_step_out(g);
}

/* `add` of a modify: sets keys of an entry, which may be new. */
void
merge_add_app(struct merger *g, const struct item *entry, const char *name, bool listed)
{
	struct merged_app *a = merge_app_find(g->m, name);

	if (!merge_valid_name(g, entry, name))
		return;
	merge_step_in(g, name);
	if (!merge_must_be(g, entry, ITEM_GROUP, "a group"))
		;
	else if (a != NULL)
		merge_each_key(g, a, entry->first, listed, merge_app_set_key);
	else
		define_fresh(g, entry, name, listed);
	merge_step_out(g);
}

void
merge_each_app(struct merger *g, const struct item *all, void (*act)(struct merger *, const struct item *, const char *, bool))
{
	const struct item *it;
	const char *name;

	if (all->type == ITEM_LIST) {
		for (it = all->first; it != NULL; it = it->next) {
			name = merge_name_of(g, it);
			if (name != NULL)
				act(g, it, name, true);
		}
		return;
	}
	if (!merge_must_be(g, all, ITEM_GROUP, "a group, or a list of groups with a name"))
		return;
	for (it = all->first; it != NULL; it = it->next)
		act(g, it, it->name, false);
}
