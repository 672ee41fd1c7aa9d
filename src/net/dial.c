/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "net/dial.h"

#include "net/lookup.h"
#include "net/tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ADDRESSES_MAX = 16 };

struct dial {
	struct loop *loop;
	struct lookup *lookup;
	struct timer *timer;
	struct watch *watch;
	int fd;				/* being connected; -1: none */
	int64_t attempt_ms;
	struct { struct addrinfo info; struct sockaddr_storage addr; } addresses[ADDRESSES_MAX];
	size_t address_count, next;
	char address[TCP_ADDRESS_SIZE];
	const char *host;		/* the caller's */
	struct err err;
	dial_fn *fn;
	void *arg;
};

static void try_next(struct dial *d);

static void
drop_attempt(struct dial *d)
{
	watch_free(d->watch);
	d->watch = NULL;
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static void
connected(void *arg, int what)
{
	struct dial *d = arg;
	int error = tcp_connect_result(d->fd), fd = d->fd;

	(void)what;
	if (error != 0) {
		err_set(&d->err, error, "connect to %s", d->address);
		drop_attempt(d);
		try_next(d);
		return;
	}
	watch_free(d->watch);
	d->watch = NULL;
	d->fd = -1;
	timer_at(d->timer, 0);
	d->fn(d->arg, fd, d->address, NULL);
}

/* The next address that lets itself be tried at all. */
static void
try_next(struct dial *d)
{
	const struct addrinfo *a;

	while (d->next < d->address_count) {
		a = &d->addresses[d->next++].info;
		tcp_address(a->ai_addr, d->address);
		d->fd = tcp_connect(a, &d->err);
		if (d->fd < 0)
			continue;
		d->watch = watch_new(d->loop, d->fd, LOOP_WRITE, connected, d);
		if (d->watch != NULL) {
			timer_at(d->timer, clock_mono_ms() + d->attempt_ms);
			return;
		}
		err_set(&d->err, ENOMEM, "connect to %s", d->address);
		drop_attempt(d);
	}
	timer_at(d->timer, 0);
	d->fn(d->arg, -1, NULL, &d->err);
}

static void
add_addresses(struct dial *d, const struct addrinfo *list)
{
	for (; list != NULL && d->address_count < ADDRESSES_MAX; list = list->ai_next) {
		if ((list->ai_family != AF_INET && list->ai_family != AF_INET6) || list->ai_addrlen > sizeof(d->addresses[0].addr))
			continue;
		memcpy(&d->addresses[d->address_count].addr, list->ai_addr, list->ai_addrlen);
		d->addresses[d->address_count].info = *list;
		d->addresses[d->address_count].info.ai_addr = (struct sockaddr *)&d->addresses[d->address_count].addr;
		d->address_count++;
	}
}

static void
looked_up(void *arg, const struct addrinfo *list, const struct err *err)
{
	struct dial *d = arg;

	if (list == NULL)
		d->err = *err;
	add_addresses(d, list);
	lookup_free(d->lookup);
	d->lookup = NULL;
	try_next(d);
}

static void
timed_out(void *arg)
{
	struct dial *d = arg;

	if (d->lookup != NULL) {
		err_set(&d->err, ETIMEDOUT, "look up %s", d->host);
		lookup_free(d->lookup);
		d->lookup = NULL;
	} else if (d->fd >= 0) {
		err_set(&d->err, ETIMEDOUT, "connect to %s", d->address);
		drop_attempt(d);
	}
	try_next(d);
}

struct dial *
dial_new(struct loop *l, const char *host, const char *port, int64_t attempt_ms, dial_fn *fn, void *arg, struct err *err)
{
	struct dial *d = calloc(1, sizeof(*d));
	struct addrinfo *list;

	if (d == NULL || (d->timer = timer_new(l, timed_out, d)) == NULL) {
		err_set(err, ENOMEM, "connect to %s", host);
		dial_free(d);
		return NULL;
	}
	d->loop = l;
	d->host = host;
	d->fd = -1;
	d->attempt_ms = attempt_ms;
	d->fn = fn;
	d->arg = arg;
	list = lookup_numeric(host, port);
	if (list != NULL) {
		add_addresses(d, list);
		freeaddrinfo(list);
		timer_at(d->timer, clock_mono_ms());	/* from the loop */
		return d;
	}
	d->lookup = lookup_new(l, host, port, looked_up, d, err);
	if (d->lookup == NULL) {
		dial_free(d);
		return NULL;
	}
	timer_at(d->timer, clock_mono_ms() + attempt_ms);
	return d;
}

void
dial_free(struct dial *d)
{
	if (d == NULL)
		return;
	lookup_free(d->lookup);
	if (d->timer != NULL)
		drop_attempt(d);
	timer_free(d->timer);
	free(d);
}
