/* SPDX-License-Identifier: MIT */
#include "core/build.h"

#include "base/log.h"
#include "base/suggest.h"

#include <string.h>

void
settings_check_give_up(struct builder *b)
{
	const struct merged_app *from;
	const struct app_def *d;
	const struct item *it;

	for (d = b->m->apps; d < b->m->apps + b->m->app_count; d++) {
		if (d->on_give_up != GIVE_UP_MODE || model_find_mode(b->m, d->give_up_mode) != NULL)
			continue;
		builder_set_path(b, "applications", d->name, "on_give_up");
		from = b->from ? b->from[d - b->m->apps] : NULL;
		for (it = from ? from->members : NULL; it != NULL && strcmp(it->name, "on_give_up") != 0; it = it->next)
			;
		builder_fail_name(b, it ? it->at : d->at, merged_suggest_set(&b->merged, &b->merged.modes, d->give_up_mode),
			  "unknown mode", d->give_up_mode);
	}
}

static void
read_settings(struct builder *b)
{
	const struct merged *g = &b->merged;
	int64_t ms;

	b->m->shutdown_timeout_ms = SHUTDOWN_TIMEOUT_MS;
	if (g->node != NULL) {
		builder_set_path(b, "node", NULL, NULL);
		b->m->node = reader_text(&b->r, g->node);
		if (b->m->node != NULL && !node_name_is_valid(b->m->node))
			reader_fail(&b->r, g->node, "NAME or NAME@HOST: letters, digits, -, _ and ., a name of at most 63", "\"%.80s\" is no node's name", b->m->node);
	}
	if (g->default_mode != NULL) {
		builder_set_path(b, "default_mode", NULL, NULL);
		b->m->default_mode = reader_text(&b->r, g->default_mode);
		if (b->m->default_mode != NULL && model_find_mode(b->m, b->m->default_mode) == NULL)
			builder_fail_name(b, g->default_mode->at, merged_suggest_set(&b->merged, &g->modes, b->m->default_mode),
				  "unknown mode", b->m->default_mode);
	}
	if (g->shutdown_timeout != NULL) {
		builder_set_path(b, "shutdown_timeout", NULL, NULL);
		if (!reader_duration(&b->r, g->shutdown_timeout, false, &ms))
			return;
		if (ms == 0)
			reader_fail(&b->r, g->shutdown_timeout, NULL, "must be more than 0");
		b->m->shutdown_timeout_ms = ms;
	}
}

/* The members of one group of a list, each given to `take`; false from it: unknown. */
static void
read_members(struct builder *b, const struct item *group, const char *const *keys, size_t n, void *out,
	     void (*take)(struct builder *b, const struct item *it, size_t key, void *out))
{
	const struct item *it;
	size_t i;

	if (group->type != ITEM_GROUP) {
		reader_fail(&b->r, group, NULL, "must be a list of groups");
		return;
	}
	for (it = group->first; it != NULL; it = it->next) {
		b->r.path[b->r.depth++] = it->name;
		for (i = 0; i < n && strcmp(keys[i], it->name) != 0; i++)
			;
		if (i < n)
			take(b, it, i, out);
		else
			builder_fail_name(b, it->at, suggest(it->name, keys, n), "unknown key", NULL);
		b->r.depth--;
	}
}

static void
take_access_level(struct builder *b, const struct item *it, struct access_rule *rule)
{
	static const char *const levels[] = { "none", "read", "operate", "admin" };
	int i;

	for (i = ACCESS_READ; it->type == ITEM_STRING && i <= ACCESS_ADMIN; i++)
		if (strcmp(levels[i], it->s) == 0)
			rule->level = (enum access_level)i;
	if (rule->level == ACCESS_NONE)
		reader_fail(&b->r, it, "read, operate or admin", "is no level");
}

static void
take_access_apps(struct builder *b, const struct item *it, struct access_rule *rule)
{
	const struct item *e;

	rule->applications = reader_strings(&b->r, it);
	if (it->type != ITEM_LIST && it->type != ITEM_ARRAY)
		return;
	if (it->first == NULL)
		reader_fail(&b->r, it, "leave it out for all", "must not be empty");
	for (e = it->first; e != NULL; e = e->next)
		if (e->type == ITEM_STRING && strmap_get(&b->apps, e->s) == STRMAP_NONE)
			builder_unknown_app(b, e->at, e->s);
}

