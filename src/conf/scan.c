/* SPDX-License-Identifier: MIT */
#include "conf/scan.h"

#include "base/buf.h"
#include "base/strmap.h"
#include "conf/load.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct level {
	char close;			/* what ends it; 0: the file */
	uint32_t mark, line;		/* of the setting that it is the value of */
	uint32_t count;
	bool full;			/* of a list or array: what follows needs a comma first */
};

struct scanner {
	const char *file, *text;
	size_t len, pos;
	uint32_t line;
	struct scan *out;
	struct problems *ps;
	struct level levels[CONF_DEPTH_MAX + 1];
	unsigned depth;
	bool in_value;			/* in a group, after = or : */
	bool after_string;		/* strings side by side are one */
	bool failed;			/* out of order, but scanned on */
};

/* Writes the path of a mark: its names, from the outermost in. */
static void
add_path(const struct scan *s, const char *text, uint32_t mark, struct buf *out)
{
	const struct scan_mark *m;

	if (mark == SCAN_NONE)
		return;
	m = &s->v[mark];
	add_path(s, text, m->parent, out);
	if (m->name_len == 0) {
		buf_printf(out, "[%u]", m->index);
		return;
	}
	if (out->len > 0)
		buf_addc(out, '.');
	buf_add(out, text + m->name, m->name_len);
}

static int
fail_at(struct scanner *s, uint32_t line, uint32_t mark, const char *hint, const char *what)
{
	struct buf path = { 0 };

	add_path(s->out, s->text, mark, &path);
	problem_add(s->ps, (struct origin){ s->file, line }, buf_cstr(&path), hint, "%s", what);
	buf_free(&path);
	s->failed = true;
	return -1;
}

static int
fail(struct scanner *s, const char *hint, const char *what)
{
	return fail_at(s, s->line, SCAN_NONE, hint, what);
}

static struct level *
top(struct scanner *s)
{
	return &s->levels[s->depth];
}

/* Notes a setting that begins here; becomes the parent of what is nested in it. */
static int
note(struct scanner *s, size_t name, size_t name_len)
{
	size_t cap = s->out->cap ? s->out->cap * 2 : 64;
	struct level *l = top(s);
	struct scan_mark *v;

	if (s->out->n == s->out->cap) {
		v = realloc(s->out->v, cap * sizeof(*v));
		if (v == NULL) {
			problems_no_memory(s->ps);
			return -1;
		}
		s->out->v = v;
		s->out->cap = cap;
	}
	s->out->v[s->out->n++] = (struct scan_mark){
		.line = s->line, .parent = s->depth ? l->mark : SCAN_NONE,
		.name = (uint32_t)name, .name_len = (uint32_t)name_len, .index = l->count++,
	};
	return 0;
}

/* The mark of the setting whose value stands here. */
static uint32_t
current(const struct scanner *s)
{
	return s->out->n ? (uint32_t)(s->out->n - 1) : SCAN_NONE;
}

/* A value begins: in lists and arrays that is a setting of its own. */
static int
begin_value(struct scanner *s)
{
	char close = top(s)->close;

	if (close == ')' || close == ']') {
		top(s)->full = true;
		if (note(s, 0, 0) < 0)
			return -1;
	} else if (!s->in_value) {
		return 0;
	}
	s->in_value = false;
	if (s->out->n > 0)
		s->out->v[current(s)].value = (uint32_t)s->pos;
	return 0;
}

/* The value of that mark ends here. */
static void
end_value(struct scanner *s, uint32_t mark)
{
	if (mark != SCAN_NONE)
		s->out->v[mark].end = (uint32_t)s->pos;
}

static int
open_level(struct scanner *s, char close)
{
	if (begin_value(s) < 0)
		return -1;
	if (s->depth > 0 && top(s)->close == ']')
		return fail_at(s, s->line, current(s), "( ) holds anything", "an array holds simple values only");
	if (s->depth == CONF_DEPTH_MAX)
		return fail(s, NULL, "nested too deeply");
	s->levels[++s->depth] = (struct level){ .close = close, .mark = current(s), .line = s->line };
	s->pos++;
	return 0;
}

static int
close_level(struct scanner *s, char c)
{
	if (s->depth == 0)
		return fail(s, NULL, c == '}' ? "} closes nothing" : c == ')' ? ") closes nothing" : "] closes nothing");
	if (top(s)->close != c)
		return fail_at(s, s->line, top(s)->mark, NULL, c == '}' ? "} does not close what is open here" :
			       c == ')' ? ") does not close what is open here" : "] does not close what is open here");
	s->pos++;
	end_value(s, top(s)->mark);
	s->depth--;
	s->in_value = false;
	return 0;
}

