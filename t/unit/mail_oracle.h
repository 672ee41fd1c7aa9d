/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads text both as a line of mail.sock and with jansson, and compares: what one takes as a line the other must, with
 * the same values.  NULL: they agree; else where they do not.  *taken: it was a line.
 */
const char *mail_line_differs(const char *text, size_t len, bool *taken);
