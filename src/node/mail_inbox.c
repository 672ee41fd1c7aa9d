/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/mail.h"

#include "base/log.h"
#include "lib/appctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Applications have mailboxes because appctld has the application: what it says is believed until an event says that
 * it may be otherwise.  A user's mailbox (~USER) is there since somebody of that user came to mail.sock.
 */
enum {
	GRACE_MS = 60 * 1000,		/* a transient application that has ended keeps its mailbox so long */
	AT_ONCE = 256,
	AGAIN_MS = 1000,
};

struct mail_follow {
	struct mail *m;
	struct appctl_events *events;	/* NULL: none now */
	struct watch *watch;
	struct timer *timer, *leaving_timer;
	struct buf leaving;		/* struct leaving: applications that may be gone */
};

struct leaving {
	char name[MAIL_NAME_MAX + 1];
	int64_t at_ms;
};

/* --- the table --- */

static struct inbox *
inbox_make(struct mail *m, const char *name)
{
	size_t cap = m->inbox_cap ? m->inbox_cap * 2 : 16, i;
	struct inbox *in, **grown;

	for (i = 0; i < m->inbox_count && m->inboxes[i] != NULL; i++)
		;
	if (i == m->inbox_cap) {
		grown = realloc(m->inboxes, cap * sizeof(struct inbox *));
		if (grown == NULL)
			return NULL;
		m->inboxes = grown;
		m->inbox_cap = cap;
	}
	in = calloc(1, sizeof(*in));
	if (in == NULL)
		return NULL;
	snprintf(in->name, sizeof(in->name), "%s", name);
	if (strmap_put(&m->by_name, in->name, (uint32_t)i) < 0) {
		free(in);
		return NULL;
	}
	m->inboxes[i] = in;
	m->inbox_count += i == m->inbox_count;
	return in;
}

static void
inbox_remove(struct mail *m, const char *name)
{
	uint32_t i = strmap_get(&m->by_name, name);
	struct inbox *in;

	if (i == STRMAP_NONE)
		return;
	in = m->inboxes[i];
	if (in->reader != NULL)
		mail_client_leave(in->reader, in);
	strmap_del(&m->by_name, name);
	m->inboxes[i] = NULL;
	free(in);
}

void
inboxes_free(struct mail *m)
{
	size_t i;

	for (i = 0; i < m->inbox_count; i++)
		free(m->inboxes[i]);
	free(m->inboxes);
	strmap_free(&m->by_name);
}

/* --- asking --- */

/* Is it one that has a mailbox?  A transient one that has ended keeps it for a while. */
static bool
has_mailbox(const json_t *application)
{
	const char *state = json_string_value(json_object_get(application, "state"));
	double since = json_number_value(json_object_get(application, "since"));

	if (state == NULL)
		return false;
	if (!json_is_true(json_object_get(application, "transient")) || (strcmp(state, "stopped") != 0 &&
	    strcmp(state, "completed") != 0 && strcmp(state, "failed") != 0))
		return true;
	return (since + GRACE_MS / 1000.0) * 1e6 > (double)clock_real_us();
}

static bool
reply_has(const json_t *reply)
{
	return has_mailbox(json_array_get(json_object_get(reply, "applications"), 0));
}

static void
answered(void *arg, const json_t *reply, const struct appctl_error *e)
{
	struct mail_wait *w = arg;

	if (reply != NULL)
		w->state = reply_has(reply) ? WAIT_FOUND : WAIT_NOT_FOUND;
	else if (e->status == APPCTL_NOT_FOUND || e->status == APPCTL_INVALID)
		w->state = WAIT_NOT_FOUND;
	else
		w->state = WAIT_FAILED;
	if (w->state == WAIT_FAILED)
		snprintf(w->text, sizeof(w->text), "%s", e->message);
	w->fn(w->arg);
}

void
mail_wait_drop(struct mail_wait *w)
{
	if (w->state == WAIT_ASKED)
		calls_forget(w->m->calls, w);
	w->state = WAIT_NONE;
}

static const char *
ask(struct mail *m, struct mail_wait *w, const char *name)
{
	w->m = m;
	snprintf(w->name, sizeof(w->name), "%s", name);
	w->state = WAIT_ASKED;
	if (calls_put(m->calls, "Status", json_pack("{s:[s]}", "names", name), NULL, answered, w) == 0)
		return NULL;
	w->state = WAIT_NONE;
	return "failed";
}

static void __attribute__((format(printf, 2, 3)))
say(struct mail *m, const char *fmt, ...)
{
	va_list ap;

	buf_clear(&m->line);
	va_start(ap, fmt);
	buf_vprintf(&m->line, fmt, ap);
	va_end(ap);
}

