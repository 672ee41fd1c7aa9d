/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/lines.h"

#include "node/peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
lines_soon(struct lines *ls)
{
	if (!ls->is_soon)
		timer_at(ls->soon, clock_mono_ms());
	ls->is_soon = true;
}

/* Lines that get something to say meanwhile wait until others had their turn. */
static void
flush_all(void *arg)
{
	struct lines *ls = arg;
	struct line *l;
	unsigned n = 0;

	ls->is_soon = false;
	TAILQ_FOREACH(l, &ls->dirty, dirty_entry)
		n++;
	for (; n > 0 && (l = TAILQ_FIRST(&ls->dirty)) != NULL; n--) {
		TAILQ_REMOVE(&ls->dirty, l, dirty_entry);
		l->dirty = false;
		line_flush(l);
		if (l->ws != NULL)
			ws_push(l->ws);
	}
	channels_tell_gone(ls->node);
}

void
lines_answer(struct lines *ls, struct line *l)
{
	if (!l->dirty)
		return;
	TAILQ_REMOVE(&ls->dirty, l, dirty_entry);
	l->dirty = false;
	line_flush(l);
	if (!TAILQ_EMPTY(&ls->dirty) || !TAILQ_EMPTY(&ls->gone))
		return;
	timer_at(ls->soon, 0);
	ls->is_soon = false;
}

void
lines_find_way(struct lines *ls, struct channel *c)
{
	if (strcmp(c->peer, ls->node->name) == 0)
		channel_ask(c, &ls->own[0]);
	else
		peers_find_way(ls->peers, c);
}

struct lines *
lines_new(struct node *n, struct err *err)
{
	struct lines *ls = calloc(1, sizeof(*ls));

	if (ls == NULL || (ls->soon = timer_new(n->loop, flush_all, ls)) == NULL) {
		free(ls);
		err_set(err, ENOMEM, "links");
		return NULL;
	}
	ls->node = n;
	TAILQ_INIT(&ls->dirty);
	TAILQ_INIT(&ls->gone);
	line_init(&ls->own[0], n, true, &ls->own[1]);
	line_init(&ls->own[1], n, false, &ls->own[0]);
	n->lines = ls;
	ls->peers = peers_new(n, err);
	if (ls->peers != NULL)
		return ls;
	lines_free(ls);
	return NULL;
}

void
lines_free(struct lines *ls)
{
	struct channel *c;

	if (ls == NULL)
		return;
	peers_free(ls->peers);
	line_fini(&ls->own[0], "the node ends");
	line_fini(&ls->own[1], "the node ends");
	channels_tell_gone(ls->node);
	while ((c = TAILQ_FIRST(&ls->gone)) != NULL)
		channel_free(c);
	timer_free(ls->soon);
	free(ls);
}
