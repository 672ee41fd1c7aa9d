/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *
buf_reserve(struct buf *b, size_t len)
{
	size_t cap = b->cap ? b->cap : 128;
	char *data;

	if (b->failed || len > SIZE_MAX / 2 - b->len)
		goto fail;
	while (cap < b->len + len)
		cap *= 2;
	if (cap != b->cap) {
		data = realloc(b->data, cap);
		if (data == NULL)
			goto fail;
		b->data = data;
		b->cap = cap;
	}
	return b->data + b->len;
fail:
	b->failed = true;
	return NULL;
}

void
buf_add(struct buf *b, const void *data, size_t len)
{
	char *room;

	if (len == 0)
		return;
	room = buf_reserve(b, len);
	if (room == NULL)
		return;
	memcpy(room, data, len);
	b->len += len;
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *room;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0) {
		b->failed = true;
		return;
	}
	room = buf_reserve(b, (size_t)len + 1);
	if (room == NULL)
		return;
	vsnprintf(room, (size_t)len + 1, fmt, ap);
	b->len += (size_t)len;
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void
buf_consume(struct buf *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

const char *
buf_cstr(struct buf *b)
{
	char *end = buf_reserve(b, 1);

	if (end == NULL)
		return "";
	*end = '\0';
	return b->data;
}

char *
buf_take(struct buf *b)
{
	char *text;

	if (buf_reserve(b, 1) == NULL) {
		buf_free(b);
		return NULL;
	}
	b->data[b->len] = '\0';
	text = b->data;
	*b = (struct buf){ 0 };
	return text;
}

size_t
utf8_len(const unsigned char *s)
{
	size_t i, n;
	uint32_t c;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : 0;
	if (n == 0)
		return 0;
	c = s[0] & (0xffu >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) || (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	return n;
}

void
buf_add_json(struct buf *b, const char *str)
{
	const unsigned char *s = (const unsigned char *)str, *plain;
	size_t n;

	buf_addc(b, '"');
	while (*s != '\0') {
		for (plain = s; *s >= 0x20 && *s < 0x7f && *s != '"' && *s != '\\'; s++)
			;
		buf_add(b, plain, (size_t)(s - plain));
		if (*s == '\0')
			break;
		n = utf8_len(s);
		if (*s == '"' || *s == '\\') {
			buf_addc(b, '\\');
			buf_addc(b, (char)*s);
		} else if (n == 0) {
			buf_adds(b, "\\ufffd");
		} else if (n == 1) {
			buf_printf(b, "\\u%04x", *s);
		} else {
			buf_add(b, s, n);
		}
		s += n ? n : 1;
	}
	buf_addc(b, '"');
}
