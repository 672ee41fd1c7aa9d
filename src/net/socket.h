/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "net/dial.h"
#include "net/frames.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/ws.h"
#include "wire/challenge.h"
#include "wire/http.h"

#include <sys/queue.h>

/* One WebSocket from the inside: for ws.c, which moves it, auth.c, which opens it, and listener.c, which takes it in. */
enum ws_state {
	WS_DIAL,			/* being connected */
	WS_TLS,				/* the handshake */
	WS_UPGRADE,			/* a head of HTTP is awaited */
	WS_CHALLENGE,			/* the challenge, or on a listener the response to it */
	WS_WELCOME,			/* the welcome */
	WS_OPEN,
	WS_CLOSING,			/* what is queued goes out, what comes is thrown away */
};

struct ws {
	TAILQ_ENTRY(ws) entry;		/* of the listener's lists */
	struct ws_listener *listener;	/* NULL: one that connects, or that is open and has lost its listener */
	bool server;
	enum ws_state state;
	bool opened;
	struct loop *loop;
	const struct ws_settings *settings;	/* until it is open */
	const struct ws_handler *handler;
	void *arg;

	struct dial *dial;
	int fd;
	struct tls_keys *keys;		/* of one that connects */
	struct tls *tls;		/* NULL: plain */
	int tls_wants;			/* LOOP_READ or LOOP_WRITE, during the handshake */
	struct watch *watch;
	struct timer *timer;
	int64_t due_ms;			/* of the time limit or heartbeat */
	int64_t armed_ms;		/* what the timer is set to */
	bool kick;			/* there is something to do that no descriptor tells */

	struct frames *frames;		/* from the upgrade on */
	struct buf in;			/* a head of HTTP; what was read and must wait */
	struct buf out;
	size_t out_at;			/* what is with the kernel */
	bool shut;			/* nothing more goes out */

	struct challenge *challenge;	/* until it is open */
	char http_key[HTTP_KEY_SIZE];

	bool binary;			/* messages are, once it is open */
	bool reading;
	bool pinged;
	int64_t read_ms, ping_ms;
	uint32_t ping_number;		/* of the last ping, which went out then; 0: it was answered */
	uint32_t pings_sent;
	int64_t ping_us;
	bool broken;			/* why says how; it ends from the loop */
	int64_t pings_since_ms;
	unsigned pings;			/* that came since then */
	size_t message_max;

	char address[TCP_ADDRESS_SIZE];
	uint64_t address_key;
	char peer[CHALLENGE_NODE_MAX + 1];
	uint64_t peer_epoch;
	const char *refusal;		/* what it is told where that is not just "not authenticated" */
	bool failed;			/* it has shown that it has no business here */
	struct err why;
};

enum { PROTOCOL_MAX = 32 };
int ws_check_settings(const struct ws_settings *s, struct err *err);

/* One that was accepted; fd goes over.  -1: it has to end; *out NULL: no memory even for that, fd is closed. */
struct ws_taken {
	struct ws_listener *listener;
	struct loop *loop;
	const struct ws_settings *settings;
	const struct ws_handler *handler;
	void *arg;
	struct tls_keys *keys;		/* NULL: plain */
	int fd;
	const struct sockaddr *peer;
};
int ws_accept(const struct ws_taken *t, struct ws **out);
/* It ends at once: closed() where that is due, and its memory goes. */
void ws_end(struct ws *w);

/* For connect.c: what the loop calls, and what it waits for from here on. */
void ws_ready(void *arg, int what);
void ws_timer_due(void *arg);
void ws_arm(struct ws *w);
void ws_free(struct ws *w);
enum { WS_MESSAGE_MAX = 1024 * 1024 + 4096 };
int64_t ws_auth_ms(const struct ws_settings *s);

/* auth.c: the steps to an open socket.  Each 0, or -1: w->why says why not. */
int auth_begin(struct ws *w);					/* the connection, and TLS, is there */
int auth_head(struct ws *w, const char *data, size_t len);	/* bytes during WS_UPGRADE; what is behind the head goes to w->in */
int auth_message(struct ws *w, const char *text, size_t len);	/* a message during WS_CHALLENGE, WS_WELCOME */

/* listener.c: */
void listener_proven(struct ws_listener *wl, struct ws *w);
void listener_forget(struct ws_listener *wl, struct ws *w);	/* it ends */
