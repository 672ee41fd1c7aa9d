/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "producer/follow.h"

#include "base/log.h"
#include "lib/appctl.h"
#include "store/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	AT_ONCE = 256,			/* events in one transaction */
	AGAIN_MS = 2000,		/* before appctld is sought again */
	INSTANCE_MAX = 64,
	LINE_MAX_KEPT = 32 * 1024,	/* a longer one is kept without its text: with it no batch would take it */
};

struct follow {
	struct loop *loop;
	const char *runtime_dir;
	struct follow_handler handler;
	void *arg;
	struct appctl_events *events;	/* NULL: there is no appctld, the timer says when to look */
	struct watch *watch;
	struct timer *timer;
	char instance[INSTANCE_MAX];	/* whose events were collected; "": none ever were */
	int64_t number;			/* the last one of them */
	char now[INSTANCE_MAX];		/* whose events come now, */
	int64_t live_after;		/* and up to which number they had happened before */
	bool told_absent;
	struct outbox *out;		/* NULL: none is open */
};

static void go_on(void *arg);

/* --- one event --- */

static const char *
text_in(const json_t *event, const char *key)
{
	return json_string_value(json_object_get(event, key));
}

static void
write_row(struct follow *f, const json_t *event, int64_t number, const char *line)
{
	const json_t *pid = json_object_get(event, "pid");
	struct buf *row = outbox_row(f->out);

	if (row == NULL) {		/* the batch is full */
		outbox_end(f->out);
		outbox_begin(f->out, TABLE_EVENT);
		row = outbox_row(f->out);
	}
	if (row == NULL)
		return;
	batch_text(row, f->now);
	batch_int(row, number);
	batch_text(row, text_in(event, "ts"));
	batch_text(row, text_in(event, "event"));
	batch_text(row, text_in(event, "app"));
	if (json_is_integer(pid))
		batch_int(row, json_integer_value(pid));
	else
		batch_null(row);
	batch_text(row, text_in(event, "reason"));
	batch_text(row, strlen(line) <= LINE_MAX_KEPT ? line : NULL);
}

/* What it says of processes. */
static void
tell(struct follow *f, const json_t *event, const char *kind, int64_t number)
{
	const char *application = text_in(event, "app"), *reason = text_in(event, "reason");
	json_int_t pid = json_integer_value(json_object_get(event, "pid"));
	bool oom = json_is_true(json_object_get(event, "oom"));

	if (application == NULL)
		return;
	if (pid > 0 && (strcmp(kind, "app_running") == 0 || strcmp(kind, "app_starting") == 0 || strcmp(kind, "snapshot") == 0))
		f->handler.process(f->arg, application, (pid_t)pid);
	else if (strcmp(kind, "app_stopped") == 0)
		f->handler.process(f->arg, application, 0);
	if (number > f->live_after && (strcmp(kind, "app_failed") == 0 || (strcmp(kind, "app_exited") == 0 && oom)))
		f->handler.failed(f->arg, f->now, number, application, reason ? reason : "unknown");
}

static void
take_hello(struct follow *f, const json_t *event)
{
	const char *instance = text_in(event, "instance");

	snprintf(f->now, sizeof(f->now), "%s", instance ? instance : "");
	f->live_after = json_integer_value(json_object_get(event, "seq"));
	if (strcmp(f->now, f->instance) != 0)
		f->number = 0;
}

static void
take(struct follow *f, const json_t *event, const char *line)
{
	const char *kind = text_in(event, "event");
	int64_t number = json_integer_value(json_object_get(event, strcmp(kind, "lost") == 0 ? "to" : "seq"));

	if (strcmp(kind, "hello") == 0) {
		take_hello(f, event);
		return;
	}
	tell(f, event, kind, number);
	if (strcmp(kind, "snapshot") == 0 || strcmp(kind, "snapshot_end") == 0 || number <= f->number)
		return;
	if (f->out == NULL) {
		f->out = f->handler.begin(f->arg);
		outbox_begin(f->out, TABLE_EVENT);
	}
	write_row(f, event, number, line);
	f->number = number;
	memcpy(f->instance, f->now, sizeof(f->instance));
}

/* --- many --- */

static void
leave(struct follow *f)
{
	watch_move(f->watch, -1);
	appctl_events_free(f->events);
	f->events = NULL;
	timer_at(f->timer, clock_mono_ms() + AGAIN_MS);
}

