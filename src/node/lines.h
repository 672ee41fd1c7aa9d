/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/line.h"

/* All ways to others, and the one to oneself. */
struct peers;

struct lines {
	struct node *node;
	struct line own[2];
	TAILQ_HEAD(, line) dirty;	/* something is queued */
	struct channel_list gone;	/* channels whose users must be told, or that a service still looks at */
	struct timer *soon;		/* flushes, and tells */
	bool is_soon;
	struct peers *peers;
};

struct lines *lines_new(struct node *n, struct err *err);	/* listens, too */
void lines_free(struct lines *ls);	/* NULL is fine */
/* A channel of ours to the node that it names: asks there, now or when there is a line, or loses it. */
void lines_find_way(struct lines *ls, struct channel *c);
/* Something has to be done in this turn of the loop. */
void lines_soon(struct lines *ls);
/* What was queued while a message of that line was taken goes out now; if that is all there was to do, nothing is left for soon. */
void lines_answer(struct lines *ls, struct line *l);
