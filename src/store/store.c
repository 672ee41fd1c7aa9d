/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include "base/cleanup.h"
#include "store/backend.h"
#include "store/prepare.h"
#include "store/schema.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

enum {
	GROUP_BYTES = 16 * 1024 * 1024,	/* what one transaction takes at most */
	GROUP_BATCHES = 4096,
	AGAIN_MIN_MS = 100, AGAIN_MAX_MS = 10000,
	TEND_EVERY_MS = 600000, TEND_SOON_MS = 1000,
};

struct list {
	struct store_batch *first, **end;
};

struct store {
	const struct store_handler *h;
	void *arg;
	const struct backend_ops *ops;
	struct backend *backend;
	struct catalog *catalog;
	struct buf scratch;
	int64_t retention_ms;
	int news_fd, stop_fd;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t work;
	/* under lock */
	bool stop;
	bool known;			/* how the database is; why.msg empty: well */
	struct err why;
	struct list queue, done;
	struct mark *marks, *asked, *marked;	/* to ask for; being asked for; to be handed out */
	size_t pending;
	int64_t newest_us;
	struct store_counts counts;
	/* the thread's */
	bool is_open, unsure;		/* unsure: some of the group may have been stored */
	struct list group;
	int64_t again_ms, tend_at_ms;
	/* the caller's */
	bool told_any;
	char told[sizeof(((struct err *)0)->msg)];	/* what health() was told last */
};

static void
list_init(struct list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

static void
list_add(struct list *l, struct store_batch *b)
{
	b->next = NULL;
	*l->end = b;
	l->end = &b->next;
}

static struct store_batch *
list_take(struct list *l)
{
	struct store_batch *b = l->first;

	if (b == NULL)
		return NULL;
	l->first = b->next;
	if (l->first == NULL)
		l->end = &l->first;
	return b;
}

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

/* The first day that is kept.  Neither a clock that runs ahead here nor one that does elsewhere makes anything old. */
static int64_t
oldest_day(const struct store *s, int64_t real_us)
{
	int64_t now_us = s->newest_us != 0 && s->newest_us < real_us ? s->newest_us : real_us;

	return s->retention_ms == 0 ? INT64_MIN : schema_day(now_us - s->retention_ms * 1000);
}

/* --- The thread ------------------------------------------------------------- */

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

/* Who asked is gone: while the database is, too, they would become more and more. */
static void
drop_unwanted(struct mark **list)
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
		drop_unwanted(&s->asked);
	for (end = result < 0 ? &s->marks : &s->marked; *end != NULL; end = &(*end)->next)
		;
	*end = s->asked;
	s->asked = NULL;
	pthread_mutex_unlock(&s->lock);
	if (result == 0)
		tell(s);
	return result;
}

static int
do_tend(struct store *s, struct err *err)
{
	int64_t real_us = real_now_us(), oldest;
	bool more = false;

	if (mono_ms() < s->tend_at_ms)
		return 0;
	pthread_mutex_lock(&s->lock);
	oldest = oldest_day(s, real_us);
	pthread_mutex_unlock(&s->lock);
	if (s->ops->tend(s->backend, schema_day(real_us), oldest, &more, err) < 0)
		return -1;
	s->tend_at_ms = mono_ms() + (more ? TEND_SOON_MS : TEND_EVERY_MS);
	return 0;
}

static void
take_group(struct store *s)
{
	size_t bytes = 0, count = 0;
	struct store_batch *b;

	if (s->group.first != NULL)
		return;
	pthread_mutex_lock(&s->lock);
	while (bytes < GROUP_BYTES && count < GROUP_BATCHES && (b = list_take(&s->queue)) != NULL) {
		bytes += b->bytes;
		count++;
		list_add(&s->group, b);
	}
	pthread_mutex_unlock(&s->lock);
}

static struct mark *
mark_new(const char *node, uint64_t epoch, void *tag)
{
	size_t len = strlen(node) + 1;
	struct mark *m = malloc(sizeof(*m) + len);

	if (m == NULL)
		return NULL;
	*m = (struct mark){ .tag = tag, .epoch = epoch };
	memcpy(m->node, node, len);
	return m;
}

static struct mark *
mark_of(struct mark *list, const struct store_batch *b)
{
	while (list != NULL && (list->epoch != b->epoch || strcmp(list->node, b->node) != 0))
		list = list->next;
	return list;
}

static void
free_marks(struct mark *list)
{
	struct mark *next;

	for (; list != NULL; list = next) {
		next = list->next;
		free(list);
	}
}

/* What of the group the database has. */
static int
group_marks(struct store *s, struct mark **list, struct err *err)
{
	struct store_batch *b;
	struct mark *m;

	for (b = s->group.first; b != NULL; b = b->next) {
		if (mark_of(*list, b) != NULL)
			continue;
		m = mark_new(b->node, b->epoch, NULL);
		if (m == NULL)
			return err_set(err, ENOMEM, "the numbers of what is stored");
		m->next = *list;
		*list = m;
	}
	return *list ? s->ops->marks(s->backend, *list, err) : 0;
}

