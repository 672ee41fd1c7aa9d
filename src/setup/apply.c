/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "setup/apply.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *const side_app[SIDE_COUNT] = { "appctl-consumer", "appctl-producer" };
static const char *const prefixes[SIDE_COUNT] = { "CONSUMER_", "PRODUCER_" };

static int
fail(struct edit *e, const struct item *it, const char *fmt, const char *what)
{
	problem_add(e->ps, it ? it->at : (struct origin){ e->file, 0 }, NULL, NULL, fmt, what);
	return -1;
}

/* The definition in a list of groups that have a name. */
static struct edit_place
listed(const struct edit *e, struct edit_place list, const char *name)
{
	struct edit_place at;
	const struct item *member;
	uint32_t i;

	for (i = 0; (at = edit_element(e, list, i)).it != NULL; i++) {
		member = at.it->type == ITEM_GROUP ? item_member(at.it, "name") : NULL;
		if (member != NULL && member->type == ITEM_STRING && strcmp(member->s, name) == 0)
			break;
	}
	return at;
}

/* The group that `applications` stands in: the file, or app_ctrl. */
static struct edit_place
top_of(const struct edit *e)
{
	struct edit_place root = edit_root(e), inner = edit_member(e, root, "app_ctrl");

	return edit_member(e, root, "applications").it == NULL && inner.it != NULL ? inner : root;
}

static struct edit_place
definition(const struct edit *e, enum side side)
{
	struct edit_place apps = edit_member(e, top_of(e), "applications"), at;

	at = apps.it != NULL && apps.it->type == ITEM_GROUP ? edit_member(e, apps, side_app[side]) : listed(e, apps, side_app[side]);
	return at.it != NULL && at.it->type == ITEM_GROUP ? at : (struct edit_place){ NULL, SCAN_NONE };
}

static bool
left_out(const struct wishes *w, enum side side)
{
	return !w->only[side] && w->only[!side];
}

bool
apply_concerns(const struct edit *e, const struct wishes *w, enum side side)
{
	return !left_out(w, side) && definition(e, side).it != NULL;
}

const char *
apply_user(const struct edit *e, enum side side)
{
	struct edit_place user = edit_member(e, definition(e, side), "user");
	struct buf b = { 0 };
	const char *text;

	if (user.it == NULL || (user.it->type != ITEM_STRING && user.it->type != ITEM_INT))
		return NULL;
	if (user.it->type == ITEM_STRING)
		return user.it->s;
	buf_printf(&b, "%" PRId64, user.it->i);
	text = arena_strdup(e->arena, buf_cstr(&b));
	buf_free(&b);
	return text;
}

/* --- the environment of an application: { NAME = "value"; } or ["NAME=value"] --- */

/* The element NAME=… of the array form; *value is behind its =. */
static struct edit_place
assignment(const struct edit *e, struct edit_place array, const char *name, const char **value)
{
	struct edit_place at;
	uint32_t i;

	for (i = 0; (at = edit_element(e, array, i)).it != NULL; i++) {
		if (at.it->type != ITEM_STRING || strncmp(at.it->s, name, strlen(name)) != 0 || at.it->s[strlen(name)] != '=')
			continue;
		*value = at.it->s + strlen(name) + 1;
		break;
	}
	return at;
}

/* Where it is set, and to what. */
static struct edit_place
variable(const struct edit *e, struct edit_place environment, const char *name, const char **value)
{
	struct edit_place at;
	char number[24];

	*value = NULL;
	if (environment.it == NULL || environment.it->type != ITEM_GROUP)
		return assignment(e, environment, name, value);
	at = edit_member(e, environment, name);
	if (at.it != NULL && at.it->type == ITEM_STRING)
		*value = at.it->s;
	if (at.it != NULL && at.it->type == ITEM_INT) {
		snprintf(number, sizeof(number), "%" PRId64, at.it->i);
		*value = arena_strdup(e->arena, number);
	}
	return at;
}

static void
full_name(char *out, size_t size, enum side side, const char *name)
{
	snprintf(out, size, "%s%s", prefixes[side], name);
}

const char *
apply_setting(const struct edit *e, enum side side, const char *name)
{
	char full[80];
	const char *value;

	full_name(full, sizeof(full), side, name);
	variable(e, edit_member(e, definition(e, side), "environment"), full, &value);
	return value;
}

static int
put_variable(struct edit *e, struct edit_place app, const char *name, const char *quoted, const char *quoted_pair)
{
	struct edit_place environment = edit_member(e, app, "environment"), at;
	struct buf group = { 0 };
	const char *old;
	int r;

	if (environment.it == NULL) {
		buf_printf(&group, "{ %s = %s; }", name, quoted);
		r = edit_add_member(e, app, "environment", buf_cstr(&group));
		buf_free(&group);
		return r;
	}
	at = variable(e, environment, name, &old);
	if (environment.it->type == ITEM_GROUP)
		return at.it ? edit_replace(e, at, quoted) : edit_add_member(e, environment, name, quoted);
	if (environment.it->type != ITEM_ARRAY && environment.it->type != ITEM_LIST)
		return fail(e, environment.it, "environment of %s is neither group nor array", app.it->name ? app.it->name : "it");
	return at.it ? edit_replace(e, at, quoted_pair) : edit_add_element(e, environment, quoted_pair);
}

