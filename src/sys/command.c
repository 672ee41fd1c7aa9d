/* SPDX-License-Identifier: MIT */
#include "sys/command.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
awaited_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

/* In a group of its own, with a clean signal mask and dispositions. */
static int
spawn_in_group(pid_t *pid, char *const argv[])
{
	posix_spawnattr_t attr;
	sigset_t none, all;
	int error;

	error = posix_spawnattr_init(&attr);
	if (error != 0)
		return error;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	error = posix_spawnp(pid, argv[0], NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return error;
}

static bool
has_ended(pid_t pid)
{
	siginfo_t si = { 0 };

	return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid == pid;
}

/* Until pid has ended, the time is over or a signal other than SIGCHLD came, which is returned. */
static int
await_end(pid_t pid, const sigset_t *set, int64_t deadline_ms)
{
	struct timespec wait;
	int64_t left_ms;
	int signo;

	while (!has_ended(pid)) {
		left_ms = deadline_ms - now_ms();
		if (left_ms <= 0)
			return SIGALRM;
		wait = (struct timespec){ .tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000 };
		signo = sigtimedwait(set, NULL, &wait);
		if (signo > 0 && signo != SIGCHLD)
			return signo;
	}
	return 0;
}

static enum command_end
judge(const char *name, int status, int came, int64_t timeout_ms, struct err *err)
{
	if (came == SIGALRM)
		err_set(err, 0, "%s: no end within %lld ms", name, (long long)timeout_ms);
	else if (came != 0)
		return COMMAND_INTERRUPTED;
	else if (WIFSIGNALED(status))
		err_set(err, 0, "%s: ended by signal %d", name, WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		err_set(err, 0, "%s: exit status %d", name, WEXITSTATUS(status));
	else
		return COMMAND_SUCCEEDED;
	return COMMAND_FAILED;
}

enum command_end
command_run(char *const argv[], int64_t timeout_ms, struct err *err)
{
	int64_t deadline_ms = now_ms() + timeout_ms;
	sigset_t set, old;
	pid_t pid;
	int error, came, status = 0;

	awaited_signals(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	error = spawn_in_group(&pid, argv);
	if (error != 0) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		err_set(err, error, "%s", argv[0]);
		return COMMAND_FAILED;
	}
	came = await_end(pid, &set, deadline_ms);
	kill(-pid, SIGKILL);	/* not reaped yet, so the number is still its own */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return judge(argv[0], status, came, timeout_ms, err);
}
