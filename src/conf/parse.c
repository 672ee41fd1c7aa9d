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

/*
 * libconfig compares each new member of a group to all before it, byte by byte: for groups beyond MANY it gets codes
 * instead of names, of the same length, which differ early; letters beyond CODE_LEN are filled up with dashes.
 */
enum { MANY = 100, CODE_LEN = 3, CODE_BASE = 52, CODES = CODE_BASE * CODE_BASE * CODE_BASE };

struct copier {
	struct arena *arena;
	const char *file, *text;
	bool coded;				/* names are to be taken from the text */
	const struct scan *scan;
	size_t next;				/* mark of the next setting */
	const char *names[NAME_CACHE];		/* the same few names come again and again */
	bool failed;
};

/* For each group, by the mark that it is the value of plus 1: whether its members can get codes. */
static bool
can_be_coded(const struct scan *s, uint32_t *members)
{
	const struct scan_mark *m;
	bool any = false;
	size_t i;

	for (m = s->v; m < s->v + s->n; m++)
		if (m->name_len > 0)
			members[m->parent + 1]++;
	for (m = s->v; m < s->v + s->n; m++)
		if (m->name_len > 0 && m->name_len < CODE_LEN)
			members[m->parent + 1] = 0;
	for (i = 0; i <= s->n; i++) {
		if (members[i] <= MANY || members[i] > CODES)
			members[i] = 0;
		any |= members[i] > 0;
	}
	return any;
}

static void
write_code(char *name, uint32_t len, uint32_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	uint32_t i;

	for (i = 0; i < len; i++, n /= CODE_BASE)
		name[i] = i < CODE_LEN ? letters[n % CODE_BASE] : '-';
}

/* A copy of the text with codes for the names of large groups, to be freed; NULL: there are none. */
static char *
code_names(const char *text, size_t len, const struct scan *s)
{
	uint32_t *members = calloc(s->n + 1, sizeof(*members));
	const struct scan_mark *m;
	char *copy = NULL;

	if (members != NULL && can_be_coded(s, members))
		copy = malloc(len + 1);
	if (copy != NULL) {
		memcpy(copy, text, len + 1);
		for (m = s->v; m < s->v + s->n; m++)
			if (m->name_len > 0 && members[m->parent + 1] > 0)
				write_code(copy + m->name, m->name_len, m->index);
	}
	free(members);
	return copy;
}

static const char *
copy_name(struct copier *c, const char *name, size_t len)
{
	const char **slot;
	unsigned h = 5381;
	size_t i;

	for (i = 0; i < len; i++)
		h = h * 33 + (unsigned char)name[i];
	slot = &c->names[(h ^ h >> 8) % NAME_CACHE];
	if (*slot == NULL || strncmp(*slot, name, len) != 0 || (*slot)[len] != '\0')
		*slot = arena_strndup(c->arena, name, len);
	return *slot;
}

static struct item *copy_setting(struct copier *c, const config_setting_t *s, const struct scan_mark *mark);

static void
copy_children(struct copier *c, const config_setting_t *from, struct item *to)
{
	struct item **tail = &to->first;
	unsigned i, n = (unsigned)config_setting_length(from);
	const config_setting_t *child;

	for (i = 0; i < n && !c->failed; i++) {
		child = config_setting_get_elem(from, i);
		*tail = copy_setting(c, child, c->next < c->scan->n ? &c->scan->v[c->next++] : NULL);
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
		/* libconfig has no text where it had no memory for it. */
		to->s = arena_strdup(c->arena, config_setting_get_string(s));
		c->failed |= to->s == NULL;
		return;
	case CONFIG_TYPE_GROUP: to->type = ITEM_GROUP; break;
	case CONFIG_TYPE_ARRAY: to->type = ITEM_ARRAY; break;
	default: to->type = ITEM_LIST; break;
	}
	copy_children(c, s, to);
}

static const char *
name_of(struct copier *c, const config_setting_t *s, const struct scan_mark *mark)
{
	const char *name = config_setting_name(s);

	if (c->coded && mark != NULL && mark->name_len > 0)
		return copy_name(c, c->text + mark->name, mark->name_len);
	return copy_name(c, name, strlen(name));
}

/* mark: what the scanner noted of it.  Its line is where the setting begins; libconfig's may be the next token's. */
static struct item *
copy_setting(struct copier *c, const config_setting_t *s, const struct scan_mark *mark)
{
	struct item *it = arena_alloc(c->arena, sizeof(*it));

	bool named = config_setting_name(s) != NULL;

	if (it != NULL && named)
		it->name = name_of(c, s, mark);
	/* Neither has it a name then. */
	if (it == NULL || (named && it->name == NULL) || (!named && mark != NULL && mark->name_len > 0)) {
		c->failed = true;
		return NULL;
	}
	it->at = (struct origin){ c->file, mark ? mark->line : (uint32_t)config_setting_source_line(s) };
	copy_value(c, s, it);
	return it;
}

static void
say_why(const config_t *cfg, const char *file, const char *text, const struct scan *scan, struct problems *ps)
{
	uint32_t line = (uint32_t)config_error_line(cfg);
	const char *why = config_error_text(cfg);

	if (why != NULL && strstr(why, "duplicate") != NULL) {
		/* A setting that it has no memory for it takes for one that is there already. */
		if (scan_report_twice(file, text, scan, ps) == 0)
			problems_no_memory(ps);
		return;
	}
	problem_add(ps, (struct origin){ file, line ? line : 1 }, NULL, NULL, "%s", why ? why : "cannot be parsed");
}

static struct item *
copy_root(struct copier *c, const config_t *cfg, struct problems *ps)
{
	const struct scan_mark whole = { .line = 1 };
	struct item *root = copy_setting(c, config_root_setting(cfg), &whole);

	if (!c->failed)
		return root;
	problems_no_memory(ps);
	return NULL;
}

/* By libconfig, from the text itself or the one with codes. */
static struct item *
parse_scanned(struct copier *c, const char *coded, struct problems *ps)
{
	const char *text = coded ? coded : c->text;
	struct item *root = NULL;
	config_t cfg;
	int good;

	config_init(&cfg);
	good = config_read_string(&cfg, text);
	/* Where memory ran out it says anything: what is wrong with the text is what it says again. */
	if (good != CONFIG_TRUE) {
		config_destroy(&cfg);
		config_init(&cfg);
		good = config_read_string(&cfg, text);
	}
	if (good != CONFIG_TRUE)
		say_why(&cfg, c->file, c->text, c->scan, ps);
	else if (coded == NULL || scan_report_twice(c->file, c->text, c->scan, ps) == 0)
		root = copy_root(c, &cfg, ps);
	config_destroy(&cfg);
	return root;
}

struct item *
parse_text(struct arena *a, const char *file, const char *text, size_t len, struct problems *ps)
{
	struct scan scan = { 0 };
	struct copier c = { .arena = a, .file = file, .text = text, .scan = &scan };
	struct item *root = NULL;
	char *coded;

	if (scan_text(file, text, len, &scan, ps) == 0) {
		coded = code_names(text, len, &scan);
		c.coded = coded != NULL;
		root = parse_scanned(&c, coded, ps);
		free(coded);
	}
	scan_free(&scan);
	return root;
}
