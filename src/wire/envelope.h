/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "wire/mail_line.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Messages between nodes, on stream 0 of a channel to the service "mail" (doc/node-wire.md): a u32, little-endian, whose
 * low 24 bits are the length of what follows and whose high 8 bits say what it is.
 *
 *	PAIR	u32 slot, u8 length of from, from, to	who sends to whom, in that slot from now on
 *	SEND	u32 slot, text				a message of that pair; they are counted 1, 2, … over the channel
 *
 * and the other way, where each number is answered exactly once:
 *
 *	SENT	u64 first, u64 last			they lie in mailboxes
 *	FAILED	u64 n, u8 length of error, error, message
 *
 * from and to are names on their own side of the link: its nodes are what the link says they are.  Pure.
 */
enum envelope_type { ENVELOPE_PAIR = 1, ENVELOPE_SEND, ENVELOPE_SENT, ENVELOPE_FAILED };

enum { ENVELOPE_SLOTS = 1024, ENVELOPE_MAX = 4 + 4 + MAIL_TEXT_MAX };

struct envelope {
	enum envelope_type type;
	uint32_t slot;
	struct mail_text from, to;		/* PAIR: names that mail_name_ok() likes */
	struct mail_text text;			/* SEND; FAILED: for people */
	struct mail_text error;			/* FAILED: the code */
	uint64_t first, last;			/* SENT; FAILED: the same number twice */
};

/* The one at the start of data, whose texts it lends.  Bytes taken; 0: it is not complete yet; -1: it is none, err says why. */
ssize_t envelope_read(const char *data, size_t len, struct envelope *out, struct err *err);

/* Each appends one; a failure shows in out->failed. */
void envelope_put_pair(struct buf *out, uint32_t slot, struct mail_text from, struct mail_text to);
void envelope_put_send(struct buf *out, uint32_t slot, struct mail_text text);
void envelope_put_sent(struct buf *out, uint64_t first, uint64_t last);
void envelope_put_failed(struct buf *out, uint64_t n, const char *error, const char *message);	/* cut at a few hundred bytes */
