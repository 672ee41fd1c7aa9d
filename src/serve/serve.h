/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "loop/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * A Varlink service (varlink.org) on a Unix socket, in a loop.  Nothing here waits: what a peer does not take stays in its
 * connection's buffer, and no further call of it is handled until it has gone; a peer that takes nothing for ten
 * seconds, or needs longer for one message, loses its connection.  One call at a time for each connection.
 *
 * A method answers by serve_reply() or serve_error(), at once or later from anywhere: what is said is sent from the loop.
 */
struct serve;

struct serve_call {		/* lent to a method, and until `over` where it took hooks */
	void *service;		/* of serve_interface */
	json_t *args;		/* an object; lent */
	bool more;
	uid_t uid;
	pid_t pid;
	const struct serve_hooks *hooks;	/* set by the method if it wants them, with state */
	void *state;
};

struct serve_hooks {
	/* All that was said so far has been sent, and the call goes on.  NULL: not wanted. */
	void (*room)(void *state);
	/* The end, once: all was sent, the last reply too, or (delivered false) the peer has gone before that. */
	void (*over)(void *state, bool delivered);
};

struct serve_method {
	const char *name;
	const char *signature;	/* see serve/signature.h; checked before */
	void (*run)(struct serve_call *c);
};

struct serve_interface {
	const char *name;	/* "org.appctl.Tasks" */
	const char *text;	/* its description */
	const char *product;
	const struct serve_method *methods;
	size_t method_count;
	bool (*may_connect)(void *service, uid_t uid);	/* NULL: whoever can */
	void *service;
};

/* Makes the socket, with that mode, in place of one that was left there.  interface is borrowed.  NULL: err. */
struct serve *serve_new(struct loop *l, const char *path, mode_t mode, const struct serve_interface *interface, struct err *err);
void serve_free(struct serve *s);	/* NULL is fine; calls that wait are over */

/* continues: another reply will come.  After one that is the last, or an error, nothing more may be said. */
void serve_reply(struct serve_call *c, json_t *take_parameters, bool continues);
/* name without a dot belongs to the interface.  take_parameters NULL: none. */
void serve_error(struct serve_call *c, const char *name, json_t *take_parameters);
/* Bytes that were said and not sent. */
size_t serve_pending(const struct serve_call *c);