/* Skips a line comment, up to its newline. */
static void
skip_line(struct scanner *s)
{
	const char *end = memchr(s->text + s->pos, '\n', s->len - s->pos);

	s->pos = end ? (size_t)(end - s->text) : s->len;
}

static int
skip_block_comment(struct scanner *s)
{
	const char *end = strstr(s->text + s->pos + 2, "*/"), *c;

	if (end == NULL)
		return fail(s, NULL, "comment is never closed");
	for (c = s->text + s->pos; c < end; c++)
		s->line += *c == '\n';
	s->pos = (size_t)(end + 2 - s->text);
	return 0;
}

/* libconfig never frees a string that it does not expect, so it gets none. */
static int
begin_string(struct scanner *s)
{
	char close = top(s)->close;

	if (close != ')' && close != ']' && !s->in_value)
		return fail_at(s, s->line, top(s)->mark, "NAME = \"text\"", "a string where a name should be");
	if (top(s)->full)
		return fail_at(s, s->line, top(s)->mark, NULL, "a comma is missing before this string");
	return begin_value(s);
}

static int
scan_string(struct scanner *s)
{
	uint32_t first_line = s->line;
	const char *c;

	if (!s->after_string && begin_string(s) < 0)
		return -1;
	for (c = s->text + s->pos + 1; *c != '"'; c++) {
		if (*c == '\0')
			return fail_at(s, first_line, current(s), NULL, "string is never closed");
		if (*c == '\\' && (c[1] == 'x' || c[1] == 'X') && c[2] == '0' && c[3] == '0')
			return fail_at(s, s->line, current(s), NULL, "NUL byte in a string");
		if (*c == '\\' && c[1] != '\0')
			c++;
		s->line += *c == '\n';
	}
	s->pos = (size_t)(c + 1 - s->text);
	end_value(s, current(s));
	s->after_string = true;
	return 0;
}

/* The digits from c on as a number; true: too large for max. */
static bool
too_large(const char *c, int base, uint64_t max)
{
	uint64_t n = 0;
	unsigned digit;

	for (; isxdigit((unsigned char)*c); c++) {
		digit = isdigit((unsigned char)*c) ? (unsigned)(*c - '0') : (unsigned)((*c | 32) - 'a' + 10);
		if (n > (max - digit) / (unsigned)base)
			return true;
		n = n * (unsigned)base + digit;
	}
	return false;
}

/* An integer of `digits` up to end: libconfig takes 32 bits, with an L 64. */
static void
check_integer(struct scanner *s, const char *digits, const char *end, int base, bool negative)
{
	bool is_long = *end == 'L';
	uint64_t max = (is_long ? (uint64_t)INT64_MAX : (uint64_t)INT32_MAX) + negative;

	if (too_large(digits, base, max))
		fail_at(s, s->line, current(s), is_long ? NULL : "beyond 32 bits it takes an L at its end",
			"number is out of range");
	else if (base == 10 && *digits == '0' && end - digits > 1)
		fail_at(s, s->line, current(s), "octal goes into a string, \"022\"", "number has a leading zero");
}

static int
scan_number(struct scanner *s)
{
	const char *c = s->text + s->pos, *digits;
	bool negative = *c == '-';

	if (begin_value(s) < 0)
		return -1;
	if (*c == '-' || *c == '+')
		c++;
	digits = c;
	if (*c == '0' && (c[1] == 'x' || c[1] == 'X')) {
		for (digits = c += 2; isxdigit((unsigned char)*c); c++)
			;
		check_integer(s, digits, c, 16, negative);
	} else {
		for (; isdigit((unsigned char)*c); c++)
			;
		if (*c != '.' && *c != 'e' && *c != 'E')
			check_integer(s, digits, c, 10, negative);
	}
	while (isalnum((unsigned char)*c) || *c == '.' || ((*c == '-' || *c == '+') && (c[-1] | 32) == 'e'))
		c++;
	s->pos = (size_t)(c - s->text);
	end_value(s, current(s));
	return 0;
}

static bool
is_name_byte(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '*';
}

static int
scan_word(struct scanner *s)
{
	const char *word = s->text + s->pos;
	char close = top(s)->close;
	size_t n;

	for (n = 0; is_name_byte(word[n]); n++)
		;
	if (close == ')' || close == ']' || s->in_value) {
		if (begin_value(s) < 0)
			return -1;
		if (!(n == 4 && strncasecmp(word, "true", 4) == 0) && !(n == 5 && strncasecmp(word, "false", 5) == 0))
			return fail_at(s, s->line, current(s), "text needs quotes", "a word where a value should be");
		s->pos += n;
		end_value(s, current(s));
		return 0;
	} else if (note(s, s->pos, n) < 0) {
		return -1;
	}
	s->pos += n;
	return 0;
}

