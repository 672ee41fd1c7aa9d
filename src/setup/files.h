/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <sys/stat.h>

/* The files that are changed and made: a configuration, its backup, a secret. */

struct file {			/* file_read() fills it, file_free() gives it back */
	char *path;		/* without links */
	struct stat st;
	struct buf text;
};

/* The whole of a regular file of at most `max` bytes.  -1: err. */
int file_read(struct file *f, const char *path, size_t max, struct err *err);
void file_free(struct file *f);
/* Keeps what is there beside it as PATH.bak, or PATH.bak.N where that is taken: its path in *backup, to be freed. */
int file_keep(const struct file *f, char **backup, struct err *err);
/* The text in its place, at once and with the old one's mode and owner. */
int file_replace(const struct file *f, const struct buf *text, struct err *err);

enum { SECRET_MIN = 16, SECRET_BYTES = 32, SECRET_MAX = 4096 };
/*
 * A secret at path: where there is one it stays and only has to be long enough.  `given`: the one to be kept, else
 * 32 random bytes in hexadecimal, of that owner from the first moment.  1: it was made; 0: it was there; -1: err.  A `given` that is not the one there is an error.
 */
int secret_make(const char *path, const struct buf *given, uid_t owner, struct err *err);
/* Of a user, a name or a number.  -1: err. */
int secret_owner(const char *path, const char *user, uid_t *owner, struct err *err);
