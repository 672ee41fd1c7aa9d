/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/caller.h"
#include "node/mail.h"

/*
 * A client of mail.sock: mail_client.c has its connection and what it sends, mail_reader.c what it reads.
 */
struct mail_client {
	TAILQ_ENTRY(mail_client) entry, answered_entry;
	struct mail *m;
	uint64_t id;
	struct conn *conn;
	uid_t uid;
	struct caller *asked;		/* until it is known who it is */
	char self[MAIL_NODE_MAX + 1 + MAIL_NAME_MAX + 1];
	const char *name;		/* of self; NULL: not known yet */
	bool has_mailbox;
	struct buf in;			/* lines that were not dealt with */
	size_t in_at;
	int64_t half_ms;		/* since when the last one has not ended; 0: it has */
	bool ended, closing;
	struct mail_wait wait;
	bool waits_for_room;		/* on the way to a node */

	uint64_t sent;			/* messages that it has sent */
	uint64_t unanswered;		/* of those */
	uint64_t ok_first, ok_last;	/* owed: {"sent":[…]}; 0: nothing */
	bool is_owed;

	struct inbox *reading;		/* NULL: none */
	bool flowing;			/* what comes there is given to it */
	bool stops_at_end;		/* "wait":false */
};

/* m->line goes to it, and is empty afterwards. */
void client_write_line(struct mail_client *cl);
/* The last that it hears. */
void client_say_error(struct mail_client *cl, const char *code, const char *text);

/* What it says of reading.  false: it has to wait, the line is to be read again. */
bool client_begin_reading(struct mail_client *cl, const struct mail_line *l);
void client_take_done(struct mail_client *cl, uint64_t n);
/* The next reader begins with what it has not taken. */
void client_stop_reading(struct mail_client *cl);