/* What is known without asking.  1: there is one; 0: ask; -1: there is none. */
static int
is_known(struct mail *m, const char *name, const struct inbox *in, struct mail_wait *w)
{
	struct err err;

	if (in != NULL && in->known)
		return 1;
	if (name[0] == '~')
		return post_find(m->post, name, false, &m->now, &err) != NULL ? 1 : -1;
	if (strcmp(w->name, name) != 0 || w->state == WAIT_NONE)
		return 0;
	return w->state == WAIT_FOUND ? 1 : -1;
}

/* Opens its file. */
static struct inbox *
open_inbox(struct mail *m, const char *name, struct inbox *in, const char **code)
{
	struct err err = { 0 };

	if (in == NULL)
		in = inbox_make(m, name);
	if (in == NULL)
		err_set(&err, ENOMEM, "mailbox %s", name);
	else if (in->box == NULL)
		in->box = post_find(m->post, name, true, &m->now, &err);
	if (in != NULL && in->box != NULL) {
		in->known = true;
		return in;
	}
	*code = "failed";
	say(m, "%s", err.msg);
	return NULL;
}

struct inbox *
inbox_find(struct mail *m, const char *text, size_t len, bool trusted, struct mail_wait *w, const char **code)
{
	char name[MAIL_NAME_MAX + 1];
	struct inbox *in;
	uint32_t i;
	int known;

	snprintf(name, sizeof(name), "%.*s", (int)len, text);
	i = strmap_get(&m->by_name, name);
	in = i == STRMAP_NONE ? NULL : m->inboxes[i];
	if (in != NULL && in->known)
		return in;
	known = trusted ? 1 : is_known(m, name, in, w);
	if (known == 0) {
		*code = ask(m, w, name);
		say(m, "no memory");
		return NULL;
	}
	if (known > 0) {
		w->state = WAIT_NONE;
		return open_inbox(m, name, in, code);
	}
	if (name[0] != '~' && w->state == WAIT_FAILED) {
		*code = "failed";
		say(m, "appctld cannot be asked for %s: %s", name, w->text);
	} else {
		*code = name[0] == '~' ? "no_such_mailbox" : "no_such_application";
		say(m, name[0] == '~' ? "there is no mailbox %s on %s: nobody of that user has used one" :
		    "there is no application %s on %s", name, m->node->name);
	}
	w->state = WAIT_NONE;
	return NULL;
}

const char *
inbox_add(struct mail *m, struct inbox *in, const char *from, struct mail_text text)
{
	if (buf_reserve(&m->dirty, sizeof(struct inbox *)) == NULL) {
		m->dirty.failed = false;
		say(m, "no memory");
		return "failed";
	}
	switch (mailbox_add(in->box, post_limits(m->post), &m->now, from, strlen(from), text.data, text.len)) {
	case MAILBOX_FULL:
		say(m, "the mailbox of %s is full: %llu messages that nobody has taken", in->name,
		    (unsigned long long)mailbox_count(in->box));
		return "mailbox_full";
	case MAILBOX_NO_MEMORY:
		say(m, "no memory");
		return "failed";
	default:
		break;
	}
	if (!in->dirty) {
		in->dirty = true;
		buf_add(&m->dirty, &in, sizeof(struct inbox *));
	}
	return NULL;
}

/* --- applications that go --- */

static void
doubt_all(struct mail *m)
{
	size_t i;

	for (i = 0; i < m->inbox_count; i++)
		if (m->inboxes[i] != NULL && m->inboxes[i]->name[0] != '~')
			m->inboxes[i]->known = false;
}

/* It may be gone for good: looks again when the time of grace is over. */
static void
note_leaving(struct mail_follow *f, const char *name)
{
	struct leaving l = { .at_ms = clock_mono_ms() + GRACE_MS + 1000 };

	if (strmap_get(&f->m->by_name, name) == STRMAP_NONE)
		return;
	snprintf(l.name, sizeof(l.name), "%s", name);
	buf_add(&f->leaving, &l, sizeof(l));
	f->leaving.failed = false;
	if (f->leaving.len == sizeof(l))
		timer_at(f->leaving_timer, l.at_ms);
}

struct gone_question {
	struct mail *m;
	char name[MAIL_NAME_MAX + 1];
	bool only_empty;		/* nobody saw it end: what lies there stays */
};

