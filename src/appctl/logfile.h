/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* The log file of an application, from its end. */

/* Opens what is to be read there; -1: errno.  Never waits (a fifo in its place does not hold us). */
int logfile_open(const char *path);
/* Where the last n lines begin; 0: the file has no more.  -1: errno. */
off_t logfile_last_lines(int fd, unsigned long n);
/* Copies from *at to the end, as it is, and moves *at on.  -1: errno. */
int logfile_copy(int fd, off_t *at);
