/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Looks into JSON text without making objects of it: a thousand applications as objects take longer than
 * all the rest of `appctl status`.  Steps over what it does not know; text that is no JSON
 * ends a loop early and leaves `bad` set.
 */
struct reader {
	const char *p, *end;
	bool bad, begun;	/* begun: a member or element of this level has been read */
};

struct slice {
	const char *p;
	size_t len;
};

/* A reader of the members or elements inside the object or array that is v. */
struct reader reader_of(struct slice v);
/* The next member: its name without quotes (escapes as they are) and its value.  false: no more. */
bool reader_member(struct reader *r, struct slice *name, struct slice *value);
bool reader_element(struct reader *r, struct slice *value);
bool slice_is(struct slice s, const char *text);
