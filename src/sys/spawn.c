/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys/spawn_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK_SIZE = 64 * 1024, GUARD_SIZE = 64 * 1024 };

static char *
stack_of(const struct spawn_place *p)
{
	return p->s->stacks + (size_t)(p - p->s->places) * (GUARD_SIZE + STACK_SIZE) + GUARD_SIZE;
}

#ifdef __x86_64__
/* libc has no wrapper: the child comes out of the call on its own stack and must not return from here. */
__attribute__((noinline)) static long
clone3_raw(struct clone_args *args, void *arg)
{
	long ret;

	__asm__ volatile(
		"syscall\n\t"
		"testq %%rax, %%rax\n\t"
		"jnz 1f\n\t"
		"movq %[arg], %%rdi\n\t"
		"callq *%[fn]\n\t"
		"hlt\n"
		"1:\n\t"
		: "=a"(ret)
		: "0"((long)SYS_clone3), "D"(args), "S"(sizeof(*args)), [fn] "r"(spawn_live_as_child), [arg] "r"(arg)
		: "rcx", "r11", "cc", "memory");
	return ret;
}

static long
clone_into(struct spawn_place *p, bool together)
{
	struct clone_args args = {
		.flags = CLONE_VM | (together ? CLONE_CHILD_CLEARTID : CLONE_VFORK), .exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack_of(p), .stack_size = STACK_SIZE, .child_tid = (uintptr_t)&p->busy,
	};

	if (p->job.cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)p->job.cgroup_fd;
	}
	p->busy = together;
	return clone3_raw(&args, p);
}

static void
wait_until_out(const struct spawn_place *p)
{
	while (__atomic_load_n(&p->busy, __ATOMIC_ACQUIRE) != 0)
		syscall(SYS_futex, &p->busy, FUTEX_WAIT, 1, NULL, NULL, 0);
}
#else
static long
clone_into(struct spawn_place *p, bool together)
{
	(void)p, (void)together;
	return -ENOSYS;
}

static void
wait_until_out(const struct spawn_place *p)
{
	(void)p;
}
#endif

/* An old kernel or a seccomp filter knows no clone3, or not with a cgroup. */
static bool
says_unknown(long error)
{
	return error == -ENOSYS || error == -EINVAL || error == -E2BIG || error == -EPERM;
}

static pid_t
clone_child(struct spawner *s, struct spawn_place *p, bool together, struct spawn_failure *why)
{
	bool has_cgroup = p->job.cgroup_fd >= 0;
	long pid;

	if (s->clone3) {
		pid = clone_into(p, together);
		if (pid > 0)
			return (pid_t)pid;
		if (!says_unknown(pid)) {
			why->step = pid == -EAGAIN || pid == -ENOMEM || !has_cgroup ? SPAWN_STEP_CLONE : SPAWN_STEP_CGROUP;
			why->error = (int)-pid;
			return -1;
		}
		s->clone3 = false;
	}
	p->busy = 0;
	p->enter_cgroup = has_cgroup;
	pid = clone(spawn_live_as_child, stack_of(p) + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, p);
	if (pid < 0) {
		why->step = SPAWN_STEP_CLONE;
		why->error = errno;
	}
	return (pid_t)pid;
}

static struct spawn_place *
take_place(struct spawner *s, const struct spawn_job *job)
{
	struct spawn_place *p = &s->places[(s->first + s->count) % SPAWN_AT_ONCE];

	assert(s->count < SPAWN_AT_ONCE && job->lend_count <= SPAWN_LEND_MAX);
	*p = (struct spawn_place){ .s = s, .job = *job, .log_fd = -1 };
	if (job->order != NULL)
		p->order = *job->order;
	if (job->lend_count > 0)
		memcpy(p->lend, job->lend, job->lend_count * sizeof(*job->lend));
	p->job.lend = p->lend;
	return p;
}

int
spawn_begin(struct spawner *s, const struct spawn_job *job, bool together, struct spawn_failure *why)
{
	struct spawn_place *p = take_place(s, job);

	/* Of all that share memory the kernel changes the score, unless they have their parent wait. */
	if (p->order.fixed.flags & SPAWN_HAS_OOM)
		together = false;
	p->pid = clone_child(s, p, together, why);
	if (p->pid < 0) {
		free(p->job.take_vector);
		return -1;
	}
	s->count++;
	return 0;
}

bool
spawn_is_full(const struct spawner *s)
{
	return s->count == SPAWN_AT_ONCE;
}

bool
spawn_land(struct spawner *s, struct spawn_landed *out)
{
	struct spawn_place *p = &s->places[s->first];

	if (s->count == 0)
		return false;
	wait_until_out(p);
	*out = (struct spawn_landed){ .inc = p->job.inc, .pid = p->error == 0 ? p->pid : -1, .why = { p->step, p->error } };
	free(p->job.take_vector);
	/* Where one after the other is alone, all have the same stack. */
	s->first = --s->count == 0 ? 0 : (s->first + 1) % SPAWN_AT_ONCE;
	return true;
}

pid_t
spawn_child(struct spawner *s, const struct spawn_job *job, struct spawn_failure *why)
{
	struct spawn_landed landed;

	if (spawn_begin(s, job, false, why) < 0 || !spawn_land(s, &landed))
		return -1;
	*why = landed.why;
	return landed.pid;
}

int
spawn_try_cgroup(struct spawner *s, int cgroup_fd)
{
	struct spawn_place *p = take_place(s, &(struct spawn_job){ .cgroup_fd = cgroup_fd });
	struct spawn_failure why = { 0 };
	pid_t pid;

	p->only_cgroup = true;
	pid = clone_child(s, p, false, &why);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	errno = pid < 0 ? why.error : p->error;
	return errno == 0 ? 0 : -1;
}

static int
open_stacks(struct spawner *s)
{
	enum { SIZE = GUARD_SIZE + STACK_SIZE };
	int i;

	s->stacks = mmap(NULL, SPAWN_AT_ONCE * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->stacks == MAP_FAILED) {
		s->stacks = NULL;
		return -1;
	}
	for (i = 0; i < SPAWN_AT_ONCE; i++)
		if (mprotect(s->stacks + i * SIZE + GUARD_SIZE, STACK_SIZE, PROT_READ | PROT_WRITE) < 0)
			return -1;
	return 0;
}

int
spawner_init(struct spawner *s, struct err *err)
{
	*s = (struct spawner){ .null_fd = -1, .clone3 = true };
	if (getrlimit(RLIMIT_NOFILE, &s->nofile) < 0)
		return err_set(err, errno, "getrlimit");
	s->places = calloc(SPAWN_AT_ONCE, sizeof(*s->places));
	if (s->places == NULL || open_stacks(s) < 0)
		return err_set(err, errno, "stacks for children");
	s->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (s->null_fd < 0)
		return err_set(err, errno, "/dev/null");
	while (s->last_cap < 63 && prctl(PR_CAPBSET_READ, s->last_cap + 1) >= 0)
		s->last_cap++;
	return 0;
}

void
spawner_fini(struct spawner *s)
{
	if (s->stacks != NULL)
		munmap(s->stacks, SPAWN_AT_ONCE * (GUARD_SIZE + STACK_SIZE));
	free(s->places);
	if (s->null_fd >= 0)
		close(s->null_fd);
	*s = (struct spawner){ .null_fd = -1 };
}
