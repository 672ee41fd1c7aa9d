/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * minsup: the least that a supervisor has to do, as a limit to compare with.
 *
 *	minsup METHOD N FIFO SVC [MODE]		starts N, reaps, starts again at once; SIGTERM: stops all and ends
 *	minsup METHOD-chain LxW FIFO SVC	L layers of W; the next one when all of this one wrote to descriptor 3
 *
 * METHOD: fork, vfork, spawn, clone3 (CLONE_VM, CLONE_VFORK, CLONE_PIDFD), cgroup: as clone3, into a control
 * group made for each service, or session: as cgroup, and each service leads a session.
 * MINSUP_THREADS=N: so many threads share the first start.
 */
enum method { METHOD_FORK, METHOD_VFORK, METHOD_SPAWN, METHOD_CLONE3, METHOD_CGROUP, METHOD_SESSION, METHOD_COUNT };
static const char *const method_names[] = { "fork", "vfork", "spawn", "clone3", "cgroup", "session" };

struct job {
	char *argv[6];
	int ready_fd;
};

extern char **environ;
static enum method method;
static const char *svc, *fifo, *mode = "p";
static sigset_t no_signals;
static char cgroup_dir[512];
static pid_t *pids;
static int *id_of;		/* by pid, plus one; touched lazily */
static int count, thread_count = 1;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* Where this process's own version 2 group lies in the file system. */
static void
find_cgroup(void)
{
	char line[1024], path[256] = "", mount[128] = "";
	FILE *f = fopen("/proc/self/cgroup", "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "0::%255s", path);
	if (f != NULL)
		fclose(f);
	f = fopen("/proc/self/mountinfo", "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, " - cgroup2 ") != NULL)
			sscanf(line, "%*s %*s %*s %*s %127s", mount);
	}
	if (f != NULL)
		fclose(f);
	if (mount[0] == '\0')
		die("no version 2 control groups");
	snprintf(cgroup_dir, sizeof(cgroup_dir), "%s%s", mount, path);
}

static int
make_cgroup(int id)
{
	char dir[600];
	int fd;

	snprintf(dir, sizeof(dir), "%s/s%d", cgroup_dir, id);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		die(dir);
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die(dir);
	return fd;
}

static void
remove_cgroups(void)
{
	char dir[600];
	int id;

	for (id = 0; method >= METHOD_CGROUP && id < count; id++) {
		snprintf(dir, sizeof(dir), "%s/s%d", cgroup_dir, id);
		rmdir(dir);
	}
}

static void
child(void *arg)
{
	struct job *j = arg;

	if (method == METHOD_SESSION)
		setsid();
	sigprocmask(SIG_SETMASK, &no_signals, NULL);
	if (j->ready_fd >= 0)
		dup2(j->ready_fd, 3);
	execve(svc, j->argv, environ);
	_exit(127);
}

/* The child runs on a stack of its own until it execs; the caller waits so long. */
static pid_t
clone_child(struct job *j, int cgroup)
{
	static __thread char stack[65536] __attribute__((aligned(64)));
	int pidfd = -1;
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_VFORK | (cgroup >= 0 ? CLONE_INTO_CGROUP : CLONE_PIDFD),
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack,
		.stack_size = sizeof(stack),
		.cgroup = cgroup >= 0 ? (uint64_t)cgroup : 0,
	};
	long ret;

	if (cgroup >= 0)
		a.pidfd = 0;
	__asm__ volatile("syscall\n\ttest %%rax,%%rax\n\tjnz 1f\n\txor %%ebp,%%ebp\n\tmov %[arg],%%rdi\n\t"
			 "call *%[fn]\n\thlt\n1:"
			 : "=a"(ret)
			 : "0"(SYS_clone3), "D"(&a), "S"(sizeof(a)), [fn] "r"(child), [arg] "r"(j)
			 : "rcx", "r11", "memory");
	if (ret < 0)
		errno = (int)-ret;
	return (pid_t)(ret < 0 ? -1 : ret);
}

static pid_t
spawn_child(struct job *j)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t a;
	pid_t pid;

	posix_spawnattr_init(&a);
	posix_spawn_file_actions_init(&fa);
	if (j->ready_fd >= 0)
		posix_spawn_file_actions_adddup2(&fa, j->ready_fd, 3);
	posix_spawnattr_setsigmask(&a, &no_signals);
	posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSIGMASK);
	return posix_spawn(&pid, svc, &fa, &a, j->argv, environ) == 0 ? pid : -1;
}

