/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "consumer/consumer.h"

#include "base/log.h"
#include "sys/alarm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLOSE_GOING = 1001, CLOSE_PROTOCOL = 1002, CLOSE_POLICY = 1008, CLOSE_LATER = 1013, QUEUED_MAX = 64 * 1024,
	TURN_BYTES = 64 * 1024,		/* what one is expected to bring when it may go on */
	TURN_MS = 20 };

/* --- Answers ---------------------------------------------------------------- */

static void
answer(struct peer *p, const char *type, uint64_t seq)
{
	char text[96];
	int n = snprintf(text, sizeof(text), "{\"type\":\"%s\",\"epoch\":%" PRIu64 ",\"seq\":%" PRIu64 "}", type, p->source->epoch, seq);

	if (ws_send(p->ws, text, (size_t)n) < 0)
		ws_close(p->ws, CLOSE_LATER, "no memory");
}

static void
resume(struct peer *p)
{
	p->resumed = true;
	p->acked = p->source->stored;
	answer(p, "resume", p->source->stored);
}

static void
make_dirty(struct consumer *c, struct source *src)
{
	if (src->dirty)
		return;
	src->dirty = true;
	src->next_dirty = c->dirty;
	c->dirty = src;
}

/* One acknowledgement for all that was committed together. */
static void
acknowledge(struct consumer *c)
{
	struct source *src;

	while ((src = c->dirty) != NULL) {
		c->dirty = src->next_dirty;
		src->dirty = false;
		if (src->peer != NULL && src->peer->resumed && ws_queued(src->peer->ws) < QUEUED_MAX) {
			src->peer->acked = src->stored;
			answer(src->peer, "ack", src->stored);
		} else if (src->peer == NULL && src->batches == 0)
			source_drop(&c->sources, src);
	}
}

/* --- Who has to wait -------------------------------------------------------- */

static void
pause_peer(struct peer *p)
{
	if (p->paused)
		return;
	p->paused = true;
	ws_read(p->ws, false);
	p->next_paused = NULL;
	*p->c->paused_end = p;
	p->c->paused_end = &p->next_paused;
}

static void
unlink_paused(struct peer *p)
{
	struct peer **at;

	if (!p->paused)
		return;
	for (at = &p->c->paused; *at != p; at = &(*at)->next_paused)
		;
	*at = p->next_paused;
	if (*at == NULL)
		p->c->paused_end = at;
	p->paused = false;
}

static void
pause_all(struct consumer *c)
{
	struct peer *p;

	c->full = true;
	for (p = c->peers; p != NULL; p = p->next)
		pause_peer(p);
}

/*
 * As many as there is room for, so that the next time it is full those still wait first who have not had their turn: were all let go at once,
 * the same ones would fill it again.
 */
static void
let_go_on(struct consumer *c)
{
	size_t pending = store_pending_bytes(c->store);
	struct peer *p, *next;

	if (c->full && pending > c->memory / 2)
		return;
	c->full = false;
	for (p = c->paused; p != NULL && pending + TURN_BYTES <= c->memory; p = next) {
		next = p->next_paused;
		if (p->source != NULL && p->source->bytes > PEER_BYTES / 2)
			continue;
		unlink_paused(p);
		ws_read(p->ws, true);
		pending += TURN_BYTES;
	}
	/* Who was let go may have nothing to bring. */
	if (c->paused != NULL)
		timer_at(c->turn, clock_mono_ms() + TURN_MS);
}

static void
next_turn(void *arg)
{
	let_go_on(arg);
}

/* --- Batches ---------------------------------------------------------------- */

static void
refuse(struct peer *p, unsigned code, const char *why)
{
	p->c->bad_frames++;
	log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "producer %s at %s: %s", ws_peer_node(p->ws), ws_peer_address(p->ws), why);
	ws_close(p->ws, code, why);
}

/* NULL: it may be stored. */
static const char *
objection(const struct peer *p, const struct batch *b)
{
	if (strlen(p->source->node) != b->node.text.len || memcmp(p->source->node, b->node.text.data, b->node.text.len) != 0)
		return "a batch of another node";
	if (p->source->epoch != b->epoch)
		return "a batch of another epoch";
	return NULL;
}

