/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What nodes say to each other, and appctl-node to its clients in framed mode (doc/node-wire.md): records of a head of
 * RECORD_HEAD bytes, little-endian, and a payload.
 *
 *	u32 length of the payload, u8 type, u8 stream, u16 0, u32 channel
 *
 * Payloads are JSON objects, bytes (DATA), a u32 (CREDIT) or nothing (OK, END).  Pure.
 */
enum record_type {
	RECORD_HELLO = 1,		/* {"version":…,"instance":…}: from the one that dialled, before all else */
	RECORD_OK,			/* the answer to it, */
	RECORD_REFUSE,			/* or {"reason":…,"message":…} */
	RECORD_OPEN,			/* {"service":…,"args":{…}}: a channel */
	RECORD_ACCEPT,			/* the answer to that; a CLOSE refuses */
	RECORD_DATA,			/* bytes of a stream */
	RECORD_END,			/* a stream has no more */
	RECORD_TELL,			/* an object beside the streams */
	RECORD_CREDIT,			/* so many more bytes of that stream may come */
	RECORD_CLOSE,			/* the channel is gone; why */
	RECORD_TYPES
};

enum {
	RECORD_HEAD = 12,
	RECORD_PAYLOAD_MAX = 192 * 1024,
	RECORD_MESSAGE_MAX = 256 * 1024,	/* records in one message of a link */
	RECORD_STREAMS = 3,			/* of a channel: 0, 1, 2 */
	RECORD_VERSION = 1,
};

struct record {
	enum record_type type;
	unsigned stream;
	uint32_t channel;
	const char *payload;		/* lent: it lies in what was read */
	size_t len;
};

/*
 * The record at the start of data.  Bytes taken; 0: it is not complete yet; -1: it is none, err says why.  Each field is
 * checked against the others; what a payload says is not looked at but for the length of one that is no text.
 */
ssize_t record_read(const char *data, size_t len, struct record *out, struct err *err);
/* Appends one; a failure shows in out->failed. */
void record_write(struct buf *out, enum record_type type, unsigned stream, uint32_t channel, const void *payload, size_t len);
void record_write_credit(struct buf *out, unsigned stream, uint32_t channel, uint32_t bytes);
/* Of a CREDIT. */
uint32_t record_credit(const struct record *r);
