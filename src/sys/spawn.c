/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK_SIZE = 64 * 1024, GUARD_SIZE = 64 * 1024, KERNEL_SIGSET_SIZE = 8 };
enum { WHO_PROCESS = 1 };		/* IOPRIO_WHO_PROCESS: libc has no name for it */
#define PATH_WITHOUT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#ifdef SYS_setresuid32
#define SYS_setresuid_ SYS_setresuid32
#define SYS_setresgid_ SYS_setresgid32
#define SYS_setgroups_ SYS_setgroups32
#define SYS_getgroups_ SYS_getgroups32
#define SYS_fchown_ SYS_fchown32
#else
#define SYS_setresuid_ SYS_setresuid
#define SYS_setresgid_ SYS_setresgid
#define SYS_setgroups_ SYS_setgroups
#define SYS_getgroups_ SYS_getgroups
#define SYS_fchown_ SYS_fchown
#endif

/* A sanitizer's bookkeeping belongs to the parent's stack: the child's functions go without it. */
#define IN_CHILD __attribute__((no_sanitize_address, no_sanitize_undefined)) static

/* What parent and child share while the parent stands still. */
struct plan {
	const struct spawner *s;
	const struct spawn_job *job;
	const struct spawn_order *order;
	bool enter_cgroup;		/* the clone did not do it */
	bool only_cgroup;		/* the first step is all there is to do */
	int log_fd;
	volatile uint32_t step;
	volatile int error;
};

/* --- The child: each step returns 0, or -1 with errno ----------------------- */

IN_CHILD long
write_file(int dir_fd, const char *path, const char *text, size_t len)
{
	long fd = syscall(SYS_openat, dir_fd, path, O_WRONLY | O_CLOEXEC, 0);

	if (fd < 0 || syscall(SYS_write, fd, text, len) < 0)
		return -1;
	return syscall(SYS_close, fd);
}

IN_CHILD long
enter_cgroup(struct plan *p)
{
	return p->enter_cgroup ? write_file(p->job->cgroup_fd, "cgroup.procs", "0", 1) : 0;
}

IN_CHILD long
lead_a_group(struct plan *p)
{
	if (p->order->fixed.flags & SPAWN_SESSION)
		return syscall(SYS_setsid) < 0 ? -1 : 0;
	return syscall(SYS_setpgid, 0, 0);
}

IN_CHILD long
set_limits(struct plan *p)
{
	struct { uint64_t soft, hard; } limit = { p->s->nofile.rlim_cur, p->s->nofile.rlim_max };
	uint32_t i;

	if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL) < 0)
		return -1;
	for (i = 0; i < p->order->fixed.limit_count; i++) {
		limit.soft = p->order->limits[i].soft;
		limit.hard = p->order->limits[i].hard;
		if (syscall(SYS_prlimit64, 0, p->order->limits[i].resource, &limit, NULL) < 0)
			return -1;
	}
	return 0;
}

IN_CHILD long
set_priority(struct plan *p)
{
	const struct link_spawn *f = &p->order->fixed;

	if ((f->flags & SPAWN_HAS_NICE) && syscall(SYS_setpriority, PRIO_PROCESS, 0, f->nice) < 0)
		return -1;
	return f->flags & SPAWN_HAS_IONICE ? syscall(SYS_ioprio_set, WHO_PROCESS, 0, f->ionice) : 0;
}

IN_CHILD long
set_affinity(struct plan *p)
{
	const struct link_spawn *f = &p->order->fixed;

	if (!(f->flags & SPAWN_HAS_AFFINITY))
		return 0;
	return syscall(SYS_sched_setaffinity, 0, sizeof(f->cpu_affinity), f->cpu_affinity);
}

