/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <stddef.h>

/*
 * Secrets come from files, never from arguments or the environment.  Such a file belongs to who reads it, with no
 * access for anybody else, or to root, who may let the reader's group read it; it is no symbolic link.
 */
enum { SECRET_MIN = 16, SECRET_MAX = 4096 };	/* bytes */

struct secret {
	char bytes[SECRET_MAX + 1];	/* NUL-terminated, may hold others */
	size_t len;
};

/* The file up to its first newline.  -1: err says what is wrong and what to do, and nothing of what stands there. */
int secret_read(const char *path, struct secret *out, struct err *err);
/*
 * A file whose only line is a cookie: the secret of a group of nodes.  It belongs to who reads it, with mode 0400 exactly, and
 * is hard to guess: at least COOKIE_BITS as far as its characters can tell (4 for a hexadecimal digit, 6 for a
 * letter, 8 for any byte), with not too few different ones.
 */
enum { COOKIE_BITS = 128, COOKIE_DISTINCT = 8 };
int secret_read_cookie(const char *path, struct secret *out, struct err *err);
/* A whole file of that kind, such as a key in PEM, for the caller to clear and free; NULL: err. */
char *secret_read_file(const char *path, size_t *len, struct err *err);
void secret_clear(struct secret *s);

/* No core file, no debugger, nothing in /proc of this process for others of its user.  -1: err. */
int secret_protect_process(struct err *err);
