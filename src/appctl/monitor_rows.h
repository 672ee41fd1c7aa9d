/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

/*
 * Rows of a monitor's database as JSON objects: node, ts and the table's columns, times as seconds since 1970, null where
 * nothing is known.  What a function returns is the caller's; NULL: err says why.
 */
struct source;

struct asked {
	const char *node;		/* NULL: all */
	const char *pid;		/* digits; NULL: all */
	double since, until;		/* seconds since 1970; 0: no limit */
	bool latest;			/* the last sample of the node alone */
	unsigned limit;			/* the last so many; 0: all */
};

/* -1: it cannot be reached, or is no database of the monitor; then *strange. */
struct source *source_open(const char *database, bool *strange, struct err *err);
void source_close(struct source *s);
/* Names of the nodes, in order. */
json_t *source_nodes(struct source *s, struct err *err);
/* In order of time; table is one of monitor/tables.h. */
json_t *source_rows(struct source *s, const char *table, const struct asked *a, struct err *err);