/* -1000 to 1000, as text. */
IN_CHILD long
set_oom_score(struct plan *p)
{
	char text[16], *at = text + sizeof(text);
	int value = p->order->fixed.oom_score_adj;
	unsigned left = value < 0 ? 0u - (unsigned)value : (unsigned)value;

	if (!(p->order->fixed.flags & SPAWN_HAS_OOM))
		return 0;
	do {
		*--at = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (value < 0)
		*--at = '-';
	return write_file(AT_FDCWD, "/proc/self/oom_score_adj", at, (size_t)(text + sizeof(text) - at));
}

/*
 * Below a directory that only the caller can write in.  What an earlier user of the name left is taken over, its
 * contents untouched; a link in its place is refused.
 */
IN_CHILD long
make_runtime_directory(struct plan *p)
{
	enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
	const struct link_spawn *f = &p->order->fixed;
	const char *name = p->order->runtime_directory;
	uint32_t uid = f->flags & SPAWN_HAS_UID ? f->uid : UINT32_MAX, gid = f->flags & SPAWN_HAS_GID ? f->gid : UINT32_MAX;
	long fd;

	if (name[0] == '\0')
		return 0;
	if (syscall(SYS_mkdirat, p->job->runtime_fd, name, 0755) < 0 && errno != EEXIST)
		return -1;
	fd = syscall(SYS_openat, p->job->runtime_fd, name, FLAGS, 0);
	if (fd < 0 || syscall(SYS_fchown_, fd, uid, gid) < 0 || syscall(SYS_fchmod, fd, 0755) < 0)
		return -1;
	return syscall(SYS_close, fd);
}

/* O_NONBLOCK: the open of a fifo that nobody reads must fail rather than stop the parent too. */
IN_CHILD long
open_log(struct plan *p)
{
	enum { FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC };

	if (p->order->fixed.stdio[1] != STDIO_FILE && p->order->fixed.stdio[2] != STDIO_FILE)
		return 0;
	p->log_fd = (int)syscall(SYS_openat, AT_FDCWD, p->order->log_path, FLAGS, 0640);
	return p->log_fd < 0 ? -1 : syscall(SYS_fcntl, p->log_fd, F_SETFL, O_APPEND);
}

/* The descriptor `from` as number `to`, open across exec. */
IN_CHILD long
put_descriptor(int from, int to)
{
	if (from == to)
		return syscall(SYS_fcntl, to, F_SETFD, 0);
	return syscall(SYS_dup3, from, to, 0) < 0 ? -1 : 0;
}

IN_CHILD int
source_of(const struct plan *p, int number)
{
	switch (p->order->fixed.stdio[number]) {
	case STDIO_INHERIT:
		return number;
	case STDIO_FILE:
		return p->log_fd;
	case STDIO_PASSED:
		return p->job->passed[number];
	default:
		return p->s->null_fd;
	}
}

/* Everything from first on, but what is lent; the lent numbers are few. */
IN_CHILD long
close_others(const struct plan *p)
{
	unsigned first = 3, next, to;
	size_t i;

	do {
		next = UINT_MAX;
		for (i = 0; i < p->job->lend_count; i++) {
			to = (unsigned)p->job->lend[i].to;
			if (to >= first && to < next)
				next = to;
		}
		/* Where the kernel has no close_range, exec closes them: all are close-on-exec. */
		if (next > first && syscall(SYS_close_range, first, next == UINT_MAX ? next : next - 1, 0) < 0 &&
		    errno != ENOSYS)
			return -1;
		first = next + 1;
	} while (next != UINT_MAX);
	return 0;
}

IN_CHILD long
set_descriptors(struct plan *p)
{
	size_t i;
	int n;

	for (n = 0; n < 3; n++)
		if (put_descriptor(source_of(p, n), n) < 0)
			return -1;
	for (i = 0; i < p->job->lend_count; i++)
		if (put_descriptor(p->job->lend[i].from, p->job->lend[i].to) < 0)
			return -1;
	return close_others(p);
}

/* ENOTTY: it is no terminal. */
IN_CHILD long
take_terminal(struct plan *p)
{
	if (!(p->order->fixed.flags & SPAWN_TERMINAL) || syscall(SYS_ioctl, 0, TIOCSCTTY, 0) == 0 || errno == ENOTTY)
		return 0;
	return -1;
}

IN_CHILD long
change_root(struct plan *p)
{
	if (p->order->root[0] == '\0')
		return 0;
	if (syscall(SYS_chroot, p->order->root) < 0)
		return -1;
	return syscall(SYS_chdir, "/");
}

/*
 * The bounding set is what no exec gets past.  A caller that may not narrow it can
 * promise the same by no_new_privs, which comes later.
 */
IN_CHILD long
bound_capabilities(struct plan *p)
{
	const struct link_spawn *f = &p->order->fixed;
	int cap;

	if (!(f->flags & SPAWN_HAS_CAPS))
		return 0;
	for (cap = 0; cap <= p->s->last_cap; cap++) {
		if (f->capabilities >> cap & 1 || syscall(SYS_prctl, PR_CAPBSET_READ, cap, 0, 0, 0) == 0)
			continue;
		if (syscall(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EPERM && (f->flags & SPAWN_NO_NEW_PRIVS))
				break;
			return -1;
		}
	}
	return syscall(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
}

/* Asking for the groups that it has already needs no privilege. */
IN_CHILD bool
has_these_groups(const struct spawn_order *o)
{
	uint32_t now[64], i;
	long count = syscall(SYS_getgroups_, sizeof(now) / sizeof(*now), now);

	if (count < 0 || (uint32_t)count != o->fixed.group_count)
		return false;
	for (i = 0; i < o->fixed.group_count; i++)
		if (now[i] != o->groups[i])
			return false;
	return true;
}

IN_CHILD long
set_groups(struct plan *p)
{
	const struct spawn_order *o = p->order;

	if (!(o->fixed.flags & SPAWN_HAS_GROUPS) || syscall(SYS_setgroups_, o->fixed.group_count, o->groups) == 0)
		return 0;
	if (errno != EPERM || has_these_groups(o))
		return errno == EPERM ? 0 : -1;
	errno = EPERM;
	return -1;
}

IN_CHILD long
set_group(struct plan *p)
{
	uint32_t gid = p->order->fixed.gid;

	return p->order->fixed.flags & SPAWN_HAS_GID ? syscall(SYS_setresgid_, gid, gid, gid) : 0;
}

IN_CHILD long
set_user(struct plan *p)
{
	uint32_t uid = p->order->fixed.uid;

	return p->order->fixed.flags & SPAWN_HAS_UID ? syscall(SYS_setresuid_, uid, uid, uid) : 0;
}

/* Permitted, effective, inheritable, and ambient so that they outlive the exec of an ordinary program. */
IN_CHILD long
set_capabilities(struct plan *p)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t caps = p->order->fixed.capabilities;
	int i;

	if (!(p->order->fixed.flags & SPAWN_HAS_CAPS))
		return 0;
	for (i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = data[i].inheritable = (uint32_t)(caps >> (32 * i));
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return -1;
	if (syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -1;
	for (i = 0; i <= p->s->last_cap; i++)
		if (caps >> i & 1 && syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return -1;
	return 0;
}

IN_CHILD long
set_no_new_privs(struct plan *p)
{
	return p->order->fixed.flags & SPAWN_NO_NEW_PRIVS ? syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) : 0;
}

IN_CHILD long
change_directory(struct plan *p)
{
	if (p->order->fixed.flags & SPAWN_HAS_UMASK)
		syscall(SYS_umask, p->order->fixed.umask);
	return p->order->directory[0] != '\0' ? syscall(SYS_chdir, p->order->directory) : 0;
}

IN_CHILD const char *
search_path(const char *const *envp)
{
	for (; *envp != NULL; envp++)
		if ((*envp)[0] == 'P' && (*envp)[1] == 'A' && (*envp)[2] == 'T' && (*envp)[3] == 'H' && (*envp)[4] == '=')
			return *envp + 5;
	return PATH_WITHOUT_PATH;
}

/* Appends text up to a NUL or stop at path + at; the new length, or PATH_MAX where it has no room. */
IN_CHILD size_t
append(char *path, size_t at, const char *text, char stop)
{
	while (at < PATH_MAX && *text != '\0' && *text != stop)
		path[at++] = *text++;
	if (at < PATH_MAX)
		path[at] = '\0';
	return at;
}

/* Which of two errors of the search says more: a file that is there but cannot be run. */
IN_CHILD bool
goes_on_after(int error)
{
	return error == ENOENT || error == ENOTDIR || error == EACCES || error == ENAMETOOLONG || error == ELOOP;
}

IN_CHILD bool
has_slash(const char *s)
{
	while (*s != '\0' && *s != '/')
		s++;
	return *s == '/';
}

/* An empty entry in PATH is the working directory, as execvp has it. */
IN_CHILD void
try_each_directory(const struct spawn_order *o, char *path)
{
	const char *dir = search_path(o->envp);
	int says_most = ENOENT;
	size_t len;

	for (;;) {
		len = append(path, 0, dir, ':');
		if (len > 0)
			len = append(path, len, "/", '\0');
		len = append(path, len, o->argv[0], '\0');
		errno = ENAMETOOLONG;
		if (len < PATH_MAX)
			syscall(SYS_execve, path, o->argv, o->envp);
		if (!goes_on_after(errno))
			return;
		if (errno == EACCES)
			says_most = EACCES;
		while (*dir != '\0' && *dir != ':')
			dir++;
		if (*dir++ == '\0')
			break;
	}
	errno = says_most;
}

IN_CHILD long
run_program(struct plan *p)
{
	const struct spawn_order *o = p->order;
	const uint64_t none = 0;
	char path[PATH_MAX + 1];

	if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, KERNEL_SIGSET_SIZE) < 0)
		return -1;
	if (has_slash(o->argv[0]))
		syscall(SYS_execve, o->argv[0], o->argv, o->envp);
	else if (o->argv[0][0] == '\0')
		errno = ENOENT;
	else
		try_each_directory(o, path);
	return -1;
}

/* What needs rights or the outer file system comes before what gives them up. */
static const struct {
	enum spawn_step step;
	long (*take)(struct plan *p);
} steps[] = {
	{ SPAWN_STEP_CGROUP, enter_cgroup },
	{ SPAWN_STEP_SESSION, lead_a_group },
	{ SPAWN_STEP_LIMITS, set_limits },
	{ SPAWN_STEP_PRIORITY, set_priority },
	{ SPAWN_STEP_AFFINITY, set_affinity },
	{ SPAWN_STEP_OOM_SCORE, set_oom_score },
	{ SPAWN_STEP_RUNTIME_DIRECTORY, make_runtime_directory },
	{ SPAWN_STEP_LOG, open_log },
	{ SPAWN_STEP_DESCRIPTORS, set_descriptors },
	{ SPAWN_STEP_TERMINAL, take_terminal },
	{ SPAWN_STEP_ROOT, change_root },
	{ SPAWN_STEP_CAPABILITIES, bound_capabilities },
	{ SPAWN_STEP_GROUPS, set_groups },
	{ SPAWN_STEP_GROUP, set_group },
	{ SPAWN_STEP_USER, set_user },
	{ SPAWN_STEP_CAPABILITIES, set_capabilities },
	{ SPAWN_STEP_NO_NEW_PRIVS, set_no_new_privs },
	{ SPAWN_STEP_DIRECTORY, change_directory },
	{ SPAWN_STEP_EXEC, run_program },
};

IN_CHILD int
live_as_child(void *arg)
{
	struct plan *p = arg;
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(*steps) && p->error == 0; i++) {
		if (steps[i].take(p) < 0) {
			p->step = steps[i].step;
			p->error = errno;
		}
		if (p->only_cgroup)
			break;
	}
	syscall(SYS_exit_group, 127);
	return 127;
}

