/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/allow.h"

#include <jansson.h>
#include <stddef.h>

/*
 * Channels between nodes: everything that is not the link itself goes over them.  One end opens a channel to a service of
 * a node (its own name included), the other accepts or refuses.  A channel has three streams of bytes each way,
 * each with a window, and small objects beside them, all in one order.
 *
 * Before it is accepted, nothing can be written, finished or told.  A link's end closes all of its channels, with the
 * error "unreachable" where the other node cannot have heard of it, else "outcome_unknown".
 *
 * Callbacks come from the loop, never out of a function below, and may call any of them.
 */
struct node;
struct channel;

enum { CHANNEL_WINDOW = 256 * 1024, CHANNEL_STREAMS = 3, CHANNEL_TELL_MAX = 192 * 1024 };

struct channel_handler {
	void (*accepted)(void *arg, struct channel *c, const json_t *reply);	/* opener */
	/* The bytes are lent for the call; channel_took() gives back room for as many, then or later. */
	void (*data)(void *arg, struct channel *c, unsigned stream, const char *data, size_t len);
	void (*ended)(void *arg, struct channel *c, unsigned stream);		/* no more on that stream */
	void (*told)(void *arg, struct channel *c, const json_t *message);
	void (*room)(void *arg, struct channel *c, unsigned stream);		/* more can be written */
	/* c is gone.  how: {} or the closer's; {"error":CODE,"message":…} */
	void (*closed)(void *arg, struct channel *c, const json_t *how);
};
/* Each may be NULL but closed(); what nobody takes is dropped, bytes are taken as used up. */

/* Dials if need be.  Errors come by closed().  NULL: no memory. */
struct channel *channel_open(struct node *n, const char *node, const char *service, json_t *take_args,
			     const struct channel_handler *h, void *arg);
/* The other end, once: accept, or refuse, which ends it without callbacks.  It may have gone meanwhile; closed() tells then. */
void channel_accept(struct channel *c, json_t *take_reply, const struct channel_handler *h, void *arg);
void channel_refuse(struct channel *c, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Another user of an accepted one from here on. */
void channel_set_handler(struct channel *c, const struct channel_handler *h, void *arg);

size_t channel_room(const struct channel *c, unsigned stream);
void channel_write(struct channel *c, unsigned stream, const void *data, size_t len);	/* len ≤ room */
void channel_finish(struct channel *c, unsigned stream);
void channel_tell(struct channel *c, json_t *take);
void channel_took(struct channel *c, unsigned stream, size_t len);
/* What was written goes out before.  No further callbacks; c is gone.  take_how NULL: {}. */
void channel_close(struct channel *c, json_t *take_how);

const char *channel_peer(const struct channel *c);		/* the other end's node; lent */
bool channel_is_local(const struct channel *c);			/* it is this node itself */
const struct allow *channel_allow(const struct channel *c);	/* what that node may do here; lent, for now: a reload changes it */

/* {"error":code,"message":…}, for channel_close(). */
json_t *channel_error(const char *code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
