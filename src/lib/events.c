/* SPDX-License-Identifier: MIT */
#include "lib/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct appctl_events {
	struct stream s;
	json_t *filter;		/* what a next connection asks for */
	char *instance;		/* as the last hello said; NULL: none has come */
	json_int_t seq;		/* the last event that was given out, or the one before the first */
	bool said_since;	/* the caller chose where to begin, so hello's seq says nothing about it */
	bool in_snapshot;	/* asked for and not at its end */
	const char *text;
	size_t text_len;
};

/* Sends what is wanted, one line. */
static int
ask(struct appctl_events *s)
{
	char *line = json_dumps(s->filter, JSON_COMPACT);
	size_t len = line ? strlen(line) : 0;
	int r;

	if (line == NULL) {
		errno = ENOMEM;
		return -1;
	}
	line[len] = '\n';	/* in place of its NUL */
	r = stream_send(&s->s, line, len + 1, NULL, 0);
	free(line);
	return r;
}

/* A connection behind a break goes on where the last one ended. */
static int
go_on_from_here(struct appctl_events *s, struct appctl_error *e)
{
	if (s->instance == NULL || s->in_snapshot)
		return 0;
	json_object_del(s->filter, "snapshot");
	if (json_object_set_new(s->filter, "since", json_integer(s->seq)) < 0 ||
	    json_object_set_new(s->filter, "instance", json_string(s->instance)) < 0)
		return error_memory(e);
	return 0;
}

static int
connect_again(struct appctl_events *s, int64_t end_ms, struct appctl_error *e)
{
	int r;

	for (;;) {
		r = stream_return(&s->s, end_ms, e);
		if (r <= 0)
			return r;
		if (ask(s) == 0)
			return 1;
		if (errno != EPIPE && errno != ECONNRESET)
			return error_errno(e, errno, "send to %s", s->s.path);
		if (stream_broke(&s->s, e) < 0)
			return -1;
	}
}

struct appctl_events *
appctl_subscribe(const char *runtime_dir, json_t *take_filter, struct appctl_error *e)
{
	return appctl_subscribe_on(runtime_dir, NULL, take_filter, e);
}

struct appctl_events *
appctl_subscribe_on(const char *runtime_dir, const char *node, json_t *take_filter, struct appctl_error *e)
{
	struct appctl_events *s = calloc(1, sizeof(*s));
	const json_t *since;
	int code;

	appctl_error_clear(e);
	if (s == NULL) {
		json_decref(take_filter);
		error_memory(e);
		return NULL;
	}
	s->filter = take_filter ? take_filter : json_object();
	since = json_object_get(s->filter, "since");
	s->said_since = json_is_integer(since);
	s->seq = json_integer_value(since);
	s->in_snapshot = json_is_true(json_object_get(s->filter, "snapshot"));
	if (stream_init(&s->s, runtime_dir, node, "events", '\n', e) == 0 && stream_connect(&s->s, &code, e) == 0) {
		s->s.broke_at = now_ms();
		if (connect_again(s, INT64_MAX, e) > 0)
			return s;
	}
	appctl_events_free(s);
	return NULL;
}

void
appctl_events_free(struct appctl_events *s)
{
	if (s == NULL)
		return;
	stream_fini(&s->s);
	json_decref(s->filter);
	free(s->instance);
	free(s);
}

/* Notes where and when a connection began.  false: the caller has seen this hello before. */
static bool
take_hello(struct appctl_events *s, const json_t *hello)
{
	const char *instance = json_string_value(json_object_get(hello, "instance"));
	bool news = s->instance == NULL || instance == NULL || strcmp(s->instance, instance) != 0;

	if (!news)
		return false;
	free(s->instance);
	s->instance = instance ? strdup(instance) : NULL;
	if (!s->said_since)
		s->seq = json_integer_value(json_object_get(hello, "seq"));
	return true;
}

/* Keeps count.  1: for the caller; 0: not. */
static int
note(struct appctl_events *s, const json_t *event, const char *kind)
{
	const json_t *at = json_object_get(event, strcmp(kind, "lost") == 0 ? "to" : "seq");

	if (strcmp(kind, "hello") == 0)
		return take_hello(s, event);
	s->s.breaks = 0;
	if (strcmp(kind, "snapshot_end") == 0)
		s->in_snapshot = false;
	if (json_integer_value(at) > s->seq)
		s->seq = json_integer_value(at);
	return 1;
}

static int
refuse(struct appctl_events *s, const json_t *event, struct appctl_error *e)
{
	const char *message = json_string_value(json_object_get(event, "message"));

	if (event == NULL)
		return error_set(e, APPCTL_UNREACHABLE, "what answers at %s is not appctld: it sends no events", s->s.path);
	error_set(e, message && strncmp(message, "not permitted", 13) == 0 ? APPCTL_NOT_PERMITTED : APPCTL_INVALID, "%s",
		  message ? message : "appctld refuses the subscription");
	return error_of_node(e, s->s.node);
}

/* A line as an event.  1: for the caller; 0: not; -1: e. */
static int
decode(struct appctl_events *s, json_t **event, struct appctl_error *e)
{
	json_t *line = json_loadb(s->text, s->text_len, 0, NULL);
	const char *kind = json_string_value(json_object_get(line, "event"));
	int r;

	if (kind == NULL)
		r = refuse(s, NULL, e);
	else if (strcmp(kind, "error") == 0)
		r = refuse(s, line, e);
	else
		r = note(s, line, kind);
	if (r > 0)
		*event = line;
	else
		json_decref(line);
	return r;
}

int
appctl_events_next(struct appctl_events *s, int timeout_ms, json_t **event, struct appctl_error *e)
{
	int64_t end_ms = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
	int r;

	appctl_error_clear(e);
	*event = NULL;
	for (;;) {
		if (s->s.fd < 0 && (r = connect_again(s, end_ms, e)) <= 0)
			return r;
		if (stream_frame(&s->s, &s->text, &s->text_len)) {
			r = decode(s, event, e);
			if (r != 0)
				return r;
			continue;
		}
		r = stream_fill(&s->s, until(end_ms));
		if (r < 0 && (stream_broke(&s->s, e) < 0 || go_on_from_here(s, e) < 0))
			return -1;
		if (r == 0 && end_ms != INT64_MAX && now_ms() >= end_ms)
			return 0;
	}
}

const char *
appctl_events_text(const struct appctl_events *s, size_t *len)
{
	*len = s->text_len;
	return s->text;
}

int
appctl_events_fd(const struct appctl_events *s)
{
	return s->s.fd;
}

int
appctl_events_wait_ms(const struct appctl_events *s)
{
	return s->s.fd >= 0 ? -1 : until(s->s.retry_at);
}
