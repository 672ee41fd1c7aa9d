/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/caller.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

struct caller {
	struct node *node;
	uid_t uid;
	struct timer *timer;
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
	else
		snprintf(out, size, "~%u", (unsigned)uid);
}

static void
answer(void *arg)
{
	struct caller *q = arg;
	caller_fn *fn = q->fn;
	void *fn_arg = q->arg;
	char user[256], address[600];

	user_name(q->uid, user, sizeof(user));
	snprintf(address, sizeof(address), "%s/%s", q->node->name, user);
	caller_drop(q);
	fn(fn_arg, address);
}

struct caller *
caller_ask(struct node *n, pid_t pid, uid_t uid, caller_fn *fn, void *arg)
{
	struct caller *q = calloc(1, sizeof(*q));

	(void)pid;
	if (q == NULL || (q->timer = timer_new(n->loop, answer, q)) == NULL) {
		free(q);
		return NULL;
	}
	q->node = n;
	q->uid = uid;
	q->fn = fn;
	q->arg = arg;
	timer_at(q->timer, clock_mono_ms());
	return q;
}

void
caller_drop(struct caller *q)
{
	timer_free(q->timer);
	free(q);
}
