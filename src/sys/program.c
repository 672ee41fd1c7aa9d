/* SPDX-License-Identifier: MIT */
#include "sys/program.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int
program_become(const char *path, char *const argv[], struct err *err)
{
	execv(path, argv);
	return err_set(err, errno, "cannot execute %s", path);
}

void
program_stop_self(void)
{
	kill(getpid(), SIGSTOP);
}

int
program_watch(pid_t pid)
{
	if (pid <= 0) {
		errno = ESRCH;
		return -1;
	}
	return (int)syscall(SYS_pidfd_open, pid, 0);
}
