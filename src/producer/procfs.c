/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "producer/procfs.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ENTRIES_MAX = 32 * 1024, NAME_ROOM = 48 };

int
procfs_open(struct procfs *f, const char *path, struct err *err)
{
	*f = (struct procfs){ .dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	if (f->dir_fd < 0)
		return err_set(err, errno, "%s", path);
	f->ticks = sysconf(_SC_CLK_TCK);
	f->page_size = sysconf(_SC_PAGESIZE);
	f->text = malloc(PROCFS_TEXT_MAX + 1);
	f->entries = malloc(ENTRIES_MAX);
	if (f->text == NULL || f->entries == NULL) {
		procfs_close(f);
		return err_set(err, ENOMEM, "%s", path);
	}
	return 0;
}

void
procfs_close(struct procfs *f)
{
	if (f->dir_fd >= 0)
		close(f->dir_fd);
	free(f->text);
	free(f->entries);
	*f = (struct procfs){ .dir_fd = -1 };
}

int
procfs_begin(struct procfs *f)
{
	f->at = f->len = 0;
	return lseek(f->dir_fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

static pid_t
number_of(const char *name)
{
	pid_t n = 0;

	for (; *name >= '0' && *name <= '9' && n < 100000000; name++)
		n = n * 10 + (*name - '0');
	return *name == '\0' ? n : 0;
}

pid_t
procfs_next(struct procfs *f)
{
	const struct dirent64 *entry;
	ssize_t n;
	pid_t pid;

	for (;;) {
		if (f->at >= f->len) {
			n = getdents64(f->dir_fd, f->entries, ENTRIES_MAX);
			if (n <= 0)
				return n < 0 ? -1 : 0;
			f->at = 0;
			f->len = (size_t)n;
		}
		entry = (const struct dirent64 *)(const void *)(f->entries + f->at);
		f->at += entry->d_reclen;
		pid = number_of(entry->d_name);
		if (pid > 0)
			return pid;
	}
}

int
procfs_file(const struct procfs *f, const char *name)
{
	return openat(f->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* "PID/name", without what printf costs. */
static const char *
process_path(char *room, pid_t pid, const char *name)
{
	size_t len = strlen(name);
	char *at = room + NAME_ROOM - len - 1;

	memcpy(at, name, len + 1);
	*--at = '/';
	do {
		*--at = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid > 0);
	return at;
}

int
procfs_process_file(const struct procfs *f, pid_t pid, const char *name)
{
	char room[NAME_ROOM];

	return procfs_file(f, process_path(room, pid, name));
}

ssize_t
procfs_read(struct procfs *f, int fd)
{
	ssize_t n = pread(fd, f->text, PROCFS_TEXT_MAX, 0);

	if (n >= 0)
		f->text[n] = '\0';
	return n;
}

ssize_t
procfs_read_process_file(struct procfs *f, pid_t pid, const char *name)
{
	autoclose int fd = procfs_process_file(f, pid, name);

	return fd < 0 ? -1 : procfs_read(f, fd);
}

/* Kernels before 6.2 do not say it by the directory's size; then it has to be read, for which one needs more rights. */
static int64_t
count_entries(struct procfs *f, pid_t pid)
{
	char room[NAME_ROOM];
	autoclose int fd = openat(f->dir_fd, process_path(room, pid, "fd"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t count = 0;
	ssize_t n, at;

	while (fd >= 0 && (n = getdents64(fd, f->text, PROCFS_TEXT_MAX)) > 0)
		for (at = 0; at < n; at += ((const struct dirent64 *)(const void *)(f->text + at))->d_reclen)
			count++;
	return count < 2 ? -1 : count - 2;
}

int64_t
procfs_descriptors(struct procfs *f, pid_t pid)
{
	char room[NAME_ROOM];
	struct stat st;

	if (fstatat(f->dir_fd, process_path(room, pid, "fd"), &st, 0) < 0)
		return -1;
	return st.st_size > 0 ? st.st_size : count_entries(f, pid);
}

/* The directory belongs to the effective user, whatever hides the files in it. */
int64_t
procfs_user(const struct procfs *f, pid_t pid)
{
	char room[NAME_ROOM];
	struct stat st;

	return fstatat(f->dir_fd, process_path(room, pid, ""), &st, 0) < 0 ? -1 : (int64_t)st.st_uid;
}

int64_t
procfs_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
