/* SPDX-License-Identifier: MIT */
#include "job/calls.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	IDLE_MAX = 2,			/* connections that are kept for the next call */
	CONNECT_MS = 2000,
	FDS = 3,
};

struct request {
	struct request *next;
	char *method;
	json_t *params;
	int fds[FDS];			/* owned; -1: none */
	calls_fn *fn;			/* NULL: nobody wants the answer */
	void *arg;
};

/* A connection, with the request that it carries. */
struct line {
	struct line *next;
	struct calls *calls;
	struct appctl *client;
	struct request *request;	/* NULL: idle */
	struct watch *watch;
	struct timer *timer;
};

struct calls {
	struct loop *loop;
	const char *runtime_dir;
	struct line *lines;
	unsigned line_count, idle_count;
	struct request *first, **last;	/* not sent yet */
	struct timer *soon;		/* sends them */
};

static void
close_fds(struct request *r)
{
	int i;

	for (i = 0; i < FDS; i++) {
		if (r->fds[i] >= 0)
			close(r->fds[i]);
		r->fds[i] = -1;
	}
}

static void
request_free(struct request *r)
{
	if (r == NULL)
		return;
	close_fds(r);
	json_decref(r->params);
	free(r->method);
	free(r);
}

static void
line_free(struct line *n)
{
	struct calls *c = n->calls;
	struct line **at;

	for (at = &c->lines; *at != NULL && *at != n; at = &(*at)->next)
		;
	if (*at == n) {
		*at = n->next;
		c->line_count--;
		if (n->request == NULL)
			c->idle_count--;
	}
	request_free(n->request);
	watch_free(n->watch);
	timer_free(n->timer);
	appctl_free(n->client);
	free(n);
}

static void
no_memory(struct appctl_error *e)
{
	e->status = APPCTL_FAILED;
	snprintf(e->message, sizeof(e->message), "no memory");
}

/* -- answers -- */

/* The line is free for another call; it may be given up. */
static void
line_rest(struct line *n)
{
	struct calls *c = n->calls;

	watch_move(n->watch, -1);
	timer_at(n->timer, 0);
	n->request = NULL;
	c->idle_count++;
	if (c->first != NULL)
		timer_at(c->soon, clock_mono_ms());
	else if (c->idle_count > IDLE_MAX || appctl_fd(n->client) < 0)
		line_free(n);
}

/* The answer has come, or there will be none. */
static void
answer(struct line *n, const json_t *reply, const struct appctl_error *e)
{
	struct request *r = n->request;
	calls_fn *fn = r->fn;
	void *arg = r->arg;

	line_rest(n);
	request_free(r);
	if (fn != NULL)
		fn(arg, reply, e);
}

static void line_read(void *arg);

static void
line_readable(void *arg, int what)
{
	(void)what;
	line_read(arg);
}

/* Sleeps until something may have come. */
static void
line_wait(struct line *n)
{
	int wait_ms = appctl_wait_ms(n->client);

	watch_move(n->watch, appctl_fd(n->client));
	timer_at(n->timer, wait_ms >= 0 ? clock_mono_ms() + wait_ms + 1 : 0);
}

static void
line_read(void *arg)
{
	struct line *n = arg;
	struct appctl_error e = { 0 };
	json_t *reply = NULL;
	int r = appctl_next(n->client, 0, &reply, NULL, &e);

	if (r == 0)
		line_wait(n);
	else
		answer(n, reply, &e);
	json_decref(reply);
	appctl_error_clear(&e);
}

/* -- sending -- */

static struct line *
line_new(struct calls *c, struct appctl_error *e)
{
	struct line *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->calls = c;
	n->timer = timer_new(c->loop, line_read, n);
	n->watch = watch_new(c->loop, -1, LOOP_READ, line_readable, n);
	n->client = n->timer != NULL && n->watch != NULL ? appctl_new(c->runtime_dir, e) : NULL;
	if (n->client == NULL) {
		line_free(n);
		return NULL;
	}
	appctl_set_connect_timeout(n->client, CONNECT_MS);
	n->next = c->lines;
	c->lines = n;
	c->line_count++;
	c->idle_count++;
	return n;
}

