/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctld/keeper.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "sys/memfd.h"
#include "sys/process.h"
#include "sys/program.h"
#include "wire/handover.h"
#include "wire/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * appctl reexec: this process becomes the program that is installed now, with
 * the same pid, children, sockets and state.  First a trial run of that program, on copies: its keeper reads what
 * would be handed over, its engine the state.  Only when both can, the engine is sent away, and when it
 * has ended the exec follows.  Whatever goes wrong before that, the old program simply goes on.
 */
enum { COPY_AT_ONCE = 1024 * 1024 };
enum { TRIAL_WITHIN_MS = 5000, ENGINE_ENDS_WITHIN_MS = 1000 };

/* --- Which program -------------------------------------------------------------- */

static bool
is_this_program(const char *path)
{
	struct stat a, b;

	return stat(path, &a) == 0 && stat("/proc/self/exe", &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* As it was started, so that a symbolic link is followed anew; else as the kernel knows it. */
void
reexec_remember_program(struct reexec *r, const char *argv0)
{
	static const char deleted[] = " (deleted)";
	ssize_t len;

	if (strchr(argv0, '/') != NULL) {
		if (argv0[0] == '/')
			snprintf(r->program, sizeof(r->program), "%s", argv0);
		else if (getcwd(r->program, sizeof(r->program)) != NULL &&
			 strlen(r->program) + strlen(argv0) + 2 <= sizeof(r->program))
			strcat(strcat(r->program, "/"), argv0);
		if (is_this_program(r->program))
			return;
	}
	len = readlink("/proc/self/exe", r->program, sizeof(r->program) - 1);
	r->program[len > 0 ? len : 0] = '\0';
	if (len > (ssize_t)strlen(deleted) && strcmp(r->program + len - strlen(deleted), deleted) == 0)
		r->program[len - (ssize_t)strlen(deleted)] = '\0';
}

/* --- What is handed over ---------------------------------------------------------- */

static void
put_self(const struct keeper *k, struct buf *out)
{
	const struct runtime *r = &k->runtime;
	struct handover_keeper h = {
		.instance = k->instance, .last_inc = k->last_inc, .started_real_us = k->started_real_us,
		.nofile_soft = k->spawner.nofile.rlim_cur, .nofile_hard = k->spawner.nofile.rlim_max,
		.signals = k->engine.tell_signals | (k->engine.told_signals & 1ULL << SIGHUP),
		.up_ready_at_ms = k->deadlines[DUE_UP_READY],
		.watchdog_ms = k->up.watchdog_ms, .replaced = k->reexec.replaced, .engine_starts = k->engine.starts,
		.dir_fd = r->dir_fd, .lock_fd = r->lock_fd, .control_fd = r->control, .events_fd = r->events,
		.notify_fd = r->notify, .knock_fd = r->knock, .state_fd = k->state_fd, .cgroup_fd = k->cgroups.dir_fd,
		.up_fd = k->up.fd, .up_len = k->up.to_len, .up_said_ready = k->up.said_ready,
		.shutdown_asked = k->shutdown_asked, .ever_ready = k->engine.ever_ready,
	};
	const struct handover_texts texts = {
		.runtime_dir = r->dir, .cgroup_path = k->cgroups.path, .cgroup_leaf = k->cgroups.leaf, .version = PACKAGE_VERSION,
	};

	_Static_assert(sizeof(k->up.to) <= sizeof(h.up_address), "the address finds room");
	memcpy(h.up_address, &k->up.to, sizeof(k->up.to));
	handover_put_keeper(out, &h, &texts);
}

static void
put_kid(const struct kid *kid, struct buf *out)
{
	const struct handover_kid h = {
		.inc = kid->inc, .shutdown_ms = kid->shutdown_ms, .pid = kid->pid, .status = kid->status,
		.last_signal_step = kid->last_signal_step, .ready_fd = kid->ready_fd,
		.flags = kid->flags & (KID_EXITED | KID_TREE_LEFT | KID_OOM | KID_GIVEN_UP),
		.kind = kid->kind, .stop_signal = kid->stop_signal,
	};

	/* What never ran is told again by nobody: the next engine orders it anew. */
	if (!(kid->flags & KID_FAILED))
		handover_put_kid(out, &h, kid_name(kid), kid_cgroup(kid));
}

/* Slots as they lie; then the orphans, the oldest first. */
static void
put_all(const struct keeper *k, struct buf *out)
{
	const struct kid *kid;
	unsigned i;

	handover_begin(out);
	put_self(k, out);
	for (kid = table_next(&k->table, NULL); kid != NULL; kid = table_next(&k->table, kid))
		put_kid(kid, out);
	for (i = 0; i < ORPHANS; i++) {
		const struct orphan *o = &k->orphans[(k->orphan_at + i) % ORPHANS];

		if (o->pid != 0)
			handover_put_orphan(out, &(struct handover_orphan){ o->pid, o->status });
	}
	handover_end(out);
}

/* Sealed: what the trial has read is what is taken over.  -1: errno. */
static int
make_handover(const struct keeper *k)
{
	struct buf out = { 0 };
	int fd = -1;

	put_all(k, &out);
	if (!out.failed)
		fd = move_up(memfd_sealed("appctl-handover", out.data, out.len));
	else
		errno = ENOMEM;
	buf_free(&out);
	return fd;
}

/*
 * The engine writes on meanwhile: first of all the header, which says how much was committed then; all of that is
 * there by then, and what follows is only ever added behind it.
 */
static int
copy_state(const struct keeper *k)
{
	autoclose int fd = memfd_create("appctl-state", MFD_CLOEXEC);
	struct state_header header;
	ssize_t first = fd < 0 ? -1 : pread(k->state_fd, &header, sizeof(header), 0), n = 1;
	off_t at = 0;

	while (first >= 0 && n > 0)
		n = sendfile(fd, k->state_fd, &at, COPY_AT_ONCE);
	if (first < 0 || n < 0 || (first > 0 && memfd_write(fd, &header, (size_t)first, 0) < 0))
		return -1;
	return move_up(take_fd(&fd));
}

/* --- The trial ---------------------------------------------------------------------- */

static void failed(struct keeper *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The old one goes on. */
static void
failed(struct keeper *k, const char *fmt, ...)
{
	struct reexec *r = &k->reexec;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "not replaced, %s goes on: %s", PACKAGE_VERSION, r->text);
	disarm(k, DUE_REEXEC);
	r->agreed = false;
	tell_reexec(k, LINK_REEXEC_FAILED);
}

/* A session of its own: what it leaves can be killed with it. */
static pid_t
spawn_trial(struct keeper *k, int handover, int state, struct spawn_failure *why)
{
	const char *argv[] = { k->reexec.program, "--trial", NULL };
	const struct spawn_order order = {
		.fixed = { .flags = SPAWN_SESSION, .stdio = { STDIO_NULL, STDIO_PASSED, STDIO_PASSED } },
		.directory = "", .root = "", .log_path = "", .runtime_directory = "", .argv = argv, .envp = (const char *const *)environ,
	};
	const struct spawn_lend lend[] = { { handover, TRIAL_FD_HANDOVER }, { state, ENGINE_FD_STATE } };
	const struct spawn_job job = {
		.order = &order, .cgroup_fd = -1, .passed = { -1, k->reexec.text_fd, k->reexec.text_fd },
		.lend = lend, .lend_count = 2,
	};

	return spawn_child(&k->spawner, &job, why);
}

static void
begin_trial(struct keeper *k)
{
	struct reexec *r = &k->reexec;
	struct spawn_failure why = { 0 };
	autoclose int handover = make_handover(k);
	autoclose int state = handover < 0 ? -1 : copy_state(k);

	r->text_fd = state < 0 ? -1 : move_up(memfd_create("appctl-trial", MFD_CLOEXEC));
	if (r->text_fd < 0) {
		failed(k, "cannot copy the state: %s", strerror(errno));
		return;
	}
	r->timed_out = false;
	r->pid = spawn_trial(k, handover, state, &why);
	if (r->pid > 0) {
		arm(k, DUE_REEXEC, TRIAL_WITHIN_MS);
		return;
	}
	r->pid = 0;
	close(r->text_fd);
	failed(k, "cannot execute %s: %s", r->program, strerror(why.error));
}

void
reexec_begin(struct keeper *k)
{
	struct reexec *r = &k->reexec;

	if (r->pid != 0 || r->agreed)
		return;
	if (k->shutdown_asked || k->standing_alone || k->leaving)
		failed(k, "appctld is shutting down");
	else if (stat(r->program, &r->file) < 0)
		failed(k, "%s: %s", r->program, strerror(errno));
	else
		begin_trial(k);
}

/* The last line of what it said, without what ends it. */
static const char *
last_line(char *text)
{
	size_t len = strlen(text);
	char *nl;

	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	nl = strrchr(text, '\n');
	return nl != NULL ? nl + 1 : text;
}

/* What it says when all is well: TRIAL_PASSED and its version.  NULL: it is not that. */
static const char *
version_in(char *text)
{
	if (strncmp(text, TRIAL_PASSED, strlen(TRIAL_PASSED)) != 0)
		return NULL;
	text += strlen(TRIAL_PASSED);
	text[strcspn(text, "\n")] = '\0';
	return *text != '\0' ? text : NULL;
}

static void
passed(struct keeper *k, const char *version)
{
	struct reexec *r = &k->reexec;

	snprintf(r->text, sizeof(r->text), "%s", version);
	log_write(LOG_KEEPER, LOG_LEVEL_INFO, "%s is good: appctld %s takes over from %s", r->program, version, PACKAGE_VERSION);
	r->agreed = true;
	if (k->engine.pid == 0) {
		reexec_go(k);
		return;
	}
	arm(k, DUE_REEXEC, ENGINE_ENDS_WITHIN_MS);
	tell_reexec(k, LINK_REEXEC_GO);
}

void
reexec_trial_ended(struct keeper *k, int status)
{
	struct reexec *r = &k->reexec;
	char text[1024] = { 0 };
	const char *version;

	if (r->text_fd >= 0 && pread(r->text_fd, text, sizeof(text) - 1, 0) < 0)
		text[0] = '\0';
	close(r->text_fd);
	r->pid = 0;
	disarm(k, DUE_REEXEC);
	version = version_in(text);
	if (k->leaving || k->standing_alone || k->shutdown_asked)
		failed(k, "appctld is shutting down");
	else if (r->timed_out)
		failed(k, "%s did not end its trial run within %d s", r->program, TRIAL_WITHIN_MS / 1000);
	else if (WIFSIGNALED(status))
		failed(k, "%s was ended by signal %d (%s) in its trial run", r->program, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		failed(k, "%s ended with status %d in its trial run: %s", r->program, WEXITSTATUS(status), last_line(text));
	else if (version == NULL)
		failed(k, "%s does not say in its trial run that it can take over: is it appctld?", r->program);
	else
		passed(k, version);
}

void
reexec_due(struct keeper *k)
{
	struct reexec *r = &k->reexec;

	if (r->pid != 0) {
		r->timed_out = true;
		process_signal(-r->pid, SIGKILL);
	} else if (r->agreed) {
		engine_kill(k, "it does not give way to the new appctld");
	}
}

/* --- The exec ------------------------------------------------------------------------ */

static void
keep_open(int fd, bool keep)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

void
reexec_keep_descriptors(const struct keeper *k, bool keep)
{
	const int fds[] = {
		k->runtime.dir_fd, k->runtime.lock_fd, k->runtime.control, k->runtime.events, k->runtime.notify,
		k->runtime.knock, k->state_fd, k->cgroups.dir_fd, k->up.fd,
	};
	const struct kid *kid;
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		keep_open(fds[i], keep);
	for (kid = table_next(&k->table, NULL); kid != NULL; kid = table_next(&k->table, kid))
		keep_open(kid->ready_fd, keep);
}

/* The options with which it was started, where they were left out made plain. */
static void
fill_argv(const struct keeper *k, const char *first, const char **argv)
{
	const struct options *o = &k->options;

	*argv++ = k->reexec.program;
	*argv++ = first;
	*argv++ = "-c";
	*argv++ = o->config;
	*argv++ = "-r";
	*argv++ = k->runtime.dir;
	if (o->mode != NULL) {
		*argv++ = "-m";
		*argv++ = o->mode;
	}
	if (o->node != NULL) {
		*argv++ = "-n";
		*argv++ = o->node;
	}
	*argv = NULL;
}

static bool
is_the_same_file(const struct reexec *r)
{
	struct stat now;

	return stat(r->program, &now) == 0 && now.st_dev == r->file.st_dev && now.st_ino == r->file.st_ino &&
	       now.st_size == r->file.st_size && now.st_ctim.tv_sec == r->file.st_ctim.tv_sec &&
	       now.st_ctim.tv_nsec == r->file.st_ctim.tv_nsec;
}

/* Returns only where that is not possible. */
static void
become(struct keeper *k, int handover, int back, struct err *err)
{
	const char *argv[12];
	char first[64];

	snprintf(first, sizeof(first), TAKE_OVER "%d,%d,%llu", handover, back, (unsigned long long)k->spawner.nofile.rlim_cur);
	fill_argv(k, first, argv);
	keep_open(handover, true);
	keep_open(back, true);
	reexec_keep_descriptors(k, true);
	notify_up_leave(k, true);
	program_become(k->reexec.program, (char *const *)(uintptr_t)argv, err);
	notify_up_leave(k, false);
	reexec_keep_descriptors(k, false);
}

/* No engine is there.  Comes back only where the old program has to go on. */
void
reexec_go(struct keeper *k)
{
	autoclose int back = move_up(open("/proc/self/exe", O_PATH | O_CLOEXEC));
	autoclose int handover = make_handover(k);
	struct err err = { 0 };

	if (back < 0 || handover < 0)
		err_set(&err, errno, "cannot hand over");
	else if (!is_the_same_file(&k->reexec))
		err_set(&err, 0, "%s was changed after its trial run", k->reexec.program);
	else
		become(k, handover, back, &err);
	failed(k, "%s", err.msg);
}
