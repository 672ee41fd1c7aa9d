/* SPDX-License-Identifier: MIT */
#include "appctl/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 32 * 1024 };

int
logfile_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

off_t
logfile_last_lines(int fd, unsigned long n)
{
	char block[BLOCK];
	off_t end = lseek(fd, 0, SEEK_END), at = end;
	ssize_t got, i;

	if (end < 0 || n == 0)
		return end;
	while (at > 0) {
		got = at < BLOCK ? (ssize_t)at : BLOCK;
		at -= got;
		if (pread(fd, block, (size_t)got, at) != got)
			return at;	/* it was cut meanwhile */
		for (i = got; i > 0; i--)	/* the file's last byte ends a line, it does not begin another */
			if (block[i - 1] == '\n' && at + i < end && n-- == 1)
				return at + i;
	}
	return 0;
}

int
logfile_copy(int fd, off_t *at)
{
	char block[BLOCK];
	ssize_t got;

	while ((got = pread(fd, block, sizeof(block), *at)) > 0) {
		*at += got;
		if (fwrite(block, 1, (size_t)got, stdout) != (size_t)got)
			return -1;
	}
	return got < 0 ? -1 : 0;
}
