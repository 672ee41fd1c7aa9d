/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/u64map.h"
#include "net/ws.h"
#include "node/channel.h"
#include "node/node.h"
#include "wire/record.h"

#include <sys/queue.h>

/*
 * What carries records: a WebSocket to a peer, or two that are tied to each other, for channels of a node with itself.
 * Records of one turn of the loop go out together.  For line.c, channel.c and peers.c; everybody else sees channels.
 */
struct peer;
TAILQ_HEAD(channel_list, channel);

enum { LINE_CHANNELS_MAX = 4096 };	/* that the other end has opened */

enum line_state {
	LINE_DIALLED,			/* by us, there is no WebSocket yet */
	LINE_ASKED,			/* our hello is out */
	LINE_CAME,			/* its hello is awaited */
	LINE_COMPARED,			/* it is seen whether an older one still lives */
	LINE_UP,
	LINE_ENDING,			/* it was told why, nothing else is heard of it */
};

struct line {
	struct node *node;
	struct peer *peer;		/* NULL: of the pair to oneself */
	enum line_state state;
	char instance[33];		/* of the process at the other end */
	struct timer *timer;		/* of the greeting */
	struct ws *ws;
	struct line *twin;		/* of one to oneself: the other end; else NULL */
	bool odd;			/* the numbers of the channels that this end opens: of who has dialled */
	struct u64map by_id;
	struct channel_list channels;
	unsigned offered;		/* of them that the other end has opened */
	uint32_t next_id;
	struct buf out;
	bool dirty;
	TAILQ_ENTRY(line) dirty_entry, greeting_entry;
};

const char *line_peer(const struct line *l);	/* the other end's node; lent */
void line_init(struct line *l, struct node *n, bool odd, struct line *twin);
/* Its channels end: closed() is called where it is due.  why: for people. */
void line_fini(struct line *l, const char *why);
/* Queues a record.  Where there is no memory for it the line fails. */
void line_put(struct line *l, enum record_type type, unsigned stream, uint32_t channel, const void *payload, size_t len);
void line_put_json(struct line *l, enum record_type type, uint32_t channel, const json_t *payload);
void line_put_credit(struct line *l, unsigned stream, uint32_t channel, uint32_t bytes);
/* Gives what is queued to the WebSocket, or to the twin. */
void line_flush(struct line *l);
/* A message of records of channels.  -1: the line has to end, err says why. */
int line_take(struct line *l, const char *data, size_t len, struct err *err);

/* --- channel.c --- */

enum channel_state {
	CHANNEL_WAITING,		/* for a line */
	CHANNEL_ASKED,			/* OPEN is out */
	CHANNEL_OFFERED,		/* a service has to accept or refuse */
	CHANNEL_OPEN,
	CHANNEL_GONE,			/* how says why; whoever has it is told soon, or when it accepts or refuses */
};

struct channel {
	TAILQ_ENTRY(channel) entry;
	struct channel_list *list;
	struct node *node;
	char peer[256];
	struct line *line;
	uint32_t id;
	bool opener;
	enum channel_state state;
	const struct channel_handler *handler;
	void *arg;
	json_t *open;			/* of one that waits: what it asks for */
	json_t *how;			/* of one that is gone */
	struct channel_stream {
		uint32_t room;		/* that the other end gives us */
		uint32_t window;	/* that we give it */
		uint32_t owed;		/* bytes that were used up and not told yet */
		bool finished, ended;	/* our way, its way */
	} streams[CHANNEL_STREAMS];
};

/* The line is there: asks the other end. */
void channel_ask(struct channel *c, struct line *l);
/* It ends without one, or with its line; closed() is called from the loop. */
void channel_lost(struct channel *c, const char *code, const char *why);
/* A record of the line.  -1: err. */
int channel_record(struct line *l, const struct record *r, struct err *err);
/* Tells the users of those that are gone. */
void channels_tell_gone(struct node *n);
void channel_move(struct channel *c, struct channel_list *to);
void channel_free(struct channel *c);
