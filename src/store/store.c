/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include "base/cleanup.h"
#include "store/prepare.h"
#include "store/schema.h"
#include "store/store_internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/* The first day that is kept.  Neither a clock that runs ahead here nor one that does elsewhere makes anything old. */
int64_t
store_oldest_day(const struct store *s, int64_t real_us)
{
	int64_t now_us = s->newest_us != 0 && s->newest_us < real_us ? s->newest_us : real_us;

	return s->retention_ms == 0 ? INT64_MIN : schema_day(now_us - s->retention_ms * 1000);
}

/* Who asked is gone: while the database is, too, they would become more and more. */
void
store_marks_drop(struct mark **list)
{
	struct mark *m;

	while ((m = *list) != NULL) {
		if (m->tag != NULL) {
			list = &m->next;
			continue;
		}
		*list = m->next;
		free(m);
	}
}

struct mark *
store_mark_new(const char *node, uint64_t epoch, void *tag)
{
	size_t len = strlen(node) + 1;
	struct mark *m = malloc(sizeof(*m) + len);

	if (m == NULL)
		return NULL;
	*m = (struct mark){ .tag = tag, .epoch = epoch };
	memcpy(m->node, node, len);
	return m;
}

void
store_marks_free(struct mark *list)
{
	struct mark *next;

	for (; list != NULL; list = next) {
		next = list->next;
		free(list);
	}
}

static int
start(struct store *s, struct err *err)
{
	pthread_condattr_t monotonic;
	sigset_t all, before;
	int e;

	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->work, &monotonic);
	pthread_condattr_destroy(&monotonic);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&s->thread, NULL, store_work, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e != 0)
		return err_set(err, e, "a thread for the database");
	s->started = true;
	return 0;
}

struct store *
store_new(const struct store_settings *settings, const struct store_handler *h, void *arg, struct err *err)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		err_set(err, ENOMEM, "the store");
		return NULL;
	}
	s->h = h;
	s->arg = arg;
	s->retention_ms = settings->retention_ms;
	store_list_init(&s->queue);
	store_list_init(&s->done);
	store_list_init(&s->group);
	s->troubles_end = &s->troubles;
	s->ops = settings->database ? &pg_backend : &sqlite_backend;
	s->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->catalog = catalog_new();
	if (s->news_fd < 0 || s->stop_fd < 0 || s->catalog == NULL)
		err_set(err, errno, "the store");
	else if ((s->backend = s->ops->new(settings, s->catalog, s->stop_fd, err)) != NULL && start(s, err) == 0)
		return s;
	store_free(s);
	return NULL;
}

static void
free_troubles(struct trouble *t)
{
	struct trouble *next;

	for (; t != NULL; t = next) {
		next = t->next;
		free(t);
	}
}

void
store_free(struct store *s)
{
	if (s == NULL)
		return;
	if (s->started) {
		pthread_mutex_lock(&s->lock);
		s->stop = true;
		pthread_cond_signal(&s->work);
		pthread_mutex_unlock(&s->lock);
		eventfd_write(s->stop_fd, 1);
		pthread_join(s->thread, NULL);
	}
	if (s->backend != NULL)
		s->ops->free(s->backend);
	store_list_free(&s->queue);
	store_list_free(&s->group);
	store_list_free(&s->done);
	while (s->held != NULL)
		held_remove(&s->held, s->held);
	free_troubles(s->troubles);
	store_marks_free(s->marks);
	store_marks_free(s->asked);
	store_marks_free(s->marked);
	catalog_free(s->catalog);
	buf_free(&s->scratch);
	autoclose_(&s->news_fd);
	autoclose_(&s->stop_fd);
	free(s);
}

int
store_fd(const struct store *s)
{
	return s->news_fd;
}

static void
give_marks(struct store *s)
{
	struct mark *m;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		m = s->marked;
		if (m != NULL)
			s->marked = m->next;
		pthread_mutex_unlock(&s->lock);
		if (m == NULL)
			return;
		if (m->tag != NULL)
			s->h->marked(s->arg, m->tag, m->seq);
		free(m);
	}
}

static void
give_done(struct store *s)
{
	struct store_list done;
	struct store_batch *b;

	store_list_init(&done);
	pthread_mutex_lock(&s->lock);
	while ((b = store_list_take(&s->done)) != NULL) {
		s->pending -= b->charged;
		store_list_add(&done, b);
	}
	pthread_mutex_unlock(&s->lock);
	while ((b = store_list_take(&done)) != NULL) {
		s->h->stored(s->arg, b);
		store_batch_free(b);
	}
}

static void
give_troubles(struct store *s)
{
	struct trouble *all, *t;

	pthread_mutex_lock(&s->lock);
	all = s->troubles;
	s->troubles = NULL;
	s->troubles_end = &s->troubles;
	pthread_mutex_unlock(&s->lock);
	for (t = all; t != NULL; t = t->next)
		s->h->trouble(s->arg, t->node[0] == '\0' ? NULL : t->node, t->why.msg[0] == '\0' ? NULL : t->why.msg);
	free_troubles(all);
}

void
store_step(struct store *s)
{
	eventfd_t ignored;
	struct err why;
	bool known;

	eventfd_read(s->news_fd, &ignored);
	give_marks(s);
	give_done(s);
	give_troubles(s);
	pthread_mutex_lock(&s->lock);
	why = s->why;
	known = s->known;
	pthread_mutex_unlock(&s->lock);
	if (!known || (s->told_any && strcmp(s->told, why.msg) == 0))
		return;
	s->told_any = true;
	memcpy(s->told, why.msg, sizeof(s->told));
	s->h->health(s->arg, why.msg[0] == '\0' ? NULL : s->told);
}

struct store_batch *
store_prepare(struct store *s, const struct batch *b, int64_t real_us)
{
	int64_t oldest;

	pthread_mutex_lock(&s->lock);
	oldest = store_oldest_day(s, real_us);
	pthread_mutex_unlock(&s->lock);
	return prepare_batch(s->catalog, &s->scratch, b, real_us, oldest);
}

void
store_put(struct store *s, struct store_batch *b)
{
	pthread_mutex_lock(&s->lock);
	store_list_add(&s->queue, b);
	b->charged = b->bytes;
	s->pending += b->charged;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}

size_t
store_pending_bytes(const struct store *s)
{
	struct store *unlocked = (struct store *)s;
	size_t n;

	pthread_mutex_lock(&unlocked->lock);
	n = s->pending;
	pthread_mutex_unlock(&unlocked->lock);
	return n;
}

int
store_mark(struct store *s, const char *node, uint64_t epoch, void *tag)
{
	struct mark *m = store_mark_new(node, epoch, tag), **end;

	if (m == NULL)
		return -1;
	pthread_mutex_lock(&s->lock);
	for (end = &s->marks; *end != NULL; end = &(*end)->next)
		;
	*end = m;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

void
store_unmark(struct store *s, const void *tag)
{
	struct mark *m, *lists[3];
	size_t i;

	pthread_mutex_lock(&s->lock);
	lists[0] = s->marks;
	lists[1] = s->asked;
	lists[2] = s->marked;
	for (i = 0; i < 3; i++)
		for (m = lists[i]; m != NULL; m = m->next)
			if (m->tag == tag)
				m->tag = NULL;
	store_marks_drop(&s->marks);
	pthread_mutex_unlock(&s->lock);
}

void
store_counts(struct store *s, struct store_counts *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->counts;
	pthread_mutex_unlock(&s->lock);
}
