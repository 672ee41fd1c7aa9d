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

static bool
take_value(struct reader *r, struct slice *value)
{
	skip_space(r);
	value->p = r->p;
	if (r->p < r->end && *r->p == '"') {
		r->p++;
		skip_string(r);
	} else if (r->p < r->end && (*r->p == '{' || *r->p == '[')) {
		skip_nested(r);
	} else {
		skip_plain(r);
	}
	value->len = (size_t)(r->p - value->p);
	return !r->bad;
}

struct reader
reader_of(struct slice v)
{
	struct reader r = { .p = v.p, .end = v.p + v.len };

	skip_space(&r);
	if (r.p < r.end && (*r.p == '{' || *r.p == '['))
		r.p++;
	else
		r.bad = true;
	return r;
}

/* To the next member or element.  false: there is none. */
static bool
advance(struct reader *r, char closing)
{
	if (r->bad || skip_char(r, closing))
		return false;
	if (r->begun && !skip_char(r, ',')) {
		r->bad = true;
		return false;
	}
	r->begun = true;
	return true;
}

bool
reader_member(struct reader *r, struct slice *name, struct slice *value)
{
	if (!advance(r, '}'))
		return false;
	if (!skip_char(r, '"')) {
		r->bad = true;
		return false;
	}
	name->p = r->p;
	skip_string(r);
	if (r->bad)
		return false;
	name->len = (size_t)(r->p - name->p) - 1;
	if (!skip_char(r, ':')) {
		r->bad = true;
		return false;
	}
	return take_value(r, value);
}

bool
reader_element(struct reader *r, struct slice *value)
{
	return advance(r, ']') && take_value(r, value);
}

bool
slice_is(struct slice s, const char *text)
{
	return strlen(text) == s.len && memcmp(s.p, text, s.len) == 0;
}
