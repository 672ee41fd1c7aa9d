/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * A growing run of bytes.  Zero-initialise it; buf_free() gives it back.
 * Running out of memory is remembered in `failed`: write on, ask once at the end.
 */
struct buf {
	char *data;		/* not NUL-terminated; see buf_cstr() */
	size_t len, cap;
	bool failed;
};

void buf_add(struct buf *b, const void *data, size_t len);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
/* Room for len more bytes at the end, not yet counted in b->len; NULL: no memory. */
char *buf_reserve(struct buf *b, size_t len);
/* Drops the first len bytes. */
void buf_consume(struct buf *b, size_t len);
void buf_clear(struct buf *b);
void buf_free(struct buf *b);
/* The text, NUL-terminated and lent until the next change; "" when empty or failed. */
const char *buf_cstr(struct buf *b);
/* Hands the NUL-terminated text over to the caller, who frees it; NULL: no memory. */
char *buf_take(struct buf *b);

/* s as a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void buf_add_json(struct buf *b, const char *s);
/* The length of the well-formed UTF-8 sequence at the NUL-terminated s (RFC 3629), 0 where there is none. */
size_t utf8_len(const unsigned char *s);
