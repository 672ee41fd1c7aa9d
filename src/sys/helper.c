/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys/helper.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

static int
describe(posix_spawnattr_t *attr, posix_spawn_file_actions_t *files, int out_fd, bool group)
{
	short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (group ? POSIX_SPAWN_SETPGROUP : 0);
	sigset_t all, none;
	int e;

	sigfillset(&all);
	sigemptyset(&none);
	e = posix_spawnattr_setsigdefault(attr, &all);
	if (e == 0)
		e = posix_spawnattr_setsigmask(attr, &none);
	if (e == 0)
		e = posix_spawnattr_setflags(attr, flags);
	if (e == 0)
		e = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (e == 0)
		e = posix_spawn_file_actions_adddup2(files, out_fd, STDOUT_FILENO);
	if (e == 0)
		e = posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
	return e;
}

/* A helper that was killed may be stuck in the kernel: nobody waits for it, a later call finds it ended. */
static void
reap_without_waiting(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static int
start(struct helper *h, const char *const *argv, bool group, struct err *err)
{
	autoclose int read_end = -1, write_end = -1;
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int ends[2], e;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, errno, "helper %s: pipe", argv[0]);
	read_end = ends[0];
	write_end = ends[1];
	if (fcntl(read_end, F_SETFL, O_NONBLOCK) < 0)
		return err_set(err, errno, "helper %s: pipe", argv[0]);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_init(&files);
	e = describe(&attr, &files, write_end, group);
	if (e == 0)
		e = (group ? posix_spawnp : posix_spawn)(&h->pid, argv[0], &files, &attr,
							 (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	if (e != 0) {
		h->pid = 0;
		return err_set(err, e, "helper %s", argv[0]);
	}
	h->out_fd = take_fd(&read_end);
	h->group = group;
	return 0;
}

int
helper_start(struct helper *h, const char *const *argv, struct err *err)
{
	return start(h, argv, false, err);
}

int
helper_start_group(struct helper *h, const char *const *argv, struct err *err)
{
	return start(h, argv, true, err);
}

void
helper_kill(struct helper *h)
{
	if (h->pid > 0)
		kill(h->group ? -h->pid : h->pid, SIGKILL);
}

/* What the first of a group leaves behind is killed before its number may be another's. */
static bool
group_ended(struct helper *h)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)h->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return true;
	if (info.si_pid == 0)
		return false;
	helper_kill(h);
	return true;
}

bool
helper_ended(struct helper *h, int *status)
{
	pid_t pid;

	if (h->pid == 0 || (h->group && !group_ended(h)))
		return false;
	do {
		pid = waitpid(h->pid, status, WNOHANG);
	} while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	if (pid < 0)		/* reaped elsewhere: its output says whether it did its work */
		*status = 0;
	h->pid = 0;
	return true;
}

void
helper_fini(struct helper *h)
{
	helper_kill(h);
	if (h->group && h->pid > 0)		/* others may wait for children of theirs */
		waitpid(h->pid, NULL, WNOHANG);
	else if (!h->group)
		reap_without_waiting();
	if (h->out_fd >= 0)
		close(h->out_fd);
	h->pid = 0;
	h->out_fd = -1;
}
