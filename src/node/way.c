/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/way.h"

#include <string.h>

/* appctld takes 200 connections of a user. */
enum { WAYS_MAX = 160, WAYS_OF_PEER_MAX = 64 };

/* peer NULL: of all. */
static unsigned
count(const struct node *n, const char *to, const char *peer)
{
	const struct way *w;
	unsigned found = 0;

	for (w = n->ways; w != NULL; w = w->next)
		found += strcmp(w->to, to) == 0 && (peer == NULL || strcmp(channel_peer(w->channel), peer) == 0);
	return found;
}

bool
way_is_free(const struct node *n, struct channel *c, const char *to)
{
	if (count(n, to, NULL) < WAYS_MAX && count(n, to, channel_peer(c)) < WAYS_OF_PEER_MAX)
		return true;
	channel_refuse(c, "busy", "too many connections to %s from other nodes (at most %d, %d from one)", to, WAYS_MAX, WAYS_OF_PEER_MAX);
	return false;
}

void
way_take(struct node *n, struct way *w, const struct channel *c, const char *to)
{
	*w = (struct way){ .next = n->ways, .back = &n->ways, .channel = c, .to = to };
	if (w->next != NULL)
		w->next->back = &w->next;
	n->ways = w;
}

void
way_leave(struct way *w)
{
	if (w->back == NULL)
		return;
	*w->back = w->next;
	if (w->next != NULL)
		w->next->back = w->back;
	*w = (struct way){ 0 };
}
