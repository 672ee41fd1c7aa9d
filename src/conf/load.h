/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/model.h"

/*
 * Configuration files into fragments: reads the main file and the drop-ins of
 * conf.d/ beside it in byte order of name, scans each text for what libconfig
 * lets through (size, depth, integer range, NUL, @include), then lets libconfig
 * parse it.  Knows files and syntax, not what the items mean.
 */
struct conf_set {
	struct arena *arena;		/* holds all below */
	struct fragment *v;		/* the main file first */
	size_t n;
};

enum { CONF_FILE_MAX = 4 * 1024 * 1024, CONF_TOTAL_MAX = 32 * 1024 * 1024, CONF_DEPTH_MAX = 32 };

/*
 * Reads path and its drop-ins.  Everything wrong with access, ownership (a file or directory that others
 * may write is refused unless it is the caller's own user's) and syntax is added to ps;
 * -1 where there was any.  conf_set_free() in both cases.
 */
int conf_read(const char *path, struct conf_set *out, struct problems *ps);
/* The same without drop-ins: one file alone. */
int conf_read_file(const char *path, struct conf_set *out, struct problems *ps);
/* The same from texts that were accepted before: fragments with path, app, text and text_len set. */
int conf_parse(const struct fragment *texts, size_t n, struct conf_set *out, struct problems *ps);
/* One definition of an application by request: JSON text into items. */
struct item *conf_item_from_json(struct arena *a, const char *json, struct problems *ps);
void conf_set_free(struct conf_set *set);
/* The default main file for this user: SYSCONFDIR's for root, else below $XDG_CONFIG_HOME or ~/.config.  Into a buffer of PATH_MAX. */
void conf_default_path(char *out);
