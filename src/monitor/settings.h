/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Settings of the monitor's programs: environment variables, PREFIX and a name.  One table reads
 * them, checks them and explains them in --help.  Pure: the environment is passed in.
 *
 *	static const struct setting table[] = {
 *		{ "INTERVAL", SETTING_TIME, offsetof(struct my_settings, interval_ms), 100, 3600000, "2s", "time between samples" },
 *		…
 *	};
 *
 * A variable that is set to nothing counts as not set.  One that has the prefix and is in no row is a mistake.
 */
enum setting_kind {
	SETTING_TEXT,		/* const char *, lent from the environment or the table; NULL: not set */
	SETTING_PATH,		/* the same, beginning with "/" */
	SETTING_BOOL,		/* bool */
	SETTING_INT,		/* int64_t, min to max */
	SETTING_REAL,		/* double, min to max */
	SETTING_TIME,		/* int64_t in ms, min to max; as in appctld.conf: "2s", "0.5", "1h" */
	SETTING_SIZE,		/* int64_t in bytes, min to max; as in appctld.conf: "64M" */
	SETTING_NAMED,		/* struct setting_named: all variables whose names begin so */
};

enum { SETTING_NAMED_MAX = 32, SETTING_NAME_MAX = 48 };
struct setting_named {
	struct setting_pair {
		char name[SETTING_NAME_MAX];	/* PREFIX_METRIC_queue=…: "queue" */
		const char *value;		/* lent from the environment */
	} v[SETTING_NAMED_MAX];
	size_t count;
};

struct setting {
	const char *name;		/* behind the prefix */
	enum setting_kind kind;
	size_t offset;			/* of its value in the program's struct */
	int64_t min, max;
	const char *initial;		/* as one would write it; NULL: not set, 0, false */
	const char *help;		/* what it is, for people; one or more lines without the last newline */
};

/*
 * Fills *out, which must be zeroed.  Returns how many mistakes there are; each is a line in problems that says what was
 * wrong with which variable and what is allowed.
 */
size_t settings_read(const char *prefix, const struct setting *table, size_t count, char *const *environment, void *out,
	struct buf *problems);
/* Is it in the table, or does it not have the prefix?  Where neither, problems has a line that names the nearest one. */
bool settings_known(const char *prefix, const struct setting *table, size_t count, const char *variable, struct buf *problems);
/* The table as text for people. */
void settings_help(const char *prefix, const struct setting *table, size_t count, struct buf *out);
/* Adds a line to problems.  Returns -1. */
int settings_complain(struct buf *problems, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A TLS connection's settings; certificates are all NULL where a pre-shared key is wanted. */
struct settings_tls {
	bool use_tls;
	const char *ca_file, *cert_file, *key_file, *crl_file;
};
/* What a table alone cannot see of them.  -1: a line in problems says it. */
int settings_check_tls(const char *prefix, const struct settings_tls *t, struct buf *problems);
