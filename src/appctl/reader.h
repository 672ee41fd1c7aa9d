/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Looks into JSON text without making objects of it: a thousand applications as objects take longer than
 * all the rest of `appctl status`.  One pass: after each member or element its value is either taken or entered.
 *
 *	struct reader r = reader_of(text), inner;
 *
 *	while (reader_member(&r, &name))
 *		if (slice_is(name, "list")) {
 *			for (inner = reader_enter(&r); reader_element(&inner);)
 *				value = reader_value(&inner);
 *			reader_leave(&r, &inner);
 *		} else {
 *			reader_value(&r);
 *		}
 *
 * Text that is no JSON ends the loops and leaves `bad` set.
 */
struct reader {
	const char *p, *end;
	bool bad, begun, done;	/* begun: one of this level has been read; done: the closing bracket has been */
};

struct slice {
	const char *p;
	size_t len;
};

struct reader reader_of(struct slice text);		/* an object or array */
bool reader_member(struct reader *r, struct slice *name);	/* without quotes, escapes as they are; false: no more */
bool reader_element(struct reader *r);
struct slice reader_value(struct reader *r);		/* with its quotes or brackets */
struct reader reader_enter(struct reader *r);		/* the object or array that stands there */
void reader_leave(struct reader *r, const struct reader *inner);	/* after its last member or element */
bool slice_is(struct slice s, const char *text);