static void
store_it(struct peer *p, const struct batch *b)
{
	struct consumer *c = p->c;
	struct source *src = p->source;
	struct store_batch *sb = store_prepare(c->store, b, clock_real_us());

	if (sb != NULL && b->seq > src->queued + 1 && store_batch_gap(sb, src->queued + 1, b->seq - 1, "unknown") < 0) {
		store_batch_free(sb);
		sb = NULL;
	}
	if (sb == NULL) {
		ws_close(p->ws, CLOSE_LATER, "no memory");
		return;
	}
	sb->owner = src;
	sb->previous = b->seq - 1;
	src->queued = b->seq;
	src->batches++;
	src->bytes += sb->bytes;
	store_put(c->store, sb);
	if (src->bytes > PEER_BYTES)
		pause_peer(p);
	if (store_pending_bytes(c->store) > c->memory)
		pause_all(c);
}

static void
got_text(void *arg, struct ws *w, const char *data, size_t len)
{
	struct peer *p = arg;
	struct consumer *c = p->c;
	const char *why;
	struct err err;

	(void)w;
	if (p == NULL || p->source == NULL)
		return;
	if (!p->resumed) {
		refuse(p, CLOSE_PROTOCOL, "a batch before the consumer said where to go on");
		return;
	}
	if (batch_read(&c->batch, data, len, &err) < 0) {
		refuse(p, CLOSE_PROTOCOL, err.msg);
		return;
	}
	why = objection(p, &c->batch);
	if (why != NULL) {
		refuse(p, CLOSE_PROTOCOL, why);
		return;
	}
	c->received++;
	c->received_bytes += len;
	if (c->batch.seq <= p->source->queued) {
		c->repeats++;
		if (c->batch.seq <= p->source->stored)
			make_dirty(c, p->source);
		acknowledge(c);
		return;
	}
	seen_batch(c->seen, &c->batch, clock_mono_ms());
	store_it(p, &c->batch);
}

/* --- Connections ------------------------------------------------------------ */

/* A producer that comes again has left its old connection, whatever that one looks like. */
static void
take_place(struct peer *p, struct source *src)
{
	struct peer *old = src->peer;

	if (old != NULL) {
		old->source = NULL;
		ws_close(old->ws, CLOSE_POLICY, "the same producer connected again");
	}
	src->peer = p;
	p->source = src;
}

static void *
opened(void *arg, struct ws *w)
{
	struct consumer *c = arg;
	struct peer *p = calloc(1, sizeof(*p));
	const char *node = ws_peer_node(w);
	struct source *src;

	if (p == NULL) {
		ws_close(w, CLOSE_LATER, "no memory");
		return NULL;
	}
	p->c = c;
	p->ws = w;
	p->next = c->peers;
	if (p->next != NULL)
		p->next->previous = p;
	c->peers = p;
	c->connections++;
	c->opened++;
	if (*node == '\0' || strlen(node) > NODE_NAME_MAX || ws_peer_epoch(w) == 0 || ws_peer_epoch(w) > INT64_MAX) {
		refuse(p, CLOSE_POLICY, "a node's name or an epoch that no database takes");
		return p;
	}
	src = source_get(&c->sources, node, ws_peer_epoch(w));
	if (src == NULL) {
		ws_close(w, CLOSE_LATER, "no memory");
		return p;
	}
	take_place(p, src);
	log_write(LOG_MONITOR, LOG_LEVEL_INFO, "producer %s connected from %s", node, ws_peer_address(w));
	if (c->full)
		pause_peer(p);
	if (src->known)
		resume(p);
	else if (!src->asked && (src->asked = store_mark(c->store, src->node, src->epoch, src) == 0) == false)
		ws_close(w, CLOSE_LATER, "no memory");
	return p;
}

static void
forget_peer(struct peer *p)
{
	struct consumer *c = p->c;

	unlink_paused(p);
	if (p->previous != NULL)
		p->previous->next = p->next;
	else
		c->peers = p->next;
	if (p->next != NULL)
		p->next->previous = p->previous;
	c->connections--;
	free(p);
}

static void
closed(void *arg, struct ws *w, const char *why)
{
	struct peer *p = arg;
	struct source *src;

	if (p == NULL)
		return;
	log_write(LOG_MONITOR, LOG_LEVEL_INFO, "producer %s at %s: %s", ws_peer_node(w), ws_peer_address(w), why);
	src = p->source;
	if (src != NULL) {
		src->peer = NULL;
		if (src->asked && !src->known) {
			store_unmark(p->c->store, src);
			src->asked = false;
		}
		if (src->batches == 0 && !src->dirty)
			source_drop(&p->c->sources, src);
	}
	forget_peer(p);
}

