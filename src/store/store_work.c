/* SPDX-License-Identifier: MIT */
#include "store/store_internal.h"

#include "store/prepare.h"
#include "store/schema.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

enum {
	GROUP_BYTES = 16 * 1024 * 1024,	/* what one transaction takes at most */
	GROUP_BATCHES = 4096,
	AGAIN_MIN_MS = 100, AGAIN_MAX_MS = 10000,
	TEND_EVERY_MS = 600000, TEND_SOON_MS = 1000,
	TRIES_TOGETHER = 2,		/* then every node of a group is tried by itself */
	TRIES_ALONE = 5,		/* of a batch, before its rows go to quarantine */
	UNPROVEN_MAX = 2,		/* nodes that fail in a row while nobody else's batches are stored: it is the database then */
};

static int64_t
mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t
real_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
tell(struct store *s)
{
	eventfd_write(s->news_fd, 1);
}

static void
set_why(struct store *s, const struct err *why)
{
	pthread_mutex_lock(&s->lock);
	if (why != NULL)
		s->why = *why;
	else
		s->why.msg[0] = '\0';
	s->counts.failures += why != NULL;
	s->known = true;
	pthread_mutex_unlock(&s->lock);
	tell(s);
}

/* Without memory it is not told. */
static void
tell_trouble(struct store *s, const char *node, const struct err *why)
{
	struct trouble *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return;
	snprintf(t->node, sizeof(t->node), "%s", node);
	if (why != NULL)
		t->why = *why;
	pthread_mutex_lock(&s->lock);
	*s->troubles_end = t;
	s->troubles_end = &t->next;
	pthread_mutex_unlock(&s->lock);
	tell(s);
}

/* Waits before the next attempt. */
static void
failed(struct store *s, const struct err *why)
{
	struct pollfd p = { .fd = s->stop_fd, .events = POLLIN };

	set_why(s, why);
	s->unsure = true;
	s->is_open = false;
	s->again_ms = s->again_ms == 0 ? AGAIN_MIN_MS : s->again_ms * 2 > AGAIN_MAX_MS ? AGAIN_MAX_MS : s->again_ms * 2;
	poll(&p, 1, (int)s->again_ms);
}

