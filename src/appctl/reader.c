/* SPDX-License-Identifier: MIT */
#include "appctl/reader.h"

#include <string.h>

static void
skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
		r->p++;
}

static bool
skip_char(struct reader *r, char c)
{
	skip_space(r);
	if (r->p >= r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* r->p is behind the opening quote; moves behind the closing one. */
static void
skip_string(struct reader *r)
{
	for (; r->p < r->end && *r->p != '"'; r->p++)
		if (*r->p == '\\')
			r->p++;
	if (r->p >= r->end) {
		r->p = r->end;
		r->bad = true;
	} else {
		r->p++;
	}
}

/* An object or array, whatever lies in it: r->p is on its opening bracket. */
static void
skip_nested(struct reader *r)
{
	size_t depth = 0;
	char c;

	while (r->p < r->end) {
		c = *r->p++;
		if (c == '"')
			skip_string(r);
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return;
	}
	r->bad = true;
}

static void
skip_plain(struct reader *r)
{
	const char *begin = r->p;

	while (r->p < r->end && strchr(",]} \t\r\n", *r->p) == NULL)
		r->p++;
	r->bad |= r->p == begin;
}

struct slice
reader_value(struct reader *r)
{
	struct slice value;

	skip_space(r);
	value.p = r->p;
	if (r->p < r->end && *r->p == '"') {
		r->p++;
		skip_string(r);
	} else if (r->p < r->end && (*r->p == '{' || *r->p == '[')) {
		skip_nested(r);
	} else {
		skip_plain(r);
	}
	value.len = (size_t)(r->p - value.p);
	return value;
}

struct reader
reader_enter(struct reader *r)
{
	struct reader inner = { .p = r->p, .end = r->end, .bad = r->bad };

	skip_space(&inner);
	if (inner.p < inner.end && (*inner.p == '{' || *inner.p == '['))
		inner.p++;
	else
		inner.bad = true;
	return inner;
}

struct reader
reader_of(struct slice text)
{
	struct reader r = { .p = text.p, .end = text.p + text.len };

	return reader_enter(&r);
}

void
reader_leave(struct reader *r, const struct reader *inner)
{
	r->p = inner->p;
	r->bad |= inner->bad || !inner->done;
}

/* To the next member or element.  false: there is none. */
static bool
advance(struct reader *r, char closing)
{
	if (r->bad || r->done)
		return false;
	if (skip_char(r, closing)) {
		r->done = true;
		return false;
	}
	if (r->begun && !skip_char(r, ',')) {
		r->bad = true;
		return false;
	}
	r->begun = true;
	return true;
}

bool
reader_member(struct reader *r, struct slice *name)
{
	if (!advance(r, '}'))
		return false;
	if (!skip_char(r, '"')) {
		r->bad = true;
		return false;
	}
	name->p = r->p;
	skip_string(r);
	name->len = (size_t)(r->p - name->p) - 1;
	if (r->bad || !skip_char(r, ':')) {
		r->bad = true;
		return false;
	}
	return true;
}

bool
reader_element(struct reader *r)
{
	return advance(r, ']');
}

bool
slice_is(struct slice s, const char *text)
{
	return strlen(text) == s.len && memcmp(s.p, text, s.len) == 0;
}
