/* SPDX-License-Identifier: MIT */
#include "core/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* What is compared: how things stand, and what each application of the new model would be. */
struct reloading {
	const struct plan_now *now;
	const struct model *to;
	struct graph *graph;		/* of `to` */
	struct want *want;		/* by index into to->apps */
	struct changes *out;
};

static const struct plan_app *
present(const struct plan_now *now, const char *name)
{
	uint32_t i = model_find_app(now->model, name);

	return i == APP_NONE ? NULL : &now->apps[i];
}

/* It has ended, or tries again: another definition lets it begin anew. */
static bool
begins_anew(const struct plan_app *a, const struct app_def *after)
{
	return (a->state == APP_FAILED || a->state == APP_COMPLETED || a->state == APP_BACKOFF) && a->def != NULL &&
	       a->def->run_hash != after->run_hash;
}

static enum follow
follows(const struct plan_app *a, const struct app_def *after, bool wanted)
{
	bool lives = a != NULL && a->run_hash != 0;
	bool runs = after != NULL && after->command.argv.n > 0;

	if (lives && a->state == APP_STOPPING)
		return FOLLOW_NOTHING;
	if (lives && (!wanted || !runs))
		return FOLLOW_STOP;
	if (lives)
		return a->run_hash != after->run_hash ? FOLLOW_RESTART : FOLLOW_NOTHING;
	if (!wanted || !runs)
		return FOLLOW_NOTHING;
	return a == NULL || !a->wanted || a->state == APP_LOAD_ONLY || begins_anew(a, after) ? FOLLOW_START : FOLLOW_NOTHING;
}

static int
add_change(struct changes *out, struct change change)
{
	struct change *v;
	uint32_t cap;

	if (out->n == out->cap) {
		cap = out->cap ? out->cap * 2 : 16;
		v = realloc(out->v, cap * sizeof(*v));
		if (v == NULL) {
			key_changes_free(&change.keys);
			return -1;
		}
		out->v = v;
		out->cap = cap;
	}
	out->v[out->n++] = change;
	return 0;
}

static int
compare(struct reloading *r, const struct app_def *before, uint32_t i)
{
	const struct app_def *after = &r->to->apps[i];
	struct change c = { .name = after->name, .kind = before ? CHANGE_SAME : CHANGE_ADDED };

	c.follow = follows(before ? present(r->now, after->name) : NULL, after, r->want[i].why != WHY_NOT);
	if (before != NULL && app_def_diff(before, after, &c.keys) < 0)
		return -1;
	if (c.keys.n > 0)
		c.kind = CHANGE_CHANGED;
	if (c.kind == CHANGE_SAME && c.follow == FOLLOW_NOTHING)
		return 0;
	return add_change(r->out, c);
}

static int
removed(struct reloading *r, const struct app_def *before)
{
	struct change c = { .name = before->name, .kind = CHANGE_REMOVED };

	c.follow = follows(present(r->now, before->name), NULL, false);
	return add_change(r->out, c);
}

/* Both models are in order of name. */
static int
compare_all(struct reloading *r)
{
	const struct model *from = r->now->model;
	uint32_t i = 0, j = 0;
	int order, rc = 0;

	while (rc == 0 && (i < from->app_count || j < r->to->app_count)) {
		if (i == from->app_count)
			order = 1;
		else if (j == r->to->app_count)
			order = -1;
		else
			order = strcmp(from->apps[i].name, r->to->apps[j].name);
		if (order < 0)
			rc = removed(r, &from->apps[i++]);
		else
			rc = compare(r, order == 0 ? &from->apps[i++] : NULL, j++);
	}
	return rc;
}

/* Operators' wishes outlive a reload. */
static void
keep_wishes(struct reloading *r, uint32_t *stack)
{
	const struct plan_app *a;
	uint32_t i;

	for (i = 0; i < r->to->app_count; i++) {
		a = present(r->now, r->to->apps[i].name);
		if (a != NULL && a->wish == WISH_UP)
			mode_pull(r->graph, i, WHY_OPERATOR, r->want, stack);
	}
	for (i = 0; i < r->to->app_count; i++) {
		a = present(r->now, r->to->apps[i].name);
		if (a != NULL && a->wish == WISH_DOWN)
			r->want[i].why = WHY_NOT;
	}
}