static int
open_again(struct store *s, struct err *err)
{
	int64_t newest_us = 0;

	if (s->ops->open(s->backend, &newest_us, err) < 0)
		return -1;
	s->is_open = true;
	s->tend_at_ms = 0;
	pthread_mutex_lock(&s->lock);
	s->newest_us = newest_us;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int
do_marks(struct store *s, struct err *err)
{
	struct mark **end;
	int result;

	pthread_mutex_lock(&s->lock);
	s->asked = s->marks;
	s->marks = NULL;
	pthread_mutex_unlock(&s->lock);
	if (s->asked == NULL)
		return 0;
	result = s->ops->marks(s->backend, s->asked, err);
	pthread_mutex_lock(&s->lock);
	if (result < 0)
		store_marks_drop(&s->asked);
	for (end = result < 0 ? &s->marks : &s->marked; *end != NULL; end = &(*end)->next)
		;
	*end = s->asked;
	s->asked = NULL;
	pthread_mutex_unlock(&s->lock);
	if (result == 0)
		tell(s);
	return result;
}

/* Batches go on where room ahead cannot be made, or what is old cannot be dropped. */
static int
not_tended(struct store *s, struct err *err)
{
	int r;

	if (!s->untended)
		tell_trouble(s, "", err);
	s->untended = true;
	r = open_again(s, err);
	s->tend_at_ms = mono_ms() + AGAIN_MAX_MS;
	return r;
}

static int
do_tend(struct store *s, struct err *err)
{
	int64_t real_us = real_now_us(), oldest;
	bool more = false;

	if (mono_ms() < s->tend_at_ms)
		return 0;
	pthread_mutex_lock(&s->lock);
	oldest = store_oldest_day(s, real_us);
	pthread_mutex_unlock(&s->lock);
	if (s->ops->tend(s->backend, schema_day(real_us), oldest, &more, err) < 0)
		return not_tended(s, err);
	if (s->untended)
		tell_trouble(s, "", NULL);
	s->untended = false;
	s->tend_at_ms = mono_ms() + (more ? TEND_SOON_MS : TEND_EVERY_MS);
	return 0;
}

static void
take_group(struct store *s)
{
	size_t bytes = 0, count = 0;
	struct store_batch *b;
	struct held *h;

	if (s->group.first != NULL)
		return;
	pthread_mutex_lock(&s->lock);
	while (bytes < GROUP_BYTES && count < GROUP_BATCHES && (b = store_list_take(&s->queue)) != NULL) {
		h = held_find(s->held, b->node);
		if (h != NULL) {
			held_put(h, b);
			continue;
		}
		bytes += b->bytes;
		count++;
		store_list_add(&s->group, b);
	}
	pthread_mutex_unlock(&s->lock);
}

static struct mark *
mark_of(struct mark *list, const struct store_batch *b)
{
	while (list != NULL && (list->epoch != b->epoch || strcmp(list->node, b->node) != 0))
		list = list->next;
	return list;
}

/* What of them the database has. */
static int
list_marks(struct store *s, const struct store_list *l, struct mark **list, struct err *err)
{
	struct store_batch *b;
	struct mark *m;

	for (b = l->first; b != NULL; b = b->next) {
		if (mark_of(*list, b) != NULL)
			continue;
		m = store_mark_new(b->node, b->epoch, NULL);
		if (m == NULL)
			return err_set(err, ENOMEM, "the numbers of what is stored");
		m->next = *list;
		*list = m;
	}
	return *list ? s->ops->marks(s->backend, *list, err) : 0;
}

static void
finish(struct store *s, struct store_list *l)
{
	struct store_batch *b;

	pthread_mutex_lock(&s->lock);
	while ((b = store_list_take(l)) != NULL) {
		s->counts.batches++;
		s->counts.repeated += b->repeated;
		if (!b->repeated) {
			s->counts.rows += b->rows.rows;
			s->counts.quarantined += b->refused;
			s->counts.gaps += b->gaps.rows;
			if (b->table != NULL)
				s->stored[b->table->index]++;
			if (b->ts_us > s->newest_us)
				s->newest_us = b->ts_us;
		}
		store_list_add(&s->done, b);
	}
	pthread_mutex_unlock(&s->lock);
	tell(s);
}

/* Less than there was: it is another database, or one that lost what it had. */
static void
miss(struct mark *m, struct store_batch *b)
{
	uint64_t last = b->told != 0 && b->told <= b->previous ? b->told - 1 : b->previous;

	if (m->seq < b->previous && (m->seq >= last || store_batch_gap(b, m->seq + 1, last, "unknown") == 0))
		m->seq = b->previous;
}

/* After a failure, of which nobody knows how far it came, what has been stored is taken out of the list. */
static int
make_sure(struct store *s, struct store_list *l, struct err *err)
{
	struct store_list again, stored;
	struct mark *marks = NULL, *m;
	struct store_batch *b;

	if (list_marks(s, l, &marks, err) < 0) {
		store_marks_free(marks);
		return -1;
	}
	store_list_init(&again);
	store_list_init(&stored);
	while ((b = store_list_take(l)) != NULL) {
		m = mark_of(marks, b);
		b->repeated = b->seq <= m->seq;
		miss(m, b);
		if (!b->repeated)
			m->seq = b->seq;
		store_list_add(b->repeated ? &stored : &again, b);
	}
	while ((b = store_list_take(&again)) != NULL)
		store_list_add(l, b);
	store_marks_free(marks);
	if (stored.first != NULL)
		finish(s, &stored);
	return 0;
}

/* One transaction: batches up to and without `end`. */
static int
write_list(struct store *s, struct store_list *l, const struct store_batch *end, struct err *err)
{
	struct store_batch *b, *last, *rest;
	struct store_list written;
	int r;

	if (l->first == NULL)
		return 0;
	for (last = l->first; last->next != end; last = last->next)
		;
	rest = last->next;
	last->next = NULL;
	r = s->ops->write(s->backend, l->first, real_now_us(), err);
	last->next = rest;
	if (r < 0)
		return -1;
	store_list_init(&written);
	do
		store_list_add(&written, b = store_list_take(l));
	while (b != last);
	pthread_mutex_lock(&s->lock);
	s->counts.commits++;
	pthread_mutex_unlock(&s->lock);
	finish(s, &written);
	return 0;
}

static int
do_group(struct store *s, struct err *err)
{
	take_group(s);
	if (s->group.first == NULL)
		return 0;
	if (s->unsure && make_sure(s, &s->group, err) < 0)
		return -1;
	s->unsure = false;
	if (write_list(s, &s->group, NULL, err) == 0) {
		s->tries = 0;
		return 0;
	}
	if (++s->tries < TRIES_TOGETHER)
		return -1;
	s->tries = 0;
	s->is_open = false;
	return held_add(&s->held, &s->group, s->counts.commits) < 0 ? err_set(err, ENOMEM, "batches that are set apart") : 0;
}

static bool
stopping(struct store *s)
{
	bool stop;

	pthread_mutex_lock(&s->lock);
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return stop;
}

/* --- Nodes of which something is not taken ----------------------------------- */

/* Since it was set apart others' batches were stored: it is not the database. */
static bool
proven(const struct store *s, const struct held *h)
{
	return s->counts.commits > h->commits;
}

static struct held *
due(const struct store *s)
{
	struct held *h;
	int64_t now_ms = mono_ms();

	for (h = s->held; h != NULL && h->due_ms > now_ms && proven(s, h); h = h->next)
		;
	return h;
}

/* It was tried often enough, and what is wrong is nothing of which others suffer, too. */
static bool
is_to_go_aside(const struct store *s, const struct held *h, const struct store_batch *b)
{
	if (b->table == NULL || h->attempts == 0 || h->blame == BLAME_NOTHING)
		return false;
	if (h->blame == BLAME_STATEMENT && !b->table->custom && s->stored[b->table->index] == h->stored)
		return false;
	return h->attempts >= TRIES_ALONE || strcmp(h->why.msg, h->known) == 0;
}

static int
attempt(struct store *s, struct held *h, struct err *err)
{
	struct store_batch *b;

	if (make_sure(s, &h->list, err) < 0)
		return -1;
	b = h->list.first;
	if (b == NULL || !h->alone)
		return write_list(s, &h->list, NULL, err);
	if (h->attempts == 0)
		h->stored = b->table ? s->stored[b->table->index] : 0;
	if (is_to_go_aside(s, h, b)) {
		memcpy(h->known, h->why.msg, sizeof(h->known));
		if (prepare_aside(b, real_now_us(), h->why.msg) < 0)
			return err_set(err, ENOMEM, "rows for quarantine");
	}
	h->attempts++;
	return write_list(s, &h->list, b->next, err);
}

static void
taken(struct store *s, struct held *h)
{
	held_release(s->held, h);
	if (h->list.first != NULL) {
		h->alone = false;
		h->attempts = 0;
		h->again_ms = h->due_ms = 0;
		return;
	}
	if (h->told)
		tell_trouble(s, h->node, NULL);
	held_remove(&s->held, h);
}

static void
not_taken(struct store *s, struct held *h, const struct err *why)
{
	bool same = h->told && strcmp(h->why.msg, why->msg) == 0;

	h->alone = true;
	h->blame = s->ops->blame(s->backend);
	held_wait(&s->held, h, why, mono_ms());
	if (!proven(s, h) || same)
		return;
	h->told = true;
	tell_trouble(s, h->node, why);
}

/* Each in turn, so that one that is never taken holds up itself alone. */
static int
do_held(struct store *s, struct err *err)
{
	struct held *h, *first = NULL;
	unsigned unproven = 0;

	while (!stopping(s) && (h = due(s)) != NULL && h != first && unproven < UNPROVEN_MAX) {
		if (!s->is_open && open_again(s, err) < 0)
			return -1;
		if (attempt(s, h, err) == 0) {
			taken(s, h);
			unproven = 0;
			first = NULL;
			continue;
		}
		s->is_open = false;
		not_taken(s, h, err);
		unproven += !proven(s, h);
		if (first == NULL)
			first = h;
	}
	return unproven > 0 ? -1 : 0;
}

/* Until there is something to do. */
static bool
wait_for_work(struct store *s)
{
	int64_t held_ms = held_due(s->held), until_ms = held_ms < s->tend_at_ms ? held_ms : s->tend_at_ms;
	struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };
	bool stop;

	pthread_mutex_lock(&s->lock);
	while (!s->stop && s->queue.first == NULL && s->marks == NULL && mono_ms() < until_ms)
		pthread_cond_timedwait(&s->work, &s->lock, &until);
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return !stop;
}

static int
step(struct store *s, struct err *err)
{
	if ((!s->is_open && open_again(s, err) < 0) || do_marks(s, err) < 0 || do_tend(s, err) < 0 || do_group(s, err) < 0 ||
	    do_held(s, err) < 0)
		return -1;
	if (s->again_ms != 0 || !s->known) {
		s->again_ms = 0;
		set_why(s, NULL);
	}
	return 0;
}

void *
store_work(void *arg)
{
	struct store *s = arg;
	struct err err;

	while (!stopping(s)) {
		if (step(s, &err) < 0)
			failed(s, &err);
		else if (!wait_for_work(s))
			break;
	}
	s->ops->close(s->backend);
	return NULL;
}
