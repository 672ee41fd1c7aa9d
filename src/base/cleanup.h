/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdlib.h>
#include <unistd.h>

/*
 * Storage that gives itself back on every way out of a function.
 * `return take_fd(&fd)` and `return take_ptr(&p)` hand the thing over instead.
 */
static inline void
autoclose_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void
autofree_(void *p)
{
	free(*(void **)p);
}

#define autoclose __attribute__((cleanup(autoclose_)))
#define autofree __attribute__((cleanup(autofree_)))

static inline int
take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define take_ptr(p) \
	({ __typeof__(*(p)) taken_ = *(p); *(p) = NULL; taken_; })
