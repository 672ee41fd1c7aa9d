/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "consumer/seen.h"

#include "monitor/tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define X(name, type) +1
enum { NODE_VALUES = 0 NODE_COLUMNS(X), APP_VALUES = 0 APP_TOP_COLUMNS(X) };
#undef X

struct app_seen {
	char *name;			/* "": of no application */
	double v[APP_VALUES];		/* NAN: not known */
};

struct node_seen {
	char *name;
	int64_t at_ms;
	double v[NODE_VALUES];
	struct app_seen *apps;
	size_t app_count;
};

struct seen {
	struct node_seen *v;
	size_t count, cap;
};

struct seen *
seen_new(void)
{
	return calloc(1, sizeof(struct seen));
}

static void
forget_apps(struct node_seen *n)
{
	size_t i;

	for (i = 0; i < n->app_count; i++)
		free(n->apps[i].name);
	free(n->apps);
	n->apps = NULL;
	n->app_count = 0;
}

static void
forget_node(struct seen *s, size_t i)
{
	forget_apps(&s->v[i]);
	free(s->v[i].name);
	s->v[i] = s->v[--s->count];
}

void
seen_free(struct seen *s)
{
	if (s == NULL)
		return;
	while (s->count > 0)
		forget_node(s, 0);
	free(s->v);
	free(s);
}

static struct node_seen *
add_node(struct seen *s, const struct cell *name)
{
	size_t i, cap = s->cap ? s->cap * 2 : 16;
	struct node_seen *v, *n;

	if (s->count == NODES_MAX)
		return NULL;
	if (s->count == s->cap) {
		v = realloc(s->v, cap * sizeof(*v));
		if (v == NULL)
			return NULL;
		s->v = v;
		s->cap = cap;
	}
	n = &s->v[s->count];
	*n = (struct node_seen){ .name = strndup(name->text.data, name->text.len) };
	if (n->name == NULL)
		return NULL;
	for (i = 0; i < NODE_VALUES; i++)
		n->v[i] = NAN;
	s->count++;
	return n;
}

static struct node_seen *
node_of(struct seen *s, const struct cell *name, int64_t mono_ms)
{
	size_t i;

	for (i = 0; i < s->count;) {
		if (strlen(s->v[i].name) == name->text.len && memcmp(s->v[i].name, name->text.data, name->text.len) == 0)
			return &s->v[i];
		if (mono_ms - s->v[i].at_ms > FORGET_MS)
			forget_node(s, i);
		else
			i++;
	}
	return add_node(s, name);
}

static double
value_of(const struct cell *c)
{
	return c->type == CELL_INT ? (double)c->i : c->type == CELL_REAL ? c->d : NAN;
}

static size_t
column_of(const struct table *t, const struct cell *name)
{
	size_t i;

	for (i = 0; i < t->column_count; i++)
		if (strlen(t->columns[i].name) == name->text.len && memcmp(t->columns[i].name, name->text.data, name->text.len) == 0)
			break;
	return i;
}

static void
see_node(struct node_seen *n, const struct table *t, const struct batch *b)
{
	size_t i, k;

	for (i = 0; i < b->column_count && b->row_count > 0; i++) {
		k = column_of(t, &b->columns[i]);
		if (k < t->column_count)
			n->v[k] = value_of(&b->cells[i]);
	}
}

static void
see_app(struct app_seen *a, const struct table *t, const struct batch *b, size_t row)
{
	const struct cell *c;
	size_t i, k;

	for (i = 0; i < APP_VALUES; i++)
		a->v[i] = NAN;
	for (i = 0; i < b->column_count; i++) {
		c = &b->cells[row * b->column_count + i];
		k = column_of(t, &b->columns[i]);
		if (k == t->column_count)
			continue;
		a->v[k] = value_of(c);
		if (k == 0 && c->type == CELL_TEXT && (a->name != NULL || c->text.len > APPLICATION_NAME_MAX)) {
			free(a->name);
			a->name = NULL;		/* it is not shown */
			return;
		}
		if (k == 0 && c->type == CELL_TEXT)
			a->name = strndup(c->text.data, c->text.len);
	}
	if (a->name == NULL)
		a->name = strdup("");
}

static void
see_apps(struct node_seen *n, const struct table *t, const struct batch *b)
{
	size_t i, count = b->row_count < APPLICATIONS_MAX ? b->row_count : APPLICATIONS_MAX;

	forget_apps(n);
	n->apps = calloc(count ? count : 1, sizeof(*n->apps));
	if (n->apps == NULL)
		return;
	n->app_count = count;
	for (i = 0; i < count; i++)
		see_app(&n->apps[i], t, b, i);
}

void
seen_batch(struct seen *s, const struct batch *b, int64_t mono_ms)
{
	const struct table *t = monitor_table_by_name(b->type.text.data, b->type.text.len);
	struct node_seen *n;

	if (t != monitor_table(TABLE_NODE) && t != monitor_table(TABLE_APP_TOP))
		return;
	n = node_of(s, &b->node, mono_ms);
	if (n == NULL)
		return;
	n->at_ms = mono_ms;
	if (t == monitor_table(TABLE_NODE))
		see_node(n, t, b);
	else
		see_apps(n, t, b);
}

/* --- Printing --------------------------------------------------------------- */

void
seen_label(struct buf *out, const char *text)
{
	buf_addc(out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			buf_adds(out, "\\n");
		else if (*text == '"' || *text == '\\')
			buf_printf(out, "\\%c", *text);
		else
			buf_addc(out, *text);
	}
	buf_addc(out, '"');
}

static void
print_node_value(const struct node_seen *n, struct buf *out, const char *column, size_t i)
{
	if (isnan(n->v[i]))
		return;
	buf_printf(out, "appctl_node_%s{node=", column);
	seen_label(out, n->name);
	buf_printf(out, "} %.17g\n", n->v[i]);
}

static void
print_app_value(const struct node_seen *n, const struct app_seen *a, struct buf *out, const char *column, size_t i)
{
	if (isnan(a->v[i]) || a->name == NULL)
		return;
	buf_printf(out, "appctl_application_%s{node=", column);
	seen_label(out, n->name);
	buf_adds(out, ",application=");
	seen_label(out, a->name);
	buf_printf(out, "} %.17g\n", a->v[i]);
}

static bool
is_stale(const struct node_seen *n, int64_t mono_ms)
{
	return mono_ms - n->at_ms > STALE_MS;
}

void
seen_print(const struct seen *s, struct buf *out, int64_t mono_ms)
{
	const struct table *t = monitor_table(TABLE_NODE);
	size_t i, k, a;

	for (k = 0; k < t->column_count; k++) {
		buf_printf(out, "# TYPE appctl_node_%s gauge\n", t->columns[k].name);
		for (i = 0; i < s->count; i++)
			if (!is_stale(&s->v[i], mono_ms))
				print_node_value(&s->v[i], out, t->columns[k].name, k);
	}
	t = monitor_table(TABLE_APP_TOP);
	for (k = 1; k < t->column_count; k++) {
		buf_printf(out, "# TYPE appctl_application_%s gauge\n", t->columns[k].name);
		for (i = 0; i < s->count; i++)
			for (a = 0; a < s->v[i].app_count && !is_stale(&s->v[i], mono_ms); a++)
				print_app_value(&s->v[i], &s->v[i].apps[a], out, t->columns[k].name, k);
	}
}
