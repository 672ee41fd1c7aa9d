/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys/sandbox.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#if __has_include(<linux/landlock.h>)
#include <linux/landlock.h>
#endif

/* --- system calls --- */

/* What a server needs that reads files, keeps a database, and speaks to a network with threads to look names up. */
static const int allowed[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(preadv),
	SCMP_SYS(pwritev), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(lseek), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3),
	SCMP_SYS(fcntl), SCMP_SYS(flock), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(sendfile),
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(creat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs),
	SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(chdir),
	SCMP_SYS(fchdir), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename),
	SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(truncate), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fadvise64),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(fchown), SCMP_SYS(umask),
	SCMP_SYS(utimensat), SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink), SCMP_SYS(symlinkat),
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(msync), SCMP_SYS(mincore),
	SCMP_SYS(brk), SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(memfd_create),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd), SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime), SCMP_SYS(signalfd), SCMP_SYS(signalfd4),
	SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(connect),
	SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(sendto),
	SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
	SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigsuspend),
	SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(tgkill), SCMP_SYS(pause), SCMP_SYS(alarm),
	SCMP_SYS(getitimer), SCMP_SYS(setitimer),
	SCMP_SYS(futex), SCMP_SYS(futex_waitv), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list),
	SCMP_SYS(set_tid_address), SCMP_SYS(rseq), SCMP_SYS(membarrier), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(arch_prctl), SCMP_SYS(exit), SCMP_SYS(exit_group),
	SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid), SCMP_SYS(getpgrp), SCMP_SYS(getpgid), SCMP_SYS(getsid), SCMP_SYS(getuid),
	SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getresuid), SCMP_SYS(getresgid), SCMP_SYS(getgroups),
	SCMP_SYS(getrlimit), SCMP_SYS(setrlimit), SCMP_SYS(prlimit64), SCMP_SYS(getrusage), SCMP_SYS(getpriority), SCMP_SYS(sysinfo),
	SCMP_SYS(uname), SCMP_SYS(pidfd_open), SCMP_SYS(getcpu), SCMP_SYS(capget), SCMP_SYS(restart_syscall),
#ifdef __SANITIZE_ADDRESS__
	SCMP_SYS(ptrace), SCMP_SYS(wait4), SCMP_SYS(personality), SCMP_SYS(process_vm_readv), SCMP_SYS(prctl),
#endif
};

/* What no program of an ordinary user has to do with. */
static const int taken[] = {
#ifndef __SANITIZE_ADDRESS__			/* looks for leaks with it */
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
#endif
	SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp),
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(move_mount), SCMP_SYS(open_tree),
	SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(unshare),
	SCMP_SYS(setns), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(reboot), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(syslog),
	SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at), SCMP_SYS(fanotify_init),
};

/* Of what an argument decides; all else of these calls is as if it did not exist. */
struct variant {
	int call;
	unsigned arg;
	uint64_t mask, value;		/* argument & mask == value */
};

#define NEW_NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define IOCTL(request) { SCMP_SYS(ioctl), 1, UINT32_MAX, request }
#define PRCTL(option) { SCMP_SYS(prctl), 0, UINT32_MAX, option }
/*
 * clone3 has its flags in memory, where no filter sees them: the C library goes on with clone.  Terminals are those of commands that
 * are started for other nodes; names of interfaces are part of addresses.
 */
static const struct variant allowed_variants[] = {
	{ SCMP_SYS(clone), 0, NEW_NAMESPACES, 0 },
	IOCTL(FIONBIO), IOCTL(FIONREAD), IOCTL(FIOCLEX), IOCTL(FIONCLEX), IOCTL(TCGETS), IOCTL(TCSETS), IOCTL(TIOCGWINSZ), IOCTL(TIOCSWINSZ),
	IOCTL(TIOCGPTN), IOCTL(TIOCSPTLCK), IOCTL(TIOCGPTPEER), IOCTL(SIOCGIFINDEX), IOCTL(SIOCGIFNAME),
	PRCTL(PR_SET_NAME), PRCTL(PR_GET_NAME), PRCTL(PR_GET_DUMPABLE), PRCTL(PR_GET_NO_NEW_PRIVS), PRCTL(PR_CAPBSET_READ), PRCTL(PR_GET_SECCOMP),
	PRCTL(PR_SET_VMA),
};

/* What is taken of them where commands run: a rule for each flag, any of which is too much; input put into somebody's terminal. */
static const struct variant taken_variants[] = {
	{ SCMP_SYS(clone), 0, CLONE_NEWNS, CLONE_NEWNS }, { SCMP_SYS(clone), 0, CLONE_NEWCGROUP, CLONE_NEWCGROUP },
	{ SCMP_SYS(clone), 0, CLONE_NEWUTS, CLONE_NEWUTS }, { SCMP_SYS(clone), 0, CLONE_NEWIPC, CLONE_NEWIPC },
	{ SCMP_SYS(clone), 0, CLONE_NEWUSER, CLONE_NEWUSER }, { SCMP_SYS(clone), 0, CLONE_NEWPID, CLONE_NEWPID },
	{ SCMP_SYS(clone), 0, CLONE_NEWNET, CLONE_NEWNET }, IOCTL(TIOCSTI), IOCTL(TIOCLINUX),
};

