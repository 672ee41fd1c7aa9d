/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

/* Base64 as of RFC 4648, with padding and on one line: bytes in a JSON string. */

/* As it goes in between the quotes of a JSON string. */
void base64_add(struct buf *b, const void *data, size_t len);
/* Appends the bytes that text stands for.  -1: it is no base64, or there is no memory; some may have been appended. */
int base64_read(struct buf *b, const char *text, size_t len);
