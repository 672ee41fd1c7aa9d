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
describe(posix_spawnattr_t *attr, posix_spawn_file_actions_t *files, int out_fd)
{
	sigset_t all, none;
	int e;

	sigfillset(&all);
	sigemptyset(&none);
	e = posix_spawnattr_setsigdefault(attr, &all);
	if (e == 0)
		e = posix_spawnattr_setsigmask(attr, &none);
	if (e == 0)
		e = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
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

int
helper_start(struct helper *h, const char *const *argv, struct err *err)
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
	e = describe(&attr, &files, write_end);
	if (e == 0)
		e = posix_spawn(&h->pid, argv[0], &files, &attr, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	if (e != 0) {
		h->pid = 0;
		return err_set(err, e, "helper %s", argv[0]);
	}
	h->out_fd = take_fd(&read_end);
	return 0;
}

bool
helper_ended(struct helper *h, int *status)
{
	pid_t pid;

	if (h->pid == 0)
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
	if (h->pid > 0)
		kill(h->pid, SIGKILL);
	reap_without_waiting();
	if (h->out_fd >= 0)
		close(h->out_fd);
	h->pid = 0;
	h->out_fd = -1;
}
