/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/schema.h"

/*
 * The kinds of values that keys have: how each is read from an item and printed
 * as JSON.  A key says where in its struct the value is kept.
 */
struct kind {
	void (*read)(struct reader *r, const struct key *k, const struct item *it, void *base);
	bool (*print)(const struct key *k, const void *base, struct buf *out);	/* false: not set */
};

#define FIELD(type, base, k) ((type *)(void *)((char *)(base) + (k)->offset))
#define CONST_FIELD(type, base, k) ((const type *)(const void *)((const char *)(base) + (k)->offset))

enum key_home { IN_APP, IN_AS };

struct key {
	const char *name;
	const struct kind *kind;
	uint16_t offset;		/* of the value in its struct */
	uint16_t flag;			/* of a bool that says that it is set; 0: none */
	#define FIELD(type, base, k) ((type *)(void *)((char *)(base) + (k)->offset))
#define CONST_FIELD(type, base, k) ((const type *)(const void *)((const char *)(base) + (k)->offset))

enum key_home in;
	unsigned flags;			/* KEY_… */
	int64_t lo, hi;			/* what a number may be; lo also marks "unset" where it is below what may be written */
	const struct choice *choices;
	const struct key *keys;		/* of a group */
};

struct choice {
	const char *name;		/* NULL ends the list */
	int value;			/* CHOICE_UNSUPPORTED: planned, not in this version */
};
enum { CHOICE_UNSUPPORTED = -1 };

extern const struct kind kind_string, kind_path, kind_dir_name, kind_url, kind_command, kind_bool, kind_int, kind_number,
	kind_duration, kind_shutdown, kind_signal, kind_choice, kind_refs, kind_strings, kind_files, kind_user,
	kind_group, kind_groups, kind_env, kind_umask, kind_ionice, kind_affinity, kind_capabilities, kind_limits;

/* For those who read values: a complaint, and strings collected as pointers, then kept once with a NULL at their end. */
void reader_wrong_type(struct reader *r, const struct item *it, const char *wanted);
void reader_push(struct buf *pointers, const char *s);
struct strings reader_keep(struct reader *r, struct buf *pointers);

/* Reads the members of a group by a table, into *base; returns the keys that were there as bits by their index. */
uint64_t read_group(struct reader *r, const struct key *keys, const struct item *first, const char *but, void *base[2]);
const struct key *key_by_name(const struct key *keys, const char *name);
/* {"key":value,…} of all keys that are set. */
void print_group(const struct key *keys, const void *base, struct buf *out);
