/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The HTTP that opens a WebSocket (RFC 6455, 4), for both ends, and nothing more of HTTP: one head without a
 * body.  Strict: what two readers could understand differently (bare newlines, folded lines, the same
 * field twice, a length, a transfer coding) is refused, as are an Origin, which browsers send and nobody else, and
 * HTTP/1.0.  Pure.
 */
enum { HTTP_HEAD_MAX = 4096, HTTP_FIELDS_MAX = 32, HTTP_KEY_SIZE = 25 };

/* Bytes of the head at the start of data, its empty line included; 0: more is to come; -1: this becomes none, or too long a one. */
ssize_t http_head_len(const char *data, size_t len);

/* Sec-WebSocket-Key, NUL-terminated, of 16 random bytes. */
void http_make_key(const uint8_t random[16], char key[HTTP_KEY_SIZE]);

/* Reads a whole head that asks for `protocol` at "/".  0 and its key; else the status to refuse it with, and err says why. */
int http_read_request(const char *head, size_t len, const char *protocol, char key[HTTP_KEY_SIZE], struct err *err);
/* Reads the whole head that answers the request with that key.  -1: err says why this is no WebSocket. */
int http_read_response(const char *head, size_t len, const char *protocol, const char *key, struct err *err);

/* host is a name or an address; brackets are put around one of IPv6. */
void http_write_request(struct buf *out, const char *host, unsigned port, const char *protocol, const char *key);
void http_write_response(struct buf *out, const char *protocol, const char *key);
void http_write_refusal(struct buf *out, int status);
