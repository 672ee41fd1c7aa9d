/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A configuration as it was written: a tree of items, each of which knows the
 * file and line it stands in.  conf/ makes it from text, merge.c and schema.c
 * read it.  All of it lives in the arena that it was made in.
 */
struct origin {
	const char *file;	/* as to be shown to the user; NULL: a default or a request, no file */
	uint32_t line;		/* from 1 */
};

enum item_type { ITEM_GROUP, ITEM_LIST, ITEM_ARRAY, ITEM_INT, ITEM_FLOAT, ITEM_BOOL, ITEM_STRING };

struct item {
	const char *name;	/* of a group's member; NULL elsewhere */
	enum item_type type;
	struct origin at;
	struct item *next;	/* sibling */
	union {
		struct item *first;	/* GROUP, LIST, ARRAY: the first child */
		int64_t i;
		double f;
		bool b;
		const char *s;
	};
};

/* One file: the main one or a drop-in. */
struct fragment {
	const char *path;
	const char *app;	/* the application a drop-in is named after; NULL for the main file */
	struct item *root;	/* a group */
	const char *text;	/* what was read, kept so that the state can hold what was accepted */
	size_t text_len;
};

const char *item_type_name(enum item_type type);	/* "group", "string"… */
/* The member of that name, or NULL. */
struct item *item_member(const struct item *group, const char *name);
