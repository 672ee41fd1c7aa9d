/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The frames of one WebSocket (RFC 6455, 5), over wslay's framing: bytes go in, whole messages come out, and the other way
 * round.  It sends nothing and answers nothing by itself.  Memory: the message that is being received, up to its limit.
 */
struct frames;

enum frames_kind {
	FRAMES_NONE,			/* more bytes are needed */
	FRAMES_TEXT,			/* a message, */
	FRAMES_BINARY,			/* or one of that kind */
	FRAMES_PING,
	FRAMES_PONG,
	FRAMES_CLOSE,			/* code: the peer's, 1005 where it gave none; data: its reason */
	FRAMES_BAD,			/* code: what to close with; data: why.  Nothing comes after it. */
};

struct frames_event {
	const char *data;		/* lent until the next frames_next(), NUL-terminated */
	size_t len;
	unsigned code;
};

/* server: what comes must be masked, what goes is not; else the other way round.  NULL: no memory. */
struct frames *frames_new(bool server, size_t message_max);
void frames_free(struct frames *f);			/* NULL is fine */
void frames_set_message_max(struct frames *f, size_t message_max);
/* Messages that come are binary from here on, and no texts. */
void frames_expect_binary(struct frames *f);

/* Lends bytes to read from; only when the ones before have all been taken. */
void frames_feed(struct frames *f, const void *data, size_t len);
/* Those that were not taken yet. */
const char *frames_rest(const struct frames *f, size_t *len);
enum frames_kind frames_next(struct frames *f, struct frames_event *out);
/* Gives back what a large message needed, where none is under way. */
void frames_trim(struct frames *f);

/* Appends one frame.  -1: no memory, and nothing was appended. */
int frames_put_text(struct frames *f, struct buf *out, const char *data, size_t len);
int frames_put_binary(struct frames *f, struct buf *out, const char *data, size_t len);
int frames_put_ping(struct frames *f, struct buf *out, const char *data, size_t len);
int frames_put_pong(struct frames *f, struct buf *out, const char *data, size_t len);
int frames_put_close(struct frames *f, struct buf *out, unsigned code, const char *reason);	/* reason: cut at 123 bytes */