/* It reads again: what it missed meanwhile is told. */
static void
drained(void *arg, struct ws *w)
{
	struct peer *p = arg;

	(void)w;
	if (p == NULL || p->source == NULL || p->acked >= p->source->stored)
		return;
	make_dirty(p->c, p->source);
	acknowledge(p->c);
}

static void
refused(void *arg, const char *address, const char *why, bool at_fault)
{
	struct consumer *c = arg;

	(void)at_fault;
	c->refused++;
	log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "turned away %s: %s", address, why);
}

/* --- The store -------------------------------------------------------------- */

static void
marked(void *arg, void *tag, uint64_t seq)
{
	struct source *src = tag;

	(void)arg;
	src->known = true;
	src->stored = src->queued = seq;
	if (src->peer != NULL)
		resume(src->peer);
}

static void
stored(void *arg, struct store_batch *b)
{
	struct consumer *c = arg;
	struct source *src = b->owner;

	src->batches--;
	src->bytes -= b->charged;
	src->stored = b->seq;
	c->lag_us = clock_real_us() - b->ts_us;
	if (b->refused > 0)
		log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "%" PRIu64 " rows of %s from %s, batch %" PRIu64 ", went to table quarantine", b->refused,
			  b->type, b->node, b->seq);
	make_dirty(c, src);
}

static void
trouble(void *arg, const char *node, const char *why)
{
	(void)arg;
	if (node == NULL && why != NULL)
		alarm_raise("the database cannot be tended, batches go on: %s", why);
	else if (node == NULL)
		log_write(LOG_MONITOR, LOG_LEVEL_INFO, "the database is tended again");
	else if (why != NULL)
		alarm_raise("what %s sends is not taken and waits, the others go on: %s", node, why);
	else
		log_write(LOG_MONITOR, LOG_LEVEL_INFO, "what %s sends is taken again", node);
}

static void
health(void *arg, const char *why)
{
	struct consumer *c = arg;

	if (why != NULL) {
		alarm_raise("the database takes nothing: %s", why);
		alarm_status("the database takes nothing: %s", why);
	} else {
		log_write(LOG_MONITOR, LOG_LEVEL_INFO, "the database takes batches");
		alarm_status("taking batches");
	}
	c->well = why == NULL;
}

static void
store_has_news(void *arg, int what)
{
	struct consumer *c = arg;

	(void)what;
	store_step(c->store);
	acknowledge(c);
	let_go_on(c);
}

/* --- */

int
consumer_start(struct consumer *c, struct loop *l, const struct ws_settings *ws, const struct store_settings *store, size_t memory,
	       struct err *err)
{
	static const struct ws_handler peers = { .opened = opened, .text = got_text, .drained = drained, .closed = closed, .refused = refused };
	static const struct store_handler stores = { .marked = marked, .stored = stored, .trouble = trouble, .health = health };

	c->loop = l;
	c->memory = memory;
	c->paused_end = &c->paused;
	c->seen = seen_new();
	c->turn = timer_new(l, next_turn, c);
	if (c->seen == NULL || c->turn == NULL)
		return err_set(err, ENOMEM, "a consumer");
	c->listener = ws_listen(l, ws, &peers, c, err);
	if (c->listener == NULL)
		return -1;
	c->store = store_new(store, &stores, c, err);
	if (c->store == NULL)
		return -1;
	c->store_watch = watch_new(l, store_fd(c->store), LOOP_READ, store_has_news, c);
	return c->store_watch ? 0 : err_set(err, ENOMEM, "the store");
}

void
consumer_leave(struct consumer *c)
{
	struct peer *p;

	ws_listener_free(c->listener);
	c->listener = NULL;
	for (p = c->peers; p != NULL; p = p->next)
		ws_close(p->ws, CLOSE_GOING, "the consumer ends");
}

void
consumer_stop(struct consumer *c)
{
	while (c->peers != NULL) {
		ws_drop(c->peers->ws);
		forget_peer(c->peers);
	}
	ws_listener_free(c->listener);
	watch_free(c->store_watch);
	timer_free(c->turn);
	store_free(c->store);
	seen_free(c->seen);
	sources_free(&c->sources);
	batch_free(&c->batch);
}
