/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "consumer/seen.h"
#include "consumer/source.h"
#include "loop/loop.h"
#include "net/ws.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Takes what producers send and gives it to the store; acknowledges what is committed.
 *
 * Memory is bounded twice: one producer may have PEER_BYTES on their way to the database, all together `memory`.  Who is beyond is not read from
 * until there is room again, in the order in which they had to stop; the kernel and the producer's spool hold the rest.
 */
enum { PEER_BYTES = 1 << 20, NODE_NAME_MAX = 255 };

struct peer {
	struct consumer *c;
	struct ws *ws;
	struct source *source;		/* NULL: another connection took its place */
	bool resumed;
	bool paused;
	uint64_t acked;
	struct peer *next, *previous;	/* of all */
	struct peer *next_paused;
};

struct consumer {
	struct loop *loop;
	struct store *store;
	struct ws_listener *listener;
	struct watch *store_watch;
	struct sources sources;
	struct seen *seen;
	struct batch batch;		/* the one being read, again and again */
	struct peer *peers;
	struct peer *paused, **paused_end;
	struct timer *turn;
	struct source *dirty;
	size_t memory;
	bool well;			/* the database takes batches */
	bool full;			/* nobody is read from */
	/* for /metrics */
	size_t connections;
	uint64_t opened, refused, bad_frames, received, received_bytes, repeats;
	int64_t lag_us;			/* of the latest batch that was stored: how old it was */
};

int consumer_start(struct consumer *c, struct loop *l, const struct ws_settings *ws, const struct store_settings *store, size_t memory,
	struct err *err);
/* Says goodbye to everybody; connections becomes 0 soon. */
void consumer_leave(struct consumer *c);
/* What is being committed is; after that nothing is called any more. */
void consumer_stop(struct consumer *c);
/* What it is doing, in OpenMetrics; its own numbers and the nodes'. */
void consumer_print_metrics(struct consumer *c, struct buf *out);
