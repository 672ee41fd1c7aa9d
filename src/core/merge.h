/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/strmap.h"
#include "core/schema.h"

/*
 * Fragments into one configuration, still as items: first what all files define,
 * then, in the order of the files, what drop-ins modify.  Names are borrowed from the
 * fragments; what changes is copied into an arena of its own, the fragments stay as they are.
 */
struct merged_app {
	const char *name;
	struct origin at, deleted_at;
	struct item *members;
	bool listed;			/* came from a list: one of its members is its name */
	bool edges_only;		/* nothing but start_before and the like so far */
	bool deleted;			/* by a modify */
	bool own;			/* members are a copy */
	uint64_t own_keys;		/* by key_index(): these values are copies too */
};

struct merged_member {
	const char *name;		/* NULL: was deleted */
	struct origin at;
};

struct merged_set {			/* a role, a mode, or what is protected */
	const char *name;
	struct origin at;
	struct merged_member *v;
	uint32_t n, cap;
	struct strmap index;
};

struct merged_sets {
	struct merged_set *v;
	uint32_t n, cap;
	struct strmap index;
};

struct merged_items {			/* settings that several files may add to */
	const struct item **v;
	uint32_t n, cap;
};

struct merged {
	struct arena *arena;
	struct merged_app *apps;
	uint32_t app_count, app_cap;
	struct strmap app_index;
	struct merged_sets roles, modes;
	struct merged_set protected;
	const struct item *node, *default_mode, *shutdown_timeout;	/* NULL: not set */
	struct merged_items access, log_levels;				/* the values, lists of groups */
	unsigned suggestions;						/* how many were looked for: each costs */
};

/* Complaints go to r.  -1: no memory.  merged_fini() in both cases. */
int merge(const struct fragment *fragments, size_t n, struct reader *r, struct merged *out);
void merged_fini(struct merged *m);
/* The nearest name of an application that is defined, or NULL. */
const char *merged_suggest_app(struct merged *m, const char *name);
const char *merged_suggest_set(struct merged *m, const struct merged_sets *sets, const char *name);
