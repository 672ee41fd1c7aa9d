/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "core/item.h"
#include "core/problem.h"

/*
 * The text of one file into items: scanned, parsed by libconfig, copied into the
 * arena; nothing of libconfig stays.  text[len] is '\0', and file lives as long as
 * the items.  NULL: ps says why.
 */
struct item *parse_text(struct arena *a, const char *file, const char *text, size_t len, struct problems *ps);
