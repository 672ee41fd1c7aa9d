/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * The strict reading of JSON (RFC 8259) whose shape is known beforehand: blanks, signs and texts, for readers that make
 * no objects.  Pure.
 */
struct json_reader {
	const char *start, *at, *end;
	struct buf *unescaped;		/* where texts with escapes go; cleared by the caller, before each start */
	struct err *err;
};

/* -1: err says what is wrong, at which byte. */
int json_bad(struct json_reader *r, const char *what);

static inline void
json_skip_blanks(struct json_reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
}

/* The next byte that is no blank is c, and is taken. */
static inline bool
json_take(struct json_reader *r, char c)
{
	if (r->at < r->end && *r->at == c) {
		r->at++;
		return true;
	}
	json_skip_blanks(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* Bytes that stand for themselves: neither quote nor backslash, control or beyond ASCII.  Eight at a time. */
static inline const char *
json_skip_plain(const char *p, const char *end)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = UINT64_C(0x8080808080808080);
	uint64_t v, quote, slash;

	while (end - p >= 8) {
		memcpy(&v, p, 8);
		quote = v ^ (ones * '"');
		slash = v ^ (ones * '\\');
		if (((v | (v - ones * 0x20) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & high) != 0)
			break;
		p += 8;
	}
	while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* Behind what json_skip_plain() left over from start on; see json_read_text(). */
int json_read_text_slowly(struct json_reader *r, const char *start, const char **data, size_t *len);

/*
 * Behind the opening quote: the text, which is UTF-8 (\u0000 has become a NUL in it), lent from what is read or, where
 * it has escapes, from unescaped.
 */
static inline int
json_read_text(struct json_reader *r, const char **data, size_t *len)
{
	const char *start = r->at;

	r->at = json_skip_plain(r->at, r->end);
	if (r->at == r->end || *r->at != '"')
		return json_read_text_slowly(r, start, data, len);
	*data = start;
	*len = (size_t)(r->at - start);
	r->at++;
	return 0;
}
