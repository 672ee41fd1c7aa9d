/* SPDX-License-Identifier: MIT */
#include "core/merge_internal.h"

#include "base/suggest.h"

#include <string.h>

static void
del_apps(struct merger *g, const struct item *names)
{
	const struct item *it;
	struct merged_app *a;

	if (!reader_elements(g->r, names, &it))
		return;
	for (; it != NULL; it = it->next) {
		if (!merge_must_be(g, it, ITEM_STRING, "an array of names") || !merge_valid_name(g, it, it->s))
			continue;
		a = merge_app_find(g->m, it->s);
		if (a == NULL)
			continue;		/* as in the original: no error */
		a->deleted = true;
		a->deleted_at = it->at;
	}
}

static void
del_keys(struct merger *g, struct merged_app *a, const struct item *names)
{
	const struct item *it;
	struct item **place;

	if (!reader_elements(g->r, names, &it))
		return;
	merge_app_own(g, a);
	for (; it != NULL; it = it->next) {
		if (!merge_must_be(g, it, ITEM_STRING, "an array of keys"))
			continue;
		if (schema_find(it->s) == NULL) {
			reader_fail_near(g->r, it, schema_suggest(it->s), "unknown key", it->s);
			continue;
		}
		place = merge_app_place(a, it->s);
		if (*place != NULL)
			*place = (*place)->next;
	}
}

/* The one action that a group in a list of actions names, add or del, or something else. */
static void
unknown_action(struct merger *g, const struct item *it, const char *name, bool sets)
{
	static const char *const actions[] = { "add", "del", "join", "leave" };

	reader_fail_near(g->r, it, suggest(name, actions, sets ? 4 : 2), "unknown action", name);
}

static void
modify_entry_by(struct merger *g, struct merged_app *a, const struct item *action)
{
	const struct item *it;

	if (!merge_must_be(g, action, ITEM_GROUP, "a list of groups { add: { … }; } or { del = [ … ]; }"))
		return;
	for (it = action->first; it != NULL; it = it->next) {
		merge_step_in(g, it->name);
		if (strcmp(it->name, "del") == 0)
			del_keys(g, a, it);
		else if (strcmp(it->name, "add") != 0)
			unknown_action(g, it, it->name, false);
		else if (merge_must_be(g, it, ITEM_GROUP, "a group of keys"))
			merge_each_key(g, a, it->first, false, merge_app_unite_key);
		merge_step_out(g);
	}
}

/* { NAME = ( { add: { … }; }, { del = [ … ]; } ); } */
static void
modify_entry(struct merger *g, const struct item *actions)
{
	struct merged_app *a = merge_app_find(g->m, actions->name);
	const struct item *it;

	if (a == NULL) {
		reader_fail_near(g->r, actions, merged_suggest_app(g->m, actions->name), "no application", actions->name);
		return;
	}
	merge_step_in(g, a->name);
	if (reader_elements(g->r, actions, &it))
		for (; it != NULL; it = it->next)
			modify_entry_by(g, a, it);
	merge_step_out(g);
}

static void
modify_apps(struct merger *g, const struct item *actions)
{
	const struct item *action, *it;

	if (!reader_elements(g->r, actions, &action))
		return;
	for (; action != NULL; action = action->next) {
		if (!merge_must_be(g, action, ITEM_GROUP, "a list of groups"))
			continue;
		for (it = action->first; it != NULL; it = it->next) {
			if (strcmp(it->name, "add") == 0)
				merge_each_app(g, it, merge_add_app);
			else if (strcmp(it->name, "del") == 0)
				del_apps(g, it);
			else
				modify_entry(g, it);
		}
	}
}

/* "join" and "leave" speak of the drop-in's own application. */
static void
join_or_leave(struct merger *g, struct merged_set *s, const struct item *it, set_action *act)
{
	if (s != &g->m->protected && s >= g->m->modes.v && s < g->m->modes.v + g->m->modes.n)
		reader_fail(g->r, it, "{ add = [ROLE]; }", "a mode holds roles, no applications: \"%s\" does not fit", it->s);
	else if (!name_is_valid(g->file->app))
		reader_fail(g->r, it, "name the file NN-APPLICATION.conf, or write application = \"NAME\";",
			    "\"%s\": \"%.80s\" is no application's name", it->s, g->file->app);
	else
		act(g, s, it, g->file->app);
}

static void
modify_set_by(struct merger *g, struct merged_set *s, const struct item *action)
{
	const struct item *it;

	if (action->type == ITEM_STRING && strcmp(action->s, "join") == 0) {
		join_or_leave(g, s, action, merge_set_add);
	} else if (action->type == ITEM_STRING && strcmp(action->s, "leave") == 0) {
		join_or_leave(g, s, action, merge_set_del);
	} else if (action->type == ITEM_STRING) {
		unknown_action(g, action, action->s, true);
	} else if (merge_must_be(g, action, ITEM_GROUP, "a list of \"join\", \"leave\", { add = […]; } or { del = […]; }")) {
		for (it = action->first; it != NULL; it = it->next) {
			if (strcmp(it->name, "add") == 0)
				merge_set_each(g, s, it, merge_set_add);
			else if (strcmp(it->name, "del") == 0)
				merge_set_each(g, s, it, merge_set_del);
			else
				unknown_action(g, it, it->name, true);
		}
	}
}

static void
modify_set(struct merger *g, struct merged_set *s, const struct item *actions)
{
	const struct item *it;

	if (reader_elements(g->r, actions, &it))
		for (; it != NULL; it = it->next)
			modify_set_by(g, s, it);
}

/* Whether the first action brings a set into being. */
static bool
creates(const struct item *actions)
{
	const struct item *first = merge_is_row(actions) ? actions->first : NULL;

	if (first == NULL)
		return false;
	return first->type == ITEM_STRING ? strcmp(first->s, "join") == 0 : item_member(first, "add") != NULL;
}

static void
modify_sets(struct merger *g, struct merged_sets *sets, const struct item *all)
{
	struct merged_set *s;
	const struct item *it;

	if (!merge_must_be(g, all, ITEM_GROUP, "a group"))
		return;
	for (it = all->first; it != NULL; it = it->next) {
		s = merge_sets_find(sets, it->name);
		if (s == NULL && !creates(it)) {
			reader_fail_near(g->r, it, merged_suggest_set(g->m, sets, it->name), sets == &g->m->roles ? "no role" : "no mode", it->name);
			continue;
		}
		merge_step_in(g, it->name);
		if (s == NULL && merge_valid_name(g, it, it->name))
			s = merge_sets_new(g, sets, it->name, it->at);
		if (s != NULL)
			modify_set(g, s, it);
		merge_step_out(g);
	}
}

void
merge_modify(struct merger *g, const struct item *all)
{
	static const char *const names[] = { "applications", "roles", "modes", "protected" };
	const struct item *it;

	if (!merge_must_be(g, all, ITEM_GROUP, "a group"))
		return;
	for (it = all->first; it != NULL; it = it->next) {
		merge_step_in(g, it->name);
		if (strcmp(it->name, "applications") == 0)
			modify_apps(g, it);
		else if (strcmp(it->name, "roles") == 0)
			modify_sets(g, &g->m->roles, it);
		else if (strcmp(it->name, "modes") == 0)
			modify_sets(g, &g->m->modes, it);
		else if (strcmp(it->name, "protected") == 0)
			modify_set(g, &g->m->protected, it);
		else
			reader_fail_near(g->r, it, suggest(it->name, names, 4), "unknown key", NULL);
		merge_step_out(g);
	}
}