static struct line *
idle_line(struct calls *c, struct appctl_error *e)
{
	struct line *n;

	for (n = c->lines; n != NULL && n->request != NULL; n = n->next)
		;
	return n != NULL ? n : line_new(c, e);
}

/* Gives the line its request; an answer comes later, that it could not be sent included. */
static void
line_send(struct line *n, struct request *r)
{
	struct appctl_error e = { 0 };
	json_t *params = r->params;

	r->params = NULL;
	n->request = r;
	n->calls->idle_count--;
	if (appctl_begin(n->client, r->method, params, 0, r->fds, r->fds[0] >= 0 ? FDS : 0, &e) < 0) {
		answer(n, NULL, &e);
	} else {
		close_fds(r);
		line_wait(n);
	}
	appctl_error_clear(&e);
}

static struct request *
take_first(struct calls *c)
{
	struct request *r = c->first;

	c->first = r->next;
	if (c->first == NULL)
		c->last = &c->first;
	r->next = NULL;
	return r;
}

/* There is no connection at all: the first one fails, the others are tried again. */
static void
fail_first(struct calls *c, const struct appctl_error *e)
{
	struct request *r = take_first(c);
	calls_fn *fn = r->fn;
	void *arg = r->arg;

	if (c->first != NULL)
		timer_at(c->soon, clock_mono_ms());
	request_free(r);
	if (fn != NULL)
		fn(arg, NULL, e);
}

static void
send_waiting(void *arg)
{
	struct calls *c = arg;
	struct appctl_error e = { 0 };
	struct line *n;

	while (c->first != NULL && (c->idle_count > 0 || c->line_count < CALLS_AT_ONCE)) {
		n = idle_line(c, &e);
		if (n == NULL) {
			if (e.status == APPCTL_DONE)
				no_memory(&e);
			fail_first(c, &e);
			break;
		}
		line_send(n, take_first(c));
	}
	appctl_error_clear(&e);
}

/* -- the interface -- */

struct calls *
calls_new(struct loop *l, const char *runtime_dir)
{
	struct calls *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->loop = l;
	c->runtime_dir = runtime_dir;
	c->last = &c->first;
	c->soon = timer_new(l, send_waiting, c);
	if (c->soon != NULL)
		return c;
	free(c);
	return NULL;
}

void
calls_free(struct calls *c)
{
	if (c == NULL)
		return;
	while (c->lines != NULL)
		line_free(c->lines);
	while (c->first != NULL)
		request_free(take_first(c));
	timer_free(c->soon);
	free(c);
}

static struct request *
request_new(const char *method, json_t *take_params, const int *take_fds, calls_fn *fn, void *arg)
{
	struct request *r = calloc(1, sizeof(*r));
	int i;

	if (r == NULL) {
		json_decref(take_params);
		for (i = 0; take_fds != NULL && i < FDS; i++)
			close(take_fds[i]);
		return NULL;
	}
	for (i = 0; i < FDS; i++)
		r->fds[i] = take_fds != NULL ? take_fds[i] : -1;
	r->params = take_params;
	r->fn = fn;
	r->arg = arg;
	r->method = strdup(method);
	if (r->method != NULL)
		return r;
	request_free(r);
	return NULL;
}

int
calls_put(struct calls *c, const char *method, json_t *take_params, const int *take_fds, calls_fn *fn, void *arg)
{
	struct request *r = request_new(method, take_params, take_fds, fn, arg);

	if (r == NULL)
		return -1;
	*c->last = r;
	c->last = &r->next;
	timer_at(c->soon, clock_mono_ms());
	return 0;
}

void
calls_forget(struct calls *c, const void *arg)
{
	struct request *r;
	struct line *n;

	for (r = c->first; r != NULL; r = r->next)
		if (r->arg == arg)
			r->fn = NULL;
	for (n = c->lines; n != NULL; n = n->next)
		if (n->request != NULL && n->request->arg == arg)
			n->request->fn = NULL;
}