/* What the present mode means by the new model. */
static int
aim(struct reloading *r)
{
	uint32_t n = r->to->app_count, i, *stack = malloc((n + 1) * sizeof(*stack));
	const struct app_def **defs = malloc((n + 1) * sizeof(*defs));
	int rc = -1;

	r->want = calloc(n + 1, sizeof(*r->want));
	for (i = 0; defs != NULL && i < n; i++)
		defs[i] = &r->to->apps[i];
	r->graph = defs ? graph_new(defs, n, n) : NULL;
	if (stack != NULL && r->want != NULL && r->graph != NULL) {
		mode_wants(r->to, r->graph, model_find_mode(r->to, r->now->mode), r->want);
		keep_wishes(r, stack);
		rc = 0;
	}
	free(stack);
	free(defs);
	return rc;
}

/* What a model says beside applications: a key and its value as JSON each. */
struct setting {
	char *key, *value;
};
struct settings {
	struct setting *v;
	size_t n;
	bool failed;
};

/* Takes the value's text out of `value`. */
static void
put(struct settings *s, const char *group, const char *name, struct buf *value)
{
	struct setting *v = realloc(s->v, (s->n + 1) * sizeof(*v));
	struct buf key = { 0 };

	if (v == NULL) {
		s->failed = true;
		buf_free(value);
		return;
	}
	s->v = v;
	buf_printf(&key, name ? "%s.%s" : "%s", group, name);
	v[s->n].key = buf_take(&key);
	v[s->n].value = buf_take(value);
	if (v[s->n].key == NULL || v[s->n].value == NULL)
		s->failed = true;
	s->n++;
}

static void
put_roles(struct settings *s, const struct model *m)
{
	struct buf b = { 0 };
	uint32_t i, j;

	for (i = 0; i < m->role_count; i++) {
		buf_addc(&b, '[');
		for (j = 0; j < m->roles[i].n; j++) {
			buf_adds(&b, j ? "," : "");
			buf_add_json(&b, m->apps[m->roles[i].apps[j]].name);
		}
		buf_addc(&b, ']');
		put(s, "roles", m->roles[i].name, &b);
	}
}

static void
put_modes(struct settings *s, const struct model *m)
{
	struct buf b = { 0 };
	uint32_t i, j;

	for (i = 0; i < m->mode_count; i++) {
		buf_addc(&b, '[');
		for (j = 0; j < m->modes[i].n; j++) {
			buf_adds(&b, j ? "," : "");
			buf_add_json(&b, m->roles[m->modes[i].roles[j]].name);
		}
		buf_addc(&b, ']');
		put(s, "modes", m->modes[i].name, &b);
	}
}

static void
put_string(struct settings *s, const char *key, const char *value)
{
	struct buf b = { 0 };

	if (value == NULL)
		return;
	buf_add_json(&b, value);
	put(s, key, NULL, &b);
}

static void
print_list(struct buf *b, const struct strings *list)
{
	uint32_t i;

	buf_addc(b, '[');
	for (i = 0; i < list->n; i++) {
		buf_adds(b, i ? "," : "");
		buf_add_json(b, list->v[i]);
	}
	buf_addc(b, ']');
}

static void
put_protected(struct settings *s, const struct model *m)
{
	struct buf b = { 0 };
	const char *before = "";
	uint32_t i;

	buf_addc(&b, '[');
	for (i = 0; i < m->app_count; i++)
		if (m->apps[i].is_protected) {
			buf_adds(&b, before);
			buf_add_json(&b, m->apps[i].name);
			before = ",";
		}
	buf_addc(&b, ']');
	put(s, "protected", NULL, &b);
}

static void
put_access(struct settings *s, const struct model *m)
{
	static const char *const levels[] = { "none", "read", "operate", "admin" };
	const struct access_rule *rule;
	struct buf b = { 0 };
	uint32_t i;

	buf_addc(&b, '[');
	for (i = 0; i < m->access_count; i++) {
		rule = &m->access[i];
		buf_printf(&b, "%s{\"%s\":", i ? "," : "", rule->user ? "user" : "group");
		buf_add_json(&b, rule->user ? rule->user : rule->group);
		buf_printf(&b, ",\"level\":\"%s\"", levels[rule->level]);
		if (rule->applications.n > 0) {
			buf_adds(&b, ",\"applications\":");
			print_list(&b, &rule->applications);
		}
		if (rule->run_as.n > 0) {
			buf_adds(&b, ",\"run_as\":");
			print_list(&b, &rule->run_as);
		}
		buf_addc(&b, '}');
	}
	buf_addc(&b, ']');
	put(s, "access", NULL, &b);
}

