/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What an application and appctl-node say to each other on mail.sock (doc/mailbox.md): JSON objects, one a line.  Each
 * kind is known by its members; any other member, a member that comes twice or has another type, is refused.  Pure.
 */
enum {
	MAIL_TEXT_MAX = 64 * 1024,	/* bytes of a message's text */
	MAIL_NAME_MAX = 200,		/* of a mailbox's name */
	MAIL_NODE_MAX = 255,
	MAIL_LINE_MAX = 160 * 1024,	/* without its newline: a text in which every other byte is escaped still fits */
};

enum mail_line_kind {
	/* from applications */
	MAIL_SEND,			/* {"to":"bob/chat","text":"hey"} */
	MAIL_RECEIVE,			/* {"receive":true}, perhaps "app":"chat", "wait":false */
	MAIL_DONE,			/* {"done":7} */
	MAIL_ASK_SELF,			/* {"self":true} */
	/* from appctl-node */
	MAIL_SENT,			/* {"sent":[1,500]} */
	MAIL_FAILED,			/* {"failed":17,"error":"mailbox_full","message":"…"} */
	MAIL_MESSAGE,			/* {"n":7,"from":"alice/chat","at":"…Z","text":"hey"} */
	MAIL_REFUSED,			/* {"receive":false,"error":"busy","message":"…"} */
	MAIL_EMPTY,			/* {"empty":true} */
	MAIL_SELF,			/* {"self":"alice/chat"} */
	MAIL_ERROR,			/* {"error":"invalid","message":"…"}: the connection is closed */
};

struct mail_text {
	const char *data;		/* UTF-8, not NUL-terminated */
	size_t len;
};

struct mail_line {
	enum mail_line_kind kind;
	struct mail_text to, from, at, text, app, error, message, self;	/* data NULL: not there */
	uint64_t n, first, last;	/* n: of a message, of done, of failed */
	bool wait;			/* true where nothing is said */
};

/* Texts are lent from text and from unescaped, which is cleared first.  -1: err says what is wrong at which byte; ENOMEM: it was memory. */
int mail_line_read(struct mail_line *l, const char *text, size_t len, struct buf *unescaped, struct err *err);

/* Each appends one line with its newline; a failure shows in out->failed. */
void mail_put_send(struct buf *out, const char *to, const char *text, size_t len);
void mail_put_receive(struct buf *out, const char *app, bool wait);	/* app NULL: one's own */
void mail_put_done(struct buf *out, uint64_t n);
void mail_put_ask_self(struct buf *out);
void mail_put_sent(struct buf *out, uint64_t first, uint64_t last);
void mail_put_failed(struct buf *out, uint64_t n, const char *error, const char *message);
void mail_put_message(struct buf *out, uint64_t n, struct mail_text from, struct mail_text at, struct mail_text text);
void mail_put_refused(struct buf *out, const char *error, const char *message);
void mail_put_empty(struct buf *out);
void mail_put_self(struct buf *out, const char *self);
void mail_put_error(struct buf *out, const char *error, const char *message);

/*
 * An address is NODE/NAME, or NAME alone for this node.  NAME is an application, or ~USER.
 * mail_name_ok: letters, digits, - _ . @ +, not beginning with . or -; ~ only as the first.
 */
bool mail_name_ok(const char *name, size_t len);
/* node.data NULL: none was said.  false: it is no address. */
bool mail_address_split(struct mail_text address, struct mail_text *node, struct mail_text *name);
