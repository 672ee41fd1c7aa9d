/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctld/keeper.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "sys/memfd.h"
#include "sys/program.h"
#include "wire/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/*
 * The other side of reexec.c: this program has been exec'd by the keeper that it
 * replaces, or is on trial.
 */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct handed {
	const char *data;
	size_t len;
};

static int
open_handed(struct handed *h, int fd, struct err *err)
{
	uint32_t version;
	size_t len;
	void *data;

	if (!memfd_is_sealed(fd, &len) || len == 0)
		return err_set(err, 0, "descriptor %d holds nothing that a keeper has handed over", fd);
	data = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return err_set(err, errno, "what was handed over");
	*h = (struct handed){ data, len };
	switch (handover_check(h->data, h->len, &version)) {
	case HANDOVER_GOOD:
		return 0;
	case HANDOVER_OTHER_VERSION:
		return err_set(err, 0, "what was handed over is of version %u, appctld %s reads version %u: restart appctld instead",
			       version, PACKAGE_VERSION, HANDOVER_VERSION);
	default:
		return err_set(err, 0, "what was handed over is damaged");
	}
}

static void
close_handed(struct handed *h)
{
	if (h->data != NULL)
		munmap((void *)(uintptr_t)h->data, h->len);
	*h = (struct handed){ 0 };
}

/* --- On trial ------------------------------------------------------------------------ */

/* The first half of the answer is given here, the second by the engine that this process becomes. */
int
take_over_trial(void)
{
	const char *argv[] = { "appctl-engine", "--trial", NULL, NULL };
	size_t at = sizeof(struct handover_header);
	struct engine_proc engine = { .link = -1 };
	struct handover_item item;
	struct handed h = { 0 };
	struct err err = { 0 };
	char instance[24];

	if (open_handed(&h, TRIAL_FD_HANDOVER, &err) == 0 && handover_next(h.data, h.len, &at, &item) == 1 &&
	    engine_find(&engine, &err) == 0) {
		snprintf(instance, sizeof(instance), "%016llx", (unsigned long long)item.keeper.instance);
		argv[2] = instance;
		program_become(engine.path, (char *const *)(uintptr_t)argv, &err);
	}
	fprintf(stderr, "%s\n", err.msg);
	return EXIT_FAILED;
}

/* --- In earnest ------------------------------------------------------------------------ */

static int
copy_text(char *to, size_t size, const char *text, struct err *err)
{
	if ((size_t)snprintf(to, size, "%s", text) >= size)
		return err_set(err, ENAMETOOLONG, "what was handed over: %s", text);
	return 0;
}

static int
take_self(struct keeper *k, const struct handover_item *item, struct err *err)
{
	const struct handover_keeper *h = &item->keeper;
	struct runtime *r = &k->runtime;

	k->instance = h->instance;
	k->last_inc = h->last_inc;
	k->started_real_us = h->started_real_us;
	k->spawner.nofile = (struct rlimit){ h->nofile_soft, h->nofile_hard };
	k->engine.tell_signals = h->signals;
	k->deadlines[DUE_UP_READY] = h->up_ready_at_ms;
	k->engine.starts = h->engine_starts;
	k->engine.ever_ready = h->ever_ready;
	k->shutdown_asked = h->shutdown_asked;
	k->reexec.replaced = h->replaced + 1;
	r->dir_fd = h->dir_fd;
	r->lock_fd = h->lock_fd;
	r->control = h->control_fd;
	r->events = h->events_fd;
	r->notify = h->notify_fd;
	r->knock = h->knock_fd;
	k->state_fd = h->state_fd;
	k->cgroups.dir_fd = h->cgroup_fd;
	k->up = (struct notify_up){ .fd = h->up_fd, .to_len = h->up_len, .watchdog_ms = h->watchdog_ms, .said_ready = h->up_said_ready };
	memcpy(&k->up.to, h->up_address, sizeof(k->up.to));
	if (k->up.watchdog_ms > 0) {
		notify_up_send(k, "WATCHDOG=1");	/* the old one's next one does not come */
		arm(k, DUE_WATCHDOG, k->up.watchdog_ms);
	}
	return copy_text(r->dir, sizeof(r->dir), item->texts.runtime_dir, err) < 0 ||
	       copy_text(k->cgroups.path, sizeof(k->cgroups.path), item->texts.cgroup_path, err) < 0 ||
	       copy_text(k->cgroups.leaf, sizeof(k->cgroups.leaf), item->texts.cgroup_leaf, err) < 0 ? -1 : 0;
}

