/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "setup/edit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
fail(struct edit *e, const char *what)
{
	problem_add(e->ps, (struct origin){ e->file, 0 }, NULL, NULL, "%s", what);
	return -1;
}

/* Reads the text as it is now. */
static int
understand(struct edit *e)
{
	const char *text = buf_cstr(&e->text);

	scan_free(&e->scan);
	arena_free(e->arena);
	e->root = NULL;
	e->arena = arena_new();
	if (e->arena == NULL || e->text.failed)
		return fail(e, "no memory");
	e->root = parse_text(e->arena, e->file, text, e->text.len, e->ps);
	if (e->root == NULL)
		return -1;
	return scan_text(e->file, text, e->text.len, &e->scan, e->ps);
}

int
edit_begin(struct edit *e, const char *file, const char *text, size_t len, struct problems *ps)
{
	*e = (struct edit){ .file = file, .ps = ps };
	buf_add(&e->text, text, len);
	return understand(e);
}

void
edit_end(struct edit *e)
{
	scan_free(&e->scan);
	arena_free(e->arena);
	buf_free(&e->text);
}

struct edit_place
edit_root(const struct edit *e)
{
	return (struct edit_place){ e->root, SCAN_NONE };
}

struct edit_place
edit_member(const struct edit *e, struct edit_place group, const char *name)
{
	const struct item *it = group.it && group.it->type == ITEM_GROUP ? item_member(group.it, name) : NULL;
	const struct scan_mark *m;
	uint32_t i;

	for (i = 0; it != NULL && i < e->scan.n; i++) {
		m = &e->scan.v[i];
		if (m->parent == group.mark && m->name_len == strlen(name) && memcmp(e->text.data + m->name, name, m->name_len) == 0)
			return (struct edit_place){ it, i };
	}
	return (struct edit_place){ NULL, SCAN_NONE };
}

struct edit_place
edit_element(const struct edit *e, struct edit_place sequence, uint32_t index)
{
	const struct item *it;
	uint32_t i, n = index;

	if (sequence.it == NULL || (sequence.it->type != ITEM_LIST && sequence.it->type != ITEM_ARRAY))
		return (struct edit_place){ NULL, SCAN_NONE };
	for (it = sequence.it->first; it != NULL && n > 0; n--)
		it = it->next;
	for (i = 0; it != NULL && i < e->scan.n; i++)
		if (e->scan.v[i].parent == sequence.mark && e->scan.v[i].index == index)
			return (struct edit_place){ it, i };
	return (struct edit_place){ NULL, SCAN_NONE };
}

/* Puts `with` in place of what stands from `from` up to `to`. */
static int
splice(struct edit *e, size_t from, size_t to, const char *with)
{
	struct buf text = { 0 };

	buf_add(&text, e->text.data, from);
	buf_adds(&text, with);
	buf_add(&text, e->text.data + to, e->text.len - to);
	buf_free(&e->text);
	e->text = text;
	return understand(e);
}

int
edit_replace(struct edit *e, struct edit_place at, const char *value)
{
	return splice(e, e->scan.v[at.mark].value, e->scan.v[at.mark].end, value);
}

static const struct scan_mark *
last_child(const struct edit *e, uint32_t parent)
{
	size_t i;

	for (i = e->scan.n; i > 0; i--)
		if (e->scan.v[i - 1].parent == parent)
			return &e->scan.v[i - 1];
	return NULL;
}

/* Behind blanks and comments. */
static size_t
skip_blank(const struct edit *e, size_t at)
{
	const char *s = buf_cstr((struct buf *)&e->text), *end;

	for (;;) {
		if (isspace((unsigned char)s[at])) {
			at++;
		} else if (s[at] == '#' || (s[at] == '/' && s[at + 1] == '/')) {
			at += strcspn(s + at, "\n");
		} else if (s[at] == '/' && s[at + 1] == '*' && (end = strstr(s + at + 2, "*/")) != NULL) {
			at = (size_t)(end + 2 - s);
		} else {
			return at;
		}
	}
}

/* The end of the line, where nothing but a comment stands before it; else `at` itself. */
static size_t
behind_remark(const struct edit *e, size_t at)
{
	const char *s = buf_cstr((struct buf *)&e->text);
	size_t here = at + strspn(s + at, " \t");

	if (s[here] == '#' || (s[here] == '/' && s[here + 1] == '/'))
		return here + strcspn(s + here, "\n");
	return s[here] == '\n' ? here : at;
}

/* How far the line that `at` stands in is indented; the caller frees it. */
static char *
indentation(const struct edit *e, size_t at)
{
	const char *s = buf_cstr((struct buf *)&e->text);

	while (at > 0 && s[at - 1] != '\n')
		at--;
	return strndup(s + at, strspn(s + at, " \t"));
}

static bool
spans_lines(const struct edit *e, size_t from, size_t to)
{
	return memchr(e->text.data + from, '\n', to - from) != NULL;
}

/* `before` is what ends the member in front. */
static int
put_member(struct edit *e, size_t at, const char *before, const char *between, const char *indent, const char *name, const char *value)
{
	struct buf b = { 0 };
	int r;

	buf_printf(&b, "%s%s%s%s = %s;", before, between, indent, name, value);
	r = b.failed ? fail(e, "no memory") : splice(e, at, at, buf_cstr(&b));
	buf_free(&b);
	return r;
}