/* Blanks and comments.  1: there was one; 0: there is something else. */
static int
scan_blank(struct scanner *s)
{
	char c = s->text[s->pos], next = s->text[s->pos + 1];

	if (c == '#' || (c == '/' && next == '/'))
		skip_line(s);
	else if (c == '/' && next == '*')
		return skip_block_comment(s) < 0 ? -1 : 1;
	else if (isspace((unsigned char)c))
		s->line += s->text[s->pos++] == '\n';
	else
		return 0;
	return 1;
}

static int
scan_token(struct scanner *s)
{
	char c = s->text[s->pos];

	switch (c) {
	case '{': return open_level(s, '}');
	case '(': return open_level(s, ')');
	case '[': return open_level(s, ']');
	case '}': case ')': case ']': return close_level(s, c);
	case '=': case ':':
		s->in_value = true;
		s->pos++;
		return 0;
	case ';': case ',':
		top(s)->full = false;
		s->in_value = false;
		s->pos++;
		return 0;
	case '@':
		return fail(s, "drop-ins in conf.d/ do its job", strncmp(s->text + s->pos, "@include", 8) == 0 ?
			    "@include is not supported" : "unexpected @");
	}
	if (isdigit((unsigned char)c) || c == '-' || c == '+' || c == '.')
		return scan_number(s);
	if (isalpha((unsigned char)c) || c == '*')
		return scan_word(s);
	return fail_at(s, s->line, top(s)->mark, NULL, "unexpected character");
}

static int
check_bytes(struct scanner *s)
{
	const unsigned char *c = (const unsigned char *)s->text, *end = c + s->len;
	uint32_t line = 1;
	size_t n;

	for (; c < end; c += n) {
		if (*c == '\0')
			return fail_at(s, line, SCAN_NONE, NULL, "NUL byte");
		n = utf8_len(c);
		if (n == 0)
			return fail_at(s, line, SCAN_NONE, NULL, "text is no UTF-8");
		line += *c == '\n';
	}
	return 0;
}

static int
scan_all(struct scanner *s)
{
	int blank;

	while (s->pos < s->len) {
		blank = scan_blank(s);
		if (blank < 0)
			return -1;
		if (blank > 0)
			continue;
		if (s->text[s->pos] == '"') {
			if (scan_string(s) < 0)
				return -1;
			continue;
		}
		s->after_string = false;
		if (scan_token(s) < 0)
			return -1;
	}
	if (s->depth > 0)
		return fail_at(s, top(s)->line, top(s)->mark, NULL, top(s)->close == '}' ? "{ is never closed" :
			       top(s)->close == ')' ? "( is never closed" : "[ is never closed");
	return s->failed ? -1 : 0;
}

int
scan_text(const char *file, const char *text, size_t len, struct scan *out, struct problems *ps)
{
	struct scanner s = { .file = file, .text = text, .len = len, .line = 1, .out = out, .ps = ps };

	s.levels[0].mark = SCAN_NONE;
	if (check_bytes(&s) < 0)
		return -1;
	return scan_all(&s);
}

/* The key of a mark in a map over all groups: its group, then its name. */
static char *
mark_key(const char *text, const struct scan_mark *m)
{
	struct buf key = { 0 };

	buf_printf(&key, "%u.", m->parent);
	buf_add(&key, text + m->name, m->name_len);
	return buf_take(&key);
}

static void
report_twice(const char *file, const char *text, const struct scan *s, uint32_t first, uint32_t again, struct problems *ps)
{
	struct buf path = { 0 };

	add_path(s, text, again, &path);
	problem_add(ps, (struct origin){ file, s->v[again].line }, buf_cstr(&path), NULL,
		    "defined twice, first in %s:%u", file, s->v[first].line);
	buf_free(&path);
}

size_t
scan_report_twice(const char *file, const char *text, const struct scan *s, struct problems *ps)
{
	char **keys = calloc(s->n + 1, sizeof(*keys));
	struct strmap first = { 0 };
	uint32_t i, before;
	bool failed = false;
	size_t found = 0;

	if (keys == NULL)
		failed = true;
	for (i = 0; !failed && i < s->n; i++) {
		if (s->v[i].name_len == 0)
			continue;
		keys[i] = mark_key(text, &s->v[i]);
		before = keys[i] ? strmap_get(&first, keys[i]) : STRMAP_NONE;
		if (before != STRMAP_NONE) {
			report_twice(file, text, s, before, i, ps);
			found++;
		} else if (keys[i] == NULL || strmap_put(&first, keys[i], i) < 0) {
			failed = true;
		}
	}
	if (failed)
		problems_no_memory(ps);
	for (i = 0; keys != NULL && i < s->n; i++)
		free(keys[i]);
	free(keys);
	strmap_free(&first);
	return found + failed;
}

void
scan_free(struct scan *s)
{
	free(s->v);
	*s = (struct scan){ 0 };
}
