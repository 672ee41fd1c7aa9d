/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys/spawn_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { KERNEL_SIGSET_SIZE = 8 };
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
#define IN_CHILD __attribute__((no_sanitize("address"), no_sanitize("undefined")))

/* errno is one variable for parent and child, who run at the same time. */
IN_CHILD static long
call_kernel(long number, long a, long b, long c, long d, long e)
{
#ifdef __x86_64__
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return ret;
#else
	long ret = syscall(number, a, b, c, d, e);	/* here the parent stands still */

	return ret < 0 ? -errno : ret;
#endif
}
#define CALL(...) CALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(number, a, b, c, d, e, ...) call_kernel(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

IN_CHILD static long
write_file(int dir_fd, const char *path, const char *text, size_t len)
{
	long fd = CALL(SYS_openat, dir_fd, path, O_WRONLY | O_CLOEXEC), ret = fd;

	if (fd >= 0)
		ret = CALL(SYS_write, fd, text, len);
	return ret < 0 ? ret : CALL(SYS_close, fd);
}

/* --- Steps: each returns what the kernel says, an error as -errno ------------- */

IN_CHILD static long
enter_cgroup(struct spawn_place *p)
{
	return p->enter_cgroup ? write_file(p->job.cgroup_fd, "cgroup.procs", "0", 1) : 0;
}

IN_CHILD static long
lead_a_group(struct spawn_place *p)
{
	return p->order.fixed.flags & SPAWN_SESSION ? CALL(SYS_setsid) : CALL(SYS_setpgid);
}

IN_CHILD static long
set_limits(struct spawn_place *p)
{
	struct { uint64_t soft, hard; } limit = { p->s->nofile.rlim_cur, p->s->nofile.rlim_max };
	long ret = CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit);
	uint32_t i;

	for (i = 0; i < p->order.fixed.limit_count && ret >= 0; i++) {
		limit.soft = p->order.limits[i].soft;
		limit.hard = p->order.limits[i].hard;
		ret = CALL(SYS_prlimit64, 0, p->order.limits[i].resource, &limit);
	}
	return ret;
}

IN_CHILD static long
set_priority(struct spawn_place *p)
{
	const struct link_spawn *f = &p->order.fixed;
	long ret = f->flags & SPAWN_HAS_NICE ? CALL(SYS_setpriority, PRIO_PROCESS, 0, f->nice) : 0;

	return ret >= 0 && f->flags & SPAWN_HAS_IONICE ? CALL(SYS_ioprio_set, WHO_PROCESS, 0, f->ionice) : ret;
}

IN_CHILD static long
set_affinity(struct spawn_place *p)
{
	const struct link_spawn *f = &p->order.fixed;

	if (!(f->flags & SPAWN_HAS_AFFINITY))
		return 0;
	return CALL(SYS_sched_setaffinity, 0, sizeof(f->cpu_affinity), f->cpu_affinity);
}

