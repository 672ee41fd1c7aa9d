/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/*
 * A file of environment variables as systemd's EnvironmentFile= reads it:
 * "NAME=value" lines; "#" and ";" begin a comment line; a value may be quoted
 * as a whole or in parts: '…' takes everything as it is, "…" knows \ before \ " $ `,
 * without quotes \ makes the next character plain; a \ at a line's end joins the next line.
 * Blanks around the value go.  Pure.
 *
 * Calls set for each assignment, with both strings lent, and bad for each line that is none (numbers from 1).
 */
typedef int envfile_set(void *arg, const char *name, const char *value);	/* -1: stop */
typedef void envfile_bad(void *arg, unsigned line);

/* text[len] must be NUL and is written to.  0; -1: set said so. */
int envfile_parse(char *text, size_t len, envfile_set *set, envfile_bad *bad, void *arg);