int
apply_set(struct edit *e, const struct wishes *w, enum side side, const char *name, const char *value)
{
	struct edit_place app = definition(e, side);
	struct buf quoted = { 0 }, pair = { 0 }, quoted_pair = { 0 };
	char full[80];
	const char *old = apply_setting(e, side, name);
	int r = 0;

	if (old != NULL && strcmp(old, value) == 0)
		return 0;
	full_name(full, sizeof(full), side, name);
	buf_printf(&pair, "%s=%s", full, value);
	if (edit_quote(&quoted, value) < 0 || edit_quote(&quoted_pair, buf_cstr(&pair)) < 0)
		r = fail(e, NULL, "the value of %s is no UTF-8", full);
	else if (quoted.failed || quoted_pair.failed)
		r = fail(e, NULL, "%s", "no memory");
	else
		r = put_variable(e, app, full, buf_cstr(&quoted), buf_cstr(&quoted_pair));
	if (r == 0)
		buf_printf(w->said, "%s: %s = %s\n", side_app[side], full, buf_cstr(&quoted));
	buf_free(&quoted);
	buf_free(&pair);
	buf_free(&quoted_pair);
	return r;
}

/* --- enabled --- */

static int
truth(struct edit *e, const char *name, const char *value, bool *out)
{
	static const char *const words[][2] = { { "true", "false" }, { "yes", "no" }, { "on", "off" }, { "1", "0" } };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(value, words[i][0]) != 0 && strcasecmp(value, words[i][1]) != 0)
			continue;
		*out = strcasecmp(value, words[i][0]) == 0;
		return 0;
	}
	return fail(e, NULL, "%s must be true or false", name);
}

static bool
is_enabled(const struct edit *e, enum side side)
{
	struct edit_place app = definition(e, side), at = edit_member(e, app, "enabled");

	return app.it != NULL && (at.it == NULL || at.it->type != ITEM_BOOL || at.it->b);
}

static int
set_enabled(struct edit *e, const struct wishes *w, enum side side, bool enabled)
{
	struct edit_place app = definition(e, side), at = edit_member(e, app, "enabled");
	const char *value = enabled ? "true" : "false";
	int r;

	/* The program asks for a word of its own: with it an operator can start what is disabled. */
	if (app.it != NULL && enabled && apply_set(e, w, side, "ENABLE", "true") < 0)
		return -1;
	app = definition(e, side);
	at = edit_member(e, app, "enabled");
	if (app.it == NULL || (at.it != NULL && at.it->type == ITEM_BOOL && at.it->b == enabled) || (at.it == NULL && enabled))
		return 0;
	r = at.it ? edit_replace(e, at, value) : edit_add_member(e, app, "enabled", value);
	if (r == 0)
		buf_printf(w->said, "%s: enabled = %s\n", side_app[side], value);
	return r;
}

/* --- what depends on what --- */

static uint32_t
index_of(struct edit_place names, const char *name)
{
	const struct item *it;
	uint32_t i = 0;

	for (it = names.it ? names.it->first : NULL; it != NULL; it = it->next, i++)
		if (it->type == ITEM_STRING && strcmp(it->s, name) == 0)
			return i;
	return SCAN_NONE;
}

static bool
is_sequence(struct edit_place at)
{
	return at.it != NULL && (at.it->type == ITEM_ARRAY || at.it->type == ITEM_LIST);
}

/* Both on one machine: the producer starts after its consumer, and goes on without it. */
static int
order_them(struct edit *e, const struct wishes *w)
{
	static const char key[] = "optional_applications";
	const char *consumer = side_app[SIDE_CONSUMER];
	struct edit_place app = definition(e, SIDE_PRODUCER), after = edit_member(e, app, key);
	bool both = is_enabled(e, SIDE_CONSUMER) && is_enabled(e, SIDE_PRODUCER);
	uint32_t at = index_of(after, consumer);
	int r = 0;

	if (app.it == NULL || both == (at != SCAN_NONE) || (after.it != NULL && !is_sequence(after)))
		return 0;
	if (!both)
		r = edit_remove_element(e, after, at);
	else if (after.it != NULL)
		r = edit_add_element(e, after, "\"appctl-consumer\"");
	else
		r = edit_add_member(e, app, key, "[\"appctl-consumer\"]");
	if (r == 0)
		buf_printf(w->said, "%s: %s %s\n", side_app[SIDE_PRODUCER], both ? "starts after" : "no longer starts after", consumer);
	return r;
}

/* --- what the producer has to be allowed --- */