/* -1000 to 1000, as text. */
IN_CHILD static long
set_oom_score(struct spawn_place *p)
{
	char text[16], *at = text + sizeof(text);
	int value = p->order.fixed.oom_score_adj;
	unsigned left = value < 0 ? 0u - (unsigned)value : (unsigned)value;

	if (!(p->order.fixed.flags & SPAWN_HAS_OOM))
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
IN_CHILD static long
make_runtime_directory(struct spawn_place *p)
{
	enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
	const struct link_spawn *f = &p->order.fixed;
	const char *name = p->order.runtime_directory;
	uint32_t uid = f->flags & SPAWN_HAS_UID ? f->uid : UINT32_MAX, gid = f->flags & SPAWN_HAS_GID ? f->gid : UINT32_MAX;
	long ret, fd;

	if (name[0] == '\0')
		return 0;
	ret = CALL(SYS_mkdirat, p->job.runtime_fd, name, 0755);
	if (ret < 0 && ret != -EEXIST)
		return ret;
	ret = fd = CALL(SYS_openat, p->job.runtime_fd, name, FLAGS);
	if (ret >= 0)
		ret = CALL(SYS_fchown_, fd, uid, gid);
	if (ret >= 0)
		ret = CALL(SYS_fchmod, fd, 0755);
	return ret < 0 ? ret : CALL(SYS_close, fd);
}

/* O_NONBLOCK: the open of a fifo that nobody reads must fail rather than stop the parent too. */
IN_CHILD static long
open_log(struct spawn_place *p)
{
	enum { FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC };

	if (p->order.fixed.stdio[1] != STDIO_FILE && p->order.fixed.stdio[2] != STDIO_FILE)
		return 0;
	p->log_fd = (int)CALL(SYS_openat, AT_FDCWD, p->order.log_path, FLAGS, 0640);
	return p->log_fd < 0 ? p->log_fd : CALL(SYS_fcntl, p->log_fd, F_SETFL, O_APPEND);
}

/* The descriptor `from` as number `to`, open across exec. */
IN_CHILD static long
put_descriptor(int from, int to)
{
	return from == to ? CALL(SYS_fcntl, to, F_SETFD) : CALL(SYS_dup3, from, to);
}

IN_CHILD static int
source_of(const struct spawn_place *p, int number)
{
	switch (p->order.fixed.stdio[number]) {
	case STDIO_INHERIT:
		return number;
	case STDIO_FILE:
		return p->log_fd;
	case STDIO_PASSED:
		return p->job.passed[number];
	default:
		return p->s->null_fd;
	}
}

/* Everything from first on, but what is lent; the lent numbers are few. */
IN_CHILD static long
close_others(const struct spawn_place *p)
{
	unsigned first = 3, next, to;
	long ret = 0;
	size_t i;

	do {
		next = UINT_MAX;
		for (i = 0; i < p->job.lend_count; i++) {
			to = (unsigned)p->job.lend[i].to;
			if (to >= first && to < next)
				next = to;
		}
		/* Where the kernel has no close_range, exec closes them: all are close-on-exec. */
		if (next > first)
			ret = CALL(SYS_close_range, first, next == UINT_MAX ? next : next - 1);
		first = next + 1;
	} while (next != UINT_MAX && (ret >= 0 || ret == -ENOSYS));
	return ret == -ENOSYS ? 0 : ret;
}

IN_CHILD static long
set_descriptors(struct spawn_place *p)
{
	long ret = 0;
	size_t i;
	int n;

	for (n = 0; n < 3 && ret >= 0; n++)
		ret = put_descriptor(source_of(p, n), n);
	for (i = 0; i < p->job.lend_count && ret >= 0; i++)
		ret = put_descriptor(p->job.lend[i].from, p->job.lend[i].to);
	return ret < 0 ? ret : close_others(p);
}

/* ENOTTY: it is no terminal. */
IN_CHILD static long
take_terminal(struct spawn_place *p)
{
	long ret = p->order.fixed.flags & SPAWN_TERMINAL ? CALL(SYS_ioctl, 0, TIOCSCTTY) : 0;

	return ret == -ENOTTY ? 0 : ret;
}

IN_CHILD static long
change_root(struct spawn_place *p)
{
	long ret = p->order.root[0] != '\0' ? CALL(SYS_chroot, p->order.root) : 0;

	return p->order.root[0] != '\0' && ret >= 0 ? CALL(SYS_chdir, "/") : ret;
}

/*
 * The bounding set is what no exec gets past.  A caller that may not narrow it can
 * promise the same by no_new_privs, which comes later.
 */
IN_CHILD static long
bound_capabilities(struct spawn_place *p)
{
	const struct link_spawn *f = &p->order.fixed;
	long ret = 0;
	int cap;

	if (!(f->flags & SPAWN_HAS_CAPS))
		return 0;
	for (cap = 0; cap <= p->s->last_cap && ret >= 0; cap++) {
		if (!(f->capabilities >> cap & 1) && CALL(SYS_prctl, PR_CAPBSET_READ, cap) != 0)
			ret = CALL(SYS_prctl, PR_CAPBSET_DROP, cap);
	}
	if (ret < 0 && !(ret == -EPERM && f->flags & SPAWN_NO_NEW_PRIVS))
		return ret;
	return CALL(SYS_prctl, PR_SET_KEEPCAPS, 1);
}

/* Asking for the groups that it has already needs no privilege. */
IN_CHILD static bool
has_these_groups(const struct spawn_order *o)
{
	uint32_t now[64], i;
	long count = CALL(SYS_getgroups_, sizeof(now) / sizeof(*now), now);

	if (count < 0 || (uint32_t)count != o->fixed.group_count)
		return false;
	for (i = 0; i < o->fixed.group_count; i++)
		if (now[i] != o->groups[i])
			return false;
	return true;
}

IN_CHILD static long
set_groups(struct spawn_place *p)
{
	const struct spawn_order *o = &p->order;
	long ret = o->fixed.flags & SPAWN_HAS_GROUPS ? CALL(SYS_setgroups_, o->fixed.group_count, o->groups) : 0;

	return ret == -EPERM && has_these_groups(o) ? 0 : ret;
}

IN_CHILD static long
set_group(struct spawn_place *p)
{
	uint32_t gid = p->order.fixed.gid;

	return p->order.fixed.flags & SPAWN_HAS_GID ? CALL(SYS_setresgid_, gid, gid, gid) : 0;
}

IN_CHILD static long
set_user(struct spawn_place *p)
{
	uint32_t uid = p->order.fixed.uid;

	return p->order.fixed.flags & SPAWN_HAS_UID ? CALL(SYS_setresuid_, uid, uid, uid) : 0;
}

/* Permitted, effective, inheritable, and ambient so that they outlive the exec of an ordinary program. */
IN_CHILD static long
set_capabilities(struct spawn_place *p)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t caps = p->order.fixed.capabilities;
	long ret;
	int i;

	if (!(p->order.fixed.flags & SPAWN_HAS_CAPS))
		return 0;
	for (i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = data[i].inheritable = (uint32_t)(caps >> (32 * i));
	}
	ret = CALL(SYS_capset, &head, data);
	if (ret >= 0)
		ret = CALL(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
	for (i = 0; i <= p->s->last_cap && ret >= 0; i++)
		if (caps >> i & 1)
			ret = CALL(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i);
	return ret;
}

IN_CHILD static long
set_no_new_privs(struct spawn_place *p)
{
	return p->order.fixed.flags & SPAWN_NO_NEW_PRIVS ? CALL(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1) : 0;
}

IN_CHILD static long
change_directory(struct spawn_place *p)
{
	if (p->order.fixed.flags & SPAWN_HAS_UMASK)
		CALL(SYS_umask, p->order.fixed.umask);
	return p->order.directory[0] != '\0' ? CALL(SYS_chdir, p->order.directory) : 0;
}

IN_CHILD static const char *
search_path(const char *const *envp)
{
	for (; *envp != NULL; envp++)
		if ((*envp)[0] == 'P' && (*envp)[1] == 'A' && (*envp)[2] == 'T' && (*envp)[3] == 'H' && (*envp)[4] == '=')
			return *envp + 5;
	return PATH_WITHOUT_PATH;
}

/* Appends text up to a NUL or stop at path + at; the new length, or PATH_MAX where it has no room. */
IN_CHILD static size_t
append(char *path, size_t at, const char *text, char stop)
{
	while (at < PATH_MAX && *text != '\0' && *text != stop)
		path[at++] = *text++;
	if (at < PATH_MAX)
		path[at] = '\0';
	return at;
}

/* Which of two errors of the search says more: a file that is there but cannot be run. */
IN_CHILD static bool
goes_on_after(long error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -EACCES || error == -ENAMETOOLONG || error == -ELOOP;
}

IN_CHILD static bool
has_slash(const char *s)
{
	while (*s != '\0' && *s != '/')
		s++;
	return *s == '/';
}

/* An empty entry in PATH is the working directory, as execvp has it. */
IN_CHILD static long
try_each_directory(const struct spawn_order *o, char *path)
{
	const char *dir = search_path(o->envp);
	long says_most = -ENOENT, ret;
	size_t len;

	for (;;) {
		len = append(path, 0, dir, ':');
		if (len > 0)
			len = append(path, len, "/", '\0');
		len = append(path, len, o->argv[0], '\0');
		ret = len < PATH_MAX ? CALL(SYS_execve, path, o->argv, o->envp) : -ENAMETOOLONG;
		if (!goes_on_after(ret))
			return ret;
		if (ret == -EACCES)
			says_most = -EACCES;
		while (*dir != '\0' && *dir != ':')
			dir++;
		if (*dir++ == '\0')
			return says_most;
	}
}

IN_CHILD static long
run_program(struct spawn_place *p)
{
	const struct spawn_order *o = &p->order;
	const uint64_t none = 0;
	char path[PATH_MAX + 1];
	long ret = CALL(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, KERNEL_SIGSET_SIZE);

	if (ret < 0)
		return ret;
	if (has_slash(o->argv[0]))
		return CALL(SYS_execve, o->argv[0], o->argv, o->envp);
	return o->argv[0][0] != '\0' ? try_each_directory(o, path) : -ENOENT;
}

/* What needs rights or the outer file system comes before what gives them up. */
static const struct {
	enum spawn_step step;
	long (*take)(struct spawn_place *p);
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
spawn_live_as_child(void *arg)
{
	struct spawn_place *p = arg;
	long ret = 0;
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(*steps) && ret >= 0 && (i == 0 || !p->only_cgroup); i++)
		ret = steps[i].take(p);
	if (ret < 0) {
		p->step = steps[i - 1].step;
		p->error = (int)-ret;
	}
	CALL(SYS_exit_group, 127);
	return 127;
}
