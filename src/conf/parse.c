/* SPDX-License-Identifier: MIT */
#include "conf/parse.h"

#include "conf/scan.h"

#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
/* libconfig 1.5 loses the string it was reading when it meets a syntax error: some 64 bytes each. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig\n";
}
#endif

enum { NAME_CACHE = 256 };

struct copier {
	struct arena *arena;
	const char *file;
	const struct scan *scan;
	size_t next;				/* mark of the next setting */
	const char *names[NAME_CACHE];		/* the same few names come again and again */
	bool failed;
};

static const char *
copy_name(struct copier *c, const char *name)
{
	const char *s, **slot;
	unsigned h = 5381;

	for (s = name; *s != '\0'; s++)
		h = h * 33 + (unsigned char)*s;
	slot = &c->names[(h ^ h >> 8) % NAME_CACHE];
	if (*slot == NULL || strcmp(*slot, name) != 0)
		*slot = arena_strdup(c->arena, name);
	return *slot;
}

static struct item *copy_setting(struct copier *c, const config_setting_t *s, uint32_t line);

static void
copy_children(struct copier *c, const config_setting_t *from, struct item *to)
{
	struct item **tail = &to->first;
	unsigned i, n = (unsigned)config_setting_length(from);
	const config_setting_t *child;

	for (i = 0; i < n && !c->failed; i++) {
		child = config_setting_get_elem(from, i);
		/* The scanner's line is where the setting begins; libconfig's may be the next token's. */
		*tail = copy_setting(c, child, c->next < c->scan->n ? c->scan->v[c->next++].line :
				     (uint32_t)config_setting_source_line(child));
		if (*tail != NULL)
			tail = &(*tail)->next;
	}
}

static void
copy_value(struct copier *c, const config_setting_t *s, struct item *to)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		to->type = ITEM_INT;
		to->i = config_setting_get_int64(s);
		return;
	case CONFIG_TYPE_FLOAT:
		to->type = ITEM_FLOAT;
		to->f = config_setting_get_float(s);
		return;
	case CONFIG_TYPE_BOOL:
		to->type = ITEM_BOOL;
		to->b = config_setting_get_bool(s);
		return;
	case CONFIG_TYPE_STRING:
		to->type = ITEM_STRING;
		to->s = arena_strdup(c->arena, config_setting_get_string(s) ? config_setting_get_string(s) : "");
		c->failed |= to->s == NULL;
		return;
	case CONFIG_TYPE_GROUP: to->type = ITEM_GROUP; break;
	case CONFIG_TYPE_ARRAY: to->type = ITEM_ARRAY; break;
	default: to->type = ITEM_LIST; break;
	}
	copy_children(c, s, to);
}

static struct item *
copy_setting(struct copier *c, const config_setting_t *s, uint32_t line)
{
	struct item *it = arena_alloc(c->arena, sizeof(*it));
	const char *name = config_setting_name(s);

	if (it == NULL || (name != NULL && (it->name = copy_name(c, name)) == NULL)) {
		c->failed = true;
		return NULL;
	}
	it->at = (struct origin){ c->file, line };
	copy_value(c, s, it);
	return it;
}

static void
say_why(const config_t *cfg, const char *file, const char *text, const struct scan *scan, struct problems *ps)
{
	uint32_t line = (uint32_t)config_error_line(cfg);
	const char *why = config_error_text(cfg);

	if (why != NULL && strstr(why, "duplicate") != NULL && scan_report_twice(file, text, scan, ps) > 0)
		return;
	problem_add(ps, (struct origin){ file, line ? line : 1 }, NULL, NULL, "%s", why ? why : "cannot be parsed");
}

struct item *
parse_text(struct arena *a, const char *file, const char *text, size_t len, struct problems *ps)
{
	struct copier c = { .arena = a, .file = file };
	struct scan scan = { 0 };
	struct item *root = NULL;
	config_t cfg;

	if (scan_text(file, text, len, &scan, ps) < 0) {
		scan_free(&scan);
		return NULL;
	}
	c.scan = &scan;
	config_init(&cfg);
	if (config_read_string(&cfg, text) != CONFIG_TRUE) {
		say_why(&cfg, file, text, &scan, ps);
	} else {
		root = copy_setting(&c, config_root_setting(&cfg), 1);
		if (c.failed) {
			root = NULL;
			problem_add(ps, (struct origin){ file, 0 }, NULL, NULL, "no memory");
		}
	}
	config_destroy(&cfg);
	scan_free(&scan);
	return root;
}
