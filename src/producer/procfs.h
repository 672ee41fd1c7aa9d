/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* /proc as files.  One buffer for all that is read: a text is lent until the next one. */
struct procfs {
	int dir_fd;
	long ticks, page_size;		/* of the kernel's clock in a second; bytes */
	char *text;			/* PROCFS_TEXT_MAX bytes and a NUL */
	/* private: the directory's entries */
	char *entries;
	size_t at, len;
};

enum { PROCFS_TEXT_MAX = 256 * 1024 };	/* /proc/stat of a large machine; pages that are not used take no memory */

int procfs_open(struct procfs *f, const char *path, struct err *err);
void procfs_close(struct procfs *f);

/* All processes: begin, then one after another until 0.  -1: errno. */
int procfs_begin(struct procfs *f);
pid_t procfs_next(struct procfs *f);

/* A file below /proc, or below that process's directory: a descriptor, -1: errno. */
int procfs_file(const struct procfs *f, const char *name);
int procfs_process_file(const struct procfs *f, pid_t pid, const char *name);

/* What it holds, from its beginning, into f->text: its length, -1: errno. */
ssize_t procfs_read(struct procfs *f, int fd);
ssize_t procfs_read_process_file(struct procfs *f, pid_t pid, const char *name);

/* How many descriptors it has open; -1: not known. */
int64_t procfs_descriptors(struct procfs *f, pid_t pid);
/* Its effective user; -1: not known. */
int64_t procfs_user(const struct procfs *f, pid_t pid);

int64_t procfs_now_ns(void);		/* CLOCK_BOOTTIME */
