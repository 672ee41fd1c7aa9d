/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "wire/mail_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One mailbox, a file (wire/mail_file.h).  Messages are added in memory and written many at a time by
 * mailbox_flush(): after that they outlive this process.  Each has a number of its own, which only grows; a reader goes
 * through them in order and says up to which they are taken.  What is taken gives its space back.
 *
 * Not safe against a power cut: what was added last may be missing then, and never anything else.
 */
struct mailbox;

struct mail_limits {
	uint64_t size;			/* bytes of messages that were not taken */
	uint64_t messages;
	int64_t age_ms;			/* older ones go; 0: none does */
};

struct mail_time {
	int64_t real_us;		/* CLOCK_REALTIME */
	int64_t boot_ms;		/* CLOCK_BOOTTIME */
	uint64_t boot;			/* which boot that is; never 0 */
};

/*
 * The file of that name in the directory; made where it is not there and `make` says so.  What is left of a write that
 * did not end is cut off; what is damaged is set aside in a file beside it, and odd says so (odd->msg is "" otherwise).
 * NULL: err; code ENOENT: it is not there.
 */
struct mailbox *mailbox_open(int dir_fd, const char *file, const struct mail_time *now, bool make, struct err *odd, struct err *err);
void mailbox_free(struct mailbox *b);			/* what was not flushed is gone; NULL is fine */
/* Lets go of the descriptor and of memory; all else goes on, they come back when needed. */
void mailbox_rest(struct mailbox *b);
bool mailbox_is_resting(const struct mailbox *b);

uint64_t mailbox_count(const struct mailbox *b);	/* not taken, with what waits to be flushed */
uint64_t mailbox_size(const struct mailbox *b);

enum mailbox_added { MAILBOX_ADDED, MAILBOX_FULL, MAILBOX_NO_MEMORY };
enum mailbox_added mailbox_add(struct mailbox *b, const struct mail_limits *l, const struct mail_time *now, const char *from,
			       size_t from_len, const char *text, size_t text_len);
bool mailbox_waits(const struct mailbox *b);		/* something was added and not flushed */
/* Writes what was added, at once.  -1: err, and none of it is there. */
int mailbox_flush(struct mailbox *b, struct err *err);

/* The first message that was not taken is the next to be read. */
void mailbox_rewind(struct mailbox *b);
/*
 * Some of the next ones, flushed ones only: whole records, lent until the next call for b.  *len 0: there are no more.
 * mailbox_read_on() says how far that was used.  -1: err.
 */
int mailbox_read(struct mailbox *b, const char **data, size_t *len, struct err *err);
void mailbox_read_on(struct mailbox *b, size_t used, uint64_t n);	/* n: the last one's number */
bool mailbox_was_read(const struct mailbox *b);		/* to its end */

/* All up to n are gone; n was read before, else nothing happens.  -1: err. */
int mailbox_take(struct mailbox *b, uint64_t n, struct err *err);
/* Those that are too old are gone: their number. */
uint64_t mailbox_expire(struct mailbox *b, const struct mail_limits *l, const struct mail_time *now);
