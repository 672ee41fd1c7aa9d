/* SPDX-License-Identifier: MIT */
#pragma once

#include "wire/link.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Messages of wire/link.h over a SOCK_SEQPACKET socket, with their descriptors.
 * Neither call ever waits, both go on after a signal.
 */

/*
 * Sends what link_put() and link_put_spawn() wrote into bytes: one message with its descriptors, which are lent, or
 * as many without as LINK_MAX takes.  0; -1 with errno: EAGAIN where the socket is full (nothing was sent), else it is lost.
 */
int link_send(int sock, const void *bytes, size_t len, const int *fds, size_t fd_count);

/* What was received.  Zero-initialise it, use it for one message after another. */
struct link_in {
	struct link_header h;
	const void *body;		/* checked; lent until the next link_recv() */
	int fds[LINK_FDS_MAX];		/* exactly those that the type asks for; -1: taken, or see fds_lost */
	size_t fd_count;
	bool fds_lost;			/* this process has no room for the descriptors that should be there */
	char *packet, *big;		/* of this struct alone */
	size_t big_cap;
	size_t at, len;			/* what is left of the packet: packet[at..len) */
};

/*
 * Receives one message; descriptors that were not taken from the last one are closed first.
 * 1: there is one; 0: none now; -1 with errno: ECONNRESET where the peer is gone, EPROTO where it sent
 * what is no message, else what failed.  After -1 the link is of no more use.
 */
int link_recv(int sock, struct link_in *in, bool from_engine);
/* The next message is there already, whatever the socket says. */
bool link_in_more(const struct link_in *in);
/* The i-th descriptor is the caller's from now on. */
int link_in_take_fd(struct link_in *in, size_t i);
/* Closes what was not taken. */
void link_in_drop_fds(struct link_in *in);
/* The peer is another one from now on: what is left of the last packet is nothing. */
void link_in_clear(struct link_in *in);
void link_in_fini(struct link_in *in);