static void
finish(struct store *s, struct list *l)
{
	struct store_batch *b;

	pthread_mutex_lock(&s->lock);
	while ((b = list_take(l)) != NULL) {
		s->counts.batches++;
		s->counts.repeated += b->repeated;
		if (!b->repeated) {
			s->counts.rows += b->rows.rows;
			s->counts.quarantined += b->refused;
			s->counts.gaps += b->gaps.rows;
			if (b->ts_us > s->newest_us)
				s->newest_us = b->ts_us;
		}
		list_add(&s->done, b);
	}
	pthread_mutex_unlock(&s->lock);
	tell(s);
}

/* After a failure, of which nobody knows how far it came, what has been stored is taken out of the group. */
static int
make_sure(struct store *s, struct err *err)
{
	struct list again, stored;
	struct mark *marks = NULL, *m;
	struct store_batch *b;

	if (!s->unsure)
		return 0;
	if (group_marks(s, &marks, err) < 0) {
		free_marks(marks);
		return -1;
	}
	list_init(&again);
	list_init(&stored);
	while ((b = list_take(&s->group)) != NULL) {
		m = mark_of(marks, b);
		b->repeated = b->seq <= m->seq;
		/* Less than there was: it is another database, or one that lost what it had. */
		if (m->seq < b->previous && store_batch_gap(b, m->seq + 1, b->previous, "unknown") == 0)
			m->seq = b->previous;
		if (!b->repeated)
			m->seq = b->seq;
		list_add(b->repeated ? &stored : &again, b);
	}
	while ((b = list_take(&again)) != NULL)
		list_add(&s->group, b);
	free_marks(marks);
	if (stored.first != NULL)
		finish(s, &stored);
	s->unsure = false;
	return 0;
}

static int
do_group(struct store *s, struct err *err)
{
	take_group(s);
	if (s->group.first == NULL)
		return 0;
	if (make_sure(s, err) < 0)
		return -1;
	if (s->group.first == NULL)
		return 0;
	if (s->ops->write(s->backend, s->group.first, real_now_us(), err) < 0)
		return -1;
	pthread_mutex_lock(&s->lock);
	s->counts.commits++;
	pthread_mutex_unlock(&s->lock);
	finish(s, &s->group);
	return 0;
}

/* Until there is something to do. */
static bool
wait_for_work(struct store *s)
{
	struct timespec until = { .tv_sec = s->tend_at_ms / 1000, .tv_nsec = s->tend_at_ms % 1000 * 1000000 };
	bool stop;

	pthread_mutex_lock(&s->lock);
	while (!s->stop && s->queue.first == NULL && s->marks == NULL && mono_ms() < s->tend_at_ms)
		pthread_cond_timedwait(&s->work, &s->lock, &until);
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return !stop;
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

static int
step(struct store *s, struct err *err)
{
	if ((!s->is_open && open_again(s, err) < 0) || do_marks(s, err) < 0 || do_tend(s, err) < 0 || do_group(s, err) < 0)
		return -1;
	if (s->again_ms != 0 || !s->known) {
		s->again_ms = 0;
		set_why(s, NULL);
	}
	return 0;
}

static void *
work(void *arg)
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

/* --- The caller's side ------------------------------------------------------ */

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
	e = pthread_create(&s->thread, NULL, work, s);
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
	list_init(&s->queue);
	list_init(&s->done);
	list_init(&s->group);
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
free_list(struct list *l)
{
	struct store_batch *b;

	while ((b = list_take(l)) != NULL)
		store_batch_free(b);
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
	free_list(&s->queue);
	free_list(&s->group);
	free_list(&s->done);
	free_marks(s->marks);
	free_marks(s->asked);
	free_marks(s->marked);
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
	struct list done;
	struct store_batch *b;

	list_init(&done);
	pthread_mutex_lock(&s->lock);
	while ((b = list_take(&s->done)) != NULL) {
		s->pending -= b->charged;
		list_add(&done, b);
	}
	pthread_mutex_unlock(&s->lock);
	while ((b = list_take(&done)) != NULL) {
		s->h->stored(s->arg, b);
		store_batch_free(b);
	}
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
	oldest = oldest_day(s, real_us);
	pthread_mutex_unlock(&s->lock);
	return prepare_batch(s->catalog, &s->scratch, b, real_us, oldest);
}

void
store_put(struct store *s, struct store_batch *b)
{
	pthread_mutex_lock(&s->lock);
	list_add(&s->queue, b);
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
	struct mark *m = mark_new(node, epoch, tag), **end;

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
	drop_unwanted(&s->marks);
	pthread_mutex_unlock(&s->lock);
}

void
store_counts(struct store *s, struct store_counts *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->counts;
	pthread_mutex_unlock(&s->lock);
}
