/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/log.h"
#include "engine/shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Readiness as s6 has it: a newline on a descriptor.  The newline is taken off
 * only after it was noted, so that the next engine finds it should this one die.
 */
struct ready_fd {
	struct ready_fd *next;
	struct daemon *d;
	uint64_t inc;
	int fd;
	struct watch *watch;
};

struct ready_fds {
	struct ready_fd *first;
};

static void
drop(struct ready_fd **at)
{
	struct ready_fd *r = *at;

	*at = r->next;
	watch_free(r->watch);
	close(r->fd);
	free(r);
}

void
ready_drop(struct daemon *d, uint64_t inc)
{
	struct ready_fd **at;

	for (at = &d->shell->ready->first; *at != NULL; at = &(*at)->next) {
		if ((*at)->inc == inc) {
			drop(at);
			return;
		}
	}
}

/* is_ready: there is a newline; else there will never be one. */
static void
tell(struct daemon *d, uint64_t inc, bool is_ready)
{
	enum child_kind kind;
	struct app *a = engine_find_inc(d->engine, inc, &kind);

	if (a == NULL || kind != CHILD_MAIN)
		return;
	daemon_at(d);
	if (is_ready)
		engine_ready(d->engine, a);
	else
		engine_not_ready(d->engine, a);
	daemon_settle(d);
}

static void
readable(void *arg, int what)
{
	struct ready_fd *r = arg;
	struct daemon *d = r->d;
	uint64_t inc = r->inc;
	char text[256];
	ssize_t n = recv(r->fd, text, sizeof(text), MSG_PEEK | MSG_DONTWAIT);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && memchr(text, '\n', (size_t)n) == NULL) {
		recv(r->fd, text, (size_t)n, MSG_DONTWAIT);
		return;
	}
	keeper_gather(d->link, true);
	tell(d, inc, n > 0);
	keeper_say(d->link, LINK_READY_SEEN, inc, NULL, 0, NULL);
	keeper_gather(d->link, false);
	ready_drop(d, inc);
}

void
ready_watch(struct daemon *d, uint64_t inc, int take_fd)
{
	struct ready_fd *r;

	if (take_fd < 0) {
		log_write(LOG_SPAWN, LOG_LEVEL_ERROR, "no descriptor left to see the readiness of incarnation %llu",
			  (unsigned long long)inc);
		tell(d, inc, false);
		return;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		daemon_give_up("no memory to wait for readiness");
	*r = (struct ready_fd){ .next = d->shell->ready->first, .d = d, .inc = inc, .fd = take_fd };
	r->watch = watch_new(d->loop, take_fd, LOOP_READ, readable, r);
	if (r->watch == NULL)
		daemon_give_up("no memory to wait for readiness");
	d->shell->ready->first = r;
}

struct ready_fds *
ready_new(void)
{
	return calloc(1, sizeof(struct ready_fds));
}

void
ready_free(struct ready_fds *r)
{
	if (r == NULL)
		return;
	while (r->first != NULL)
		drop(&r->first);
	free(r);
}
