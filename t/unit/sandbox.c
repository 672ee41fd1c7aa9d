/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What of this failed: bits, as a process's status takes them. */
static int
inside(bool commands, int (*look)(void))
{
	const struct sandbox_path all = { "/", SANDBOX_READ | SANDBOX_WRITE | SANDBOX_EXECUTE };
	const struct sandbox box = { &all, 1, commands };
	const char *missing;
	struct err err;
	int status;
	pid_t pid = fork();

	assert_return_code(pid, errno);
	if (pid == 0)
		_exit(sandbox_enter(&box, &missing, &err) < 0 ? 255 : look());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool
is_refused(long result)
{
	return result == -1 && (errno == ENOSYS || errno == EPERM);
}

static bool
makes_namespace(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return !is_refused(pid);
}

static int
namespaces(void)
{
	static const unsigned long flags[] = { CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER | CLONE_NEWUTS };
	size_t i;
	int failed = 0;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		failed |= makes_namespace(flags[i]) << i;
	errno = 0;
	if (!is_refused(syscall(SYS_clone3, NULL, 0)) || errno != ENOSYS)
		failed |= 32;
	return failed | (!is_refused(unshare(CLONE_NEWUSER)) ? 64 : 0);
}

static void
no_namespace_is_made(void **state)
{
	(void)state;
	assert_int_equal(inside(false, namespaces), 0);
	assert_int_equal(inside(true, namespaces), 0);
}

static void *
run(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

static int
threads(void)
{
	pthread_t t;
	int ran = 0;

	return pthread_create(&t, NULL, run, &ran) != 0 || pthread_join(t, NULL) != 0 || !ran;
}

static int
commands(void)
{
	char *argv[] = { (char *)"true", NULL };
	pid_t pid;
	int status;

	return posix_spawnp(&pid, "true", NULL, NULL, argv, environ) != 0 || waitpid(pid, &status, 0) != pid || status != 0;
}

static void
threads_and_commands_go_on(void **state)
{
	(void)state;
	assert_int_equal(inside(false, threads), 0);
	assert_int_equal(inside(true, threads), 0);
	assert_int_equal(inside(true, commands), 0);
}

static int
arguments(void)
{
	int n, failed = 0, tty = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	char c = 'x';

	failed |= !is_refused(ioctl(tty >= 0 ? tty : 0, TIOCSTI, &c)) && tty >= 0 ? 1 : 0;
	if (ioctl(tty >= 0 ? tty : 0, FIONREAD, &n) < 0 && errno == ENOSYS)
		failed |= 2;
	return failed;
}

static int
own_arguments(void)
{
	int failed = arguments();

#ifndef __SANITIZE_ADDRESS__
	if (!is_refused(prctl(PR_SET_DUMPABLE, 1)))
		failed |= 4;
#endif
	return failed | (prctl(PR_SET_NAME, "inside") < 0 ? 8 : 0);
}

static void
calls_are_told_apart_by_their_arguments(void **state)
{
	(void)state;
	assert_int_equal(inside(false, own_arguments), 0);
	assert_int_equal(inside(true, arguments), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_namespace_is_made),
		cmocka_unit_test(threads_and_commands_go_on),
		cmocka_unit_test(calls_are_told_apart_by_their_arguments),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