static void
take_access(struct builder *b, const struct item *it, size_t key, void *out)
{
	struct access_rule *rule = out;

	switch (key) {
	case 0: rule->user = reader_user(&b->r, it, false); break;
	case 1: rule->group = reader_user(&b->r, it, true); break;
	case 2: take_access_level(b, it, rule); break;
	case 3: take_access_apps(b, it, rule); break;
	case 4: rule->run_as = reader_users(&b->r, it, false); break;
	}
}

static void
read_access(struct builder *b, const struct item *group, struct access_rule *rule)
{
	static const char *const keys[] = { "user", "group", "level", "applications", "run_as" };

	rule->at = builder_keep_origin(b, group->at);
	read_members(b, group, keys, 5, rule, take_access);
	if (group->type != ITEM_GROUP)
		return;
	if ((item_member(group, "user") != NULL) == (item_member(group, "group") != NULL))
		reader_fail(&b->r, group, NULL, "needs a user or a group, and not both");
	if (item_member(group, "level") == NULL)
		reader_fail(&b->r, group, "read, operate or admin", "needs a level");
}

#define X(id, name) name,
static const char *const log_modules[] = { LOG_MODULES(X) };
#undef X
static const char *const log_levels[] = LOG_LEVEL_NAMES;

/* Its index, or -1. */
static int
index_of(const char *name, const char *const *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

static void
take_modules(struct builder *b, const struct item *it, struct log_rule *rule)
{
	const struct item *e;

	rule->modules = reader_strings(&b->r, it);
	if (it->type != ITEM_LIST && it->type != ITEM_ARRAY)
		return;
	for (e = it->first; e != NULL; e = e->next)
		if (e->type == ITEM_STRING && index_of(e->s, log_modules, LOG_MODULE_COUNT) < 0)
			builder_fail_name(b, e->at, suggest(e->s, log_modules, LOG_MODULE_COUNT), "unknown module", e->s);
}

static void
take_log(struct builder *b, const struct item *it, size_t key, void *out)
{
	struct log_rule *rule = out;

	if (key == 1) {
		take_modules(b, it, rule);
		return;
	}
	rule->level = it->type == ITEM_STRING ? index_of(it->s, log_levels, sizeof(log_levels) / sizeof(log_levels[0])) : -1;
	if (rule->level < 0)
		reader_fail(&b->r, it, "error, warning, info or debug", "is no level");
}

static void
read_log_rule(struct builder *b, const struct item *group, struct log_rule *rule)
{
	static const char *const keys[] = { "level", "modules" };

	read_members(b, group, keys, 2, rule, take_log);
	if (group->type == ITEM_GROUP && item_member(group, "level") == NULL)
		reader_fail(&b->r, group, "error, warning, info or debug", "needs a level");
}

static uint32_t
count_groups(const struct merged_items *items)
{
	const struct item *it;
	uint32_t i, n = 0;

	for (i = 0; i < items->n; i++)
		for (it = items->v[i]->first; it != NULL; it = it->next)
			n++;
	return n;
}

static void
read_access_rules(struct builder *b)
{
	const struct merged_items *items = &b->merged.access;
	const struct item *it;
	uint32_t i;

	b->m->access = builder_keep(b, count_groups(items), sizeof(*b->m->access));
	builder_set_path(b, "access", NULL, NULL);
	for (i = 0; i < items->n && b->m->access != NULL; i++)
		for (it = items->v[i]->first; it != NULL; it = it->next)
			read_access(b, it, &b->m->access[b->m->access_count++]);
}

static void
read_log_rules(struct builder *b)
{
	const struct merged_items *items = &b->merged.log_levels;
	const struct item *it;
	uint32_t i;

	b->m->log_rules = builder_keep(b, count_groups(items), sizeof(*b->m->log_rules));
	builder_set_path(b, "log_levels", NULL, NULL);
	for (i = 0; i < items->n && b->m->log_rules != NULL; i++)
		for (it = items->v[i]->first; it != NULL; it = it->next)
			read_log_rule(b, it, &b->m->log_rules[b->m->log_rule_count++]);
}

void
settings_read(struct builder *b)
{
	read_settings(b);
	read_access_rules(b);
	read_log_rules(b);
}
