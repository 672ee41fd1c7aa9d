/* SPDX-License-Identifier: MIT */
#include "base/json_read.h"

#include <errno.h>

int
json_bad(struct json_reader *r, const char *what)
{
	return err_set(r->err, 0, "byte %zu: %s", (size_t)(r->at - r->start), what);
}

/* The length of the UTF-8 sequence at p; 0: there is none. */
static size_t
sequence(const char *p, const char *end)
{
	unsigned char copy[5] = { 0 };

	memcpy(copy, p, end - p < 4 ? (size_t)(end - p) : 4);
	return utf8_len(copy);
}

static int
hex4(struct json_reader *r, unsigned *out)
{
	unsigned i, c, n = 0;

	if (r->end - r->at < 4)
		return json_bad(r, "an escape that does not end");
	for (i = 0; i < 4; i++) {
		c = (unsigned char)*r->at;
		if (c >= '0' && c <= '9')
			c -= '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			c = (c | 0x20) - 'a' + 10;
		else
			return json_bad(r, "no hexadecimal digit");
		n = n << 4 | c;
		r->at++;
	}
	*out = n;
	return 0;
}

static void
add_utf8(struct buf *out, unsigned c)
{
	if (c < 0x80) {
		buf_addc(out, (char)c);
		return;
	}
	if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
	} else if (c < 0x10000) {
		buf_addc(out, (char)(0xe0 | c >> 12));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	} else {
		buf_addc(out, (char)(0xf0 | c >> 18));
		buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	buf_addc(out, (char)(0x80 | (c & 0x3f)));
}

/* Behind \u. */
static int
read_unicode(struct json_reader *r, struct buf *out)
{
	unsigned c, low;

	if (hex4(r, &c) < 0)
		return -1;
	if (c >= 0xdc00 && c < 0xe000)
		return json_bad(r, "half a surrogate pair");
	if (c >= 0xd800 && c < 0xdc00) {
		if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
			return json_bad(r, "half a surrogate pair");
		r->at += 2;
		if (hex4(r, &low) < 0)
			return -1;
		if (low < 0xdc00 || low >= 0xe000)
			return json_bad(r, "half a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	add_utf8(out, c);
	return 0;
}

/* Behind the backslash. */
static int
read_escape(struct json_reader *r, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (r->at == r->end)
		return json_bad(r, "a text that does not end");
	if (*r->at == 'u') {
		r->at++;
		return read_unicode(r, out);
	}
	found = memchr(from, *r->at, sizeof(from) - 1);
	if (found == NULL)
		return json_bad(r, "no such escape");
	buf_addc(out, to[found - from]);
	r->at++;
	return 0;
}

/* What is neither plain nor the end of a text, nor an escape: one character beyond ASCII. */
static int
skip_character(struct json_reader *r)
{
	size_t n = r->at == r->end || (unsigned char)*r->at < 0x20 ? 0 : sequence(r->at, r->end);

	if (r->at == r->end)
		return json_bad(r, "a text that does not end");
	if (n == 0)
		return json_bad(r, "a control character or no UTF-8 in a text");
	r->at += n;
	return 0;
}

/* A text with escapes, whose first byte is at start and whose first backslash is at r->at. */
static int
read_escaped(struct json_reader *r, const char *start, const char **data, size_t *len)
{
	struct buf *u = r->unescaped;
	const char *plain;
	size_t begin;

	/* All that can ever come, at once: texts lent from here must not move. */
	if (u->len == 0 && buf_reserve(u, (size_t)(r->end - r->start) + 1) == NULL)
		return err_set(r->err, ENOMEM, "a text");
	begin = u->len;
	buf_add(u, start, (size_t)(r->at - start));
	while (r->at < r->end && *r->at != '"') {
		if (*r->at == '\\') {
			r->at++;
			if (read_escape(r, u) < 0)
				return -1;
			continue;
		}
		plain = r->at;
		r->at = json_skip_plain(r->at, r->end);
		if (r->at == plain && skip_character(r) < 0)
			return -1;
		buf_add(u, plain, (size_t)(r->at - plain));
	}
	if (r->at == r->end)
		return json_bad(r, "a text that does not end");
	r->at++;
	*data = u->data + begin;
	*len = u->len - begin;
	return 0;
}

int
json_read_text_slowly(struct json_reader *r, const char *start, const char **data, size_t *len)
{
	for (;;) {
		r->at = json_skip_plain(r->at, r->end);
		if (r->at < r->end && *r->at == '"')
			break;
		if (r->at < r->end && *r->at == '\\')
			return read_escaped(r, start, data, len);
		if (skip_character(r) < 0)
			return -1;
	}
	*data = start;
	*len = (size_t)(r->at - start);
	r->at++;
	return 0;
}