static void
gone_answered(void *arg, const json_t *reply, const struct appctl_error *e)
{
	struct gone_question *q = arg;
	struct mailbox *b;
	struct err err;

	if (reply != NULL ? !reply_has(reply) : e->status == APPCTL_NOT_FOUND) {
		mail_turn(q->m);
		b = post_find(q->m->post, q->name, false, &q->m->now, &err);
		if (b != NULL && (!q->only_empty || mailbox_count(b) == 0)) {
			if (mailbox_count(b) > 0)
				log_write(LOG_NODE, LOG_LEVEL_INFO, "%s is gone, and %llu messages to it with it", q->name,
					  (unsigned long long)mailbox_count(b));
			inbox_remove(q->m, q->name);
			post_remove(q->m->post, q->name);
		}
	}
	free(q);
}

static void
ask_whether_gone(struct mail *m, const char *name, bool only_empty)
{
	struct gone_question *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return;
	q->m = m;
	q->only_empty = only_empty;
	snprintf(q->name, sizeof(q->name), "%s", name);
	if (calls_put(m->calls, "Status", json_pack("{s:[s]}", "names", name), NULL, gone_answered, q) < 0)
		free(q);
}

static void
look_at_leaving(void *arg)
{
	struct mail_follow *f = arg;
	int64_t now = clock_mono_ms();
	struct leaving l;

	while (f->leaving.len > 0) {
		memcpy(&l, f->leaving.data, sizeof(l));
		if (l.at_ms > now) {
			timer_at(f->leaving_timer, l.at_ms);
			return;
		}
		buf_consume(&f->leaving, sizeof(l));
		ask_whether_gone(f->m, l.name, false);
	}
}

static void
sweep_one(void *arg, const char *name)
{
	struct mail *m = arg;

	if (name[0] != '~' && strmap_get(&m->by_name, name) == STRMAP_NONE)
		ask_whether_gone(m, name, true);
}

void
inboxes_sweep(struct mail *m)
{
	struct err ignored;

	post_each(m->post, sweep_one, m, &ignored);
}

/* --- events --- */

static void
take_event(struct mail_follow *f, const json_t *event)
{
	const char *kind = json_string_value(json_object_get(event, "event"));
	const char *app = json_string_value(json_object_get(event, "app"));

	if (kind == NULL)
		return;
	if (strcmp(kind, "hello") == 0 || strcmp(kind, "lost") == 0 || strcmp(kind, "config_reloaded") == 0)
		doubt_all(f->m);
	else if (app != NULL && (strcmp(kind, "app_stopped") == 0 || strcmp(kind, "app_failed") == 0))
		note_leaving(f, app);
}

static void
leave_events(struct mail_follow *f)
{
	watch_move(f->watch, -1);
	appctl_events_free(f->events);
	f->events = NULL;
	doubt_all(f->m);
	timer_at(f->timer, clock_mono_ms() + AGAIN_MS);
}

static void
read_events(void *arg)
{
	struct mail_follow *f = arg;
	struct appctl_error e = { 0 };
	json_t *event;
	int r = -1, i, wait_ms;

	if (f->events == NULL)
		f->events = appctl_subscribe(f->m->node->runtime_dir, json_pack("{s:[s, s, s]}", "categories", "app_stopped",
					     "app_failed", "config_reloaded"), &e);
	for (i = 0; f->events != NULL && i < AT_ONCE && (r = appctl_events_next(f->events, 0, &event, &e)) > 0; i++) {
		take_event(f, event);
		json_decref(event);
	}
	if (r < 0) {
		leave_events(f);
	} else {
		wait_ms = r > 0 ? 0 : appctl_events_wait_ms(f->events);
		watch_move(f->watch, appctl_events_fd(f->events));
		timer_at(f->timer, wait_ms >= 0 ? clock_mono_ms() + wait_ms + (r == 0) : 0);
	}
	appctl_error_clear(&e);
}

static void
readable(void *arg, int what)
{
	(void)what;
	read_events(arg);
}

int
mail_follow_start(struct mail *m, struct err *err)
{
	struct mail_follow *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return err_set(err, ENOMEM, "mailboxes");
	m->follow = f;
	f->m = m;
	f->watch = watch_new(m->node->loop, -1, LOOP_READ, readable, f);
	f->timer = timer_new(m->node->loop, read_events, f);
	f->leaving_timer = timer_new(m->node->loop, look_at_leaving, f);
	if (f->watch == NULL || f->timer == NULL || f->leaving_timer == NULL)
		return err_set(err, ENOMEM, "mailboxes");
	read_events(f);
	return 0;
}

void
mail_follow_stop(struct mail *m)
{
	struct mail_follow *f = m->follow;

	if (f == NULL)
		return;
	watch_free(f->watch);
	timer_free(f->timer);
	timer_free(f->leaving_timer);
	appctl_events_free(f->events);
	buf_free(&f->leaving);
	free(f);
	m->follow = NULL;
}