static bool
names_user(const struct item *rules, const char *user)
{
	const struct item *rule, *name;

	for (rule = rules ? rules->first : NULL; rule != NULL; rule = rule->next) {
		name = rule->type == ITEM_GROUP ? item_member(rule, "user") : NULL;
		if (name != NULL && name->type == ITEM_STRING && strcmp(name->s, user) == 0)
			return true;
	}
	return false;
}

/* Who is not appctld's own user has to be allowed to read its events. */
static int
let_read(struct edit *e, const struct wishes *w)
{
	struct edit_place access = edit_member(e, top_of(e), "access");
	const char *user = is_enabled(e, SIDE_PRODUCER) ? apply_user(e, SIDE_PRODUCER) : NULL;
	struct buf rule = { 0 };
	int r;

	if (user == NULL || strcmp(user, "root") == 0 || isdigit((unsigned char)*user) || names_user(access.it, user))
		return 0;
	if (access.it != NULL && !is_sequence(access))
		return fail(e, access.it, "%s is no list", "access");
	buf_adds(&rule, access.it ? "{ user = " : "( { user = ");
	edit_quote(&rule, user);
	buf_adds(&rule, access.it ? "; level = \"read\"; }" : "; level = \"read\"; } )");
	buf_printf(w->said, "access: user %s may read, which is what appctld's events need\n", user);
	r = access.it ? edit_add_element(e, access, buf_cstr(&rule)) : edit_add_member(e, top_of(e), "access", buf_cstr(&rule));
	buf_free(&rule);
	return r;
}

/* --- the environment of this process --- */

static bool
name_is_good(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return len > 0 && len < 64;
}

static int
check_variable(struct edit *e, enum side side, const char *entry, const char *name, size_t len)
{
	char shown[80];

	snprintf(shown, sizeof(shown), "%.*s", (int)strcspn(entry, "="), entry);
	if (!name_is_good(name, len))
		return fail(e, NULL, "\"%s\" is no name of a setting", shown);
	if (len == 6 && memcmp(name, "SECRET", 6) == 0)
		return fail(e, NULL, "%s does not go into a configuration: the secret lies in a file, see _SECRET_FILE", shown);
	if (definition(e, side).it == NULL)
		return fail(e, NULL, "no application %s is defined here", side_app[side]);
	return 0;
}

static int
take_variable(struct edit *e, const struct wishes *w, enum side side, const char *entry)
{
	const char *name = entry + strlen(prefixes[side]), *value = strchr(name, '=');
	char key[64];

	/* What is set to nothing counts as not set. */
	if (value == NULL || value[1] == '\0' || strncmp(name, "ENABLE=", 7) == 0)
		return 0;
	if (check_variable(e, side, entry, name, (size_t)(value - name)) < 0)
		return -1;
	snprintf(key, sizeof(key), "%.*s", (int)(value - name), name);
	return apply_set(e, w, side, key, value + 1);
}

/* PREFIX_ENABLE of the environment; without it the side that alone was asked for is meant. */
static int
enable(struct edit *e, const struct wishes *w, enum side side)
{
	char name[32];
	const char *value = NULL;
	char *const *entry;
	bool enabled = true;

	snprintf(name, sizeof(name), "%sENABLE", prefixes[side]);
	for (entry = w->environment; *entry != NULL; entry++)
		if (strncmp(*entry, name, strlen(name)) == 0 && (*entry)[strlen(name)] == '=')
			value = *entry + strlen(name) + 1;
	if (value != NULL && *value != '\0') {
		if (check_variable(e, side, name, "ENABLE", 6) < 0 || truth(e, name, value, &enabled) < 0)
			return -1;
	} else if (!w->only[side]) {
		return 0;
	}
	return set_enabled(e, w, side, enabled);
}

static int
take_side(struct edit *e, const struct wishes *w, enum side side)
{
	char *const *entry;

	if (left_out(w, side))
		return set_enabled(e, w, side, false);
	if (w->only[side] && definition(e, side).it == NULL)
		return fail(e, NULL, "no application %s is defined here", side_app[side]);
	if (enable(e, w, side) < 0)
		return -1;
	for (entry = w->environment; *entry != NULL; entry++)
		if (strncmp(*entry, prefixes[side], strlen(prefixes[side])) == 0 && take_variable(e, w, side, *entry) < 0)
			return -1;
	return 0;
}

int
apply_environment(struct edit *e, const struct wishes *w)
{
	if (definition(e, SIDE_CONSUMER).it == NULL && definition(e, SIDE_PRODUCER).it == NULL)
		return fail(e, NULL, "neither appctl-consumer nor appctl-producer is %s", "defined here");
	if (take_side(e, w, SIDE_CONSUMER) < 0 || take_side(e, w, SIDE_PRODUCER) < 0)
		return -1;
	return order_them(e, w) < 0 || let_read(e, w) < 0 ? -1 : 0;
}
