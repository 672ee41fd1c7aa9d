/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/problem.h"

#include <stdint.h>

/*
 * What libconfig lets through or says badly is found here first, in one pass over
 * the text: NUL bytes, bad UTF-8, nesting beyond CONF_DEPTH_MAX, integers that
 * libconfig would wrap, @include, and what was opened and never closed.  On the way it
 * notes for each setting, in the order of the text, the line that it stands in, and where its value begins and ends.
 */
struct scan_mark {
	uint32_t line;
	uint32_t parent;		/* the mark of the setting around it; SCAN_NONE: the file itself */
	uint32_t name, name_len;	/* place in the text; name_len 0: an element of a list or array */
	uint32_t index;			/* among its siblings */
	uint32_t value, end;		/* of the value's first byte and behind its last one */
};

enum { SCAN_NONE = UINT32_MAX };

struct scan {				/* zero-initialise; scan_free() */
	struct scan_mark *v;
	size_t n, cap;
};

/*
 * text[len] is '\0'.  0, or -1 with all that was found in ps (a fault in the structure ends the scan).
 */
int scan_text(const char *file, const char *text, size_t len, struct scan *out, struct problems *ps);
/*
 * Reports every name that stands twice in one group, with both places.  0: there was none.
 */
size_t scan_report_twice(const char *file, const char *text, const struct scan *s, struct problems *ps);
void scan_free(struct scan *s);
