/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/*
 * One JSON value whose objects name each member once.  NULL: it is none, and why (where it is not NULL) says so;
 * or *no_memory (the same): memory ran out, which jansson alone reports as an error of syntax or not at all.
 */
json_t *json_read(const char *text, size_t len, bool *no_memory, json_error_t *why);