static int
take_kid(struct keeper *k, const struct handover_item *item, struct err *err)
{
	const struct handover_kid *h = &item->kid;
	bool known = table_by_inc(&k->table, h->inc) != NULL;
	struct kid *kid = known ? NULL : table_add(&k->table, h->inc, item->name, item->cgroup);

	if (kid == NULL)
		return err_set(err, known ? 0 : ENOMEM, "what was handed over: child %llu", (unsigned long long)h->inc);
	kid->shutdown_ms = h->shutdown_ms;
	kid->last_signal_step = h->last_signal_step;
	kid->ready_fd = h->ready_fd;
	kid->kind = h->kind;
	kid->stop_signal = h->stop_signal;
	table_set_pid(&k->table, kid, h->pid);
	if (h->flags & KID_EXITED)
		table_set_exited(&k->table, kid, h->status);
	kid->flags |= h->flags;
	return 0;
}

static int
take_all(struct keeper *k, const struct handed *h, struct err *err)
{
	size_t at = sizeof(struct handover_header);
	struct handover_item item;
	int failed = 0;

	while (!failed && handover_next(h->data, h->len, &at, &item) == 1) {
		if (item.type == HANDOVER_KEEPER) {
			log_write(LOG_KEEPER, LOG_LEVEL_INFO, "appctld %s has replaced %s", PACKAGE_VERSION, item.texts.version);
			failed = take_self(k, &item, err);
		} else if (item.type == HANDOVER_KID) {
			failed = take_kid(k, &item, err);
		} else {
			k->orphans[k->orphan_at++ % ORPHANS] = (struct orphan){ item.orphan.pid, item.orphan.status };
		}
	}
	return failed;
}

/* 0: it does not say. */
static unsigned long long
soft_limit(const char *first)
{
	unsigned long long soft = 0;

	sscanf(first, TAKE_OVER "%*d,%*d,%llu", &soft);
	return soft;
}

void
take_over_limit(struct spawner *s, const char *first)
{
	unsigned long long soft = soft_limit(first);

	if (soft > 0 && soft < s->nofile.rlim_cur)
		s->nofile.rlim_cur = (rlim_t)soft;
}

/* The old program again, where it still stands: it reads what it has written itself. */
static void
go_back(int handover, int back, int argc, char **argv)
{
	const char *again[16];
	char first[96], path[64];
	struct err err = { 0 };
	int i;

	if (back < 0 || argc + 1 > (int)(sizeof(again) / sizeof(*again)))
		return;
	snprintf(first, sizeof(first), TAKE_OVER "%d,-1,%llu", handover, soft_limit(argv[1]));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", back);
	for (i = 0; i < argc; i++)
		again[i] = argv[i];
	again[1] = first;
	again[argc] = NULL;
	program_become(path, (char *const *)(uintptr_t)again, &err);
	log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "%s", err.msg);
}

/*
 * Descriptors are made close-on-exec last of all: until then another exec can follow.  Where neither
 * program can take over, only what can be found again is left: see rebuild.c.
 */
int
take_over(struct keeper *k, int argc, char **argv)
{
	struct handed h = { 0 };
	struct err err = { 0 };
	int fd, back;

	if (sscanf(argv[1], TAKE_OVER "%d,%d", &fd, &back) != 2) {
		fprintf(stderr, "appctld: %s: is for appctld itself; see appctl reexec\n", argv[1]);
		exit(EXIT_USAGE);
	}
	prctl(PR_SET_NAME, "appctld");		/* a way back through /proc has left another */
	if (open_handed(&h, fd, &err) < 0 || keeper_prepare(k, &err) < 0 || take_all(k, &h, &err) < 0 ||
	    keeper_watch(k, &err) < 0) {
		log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "appctld %s cannot take over: %s", PACKAGE_VERSION, err.msg);
		go_back(fd, back, argc, argv);
		return -1;
	}
	if (back < 0)
		k->reexec.replaced--;	/* the one between was none */
	notify_up_leave(k, false);
	reexec_keep_descriptors(k, false);
	close_handed(&h);
	close(fd);
	if (back >= 0)
		close(back);
	return 0;
}
