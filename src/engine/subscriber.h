/* SPDX-License-Identifier: MIT */
#pragma once

#include "engine/shell.h"
#include "wire/ring.h"

/*
 * Events are kept once, in the publisher's ring.  A subscriber is a place in it
 * and at most the rest of one line, or of its greeting: however slow it is, it costs no
 * more.  publish.c: connections; greet.c: what is said beside events; subscriber.c: sending.
 */
struct subscriber {
	struct subscriber *next, **back;
	struct publisher *p;
	int fd;
	struct watch *watch;
	struct timer *timer;		/* NULL: no deadline runs */
	struct peer peer;
	struct subscription_filter filter;
	enum framing framing;
	bool asked;			/* its request was read: it gets events */
	bool deaf;			/* it writes no more */
	bool ends;			/* to be closed when pending is out */
	uint64_t next_seq;
	struct buf pending;
};

struct publisher {
	struct daemon *d;
	int listen_fd, reserve_fd;
	struct watch *watch;
	struct ring ring;
	uint64_t shown;			/* the first event that is not to be seen yet */
	struct subscriber *first;
	unsigned count;
};

/* publish.c: closes the connection. */
void subscriber_free(struct subscriber *s);

/* subscriber.c: sends until it has all, or takes no more; ends it where it is to end. */
void subscriber_serve(struct subscriber *s);

/* greet.c */
/* Its request is good: says hello, what it missed and how things stand, then serves. */
void subscriber_greet(struct subscriber *s);
/* The last thing that it is told. */
void subscriber_refuse(struct subscriber *s, const char *message);
void subscriber_put_lost(struct subscriber *s, uint64_t from, uint64_t to);
/* One object, as its framing wants it; clears object. */
void subscriber_put(struct subscriber *s, struct buf *object);