static int
add_variants(scmp_filter_ctx filter, uint32_t action, const struct variant *v, size_t count)
{
	size_t i;
	int r = 0;

	for (i = 0; i < count && r == 0; i++) {
		r = seccomp_rule_add(filter, action, v[i].call, 1, SCMP_CMP(v[i].arg, SCMP_CMP_MASKED_EQ, v[i].mask, v[i].value));
		if (r == -EEXIST)		/* a sanitizer has the whole call */
			r = 0;
	}
	return r;
}

static int
add_rules(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
	size_t i;
	int r = 0;

	for (i = 0; i < count && r == 0; i++) {
		r = seccomp_rule_add(filter, action, calls[i], 0);
		if (r == -EEXIST || r == -EDOM)		/* this architecture has it not, or it is listed twice */
			r = 0;
	}
	return r;
}

static int
fill_filter(scmp_filter_ctx filter, bool runs_commands)
{
	int r;

	if (!runs_commands) {
		r = add_rules(filter, SCMP_ACT_ALLOW, allowed, sizeof(allowed) / sizeof(allowed[0]));
		return r ? r : add_variants(filter, SCMP_ACT_ALLOW, allowed_variants, sizeof(allowed_variants) / sizeof(allowed_variants[0]));
	}
	r = add_rules(filter, SCMP_ACT_ERRNO(EPERM), taken, sizeof(taken) / sizeof(taken[0]));
	if (r == 0)
		r = add_variants(filter, SCMP_ACT_ERRNO(EPERM), taken_variants, sizeof(taken_variants) / sizeof(taken_variants[0]));
	return r ? r : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* What is filtered fails as on a kernel that does not have it: libraries know another way then. */
static int
filter_calls(bool runs_commands, struct err *err)
{
	scmp_filter_ctx filter = seccomp_init(runs_commands ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS));
	int r;

	if (filter == NULL)
		return err_set(err, ENOMEM, "filter of system calls");
	r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = fill_filter(filter, runs_commands);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r == 0 ? 0 : err_set(err, -r, "filter of system calls");
}

/* --- files --- */

#ifdef LANDLOCK_CREATE_RULESET_VERSION
#define FILE_READ LANDLOCK_ACCESS_FS_READ_FILE
#define FILE_WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATES)
#define FILE_EXECUTE LANDLOCK_ACCESS_FS_EXECUTE
#define DIRECTORY_READ LANDLOCK_ACCESS_FS_READ_DIR
#define DIRECTORY_WRITE \
	(LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define MAKES_DEVICES (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
#define REFERS (1ULL << 13)		/* from version 2 on */
#define TRUNCATES (1ULL << 14)		/* from version 3 on */

static uint64_t
rights(unsigned access, bool is_directory)
{
	uint64_t r = 0;

	if (access & SANDBOX_READ)
		r |= FILE_READ | (is_directory ? DIRECTORY_READ : 0);
	if (access & SANDBOX_WRITE)
		r |= FILE_WRITE | (is_directory ? DIRECTORY_WRITE | REFERS : 0);
	if (access & SANDBOX_EXECUTE)
		r |= FILE_EXECUTE;
	return r;
}

static int
allow_path(int rules, uint64_t handled, const struct sandbox_path *p, struct err *err)
{
	struct landlock_path_beneath_attr beneath = { 0 };
	autoclose int fd = p->path ? open(p->path, O_PATH | O_CLOEXEC) : -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	beneath.parent_fd = fd;
	beneath.allowed_access = rights(p->access, S_ISDIR(st.st_mode)) & handled;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		return err_set(err, errno, "landlock: %s", p->path);
	return 0;
}

/* 1: this kernel cannot. */
static int
filter_files(const struct sandbox *s, struct err *err)
{
	struct landlock_ruleset_attr attr = { 0 };
	autoclose int rules = -1;
	long version;
	size_t i;

	version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 0)
		return 1;
	attr.handled_access_fs = FILE_READ | FILE_WRITE | FILE_EXECUTE | DIRECTORY_READ | DIRECTORY_WRITE | MAKES_DEVICES | REFERS;
	if (version < 2)
		attr.handled_access_fs &= ~REFERS;
	if (version < 3)
		attr.handled_access_fs &= ~TRUNCATES;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (rules < 0)
		return err_set(err, errno, "landlock");
	for (i = 0; i < s->path_count; i++)
		if (allow_path(rules, attr.handled_access_fs, &s->paths[i], err) < 0)
			return -1;
	return syscall(SYS_landlock_restrict_self, rules, 0) < 0 ? err_set(err, errno, "landlock") : 0;
}
#else
static int
filter_files(const struct sandbox *s, struct err *err)
{
	(void)s;
	(void)err;
	return 1;
}
#endif

int
sandbox_enter(const struct sandbox *s, const char **missing, struct err *err)
{
	int r;

	*missing = NULL;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "no new privileges");
	r = filter_files(s, err);
	if (r < 0)
		return -1;
	if (r > 0)
		*missing = "landlock";
	return filter_calls(s->runs_commands, err);
}
