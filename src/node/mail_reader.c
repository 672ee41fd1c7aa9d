/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/mail_client.h"

#include "base/log.h"
#include "core/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	PUSHED_MAX = 128 * 1024,	/* messages that it has not taken from the socket: then the others wait in the mailbox */
	PIECE = 64 * 1024,		/* that are made into lines at once */
};

void
client_stop_reading(struct mail_client *cl)
{
	if (cl->reading == NULL)
		return;
	cl->reading->reader = NULL;
	mailbox_rewind(cl->reading->box);
	mailbox_rest(cl->reading->box);
	cl->reading = NULL;
	cl->flowing = false;
}

/* Printing a time takes longer than all the rest of a line: the second stays the same for many. */
static struct mail_text
time_text(int64_t us)
{
	static struct buf text;
	static int64_t second = -1;
	int64_t rest = us % 1000000;
	size_t i;

	if (us < 0 || us / 1000000 != second || text.failed) {
		buf_free(&text);
		print_time(&text, us);
		second = us / 1000000;
	}
	for (i = 0; i < 6 && us >= 0 && text.len == 27; i++, rest /= 10)
		text.data[25 - i] = (char)('0' + rest % 10);
	return (struct mail_text){ text.data, text.failed ? 0 : text.len };
}

/* Some of what is there.  false: there was nothing. */
static bool
push_piece(struct mail_client *cl)
{
	struct buf *out = &cl->m->line;
	struct mailbox *b = cl->reading->box;
	struct mail_record r = { 0 };
	size_t len, at = 0, used;
	const char *data;
	struct err err;

	if (mailbox_read(b, &data, &len, &err) < 0) {
		log_write(LOG_NODE, LOG_LEVEL_ERROR, "%s", err.msg);
		client_say_error(cl, "failed", err.msg);
		return false;
	}
	if (len == 0)
		return false;
	buf_clear(out);
	while (out->len < PIECE && (used = mail_record_get(data + at, len - at, &r, NULL)) > 0) {
		mail_put_message(out, r.n, r.from, time_text(r.at_us), r.text);
		at += used;
	}
	mailbox_read_on(b, at, r.n);
	client_write_line(cl);
	return true;
}

void
mail_client_push(struct mail_client *cl)
{
	if (cl->closing || !cl->flowing)
		return;
	while (!cl->closing && conn_queued(cl->conn) < PUSHED_MAX && push_piece(cl))
		;
	if (!cl->closing && cl->stops_at_end && mailbox_was_read(cl->reading->box)) {
		cl->flowing = false;
		buf_clear(&cl->m->line);
		mail_put_empty(&cl->m->line);
		client_write_line(cl);
	}
}

static void __attribute__((format(printf, 3, 4)))
refuse_reading(struct mail_client *cl, const char *code, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(&cl->m->line);
	mail_put_refused(&cl->m->line, code, text);
	client_write_line(cl);
}

/* Its own; root and the daemon's user read any. */
static bool
may_read(const struct mail_client *cl, struct mail_text app)
{
	return app.data == NULL || (strlen(cl->name) == app.len && memcmp(cl->name, app.data, app.len) == 0) || cl->uid == 0 ||
	       cl->uid == cl->m->owner;
}

bool
client_begin_reading(struct mail_client *cl, const struct mail_line *l)
{
	struct mail_text name = l->app.data ? l->app : (struct mail_text){ cl->name, strlen(cl->name) };
	const char *code;
	struct inbox *in;

	if (!may_read(cl, l->app) || !mail_name_ok(name.data, name.len)) {
		refuse_reading(cl, "not_permitted", "%s reads the mailbox of %s only", cl->name, cl->name);
		return true;
	}
	in = inbox_find(cl->m, name.data, name.len, l->app.data == NULL && cl->has_mailbox, &cl->wait, &code);
	if (in == NULL && code == NULL)
		return false;
	if (in == NULL) {
		char text[512];

		snprintf(text, sizeof(text), "%s", buf_cstr(&cl->m->line));
		refuse_reading(cl, code, "%s", text);
		return true;
	}
	if (in->reader != NULL && in->reader != cl) {
		refuse_reading(cl, "busy", "somebody else reads the mailbox of %s", in->name);
		return true;
	}
	if (cl->reading != in)
		client_stop_reading(cl);
	cl->reading = in;
	in->reader = cl;
	mailbox_expire(in->box, post_limits(cl->m->post), &cl->m->now);
	mailbox_rewind(in->box);
	cl->flowing = true;
	cl->stops_at_end = !l->wait;
	mail_client_push(cl);
	return true;
}

void
client_take_done(struct mail_client *cl, uint64_t n)
{
	struct err err;

	if (cl->reading == NULL)
		client_say_error(cl, "invalid", "done without receive");
	else if (mailbox_take(cl->reading->box, n, &err) < 0)
		client_say_error(cl, "failed", err.msg);
}

void
mail_client_leave(struct mail_client *cl, struct inbox *in)
{
	(void)in;
	client_stop_reading(cl);
	client_say_error(cl, "no_such_application", "the application is gone, and its mailbox with it");
}
