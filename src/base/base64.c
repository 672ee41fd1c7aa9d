/* SPDX-License-Identifier: MIT */
#include "base/base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_add(struct buf *b, const void *data, size_t len)
{
	const unsigned char *s = data;
	char *out = buf_reserve(b, (len + 2) / 3 * 4);
	unsigned bits;
	size_t n;

	if (out == NULL)
		return;
	for (; len > 0; s += n, len -= n) {
		n = len < 3 ? len : 3;
		bits = (unsigned)s[0] << 16 | (n > 1 ? (unsigned)s[1] << 8 : 0) | (n > 2 ? s[2] : 0);
		*out++ = alphabet[bits >> 18];
		*out++ = alphabet[bits >> 12 & 63];
		*out++ = n > 1 ? alphabet[bits >> 6 & 63] : '=';
		*out++ = n > 2 ? alphabet[bits & 63] : '=';
	}
	b->len = (size_t)(out - b->data);
}

/* -1: not of the alphabet. */
static int
value_of(char c)
{
	const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* Four characters, of which `used` are no padding.  -1: they stand for nothing. */
static int
read_group(struct buf *b, const char *s, size_t used)
{
	unsigned bits = 0;
	size_t i;
	int v;

	for (i = 0; i < 4; i++) {
		v = i < used ? value_of(s[i]) : 0;
		if (v < 0)
			return -1;
		bits = bits << 6 | (unsigned)v;
	}
	if ((used == 2 && (bits & 0xffff)) || (used == 3 && (bits & 0xff)))
		return -1;		/* one text for each run of bytes */
	for (i = 0; i + 1 < used; i++)
		buf_addc(b, (char)(bits >> (16 - 8 * i) & 0xff));
	return 0;
}

int
base64_read(struct buf *b, const char *text, size_t len)
{
	size_t at, used;

	if (len % 4 != 0)
		return -1;
	for (at = 0; at < len; at += 4) {
		used = 4;
		if (at + 4 == len && text[at + 3] == '=')
			used = text[at + 2] == '=' ? 2 : 3;
		if (read_group(b, text + at, used) < 0)
			return -1;
	}
	return b->failed ? -1 : 0;
}
