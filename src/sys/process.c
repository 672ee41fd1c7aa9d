/* SPDX-License-Identifier: MIT */
#include "sys/process.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

pid_t
process_reap(int *status, bool *stopped)
{
	pid_t pid;

	do {
		pid = waitpid(-1, status, WNOHANG | WUNTRACED);
	} while (pid < 0 && errno == EINTR);
	*stopped = pid > 0 && WIFSTOPPED(*status);
	return pid > 0 ? pid : 0;
}

int
process_signal(pid_t pid, int signo)
{
	return kill(pid, signo);
}

void
process_allow_many_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}
