/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/strmap.h"
#include "base/u64map.h"
#include "job/calls.h"
#include "mail/post.h"
#include "node/channel.h"
#include "node/conn.h"
#include "node/node.h"

#include <sys/queue.h>

/*
 * Messages: what the files mail*.c share.  Whoever brings some (a client of mail.sock, a channel of another node) hands them
 * over one by one with mail_deliver() and ends its turn with mail_settle(): then they are written, all at once, and only then
 * answered.
 *
 *	mail.c		the service's beginning and end, turns
 *	mail_inbox.c	which mailboxes there are: appctld is asked
 *	mail_client.c	mail.sock, what comes there
 *	mail_reader.c	and what goes to who reads a mailbox
 *	mail_out.c	to other nodes: one channel each
 *	mail_in.c	from other nodes
 */
struct inbox;
struct mail_client;
struct mail_follow;
struct mail_out;

/* A mailbox that somebody has used, and may. */
struct inbox {
	char name[MAIL_NAME_MAX + 1];
	struct mailbox *box;
	bool known;			/* false: appctld has to be asked again */
	bool dirty;
	bool unwritten;			/* what was added in this turn could not be written */
	struct mail_client *reader;	/* NULL: nobody reads */
};

struct mail {
	struct node *node;
	struct calls *calls;
	struct post *post;
	struct mail_time now;		/* of this turn */
	const struct node_settings *limits_of;	/* what the limits in force were read from */
	struct inbox **inboxes;
	size_t inbox_count, inbox_cap;
	struct strmap by_name;
	struct mail_follow *follow;

	/* this turn */
	struct buf dirty;		/* struct inbox * */
	struct buf brought;		/* struct brought */
	struct buf texts;		/* why some failed */
	struct err write_err;

	struct conn_listener *listener;
	TAILQ_HEAD(, mail_client) clients;
	TAILQ_HEAD(, mail_client) answered;	/* who is owed a line */
	struct u64map by_id;		/* clients */
	uint64_t last_id;
	unsigned client_count, clients_max;
	size_t held;			/* bytes of lines that have not ended, over all clients */
	struct timer *half;		/* looks for those, and for clients that are done */
	int64_t half_at;		/* when; 0: not at all */
	uid_t owner;			/* of appctld's runtime directory */
	struct buf line;		/* lines that are being made */
	struct buf unescaped;

	TAILQ_HEAD(, mail_out) outs;
	TAILQ_HEAD(, mail_in) ins;
	struct timer *sweep;
};

/* --- mail.c: turns --- */

/* What was brought in this turn. */
struct brought {
	uint64_t n;			/* its number with who brought it */
	struct inbox *in;		/* NULL: it failed already: */
	const char *code;		/* static */
	size_t text;			/* of m->texts */
};

/* A turn begins: what time it is. */
void mail_turn(struct mail *m);
void mail_brought(struct mail *m, uint64_t n, struct inbox *in);
void mail_failed(struct mail *m, uint64_t n, const char *code, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Numbers first to last lie in mailboxes (code NULL), or first == last failed. */
typedef void mail_answer_fn(void *arg, uint64_t first, uint64_t last, const char *code, const char *text);
/*
 * Writes what was brought, answers it in order, wakes readers, sends on what is for others.  answer NULL: nothing was
 * brought.  -1: there was no memory to answer, whoever brought it must not be left waiting.
 */
int mail_settle(struct mail *m, mail_answer_fn *answer, void *arg);

/* --- mail_inbox.c --- */

/* A question to appctld that somebody's turn waits for.  Zero-initialise it. */
struct mail_wait {
	struct mail *m;
	char name[MAIL_NAME_MAX + 1];
	enum { WAIT_NONE, WAIT_ASKED, WAIT_FOUND, WAIT_NOT_FOUND, WAIT_FAILED } state;
	void (*fn)(void *arg);		/* go on: the same thing is to be tried again */
	void *arg;
	char text[256];			/* why it failed */
};

/* Forgets the question; before its storage goes. */
void mail_wait_drop(struct mail_wait *w);
/*
 * The mailbox of that name, where there may be one; trusted: it is not to be doubted.  NULL: *code and m->line say why,
 * or *code is NULL: w->fn will be called.
 */
struct inbox *inbox_find(struct mail *m, const char *name, size_t len, bool trusted, struct mail_wait *w, const char **code);
/* Puts a message there, to be written at the end of the turn.  NULL, or the code of why not. */
const char *inbox_add(struct mail *m, struct inbox *in, const char *from, struct mail_text text);
/* Follows what becomes of applications.  -1: err. */
int mail_follow_start(struct mail *m, struct err *err);
void mail_follow_stop(struct mail *m);
/* Mailboxes that are empty and whose application is gone are too. */
void inboxes_sweep(struct mail *m);
void inboxes_free(struct mail *m);

/* --- mail_client.c --- */

int mail_clients_start(struct mail *m, struct err *err);
void mail_clients_stop(struct mail *m);
/* What was sent to another node is answered; nothing happens where that client is gone. */
void mail_client_answer(struct mail *m, uint64_t id, uint64_t first, uint64_t last, const char *code, const char *text);
/* It waited for room on the way to another node. */
void mail_client_go_on(struct mail_client *cl);
/* Gives it what is new in the mailbox that it reads. */
void mail_client_push(struct mail_client *cl);
/* Lines that are owed. */
void mail_clients_tell(struct mail *m);
void mail_client_leave(struct mail_client *cl, struct inbox *in);	/* that mailbox goes */

/* --- mail_out.c --- */

/* Sends it on, or will; wait: there is no room now, and cl will be gone on with. */
enum mail_out_added { MAIL_OUT_ADDED, MAIL_OUT_WAIT, MAIL_OUT_NO_MEMORY };
enum mail_out_added mail_out_add(struct mail *m, struct mail_client *cl, uint64_t id, uint64_t n, struct mail_text node,
				 struct mail_text from, struct mail_text to, struct mail_text text);
void mail_out_forget(struct mail *m, struct mail_client *cl);	/* it waits for room no more */
void mail_outs_write(struct mail *m);
void mail_outs_free(struct mail *m);

/* --- mail_in.c --- */

void mail_in_opened(struct node *n, struct channel *c, const json_t *args);
void mail_ins_free(struct mail *m);

/* --- the service --- */

int mail_start(struct node *n, struct err *err);
void mail_stop(struct node *n);
