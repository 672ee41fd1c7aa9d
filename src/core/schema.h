/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "core/intern.h"
#include "core/model.h"

/*
 * The keys of an application, in one table: name, kind of value, where it is
 * kept, what a change of it means.  Reading, "did you mean", printing as JSON,
 * comparing and run_hash all go by that table; groups like ready have tables of their own.
 */
struct key;

enum {
	KEY_RESTART = 1 << 0,		/* a running process would have to be restarted for it */
	KEY_ORDER = 1 << 1,		/* only says who comes before whom */
	KEY_SET = 1 << 2,		/* an array whose order tells nothing: united by modify */
	KEY_MAP = 1 << 3,		/* a group of names, or an array of NAME=value: united by name */
	KEY_UNSUPPORTED = 1 << 4,	/* planned, not in this version */
	KEY_GUEST = 1 << 5,		/* gives nobody more than he has: see guest.h */
};

const struct key *schema_find(const char *name);	/* of an application; NULL: no such key */
const char *schema_suggest(const char *name);		/* the nearest, or NULL */
unsigned key_flags(const struct key *k);
unsigned key_index(const struct key *k);		/* below 64 */
const struct key *schema_key(unsigned index);		/* NULL: that was the last */
const char *key_name(const struct key *k);

/* What reading definitions needs: where values go, and where complaints. */
struct reader {
	struct intern *in;
	struct problems *ps;
	const char *path[8];		/* "applications", "web", "ready", "type" */
	unsigned depth;
	struct name_use *names;		/* malloc'd; moved into the model at the end */
	uint32_t name_count, name_cap;
	const char *const *modules;	/* for log_levels */
};

/* Complains about the key that the reader is at. */
void reader_fail(struct reader *r, const struct item *it, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* 'WHAT "WORD" (did you mean NEAR?)'; word NULL: the key says it; near NULL: no hint. */
void reader_fail_near(struct reader *r, const struct item *it, const char *near, const char *what, const char *word);
/* The children of an array or list; complains of anything else.  false: there is none to walk. */
bool reader_elements(struct reader *r, const struct item *it, const struct item **first);
const char *reader_text(struct reader *r, const struct item *it);		/* a non-empty string, interned; NULL: complained */
const char *reader_user(struct reader *r, const struct item *it, bool is_group);	/* name or number; noted in names */
struct strings reader_users(struct reader *r, const struct item *it, bool are_groups);	/* an array of them */
bool reader_duration(struct reader *r, const struct item *it, bool infinite, int64_t *ms);
struct strings reader_strings(struct reader *r, const struct item *it);

/*
 * Reads the members of an entry into *d, with all defaults; `listed`: it came from a list and
 * has a "name".  References have names and no indices yet; a check of each key alone and of
 * keys that need or exclude each other is done.
 */
void schema_read_app(struct reader *r, const struct item *members, bool listed, bool transient, struct app_def *d);
/* The hash of what KEY_RESTART marks and is not as by default. */
uint64_t schema_run_hash(const struct app_def *d, struct buf *scratch);
/* One key's value as JSON; false: not set, nothing written. */
bool schema_print_key(const struct key *k, const struct app_def *d, struct buf *out);
void print_duration(struct buf *out, int64_t ms);		/* seconds, "infinity" */
