/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/caller.h"

#include "job/calls.h"
#include "sys/program.h"
#include "wire/mail_line.h"

#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct caller {
	struct node *node;
	uid_t uid;
	int process;			/* readable when it has ended: its pid may be another's from then on; -1: it had */
	struct timer *timer;		/* NULL: appctld is asked */
	caller_fn *fn;
	void *arg;
};

static void
user_name(uid_t uid, char *out, size_t size)
{
	struct passwd pw, *found = NULL;
	char strings[4096];

	if (getpwuid_r(uid, &pw, strings, sizeof(strings), &found) == 0 && found != NULL)
		snprintf(out, size, "~%s", found->pw_name);
	if (found == NULL || !mail_name_ok(out, strlen(out)))
		snprintf(out, size, "~%u", (unsigned)uid);
}

static void
tell(struct caller *q, const char *name)
{
	caller_fn *fn = q->fn;
	void *fn_arg = q->arg;
	char address[600];

	snprintf(address, sizeof(address), "%s/%s", q->node->name, name);
	q->fn = NULL;
	caller_drop(q);
	fn(fn_arg, address);
}

static void
tell_user(void *arg)
{
	struct caller *q = arg;
	char user[256];

	user_name(q->uid, user, sizeof(user));
	tell(q, user);
}

static bool
is_alive(const struct caller *q)
{
	struct pollfd p = { .fd = q->process, .events = POLLIN };

	return q->process >= 0 && poll(&p, 1, 0) == 0;
}

/* What was said of the pid is said of that process only if it is there still. */
static void
answered(void *arg, const json_t *reply, const struct appctl_error *e)
{
	struct caller *q = arg;
	const char *name = json_string_value(json_object_get(reply, "name"));

	(void)e;
	if (name != NULL && is_alive(q))
		tell(q, name);
	else
		tell_user(q);
}

struct caller *
caller_ask(struct node *n, pid_t pid, uid_t uid, caller_fn *fn, void *arg)
{
	struct caller *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	*q = (struct caller){ .node = n, .uid = uid, .process = program_watch(pid), .fn = fn, .arg = arg };
	if (q->process >= 0 && calls_put(n->calls, "FindApplication", json_pack("{s:i}", "pid", (int)pid), NULL, answered, q) == 0)
		return q;
	q->timer = timer_new(n->loop, tell_user, q);
	if (q->timer != NULL) {
		timer_at(q->timer, clock_mono_ms());
		return q;
	}
	caller_drop(q);
	return NULL;
}

void
caller_drop(struct caller *q)
{
	if (q->timer == NULL && q->fn != NULL)
		calls_forget(q->node->calls, q);
	timer_free(q->timer);
	if (q->process >= 0)
		close(q->process);
	free(q);
}
