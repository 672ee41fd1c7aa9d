/* SPDX-License-Identifier: MIT */
#pragma once

#include "net/random.h"
#include "node/lines.h"
#include "node/peers.h"

/*
 * peers.c keeps what is known of other nodes and dials; greeting.c has the way from a WebSocket to a link.
 */
enum peer_state { PEER_DOWN, PEER_CONNECTING, PEER_UP, PEER_REFUSED };

struct peer {
	TAILQ_ENTRY(peer) entry;
	struct peers *peers;
	char name[256];
	enum peer_state state;
	int64_t since_us;
	char why[256];			/* it is not up */
	char address[300];		/* HOST:PORT; "": it was never dialled and never came */
	int64_t round_trip_us;		/* -1: not measured */
	unsigned line_count;		/* whatever their state */
	int64_t told_ms;		/* an alarm about a second one of its name was raised */
	struct line *line;		/* that is up */
	struct line *coming;		/* that is dialled */
	struct line *rival;		/* of another process of that name, while it is seen whether the one of `line` lives */
	struct channel_list waiting;	/* for a link */
	int64_t give_up_ms;		/* of those */
	unsigned failures;
	int64_t not_before_ms;
	struct timer *timer;		/* when to dial, or to give up */
	struct ws_settings settings;	/* of the dial, */
	char host[256], port[8];	/* and what it points to */
};

struct peers {
	struct node *node;
	TAILQ_HEAD(, peer) list;
	size_t count;
	TAILQ_HEAD(, line) greeting;	/* lines that are not up */
	struct ws_settings settings;	/* of the listener */
	char port[8];
	struct ws_listener *listener;
	int64_t refused_ms;		/* an alarm was raised */
	unsigned refused;		/* that nobody was told of since */
};

struct peer *peers_find(const struct peers *ps, const char *name);
struct peer *peers_get(struct peers *ps, const char *name);	/* found or made; NULL: no memory, or too many */
void peer_set_state(struct peer *p, enum peer_state state, const char *why);
void peer_timer_due(void *arg);
void peer_dial_failed(struct peer *p, enum peer_state state, const char *why);
void peer_wait_for_it(struct peer *p);
void peer_drop_dial(struct peer *p);
void peer_up(struct peer *p, struct line *l);
void peer_down(struct peer *p, const char *why);	/* its channels are the line's */

/* --- greeting.c --- */

struct ws_listener *greeting_listen(struct peers *ps, struct err *err);
struct line *line_dial(struct node *n, struct peer *p, const struct ws_settings *s, struct err *err);
/* Ends one at once, whatever its state; its peer forgets it by itself. */
void line_drop(struct line *l);
