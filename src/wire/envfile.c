/* SPDX-License-Identifier: MIT */
#include "wire/envfile.h"

#include <stdbool.h>
#include <string.h>

struct cursor {
	char *at, *end;
	unsigned line;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool
name_is_good(const char *s)
{
	if (*s >= '0' && *s <= '9')
		return false;
	for (; *s != '\0'; s++) {
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_'))
			return false;
	}
	return true;
}

/* The character at the cursor, which moves on; lines are counted. */
static char
take(struct cursor *c)
{
	if (*c->at == '\n')
		c->line++;
	return *c->at++;
}

/* What stands between two quotes goes to out; the cursor ends behind the second, or at the end. */
static char *
copy_quoted(struct cursor *c, char quote, char *out)
{
	char ch;

	while (c->at < c->end && (ch = take(c)) != quote) {
		if (quote == '"' && ch == '\\' && c->at < c->end && strchr("\\\"$`\n", *c->at) != NULL) {
			ch = take(c);
			if (ch == '\n')
				continue;
		}
		*out++ = ch;
	}
	return out;
}

/* The value up to the line's end, written over what was read (it never grows); returns its end. */
static char *
copy_value(struct cursor *c, char *out)
{
	char *keep = out;	/* trailing blanks go, but none that was quoted */
	char ch;

	while (c->at < c->end && is_blank(*c->at))
		c->at++;
	while (c->at < c->end && *c->at != '\n') {
		ch = take(c);
		if (ch == '\'' || ch == '"') {
			keep = out = copy_quoted(c, ch, out);
			continue;
		}
		if (ch == '\\') {
			if (c->at == c->end)
				break;
			ch = take(c);
			if (ch == '\n')
				continue;
			*out++ = ch;
			keep = out;
			continue;
		}
		*out++ = ch;
		if (!is_blank(ch))
			keep = out;
	}
	return keep;
}

static void
skip_line(struct cursor *c)
{
	while (c->at < c->end && *c->at != '\n')
		c->at++;
}

/* The name before "=", NUL-terminated in place; NULL: this line is no assignment. */
static const char *
take_name(struct cursor *c)
{
	char *name = c->at, *eq = name;

	while (eq < c->end && *eq != '=' && *eq != '\n')
		eq++;
	if (eq == c->end || *eq == '\n' || eq == name)
		return NULL;
	c->at = eq + 1;
	while (eq > name && is_blank(eq[-1]))
		eq--;
	*eq = '\0';
	return *name != '\0' && name_is_good(name) ? name : NULL;
}

int
envfile_parse(char *text, size_t len, envfile_set *set, envfile_bad *bad, void *arg)
{
	struct cursor c = { .at = text, .end = text + len, .line = 1 };
	const char *name;
	char *value, *value_end;
	unsigned line;

	for (; c.at < c.end; c.at++, c.line++) {
		while (c.at < c.end && is_blank(*c.at))
			c.at++;
		if (c.at == c.end || *c.at == '\n')
			continue;
		line = c.line;
		if (*c.at == '#' || *c.at == ';' || (name = take_name(&c)) == NULL) {
			if (*c.at != '#' && *c.at != ';')
				bad(arg, line);
			skip_line(&c);
			continue;
		}
		value = c.at;
		value_end = copy_value(&c, value);
		*value_end = '\0';
		if (memchr(value, '\0', (size_t)(value_end - value)) != NULL)
			bad(arg, line);
		else if (set(arg, name, value) < 0)
			return -1;
	}
	return 0;
}
