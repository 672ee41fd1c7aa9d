/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* How things are printed: JSON, text from elsewhere, times, colours, tables and trees. */

/*
 * Out of memory a command line says so and ends: half a request would be another one.
 * A string that is no UTF-8 never comes this far, see parse().
 */
_Noreturn void no_memory(void);
json_t *need_json(json_t *v);				/* v */
void set_json(json_t *object, const char *key, json_t *take_value);
void append_json(json_t *array, json_t *take_value);
const char *buf_text(struct buf *b);			/* as buf_cstr() */

/* One document and a newline; indented on a terminal.  Takes doc. */
void print_json(json_t *take_doc);
/* Text that comes from elsewhere: control characters are shown, not obeyed. */
void print_text(FILE *f, const char *text);
void add_text(struct buf *b, const char *text);

/* Waits until fd (-1: none) is readable, for at most timeout_ms (-1: no limit).  false: the reader of standard output has gone. */
bool wait_unless_closed(int fd, int timeout_ms);

/* Members, with something harmless where there are none. */
const char *text_at(const json_t *object, const char *key);		/* "" */
double number_at(const json_t *object, const char *key);		/* 0 */
bool true_at(const json_t *object, const char *key);
/* "web, api and db"; nothing for an empty array. */
void add_list(struct buf *b, const json_t *strings);

/* 3.4 -> "3.4 s", 200 -> "3 min 20 s", 200000 -> "2 d 7 h". */
void add_duration(struct buf *b, double seconds);
/* Seconds since 1970 as local time, "2026-11-21 05:00:00". */
void add_time(struct buf *b, double when);
double now_real(void);

/* The escape sequence that colours a state; "": none. */
const char *state_color(const char *state);
bool use_colors(void);
void print_state(const char *state);

/* Tables and trees, by libsmartcols. */
struct table;
struct table_line;

struct column {
	const char *name;		/* NULL ends a list */
	enum { COLUMN_PLAIN, COLUMN_RIGHT, COLUMN_TREE, COLUMN_CUT } kind;	/* COLUMN_CUT: to the width of a terminal */
};

struct table *table_new(const struct column *columns);		/* ends the program where there is no memory */
struct table_line *table_add(struct table *t, struct table_line *parent);
void table_set(struct table_line *line, unsigned column, const char *text);
void table_color(struct table_line *line, unsigned column, const char *state);
void table_print(struct table *take_t);				/* and gives it back */
void table_free(struct table *t);				/* NULL is fine */

/* A JSON string of any bytes: what is no UTF-8 becomes \xNN. */
json_t *json_utf8_or_escaped(const char *text);