/* Keeps what was written, with where to go on.  -1: it was not kept; the events are asked for again. */
static int
keep(struct follow *f)
{
	char note[SPOOL_NOTE_MAX];
	struct outbox *out = f->out;

	f->out = NULL;
	if (out == NULL)
		return 0;
	outbox_end(out);
	snprintf(note, sizeof(note), "%s %" PRId64, f->instance, f->number);
	return f->handler.done(f->arg, note);
}

static void
wait_for_more(struct follow *f)
{
	int wait_ms = appctl_events_wait_ms(f->events);

	watch_move(f->watch, appctl_events_fd(f->events));
	timer_at(f->timer, wait_ms >= 0 ? clock_mono_ms() + wait_ms + 1 : 0);
}

static void
readable(void *arg, int what)
{
	(void)what;
	go_on(arg);
}

static void
read_note(struct follow *f, const char *note)
{
	if (sscanf(note, "%63s %" SCNd64, f->instance, &f->number) != 2) {
		f->instance[0] = '\0';
		f->number = 0;
	}
}

/* From where it was left; what appctld no longer has it says itself, by an event "lost". */
static json_t *
filter_of(const struct follow *f)
{
	json_t *filter = json_object();

	json_object_set_new(filter, "snapshot", json_true());
	json_object_set_new(filter, "since", json_integer(f->number));
	if (f->instance[0] != '\0')
		json_object_set_new(filter, "instance", json_string(f->instance));
	return filter;
}

static void
subscribe(struct follow *f)
{
	struct appctl_error e = { 0 };

	f->events = appctl_subscribe(f->runtime_dir, filter_of(f), &e);
	if (f->events != NULL) {
		log_write(LOG_MONITOR, LOG_LEVEL_INFO, "following appctld's events");
		f->told_absent = false;
	} else {
		if (!f->told_absent)
			log_write(LOG_MONITOR, LOG_LEVEL_INFO, "no events are collected: %s", e.message);
		f->told_absent = true;
		timer_at(f->timer, clock_mono_ms() + AGAIN_MS);
	}
	appctl_error_clear(&e);
}

/* Takes what there is, in transactions of AT_ONCE; then others have their turn. */
static int
take_some(struct follow *f)
{
	struct appctl_error e = { 0 };
	const char *line;
	json_t *event;
	size_t len;
	int r = 1, i;

	for (i = 0; i < AT_ONCE && (r = appctl_events_next(f->events, 0, &event, &e)) > 0; i++) {
		line = appctl_events_text(f->events, &len);
		take(f, event, line);
		json_decref(event);
	}
	if (r < 0)
		log_write(LOG_MONITOR, LOG_LEVEL_INFO, "appctld's events have ended: %s", e.message);
	appctl_error_clear(&e);
	return r;
}

static void
go_on(void *arg)
{
	struct follow *f = arg;
	char was[INSTANCE_MAX];
	int64_t number = f->number;
	int r;

	if (f->events == NULL)
		subscribe(f);
	if (f->events == NULL)
		return;
	memcpy(was, f->instance, sizeof(was));
	r = take_some(f);
	if (keep(f) < 0) {
		memcpy(f->instance, was, sizeof(was));
		f->number = number;
		r = -1;
	}
	if (r < 0) {
		leave(f);
		return;
	}
	wait_for_more(f);
	if (r > 0)
		timer_at(f->timer, clock_mono_ms() + 1);
}

struct follow *
follow_new(struct loop *l, const char *runtime_dir, const char *note, const struct follow_handler *h, void *arg)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->loop = l;
	f->runtime_dir = runtime_dir;
	f->handler = *h;
	f->arg = arg;
	read_note(f, note);
	f->timer = timer_new(l, go_on, f);
	f->watch = watch_new(l, -1, LOOP_READ, readable, f);
	if (f->timer == NULL || f->watch == NULL) {
		follow_free(f);
		return NULL;
	}
	timer_at(f->timer, clock_mono_ms() + 1);
	return f;
}

void
follow_free(struct follow *f)
{
	if (f == NULL)
		return;
	watch_free(f->watch);
	timer_free(f->timer);
	appctl_events_free(f->events);
	free(f);
}
