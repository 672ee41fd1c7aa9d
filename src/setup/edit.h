/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "conf/parse.h"
#include "conf/scan.h"

/*
 * A text in the syntax of appctld.conf(5) that is changed in place: comments, order and layout stay.  After each
 * change it is read anew, so that what is found is what appctld would find.
 */
struct edit {				/* edit_begin() fills it, edit_end() gives it back */
	const char *file;		/* for messages */
	struct buf text;
	struct arena *arena;
	struct item *root;
	struct scan scan;
	struct problems *ps;
};

/* A setting, as it was understood and where it stands; until the next change.  it NULL: there is none. */
struct edit_place {
	const struct item *it;
	uint32_t mark;			/* in scan; SCAN_NONE: the file itself */
};

/* -1: ps says what is wrong where. */
int edit_begin(struct edit *e, const char *file, const char *text, size_t len, struct problems *ps);
void edit_end(struct edit *e);

struct edit_place edit_root(const struct edit *e);
struct edit_place edit_member(const struct edit *e, struct edit_place group, const char *name);
struct edit_place edit_element(const struct edit *e, struct edit_place sequence, uint32_t index);

/* Changes.  value is text as it is to stand there.  -1: ps says why; the text is good for nothing any more. */
int edit_replace(struct edit *e, struct edit_place at, const char *value);
/* Behind a comment `#NAME = ...` of that group, where there is one, else as its last member. */
int edit_add_member(struct edit *e, struct edit_place group, const char *name, const char *value);
int edit_add_element(struct edit *e, struct edit_place sequence, const char *value);
int edit_remove_element(struct edit *e, struct edit_place sequence, uint32_t index);

/* s as a string of that syntax, with its quotes.  -1: it is no UTF-8. */
int edit_quote(struct buf *out, const char *s);
