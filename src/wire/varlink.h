/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

#include <stdint.h>

/*
 * Varlink's framing (varlink.org): messages, each ended by a NUL byte, out of
 * a stream of bytes.  Pure: the caller reads and brings the bytes; what a
 * message says is not looked at here.  Positions count the bytes of the stream
 * from its start, so that what came beside the stream (descriptors) can be told apart.
 */
enum { VARLINK_MESSAGE_MAX = 256 * 1024 };	/* without its NUL */

struct varlink_reader {		/* zero-initialise; varlink_fini() */
	struct buf in;		/* what was put and not taken yet */
	size_t start;		/* of the message to come, in `in` */
	size_t seen;		/* no NUL in in[start..seen) */
	uint64_t base;		/* position of in[0] in the stream */
};

struct varlink_message {
	const char *text;	/* NUL-terminated; lent until the next varlink_put() */
	size_t len;
	uint64_t end;		/* position behind its NUL */
};

/* -1: no memory. */
int varlink_put(struct varlink_reader *r, const void *data, size_t len);
/* The next message.  1: there it is; 0: not complete yet; -1: it is longer than VARLINK_MESSAGE_MAX. */
int varlink_next(struct varlink_reader *r, struct varlink_message *out);
/* Bytes that were put and not taken: of a message that is not complete, or of several. */
size_t varlink_pending(const struct varlink_reader *r);
/* Position behind the last byte put. */
uint64_t varlink_position(const struct varlink_reader *r);
void varlink_fini(struct varlink_reader *r);
