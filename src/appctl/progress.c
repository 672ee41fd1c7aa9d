/* SPDX-License-Identifier: MIT */
#include "appctl/progress.h"

#include "appctl/output.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { QUIET_MS = 300 };	/* what is done by then needs no line */

struct progress {
	const char *app;
	struct appctl *client;		/* for questions: the session's own connection is waiting */
	struct appctl_events *events;	/* NULL: not watching (yet, or any more) */
	bool shown;
};

static unsigned
terminal_width(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 8 ? w.ws_col : 80;
}

static void
erase(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}

/* "db (starting), web (waiting)" */
static void
add_states(struct buf *b, const json_t *list)
{
	size_t i;
	const json_t *o;

	json_array_foreach((json_t *)list, i, o) {
		buf_adds(b, i ? ", " : "");
		add_text(b, text_at(o, "name"));
		buf_adds(b, " (");
		add_text(b, text_at(o, "state"));
		buf_addc(b, ')');
	}
}

static void
draw(struct progress *p)
{
	struct appctl_error e = { 0 };
	struct buf b = { 0 };
	json_t *reply;

	if (p->app != NULL)
		reply = appctl_call(p->client, "Status", need_json(json_pack("{s:[s]}", "names", p->app)), &e);
	else
		reply = appctl_call(p->client, "IsModeStable", NULL, &e);
	appctl_error_clear(&e);
	buf_adds(&b, "waiting for ");
	add_states(&b, json_object_get(reply, p->app ? "applications" : "outstanding"));
	erase(p);
	fprintf(stderr, "%.*s", (int)terminal_width() - 1, buf_text(&b));
	p->shown = true;
	json_decref(reply);
	buf_free(&b);
}

static void
watch(struct cmdline *l, struct progress *p)
{
	struct appctl_error e = { 0 };

	p->client = appctl_new_on(appctl_runtime_dir(l->client), l->node, &e);
	if (p->client != NULL)
		p->events = appctl_subscribe_on(appctl_runtime_dir(l->client), l->node, NULL, &e);
	appctl_error_clear(&e);
	if (p->events != NULL)
		draw(p);
}

/* Takes all events that are there, and draws once for them. */
static void
take_events(struct progress *p)
{
	struct appctl_error e = { 0 };
	json_t *event;
	bool any = false;
	int r;

	while ((r = appctl_events_next(p->events, 0, &event, &e)) > 0) {
		json_decref(event);
		any = true;
	}
	appctl_error_clear(&e);
	if (r < 0) {
		appctl_events_free(p->events);
		p->events = NULL;
	} else if (any) {
		draw(p);
	}
}

static int
shorter(int a, int b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

static void
pause_for_news(struct cmdline *l, struct progress *p)
{
	struct pollfd fds[2] = {
		{ .fd = appctl_fd(l->client), .events = POLLIN },
		{ .fd = p->events ? appctl_events_fd(p->events) : -1, .events = POLLIN },
	};
	int ms = appctl_wait_ms(l->client);

	if (p->events != NULL)
		ms = shorter(ms, appctl_events_wait_ms(p->events));
	poll(fds, 2, ms);
	if (p->events != NULL)
		take_events(p);
}

json_t *
progress_wait(struct cmdline *l, const char *app, struct appctl_error *e)
{
	struct progress p = { .app = app };
	json_t *reply;
	int r;

	if (l->json || !isatty(STDERR_FILENO)) {
		appctl_next(l->client, -1, &reply, NULL, e);
		return reply;
	}
	r = appctl_next(l->client, QUIET_MS, &reply, NULL, e);
	if (r == 0)
		watch(l, &p);
	while (r == 0) {
		pause_for_news(l, &p);
		r = appctl_next(l->client, 0, &reply, NULL, e);
	}
	erase(&p);
	appctl_events_free(p.events);
	appctl_free(p.client);
	return reply;
}
