/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys/memfd.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

int
memfd_write(int fd, const void *bytes, size_t len, size_t at)
{
	const char *data = bytes;
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, data, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		len -= (size_t)n;
		at += (size_t)n;
	}
	return 0;
}

int
memfd_sealed(const char *name, const void *bytes, size_t len)
{
	autoclose int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || memfd_write(fd, bytes, len, 0) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -1;
	return take_fd(&fd);
}

bool
memfd_is_sealed(int fd, size_t *len)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	*len = (size_t)st.st_size;
	return true;
}
