/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "net/lookup.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RUNNING_MAX = 16, HOST_MAX = 256 };

/* Shared by the loop and the thread; the last of them frees it. */
struct job {
	atomic_int users;
	int done_fd;
	char host[HOST_MAX], port[8];
	int result;			/* of getaddrinfo() */
	int error;			/* errno, where that says EAI_SYSTEM */
	struct addrinfo *list;
};

struct lookup {
	struct job *job;
	struct watch *watch;
	lookup_fn *fn;
	void *arg;
};

static atomic_int running;

static const struct addrinfo stream_hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };

static void
leave(struct job *j)
{
	if (atomic_fetch_sub(&j->users, 1) > 1)
		return;
	if (j->list != NULL)
		freeaddrinfo(j->list);
	close(j->done_fd);
	free(j);
}

static void *
ask(void *arg)
{
	struct job *j = arg;

	j->result = getaddrinfo(j->host, j->port, &stream_hints, &j->list);
	j->error = errno;
	if (j->result != 0)
		j->list = NULL;
	atomic_fetch_sub(&running, 1);
	eventfd_write(j->done_fd, 1);
	leave(j);
	return NULL;
}

/* Signals are for the loop's thread. */
static int
start_thread(struct job *j)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int e;

	if (pthread_attr_init(&attr) != 0)
		return ENOMEM;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	e = pthread_create(&thread, &attr, ask, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return e;
}

static void
set_failure(struct err *err, const char *host, int result, int error)
{
	if (result == EAI_SYSTEM)
		err_set(err, error, "look up %s", host);
	else
		err_set(err, 0, "look up %s: %s", host, gai_strerror(result));
}

static void
answered(void *arg, int what)
{
	struct lookup *k = arg;
	struct job *j = k->job;
	struct err err = { 0 };

	(void)what;
	watch_set(k->watch, 0);
	if (j->result != 0)
		set_failure(&err, j->host, j->result, j->error);
	k->fn(k->arg, j->list, &err);
}

static struct job *
job_new(const char *host, const char *port, struct err *err)
{
	struct job *j;

	if (strlen(host) >= HOST_MAX || strlen(port) >= sizeof(j->port)) {
		err_set(err, ENAMETOOLONG, "look up a host");
		return NULL;
	}
	j = calloc(1, sizeof(*j));
	if (j == NULL || (j->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
		err_set(err, errno, "look up %s", host);
		free(j);
		return NULL;
	}
	snprintf(j->host, sizeof(j->host), "%s", host);
	snprintf(j->port, sizeof(j->port), "%s", port);
	atomic_init(&j->users, 1);
	return j;
}

struct lookup *
lookup_new(struct loop *l, const char *host, const char *port, lookup_fn *fn, void *arg, struct err *err)
{
	struct lookup *k;
	int e;

	if (atomic_load(&running) >= RUNNING_MAX) {
		err_set(err, EAGAIN, "look up %s: the name service has not answered %d times", host, RUNNING_MAX);
		return NULL;
	}
	k = calloc(1, sizeof(*k));
	if (k == NULL) {
		err_set(err, ENOMEM, "look up %s", host);
		return NULL;
	}
	k->fn = fn;
	k->arg = arg;
	k->job = job_new(host, port, err);
	if (k->job == NULL)
		goto fail;
	k->watch = watch_new(l, k->job->done_fd, LOOP_READ, answered, k);
	if (k->watch == NULL) {
		err_set(err, ENOMEM, "look up %s", host);
		goto fail;
	}
	atomic_fetch_add(&running, 1);
	atomic_fetch_add(&k->job->users, 1);
	e = start_thread(k->job);
	if (e == 0)
		return k;
	atomic_fetch_sub(&running, 1);
	atomic_fetch_sub(&k->job->users, 1);
	err_set(err, e, "look up %s: start a thread", host);
fail:
	lookup_free(k);
	return NULL;
}

void
lookup_free(struct lookup *k)
{
	if (k == NULL)
		return;
	watch_free(k->watch);
	if (k->job != NULL)
		leave(k->job);
	free(k);
}

struct addrinfo *
lookup_numeric(const char *host, const char *port)
{
	struct addrinfo hints = stream_hints, *list;

	hints.ai_flags |= AI_NUMERICHOST;
	return getaddrinfo(host, port, &hints, &list) == 0 ? list : NULL;
}

struct addrinfo *
lookup_to_listen(const char *host, const char *port, struct err *err)
{
	struct addrinfo hints = stream_hints, *list;
	int e;

	hints.ai_flags |= AI_PASSIVE;
	e = getaddrinfo(host != NULL && *host != '\0' ? host : NULL, port, &hints, &list);
	if (e == 0)
		return list;
	set_failure(err, host ? host : "every address", e, errno);
	return NULL;
}