static void
launch(int id, int ready_fd)
{
	char number[16];
	struct job j = { { (char *)svc, (char *)fifo, number, (char *)mode, NULL, NULL }, ready_fd };
	pid_t pid = -1;
	int cgroup;

	snprintf(number, sizeof(number), "%d", id);
	switch (method) {
	case METHOD_FORK:
		pid = fork();
		if (pid == 0)
			child(&j);
		break;
	case METHOD_VFORK:
		pid = vfork();
		if (pid == 0)
			child(&j);
		break;
	case METHOD_SPAWN:
		pid = spawn_child(&j);
		break;
	case METHOD_CGROUP:
	case METHOD_SESSION:
		cgroup = make_cgroup(id);
		pid = clone_child(&j, cgroup);
		close(cgroup);
		break;
	default:
		pid = clone_child(&j, -1);
		break;
	}
	if (pid < 0)
		die("start");
	pids[id] = pid;
	id_of[pid] = id + 1;
}

static void *
launch_part(void *arg)
{
	int id;

	for (id = (int)(intptr_t)arg; id < count; id += thread_count)
		launch(id, -1);
	return NULL;
}

static void
launch_all(void)
{
	pthread_t threads[64];
	int i;

	for (i = 1; i < thread_count; i++) {
		if (pthread_create(&threads[i], NULL, launch_part, (void *)(intptr_t)i) != 0)
			die("thread");
	}
	launch_part(NULL);
	for (i = 1; i < thread_count; i++)
		pthread_join(threads[i], NULL);
}

/* Starts one service of a layer; the end to read its readiness from. */
static int
launch_with_pipe(int id)
{
	int p[2], out;

	if (pipe2(p, O_CLOEXEC) < 0)
		die("pipe");
	out = p[1];
	if (out == 3) {		/* dup2(3, 3) would keep it close-on-exec */
		out = fcntl(p[1], F_DUPFD_CLOEXEC, 10);
		close(p[1]);
	}
	launch(id, out);
	close(out);
	return p[0];
}

static void
launch_layers(int layers, int width)
{
	int *fd = calloc((size_t)width, sizeof(*fd));
	int layer, i;
	char byte;

	mode = "n";
	for (layer = 0; layer < layers; layer++) {
		for (i = 0; i < width; i++)
			fd[i] = launch_with_pipe(layer * width + i);
		for (i = 0; i < width; i++) {
			if (read(fd[i], &byte, 1) != 1)
				die("readiness");
			close(fd[i]);
		}
	}
	free(fd);
}

static void
supervise(const sigset_t *signals)
{
	int status, id, live = count;
	bool stopping = false;
	pid_t pid;

	while (!stopping || live > 0) {
		if (sigwaitinfo(signals, NULL) == SIGTERM) {
			stopping = true;
			for (id = 0; id < count; id++)
				kill(pids[id], SIGTERM);
		}
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			id = id_of[pid] - 1;
			id_of[pid] = 0;
			if (stopping)
				live--;
			else if (id >= 0)
				launch(id, -1);
		}
	}
}

int
main(int argc, char **argv)
{
	int layers = 0, width = 0;
	sigset_t signals;
	size_t len;

	if (argc < 5)
		return 2;
	len = strcspn(argv[1], "-");
	while (method < METHOD_COUNT && (strlen(method_names[method]) != len || strncmp(method_names[method], argv[1], len) != 0))
		method++;
	if (method == METHOD_COUNT)
		return 2;
	if (argv[1][len] == '-' && sscanf(argv[2], "%dx%d", &layers, &width) != 2)
		return 2;
	if (getenv("MINSUP_THREADS") != NULL)
		thread_count = atoi(getenv("MINSUP_THREADS"));
	fifo = argv[3];
	svc = argv[4];
	mode = argc > 5 ? argv[5] : mode;
	count = layers > 0 ? layers * width : atoi(argv[2]);
	pids = calloc((size_t)count, sizeof(*pids));
	id_of = calloc(4194304, sizeof(*id_of));
	if (pids == NULL || id_of == NULL || thread_count < 1 || thread_count > 64)
		return 2;
	sigemptyset(&no_signals);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (method >= METHOD_CGROUP)
		find_cgroup();
	if (layers > 0)
		launch_layers(layers, width);
	else
		launch_all();
	supervise(&signals);
	remove_cgroups();
	return 0;
}
