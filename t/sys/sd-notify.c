/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* A program that speaks sd_notify(3) as the real library does: ready, extend or from-child. */
static int
say_ready(void)
{
	if (sd_notify(0, "READY=1\nSTATUS=by libsystemd\nX_UNKNOWN=1") <= 0)
		return 1;
	return sd_notify_barrier(0, 5000000) < 0;
}

static int
in_child(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(say_ready());
	return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "ready";
	int failed;

	if (strcmp(what, "extend") == 0) {
		if (sd_notify(0, "EXTEND_TIMEOUT_USEC=10000000") <= 0)
			return 1;
		usleep(800000);		/* beyond the configured limit */
	}
	failed = strcmp(what, "from-child") == 0 ? in_child() : say_ready();
	if (failed)
		return 1;
	pause();
	return 0;
}