static void
put_log_levels(struct settings *s, const struct model *m)
{
	static const char *const levels[] = LOG_LEVEL_NAMES;
	struct buf b = { 0 };
	uint32_t i;

	buf_addc(&b, '[');
	for (i = 0; i < m->log_rule_count; i++) {
		buf_printf(&b, "%s{\"level\":\"%s\",\"modules\":", i ? "," : "", levels[m->log_rules[i].level]);
		print_list(&b, &m->log_rules[i].modules);
		buf_addc(&b, '}');
	}
	buf_addc(&b, ']');
	put(s, "log_levels", NULL, &b);
}

static void
put_shutdown_timeout(struct settings *s, const struct model *m)
{
	struct buf b = { 0 };

	if (m->shutdown_timeout_ms == DURATION_INFINITE)
		buf_adds(&b, "\"infinity\"");
	else
		buf_printf(&b, "%.15g", (double)m->shutdown_timeout_ms / 1000);
	put(s, "shutdown_timeout", NULL, &b);
}

static int
by_key(const void *a, const void *b)
{
	return strcmp(((const struct setting *)a)->key, ((const struct setting *)b)->key);
}

/* Sorted by key.  failed: no memory. */
static struct settings
settings_of(const struct model *m)
{
	struct settings s = { 0 };

	put_access(&s, m);
	put_string(&s, "default_mode", m->default_mode);
	put_log_levels(&s, m);
	put_modes(&s, m);
	put_string(&s, "node", m->node);
	put_protected(&s, m);
	put_roles(&s, m);
	put_shutdown_timeout(&s, m);
	if (!s.failed)
		qsort(s.v, s.n, sizeof(*s.v), by_key);
	return s;
}

static void
settings_free(struct settings *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		free(s->v[i].key);
		free(s->v[i].value);
	}
	free(s->v);
}

/* Takes the values over. */
static int
add_setting(struct changes *out, const char *key, char **take_before, char **take_after)
{
	struct key_changes *c = &out->settings;
	struct key_change *v = realloc(c->v, (c->n + 1) * sizeof(*v));

	if (v == NULL)
		return -1;
	c->v = v;
	c->cap = c->n + 1;
	v[c->n] = (struct key_change){
		.key = arena_strdup(out->arena, key),
		.before = take_before ? *take_before : NULL,
		.after = take_after ? *take_after : NULL,
		.needs_restart = strcmp(key, "node") == 0,	/* of appctld itself */
	};
	if (take_before != NULL)
		*take_before = NULL;
	if (take_after != NULL)
		*take_after = NULL;
	return v[c->n++].key ? 0 : -1;
}

static int
compare_sorted(struct settings *a, struct settings *b, struct changes *out)
{
	size_t i = 0, j = 0;
	int order, rc = 0;

	while (rc == 0 && (i < a->n || j < b->n)) {
		order = i == a->n ? 1 : j == b->n ? -1 : strcmp(a->v[i].key, b->v[j].key);
		if (order < 0)
			rc = add_setting(out, a->v[i].key, &a->v[i].value, NULL);
		else if (order > 0)
			rc = add_setting(out, b->v[j].key, NULL, &b->v[j].value);
		else if (strcmp(a->v[i].value, b->v[j].value) != 0)
			rc = add_setting(out, a->v[i].key, &a->v[i].value, &b->v[j].value);
		i += order <= 0;
		j += order >= 0;
	}
	return rc;
}

static int
compare_settings(const struct model *from, const struct model *to, struct changes *out)
{
	struct settings a = settings_of(from), b = settings_of(to);
	int rc = a.failed || b.failed ? -1 : compare_sorted(&a, &b, out);

	settings_free(&a);
	settings_free(&b);
	return rc;
}

int
plan_reload(const struct plan_now *now, const struct model *to, struct changes *out)
{
	struct reloading r = { .now = now, .to = to, .out = out };
	int rc = -1;

	out->arena = arena_new();
	if (out->arena != NULL && aim(&r) == 0 && compare_all(&r) == 0)
		rc = compare_settings(now->model, to, out);
	graph_free(r.graph);
	free(r.want);
	return rc;
}

void
changes_free(struct changes *c)
{
	uint32_t i;

	for (i = 0; i < c->n; i++)
		key_changes_free(&c->v[i].keys);
	free(c->v);
	key_changes_free(&c->settings);
	arena_free(c->arena);
	*c = (struct changes){ 0 };
}

const char *
change_kind_name(enum change_kind k)
{
	static const char *const names[] = { "added", "removed", "changed", "same" };

	return names[k];
}

const char *
follow_name(enum follow f)
{
	static const char *const names[] = { "nothing", "start", "restart", "stop" };

	return names[f];
}
