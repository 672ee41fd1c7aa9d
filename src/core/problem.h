/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "core/item.h"

/*
 * What is wrong with a configuration: all of it, in the order of the files, so
 * that one reading shows a user everything there is to mend.
 */
struct problem {
	struct origin at;	/* its file is a copy: the problem outlives what it was found in */
	char *path;		/* the key's path, "applications.web.restart", or "" */
	char *message;		/* what is wrong */
	char *hint;		/* what would be right; NULL: nothing to add */
};

struct problems {		/* zero-initialise */
	struct problem *v;
	size_t n, cap;
	size_t unsaid;		/* beyond PROBLEMS_MAX: counted only */
	bool no_memory;		/* it ran out: what was found is not said, for it may be a consequence */
};

enum { PROBLEMS_MAX = 1000 };

/* Adds one; path and hint may be NULL. */
void problem_add(struct problems *ps, struct origin at, const char *path, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* Memory ran out: that is all that is said of it from here on. */
void problems_no_memory(struct problems *ps);
bool problems_any(const struct problems *ps);
size_t problems_count(const struct problems *ps);
/* Sorts by file and line, keeping the order of equals. */
void problems_sort(struct problems *ps);
/* "FILE:LINE: PATH: MESSAGE (HINT)", without what is not known. */
void problem_print(const struct problem *p, struct buf *out);
/* The first of them, as one who has room for no more shows it. */
void problems_print_first(const struct problems *ps, struct buf *out);
/* A line each. */
void problems_print(const struct problems *ps, struct buf *out);
/* [{"file":…,"line":…,"path":…,"message":…,"hint":…},…] */
void problems_print_json(const struct problems *ps, struct buf *out);
void problems_free(struct problems *ps);
