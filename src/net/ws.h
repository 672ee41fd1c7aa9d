/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Authenticated WebSockets (RFC 6455) over TLS 1.3 or plain TCP, for both ends: the upgrade, the mutual
 * challenge of doc/monitor-wire.md, frames in and out, heartbeats.  Before a peer has shown that it knows the
 * secret nothing but the challenge is read from it, in bounded memory and time.  Everything runs in the loop;
 * nothing here waits.
 *
 * Callbacks may close the socket they are called for, and any other.
 */
struct ws;
struct ws_listener;

enum { WS_CODE_NORMAL = 1000, WS_CODE_PROTOCOL = 1002, WS_CODE_POLICY = 1008, WS_CODE_INTERNAL = 1011 };	/* RFC 6455, 7.4.1 */

struct ws_settings {
	const char *protocol;		/* "appctl-monitor": what is said in the upgrade and under every MAC */
	const char *node;		/* our name; of a listener too */
	/*
	 * Both ends are nodes: only TLS, with a key of its own for each pair and direction, or with certificates that name their node;
	 * messages are binary.  secret may change between connections.
	 */
	bool of_nodes;
	const char *peer;		/* of one that connects, between nodes: whom it expects */
	uint64_t epoch;			/* of one that connects: bound into its challenge (0 where it has no meaning) */
	const char *secret;		/* its bytes */
	size_t secret_len;
	bool use_tls;
	/* X.509 both ways, PEM files; all NULL: a pre-shared key derived from the secret. */
	const char *ca_file, *cert_file, *key_file, *crl_file;
	bool verify_node;		/* of a listener: a certificate has to name the node that its owner says to be (between nodes it always has) */
	const char *host, *port;	/* where to listen (a name is asked for at once) or to connect to (without stopping the loop) */
	unsigned per_address_max;	/* of a listener: connections from one address before authentication; 0: 32 */
	unsigned connections_max;	/* of a listener, in all; 0: 4096 */
	unsigned auth_timeout_ms;	/* 0: 5000 */
	unsigned ping_ms;		/* without anything read for this long a ping goes out, after as long again it is dead; 0: 15000 */
	size_t message_max;		/* 0: BATCH_MAX and a little */
};

/* What happens on a socket; arg is the one of ws_connect() or ws_listen(). */
struct ws_handler {
	/* Authenticated.  On a listener, the return value is what the further calls for this socket get as `arg`. */
	void *(*opened)(void *arg, struct ws *w);
	/* One message; data is lent for the call and NUL-terminated. */
	void (*text)(void *arg, struct ws *w, const char *data, size_t len);
	void (*binary)(void *arg, struct ws *w, const char *data, size_t len);	/* the same of nodes */
	void (*answered)(void *arg, struct ws *w, int64_t round_trip_us);	/* a ping was; may be NULL */
	/* All that was queued is with the kernel.  May be NULL. */
	void (*drained)(void *arg, struct ws *w);
	/* It is gone, w is invalid afterwards; why is for people.  For one that never opened on a listener it is not called. */
	void (*closed)(void *arg, struct ws *w, const char *why);
	/* On a listener, with its arg: somebody was turned away before; at fault: it has shown that it has no business here.  May be NULL. */
	void (*refused)(void *arg, const char *address, const char *why, bool at_fault);
};

/* Starts listening.  settings and what it points to must outlive it.  NULL: err says why. */
struct ws_listener *ws_listen(struct loop *l, const struct ws_settings *s, const struct ws_handler *h, void *arg, struct err *err);
/* Secret and certificates anew, as its settings name them now, for those who come from now on.  -1: err, and the old ones stay. */
int ws_listener_reload(struct ws_listener *wl, struct err *err);
unsigned ws_listener_port(const struct ws_listener *wl);	/* the one in use, also where "0" was asked for */
/* Takes no more in; what is open stays.  NULL is fine. */
void ws_listener_free(struct ws_listener *wl);

/*
 * Connects; opened() or closed() tells how that went.  NULL: err says why (no memory, unusable settings).
 * Connecting again, and how long to wait for it, is the caller's.
 */
struct ws *ws_connect(struct loop *l, const struct ws_settings *s, const struct ws_handler *h, void *arg, struct err *err);

const char *ws_peer_node(const struct ws *w);		/* lent; "" before it opened */
uint64_t ws_peer_epoch(const struct ws *w);
const char *ws_peer_address(const struct ws *w);	/* "127.0.0.1:4711", lent */

/* Queues one text message; on one that is closing it goes nowhere.  -1: no memory; nothing was queued. */
int ws_send(struct ws *w, const char *data, size_t len);
int ws_send_binary(struct ws *w, const char *data, size_t len);	/* the same between nodes; ws_push() sends it */
/* What is queued goes out as far as the kernel takes it, without waiting for the loop; that the connection broke shows from the loop. */
void ws_push(struct ws *w);
void ws_ping(struct ws *w);				/* answered() tells when it was */
bool ws_was_refused(const struct ws *w);		/* in closed(): one of both has not shown that it knows the secret */
size_t ws_queued(const struct ws *w);			/* bytes not yet with the kernel */
/* Reads on or not: how back-pressure reaches the peer.  Heartbeats are not taken for silence then. */
void ws_read(struct ws *w, bool on);
/* Says goodbye with an RFC 6455 status code and a reason (at most 123 bytes), then closed() is called from the loop. */
void ws_close(struct ws *w, unsigned code, const char *reason);
/* Lets go of it at once: no goodbye, and closed() is not called.  For the end of the program; NULL is fine. */
void ws_drop(struct ws *w);