/* --- The parent ------------------------------------------------------------- */

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
		: "0"((long)SYS_clone3), "D"(args), "S"(sizeof(*args)), [fn] "r"(live_as_child), [arg] "r"(arg)
		: "rcx", "r11", "cc", "memory");
	return ret;
}

static long
clone_into(const struct spawner *s, int cgroup_fd, struct plan *p)
{
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD,
		.stack = (uintptr_t)(s->stack + GUARD_SIZE), .stack_size = STACK_SIZE,
	};

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	return clone3_raw(&args, p);
}
#else
static long
clone_into(const struct spawner *s, int cgroup_fd, struct plan *p)
{
	(void)s, (void)cgroup_fd, (void)p;
	return -ENOSYS;
}
#endif

/* An old kernel or a seccomp filter knows no clone3, or not with a cgroup. */
static bool
says_unknown(long error)
{
	return error == -ENOSYS || error == -EINVAL || error == -E2BIG || error == -EPERM;
}

static pid_t
clone_child(struct spawner *s, int cgroup_fd, struct plan *p, struct spawn_failure *why)
{
	long pid;

	if (s->clone3) {
		pid = clone_into(s, cgroup_fd, p);
		if (pid > 0)
			return (pid_t)pid;
		if (!says_unknown(pid)) {
			why->step = pid == -EAGAIN || pid == -ENOMEM || cgroup_fd < 0 ? SPAWN_STEP_CLONE : SPAWN_STEP_CGROUP;
			why->error = (int)-pid;
			return -1;
		}
		s->clone3 = false;
	}
	p->enter_cgroup = cgroup_fd >= 0;
	pid = clone(live_as_child, s->stack + GUARD_SIZE + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, p);
	if (pid < 0) {
		why->step = SPAWN_STEP_CLONE;
		why->error = errno;
	}
	return (pid_t)pid;
}

