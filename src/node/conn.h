/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Local stream sockets: ours, to which programs of this machine come, and those of others that we go to.  A connection is
 * read as far as its user takes what comes, and written through a buffer that the user looks after (conn_queued()).
 *
 * Callbacks come from the loop, and may free the connection they are called for, and any other.
 */
struct conn;
struct conn_listener;

enum { CONN_ALL = 64 * 1024 };

struct conn_handler {
	/* The bytes are lent for the call. */
	void (*data)(void *arg, struct conn *c, const char *data, size_t len);
	void (*ended)(void *arg, struct conn *c);	/* no more comes, but somebody still reads; writing goes on */
	void (*drained)(void *arg, struct conn *c);	/* all that was written is with the kernel; may be NULL */
	/* It broke, or after its end nobody is there to write to: the user frees it, then or later; nothing else is called. */
	void (*broken)(void *arg, struct conn *c, const char *why);
};

/* fd is taken over, on failure too; it is made non-blocking.  Reads at once.  NULL: no memory. */
struct conn *conn_new(struct loop *l, int take_fd, const struct conn_handler *h, void *arg);
/* Another user from here on; what comes goes there. */
void conn_set_handler(struct conn *c, const struct conn_handler *h, void *arg);
/* Connects to a socket; a local one answers at once or not at all.  NULL: err says why. */
struct conn *conn_to(struct loop *l, const char *path, const struct conn_handler *h, void *arg, struct err *err);

void conn_write(struct conn *c, const void *data, size_t len);
size_t conn_queued(const struct conn *c);		/* bytes not yet with the kernel */
void conn_read(struct conn *c, size_t max);		/* so many bytes at once and no more; 0: none for now; CONN_ALL */
void conn_finish(struct conn *c);			/* nothing more will be written; what is queued goes out */
/* Writes what the kernel takes at once of what is queued, closes. */
void conn_free(struct conn *c);				/* NULL is fine */
/* Lets go of it: what is queued goes out as far as somebody takes it.  NULL is fine. */
void conn_leave(struct conn *take);
void conn_forget_left(void);				/* those, at the end of the program */
/* Who is there, as it was when it connected.  -1: not known. */
int conn_peer(const struct conn *c, pid_t *pid, uid_t *uid);

/* Somebody came; fd is the callee's. */
typedef void conn_accepted_fn(void *arg, int fd);
/* A socket at that path, with that mode; what an earlier process left there is replaced.  NULL: err. */
struct conn_listener *conn_listen(struct loop *l, const char *path, mode_t mode, conn_accepted_fn *fn, void *arg, struct err *err);
void conn_listener_free(struct conn_listener *cl);	/* removes the socket; NULL is fine */
