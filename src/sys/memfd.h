/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Files in memory, in which processes hand each other what is too long for a message. */

/* All of it from that offset on; -1 with errno: some of it may be there. */
int memfd_write(int fd, const void *bytes, size_t len, size_t at);
/* A new one with these bytes that nobody can change any more; -1: errno. */
int memfd_sealed(const char *name, const void *bytes, size_t len);
/* fd is such a one, so that reading it never waits and finds the same each time; then *len is how long it is. */
bool memfd_is_sealed(int fd, size_t *len);