pid_t
spawn_child(struct spawner *s, const struct spawn_job *job, struct spawn_failure *why)
{
	struct plan p = { .s = s, .job = job, .order = job->order, .log_fd = -1 };
	pid_t pid;

	pid = clone_child(s, job->cgroup_fd, &p, why);
	if (pid < 0 || p.error == 0)
		return pid;
	why->step = p.step;
	why->error = p.error;
	return -1;
}

int
spawn_try_cgroup(struct spawner *s, int cgroup_fd)
{
	const struct spawn_job job = { .cgroup_fd = cgroup_fd };
	struct plan p = { .s = s, .job = &job, .only_cgroup = true };
	struct spawn_failure why = { 0 };
	pid_t pid;

	pid = clone_child(s, cgroup_fd, &p, &why);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	errno = pid < 0 ? why.error : p.error;
	return errno == 0 ? 0 : -1;
}

int
spawner_init(struct spawner *s, struct err *err)
{
	char *stack;

	*s = (struct spawner){ .null_fd = -1, .clone3 = true };
	if (getrlimit(RLIMIT_NOFILE, &s->nofile) < 0)
		return err_set(err, errno, "getrlimit");
	stack = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED)
		return err_set(err, errno, "a stack for children");
	s->stack = stack;
	if (mprotect(stack + GUARD_SIZE, STACK_SIZE, PROT_READ | PROT_WRITE) < 0)
		return err_set(err, errno, "a stack for children");
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
	if (s->stack != NULL)
		munmap(s->stack, GUARD_SIZE + STACK_SIZE);
	if (s->null_fd >= 0)
		close(s->null_fd);
	*s = (struct spawner){ .null_fd = -1 };
}
