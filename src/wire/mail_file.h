/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "wire/mail_line.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A mailbox as bytes: a head of MAIL_HEAD bytes, then records, one a message, little-endian, each with a checksum of
 * itself.  The head is written over in place when messages are taken: it says up to which number they are, and
 * where the first one that is not begins.  What was being written when all ended is a record that is not whole.  Pure.
 */
enum { MAIL_HEAD = 64, MAIL_RECORD_HEAD = 40, MAIL_RECORD_MAX = MAIL_RECORD_HEAD + MAIL_NODE_MAX + 1 + MAIL_NAME_MAX + MAIL_TEXT_MAX };

struct mail_head {
	uint64_t taken;			/* messages up to that number are gone */
	uint64_t start;			/* where the next one begins, or will */
	uint64_t boot;			/* which boot of the machine clock belongs to */
	int64_t clock_ms;		/* added to CLOCK_BOOTTIME: the clock of this file, which stands still while the machine is off */
};

struct mail_record {
	uint64_t n;
	int64_t at_us;			/* CLOCK_REALTIME, for people */
	int64_t stamp_ms;		/* on the file's clock: how old it is */
	struct mail_text from, text;
};

void mail_head_put(char out[MAIL_HEAD], const struct mail_head *h);
/* false: it is none. */
bool mail_head_get(const char data[MAIL_HEAD], struct mail_head *h);

/* Appends one; a failure shows in out->failed, and then nothing was appended. */
void mail_record_put(struct buf *out, const struct mail_record *r);
/*
 * The record at the start of data, whose texts it lends.  Its bytes; 0: there is none, or not all of it.  *len_wanted (NULL is fine):
 * how many bytes it would have, as far as data can tell; 0: what begins there is no record.
 */
size_t mail_record_get(const char *data, size_t len, struct mail_record *r, size_t *len_wanted);