static int
add_first(struct edit *e, const struct scan_mark *group, const char *name, const char *value)
{
	char *outer = indentation(e, group->value), *inner = NULL;
	bool lines = spans_lines(e, group->value, group->end);
	int r;

	if (outer == NULL || asprintf(&inner, "%s\t", outer) < 0)
		r = fail(e, "no memory");
	else
		r = put_member(e, group->value + 1, "", lines ? "\n" : " ", lines ? inner : "", name, value);
	free(inner);
	free(outer);
	return r;
}

static int
add_last(struct edit *e, const struct scan_mark *last, const char *name, const char *value)
{
	const char *s = buf_cstr(&e->text);
	char *indent = indentation(e, last->name);
	size_t line = last->name, end = skip_blank(e, last->end);
	bool ended = s[end] == ';' || s[end] == ',', own_line;
	int r;

	while (line > 0 && s[line - 1] != '\n')
		line--;
	own_line = indent != NULL && line + strlen(indent) == last->name;
	end = ended ? end + 1 : last->end;
	if (ended && own_line)
		end = behind_remark(e, end);
	if (indent == NULL)
		r = fail(e, "no memory");
	else
		r = put_member(e, end, ended ? "" : ";", own_line ? "\n" : " ", own_line ? indent : "", name, value);
	free(indent);
	return r;
}

/* Where a line `# NAME = ...` of the text from..to ends; 0: there is none. */
static size_t
commented_out(const struct edit *e, size_t from, size_t to, const char *name, size_t *line)
{
	const char *s = buf_cstr((struct buf *)&e->text);
	size_t at, c;

	for (at = from; at < to; at += strcspn(s + at, "\n") + 1) {
		c = at + strspn(s + at, " \t");
		if (s[c] != '#')
			continue;
		c += 1 + strspn(s + c + 1, " \t");
		if (strncmp(s + c, name, strlen(name)) != 0)
			continue;
		c += strlen(name);
		c += strspn(s + c, " \t");
		if (s[c] != '=')
			continue;
		*line = at;
		return c + strcspn(s + c, "\n");
	}
	return 0;
}

/* Of the file itself: all of it. */
static struct scan_mark
mark_of(const struct edit *e, struct edit_place at)
{
	return at.mark == SCAN_NONE ? (struct scan_mark){ .end = (uint32_t)e->text.len } : e->scan.v[at.mark];
}

/* 1: it stands below its comment now; 0: there was none, or that is no place where settings stand. */
static int
add_below_comment(struct edit *e, struct edit_place group, const char *name, const char *value)
{
	const struct scan_mark m = mark_of(e, group);
	size_t line = 0, end = commented_out(e, m.value, m.end, name, &line), i;
	struct problems unheard = { 0 }, *heard = e->ps;
	struct buf before = { 0 };
	char *indent;
	bool there = false;

	indent = end > 0 ? indentation(e, line) : NULL;
	if (indent == NULL)
		return 0;
	buf_add(&before, e->text.data, e->text.len);
	e->ps = &unheard;
	if (put_member(e, end, "", "\n", indent, name, value) == 0)
		for (i = 0; i < e->scan.n; i++)
			there |= e->scan.v[i].parent == group.mark && e->scan.v[i].name == end + 1 + strlen(indent);
	e->ps = heard;
	problems_free(&unheard);
	free(indent);
	if (there) {
		buf_free(&before);
		return 1;
	}
	buf_free(&e->text);
	e->text = before;
	return understand(e);
}

int
edit_add_member(struct edit *e, struct edit_place group, const char *name, const char *value)
{
	int r = add_below_comment(e, group, name, value);
	const struct scan_mark *last;

	if (r != 0)
		return r < 0 ? -1 : 0;
	last = last_child(e, group.mark);
	return last ? add_last(e, last, name, value) : add_first(e, &e->scan.v[group.mark], name, value);
}

int
edit_add_element(struct edit *e, struct edit_place sequence, const char *value)
{
	const struct scan_mark *last = last_child(e, sequence.mark);
	size_t at = last ? last->end : e->scan.v[sequence.mark].value + 1;
	struct buf b = { 0 };
	int r;

	buf_printf(&b, "%s%s", last ? ", " : "", value);
	r = b.failed ? fail(e, "no memory") : splice(e, at, at, buf_cstr(&b));
	buf_free(&b);
	return r;
}

int
edit_remove_element(struct edit *e, struct edit_place sequence, uint32_t index)
{
	struct edit_place at = edit_element(e, sequence, index);
	struct edit_place before = index > 0 ? edit_element(e, sequence, index - 1) : (struct edit_place){ NULL, SCAN_NONE };
	struct edit_place after = edit_element(e, sequence, index + 1);
	size_t from = e->scan.v[at.mark].value, to = e->scan.v[at.mark].end;

	if (before.it != NULL)
		from = e->scan.v[before.mark].end;
	else if (after.it != NULL)
		to = e->scan.v[after.mark].value;
	return splice(e, from, to, "");
}

int
edit_quote(struct buf *out, const char *s)
{
	const unsigned char *c = (const unsigned char *)s;
	size_t n;

	buf_addc(out, '"');
	for (; *c != '\0'; c += n) {
		n = utf8_len(c);
		if (n == 0)
			return -1;
		if (*c == '"' || *c == '\\')
			buf_printf(out, "\\%c", *c);
		else if (*c < 0x20 || *c == 0x7f)
			buf_printf(out, "\\x%02x", *c);
		else
			buf_add(out, c, n);
	}
	buf_addc(out, '"');
	return 0;
}
