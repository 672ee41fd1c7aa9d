/* SPDX-License-Identifier: MIT */
#include "core/model.h"

#include "base/suggest.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct model *
model_ref(struct model *m)
{
	m->refs++;
	return m;
}

void
model_unref(struct model *m)
{
	if (m == NULL || --m->refs > 0)
		return;
	arena_free(m->arena);
	free(m);
}

bool
name_is_valid(const char *name)
{
	size_t len;

	if (!isalpha((unsigned char)*name) || strcmp(name, "add") == 0 || strcmp(name, "del") == 0)
		return false;
	for (len = 0; name[len] != '\0'; len++)
		if (!isalnum((unsigned char)name[len]) && name[len] != '-' && name[len] != '_')
			return false;
	return len <= NAME_MAX_LEN;
}

/* How much of it may be a node's name or its host. */
static size_t
word_of_node(const char *s)
{
	size_t len = 0;

	while (isalnum((unsigned char)s[len]) || (len > 0 && s[len] != '\0' && strchr("-_.", s[len]) != NULL))
		len++;
	return len;
}

bool
node_name_is_valid(const char *name)
{
	size_t len = word_of_node(name), host;

	if (len == 0 || len > NAME_MAX_LEN || name[len] == '\0')
		return len > 0 && len <= NAME_MAX_LEN;
	host = word_of_node(name + len + 1);
	return name[len] == '@' && host > 0 && name[len + 1 + host] == '\0' && len + 1 + host <= NODE_MAX_LEN;
}

/* Apps, roles and modes lie in order of name: first member of each is the name. */
static const void *
find(const void *v, uint32_t n, size_t size, const char *name)
{
	const char *base = v;
	uint32_t lo = 0, hi = n, mid;
	int order;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		order = strcmp(name, *(const char *const *)(const void *)(base + mid * size));
		if (order == 0)
			return base + mid * size;
		if (order < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

_Static_assert(offsetof(struct app_def, name) == 0 && offsetof(struct role, name) == 0 && offsetof(struct mode, name) == 0,
	       "find() takes the first member for the name");

uint32_t
model_find_app(const struct model *m, const char *name)
{
	const struct app_def *d = find(m->apps, m->app_count, sizeof(*d), name);

	return d ? (uint32_t)(d - m->apps) : APP_NONE;
}

const struct role *
model_find_role(const struct model *m, const char *name)
{
	return find(m->roles, m->role_count, sizeof(*m->roles), name);
}

const struct mode *
model_find_mode(const struct model *m, const char *name)
{
	return find(m->modes, m->mode_count, sizeof(*m->modes), name);
}

static const char *
suggest_from(const void *v, uint32_t n, size_t size, const char *word)
{
	const char **names = malloc((n + 1) * sizeof(*names)), *near = NULL;
	uint32_t i;

	if (names == NULL)
		return NULL;
	for (i = 0; i < n; i++)
		names[i] = *(const char *const *)(const void *)((const char *)v + i * size);
	near = suggest(word, names, n);
	free(names);
	return near;
}

const char *
model_suggest_app(const struct model *m, const char *name)
{
	return suggest_from(m->apps, m->app_count, sizeof(*m->apps), name);
}

const char *
model_suggest_mode(const struct model *m, const char *name)
{
	return suggest_from(m->modes, m->mode_count, sizeof(*m->modes), name);
}

/* --- the whole as JSON --- */

static void
print_name(struct buf *out, const char *name, uint32_t index)
{
	if (index > 0)
		buf_addc(out, ',');
	buf_add_json(out, name);
}

static void
print_roles(const struct model *m, struct buf *out)
{
	uint32_t i, j;

	for (i = 0; i < m->role_count; i++) {
		print_name(out, m->roles[i].name, i);
		buf_adds(out, ":[");
		for (j = 0; j < m->roles[i].n; j++)
			print_name(out, m->apps[m->roles[i].apps[j]].name, j);
		buf_addc(out, ']');
	}
}

static void
print_modes(const struct model *m, struct buf *out)
{
	uint32_t i, j;

	for (i = 0; i < m->mode_count; i++) {
		print_name(out, m->modes[i].name, i);
		buf_adds(out, ":[");
		for (j = 0; j < m->modes[i].n; j++)
			print_name(out, m->roles[m->modes[i].roles[j]].name, j);
		buf_addc(out, ']');
	}
}

static void
print_protected(const struct model *m, struct buf *out)
{
	uint32_t i, n = 0;

	for (i = 0; i < m->app_count; i++)
		if (m->apps[i].named_protected)
			print_name(out, m->apps[i].name, n++);
}

/* Relative to the main file's directory: "conf.d/10-x.conf:3". */
static void
print_origin(const struct model *m, const char *name, struct origin at, uint32_t index, struct buf *out)
{
	size_t dir = strlen(m->dir);
	struct buf text = { 0 };

	print_name(out, name, index);
	if (at.file != NULL)
		buf_printf(&text, "%s:%u", strncmp(at.file, m->dir, dir) == 0 ? at.file + dir : at.file, at.line);
	buf_addc(out, ':');
	buf_add_json(out, buf_cstr(&text));
	buf_free(&text);
}

static void
print_defined(const struct model *m, struct buf *out)
{
	uint32_t i;

	buf_adds(out, "\"applications\":{");
	for (i = 0; i < m->app_count; i++)
		print_origin(m, m->apps[i].name, m->apps[i].at, i, out);
	buf_adds(out, "},\"roles\":{");
	for (i = 0; i < m->role_count; i++)
		print_origin(m, m->roles[i].name, m->roles[i].at, i, out);
	buf_adds(out, "},\"modes\":{");
	for (i = 0; i < m->mode_count; i++)
		print_origin(m, m->modes[i].name, m->modes[i].at, i, out);
	buf_addc(out, '}');
}

static void
print_setting(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, ",\"%s\":", key);
	if (value != NULL)
		buf_add_json(out, value);
	else
		buf_adds(out, "null");
}

void
model_print_json(const struct model *m, struct buf *out)
{
	uint32_t i;

	buf_adds(out, "{\"applications\":{");
	for (i = 0; i < m->app_count; i++) {
		print_name(out, m->apps[i].name, i);
		buf_addc(out, ':');
		app_def_print_json(&m->apps[i], out);
	}
	buf_adds(out, "},\"roles\":{");
	print_roles(m, out);
	buf_adds(out, "},\"modes\":{");
	print_modes(m, out);
	buf_adds(out, "},\"protected\":[");
	print_protected(m, out);
	buf_adds(out, "],\"defined\":{");
	print_defined(m, out);
	buf_addc(out, '}');
	print_setting(out, "node", m->node);
	print_setting(out, "default_mode", m->default_mode);
	buf_printf(out, ",\"shutdown_timeout\":%.10g}", (double)m->shutdown_timeout_ms / 1000);
}

void
strings_print_json(const struct strings *s, struct buf *out)
{
	uint32_t i;

	buf_addc(out, '[');
	for (i = 0; i < s->n; i++) {
		if (i > 0)
			buf_addc(out, ',');
		buf_add_json(out, s->v[i]);
	}
	buf_addc(out, ']');
}
